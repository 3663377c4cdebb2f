"""A subscription moves along the table of transitions, and no other way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from payloads.venues.common.subscriptions import (
    ASKED,
    ENDED,
    HELD,
    IN_FORCE,
    OVERDUE,
    REFUSED,
    TRANSITIONS,
    State,
    Subscriptions,
)

WITHIN = 10


def test_they_keep_their_order() -> None:
    wanted = Subscriptions[str](WITHIN, ["b", "a", "c"])
    wanted.asked("a")
    wanted.asked("b")
    wanted.in_force("b")
    assert wanted.in_state(ASKED, IN_FORCE) == ["b", "a"]
    assert (wanted.any_in(HELD), wanted.any_in(ENDED)) == (True, False)
    wanted.reset()
    assert wanted.in_state(HELD) == ["b", "a", "c"]
    assert wanted.timeouts.deadline is None


def test_what_is_asked_and_not_answered_is_overdue_once() -> None:
    wanted = Subscriptions[str](WITHIN, "ab")
    for key in wanted:
        wanted.asked(key)
    assert wanted.timeouts.deadline == 0
    wanted.timeouts.start(100)
    assert wanted.in_force("a")
    assert not wanted.in_force("a"), "known already"
    assert (wanted.expired(109), wanted.expired(110), wanted.expired(111)) == ([], ["b"], [])
    assert wanted.state("b") is OVERDUE
    assert wanted.in_force("b"), "late, but in force"


def test_a_refusal_is_for_good_until_the_caller_asks_again() -> None:
    wanted = Subscriptions[str](WITHIN, "ab")
    assert not wanted.all_refused
    wanted.asked("a")
    wanted.refuse("a", "no")
    assert (wanted.refused, wanted.state("a"), "a" in wanted) == ({"a": "no"}, REFUSED, False)
    wanted.reset()
    assert [*wanted] == ["b"]
    assert not wanted.all_refused
    assert wanted.remove("b") is HELD
    assert wanted.all_refused
    wanted.add("a")
    assert (wanted.refused, wanted.state("a"), wanted.all_refused) == ({}, HELD, False)
    assert Subscriptions[str](WITHIN).all_refused is False


steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["add", "remove", "asked", "in_force", "hold", "end", "refuse", "time", "reset"]
        ),
        st.sampled_from("ab"),
    ),
    max_size=30,
)


@given(steps)
def test_states_only_move_along_the_table(steps: list[tuple[str, str]]) -> None:
    wanted, now = Subscriptions[str](WITHIN), 0
    for step, key in steps:
        before = {each: wanted.state(each) for each in "ab"}
        if step == "time":
            now += WITHIN
            wanted.expired(now)
            wanted.timeouts.start(now)
        elif step == "reset":
            wanted.reset()
        elif step == "refuse":
            wanted.refuse(key, "no")
        else:
            getattr(wanted, step)(key)
        for each, old in before.items():
            assert follows(step, old, wanted.state(each)), (step, old, wanted.state(each))
        # Exactly what was asked for is waited for, and nothing is both wanted and refused.
        assert sorted(wanted.timeouts) == sorted(wanted.in_state(ASKED))
        assert not set(wanted) & set(wanted.refused)


def follows(step: str, old: State | None, new: State | None) -> bool:
    if old is None or new is None:
        return new in (old, HELD) if step == "add" else step == "remove" or old is new
    if old is REFUSED and new is HELD:
        return step == "add"
    return new in (old, HELD) or new in TRANSITIONS[old]


def test_every_state_has_its_transitions() -> None:
    assert TRANSITIONS.keys() == {*State}
    assert not any(ASKED in following for state, following in TRANSITIONS.items() if state != HELD)
