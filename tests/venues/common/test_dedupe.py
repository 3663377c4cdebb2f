"""What came twice."""

from __future__ import annotations

from payloads.venues.common.dedupe import Repeats


def test_repeats_are_remembered_for_a_while() -> None:
    repeats = Repeats(4)
    messages = [str(number) for number in range(5)]
    assert not any(repeats.again(message) for message in messages)
    assert repeats.again(messages[1])
    assert not repeats.again(messages[0]), "too long ago"
    assert not repeats.again(messages[-1], "another stream")
    repeats.forget()
    assert not repeats.again(messages[-1])
    assert repeats.count == 1


def test_more_streams_than_there_are_are_not_remembered() -> None:
    repeats = Repeats()
    for number in range(Repeats.STREAMS):
        repeats.again("", str(number))
    assert [repeats.again("", "one more") for _ in range(2)] == [False, False]
    assert repeats.again("", "0")


def test_one_stream_is_forgotten_alone() -> None:
    repeats = Repeats(1)
    assert not repeats.again("a", "one")
    assert not repeats.again("a", "two")
    repeats.forget("one", "never heard of")
    assert [repeats.again("a", stream) for stream in ("one", "two")] == [False, True]


def test_with_one_mark_remembered_only_the_last_is_a_repeat() -> None:
    repeats = Repeats(1)
    assert [repeats.again(mark) for mark in "aabbab"] == [False, True, False, True, False, False]
