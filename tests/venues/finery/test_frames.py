"""Finery's frames: whose they are, and their rows as records."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payloads.errors import Misuse
from payloads.venues.common.session import Broken, Subscribed, Unknown, Unsubscribed
from payloads.venues.finery.feeds import Binding, Selection, feed_id_of, sent_id
from payloads.venues.finery.records import (
    Currency,
    Deal,
    Described,
    Limit,
    Order,
    Position,
    Settlement,
    SettlementDeal,
    SettlementOrder,
    SettlementRequest,
    SettlementTransaction,
    Unread,
    exact,
    rows_of,
)
from tests.venues.finery.kit import CLIENT, DEAL, MAKERS, NOW, ORDER, UP, bids, opened, say, up
from tests.venues.kit import sent


def test_updates_of_p_come_as_o_and_s() -> None:
    session = up(Binding("P"), Binding("O", 77))
    settlement = [1, "BTC", "EUR", 3, 4, 5, 6, "n", None]
    snapshot = ["P", 0, "S", [99, [["BTC", 1, 2, 3, 4]], [ORDER], [settlement]]]
    subscribed, data = say(session, snapshot)
    assert subscribed == Subscribed("P")
    assert [type(row) for row in data.content.rows] == [Position, Order, SettlementOrder]
    for frame, kind in (
        (["O", 0, "+", ORDER], Order),
        (["O", 0, "-", [ORDER]], Order),
        (["O", 0, "D", DEAL], Deal),
        (["S", 0, "M", settlement], SettlementOrder),
        (["S", 0, "D", [1, "BTC", "EUR", 3, 4, 5, 6, 7, 8]], SettlementDeal),
    ):
        (data,) = say(session, frame)
        assert (data.channel, type(data.content.rows[0])) == ("P", kind)
    assert say(session, ["O", 77, "S", [ORDER]])[0] == Subscribed("O:77")


def test_currencies_come_with_instruments() -> None:
    session = up(Binding("I"))
    (data,) = say(session, ["C", 0, "M", ["EUR", 978, 1, 110000000, 1, ["eth"]]])
    assert data.channel == "I"
    assert data.content.rows == (Currency("EUR", 978, 1, 110000000, (1, ["eth"])),)


def test_letters_are_dispatched_by_position() -> None:
    limit = ["EUR", 1, 2, 3, 4, 5]
    session = up(Binding("M"), Binding("S", 978))
    say(session, ["M", 0, "S", [limit]])
    (data,) = say(session, ["M", 0, "M", [[*limit, 6, 7]]])
    assert data.content.rows == (Limit("EUR", 1, 2, 3, 4, 5, 6, 7),)
    events = say(session, ["S", 978, "S", []])
    assert events[0] == Subscribed("S:978")
    assert events[1].content.snapshot


def test_the_published_deal() -> None:
    (deal,) = rows_of("O", "D", DEAL)
    assert isinstance(deal, Deal)
    assert exact(deal.deal_size) == Decimal("0.85")
    assert exact(deal.deal_price) == Decimal("66748.59047619")
    assert exact(deal.deal_volume) == Decimal("56736.301905")
    assert (deal.type_word, deal.side_word, deal.linked_deal_id) == ("marketIOC", "bid", 1864943)
    assert deal.cancel_reason_word == "none, or filled"
    (longer,) = rows_of("O", "D", [*DEAL, 1, 2, None, "new"])
    assert isinstance(longer, Deal)
    assert longer.rest == ("new",)


def test_settlement_requests_and_transactions() -> None:
    request = [87, "BTC", 1, 10**8, "a comment", 1709716088000]
    (incoming,) = rows_of("R", "S", [[request], []])
    assert incoming == SettlementRequest(
        87, "BTC", 1, 10**8, "a comment", 1709716088000, incoming=True
    )
    (outgoing,) = rows_of("R", "-", [[], [[*request, "ethereum", 12, 1709716080000, "new"]]])
    assert isinstance(outgoing, SettlementRequest)
    assert (outgoing.incoming, outgoing.network, outgoing.request_id) == (False, "ethereum", 12)
    assert outgoing.rest == ("new",)
    transaction = [7, "BTC", 10**7, 123456789, "", 1558050900000, "a79f", 1558050900000, 0, 0, 0, 9]
    for action, data in (("S", [0, [transaction], []]), ("D", [[transaction], []])):
        (found,) = rows_of("N", action, data)
        assert isinstance(found, SettlementTransaction)
        assert (found.incoming, found.tx_id, found.network_fee) == (True, "a79f", 9)
    unreadable: list[Any] = [None, [], [[]], [0, []], [[7], []], [[["x"]], []]]
    for wrong in unreadable:
        assert all(isinstance(one, Unread) for one in rows_of("R", "+", wrong))
    session = up(Binding("R"), Binding("N"))
    for feed, number in (("R", []), ("N", [0])):
        assert say(session, [feed, 0, "S", [*number, [], []]])[0] == Subscribed(feed)


def test_rows_as_the_newest_pages_have_them() -> None:
    """Rows with names of their own, without an id, or with fewer or more columns than before."""
    order = {"settlementOrderId": 1, "currency1": "EUR", "size1": 5, "new": 9}
    found = Settlement(1, currency1="EUR", size1=5, rest={"new": 9})
    assert rows_of("S", "+", [order]) == rows_of("P", "S", [1, [], [], [order]]) == (found,)
    deal = {"clientId": 2, "counterpartyId": 3, "createdAt": 4, "comment": "c", "flags": 5}
    deal |= {"network1": "n", "currency2": "USD", "size2": 6, "network2": "m"}
    both = {**order, **deal, "settlementId": 7, "commitedAt": 8}
    assert rows_of("S", "D", [both])[0].values == (
        1, 3, 2, "EUR", 5, "n", "USD", 6, "m", "c", 5, 4, 7, 8, {"new": 9},
    )  # fmt: skip
    (unread,) = rows_of("S", "+", [{"settlementOrderId": 1, "size1": []}])
    assert isinstance(unread, Unread)
    assert "size1" in unread.why
    assert rows_of("L", "M", {"counterpartyId": 1}) == (Described("Limit", {"counterpartyId": 1}),)
    (position,) = rows_of("P", "S", [1, [["BTC", 5, 87]], [], []])
    assert position == Position("BTC", 5, 87)
    for snapshot in ([["BTC", 5, 87, 1, 2]], [99, [["BTC", 5, 87, 1, 2]]]):
        assert rows_of("K", "S", snapshot) == (Position("BTC", 5, 87, 1, 2),)
    (row,) = rows_of("S", "D", [1, "BTC", "EUR", 3, 4, 5, 6, "n1", None, 7, 8])
    assert isinstance(row, SettlementDeal)
    assert (row.network1, row.settlement_moment, row.settlement_id) == ("n1", 7, 8)


def test_feeds_without_a_filter() -> None:
    """O, K and S take no id for all there is; frames have the id as it was asked for, or 0."""
    session = opened(Binding("O"), Binding("K", "EUR"), Binding("S"))
    session.received(UP, NOW)
    assert {"event": "bind", "feed": "O"} in sent(session)
    assert say(session, ["O", 0, "S", [ORDER]])[0] == Subscribed("O")
    assert say(session, ["K", "EUR", "S", []])[0] == Subscribed("K:EUR")
    assert say(session, ["S", 0, "S", []])[0] == Subscribed("S")
    (data,) = say(session, ["O", 0, "+", ORDER])
    assert data.channel == "O"


def test_feeds_bound_by_an_object() -> None:
    """The messages are those of the venue's pages of the feeds F and MD."""
    both = Selection("BTC-USD", 123, (1, 2, 3))
    session = opened(Binding("F", CLIENT), Binding("MD", MAKERS))
    session.received(UP, NOW)
    assert sent(session) == [
        {"event": "bind", "feed": "F", "feedId": {"instrument": "BTC-EUR", "clientId": 5}},
        {"event": "bind", "feed": "MD", "feedId": {"instrument": "BTC-USD", "makers": [1, 2, 3]}},
    ]
    subscribed, data = say(session, ["F", CLIENT.argument, "S", [[[5, 1]], []]])
    assert subscribed == Subscribed("F:BTC-EUR@5")
    assert (data.channel, data.content.feed_id) == ("F:BTC-EUR@5", CLIENT)
    assert say(session, ["MD", MAKERS.argument, "S", [[], [[7, 2]]]])[0] == Subscribed(
        "MD:BTC-USD/1,2,3"
    )
    say(session, ["F", {"clientId": 5, "instrument": "BTC-EUR"}, "M", [[["+", 6, 2]], []]])
    (data,) = say(session, ["MD", MAKERS.argument, "M", [[], [["~", 8, 1]]]])
    assert data.content.asks == (("~", 8, 1),)
    assert bids(session, "F", CLIENT) == [(6, 2), (5, 1)]
    book = session.book("MD", MAKERS)
    assert book
    assert book.asks() == [(8, 1)]
    session.subscribe(Binding("MD", both))
    session.unsubscribe(Binding("F", CLIENT))
    assert [one["feedId"] for one in sent(session)] == [both.argument, CLIENT.argument]
    assert say(session, ["F", CLIENT.argument, "U", 0]) == [Unsubscribed("F:BTC-EUR@5")]
    (event,) = say(session, ["MD", both.argument, "Z", 103])
    assert (event.code, event.about) == ("103", "bind MD:BTC-USD@123/1,2,3")
    assert session.book("F", CLIENT) is None
    assert session.bound == ["MD:BTC-USD/1,2,3"]


def test_objects_answered_by_numbers_are_bound_one_at_a_time() -> None:
    """A number cannot say whose market it is, even where the instrument's is known."""
    other = Selection("BTC-EUR", client_id=6)
    session = up(Binding("F", "BTC-EUR"))
    say(session, ["I", 0, "S", [[], [["BTC-EUR", 7, "BTC", "EUR"]]]])
    session.subscribe(Binding("F", CLIENT))
    session.subscribe(Binding("F", other))
    (asked,) = sent(session)
    assert asked["feedId"] == CLIENT.argument
    assert say(session, ["F", 7, "S", [[[1, 1]], []]])[0] == Subscribed("F:BTC-EUR")
    assert say(session, ["F", 8, "S", [[[2, 2]], []]])[0] == Subscribed("F:BTC-EUR@5")
    assert [one["feedId"] for one in sent(session)] == [other.argument]
    assert say(session, ["F", 9, "S", [[[3, 3]], []]])[0] == Subscribed("F:BTC-EUR@6")
    say(session, ["F", 8, "M", [[["+", 4, 4]], []]])
    assert bids(session, "F", CLIENT) == [(4, 4), (2, 2)]
    assert bids(session, "F", other) == [(3, 3)]


numbers = st.integers(1, 2**64 - 1)


selections = st.builds(
    Selection,
    st.from_regex(r"[A-Z]{1,9}-[A-Z]{1,9}", fullmatch=True),
    st.none() | numbers,
    st.lists(numbers, max_size=3).map(tuple),
)


@given(selections)
def test_a_selection_is_written_as_its_label(selection: Selection) -> None:
    binding = Binding.of("MD", selection)
    assert Binding.of("MD", str(selection)) == binding
    assert Binding.of(*binding.label.split(":")) == binding
    if selection.client_id is not None:
        client = Selection(selection.instrument, selection.client_id)
        assert Binding.of("F", str(client)) == Binding("F", client)
    assert feed_id_of(sent_id(selection)) == selection


def test_an_md_feed_by_name_is_of_all_makers() -> None:
    session = up(Binding.of("MD", "BTC-USD"))
    say(session, ["MD", "BTC-USD", "S", [[[1, 1]], []]])
    assert session.bound == ["MD:BTC-USD"]
    assert bids(session, "MD", "BTC-USD") == [(1, 1)]


@pytest.mark.parametrize(
    ("feed", "feed_id"),
    [
        ("MD", None), ("MD", 7), ("MD", "BTC-USD@x"), ("F", "BTC-USD@"), ("MD", "BTC-USD/1,"),
        ("B", CLIENT), ("O", CLIENT), ("P", CLIENT), ("F", MAKERS),
        ("F", Selection("")), ("F", Selection("BTC EUR", 1)), ("F", Selection("BTC-EUR", -1)),
        ("MD", Selection("BTC-EUR", makers=(True,))),
    ],
)  # fmt: skip
def test_objects_the_venue_would_not_take(feed: str, feed_id: Any) -> None:
    with pytest.raises(Misuse):
        Binding.of(feed, feed_id)


@pytest.mark.parametrize(
    "feed_id",
    [{}, {"instrument": 7}, {"instrument": "X", "clientId": "5"}, {"instrument": "X", "makers": 7},
     {"instrument": "X", "makers": [{}]}, {"clientId": 5}],
)  # fmt: skip
def test_an_object_that_is_no_id_is_broken(feed_id: Any) -> None:
    (event,) = say(up(), ["MD", feed_id, "S", [[], []]])
    assert isinstance(event, Broken)
    assert event.error.field == "feedId"


@pytest.mark.parametrize("row", [["BTC"], ["BTC", 1, "2", 3], 7, None, ["BTC", True, 2, 3]])
def test_a_row_unlike_its_kind_is_kept_with_the_reason(row: Any) -> None:
    (found,) = rows_of("C", "+", row)
    assert isinstance(found, Unread)
    assert found.why


def test_unknown_frames_and_objects_pass_through() -> None:
    session = up()
    for message in (
        ["Q", 0, "S", []],
        {"event": "pong"},
        7,
        None,
        {"reqId": "x"},
        ["B", 1, "?", 0],
    ):
        (event,) = say(session, message)
        assert isinstance(event, Unknown)
        assert event.content == message


@pytest.mark.parametrize(
    "raw",
    ["", "[", "[]", "[1,2,3]", '[1,0,"S",0]', '["B",0,7,0]', '["B",null,"S",0]', '["X",0,"Z","a"]',
     '["X",0,"Z",true]', "['X', 0, 'Z', 0]", b"\xff", '["B",[],"S",[]]',
     '["X",0,"Z",1e99999999999999999999]'],
)  # fmt: skip
def test_broken_frames_are_kept(raw: str | bytes) -> None:
    (event,) = up().received(raw, NOW)
    assert isinstance(event, Broken)
    assert event.raw == raw
