"""QFEX's public market data: subscriptions, and a session that turns messages into records.

The venue acknowledges nothing here, and has no error of its own documented. So a subscription is
`Subscribed` when its first data comes, and over when no more does; a symbol that does not exist is
silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

from payloads.abi.fields import Record
from payloads.errors import Malformed, Misuse
from payloads.venues.common.dedupe import Duplicate, Repeats
from payloads.venues.common.endpoints import address
from payloads.venues.common.http_words import refused
from payloads.venues.common.json_session import JsonSession
from payloads.venues.common.redactor import Message
from payloads.venues.common.session import (
    Broken,
    Data,
    Dial,
    Event,
    Rejected,
    Retry,
    Subscribed,
    Unknown,
    by_caller,
)
from payloads.venues.common.timers import Watchdog
from payloads.venues.qfex.codes import MDS_ENDPOINTS, RETRYABLE, error_of
from payloads.venues.qfex.records import CHANNELS, LATEST, came_before, flatten, opened, read

INTERVALS = ("1MIN", "5MINS", "15MINS", "1HOUR", "4HOURS", "1DAY")
_ALL = "*"
_SYMBOL = re.compile(r"[!-~]{1,64}")
# More than any venue lists; what is beyond is data all the same.
_MOST_LABELS = 100_000

# A channel, a symbol, and the interval of a candle ("" for everything else).
Stream = tuple[str, str, str]


def _check(field: str, given: Iterable[str], known: Iterable[str]) -> None:
    known = tuple(known)
    if not given or any(word not in known for word in given):
        raise Misuse(f"no such {field}", field=field, expected=", ".join(known))


class Subscription(Record, frozen=True):
    """Channels of some symbols; `intervals` belong to candles, and candles need them.

    `*` for all symbols is documented for level2, trade and market_stats.
    """

    channels: tuple[str, ...]
    symbols: tuple[str, ...]
    intervals: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, channels: Iterable[str], symbols: Iterable[str], intervals: Iterable[str] = ()
    ) -> Subscription:
        """A subscription that the venue would take; `Misuse` otherwise."""
        channels, symbols, intervals = tuple(channels), tuple(symbols), tuple(intervals)
        _check("channels", channels, CHANNELS)
        if not symbols or not all(_SYMBOL.fullmatch(symbol) for symbol in symbols):
            raise Misuse("no symbols", field="symbols", expected="at least one, like AAPL-USD")
        if intervals and "candle" not in channels:
            raise Misuse("only candles have intervals", field="intervals", expected="none")
        if intervals or "candle" in channels:
            _check("intervals", intervals, INTERVALS)
        return cls(channels, symbols, intervals)

    @property
    def streams(self) -> Iterator[Stream]:
        """Its channels, symbols and intervals one by one."""
        for channel in self.channels:
            for symbol in self.symbols:
                for interval in self.intervals if channel == "candle" else ("",):
                    yield channel, symbol, interval

    def message(self, verb: str) -> dict[str, Any]:
        """The message that subscribes or unsubscribes: flat, without `params`."""
        named = {"channels": self.channels, "symbols": self.symbols, "intervals": self.intervals}
        return {"type": verb, **{key: list(value) for key, value in named.items() if value}}


class Interest:
    """The wanted streams, however they were put together and taken apart.

    `*` stands for all symbols of its channel: subscribing to it includes what was there, and
    unsubscribing from it leaves nothing. A single symbol can be taken out of it.
    """

    def __init__(self) -> None:
        # False for what was taken out of a `*`.
        self._wanted: dict[Stream, bool] = {}

    def change(self, subscription: Subscription, wanted: bool) -> bool:
        """Subscribe or unsubscribe; whether that changes anything."""
        before = dict(self._wanted)
        for stream in subscription.streams:
            channel, symbol, interval = stream
            if symbol == _ALL:
                for other in [key for key in self._wanted if key[::2] == (channel, interval)]:
                    del self._wanted[other]
            if wanted == ((channel, _ALL, interval) in self._wanted):
                self._wanted.pop(stream, None)
            else:
                self._wanted[stream] = wanted
        return before != self._wanted

    def wants(self, channel: str, symbol: str, interval: str = "") -> bool:
        """Whether a message is wanted; a candle without an interval may be of any."""
        if channel == "candle" and not interval:
            return any(self.wants(channel, symbol, each) for each in INTERVALS)
        every = self._wanted.get((channel, _ALL, interval), False)
        return self._wanted.get((channel, symbol, interval), every)

    def messages(self) -> Iterator[dict[str, Any]]:
        """The few messages that tell a new connection all of this."""
        for verb, wanted in (("subscribe", True), ("unsubscribe", False)):
            streams = [stream for stream, value in self._wanted.items() if value is wanted]
            intervals = _grouped(((c, symbol), interval) for c, symbol, interval in streams)
            symbols = _grouped(((c, each), symbol) for (c, symbol), each in intervals)
            channels = _grouped(((each, names), c) for (c, each), names in symbols)
            for (each, names), together in channels:
                yield Subscription(together, names, tuple(filter(None, each))).message(verb)


def _grouped(pairs: Iterable[tuple[Any, str]]) -> list[tuple[Any, tuple[str, ...]]]:
    """The values of each key together."""
    found: dict[Any, list[str]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return [(key, tuple(values)) for key, values in found.items()]


def _stream_of(name: str, record: Any) -> Stream:
    """The stream of a message. The interval of a candle may stand behind its symbol."""
    if name != "candle":
        return name, record.symbol, ""
    symbol, _, interval = record.symbol.partition("/")
    return name, symbol, record.resolution or interval


class QfexMarketSession(JsonSession):
    """A connection to the public market data, which needs no credentials.

    With `silence` (in nanoseconds) a connection on which nothing has come for so long, after
    something has, is given up as `Stalled`. Books pulse every 50 ms while the market is open.
    """

    venue: ClassVar[str] = "qfex"

    def __init__(
        self,
        subscriptions: Iterable[Subscription] = (),
        *,
        endpoint: str = "mainnet",
        silence: int | None = None,
    ) -> None:
        super().__init__()
        self._url = address(endpoint, MDS_ENDPOINTS)
        self._interest, self._repeats = Interest(), Repeats(LATEST)
        for wanted in subscriptions:
            self._interest.change(Subscription.of(*wanted.values), True)
        self._seen: dict[str, Stream] = {}
        self._watchdog = self._timers.add(Watchdog(silence))
        self._refused: dict[str, str] = {}

    @property
    def refused(self) -> dict[str, str]:
        return {**self._refused}

    @property
    def subscribed(self) -> list[str]:
        """The streams with data on this connection, as `level2:AAPL-USD`."""
        return sorted(self._seen)

    @property
    def repeated(self) -> int:
        """How many messages came twice and were dropped."""
        return self._repeats.count

    @by_caller
    def subscribe(
        self, channels: Iterable[str], symbols: Iterable[str], intervals: Iterable[str] = ()
    ) -> None:
        """Subscribe, now and after every reconnect."""
        wanted = Subscription.of(channels, symbols, intervals)
        if self._interest.change(wanted, True) and self._open:
            self._send(wanted.message("subscribe"))

    @by_caller
    def unsubscribe(
        self, channels: Iterable[str], symbols: Iterable[str], intervals: Iterable[str] = ()
    ) -> None:
        """Unsubscribe channels and symbols, however they were put together when subscribing.

        The venue confirms nothing, and data that is on its way still comes.
        """
        gone = Subscription.of(channels, symbols, intervals)
        self._interest.change(gone, False)
        seen = self._seen.items()
        self._seen = {label: stream for label, stream in seen if self._interest.wants(*stream)}
        if self._open:
            self._send(gone.message("unsubscribe"))

    # --- what the driver calls --------------------------------------------------------------------

    def dial(self, now: int) -> Dial:
        return Dial(self._url)

    def _begin(self, now: int) -> list[Event]:
        for message in self._interest.messages():
            self._send(message)
        return []

    def rejected(
        self, status: int, headers: Sequence[tuple[str, str]], body: bytes
    ) -> tuple[Rejected, Retry]:
        return refused(status, headers, body, self._redactor, about="upgrade")

    def _read(self, content: Any, raw: Message, now: int) -> list[Event]:
        self._watchdog.touch(now)
        messages = (message for item in flatten(content) for message in opened(item))
        return [event for message in messages for event in self._one(message, raw)]

    def _check_timers(self, now: int) -> list[Event]:
        return [*self._watchdog.expired(now)]

    def _forget(self) -> None:
        """Drop what belonged to the connection; not what came on it, which may come again."""
        self._seen.clear()

    # --- what comes -------------------------------------------------------------------------------

    def _one(self, content: Any, raw: Message) -> list[Event]:
        if not isinstance(content, dict):
            return [Unknown(content, raw)]
        name = content.get("type")
        kind = CHANNELS.get(name) if isinstance(name, str) else None
        if kind is None or not isinstance(name, str):
            is_error = name == "error" or "err" in content
            return [self._error(content) if is_error else Unknown(content, raw)]
        try:
            record = read(kind, content)
        except Malformed as error:
            return [Broken(error, raw)]
        stream = _stream_of(name, record)
        label = f"{name}:{stream[1]}" + (f"/{stream[2]}" if stream[2] else "")
        # After a reconnect the first message may be a repeat; the subscription is in force anyway.
        first = self._first(label, stream)
        again = came_before(self._repeats, label, record)
        return [*first, Duplicate(name, record) if again else Data(name, record)]

    def _error(self, content: dict[str, Any]) -> Event:
        event = error_of(content)
        if event.code not in RETRYABLE:
            self._refused[event.about or "a subscription"] = f"{event.code}: {event.meaning}"
        return event

    def _first(self, label: str, stream: Stream) -> list[Event]:
        """The event for a subscription's first data: it is in force."""
        if label in self._seen or len(self._seen) >= _MOST_LABELS:
            return []
        if not self._interest.wants(*stream):  # it was on its way when we unsubscribed
            return []
        self._seen[label] = stream
        return [Subscribed(label)]
