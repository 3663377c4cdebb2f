"""Messages of Finery: rows of its feeds by the fields of their records, books, codes, replies.

A frame is `[feed, feedId, action, data]`, and its kind is feed and action: `B S`, `O D`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, get_type_hints

from hypothesis import strategies as st

from payloads.abi.fields import Record
from payloads.strategies.venues.message import VenueFrame, text_of
from payloads.strategies.venues.written import TEXTS, Style, Written, written
from payloads.venues.finery.codes import CODES
from payloads.venues.finery.feeds import BOOKS, LETTERS, Frame
from payloads.venues.finery.records import (
    Currency,
    Deal,
    Flag,
    Instrument,
    Limit,
    Order,
    Position,
    Settlement,
    SettlementDeal,
    SettlementOrder,
    SettlementRequest,
    SettlementTransaction,
)

Frames = st.SearchStrategy[VenueFrame]
# The records of a frame, and its data.
Read = tuple[tuple[Record, ...], Any]

_SNAPSHOT, _CHANGES, _DEAL = "S", ("+", "M", "-"), "D"
# Which feeds have rows of one kind, and in which actions.
_PLAIN: dict[str, tuple[type[Record], tuple[str, ...]]] = {
    "C": (Currency, _CHANGES),
    "I": (Instrument, _CHANGES),
    "K": (Position, (_SNAPSHOT, *_CHANGES)),
    "O": (Order, (_SNAPSHOT, *_CHANGES)),
    "S": (SettlementOrder, (_SNAPSHOT, *_CHANGES)),
    "G": (Limit, (_SNAPSHOT, "M")),
    "L": (Limit, (_SNAPSHOT, *_CHANGES)),
    "M": (Limit, (_SNAPSHOT, *_CHANGES)),
}
_DEALS: dict[str, type[Record]] = {"O": Deal, "S": SettlementDeal}
_BOTH_WAYS: dict[str, tuple[type[Record], tuple[str, ...]]] = {
    "R": (SettlementRequest, (_SNAPSHOT, "+", "-")),
    "N": (SettlementTransaction, (_SNAPSHOT, *_CHANGES, _DEAL)),
}

# --- rows -----------------------------------------------------------------------------------------

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
_NO_ID = st.just(0)


@cache
def _row(kind: type[Record]) -> st.SearchStrategy[Written]:
    """Rows of a record: with all fields, without the last fields, or with more behind them."""
    hints = get_type_hints(kind)
    names = [name for name in kind.__struct_fields__ if name not in ("rest", "incoming")]
    needed = len(kind.__struct_fields__) - len(kind.__struct_defaults__)

    def row(values: tuple[Any, ...], left_out: int, more: list[str]) -> Written:
        count = max(needed, len(values) - left_out)
        # A row that is cut has nothing behind it.
        rest = more if count == len(values) else []
        fields = dict(zip(names, values[:count], strict=False))
        return kind(**fields, rest=tuple(rest)), [*values[:count], *rest]

    values = st.tuples(*(_VALUES[hints[name]] for name in names))
    return st.builds(row, values, st.integers(0, 2), st.lists(TEXTS, max_size=1))


_SETTLEMENTS = written(Settlement, Style(lambda price, size: [price, size]))


@cache
def _rows(kind: type[Record]) -> st.SearchStrategy[Read]:
    """Several rows in a list, or a single row without it; settlements also with named fields."""
    row = _row(kind) | _SETTLEMENTS if kind in (SettlementOrder, SettlementDeal) else _row(kind)

    def listed(pairs: list[Written], is_bare: bool) -> Read:
        data = [content for _, content in pairs]
        bare = is_bare and len(pairs) == 1
        return tuple(record for record, _ in pairs), data[0] if bare else data

    return st.builds(listed, st.lists(row, max_size=3), st.booleans())


@cache
def _list(kind: type[Record]) -> st.SearchStrategy[Read]:
    """Rows in a list."""
    return st.lists(_row(kind), max_size=3).map(
        lambda pairs: (tuple(record for record, _ in pairs), [content for _, content in pairs])
    )


# --- frames ---------------------------------------------------------------------------------------


def _frame(feed: str, feed_id: int, action: str, read: Read) -> VenueFrame:
    records, data = read
    message = text_of([feed, feed_id, action, data])
    return VenueFrame("finery", f"{feed} {action}", message, None, records)


def _of_rows(
    feed: str, action: str, data: st.SearchStrategy[Read], ids: st.SearchStrategy[int] = _NO_ID
) -> Frames:
    return st.tuples(ids, data).map(lambda drawn: _frame(feed, drawn[0], action, drawn[1]))


def _parts(kinds: Sequence[type[Record]], *, numbered: bool) -> st.SearchStrategy[Read]:
    """A list of each kind, perhaps behind a number."""

    def read(number: int, parts: tuple[Read, ...]) -> Read:
        head = [number] if numbered else []
        records = tuple(record for part, _ in parts for record in part)
        return records, [*head, *(data for _, data in parts)]

    return st.builds(read, _IDS, st.tuples(*map(_list, kinds)))


def _both_ways(kind: type[Record], *, numbered: bool) -> st.SearchStrategy[Read]:
    """A list of incoming rows, and one of outgoing rows."""
    names = kind.__struct_fields__

    def directed(read: Read) -> Read:
        records, data = read
        incoming = len(data[-2])
        found = [
            kind(**{name: getattr(record, name) for name in names} | {"incoming": at < incoming})
            for at, record in enumerate(records)
        ]
        return tuple(found), data

    return _parts((kind, kind), numbered=numbered).map(directed)


def _positions(number: int | None, read: Read) -> Read:
    """The snapshot of the positions, in which a number may go ahead."""
    records, data = read
    return records, data if number is None else [number, data]


# --- books ----------------------------------------------------------------------------------------

_PRICES = st.integers(1, 10**13)
_SIDE = st.dictionaries(_PRICES, _PRICES, max_size=4).map(
    lambda side: [list(level) for level in side.items()]
)
_CHANGE = st.one_of(
    st.tuples(st.sampled_from(("+", "M", "-", "~")), _PRICES, _PRICES).map(list),
    # The side is empty.
    st.sampled_from((["~", 0, 0], ["~"])),
)
_CHANGED = st.lists(_CHANGE, max_size=3)


def _book(feed: str, action: str) -> Frames:
    def frame(feed_id: int, bids: list[Any], asks: list[Any]) -> VenueFrame:
        record = Frame(feed, feed_id, action, [bids, asks])
        return _frame(feed, feed_id, action, ((record,), record.data))

    side = _SIDE if action == _SNAPSHOT else _CHANGED
    return st.builds(frame, _IDS, side, side)


# --- codes and replies ----------------------------------------------------------------------------

_CODES, _LETTERS = st.sampled_from(sorted(CODES)), st.sampled_from(sorted(LETTERS))


def _of_code(kind: str, feed: str, feed_id: int, code: int, is_list: bool) -> VenueFrame:
    """An end of a feed, or a code: by itself or (as a client sees it) alone in a list."""
    data: Any = 0 if kind == "U" else [code] if is_list else code
    action = "U" if kind == "U" else "Z"
    return VenueFrame("finery", kind, text_of([feed, feed_id, action, data]))


def _reply(number: int, method: str, deals: list[int]) -> VenueFrame:
    parts = [{"id": each, "price": 1, "size": 1, "volume": 1, "delta": 0} for each in deals]
    reply = {"id": number, "clientOrderId": 1, "remainingSize": 0, "cancelReason": 0}
    content = {"event": "request", "reqId": number, "reply": reply | {"deals": parts}}
    return VenueFrame("finery", "reply", text_of(content if method == "add" else
                                                 content | {"reply": []}))  # fmt: skip


def _failure(number: int, code: int, param: str | None) -> VenueFrame:
    named = {} if param is None else {"param": param}
    content = {"event": "request", "reqId": number, "error": code, **named}
    return VenueFrame("finery", "error", text_of(content))


@cache
def finery_frames() -> dict[str, Frames]:
    """Frames of every feed whose rows are known, order books, codes, and replies to requests.

    `X` is the state of the link, `Z` a refused bind, `U` an end; `reply` and `error` answer
    requests.
    """
    rows = {
        f"{feed} {action}": _of_rows(feed, action, _rows(kind), _IDS)
        for feed, (kind, actions) in _PLAIN.items()
        for action in actions
    }
    positions = st.builds(_positions, st.none() | _IDS, _list(Position))
    return {
        **rows,
        **{f"{feed} D": _of_rows(feed, "D", _rows(kind)) for feed, kind in _DEALS.items()},
        "K S": _of_rows("K", "S", positions, _IDS),
        "I S": _of_rows("I", "S", _parts((Currency, Instrument), numbered=False)),
        "P S": _of_rows("P", "S", _parts((Position, Order, SettlementOrder), numbered=True)),
        **{
            f"{feed} {action}": _of_rows(
                feed, action, _both_ways(kind, numbered=(feed, action) == ("N", _SNAPSHOT))
            )
            for feed, (kind, actions) in _BOTH_WAYS.items()
            for action in actions
        },
        **{f"{feed} {action}": _book(feed, action) for feed in sorted(BOOKS) for action in "SM"},
        "X": st.builds(_of_code, st.just("X"), st.just("X"), _NO_ID, _CODES, st.booleans()),
        "Z": st.builds(_of_code, st.just("Z"), _LETTERS, _IDS, _CODES, st.booleans()),
        "U": st.builds(_of_code, st.just("U"), _LETTERS, _IDS, _NO_ID, st.booleans()),
        "reply": st.builds(_reply, _IDS, st.sampled_from(("add", "instruments")),
                           st.lists(_IDS, max_size=2)),
        "error": st.builds(_failure, _IDS, _CODES, st.none() | TEXTS),
    }  # fmt: skip
