"""ETHGas' session: endpoints, logging in, subscribing, both dialects."""

from __future__ import annotations

from typing import Any

import pytest

from payloads.errors import Misuse
from payloads.venues.common.dedupe import Duplicate
from payloads.venues.common.jwt import check_token
from payloads.venues.common.session import (
    SECOND,
    Authenticated,
    Closed,
    Data,
    Opened,
    Rejected,
    Reply,
    Subscribed,
    Unsubscribed,
)
from payloads.venues.common.subscriptions import HELD, OVERDUE
from payloads.venues.ethgas.auth import EthgasLogin, TokenRenewed
from payloads.venues.ethgas.protocol import DRAFT, OFFICIAL, Channel
from payloads.venues.ethgas.session import EthgasSession
from payloads.venues.ethgas.socket_login import ASKED, NO_LOGIN, OUT, TRANSITIONS, LoginState
from tests.venues.ethgas.kit import (
    BOOK,
    HOUR,
    LOGGED_IN,
    ORDERS,
    PRIVATE_KEY,
    SIGNER,
    ack,
    answer_all,
    by_token,
    desk,
    private,
    serve,
)
from tests.venues.kit import NOW, only, say, sent


def test_endpoints() -> None:
    for endpoint, url in (
        ("mainnet", "wss://mainnet.app.ethgas.com/ws"),
        ("hoodi", "wss://hoodi.app.ethgas.com/ws"),
        ("ws://127.0.0.1:8", "ws://127.0.0.1:8/ws"),
        ("ws://127.0.0.1:8/ws", "ws://127.0.0.1:8/ws"),
    ):
        assert EthgasSession(endpoint=endpoint).dial(NOW).url == url
    assert EthgasSession(dialect=DRAFT).dial(NOW).url == "wss://ws.ethgas.com"
    with pytest.raises(Misuse):
        EthgasSession(endpoint="nowhere")


def test_public_channels_need_no_login() -> None:
    session = EthgasSession([BOOK, Channel("blockBuilderUpdate")])
    session.dial(NOW)
    assert session.opened(NOW) == [Opened()]
    assert sent(session) == [
        {
            "op": "subscribe",
            "args": [
                {"channel": "orderBookUpdate", "marketType": "inclusionPreconf"},
                {"channel": "blockBuilderUpdate"},
            ],
        }
    ]
    ack = {"event": "subscribe", "arg": BOOK.argument, "connId": "25f9ee2c"}
    assert say(session, ack) == [Subscribed("orderBookUpdate:inclusionPreconf")]
    assert session.subscribed == ["orderBookUpdate:inclusionPreconf"]
    session.unsubscribe(BOOK)
    assert sent(session) == [{"op": "unsubscribe", "args": [BOOK.argument]}]
    ack["event"] = "unsubscribe"
    assert say(session, ack) == [Unsubscribed("orderBookUpdate:inclusionPreconf")]
    with pytest.raises(Misuse):
        EthgasSession([ORDERS])
    with pytest.raises(Misuse):
        session.request("openOrders")


@pytest.mark.parametrize(
    "arguments",
    [
        ("userOrder",), ("orderBookUpdate",), ("orderBookUpdate", "other"), (["x"],),
        ("blockBuilderUpdate", "wholeBlock"), ("tickerUpdate", "wholeBlock", True),
    ],
)  # fmt: skip
def test_channels_the_venue_does_not_have(arguments: Any) -> None:
    with pytest.raises(Misuse):
        Channel.of(*arguments)


def test_login_then_subscribe() -> None:
    session, server = private()
    session.dial(NOW)
    session.opened(NOW)
    # What is public does not wait; the login waits for its answer.
    assert sent(session) == [{"op": "subscribe", "args": [BOOK.argument]}]
    assert answer_all(session, server, NOW) == [TokenRenewed("login", NOW + HOUR)]
    assert sent(session) == []
    assert say(session, ack(BOOK)) == [Subscribed(BOOK.label)]
    (login,) = sent(session)
    assert login["op"] == "login"
    assert check_token(SIGNER, login["args"][0]["accessToken"], NOW) == ""
    session.request("openOrders")
    assert sent(session) == []
    assert say(session, LOGGED_IN) == [Authenticated("25f9ee2c")]
    assert session.authenticated
    assert sent(session) == [
        {"op": "subscribe", "args": [ORDERS.argument]},
        {"op": "query", "args": [{"queryType": "openOrders"}]},
    ]


def test_a_renewed_token_is_sent_on_the_open_socket() -> None:
    session, server = private()
    session.opened(NOW)
    answer_all(session, server, NOW)
    for message in (ack(BOOK), LOGGED_IN, ack(ORDERS)):
        say(session, message)
    session.take()
    later = NOW + HOUR - 300 * SECOND
    while session.deadline is not None and session.deadline < later:
        session.tick(session.deadline)
    assert set(session.take()) == {"ping"}
    assert session.deadline == later
    session.tick(later)
    assert answer_all(session, server, later) == [TokenRenewed("refresh", later + HOUR)]
    (login,) = [message for message in sent(session) if message != "ping"]
    assert login["op"] == "login"
    assert session.authenticated
    assert say(session, LOGGED_IN, later) == [Authenticated("25f9ee2c")]
    assert [message for message in sent(session) if message != "ping"] == []


def test_a_reconnect_logs_in_and_subscribes_again() -> None:
    session, server = private()
    session.opened(NOW)
    answer_all(session, server, NOW)
    say(session, ack(BOOK))
    say(session, LOGGED_IN)
    session.request("currentSlot")
    session.take()
    lost, closed = session.closed(1006, "", NOW)
    assert isinstance(lost, Rejected)
    assert (lost.code, lost.about) == ("lost", "query currentSlot")
    assert isinstance(closed, Closed)
    assert closed.retry.again
    later = NOW + 60 * SECOND
    session.dial(later)
    session.opened(later)
    (login,) = sent(session)  # the token is still good
    assert login["op"] == "login"
    say(session, LOGGED_IN, later)
    assert sent(session) == [{"op": "subscribe", "args": [BOOK.argument, ORDERS.argument]}]
    # Hours later it is not.
    session.closed(1006, "", later)
    later += 3 * HOUR
    session.opened(later)
    assert sent(session) == [{"op": "subscribe", "args": [BOOK.argument]}]
    assert answer_all(session, server, later) == [TokenRenewed("refresh", later + HOUR)]
    say(session, ack(BOOK), later)
    assert sent(session)[0]["op"] == "login"


def test_a_close_for_good() -> None:
    session = EthgasSession()
    for code, again in ((1000, True), (1001, True), (1006, True), (4000, False), (4001, True)):
        assert only(session.closed(code, "bye", NOW), Closed).retry.again == again


def test_a_failed_login_is_tried_with_a_new_token_and_then_not() -> None:
    session, server = private()
    session.opened(NOW)
    now, failures = NOW, 0
    for _ in range(6):
        answer_all(session, server, now)
        if any(m != "ping" and m["op"] == "login" for m in sent(session)):
            failures += 1
            (event,) = say(
                session, {"event": "error", "code": 1001, "msg": "no", "connId": "1"}, now
            )
            assert (event.code, event.message, event.about) == ("1001", "no", "login")
            assert "authentication failed" in event.meaning
        now += 10 * SECOND
        session.tick(now)
    assert failures == 3
    assert not session.authenticated
    # What needs no login is subscribed all the same; it came with the failure's turn.
    assert session._subscriptions.state(BOOK) is OVERDUE
    assert session._subscriptions.state(ORDERS) is HELD


@pytest.mark.parametrize(
    ("code", "again"), [(429, True), (1003, True), (403, False), (1000, False)]
)
def test_refusals_that_a_new_token_does_not_change(code: int, again: bool) -> None:
    session = by_token(ORDERS)
    session.opened(NOW)
    assert len(sent(session)) == 1
    say(session, {"event": "login", "code": code, "msg": "no"})
    assert sent(session) == []
    session.tick(NOW + 31 * SECOND)
    logins = [m for m in sent(session) if m != "ping" and m.get("op") == "login"]
    assert len(logins) == again


def test_public_data_does_not_wait_for_a_login_that_fails() -> None:
    """The REST API is down: what is public streams, and the login is tried again with a pause."""
    session, server = private()
    session.opened(NOW)
    assert sent(session) == [{"op": "subscribe", "args": [BOOK.argument]}]
    say(session, ack(BOOK))
    now, pauses, requests = NOW, [], session.take_requests()
    for _ in range(4):
        (request,) = requests
        event = only(session.replied(Reply(request.purpose, 503, b"down"), now), Rejected)
        assert (event.code, event.about) == ("HTTP 503", "ethgas login")
        (data,) = say(session, {"e": BOOK.name, "E": now, "P": {}}, now)
        assert isinstance(data, Data)
        began = now
        while not (requests := session.take_requests()):
            assert session.deadline is not None
            now = session.deadline
            session.tick(now)
        pauses.append((now - began) // SECOND)
    assert pauses == [5, 10, 20, 40]
    assert {*session.take()} <= {"ping"}, "no login without a token"
    session.replied(serve(server, requests[0], now), now)
    answer_all(session, server, now)
    assert [m["op"] for m in sent(session)] == ["login"]
    say(session, LOGGED_IN, now)
    assert sent(session) == [{"op": "subscribe", "args": [ORDERS.argument]}]


def test_a_login_waits_for_answers_only_so_long() -> None:
    session, server = private()
    session.opened(NOW)
    session.take()
    answer_all(session, server, NOW)
    assert sent(session) == []
    assert session.deadline == NOW + 5 * SECOND
    session.tick(NOW + 5 * SECOND)
    assert [m["op"] for m in sent(session)] == ["login"]


def test_a_subscription_without_an_answer_is_told_once() -> None:
    other = Channel.of("blockBuilderUpdate")
    session = EthgasSession([BOOK, other])
    session.opened(NOW)
    session.take()
    say(session, ack(other))
    assert session.tick(NOW + 5 * SECOND) == []
    assert session.deadline == NOW + 10 * SECOND
    event = only(session.tick(NOW + 10 * SECOND), Rejected)
    assert (event.code, event.meaning, event.about) == ("no answer", "no answer came", BOOK.label)
    assert session.tick(NOW + 100 * SECOND) == []
    assert session.refused == {}
    session.take()
    session.subscribe(BOOK)
    assert sent(session) == [{"op": "subscribe", "args": [BOOK.argument]}]
    session.tick(NOW + 101 * SECOND)
    session.subscribe(BOOK)
    assert sent(session) == [], "it is waited for"
    assert only(session.tick(NOW + 111 * SECOND), Rejected).code == "no answer"
    assert say(session, ack(BOOK)) == [Subscribed(BOOK.label)]
    assert session.tick(NOW + 200 * SECOND) == []


def test_a_refusal_of_one_of_two_leaves_both_without_an_answer() -> None:
    session = EthgasSession([BOOK, Channel.of("blockBuilderUpdate")])
    session.opened(NOW)
    say(session, {"event": "error", "code": 1002, "msg": "no"})
    words = "no answer came, or it was one of the refusals"
    assert session.tick(NOW + 10 * SECOND) == [
        Rejected("no answer", "", words, about) for about in (BOOK.label, "blockBuilderUpdate")
    ]


def test_a_connection_that_is_lost_has_nothing_to_answer() -> None:
    session = EthgasSession([BOOK])
    session.opened(NOW)
    session.closed(1006, "", NOW)
    assert session.tick(NOW + 60 * SECOND) == []


def test_an_answer_for_what_is_given_up_is_no_subscription() -> None:
    session = EthgasSession([BOOK])
    session.opened(NOW)
    session.unsubscribe(BOOK)
    assert say(session, ack(BOOK)) == []
    assert session.subscribed == []
    assert session.tick(NOW + 60 * SECOND) == []


def test_data_acknowledges_too() -> None:
    other = Channel.of(BOOK.name, "wholeBlock")
    session = EthgasSession([BOOK, other])
    session.opened(NOW)
    (data,) = say(session, {"e": BOOK.name, "P": {}})
    assert isinstance(data, Data), "of which market is not said"
    update = {"e": BOOK.name, "s": "ETH-WB-5", "P": {}}
    assert say(session, update)[0] == Subscribed(other.label)
    assert len(say(session, update)) == 1
    assert say(session, ack(other)) == []
    assert say(session, ack(BOOK)) == [Subscribed(BOOK.label)]


def test_what_comes_twice_is_delivered_once() -> None:
    session = EthgasSession([BOOK])
    session.opened(NOW)
    trade = {"e": "recentTradeUpdate", "E": 7, "P": {"i": "x", "p": "1", "q": "2", "t": 3}}
    assert [type(one) for one in say(session, trade)] == [Data]
    (again,) = say(session, trade)
    assert isinstance(again, Duplicate)
    assert (again.channel, again.time) == ("recentTradeUpdate", 7 * 10**6)
    assert session.repeated == 1
    del trade["E"]
    assert [type(one) for _ in range(2) for one in say(session, trade)] == [Data, Data]
    session.opened(NOW)  # numbers begin anew with a connection
    assert [type(one) for one in say(session, trade | {"E": 7})] == [Data]


@pytest.mark.parametrize("code", [429, 1003, 503, 104])
def test_what_passes_is_asked_for_again_after_a_pause(code: int) -> None:
    session = EthgasSession([BOOK])
    session.opened(NOW)
    session.take()
    (event,) = say(session, {"event": "error", "code": code, "msg": "slow down"})
    assert (event.code, event.about) == (str(code), BOOK.label)
    session.subscribe(Channel("blockBuilderUpdate"))
    assert sent(session) == [], "nothing more is asked of it meanwhile"
    session.tick(NOW + 30 * SECOND)
    (again,) = [m for m in sent(session) if m != "ping"]
    assert again["args"] == [BOOK.argument, {"channel": "blockBuilderUpdate"}]


def test_success_is_code_zero() -> None:
    session = by_token(ORDERS)
    session.opened(NOW)
    (event, *_) = say(session, {"event": "login", "code": 1, "msg": "hm"})
    assert isinstance(event, Rejected)
    assert not session.authenticated


def test_a_login_without_an_answer_is_sent_again() -> None:
    session = by_token(ORDERS)
    session.opened(NOW)
    session.take()
    assert only(session.tick(NOW + 15 * SECOND), Rejected).code == "no answer"
    session.tick(NOW + 46 * SECOND)
    assert [m["op"] for m in sent(session) if m != "ping"] == ["login"]


def test_an_expired_token_of_ones_own_is_said() -> None:
    session = by_token(ORDERS, BOOK, lifetime=-1 * SECOND)
    opened, event = session.opened(NOW)
    assert opened == Opened()
    assert isinstance(event, Rejected)
    assert (event.code, event.about) == ("no token", "login")
    assert sent(session) == [{"op": "subscribe", "args": [BOOK.argument]}]


def test_bearer_is_an_option() -> None:
    session = by_token(ORDERS, bearer=True)
    dial = session.dial(NOW)
    assert dict(dial.headers)["Authorization"].startswith("Bearer ")
    assert dial.secret_headers == ("Authorization",)
    assert by_token(ORDERS).dial(NOW).headers == ()


def test_refused_upgrades() -> None:
    session = EthgasSession()
    for status, again in ((401, False), (403, False), (429, True), (500, True), (503, True)):
        event, retry = session.rejected(status, [], b"no")
        assert (event.code, retry.again) == (f"HTTP {status}", again)
        assert "not documented" not in event.meaning
    assert session.rejected(429, [("Retry-After", "90")], b"")[1].at_least == 90 * SECOND
    with_key, _ = private(bearer=True)
    assert with_key.rejected(401, [], b"")[1].again
    assert with_key.dial(NOW).headers == ()


def test_the_draft() -> None:
    login = EthgasLogin(private_key=PRIVATE_KEY)
    session, server = EthgasSession([ORDERS], login=login, dialect=DRAFT), desk()
    session.opened(NOW)
    answer_all(session, server, NOW)
    (message,) = sent(session)
    assert message["cmd"] == "login"
    assert list(message["data"]) == ["accessToken"]
    success = {
        "cmd": "login", "status": "success",
        "data": {"userId": "user_123", "username": "john_doe", "permissions": ["market_data"]},
    }  # fmt: skip
    assert say(session, success) == [Authenticated("user_123")]
    assert sent(session) == [{"cmd": "subscribe", "channel": "preconfBundleUpdate"}]
    expired = {"cmd": "token_expired", "data": {"message": "Access token has expired"}}
    later = NOW + 60 * SECOND
    (event,) = say(session, expired, later)
    assert (event.code, event.message) == ("token_expired", "Access token has expired")
    assert answer_all(session, server, later) == [TokenRenewed("login", later + HOUR)]
    (message,) = sent(session)
    assert message["cmd"] == "login"
    assert check_token(SIGNER, message["data"]["accessToken"], later) == ""
    say(session, success, later)
    assert sent(session) == [{"cmd": "subscribe", "channel": "preconfBundleUpdate"}]
    failure = {"cmd": "login", "status": "error", "error": {"code": 403, "message": "no"}}
    (event,) = say(session, failure, later)
    assert (event.code, event.meaning) == ("403", "insufficient permissions")
    with pytest.raises(Misuse):
        session.request("currentSlot")


def test_text_pings() -> None:
    session = EthgasSession()
    session.opened(NOW)
    assert session.deadline == NOW + 25 * SECOND
    session.tick(NOW + 25 * SECOND)
    assert session.take() == ["ping"]
    assert session.received("pong", NOW) == session.received(b"pong", NOW) == []
    assert session.received("ping", NOW) == []
    assert session.take() == ["pong"]


def test_a_login_only_moves_along_its_table() -> None:
    session = by_token(ORDERS)
    login = session._entry
    assert login.state is NO_LOGIN
    session.opened(NOW)
    assert login.state is ASKED
    say(session, LOGGED_IN)
    assert login.state is LoginState.LOGGED_IN
    say(session, {"event": "login", "code": 403, "msg": "no"})
    assert login.state is OUT
    # It is too late for that: private channels were given up.
    say(session, LOGGED_IN)
    assert login.state is OUT
    session.closed(1006, "", NOW)
    assert login.state is NO_LOGIN
    assert TRANSITIONS.keys() == {*LoginState}


def test_a_login_that_is_answered_with_code_1_is_no_success() -> None:
    """The general table has 1 for success; the answer to a login has 0."""
    session = by_token(ORDERS)
    session.opened(NOW)
    told, *more = say(session, {"event": "login", "code": 1, "msg": "", "connId": "1"})
    assert not session.authenticated
    words = "not the code of a login that is accepted, which is 0"
    assert told == Rejected("1", "", words, "login")
    assert "success" not in f"{more}{session.refused}"
    assert session.all_refused, "nothing can renew the token"


@pytest.mark.parametrize("dialect", [OFFICIAL, DRAFT])
def test_another_login_does_not_wait_for_subscriptions_without_an_answer(dialect: Any) -> None:
    login = EthgasLogin(private_key=PRIVATE_KEY)
    session, server = EthgasSession([BOOK, ORDERS], login=login, dialect=dialect), desk()
    session.opened(NOW)
    answer_all(session, server, NOW)
    later = NOW + 20 * SECOND
    session.tick(later)
    say(session, ACCEPTED[dialect.name], later)
    assert session.authenticated
    session.tick(later)
    sent(session)  # with the subscription to what is private, which nothing answers
    say(session, EXPIRED[dialect.name], later)
    answer_all(session, server, later)
    (message,) = sent(session)
    assert "login" in message.values()


ACCEPTED = {
    "official": {"event": "login", "code": 0, "msg": "", "connId": "1"},
    "draft": {"cmd": "login", "status": "success", "data": {"userId": "1"}},
}
EXPIRED = {
    "official": {"event": "error", "code": 401, "msg": "expired", "connId": "1"},
    "draft": {"cmd": "token_expired", "data": {"message": "Access token has expired"}},
}
