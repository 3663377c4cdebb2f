"""Whether a second core was free: two spins at once, against one alone.

A benchmark that speaks of two cores asks before and after it measures. A figure for two cores is
worth nothing if another program had the second one for a part of the time.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

# Of two cores: from here on, the second one counts as free.
FREE = 1.9
BUSY = "not measured: the second core was busy"
_SPIN = "import time\na=time.perf_counter()\nsum(range(6_000_000))\nprint(time.perf_counter()-a)"

Spin = Callable[[int], float]


def spin(count: int) -> float:
    """The seconds that the slowest of so many processes needs, all at once."""
    command = [sys.executable, "-c", _SPIN]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(count)]
    return max(float(each.communicate()[0]) for each in running)


def had(spin: Spin = spin, rounds: int = 5) -> float:
    """How much of two cores there was. The fastest spins count, which other programs disturb least.

    One alone is timed in turns with two, so that both meet the same neighbours.
    """
    if (os.cpu_count() or 1) < 2:
        return 1.0
    times = [(spin(1), spin(2)) for _ in range(rounds)]
    return 2 * min(alone for alone, _ in times) / min(both for _, both in times)


class Watch:
    """The least of two cores that there was, before and after what was measured."""

    def __init__(self, spin: Spin = spin) -> None:
        self.spin = spin
        self.least = had(spin)

    def look(self) -> float:
        self.least = min(self.least, had(self.spin))
        return self.least

    @property
    def free(self) -> bool:
        return self.least >= FREE

    @property
    def said(self) -> str:
        return f"two processes had {self.least:.2f} cores"
