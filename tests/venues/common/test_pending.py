"""Patience, against a list of what was added and when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from payloads.venues.common.pending import Timeouts

steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["add", "discard"]), st.integers(0, 4)),
        st.tuples(st.just("time"), st.integers(0, 6)),
    )
)


@given(st.integers(1, 10), steps)
def test_each_is_waited_for_from_the_next_time_on(
    patience: int, steps: list[tuple[str, int]]
) -> None:
    waiting, now = Timeouts[int](patience), 100
    since: dict[int, int | None] = {}
    for step, number in steps:
        if step == "add":
            waiting.add(number)
            since.pop(number, None)
            since[number] = None
        elif step == "discard":
            assert waiting.discard(number) == (number in since)
            since.pop(number, None)
        else:
            now += number
            over = [key for key, at in since.items() if at is not None and now >= at + patience]
            assert waiting.expired(now) == over
            since = {key: now if at is None else at for key, at in since.items() if key not in over}
            waiting.start(now)
        assert sorted(waiting) == sorted(since)
        assert len(waiting) == len(since)
        assert all(key in waiting for key in since)
        begun = [at + patience for at in since.values() if at is not None]
        told = None not in since.values()
        assert waiting.deadline == (min(begun, default=None) if told else 0)
    waiting.stop()
    assert waiting.deadline is None
    assert not waiting
