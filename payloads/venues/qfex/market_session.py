"""QFEX's public market data: subscriptions, and a session that turns messages into records.

The venue acknowledges nothing here, and has no error of its own documented. So a subscription is
`Subscribed` when its first data comes, and over when no more does; a symbol that does not exist is
silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import msgspec

from payloads.abi.fields import Record
from payloads.json_records import Wrong, integer
from payloads.venues.common.endpoints import address
from payloads.venues.common.redactor import Message
from payloads.venues.common.session import (
    NO_DATA,
    NOT_ASKED,
    Event,
    Missing,
    Subscribed,
    by_caller,
)
from payloads.venues.common.timers import Timeout, Watchdog
from payloads.venues.common.values import OneOf
from payloads.venues.common.venue import is_number
from payloads.venues.qfex.codes import MDS_ENDPOINTS, RETRYABLE, error_of
from payloads.venues.qfex.records import CHANNELS, read
from payloads.venues.qfex.requests import checked
from payloads.venues.qfex.session import QfexSession, listed

INTERVALS = ("1MIN", "5MINS", "15MINS", "1HOUR", "4HOURS", "1DAY")
_ALL = "*"
_SYMBOL = re.compile(r"[!-~]{1,64}")
# More than any venue lists; what is beyond is data all the same.
_MOST_LABELS = 100_000

Texts = Iterable[str]
# A channel, a symbol, and the interval of a candle or the `sig_figs` of a book, "" for none.
Stream = tuple[str, str, str]
_DETAILS = {"candle": "intervals", "level2": "sig_figs"}


def _symbol(value: Any) -> str | None:
    return value if isinstance(value, str) and _SYMBOL.fullmatch(value) else None


class Subscription(Record, frozen=True):
    """Channels of some symbols; `intervals` belong to candles, and candles need them.

    `*` for all symbols is documented for level2, trade and market_stats. `sig_figs` belong to
    level2: 1 and 2 sum the levels up more coarsely, 0 is every level by itself.
    """

    channels: tuple[Annotated[str, OneOf(*CHANNELS)], ...]
    symbols: tuple[Annotated[str, _symbol], ...]
    intervals: tuple[Annotated[str, OneOf(*INTERVALS)], ...] = ()
    sig_figs: tuple[Annotated[int, integer(0, 2)], ...] = ()

    @classmethod
    def of(
        cls, channels: Texts, symbols: Texts, intervals: Texts = (), sig_figs: Iterable[int] = ()
    ) -> Subscription:
        """A subscription that the venue would take; `Misuse` otherwise."""
        given = tuple(channels), tuple(symbols), tuple(intervals), tuple(sig_figs)
        found: Subscription = checked(cls, dict(zip(cls.__struct_fields__, given, strict=True)))
        return found

    @classmethod
    def checked(cls, given: Subscription | str) -> Subscription:
        """The subscription, also from its label; `Misuse` if the venue would not take it."""
        if isinstance(given, Subscription):
            return cls.of(*given.values)
        channel, _, named = str(given).partition(":")
        symbol, _, detail = named.partition("/")
        if channel == "level2" and is_number(detail):
            return cls.of([channel], [symbol or _ALL], sig_figs=[int(detail)])
        return cls.of([channel], [symbol or _ALL], [detail] if detail else [])

    def check(self) -> None:
        if not self.channels or not self.symbols:
            raise Wrong("nothing to subscribe to", path="channels and symbols", expected="some")
        if bool(self.intervals) != ("candle" in self.channels):
            expected = f"for candles, and only for them: {', '.join(INTERVALS)}"
            raise Wrong("wrong intervals", path="intervals", expected=expected)
        if self.sig_figs and "level2" not in self.channels:
            raise Wrong("only books have sig_figs", path="sig_figs", expected="none")

    @property
    def streams(self) -> Iterator[Stream]:
        """Its channels, symbols, and intervals or `sig_figs` one by one."""
        for channel in self.channels:
            details = getattr(self, _DETAILS[channel]) if channel in _DETAILS else ()
            for symbol in self.symbols:
                for detail in details or (0,):
                    yield channel, symbol, str(detail or "")

    def message(self, verb: str) -> dict[str, Any]:
        """The message that subscribes or unsubscribes: flat, without `params`."""
        given = msgspec.structs.asdict(self)
        return {"type": verb, **{name: list(values) for name, values in given.items() if values}}


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
            channel, symbol, detail = stream
            if symbol == _ALL:
                for other in [key for key in self._wanted if key[::2] == (channel, detail)]:
                    del self._wanted[other]
            if wanted == ((channel, _ALL, detail) in self._wanted):
                self._wanted.pop(stream, None)
            else:
                self._wanted[stream] = wanted
        return before != self._wanted

    def wants(self, channel: str, symbol: str, detail: str = "") -> bool:
        """Whether a message is wanted; where it does not say its interval, it may be of any."""
        details = [detail] if detail else {key[2] for key in self._wanted if key[0] == channel}
        return any(
            self._wanted.get((channel, symbol, each), self._wanted.get((channel, _ALL, each)))
            for each in details
        )

    def streams(self) -> list[Stream]:
        """The wanted streams, without those that were taken out of a `*`."""
        return [stream for stream, wanted in self._wanted.items() if wanted]

    def messages(self) -> Iterator[dict[str, Any]]:
        """The few messages that tell a new connection all of this."""
        for verb, wanted in (("subscribe", True), ("unsubscribe", False)):
            streams = [stream for stream, value in self._wanted.items() if value is wanted]
            listed = _grouped(((c, symbol), detail) for c, symbol, detail in streams)
            symbols = _grouped(((c, each), symbol) for (c, symbol), each in listed)
            channels = _grouped(((each, names), c) for (c, each), names in symbols)
            for (each, names), together in channels:
                given: dict[str, Any] = {"channels": together, "symbols": names}
                if any(each):
                    given[_DETAILS[together[0]]] = tuple(detail or 0 for detail in each)
                yield checked(Subscription, given).message(verb)


def _grouped(pairs: Iterable[tuple[Any, str]]) -> list[tuple[Any, tuple[str, ...]]]:
    """The values of each key together."""
    found: dict[Any, list[str]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return [(key, tuple(values)) for key, values in found.items()]


def _label(channel: str, symbol: str, detail: str) -> str:
    return f"{channel}:{symbol}" + (f"/{detail}" if detail else "")


def _stream_of(name: str, record: Any) -> Stream:
    """The stream of a message. The interval of a candle may stand behind its symbol."""
    if name != "candle":
        return name, record.symbol, ""
    symbol, _, interval = record.symbol.partition("/")
    return name, symbol, record.resolution or interval


def opened(content: Any) -> list[Any]:
    """The messages in a `contents` envelope, which fills in what they do not say."""
    inside = content.get("contents") if isinstance(content, dict) else None
    if not inside:
        # An envelope of nothing must not be taken for a message, an empty book for example.
        return [content if inside is None else inside]
    head = {key: value for key, value in content.items() if key != "contents"}
    items = inside if isinstance(inside, list) else [inside]
    return [{**head, **item} if isinstance(item, dict) else item for item in items]


class QfexMarketSession(QfexSession):
    """A connection to the public market data, which needs no credentials.

    With `silence` (in nanoseconds) a connection on which nothing has come for so long, after
    something has, is given up as `Stalled`. Books pulse every 50 ms while the market is open.
    """

    def __init__(
        self,
        subscriptions: Iterable[Subscription | str] = (),
        *,
        endpoint: str = "mainnet",
        silence: int | None = None,
        client: str = "",
    ) -> None:
        super().__init__(address(endpoint, MDS_ENDPOINTS), client)
        self._interest = Interest()
        for wanted in subscriptions:
            self._interest.change(Subscription.checked(wanted), True)
        self._seen: dict[str, Stream] = {}
        self._watchdog = self._timers.add(Watchdog(silence))
        self._refused: dict[str, str] = {}
        # Over all connections: when each stream was asked for first, and which have had data.
        self._asked_at: dict[Stream, int] = {}
        self._came: set[Stream] = set()
        # Runs out at once: the owner's calls do not tell the time.
        self._asking = self._timers.add(Timeout())

    @property
    def refused(self) -> dict[str, str]:
        return {**self._refused}

    @property
    def missing(self) -> dict[str, Missing]:
        found: dict[str, Missing] = {}
        for stream in self._interest.streams():
            # A message may not say of which interval or sum it is.
            if self._came.isdisjoint((stream, (*stream[:2], ""))):
                asked_at = self._asked_at.get(stream, 0)
                found[_label(*stream)] = Missing(NO_DATA if asked_at else NOT_ASKED, asked_at)
        return found

    @property
    def subscribed(self) -> list[str]:
        """The streams with data on this connection, as `level2:AAPL-USD`."""
        return sorted(self._seen)

    @by_caller
    def subscribe(self, *subscriptions: Subscription | str) -> None:
        """Subscribe, now and after every reconnect.

        A subscription is a `Subscription` or a label, as `level2:*` or `candle:AAPL-USD/1MIN`.
        """
        for wanted in [*map(Subscription.checked, subscriptions)]:
            if self._interest.change(wanted, True) and self._open:
                self._send(wanted.message("subscribe"))
                self._asking.at(0)

    @by_caller
    def unsubscribe(self, *subscriptions: Subscription | str) -> None:
        """Unsubscribe, however the streams were put together when subscribing.

        The venue confirms nothing, and data that is on its way still comes.
        """
        for gone in [*map(Subscription.checked, subscriptions)]:
            self._interest.change(gone, False)
            seen = self._seen.items()
            self._seen = {label: stream for label, stream in seen if self._interest.wants(*stream)}
            if self._open:
                self._send(gone.message("unsubscribe"))

    # --- what the driver calls --------------------------------------------------------------------

    def _begin(self, now: int) -> list[Event]:
        for message in self._interest.messages():
            self._send(message)
        self._note(now)
        return []

    def _note(self, now: int) -> None:
        """Everything that is wanted has been asked for by now."""
        wanted = self._interest.streams()
        self._asked_at = {stream: self._asked_at.get(stream, now) for stream in wanted}

    def _read(self, content: Any, raw: Message, now: int) -> list[Event]:
        self._watchdog.touch(now)
        messages = [message for item in listed(content) for message in opened(item)]
        return super()._read(messages, raw, now)

    def _check_timers(self, now: int) -> list[Event]:
        if self._asking.expired(now):
            self._note(now)
        return [*self._watchdog.expired(now)]

    def _forget(self) -> None:
        """Drop what belonged to the connection; not what came on it, which may come again."""
        self._seen.clear()

    # --- what comes -------------------------------------------------------------------------------

    def _message(self, content: dict[str, Any], raw: Message, now: int) -> list[Event]:
        name = content.get("type")
        if name == "error" or "err" in content:
            return [self._error(content)]
        if not isinstance(name, str) or name not in CHANNELS:
            return []
        record = read(CHANNELS[name], content)
        stream = _stream_of(name, record)
        label = _label(*stream)
        # After a reconnect the first message may be a repeat; the subscription is in force anyway.
        return [*self._first(label, stream), self._once(label, name, record)]

    def _error(self, content: dict[str, Any]) -> Event:
        event, _kind, _params = error_of(content)
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
        if len(self._came) < _MOST_LABELS:
            channel, symbol, detail = stream
            self._came |= {(channel, symbol, detail), (channel, _ALL, detail)}
        return [Subscribed(label)]
