"""Synthetic prices: integers that change in random steps, the same for the same seed."""

from __future__ import annotations

import random

from payloads.abi.fields import Field, hexed
from payloads.abi.units import (
    BLOCK,
    DIGEST,
    JUELS,
    MARKET_STATUS,
    MARKET_STATUS_V11,
    MILLISECONDS,
    MULTIPLIER,
    NANOSECONDS,
    NAV_DATE,
    PRICE,
    RATE,
    RIPCORD,
    SECONDS,
    VOLUME,
    WEI,
    Unit,
)
from payloads.chainlink.schemas import Report, Schema
from payloads.crypto import keccak256

E18 = 10**18
_MILLION = 10**6


class Walk:
    """A price that changes a little with every step, and stays within a factor of two."""

    def __init__(self, seed: str, start: int, step_ppm: int = 200) -> None:
        self.dice = random.Random(seed)
        self.start = self.value = start
        self._step = step_ppm

    def step(self) -> int:
        """The next price."""
        self.value += self.value * self.dice.randint(-self._step, self._step) // _MILLION
        self.value = max(self.start // 2, min(2 * self.start, self.value))
        return self.value

    def size(self, unit: int = E18) -> int:
        """A plausible quantity, in multiples of a thousandth of `unit`."""
        return self.dice.randint(1, 5000) * (unit // 1000)


# The value of a field by its unit, where it is the same in every report: fees as in the published
# examples, markets open.
_CONSTANTS: dict[int, int] = {
    id(WEI): 30_940_102_293_200,
    id(JUELS): 7_776_444_105_849_300,
    id(RIPCORD): 0,
    id(MARKET_STATUS): 2,
    id(MARKET_STATUS_V11): 2,
    id(MULTIPLIER): E18,
    id(RATE): 12 * E18 // 10,
}
_PER_SECOND: dict[int, int] = {
    id(SECONDS): 1, id(MILLISECONDS): 1000, id(NANOSECONDS): 10**9, id(NAV_DATE): 10**9,
    id(BLOCK): 1,
}  # fmt: skip


def synthetic_report(
    schema: Schema, feed_id: bytes, walk: Walk, *, valid_from: int, observed: int, expires: int
) -> Report:
    """A plausible report of any schema, made from its table; times are UNIX seconds."""
    times = {"valid_from": valid_from, "observations": observed, "expires": expires}
    price = walk.step()
    values = {
        row.name: hexed(feed_id) if row.name == "feed_id" else _value(row, walk, price, times)
        for row in schema.table.fields
    }
    report: Report = schema.record(**values)
    return report


def _value(row: Field, walk: Walk, price: int, times: dict[str, int]) -> int | bytes:
    unit: Unit = row.unit
    if unit is PRICE:
        side = ("ask" in row.name) - ("bid" in row.name)
        return price + side * (price // 20_000)
    if unit is VOLUME:
        return walk.size()
    if unit is DIGEST:
        return hexed(keccak256(b"payloads insecure test block %d" % times["observations"]))
    if (scale := _PER_SECOND.get(id(unit))) is not None:
        named = (time for prefix, time in times.items() if row.name.startswith(prefix))
        return next(named, times["observations"]) * scale
    # A count is 1: a duration, a month.
    return _CONSTANTS.get(id(unit), 1)
