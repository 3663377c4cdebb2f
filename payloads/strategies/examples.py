"""Examples of a strategy outside of a test, as many as are wanted."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from payloads.strategies.submissions import damages, submissions
from payloads.strategies.systems import Network
from payloads.testing.damage import NONE
from payloads.testing.submission import Submission
from payloads.verdicts.state import State

T = TypeVar("T")
# So few at once that a reader of a pipe need not wait for long, and at first fewer still.
_FIRST, _MOST = 4, 64


def examples(strategy: st.SearchStrategy[T], *, number: int = 0) -> Iterator[T]:
    """Examples without end; the same for the same `number`."""
    size = _FIRST
    while True:
        yield from batch(strategy, number, size)
        number, size = number + 1, min(2 * size, _MOST)


def batch(strategy: st.SearchStrategy[T], number: int, size: int) -> list[T]:
    """So many examples, or fewer where there are no more; the same for the same `number`."""
    found: list[T] = []

    @seed(number)
    @settings(
        max_examples=size,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(value: T) -> None:
        found.append(value)

    collect()
    # The first example is the smallest there is, every time.
    return found[1:] or found


def stream(
    *,
    damaged: float = 0.5,
    number: int = 0,
    state: State | None = None,
    network: Network | None = None,
    generation: str | None = None,
    only: list[str] | None = None,
) -> Iterator[Submission]:
    """Submissions without end, a share of them damaged; the same for the same `number`."""
    of = {"state": state, "network": network, "generation": generation}
    bad = examples(damages(**of, only=only), number=number)  # type: ignore[arg-type]
    good = examples(submissions(**of, only=[NONE]), number=number)  # type: ignore[arg-type]
    dice = random.Random(number)
    while True:
        yield next(bad if dice.random() < damaged else good)
