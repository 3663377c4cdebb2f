"""What a second core gives, where the second core proves to be free.

A figure for two cores is worth nothing if another program, or the host of a virtual machine, had
the second core meanwhile, and a host may take it away for seconds. So the work is done in short
windows, each between two proofs: two processes that hash at once, against one alone. Only windows
count whose both proofs show at least 1.9 cores.

    found = cores.gain(one, two)     # two functions: the same work on one core, and on two
    found.median                     # 1.93, or None where no window counted
    found.said                       # "1.93, the median of 5 of 7 windows …", or "not measured: …"
    found.goal(1.9)                  # "met, 1.93, the median …", "**missed**, …", "not measured: …"

Each function lasts a second at most, if that is possible; a short one is repeated. `windows` does
the same for a measurement of its own that takes one core and two by turns.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from time import perf_counter
from typing import Generic, TypeVar

T = TypeVar("T")

# Of two cores: from here on, the second one counts as free.
FREE = 1.9
BUSY = "not measured: the second core was busy"
# So many windows are enough, and so many are tried at most.
WANTED, MOST = 5, 20
# Seconds that each function of `gain` works in a window, at least.
LONG = 0.3
# Megabytes a second. `sum(range(…))` is no measure: its time depends on the memory it is given.
_SPIN = """\
import hashlib, time
block, count, begun = bytes(2**20), 0, time.perf_counter()
while (took := time.perf_counter() - begun) < 0.5:
    hashlib.sha256(block).digest()
    count += 1
print(count / took)
"""


def spin(count: int) -> float:
    """How many megabytes a second so many processes hash together, in half a second."""
    command = [sys.executable, "-S", "-E", "-c", _SPIN]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(count)]
    return sum(float(each.communicate()[0]) for each in running)


@dataclass
class Windows(Generic[T]):
    """What was measured in each window, and how much of two cores there was around it."""

    tries: list[tuple[float, T]] = field(default_factory=list)

    @property
    def free(self) -> list[bool]:
        """Whether each window counts."""
        return [had >= FREE for had, _ in self.tries]

    @property
    def kept(self) -> list[T]:
        """Of the windows that count."""
        return [measured for had, measured in self.tries if had >= FREE]

    @property
    def best(self) -> float:
        """The most of two cores that a window had."""
        return max(had for had, _ in self.tries)

    @property
    def which(self) -> str:
        """How many windows counted, or why nothing was measured."""
        if not self.tries:
            return "not measured: this machine has one core"
        if kept := len(self.kept):
            return f"the median of {kept} of {len(self.tries)} windows"
        return f"{BUSY} (two processes had {self.best:.2f} cores at best)"


class Gain(Windows[float]):
    """How many times as fast two cores are, in each window."""

    @property
    def median(self) -> float | None:
        return median(self.kept) if self.kept else None

    @property
    def said(self) -> str:
        return self.which if self.median is None else f"{self.median:.2f}, {self.which}"

    def goal(self, least: float) -> str:
        if self.median is None:
            return self.which
        return f"{'met' if self.median >= least else '**missed**'}, {self.said}"


def windows(measure: Callable[[], T], wanted: int = WANTED, most: int = MOST) -> Windows[T]:
    """Measures until so many windows count, `most` times at the most."""
    return _fill(Windows(), measure, wanted, most)


def gain(
    one: Callable[[], object],
    two: Callable[[], object],
    wanted: int = WANTED,
    most: int = MOST,
) -> Gain:
    """The work on one core against the same work on two, by the clock."""
    times = [_times(work) for work in (one, two)]

    def measure() -> float:
        alone, both = map(_seconds, (one, two), times)
        return alone / both

    found = Gain()
    _fill(found, measure, wanted, most)
    return found


def goals(
    work: Callable[[int, int], object], sizes: Sequence[int], least: float, of: str
) -> list[str]:
    """A line for each size of the work, which takes a size and a number of cores."""
    return [
        f"{size:,} {of} on two cores at least {least:g} times as fast as on one: "
        + gain(partial(work, size, 1), partial(work, size, 2)).goal(least)
        for size in sizes
    ]


def _fill(found: Windows[T], measure: Callable[[], T], wanted: int, most: int) -> Windows[T]:
    if (os.cpu_count() or 1) < 2:
        return found
    before = spin(1), spin(2)
    while len(found.kept) < wanted and len(found.tries) < most:
        measured = measure()
        after = spin(1), spin(2)
        # One process alone that is disturbed would make two look better: the faster one counts.
        alone = max(before[0], after[0])
        found.tries.append((min(before[1], after[1]) / alone, measured))
        before = after
    return found


def _seconds(work: Callable[[], object], times: int) -> float:
    """The seconds that the work takes once."""
    begun = perf_counter()
    for _ in range(times):
        work()
    return (perf_counter() - begun) / times


def _times(work: Callable[[], object]) -> int:
    """How often the work fills its part of a window. The first time, it loads what it needs."""
    work()
    return math.ceil(LONG / max(_seconds(work, 1), 1e-4))
