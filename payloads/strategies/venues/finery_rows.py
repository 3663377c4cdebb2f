"""Frames of Finery: rows of its feeds by the fields of their records, and order books."""

from __future__ import annotations

from functools import cache
from typing import Any, get_type_hints

from hypothesis import strategies as st

from payloads.abi.fields import Record
from payloads.strategies.venues.written import TEXTS
from payloads.venues.finery.feeds import BOOKS, Frame
from payloads.venues.finery.records import (
    Currency,
    Deal,
    Flag,
    Instrument,
    Limit,
    Order,
    Position,
    SettlementDeal,
    SettlementOrder,
    SettlementRequest,
    SettlementTransaction,
)

# The records of a frame, and its JSON.
Read = tuple[tuple[Record, ...], list[Any]]
_NUMBERS = st.integers(-(2**53), 2**53)
_VALUES: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXTS,
    str | None: st.none() | TEXTS,
    int: _NUMBERS,
    int | None: st.none() | _NUMBERS,
    Flag | None: st.none() | st.booleans(),
    Any: TEXTS,
}
_IDS = st.integers(0, 10**6)
_SNAPSHOT, _UPDATE, _DEAL = "S", "M", "D"


@cache
def _rows(kind: type[Record]) -> st.SearchStrategy[list[list[Any]]]:
    """Rows of a record with all of its fields."""
    hints = get_type_hints(kind)
    names = [name for name in kind.__struct_fields__ if name not in ("rest", "incoming")]
    return st.lists(st.tuples(*(_VALUES[hints[name]] for name in names)).map(list), max_size=3)


def _plain(feed: str, action: str, kind: type[Record]) -> st.SearchStrategy[Read]:
    def frame(drawn: tuple[int, list[list[Any]]]) -> Read:
        feed_id, rows = drawn
        return tuple(kind(*row) for row in rows), [feed, feed_id, action, rows]

    return st.tuples(_IDS, _rows(kind)).map(frame)


def _parts(feed: str, kinds: tuple[type[Record], ...]) -> st.SearchStrategy[Read]:
    """A snapshot with a list of each kind."""

    def frame(drawn: tuple[Any, ...]) -> Read:
        records = [kind(*row) for kind, rows in zip(kinds, drawn, strict=True) for row in rows]
        return tuple(records), [feed, 0, _SNAPSHOT, list(drawn)]

    return st.tuples(*map(_rows, kinds)).map(frame)


def _both_ways(feed: str, kind: type[Record]) -> st.SearchStrategy[Read]:
    """A list of incoming rows, and one of outgoing rows."""

    def frame(drawn: tuple[Any, ...]) -> Read:
        ways = zip((True, False), drawn, strict=True)
        records = [kind(*row, incoming=way) for way, rows in ways for row in rows]
        return tuple(records), [feed, 0, _UPDATE, list(drawn)]

    return st.tuples(_rows(kind), _rows(kind)).map(frame)


_PRICES = st.integers(1, 10**13)
_SIDE = st.dictionaries(_PRICES, _PRICES, max_size=4).map(
    lambda side: [list(level) for level in side.items()]
)


def _book(feed: str) -> st.SearchStrategy[Read]:
    def frame(drawn: tuple[int, list[Any], list[Any]]) -> Read:
        feed_id, bids, asks = drawn
        content = [feed, feed_id, _SNAPSHOT, [bids, asks]]
        return (Frame(feed, feed_id, _SNAPSHOT, [bids, asks]),), content

    return st.tuples(_IDS, _SIDE, _SIDE).map(frame)


@cache
def finery_frames() -> st.SearchStrategy[Read]:
    """Frames of every feed whose rows are known, and of order books."""
    return st.one_of(
        [
            *(_book(feed) for feed in sorted(BOOKS)),
            _parts("I", (Currency, Instrument)),
            _plain("C", _UPDATE, Currency),
            _plain("K", _UPDATE, Position),
            _plain("O", _UPDATE, Order),
            _plain("O", _DEAL, Deal),
            _plain("S", _UPDATE, SettlementOrder),
            _plain("S", _DEAL, SettlementDeal),
            _plain("L", _UPDATE, Limit),
            _both_ways("R", SettlementRequest),
            _both_ways("N", SettlementTransaction),
        ]
    )
