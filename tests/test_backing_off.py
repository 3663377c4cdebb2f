"""Pauses after failures in a row: doubled, bounded, the same for everything that tries again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from payloads.backing_off import pause_after
from payloads.live import Backoff
from payloads.venues.common.session import SECOND
from payloads.venues.common.timers import RetryTimer


def test_a_pause_doubles_up_to_the_longest() -> None:
    assert [pause_after(n, 3) for n in (1, 2, 3, 4)] == [3, 6, 12, 24]
    assert [pause_after(n, 0.5, 8.0) for n in (1, 2, 3, 4, 5, 6)] == [0.5, 1, 2, 4, 8, 8]


@given(st.integers(1, 10**9), st.integers(1, 10**6))
def test_years_of_failures_make_no_huge_number(failures: int, first: int) -> None:
    assert pause_after(failures, first) <= first * 2**40
    assert first <= pause_after(failures, first, 10**7) <= 10**7


@given(st.integers(1, 50))
def test_a_session_and_a_connection_wait_by_the_same_rule(failures: int) -> None:
    timer = RetryTimer(SECOND, 30 * SECOND)
    for _ in range(failures):
        assert timer.failed(0)
    assert timer.deadline == Backoff(first=1, most=30).wait(failures, chance=0)
