"""Finery's order book, kept from a snapshot and its updates (feeds B and F).

`Book.snapshot(data)` and `Book.update(data)` take a frame's data and raise `Malformed`, with the
path of the first wrong value and the book untouched, for what is none. Entries that are well-formed
but do not fit what the book holds (a removal of a level that is not there) are applied as far as
they mean anything and counted in `odd`: the venue has no sequence numbers, and this is the only
sign of a lost update.

An entry of an update is `[action, price, size]`: `+` a new level, `M` a new size, `-` a level gone,
`~` every level from the top down to the given price gone, which is now the best; with zeros (or
nothing) behind it, the side is empty. Prices and sizes are integers of 1e-8.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import Any

from payloads.errors import Malformed, elide

Level = tuple[int, int]
Change = tuple[str, int, int]

# The venue keeps 25 levels a side. More are taken, in case it changes its mind, but not endlessly.
MOST_LEVELS = 10_000
_ACTIONS = frozenset("+M-~")


class Side:
    """One side of a book: prices in ascending order, and the size at each."""

    __slots__ = ("bid", "prices", "sizes")

    def __init__(self, bid: bool, levels: tuple[Level, ...] = ()) -> None:
        self.bid = bid
        self.sizes = {price: size for price, size in dict(levels).items() if size}
        self.prices = sorted(self.sizes)

    def levels(self, depth: int | None = None) -> list[Level]:
        """Price and size of each level, the best first."""
        count = len(self.prices) if depth is None else max(0, depth)
        best = self.prices[::-1][:count] if self.bid else self.prices[:count]
        return [(price, self.sizes[price]) for price in best]

    def apply(self, change: Change) -> bool:
        """Whether the change fitted what was there."""
        action, price, size = change
        if action == "~":
            return self._cut(price, size)
        if action == "-" or size == 0:
            return self._remove(price) and action == "-"
        there = price in self.sizes
        self._put(price, size)
        return there == (action == "M")

    def _put(self, price: int, size: int) -> None:
        if price not in self.sizes:
            insort(self.prices, price)
        self.sizes[price] = size

    def _remove(self, price: int) -> bool:
        if price not in self.sizes:
            return False
        del self.sizes[price], self.prices[bisect_left(self.prices, price)]
        return True

    def _cut(self, price: int, size: int) -> bool:
        """Make `price` the best level: everything better goes."""
        if price == 0:
            fitted = size == 0
            self.prices.clear()
            self.sizes.clear()
            return fitted
        if self.bid:
            at = bisect_right(self.prices, price)
            gone, self.prices = self.prices[at:], self.prices[:at]
        else:
            at = bisect_left(self.prices, price)
            gone, self.prices = self.prices[:at], self.prices[at:]
        for each in gone:
            del self.sizes[each]
        if size == 0:  # the venue says zero twice or not at all
            self._remove(price)
            return False
        self._put(price, size)
        return True


class Book:
    """An order book. `odd` counts the entries that did not fit."""

    __slots__ = ("_asks", "_bids", "odd", "updates")

    def __init__(self) -> None:
        self._bids, self._asks = Side(bid=True), Side(bid=False)
        self.odd = 0
        self.updates = 0

    def __repr__(self) -> str:
        return f"Book(bids={self.bids(1)}…, asks={self.asks(1)}…, {self.updates} updates)"

    def bids(self, depth: int | None = None) -> list[Level]:
        """The buyers' levels, the highest price first."""
        return self._bids.levels(depth)

    def asks(self, depth: int | None = None) -> list[Level]:
        """The sellers' levels, the lowest price first."""
        return self._asks.levels(depth)

    @property
    def crossed(self) -> bool:
        """Whether the best bid is above the best ask, which an honest book never shows for long."""
        bids, asks = self._bids.prices, self._asks.prices
        return bool(bids and asks and bids[-1] > asks[0])

    def snapshot(self, data: Any) -> None:
        """Replace the book by what a snapshot says."""
        bids, asks = (read_levels(side, f"data[{i}]") for i, side in enumerate(_sides(data)))
        self._bids, self._asks = Side(True, bids), Side(False, asks)
        # A price given twice, or with nothing at it.
        self.odd += len(bids) + len(asks) - len(self._bids.sizes) - len(self._asks.sizes)

    def update(self, data: Any) -> tuple[tuple[Change, ...], tuple[Change, ...]]:
        """Apply an update's entries in order, and answer them."""
        bids, asks = (read_changes(side, f"data[{i}]") for i, side in enumerate(_sides(data)))
        for side, changes in ((self._bids, bids), (self._asks, asks)):
            if len(side.prices) + len(changes) > MOST_LEVELS:
                raise Malformed("a book of more levels than fits", expected=f"{MOST_LEVELS}")
        self.updates += 1
        for side, changes in ((self._bids, bids), (self._asks, asks)):
            self.odd += sum(not side.apply(change) for change in changes)
        return bids, asks


# --- reading --------------------------------------------------------------------------------------


def _sides(data: Any) -> tuple[Any, Any]:
    if not isinstance(data, list) or len(data) < 2:
        raise _wrong("data", "a list of bids and one of asks", data)
    return data[0], data[1]


def read_levels(side: Any, path: str = "side") -> tuple[Level, ...]:
    """The `[price, size]` rows of one side of a snapshot."""
    return tuple(
        _amounts(row, 0, f"{path}[{i}]") for i, row in enumerate(_bounded(side, path, "levels"))
    )


def read_changes(side: Any, path: str = "side") -> tuple[Change, ...]:
    """The `[action, price, size]` rows of one side of an update."""
    rows = _bounded(side, path, "changes")
    return tuple(_change(row, f"{path}[{i}]") for i, row in enumerate(rows))


def _bounded(side: Any, path: str, what: str) -> list[Any]:
    if not isinstance(side, list) or len(side) > MOST_LEVELS:
        raise _wrong(path, f"at most {MOST_LEVELS} {what}", side)
    return side


def _change(row: Any, path: str) -> Change:
    action = row[0] if isinstance(row, list) and row else None
    if not isinstance(action, str) or action not in _ACTIONS:
        raise _wrong(path, "an entry that starts with +, M, - or ~", row)
    if len(row) == 1 and action == "~":  # seen in a client's test; zeros are what it stands for
        return action, 0, 0
    if len(row) == 2 and action == "-":  # the size of what is gone says nothing
        return action, _amount(row[1], 2**64, f"{path}[1]"), 0
    return (action, *_amounts(row, 1, path))


def _amounts(row: Any, at: int, path: str) -> Level:
    if not isinstance(row, list) or len(row) < at + 2:
        raise _wrong(path, "a price and a size", row)
    price = _amount(row[at], 2**64, f"{path}[{at}]")
    return price, _amount(row[at + 1], 2**63, f"{path}[{at + 1}]")


def _amount(value: Any, limit: int, path: str) -> int:
    if type(value) is not int or not 0 <= value < limit:
        raise _wrong(path, f"an integer from 0 to 2**{limit.bit_length() - 1} - 1", value)
    return value


def _wrong(path: str, expected: str, found: Any) -> Malformed:
    kind = f"{type(found).__name__} of {len(found)}" if isinstance(found, list | dict) else ""
    return Malformed(
        "not an order book", field=path, expected=expected, found=kind or elide(repr(found))
    )
