"""Finery's session: the link, bind and unbind, and whatever a server may send."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payloads.errors import Misuse
from payloads.venues.common.dedupe import Duplicate
from payloads.venues.common.pending import RequestFailed
from payloads.venues.common.session import (
    SECOND,
    Authenticated,
    Closed,
    Data,
    Opened,
    Rejected,
    Stalled,
    Subscribed,
    Unsubscribed,
)
from payloads.venues.finery.feeds import LETTERS, Binding, Selection
from payloads.venues.finery.records import Currency, Instrument
from payloads.venues.finery.session import Status
from tests.venues.finery.kit import CLIENT, DEAL, DOWN, MAKERS, NOW, UP, make, opened, say, up
from tests.venues.kit import only, sent


def test_binds_wait_for_the_link() -> None:
    session = make(Binding("B", 42))
    session.dial(NOW)
    assert session.opened(NOW) == [
        Opened(), Authenticated("the upgrade's signature was accepted"),
    ]  # fmt: skip
    assert sent(session) == []
    status, rejected = session.received(DOWN, NOW)
    assert isinstance(rejected, Rejected)
    assert (rejected.code, rejected.about) == ("2", "connection")
    assert isinstance(status, Status)
    assert not status.up
    assert "not connected" in status.meaning
    session.subscribe(Binding("P"))
    assert sent(session) == []
    assert only(session.received(UP, NOW), Status).up
    assert sent(session) == [
        {"event": "bind", "feed": "B", "feedId": 42}, {"event": "bind", "feed": "P"},
    ]  # fmt: skip
    session.received(UP, NOW)
    assert sent(session) == []


def test_the_spec_s_messages() -> None:
    session = up(Binding("B", 42))
    session.unsubscribe(Binding("B", 42))
    for method, content in (("add", {"cod": False, "size": 100000}), ("instruments", None)):
        session.request(method, content)
    assert session.take() == [
        '{"event":"unbind","feed":"B","feedId":42}',
        '{"event":"request","reqId":1,"method":"add","content":{"cod":false,"size":100000}}',
        '{"event":"request","reqId":2,"method":"instruments","content":{}}',
    ]


def test_a_link_lost_and_back_binds_again_and_drops_the_books() -> None:
    session = up(Binding("B", 42))
    say(session, ["B", 42, "S", [[[10, 1]], []]])
    assert session.book("B", 42)
    assert session.bound == ["B:42"]
    session.received(DOWN, NOW)
    assert session.book("B", 42) is None
    assert session.bound == []
    session.received('["X",0,"Z",[0]]', NOW)
    assert sent(session) == [{"event": "bind", "feed": "B", "feedId": 42}]


def test_a_reconnect_binds_again_and_drops_the_books() -> None:
    session = up(Binding("B", 42), Binding("I"))
    say(session, ["B", 42, "S", [[[10, 1]], []]])
    number = session.request("add")
    lost, closed = session.closed(1006, "", NOW)
    assert isinstance(lost, RequestFailed)
    assert (lost.code, lost.request_id, lost.about) == ("lost", number, "add #1")
    assert isinstance(closed, Closed)
    assert closed.retry.again
    assert session.book("B", 42) is None
    assert session.deadline is None
    session.dial(NOW + SECOND)
    session.opened(NOW + SECOND)
    assert sent(session) == []
    session.received(UP, NOW + SECOND)
    assert [message["feed"] for message in sent(session)] == ["B", "I"]


@pytest.mark.parametrize(
    ("feed", "feed_id"),
    [
        ("X", None), ("C", None), ("", None), ("BF", 1), ("I", 3), ("P", "BTC"), ("G", 0),
        ("L", 1), ("M", 1), ("R", 1), ("N", 1), ("B", None), ("F", ""), ("O", 0), ("K", ""),
        ("S", -1), ("B", True), ("B", 2**64), ("B", "a b"),
    ],
)  # fmt: skip
def test_bindings_the_venue_would_not_take(feed: str, feed_id: Any) -> None:
    with pytest.raises(Misuse):
        Binding.of(feed, feed_id)
    with pytest.raises(Misuse):
        make().subscribe(Binding(feed, feed_id))


def test_every_letter_binds() -> None:
    for feed in "IPGLMRN":
        assert Binding.of(feed).message("bind") == {"event": "bind", "feed": feed}
    for feed in "BFO":
        assert Binding.of(feed, "BTC-EUR").label == f"{feed}:BTC-EUR"
    for feed in "KS":
        assert Binding.of(feed, "EUR").message("unbind")["feedId"] == "EUR"
    assert {*"IPGLMRNBFOKS", "MD"} == LETTERS


def test_subscribed_by_its_snapshot_and_unsubscribed_by_u() -> None:
    session = up(Binding("I"))
    events = say(
        session, ["I", 0, "S", [[["BTC", 1, 1, 2]], [["BTC-USD", 4955410050, "BTC", "USD"]]]]
    )
    assert events[0] == Subscribed("I")
    assert isinstance(events[1], Data)
    assert events[1].content.rows == (
        Currency("BTC", 1, 1, 2), Instrument("BTC-USD", 4955410050, "BTC", "USD"),
    )  # fmt: skip
    session.unsubscribe(Binding("I"))
    assert say(session, ["I", 0, "U", 0]) == [Unsubscribed("I")]
    session.subscribe(Binding("I"))
    assert sent(session)[-1] == {"event": "bind", "feed": "I"}


def test_already_bound_and_not_bound_are_what_was_wanted() -> None:
    session = up(Binding("F", 7))
    assert say(session, ["F", 7, "Z", 100]) == [Subscribed("F:7")]
    session.unsubscribe(Binding("F", 7))
    assert say(session, ["F", 7, "Z", 101]) == [Unsubscribed("F:7")]


def test_a_refused_bind_is_not_asked_for_again() -> None:
    session = up(Binding("F", 7))
    (event,) = say(session, ["F", 7, "Z", 103])
    assert event == Rejected("103", "", "bad feed id", "bind F:7")
    session.closed(1006, "", NOW)
    session.opened(NOW)
    session.received(UP, NOW)
    assert sent(session) == []


def test_a_feed_out_of_sync_is_bound_again_after_a_pause() -> None:
    session = up(Binding("F", 7))
    say(session, ["F", 7, "S", [[[1, 1]], []]])
    (event,) = say(session, ["F", 7, "Z", [104]])
    assert event.code == "104"
    assert "again" in event.meaning
    assert session.book("F", 7) is None
    assert session.deadline == NOW + 5 * SECOND
    session.tick(NOW + 4 * SECOND)
    assert sent(session) == []
    session.tick(NOW + 5 * SECOND)
    assert sent(session) == [{"event": "bind", "feed": "F", "feedId": 7}]


def test_a_failed_unbind_is_not_taken_for_a_failed_bind() -> None:
    session = up(Binding("F", 7))
    session.unsubscribe(Binding("F", 7))
    (event,) = say(session, ["F", 7, "Z", 10])
    assert event.about == "unbind F:7"


def test_names_and_the_numbers_that_answer_them() -> None:
    session = up(Binding("B", "BTC-EUR"), Binding("B", "ETH-EUR"))
    # Feed I has told which is which, so order does not matter.
    say(session, ["I", 0, "S", [[], [["ETH-EUR", 8, "ETH", "EUR"], ["BTC-EUR", 7, "BTC", "EUR"]]]])
    assert say(session, ["B", 8, "S", [[[5, 1]], []]])[0] == Subscribed("B:ETH-EUR")
    assert say(session, ["B", 7, "S", [[[6, 1]], []]])[0] == Subscribed("B:BTC-EUR")
    say(session, ["B", 7, "M", [[["+", 7, 2]], []]])
    book = session.book("B", "BTC-EUR")
    assert book
    assert book.bids() == [(7, 2), (6, 1)]


def test_names_are_otherwise_answered_in_order() -> None:
    session = up(Binding("B", "BTC-EUR"), Binding("B", "ETH-EUR"))
    say(session, ["B", 2**40, "S", [[[5, 1]], []]])
    (event,) = say(session, ["B", 0, "Z", 103])
    assert event.about == "bind B:ETH-EUR"
    (data,) = say(session, ["B", 2**40, "M", [[["M", 5, 3]], []]])
    assert data.channel == "B:BTC-EUR"
    book = session.book("B", "BTC-EUR")
    assert book
    assert book.bids() == [(5, 3)]


def test_what_cannot_be_told_apart_is_bound_one_at_a_time() -> None:
    session = opened(
        Binding("B", "BTC-EUR"), Binding("B", "ETH-EUR"), Binding("F", "BTC-EUR"), Binding("B", 9)
    )
    session.received(UP, NOW)
    asked = [(one["feed"], one["feedId"]) for one in sent(session)]
    assert asked == [("B", "BTC-EUR"), ("F", "BTC-EUR"), ("B", 9)]
    assert say(session, ["B", 2**40, "S", [[[5, 1]], []]])[0] == Subscribed("B:BTC-EUR")
    assert sent(session) == [{"event": "bind", "feed": "B", "feedId": "ETH-EUR"}]
    # One that comes under its own name needs no guess.
    assert say(session, ["B", "ETH-EUR", "S", [[[6, 1]], []]])[0] == Subscribed("B:ETH-EUR")
    (data,) = say(session, ["B", 2**40, "M", [[["M", 5, 3]], []]])
    assert data.channel == "B:BTC-EUR"
    # What feed I has told is not held back.
    rows = [["BTC-USD", 1, "BTC", "USD"], ["ETH-USD", 2, "ETH", "USD"]]
    say(session, ["I", 0, "S", [[], rows]])
    session.subscribe(Binding("B", "BTC-USD"))
    session.subscribe(Binding("B", "ETH-USD"))
    assert len(sent(session)) == 2


def test_a_bind_without_an_answer_is_told_and_does_not_block() -> None:
    session = up(Binding("B", "BTC-EUR"), Binding("B", "ETH-EUR"))
    assert session.deadline == NOW + 10 * SECOND
    (event,) = session.tick(NOW + 10 * SECOND)
    assert event == Rejected("no answer", "", "no answer came", "bind B:BTC-EUR")
    assert sent(session) == [{"event": "bind", "feed": "B", "feedId": "ETH-EUR"}]
    # A number that nobody knows is the answer to the one that is under way, not to the late one.
    assert say(session, ["B", 8, "S", [[[5, 1]], []]])[0] == Subscribed("B:ETH-EUR")
    # The late one is still taken where it says who it is.
    assert say(session, ["B", "BTC-EUR", "S", [[[5, 1]], []]])[0] == Subscribed("B:BTC-EUR")
    assert session.tick(NOW + 20 * SECOND) == []


def test_no_word_about_the_link_is_told() -> None:
    session = make(Binding("B", 42), status_within=3 * SECOND)
    session.dial(NOW)
    session.opened(NOW)
    assert session.deadline == NOW + 3 * SECOND
    assert session.tick(NOW + 2 * SECOND) == []
    rejected, stalled = session.tick(NOW + 3 * SECOND)
    assert isinstance(rejected, Rejected)
    assert (rejected.code, rejected.about) == ("no answer", "connection status")
    assert "no frame X" in rejected.meaning
    assert stalled == Stalled(3 * SECOND)
    session.closed(1006, "", NOW + 3 * SECOND)
    assert session.deadline is None
    session.opened(NOW)
    session.received(UP, NOW)
    sent(session)
    say(session, ["B", 42, "S", [[], []]])
    assert session.deadline == NOW + 25 * SECOND, "only the ping is left"
    with pytest.raises(Misuse):
        make(status_within=0)


def test_a_snapshot_that_comes_twice_is_delivered_twice() -> None:
    session = up(Binding("B", 42))
    for _ in range(2):
        (*_, data) = say(session, ["B", 42, "S", [[[5, 1]], []]])
        assert isinstance(data, Data)
    assert session.repeated == 0


def test_an_update_that_comes_twice_is_delivered_once() -> None:
    session = up(Binding("B", 42), Binding("P"))
    say(session, ["B", 42, "S", [[[5, 1]], []]])
    say(session, ["P", 0, "S", [1, [], [], []]])
    update, deal = ["B", 42, "M", [[["-", 5, 0]], []]], ["O", 0, "D", DEAL]
    assert [type(one) for one in say(session, update)] == [Data]
    assert [type(one) for one in say(session, deal)] == [Data]
    (of_book, of_deal) = [*say(session, update), *say(session, deal)]
    assert isinstance(of_book, Duplicate)
    assert isinstance(of_deal, Duplicate)
    assert (of_book.channel, of_book.time) == ("B:42", None)
    assert of_deal.channel == "P"
    assert of_deal.time is not None
    assert of_deal.time > 10**18
    assert session.repeated == 2
    book = session.book("B", 42)
    assert book
    assert book.odd == 0
    # After something else the same words mean something again.
    say(session, ["B", 42, "M", [[["+", 5, 1]], []]])
    assert [type(one) for one in say(session, update)] == [Data]
    # A snapshot always counts.
    for _ in range(2):
        assert [type(one) for one in say(session, ["B", 42, "S", [[], []]])] == [Data]


scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.just("S"))


trees = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5), st.dictionaries(st.text(max_size=5), inner)
    ),
    max_leaves=12,
)


frames = st.tuples(
    st.sampled_from([*"XIPGLMRNBFOKSCQ", "MD"]),
    st.one_of(st.sampled_from([0, 1, 42, "BTC", 2**40, CLIENT.argument, MAKERS.argument]), trees),
    st.sampled_from([*"S+M-DZU?"]), trees,
).map(list)  # fmt: skip


replies = st.fixed_dictionaries(
    {"reqId": st.one_of(st.integers(0, 3), trees)},
    optional={"error": trees, "reply": trees, "param": trees},
)


messages = st.one_of(st.text(), st.binary(), st.one_of(trees, frames, replies).map(json.dumps))


ALL = [
    Binding("I"), Binding("P"), Binding("B", 42), Binding("F", "BTC"), Binding("O", 1),
    Binding("K", "EUR"), Binding("S", 1), Binding("M"), Binding("F", CLIENT),
    Binding("MD", MAKERS), Binding("MD", Selection("BTC")),
]  # fmt: skip


@given(st.lists(messages, max_size=12), st.booleans())
def test_nothing_a_server_sends_raises(received: list[str | bytes], linked: bool) -> None:
    session = up(*ALL) if linked else opened(*ALL)
    if linked:
        session.request("add")
    for index, message in enumerate(received):
        for event in session.received(message, NOW + index * 9 * SECOND):
            assert repr(event)
        session.tick(NOW + index * 9 * SECOND)
        session.take()
    assert isinstance(session.closed(1006, "gone", NOW)[-1], Closed)


def test_deep_nesting_is_survived() -> None:
    for depth in (50, 500, 5000):
        assert up().received("[" * depth + "]" * depth, NOW)
        up().received('["I",0,"S",' + "[" * depth + "]" * depth + "]", NOW)


@given(st.integers(0, 999), st.binary(), st.text())
def test_no_refusal_raises(status: int, body: bytes, reason: str) -> None:
    session = make()
    event, _ = session.rejected(status, [("Retry-After", reason)], body)
    assert event.about == "upgrade"
    assert isinstance(session.closed(4000, reason, NOW)[-1], Closed)
