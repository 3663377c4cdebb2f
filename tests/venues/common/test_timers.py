"""A session's timers: each alone, and all together against the earliest of their deadlines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payloads.errors import Misuse
from payloads.venues.common.session import Stalled
from payloads.venues.common.timers import (
    Pings,
    RetryTimer,
    Timeout,
    Timer,
    Timers,
    Watchdog,
    earliest,
)


def test_pings_are_due_one_at_a_time() -> None:
    pings = Pings(10)
    assert not pings.expired(100), "not before it is open"
    pings.start(100)
    assert [pings.expired(now) for now in (109, 110, 111, 120)] == [False, True, False, True]
    pings.stop()
    assert (pings.expired(999), pings.deadline) == (False, None)
    never = Pings(None)
    never.start(0)
    assert never.deadline is None


def test_a_timeout_expires_once() -> None:
    timeout = Timeout(10)
    assert not timeout.expired(999)
    timeout.start(100)
    assert [timeout.expired(now) for now in (109, 110, 111)] == [False, True, False]
    timeout.at(50)
    timeout.stop()
    assert not timeout.expired(999)


def test_a_silence_is_reported_once_and_only_after_something_came() -> None:
    dog = Watchdog(10)
    assert dog.expired(999) == []
    dog.touch(100)
    dog.touch(105)
    assert [dog.expired(now) for now in (114, 116, 117)] == [[], [Stalled(11)], []]
    silent = Watchdog(None)
    silent.touch(0)
    assert silent.deadline is None
    for limit in (0, -1):
        with pytest.raises(Misuse):
            Watchdog(limit)


def test_pauses_double_and_start_small_again() -> None:
    retry = RetryTimer(10, longest=50)
    pauses = []
    for _ in range(5):
        assert retry.failed(1000)
        assert retry.deadline is not None
        pauses.append(retry.deadline - 1000)
    assert pauses == [10, 20, 40, 50, 50]
    assert retry.failed(0, at_least=99)
    assert retry.deadline == 99
    retry.reset()
    assert retry.deadline is None
    retry.failed(0)
    assert (retry.deadline, retry.expired(9), retry.expired(10)) == (10, False, True)


def test_after_so_many_failures_there_is_no_next_try() -> None:
    retry = RetryTimer(10, attempts=3)
    assert [retry.failed(now) for now in (0, 100, 200)] == [True, True, False]
    assert (retry.deadline, retry.failures) == (None, 0)


def test_years_of_failures_make_no_huge_pause() -> None:
    retry = RetryTimer(1, longest=7)
    assert all(retry.failed(0) and retry.deadline == min(7, 2**n) for n in range(1000))


deadlines = st.lists(st.one_of(st.none(), st.integers(0, 9)), max_size=6)


@given(deadlines, st.data())
def test_the_deadline_is_the_earliest_of_all(
    moments: list[int | None], data: st.DataObject
) -> None:
    timers = Timers()
    assert timers.deadline is None
    own = [timers.add(Timeout(), lasting=data.draw(st.booleans())) for _ in moments]
    for timer, moment in zip(own, moments, strict=True):
        timer.deadline = moment
    known = [moment for moment in moments if moment is not None]
    assert timers.deadline == min(known, default=None) == earliest(*moments)


def test_a_timer_started_without_the_time_begins_when_it_is_told() -> None:
    timers = Timers()
    waiting, running, idle = (timers.add(Timeout(5)) for _ in range(3))
    waiting.at(0)
    running.start(100)
    timers.start(200)
    assert [timer.deadline for timer in (waiting, running, idle)] == [205, 105, None]


def test_lasting_timers_outlast_the_connection() -> None:
    timers = Timers()
    lasting, other = timers.add(Timeout(5), lasting=True), timers.add(Timeout(5))
    for timer in (lasting, other):
        timer.start(0)
    timers.stop()
    assert (lasting.deadline, other.deadline) == (5, None)
    plain = Timer()
    plain.start(7)
    assert plain.deadline is None
