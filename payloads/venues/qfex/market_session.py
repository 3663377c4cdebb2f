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
        one = cls(tuple(channels), tuple(symbols), tuple(intervals))
        _check("channels", one.channels, CHANNELS)
        if not one.symbols or not all(_SYMBOL.fullmatch(symbol) for symbol in one.symbols):
            raise Misuse("no symbols", field="symbols", expected="at least one, like AAPL-USD")
        if "candle" in one.channels and not one.intervals:
            expected = f"as candle:AAPL-USD/1MIN, of {', '.join(INTERVALS)}"
            raise Misuse("candles need an interval", field="intervals", expected=expected)
        if "candle" not in one.channels and one.intervals:
            raise Misuse("only candles have intervals", field="intervals", expected="none")
        if one.intervals:
            _check("intervals", one.intervals, INTERVALS)
        return one

    @property
    def streams(self) -> Iterator[Stream]:
        """Each of what it is about by itself."""
        for channel in self.channels:
            for symbol in self.symbols:
                for interval in self.intervals if channel == "candle" else ("",):
                    yield channel, symbol, interval

    def message(self, verb: str) -> dict[str, Any]:
        """What subscribes or unsubscribes: flat, without `params`."""
        named = {"channels": self.channels, "symbols": self.symbols, "intervals": self.intervals}
        return {"type": verb, **{key: list(value) for key, value in named.items() if value}}


class Interest:
    """What is subscribed to, however it was put together and taken apart.

    `*` stands for all symbols of its channel: subscribing to it takes in what was there, and
    unsubscribing from it leaves nothing. A symbol can be taken out of it.
    """

    def __init__(self) -> None:
        # False for what was taken out of a `*`.
        self._wanted: dict[Stream, bool] = {}

    def add(self, one: Subscription) -> bool:
        """Subscribe; whether that is anything new."""
        before = dict(self._wanted)
        for channel, symbol, interval in one.streams:
            if symbol == _ALL:
                self._clear(channel, interval)
            if symbol != _ALL and self._wanted.get((channel, _ALL, interval)):
                self._wanted.pop((channel, symbol, interval), None)
            else:
                self._wanted[channel, symbol, interval] = True
        return before != self._wanted

    def drop(self, one: Subscription) -> None:
        """Unsubscribe."""
        for channel, symbol, interval in one.streams:
            if symbol == _ALL:
                self._clear(channel, interval)
            elif self._wanted.get((channel, _ALL, interval)):
                self._wanted[channel, symbol, interval] = False
            else:
                self._wanted.pop((channel, symbol, interval), None)

    def _clear(self, channel: str, interval: str) -> None:
        gone = [one for one in self._wanted if one[0] == channel and one[2] == interval]
        for one in gone:
            del self._wanted[one]

    def wants(self, channel: str, symbol: str, interval: str = "") -> bool:
        """Whether a message is one of these; a candle of no interval is one of any."""
        if channel == "candle" and not interval:
            return any(self.wants(channel, symbol, one) for one in INTERVALS)
        every = self._wanted.get((channel, _ALL, interval), False)
        return self._wanted.get((channel, symbol, interval), every)

    def messages(self) -> Iterator[dict[str, Any]]:
        """What brings a new connection to where this is, in few messages."""
        for verb, wanted in (("subscribe", True), ("unsubscribe", False)):
            streams = [one for one, value in self._wanted.items() if value is wanted]
            for one in _gathered(streams):
                yield one.message(verb)


def _gathered(streams: Iterable[Stream]) -> Iterator[Subscription]:
    """The same streams in few subscriptions."""
    intervals: dict[tuple[str, str], list[str]] = {}
    for channel, symbol, interval in streams:
        intervals.setdefault((channel, symbol), []).extend([interval] if interval else [])
    symbols: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (channel, symbol), some in intervals.items():
        symbols.setdefault((channel, tuple(some)), []).append(symbol)
    channels: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for (channel, some_intervals), some in symbols.items():
        channels.setdefault((tuple(some), some_intervals), []).append(channel)
    for (some_symbols, some_intervals), some in channels.items():
        yield Subscription(tuple(some), some_symbols, some_intervals)


def _stream_of(name: str, record: Any) -> Stream:
    """What a message belongs to. The interval of a candle may stand behind its symbol."""
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
        for one in subscriptions:
            self._interest.add(Subscription.of(*one.values))
        self._seen: dict[str, Stream] = {}
        self._watchdog = self._timers.add(Watchdog(silence))
        self._refused: dict[str, str] = {}

    @property
    def refused(self) -> dict[str, str]:
        return {**self._refused}

    @property
    def subscribed(self) -> list[str]:
        """What data has come for on this connection, as `level2:AAPL-USD`."""
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
        one = Subscription.of(channels, symbols, intervals)
        if self._interest.add(one) and self._open:
            self._send(one.message("subscribe"))

    @by_caller
    def unsubscribe(
        self, channels: Iterable[str], symbols: Iterable[str], intervals: Iterable[str] = ()
    ) -> None:
        """Unsubscribe channels and symbols, however they were put together when subscribing.

        The venue confirms nothing, and what is on its way still comes.
        """
        gone = Subscription.of(channels, symbols, intervals)
        self._interest.drop(gone)
        self._seen = {label: one for label, one in self._seen.items() if self._interest.wants(*one)}
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
        messages = (message for one in flatten(content) for message in opened(one))
        return [event for one in messages for event in self._one(one, raw)]

    def _check_timers(self, now: int) -> list[Event]:
        return [*self._watchdog.expired(now)]

    def _forget(self) -> None:
        """What belonged to the connection; not what came on it, which may come again."""
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
        # After a reconnect the first may be one that came before: it is in force all the same.
        first = self._first(label, stream)
        again = came_before(self._repeats, label, record)
        return [*first, Duplicate(name, record) if again else Data(name, record)]

    def _error(self, content: dict[str, Any]) -> Event:
        event = error_of(content)
        if event.code not in RETRYABLE:
            self._refused[event.about or "a subscription"] = f"{event.code}: {event.meaning}"
        return event

    def _first(self, label: str, stream: Stream) -> list[Event]:
        """That a subscription is in force, when its first data comes."""
        if label in self._seen or len(self._seen) >= _MOST_LABELS:
            return []
        if not self._interest.wants(*stream):  # it was on its way when we unsubscribed
            return []
        self._seen[label] = stream
        return [Subscribed(label)]
