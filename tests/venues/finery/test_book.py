"""Finery's order books: the published example, and any update against a naive second book."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payloads.errors import Malformed
from payloads.venues.common.dedupe import Duplicate
from payloads.venues.common.session import SECOND, Broken, Data, Unsubscribed
from payloads.venues.finery.book import Book
from payloads.venues.finery.feeds import Binding, Frame, sent_id
from payloads.venues.finery.records import exact
from tests.venues.finery.kit import MAKERS, NOW, say, up
from tests.venues.kit import sent

SNAPSHOT = [
    "B", 123456789, "S",
    [[[300000000000, 10000000], [299000000000, 5000000]], [[301000000000, 7000000]]],
]  # fmt: skip


UPDATE = [
    "B", 123456789, "M", [[["~", 299000000000, 5000000]], [["+", 301500000000, 1000000]]],
]  # fmt: skip


def test_the_spec_s_book() -> None:
    session = up(Binding("B", 123456789))
    say(session, SNAPSHOT)
    (data,) = say(session, UPDATE)
    assert isinstance(data.content, Frame)
    assert data.content.bids == (("~", 299000000000, 5000000),)
    book = session.book("B", 123456789)
    assert book
    assert [(exact(p), exact(s)) for p, s in book.bids()] == [(Decimal(2990), Decimal("0.05"))]
    assert [(exact(p), exact(s)) for p, s in book.asks()] == [
        (Decimal(3010), Decimal("0.07")), (Decimal(3015), Decimal("0.01")),
    ]  # fmt: skip
    assert book.odd == 0
    assert not book.crossed


@pytest.mark.parametrize("entry", [["~"], ["~", 0, 0]])
def test_a_side_emptied(entry: list[Any]) -> None:
    book = Book()
    book.snapshot([[[2, 1], [1, 1]], [[3, 1]]])
    book.update([[entry], [entry]])
    assert (book.bids(), book.asks(), book.odd) == ([], [], 0)


def test_entries_that_do_not_fit_are_counted() -> None:
    book = Book()
    book.snapshot([[[2, 1], [2, 2], [1, 0]], []])
    assert book.odd == 2
    book.update([[["-", 9, 0], ["M", 8, 1], ["+", 8, 2], ["M", 8, 0], ["~", 2, 0]], []])
    assert book.odd == 7
    assert book.bids() == []


def test_a_bad_update_changes_nothing_and_starts_the_book_anew() -> None:
    session = up(Binding("B", 123456789))
    say(session, SNAPSHOT)
    bad = ["B", 123456789, "M", [[["-", 300000000000, 0]], [["?", 1, 1]]]]
    (event,) = say(session, bad)
    assert isinstance(event, Broken)
    assert event.error.field == "data[1][0]"
    assert session.book("B", 123456789) is None
    assert [message["event"] for message in sent(session)] == ["unbind"]
    (data,) = say(session, UPDATE)  # still on its way
    assert data.content.bids == ()
    assert say(session, ["B", 123456789, "U", 0]) == [Unsubscribed("B:123456789")]
    session.tick(NOW + 5 * SECOND)
    assert [message["event"] for message in sent(session)] == ["bind"]
    say(session, SNAPSHOT)
    assert session.book("B", 123456789)


def test_an_update_before_its_snapshot_is_broken() -> None:
    (event,) = say(up(Binding("B", 123456789)), UPDATE)
    assert isinstance(event, Broken)


def test_a_book_is_atomic() -> None:
    book = Book()
    book.snapshot([[[2, 1]], [[3, 1]]])
    bad: Any
    for bad in (
        [[["-", 2, 0]], [["+", "3", 1]]],
        [[["-", 2, 0]]],
        {},
        [[["-", 2, 0]], [["+", 2**64, 1]]],
    ):
        with pytest.raises(Malformed):
            book.update(bad)
        with pytest.raises(Malformed):
            book.snapshot(bad)
    assert (book.bids(), book.asks()) == ([(2, 1)], [(3, 1)])


def naive(levels: dict[int, int], bid: bool, change: tuple[str, int, int]) -> dict[int, int]:
    """The rule of the spec, word by word."""
    action, price, size = change
    if action == "~":
        if price == 0:
            return {}
        kept = {p: s for p, s in levels.items() if (p < price if bid else p > price)}
        return {**kept, price: size} if size else kept
    kept = {p: s for p, s in levels.items() if p != price}
    return kept if action == "-" or size == 0 else {**kept, price: size}


prices = st.one_of(st.integers(0, 12), st.integers(0, 2**64 - 1))
sizes = st.one_of(st.integers(0, 3), st.integers(0, 2**63 - 1))
changes = st.lists(st.tuples(st.sampled_from("+M-~"), prices, sizes), max_size=12)
levels = st.lists(st.tuples(prices, sizes), max_size=30)


@pytest.mark.parametrize(("feed", "feed_id"), [("B", 3), ("F", 3), ("MD", MAKERS)])
@given(levels, levels, st.lists(st.tuples(changes, changes), max_size=12))
def test_the_book_equals_a_naive_model(
    feed: str, feed_id: Any, bids: Any, asks: Any, updates: Any
) -> None:
    session = up(Binding(feed, feed_id))
    said = sent_id(feed_id)
    say(session, [feed, said, "S", [bids, asks]])
    # The last of a price given twice counts.
    model = [{p: s for p, s in dict(side).items() if s} for side in (bids, asks)]
    for update in updates:
        (data,) = say(session, [feed, said, "M", update])
        # The same again is not applied again, and the model shows that nothing would change.
        assert isinstance(data, Data | Duplicate)
        for side, entries in enumerate(update):
            for entry in entries:
                model[side] = naive(model[side], side == 0, entry)
        book = session.book(feed, feed_id)
        assert book
        assert book.bids() == sorted(model[0].items(), reverse=True)
        assert book.asks() == sorted(model[1].items())
        assert book.bids(1) == book.bids()[:1]
