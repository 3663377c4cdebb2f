"""What both of QFEX's sockets do alike: the forms in which messages come, and what came before."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from msgspec.structs import replace

from payloads.abi.fields import Record
from payloads.errors import Malformed
from payloads.venues.common.dedupe import Duplicate, Repeats
from payloads.venues.common.endpoints import header_value
from payloads.venues.common.json_session import JsonSession
from payloads.venues.common.redactor import Message
from payloads.venues.common.session import Broken, Data, Dial, Event, Unknown
from payloads.venues.qfex.records import Trade

# Messages of each stream that are remembered, also over a reconnect.
LATEST = 64


class QfexSession(JsonSession):
    """A session of which each message is handled by itself, however many come in one frame.

    `client` is what the client calls itself, in the header for that.
    """

    venue: ClassVar[str] = "qfex"

    def __init__(self, url: str, client: str) -> None:
        super().__init__()
        self._url = url
        self._headers = (("x-qfex-client", header_value(client, "client")),) if client else ()
        self._repeats = Repeats(LATEST)

    @property
    def repeated(self) -> int:
        """How many messages came twice and were dropped."""
        return self._repeats.count

    def dial(self, now: int) -> Dial:
        return Dial(self._url, self._headers)

    @abstractmethod
    def _message(self, content: dict[str, Any], raw: Message, now: int) -> list[Event]:
        """The events of a message; none if it is unknown, `Malformed` if it is broken."""

    def _read(self, content: Any, raw: Message, now: int) -> list[Event]:
        events: list[Event] = []
        for message in listed(content):
            try:
                known = self._message(message, raw, now) if isinstance(message, dict) else []
                events += known or [Unknown(message, raw)]
            except Malformed as error:
                events.append(Broken(error, raw))
        return events

    def _once(self, stream: str, channel: str, record: Record) -> Event:
        """The data, unless it came before on its stream.

        No number of the venue's is said to be unique, so a repeat is a record that equals an
        earlier record in everything. It has a time or number, by which it differs from the next.
        A trade has its id for that, whatever number it came with.
        """
        of_trade = hasattr(record, "trade_id")
        names = ("trade_id",) if of_trade else ("sequence", "time")
        told_apart = any(getattr(record, name, None) is not None for name in names)
        mark = replace(record, sequence=None) if isinstance(record, Trade) else record
        again = told_apart and self._repeats.again(mark, stream)
        if not again:
            return Data(channel, record)
        time, number = (getattr(record, name, None) for name in ("time", "sequence"))
        return Duplicate(channel, record, time, number)


def listed(content: Any) -> list[Any]:
    """The messages in a frame, which may be an array of them."""
    return content if isinstance(content, list) and content else [content]
