"""Finery's REST methods over the websocket: requests by number, and what becomes of each."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from payloads.errors import elide
from payloads.venues.common.pending import Timeouts
from payloads.venues.common.redactor import Message
from payloads.venues.common.session import LOST, NO_ANSWER, SECOND, Event, Rejected, Unknown
from payloads.venues.finery.auth import check_method
from payloads.venues.finery.codes import code_of, meaning

# The venue states no time; a request that is not answered by then may still have been carried out.
REPLY_WITHIN = 10 * SECOND


class Answered(Event, frozen=True):
    """The reply to a request."""

    request_id: int
    method: str
    reply: Any


class RequestFailed(Rejected, frozen=True):
    """A request that was refused, or whose reply did not come.

    `code` is then `no answer` (a reply that comes later is reported all the same) or, when it went
    with the connection, `lost`.
    """

    request_id: int | None = None


class Requests:
    """The requests of one connection, each of which is to be answered `within` nanoseconds."""

    def __init__(self, within: int = REPLY_WITHIN) -> None:
        self._last = 0
        # All that are not answered, and those among them whose time is not over.
        self._methods: dict[int, str] = {}
        self.waiting = Timeouts[int](within)

    def new(self, method: str, content: Mapping[str, Any] | None) -> dict[str, Any]:
        """The next request's message."""
        number = self._last + 1
        # An empty object is wanted where there is nothing to pass.
        head = {"event": "request", "reqId": number, "method": check_method(method)}
        return {**head, "content": dict(content or {})}

    def sent(self, message: Mapping[str, Any]) -> int:
        """The request goes out: its number."""
        self._last = message["reqId"]
        self._methods[self._last] = message["method"]
        self.waiting.add(self._last)
        return self._last

    def answered(self, content: dict[str, Any], raw: Message) -> Event:
        """What a reply says; `Malformed` where it is none."""
        number = content["reqId"]
        if "error" not in content and "reply" not in content:
            return Unknown(content, raw)
        code = code_of(content["error"]) if "error" in content else None
        self.waiting.discard(number)
        method = self._methods.pop(number, "")
        if code is None:
            return Answered(number, method, content["reply"])
        param = content.get("param", "")
        words = str(param) if isinstance(param, str | int | Decimal) else ""
        about = _about(method, number)
        return RequestFailed(str(code), elide(words, 300), meaning(code), about, number)

    def late(self, now: int) -> list[Event]:
        """Those whose time is over."""
        words = "no reply in time: what became of it is not known"
        return [self._failed(NO_ANSWER, words, number) for number in self.waiting.expired(now)]

    def lost(self) -> list[Event]:
        """The connection is gone, and with it what was waited for."""
        words = "no reply before the connection went"
        events = [self._failed(LOST, words, number) for number in self.waiting]
        self.forget()
        return events

    def forget(self) -> None:
        self._methods.clear()
        self.waiting.stop()

    def _failed(self, code: str, words: str, number: int) -> Event:
        about = _about(self._methods.get(number, ""), number)
        return RequestFailed(code, "", words, about, number)


def _about(method: str, number: int) -> str:
    return f"{method or 'request'} #{elide(str(number))}"
