"""Patience, against a list of what was added and when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from payloads.venues.common.pending import (
    RequestFailed,
    Requests,
    Sent,
    Timeouts,
    UnnumberedRequests,
)
from payloads.venues.common.session import LOST, NO_ANSWER, Missing, Rejected

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


requests = st.lists(
    st.one_of(
        st.just(("sent", 0)),
        st.tuples(st.just("answered"), st.integers(1, 6)),
        st.tuples(st.just("time"), st.integers(0, 6)),
    )
)


@given(requests)
def test_a_request_is_answered_late_or_lost_and_that_once(steps: list[tuple[str, int]]) -> None:
    made, now = Requests(5, "{name} #{number}"), 0
    ends: dict[int, list[str]] = {}
    for step, number in steps:
        if step == "sent":
            assert made.next == len(ends) + 1
            ends[made.sent(f"r{made.next}")] = []
        elif step == "answered":
            waited = number in made.pending
            assert made.answered(number) in ("", f"r{number}")
            if waited:
                ends[number].append("answered")
        else:
            now += number
            failed = made.expired(now)
            made.timeouts.start(now)
            for event in failed:
                assert isinstance(event, RequestFailed)
                assert event.about == f"r{event.request_id} #{event.request_id}"
                ends[event.request_id or 0].append(event.code)
    for event in made.lost():
        assert isinstance(event, RequestFailed)
        ends[event.request_id or 0].append(event.code)
    assert all(len(end) == 1 for end in ends.values()), ends
    assert {end for (end,) in ends.values()} <= {"answered", "no answer", "lost"}
    assert (made.lost(), made.pending, made.oldest("r1")) == ([], {}, None)


def test_a_reply_without_a_number_belongs_to_the_oldest_request_that_it_fits() -> None:
    requests = UnnumberedRequests(10)
    first, second = Sent("add", "order", ("a",)), Sent("add", "order", ("a",))
    lasting = Sent("tell", "ack", (), made_again=True)
    for each in (first, second, lasting):
        requests.sent(each)
    requests.timeouts.start(5)
    requests.answered("", ("b",), "order")
    assert list(requests.timeouts) == [first, second, lasting]
    requests.answered("", ("a",), "order")
    assert list(requests.timeouts) == [second, lasting]
    late = [event for event in requests.expired(15) if isinstance(event, Rejected)]
    assert [event.code for event in late] == [NO_ANSWER, NO_ANSWER]
    # What comes late is an answer all the same, and what is asked again is never lost.
    assert requests.missing == {"add a": Missing(NO_ANSWER, 5), "tell": Missing(NO_ANSWER, 5)}
    requests.lost()
    assert requests.missing == {"add a": Missing(LOST, 5)}


def test_an_error_may_be_about_every_request_that_it_fits() -> None:
    requests = UnnumberedRequests(10)
    for channel in "abc":
        requests.sent(Sent("subscribe", "subscribed", (channel,)))
    requests.answered("subscribe", (), every=True)
    assert not requests.missing
