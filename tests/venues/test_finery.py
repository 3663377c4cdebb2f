"""Finery: the spec's vectors, the session's behaviour, and the book against a naive model."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payloads.errors import Malformed, Misuse
from payloads.venues.finery import (
    Answered,
    Binding,
    FinerySession,
    Frame,
    NonceSequence,
    RequestFailed,
    Selection,
    Status,
    rest_request,
    sign,
    signed_headers,
)
from payloads.venues.finery_book import Book
from payloads.venues.finery_codes import CODES, meaning
from payloads.venues.finery_feeds import LETTERS, feed_id_of, sent_id
from payloads.venues.finery_rows import (
    Currency,
    Deal,
    Described,
    Instrument,
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
from payloads.venues.finery_server import Connection, Gate, bound_frame, refusal, status_frame
from payloads.venues.session import (
    SECOND,
    Authenticated,
    Broken,
    Closed,
    Data,
    Opened,
    Rejected,
    Secret,
    Stalled,
    Subscribed,
    Unknown,
    Unsubscribed,
)
from payloads.venues.shared import Duplicate

# Both are published by the venue as samples.
KEY = "RlZ4sKsHSr5zmYKIzbtf772J9y9gx8nekd8COrawI5V"
SECRET = Secret("cZpZ1vwzOaXuiONfIQVg8h6za97FoHhrwwgoSCNwDAR")
MS = 10**6
NOW = 1_628_489_110_490 * MS
UP = '["X",0,"Z",0]'
DOWN = '["X",0,"Z",2]'

VECTORS = [
    (
        '{"nonce": 49856723467362345, "timestamp": 1628489110490}',
        "KCn9rlqILiifROYfgpGmRtvgBzSCJa/2KJ31oPKbcyE6D+BaTVfFMXo8kDwQtBC/",
    ),
    (
        '{"nonce":49856723467362345,"timestamp":1628489110490}',
        "UcbCv4P7NArhrz35b7vyAET0gz+bxGSImccxwxV43SA3M+KsR2KpiLm09vImeJuL",
    ),
    (
        '{"nonce":12345,"timestamp":1628489110490}',
        "YzEQa/3SYgkeIhFZq1Bv9tAioOC3F8A1oTmGrV/QHCcG9AdByIOGAyIutPoBEUa7",
    ),
]
REST_BODY = (
    '{"nonce": 49856723467362345, "timestamp": 1628489110490, "instrument": "BTC-USD", '
    '"clientOrderId": 1, "size": 1, "side": "ask", "type": "MarketIOC"}'
)
REST_SIGNATURE = "xvWE5m9bLUOx6TubJsXbnHPfdmYGvlbma2kuRPma0smOq47yRsG4LCak/hozAiQq"


def make(*bindings: Binding, **options: Any) -> FinerySession:
    options.setdefault("nonces", NonceSequence())
    return FinerySession(KEY, SECRET, bindings, **options)


def opened(*bindings: Binding) -> FinerySession:
    session = make(*bindings)
    session.dial(NOW)
    session.opened(NOW)
    return session


def up(*bindings: Binding) -> FinerySession:
    """A session that has just been told that the link is up; its binds are taken."""
    session = opened(*bindings)
    session.received(UP, NOW)
    session.take()
    return session


def sent(session: FinerySession) -> list[Any]:
    return [json.loads(message) for message in session.take()]


def say(session: FinerySession, message: Any, now: int = NOW) -> list[Any]:
    return session.received(json.dumps(message), now)


def bids(session: FinerySession, feed: str, feed_id: Any) -> list[tuple[int, int]]:
    book = session.book(feed, feed_id)
    assert book
    return book.bids()


# --- authentication -------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "signature"), VECTORS)
def test_the_published_signatures(text: str, signature: str) -> None:
    assert sign(SECRET, text) == signature
    assert dict(signed_headers(KEY, SECRET, text)) == {
        "EFX-Key": KEY,
        "EFX-Sign": signature,
        "EFX-Content": text,
    }


def test_a_rest_call_signs_its_methods_name_too() -> None:
    headers = dict(signed_headers(KEY, SECRET, REST_BODY, "add"))
    assert headers == {"EFX-Key": KEY, "EFX-Sign": REST_SIGNATURE}


def test_a_rest_request_passes_the_gate() -> None:
    request = rest_request(
        KEY, SECRET, "add", {"size": 1}, nonces=NonceSequence(), now=NOW, endpoint="test"
    )
    assert request.url == "https://test.finerymarkets.com/api/add"
    gate = Gate({KEY: SECRET})
    assert gate.check_rest(request.headers, "add", request.body.decode(), NOW) == 0
    assert gate.check_rest(request.headers, "cancel", request.body.decode(), NOW) == 14


def test_what_is_signed_is_what_is_sent() -> None:
    dial = make().dial(NOW)
    headers = dict(dial.headers)
    assert dial.url == "wss://trade.finerymarkets.com/ws"
    assert headers["EFX-Content"] == '{"nonce":1628489110490,"timestamp":1628489110490}'
    assert headers["EFX-Sign"] == sign(SECRET, headers["EFX-Content"])
    assert make(endpoint="test").dial(NOW).url == "wss://test.finerymarkets.com/ws"
    assert make(endpoint="ws://127.0.0.1:99").dial(NOW).url == "ws://127.0.0.1:99/ws"


@given(st.lists(st.integers(0, 2**60), min_size=2, max_size=20))
def test_nonces_increase_whatever_the_clock_does(clock: list[int]) -> None:
    nonces = NonceSequence()
    drawn = [nonces.next(now) for now in clock]
    assert drawn == sorted(set(drawn))


def test_sessions_of_one_key_share_their_nonces() -> None:
    nonces, gate = NonceSequence(), Gate({KEY: SECRET})
    for session in (make(nonces=nonces), make(nonces=nonces)):
        for _ in range(3):
            assert gate.check(session.dial(NOW).headers, NOW) == 0


@pytest.mark.parametrize(
    ("body", "code", "again"),
    [
        (b'{"error":14}', "14", False),
        (b'{"error":7,"message":"bad timestamp"}', "7", False),
        (b'{"error":3}', "3", False),
        (b"13", "13", False),
        (b"Error code: 14", "14", False),
        (b'{"error":10}', "10", True),
        (b'{"error":2}', "2", True),
        (b"who are you", "HTTP 401", False),
        (b"", "HTTP 401", False),
        (b"\xff\xfe[[[", "HTTP 401", False),
    ],
)
def test_a_refused_upgrade_is_read_from_its_body(body: bytes, code: str, again: bool) -> None:
    event, retry = make().rejected(401, [], body)
    assert (event.code, retry.again) == (code, again)
    if code.isdigit():
        assert CODES[int(code)] in event.meaning


def test_a_bad_nonce_is_tried_once_more() -> None:
    session = make()
    assert session.rejected(401, [], b'{"error":6}')[1].again
    assert not session.rejected(401, [], b'{"error":6}')[1].again
    session.opened(NOW)
    assert session.rejected(401, [], b'{"error":6}')[1].again


def test_busy_servers_are_tried_again_when_they_say() -> None:
    event, retry = make().rejected(503, [("Retry-After", "7")], b"")
    assert (event.code, retry.again, retry.at_least) == ("HTTP 503", True, 7 * SECOND)
    assert make().rejected(429, [], b"")[1].again


# --- status, bind and unbind ----------------------------------------------------------------------


def test_binds_wait_for_the_link() -> None:
    session = make(Binding("B", 42))
    session.dial(NOW)
    assert session.opened(NOW) == [
        Opened(), Authenticated("the upgrade's signature was accepted"),
    ]  # fmt: skip
    assert sent(session) == []
    status, rejected = session.received(DOWN, NOW)
    assert (rejected.code, rejected.about) == ("2", "connection")
    assert isinstance(status, Status)
    assert not status.up
    assert "not connected" in status.meaning
    session.bind("P")
    assert sent(session) == []
    (status,) = session.received(UP, NOW)
    assert status.up
    assert sent(session) == [
        {"event": "bind", "feed": "B", "feedId": 42}, {"event": "bind", "feed": "P"},
    ]  # fmt: skip
    session.received(UP, NOW)
    assert sent(session) == []


def test_the_spec_s_messages() -> None:
    session = up(Binding("B", 42))
    session.unbind("B", 42)
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
        make().bind(feed, feed_id)


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
    session.unbind("I")
    assert say(session, ["I", 0, "U", 0]) == [Unsubscribed("I")]
    session.bind("I")
    assert sent(session)[-1] == {"event": "bind", "feed": "I"}


def test_already_bound_and_not_bound_are_what_was_wanted() -> None:
    session = up(Binding("F", 7))
    assert say(session, ["F", 7, "Z", 100]) == [Subscribed("F:7")]
    session.unbind("F", 7)
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
    session.unbind("F", 7)
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
    session.bind("B", "BTC-USD")
    session.bind("B", "ETH-USD")
    assert len(sent(session)) == 2


def test_a_bind_without_an_answer_is_told_and_does_not_block() -> None:
    session = up(Binding("B", "BTC-EUR"), Binding("B", "ETH-EUR"))
    assert session.deadline == NOW + 10 * SECOND
    (event,) = session.tick(NOW + 10 * SECOND)
    assert event == Rejected("timeout", "", "no answer came", "bind B:BTC-EUR")
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
    assert (rejected.code, rejected.about) == ("timeout", "connection status")
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


def test_an_update_that_comes_twice_is_delivered_once() -> None:
    session = up(Binding("B", 42), Binding("P"))
    say(session, ["B", 42, "S", [[[5, 1]], []]])
    say(session, ["P", 0, "S", [1, [], [], []]])
    update, deal = ["B", 42, "M", [[["-", 5, 0]], []]], ["O", 0, "D", DEAL]
    assert [type(one) for one in say(session, update)] == [Data]
    assert [type(one) for one in say(session, deal)] == [Data]
    assert say(session, update) == [Duplicate("B:42")]
    assert say(session, deal) == [Duplicate("P")]
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


def test_a_clock_that_is_off_is_told_by_how_much() -> None:
    session = make()
    session.dial(NOW)
    dated = [("Date", "Mon, 09 Aug 2021 06:06:50 GMT")]
    event, retry = session.rejected(401, dated, b'{"error":7}')
    assert event.meaning.endswith("the server's clock is 100 s ahead of the one that signed")
    assert not retry.again


# --- frames ---------------------------------------------------------------------------------------

ORDER = ["BTC-EUR", 0, 0, 0, 5, 6, 7, 8, 9, 10, 0]
DEAL: list[Any] = [
    "BTC-USDT", 4, 0, 0, 48221507535, 0, 0, 100000000, 0, 1709716088000, 1709716088000, 1864944, 0,
    6674859047619, 85000000, 5673630190500, 0, 87, 0, 0, 1864943,
]  # fmt: skip


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
    for data in (None, [], [[]], [0, []], [[7], []], [[["x"]], []]):
        assert all(isinstance(one, Unread) for one in rows_of("R", "+", data))
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


CLIENT = Selection("BTC-EUR", client_id=5)
MAKERS = Selection("BTC-USD", makers=(1, 2, 3))


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
    session.bind("MD", both)
    session.unbind("F", CLIENT)
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
    session.bind("F", CLIENT)
    session.bind("F", other)
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


# --- requests -------------------------------------------------------------------------------------


def test_replies_find_their_requests() -> None:
    session = up()
    first, second = session.request("add"), session.request("cancel")
    (event,) = say(session, {"event": "request", "reqId": second, "reply": {"id": 2**60}})
    assert event == Answered(second, "cancel", {"id": 2**60})
    (event,) = say(session, {"event": "request", "reqId": first, "error": 79, "param": "EUR"})
    assert event == RequestFailed("79", "EUR", "order: exceeds limits", "add #1", first)
    (closed,) = session.closed(1000, "", NOW)
    assert isinstance(closed, Closed)


def test_a_request_that_is_not_answered_is_told() -> None:
    session = up()
    later = NOW + 20 * SECOND
    number = session.request("add", {"size": 1})
    # Its time begins when a driver, who is asked to look at once, has sent it.
    assert session.deadline is not None
    assert session.deadline <= later
    assert session.tick(later) == []
    assert session.deadline == NOW + 25 * SECOND, "of the ping"
    session.tick(NOW + 25 * SECOND)
    assert session.deadline == later + 10 * SECOND
    second = session.request("del")
    assert session.tick(later + 10 * SECOND - 1) == []
    (event,) = session.tick(later + 10 * SECOND)
    words = "no reply in time: what became of it is not known"
    assert event == RequestFailed("timeout", "", words, "add #1", number)
    assert session.tick(later + 11 * SECOND) == []
    # A late reply is one all the same, and nothing is told twice.
    reply = {"event": "request", "reqId": number, "reply": {"id": 7}}
    assert say(session, reply) == [Answered(number, "add", {"id": 7})]
    lost, closed = session.closed(1006, "", later + 12 * SECOND)
    assert (lost.code, lost.about, lost.request_id) == ("lost", "del #2", second)
    assert isinstance(closed, Closed)
    assert session.deadline is None
    with pytest.raises(Misuse):
        make(reply_within=0)


def test_an_answered_request_is_not_waited_for() -> None:
    session = up()
    number = session.request("add")
    say(session, {"event": "request", "reqId": number, "error": 79})
    assert session.deadline == NOW + 25 * SECOND
    assert session.tick(NOW + 24 * SECOND) == []
    # What says neither yes nor no is no answer.
    number = session.request("add")
    (event,) = say(session, {"event": "request", "reqId": number})
    assert isinstance(event, Unknown)
    assert session.tick(NOW + 10 * SECOND)[0].code == "timeout"


def test_a_bind_by_a_caller_has_its_full_time() -> None:
    session = up()
    session.bind("I")
    assert session.tick(NOW + 20 * SECOND) == []
    (event,) = session.tick(NOW + 30 * SECOND)
    assert (event.code, event.about) == ("timeout", "bind I")


def test_requests_are_not_kept_for_later() -> None:
    for session in (make(), opened()):
        with pytest.raises(Misuse):
            session.request("add")
    for method in ("", "a b", "../x"):
        with pytest.raises(Misuse):
            up().request(method)
    with pytest.raises(Misuse):
        up().request("add", {"size": float("nan")})


# --- keepalive ------------------------------------------------------------------------------------


def test_a_ping_goes_out_long_before_the_idle_limit() -> None:
    session = up()
    now, last = NOW, NOW
    for _ in range(10):
        assert session.deadline is not None
        assert session.deadline - last < 80 * SECOND
        now = last = session.deadline
        session.tick(now)
        assert session.take() == ['{"event":"ping"}']
    with pytest.raises(Misuse):
        make(ping_every=80 * SECOND)
    assert make(ping_every=None).deadline is None


# --- the book -------------------------------------------------------------------------------------

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


# --- anything at all ------------------------------------------------------------------------------

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


# The venue's list, a word or two of each.
CODE_WORDS = {
    0: "ok", 1: "not implemented", 2: "not connected", 3: "not authorised",
    4: "already authorised", 5: "password", 6: "nonce", 7: "timestamp", 8: "unavailable",
    9: "parameter", 10: "internal", 11: "MFA", 12: "MFA is off", 13: "agreement", 14: "signature",
    15: "link has expired",
    20: "currency: bad flags", 21: "currency: bad price", 22: "currency: bad step",
    23: "currency: bad name", 24: "cannot change", 25: "cannot change", 26: "currency unknown",
    27: "currency: cannot be removed",
    30: "instrument: bad flags", 31: "instrument: bad name", 32: "cannot change",
    33: "cannot change", 34: "instrument unknown", 35: "instrument: cannot be removed",
    36: "instrument forbidden", **dict.fromkeys(range(40, 47), "client"),
    **dict.fromkeys(range(50, 56), "limit"), 53: "limit unknown",
    60: "settlement order: bad flags", 61: "size", 62: "comment", 63: "parties",
    64: "settlement order unknown", 65: "transaction",
    70: "order: bad size", 71: "order: bad price", 72: "order: bad flags", 73: "type not allowed",
    74: "clientOrderId", 75: "post-only", 76: "nothing to match", 77: "liquidity",
    78: "trade with oneself", 79: "limits", 80: "no such order", 81: "size or volume",
    82: "not for makers", 83: "bad volume", 84: "trading is off", 85: "no open positions",
    90: "leaves no size", 91: "side does not match",
    100: "already bound", 101: "not bound", 102: "feed name", 103: "feed id", 104: "out of sync",
    110: "required field", 111: "field is invalid", **dict.fromkeys(range(112, 115), "password"),
    120: "too many API keys", 121: "API key unknown",
    **dict.fromkeys(range(130, 136), "settlement request"),
    **dict.fromkeys(range(140, 145), "settlement transaction"),
    **dict.fromkeys(range(160, 168), "limit would be breached"),
}  # fmt: skip


def test_the_venue_s_codes_in_words() -> None:
    documented = {code for code in range(-1, 300) if "not documented" not in meaning(code)}
    assert documented == set(CODE_WORDS)
    assert not [code for code, words in CODE_WORDS.items() if words not in meaning(code)]


@given(st.integers())
def test_every_code_has_words(code: int) -> None:
    assert meaning(code)


def test_no_secret_shows() -> None:
    session = make(Binding("I"))
    dial = session.dial(NOW)
    signature = dict(dial.headers)["EFX-Sign"]
    secret = SECRET.reveal()
    shown = [repr(session), str(session), repr(dial), repr(SECRET), f"{SECRET}"]
    shown += [repr(rest_request(KEY, SECRET, "add", {}, nonces=NonceSequence(), now=NOW))]
    shown += [repr(session.rejected(401, [], f"{signature} {secret}".encode()))]
    shown += [repr(session.opened(NOW))]
    for echo in (
        f'{{"got":"{secret}"}}',
        f'{{"key":"{KEY}"}}',
        f'["{signature}"',
        f'["I",0,"+",["{secret}",1,2,3]]',
    ):
        events = session.received(echo, NOW)
        shown += [repr(events), json.dumps([str(e.values) for e in events])]
    shown += [repr(session.closed(1008, f"no {secret}", NOW)[-1].values)]
    shown += [str(session.redact(f"{signature}|{secret}"))]
    assert not [text for text in shown for one in (KEY, secret, signature) if one in text]
    assert set(dial.secret_headers) == {"EFX-Key", "EFX-Sign"}


# --- the other side -------------------------------------------------------------------------------


def spoilt(dial: Any, **changes: str) -> list[tuple[str, str]]:
    return [(name, changes.get(name[4:], value)) for name, value in dial.headers]


def test_the_gate_refuses_each_way_of_being_wrong() -> None:
    def code(*, now: int = NOW, **changes: str) -> int:
        return Gate({KEY: SECRET}).check(spoilt(make().dial(NOW), **changes), now)

    assert code() == 0
    assert code(Key="someone") == 3
    assert code(Key="") == code(Sign="") == code(Content="") == 3
    assert code(Content='{"nonce": 1,"timestamp":1}') == 14
    assert code(Sign="AAAA") == code(Sign="ä!") == 14
    assert code(now=NOW + 61 * SECOND) == code(now=NOW - 61 * SECOND) == 7
    for content, expected in (
        ("[", 9), ("[]", 6), ('{"timestamp":1}', 6), ('{"nonce":1}', 7),
        ('{"nonce":"1","timestamp":1}', 6), ('{"nonce":-1,"timestamp":1}', 6),
    ):  # fmt: skip
        headers = signed_headers(KEY, SECRET, content)
        assert Gate({KEY: SECRET}).check(headers, NOW) == expected
    assert Gate({KEY: SECRET}).check([], NOW) == 3


def test_the_gate_remembers_nonces() -> None:
    gate = Gate({KEY: SECRET})
    first = make(nonces=NonceSequence(2**62)).dial(NOW).headers
    assert gate.check(first, NOW) == 0
    assert gate.check(first, NOW) == 6
    assert gate.check(make().dial(NOW).headers, NOW) == 6
    lenient = Gate({KEY: SECRET}, increasing=False)
    assert lenient.check(first, NOW) == 0
    assert lenient.check(make().dial(NOW).headers, NOW) == 0
    assert lenient.check(first, NOW) == 6


@pytest.mark.parametrize("code", [3, 6, 7, 9, 14])
def test_a_refusal_is_read_back(code: int) -> None:
    status, body = refusal(code)
    event, _ = make().rejected(status, [], body)
    assert event.code == str(code)


def test_the_connection_checks_objects() -> None:
    server = Connection(["BTC-USD", "BTC-EUR"], [], clients=[5])

    def code(feed: str, feed_id: Any) -> int:
        return server.check({"event": "bind", "feed": feed, "feedId": feed_id})[2]

    assert code("F", CLIENT.argument) == code("MD", MAKERS.argument) == 0
    assert code("F", {"clientId": 5, "instrument": "BTC-EUR"}) == 100
    assert code("F", Selection("BTC-EUR", 6).argument) == 103
    assert code("MD", Selection("BTC-GBP").argument) == 103
    assert code("MD", "BTC-USD") == code("B", CLIENT.argument) == code("MD", {"makers": []}) == 103
    assert server.bound == {Binding("F", CLIENT), Binding("MD", MAKERS)}


def test_the_connection_checks_what_the_session_sends() -> None:
    session, server = up(), Connection([42, "BTC-EUR"], ["EUR"])
    session.bind("B", 42)
    session.bind("P")
    session.request("add")
    kinds = [server.check(message) for message in sent(session)]
    assert [(kind, code) for kind, _, code in kinds] == [("bind", 0), ("bind", 0), ("request", 0)]
    session.unbind("B", 42)
    assert [server.check(message)[2] for message in sent(session)] == [0]
    assert server.bound == {Binding("P")}


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"event": "bind", "feed": "P"}, 100),
        ({"event": "unbind", "feed": "I"}, 101),
        ({"event": "bind", "feed": "Q"}, 102),
        ({"event": "bind", "feed": ["B"]}, 102),
        ({"event": "bind"}, 102),
        ({"event": "bind", "feed": "B"}, 103),
        ({"event": "bind", "feed": "B", "feedId": 43}, 103),
        ({"event": "bind", "feed": "K", "feedId": "BTC-EUR"}, 103),
        ({"event": "bind", "feed": "I", "feedId": 1}, 103),
        ({"event": "bind", "feed": "B", "feedId": []}, 103),
        ({"event": "request", "reqId": 1, "method": "add"}, 9),
        ({"event": "request", "method": "add", "content": {}}, 9),
        ({"event": "nonsense"}, 9),
        ([], 9),
        (None, 9),
        ({"event": "ping"}, 0),
    ],
)
def test_the_connection_refuses_what_is_wrong(message: Any, code: int) -> None:
    server = Connection([42, "BTC-EUR"], ["EUR"])
    server.check({"event": "bind", "feed": "P"})
    assert server.check(message)[2] == code


def test_what_the_server_says_is_read_by_the_session() -> None:
    session = up(Binding("B", 42))
    assert session.received(status_frame(0), NOW)[0].up
    assert session.received(bound_frame("B", 42, 100), NOW) == [Subscribed("B:42")]
    session.unbind("B", 42)
    assert session.received(bound_frame("B", 42, 0), NOW) == [Unsubscribed("B:42")]
