"""The draws that the calls of both systems share."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

from hypothesis import strategies as st

from payloads.testing.damage import NONE, Damage

# Block times. A search for payloads in other bytes takes no later time for that of an update.
_FIRST, _LAST = 1_600_000_000, 4_102_444_800 - 1
# The block's time, its distance to the payload's, the payment beyond the fee, and the numbers of a
# damage.
NOW, LAG = st.integers(_FIRST, _LAST), st.integers(0, 60)
EXTRAS = (0, 1, 10**9)
EXTRA = st.sampled_from(EXTRAS)
NUMBER = st.integers(0, 2**16 - 1)


def with_boundary(most: int) -> st.SearchStrategy[int]:
    """Numbers up to `most`, one of eight of them zero: where the answer of a contract changes."""
    spare = most // 7
    return st.integers(0, most + spare).map(lambda number: max(0, number - spare))


_AMOUNT = with_boundary(2**16 - 1)


@lru_cache(maxsize=1024)
def choice(values: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    """One of these values. Hypothesis looks at each new strategy, so each is made once."""
    return st.sampled_from(values)


@cache
def damage_named(name: str) -> st.SearchStrategy[Damage]:
    """A damage with this label, and any numbers."""
    if name == NONE:
        return st.just(Damage(name))
    return st.tuples(NUMBER, _AMOUNT).map(lambda numbers: Damage(name, *numbers))
