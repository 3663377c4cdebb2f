"""The Finery simulator's order books: they move, a change or two at a time."""

from __future__ import annotations

from typing import Any

from payloads.simulators.market import Walk

E8 = 10**8
# The venue's own limit, for each side.
DEPTH = 25


class MovingBook:
    """Prices and sizes, whose unit is 1e-8."""

    def __init__(self, walk: Walk) -> None:
        self._walk, self._dice = walk, walk.dice
        self._tick = max(1, walk.start // 10_000)
        middle = walk.start - walk.start % self._tick
        self._sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
        for level in range(1, 11):
            for side, sign in zip(self._sides, (-1, 1), strict=True):
                side[middle + sign * level * self._tick] = walk.size(E8)

    def snapshot(self) -> tuple[list[list[int]], list[list[int]]]:
        """Price and size of every level, the best first."""
        bids, asks = ([[price, side[price]] for price in side] for side in self._sides)
        return sorted(bids, reverse=True), sorted(asks)

    def move(self) -> list[list[list[Any]]]:
        """The next changes: a list of entries for the bids and another for the asks."""
        changes: list[list[list[Any]]] = [[], []]
        which = self._dice.randrange(2)
        changes[which] = self._change(self._sides[which], self._sides[1 - which], which == 0)
        return changes

    def _change(self, side: dict[int, int], other: dict[int, int], bid: bool) -> list[list[Any]]:
        prices = sorted(side, reverse=bid)
        step = -self._tick if bid else self._tick
        kind = self._dice.choice("MMM+++-~")
        if kind == "M":
            return [self._put(side, self._dice.choice(prices), "M")]
        if kind == "-" and len(prices) > 5:
            return [self._remove(side, self._dice.choice(prices))]
        if kind == "~" and len(prices) > 5:
            for gone in prices[: self._dice.randrange(1, 3)]:
                del side[gone]
            return [self._put(side, sorted(side, reverse=bid)[0], "~")]
        return self._add(side, other, prices, step)

    def _add(
        self, side: dict[int, int], other: dict[int, int], prices: list[int], step: int
    ) -> list[list[Any]]:
        """A level better than the best where there is room, else behind the last."""
        better = prices[0] - step
        far = sorted(other, reverse=step > 0)[0]
        if (far - better) * step < 0 and better > 0:
            entries = [self._put(side, better, "+")]
        else:
            entries = [self._put(side, max(self._tick, prices[-1] + step), "+")]
        if len(side) > DEPTH:
            entries.append(self._remove(side, sorted(side, reverse=step < 0)[-1]))
        return entries

    def _put(self, side: dict[int, int], price: int, action: str) -> list[Any]:
        side[price] = self._walk.size(E8)
        return [action, price, side[price]]

    def _remove(self, side: dict[int, int], price: int) -> list[Any]:
        return ["-", price, side.pop(price)]
