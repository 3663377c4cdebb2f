"""Of many events the first of each kind are shown, and all are counted."""

from __future__ import annotations

from payloads.venues.common.kinds import MOST_KINDS, SHOWN, FirstOfKind


def test_the_first_of_each_kind_are_shown_and_all_are_counted() -> None:
    kinds = FirstOfKind()
    assert [kinds.shows("a") for _ in range(5)] == [True] * SHOWN + [False] * 2
    assert kinds.shows("b")
    assert [*kinds.counted()] == [("a", 5)]


def test_the_number_of_kinds_is_bounded() -> None:
    kinds = FirstOfKind()
    shown = [kinds.shows(f"kind {number}") for number in range(10_000)]
    assert sum(shown) == MOST_KINDS + SHOWN
    assert [*kinds.counted()] == [("others", 10_000 - MOST_KINDS)]
