"""QFEX: who a session is, where that goes, and what every connection is told."""

from __future__ import annotations

from typing import Any

import pytest

from payloads.errors import Misuse
from payloads.venues.common.jwt import make_token
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import (
    SECOND,
    Authenticated,
    Closed,
    Opened,
    Rejected,
    Retry,
    Stalled,
)
from payloads.venues.qfex.auth import Credentials, HmacKey, check_nonce, sign
from payloads.venues.qfex.server import err
from payloads.venues.qfex.trade_session import Acknowledged, QfexTradeSession
from tests.venues.kit import only, sent
from tests.venues.qfex.kit import JWT_KEY, KEY, NONCE, NOW, SECRET, SIGNATURE, ready, say, trade


def ended(session: QfexTradeSession, code: int) -> Retry:
    closed = session.closed(code, "", NOW)[-1]
    assert isinstance(closed, Closed)
    return closed.retry


def test_the_spec_s_vector() -> None:
    assert sign(SECRET, NONCE, 1760545414) == SIGNATURE
    session = trade(nonces=lambda: NONCE)
    session.opened(NOW)
    assert session.take() == [
        '{"type":"auth","params":{"hmac":{"public_key":"qfex_pub_xxxxx",'
        f'"nonce":"{NONCE}","unix_ts":1760545414,"signature":"{SIGNATURE}"}}}}}}'
    ]


def test_a_jwt_and_a_subaccount() -> None:
    def message(credentials: Credentials) -> Any:
        session = trade(credentials, nonces=lambda: NONCE, account_id="0b9d7f3e")
        session.dial(NOW)
        session.opened(NOW)
        return sent(session)[0]

    params = {"jwt": "eyJhbGci", "account_id": "0b9d7f3e"}
    assert message(Secret("eyJhbGci")) == {"type": "auth", "params": params}
    with_key = message(KEY)["params"]
    assert with_key["account_id"] == "0b9d7f3e"
    assert with_key["hmac"]["signature"] == SIGNATURE  # the account is not signed


@pytest.mark.parametrize("nonce", ["", "xyz", "a" * 101, "ab cd", "é", 7])
def test_nonces_the_venue_would_not_take(nonce: Any) -> None:
    with pytest.raises(Misuse):
        check_nonce(nonce)
    with pytest.raises(Misuse):
        trade(nonces=lambda: nonce).opened(NOW)


def test_a_nonce_is_fresh_at_each_dial() -> None:
    session, seen = trade(key_in="headers"), set()
    for _ in range(5):
        seen.add(dict(session.dial(NOW).headers)["x-qfex-nonce"])
        session.opened(NOW)
        seen.add(sent(session)[0]["params"]["hmac"]["nonce"])
        session.closed(1006, "", NOW)
    assert len(seen) == 10
    repeating = trade(nonces=lambda: NONCE)
    repeating.opened(NOW)
    with pytest.raises(Misuse):
        repeating.opened(NOW)


def test_where_the_key_goes() -> None:
    dial = trade().dial(NOW)
    assert dial.url == "wss://trade.qfex.com/?api_key=qfex_pub_xxxxx"
    assert dial.headers == ()
    token = Secret("ey.J+x/y")
    dial = trade(token, endpoint="uat").dial(NOW)
    assert dial.url == "wss://trade.qfex.io/?jwt=ey.J%2Bx%2Fy"
    assert "jwt" in dial.secret_parameters
    dial = trade(key_in="none").dial(NOW)
    assert (dial.url, dial.headers) == ("wss://trade.qfex.com", ())
    dial = trade(key_in="headers").dial(NOW)
    assert dial.url == "wss://trade.qfex.com"
    assert [name for name, _ in dial.headers] == [
        "x-qfex-public-key", "x-qfex-hmac-signature", "x-qfex-nonce", "x-qfex-timestamp",
    ]  # fmt: skip
    assert "x-qfex-hmac-signature" in dial.secret_headers
    dial = trade(token, key_in="headers").dial(NOW)
    assert dial.headers == (("Authorization", "Bearer ey.J+x/y"),)
    assert "Authorization" in dial.secret_headers
    with pytest.raises(Misuse):
        trade(key_in="cookie")


def test_what_every_connection_is_told() -> None:
    session = trade(channels=("order_responses", "fills"), cancel_on_disconnect=True)
    for connection in range(3):
        session.dial(NOW)
        assert session.opened(NOW) == [Opened()]
        assert [message["type"] for message in sent(session)] == ["auth"]
        assert not session.authenticated
        assert say(session, {"authenticated": True}) == [Authenticated()]
        messages = sent(session)
        assert messages[:2] == [
            {"type": "cancel_on_disconnect", "params": {"cancel_on_disconnect": True}},
            {"type": "subscribe", "params": {"channels": ["order_responses", "fills"]}},
        ]
        since = {"start_ts": NOW // SECOND}
        reread = [
            {"type": "get_user_orders", "params": {}},
            {"type": "get_user_trades", "params": since},
        ]
        assert messages[2:] == (reread if connection else [])
        assert session.cancel_on_disconnect is None
        assert say(session, {"ack": {"incoming_message": messages[0]}}) == [
            Acknowledged("cancel_on_disconnect", {"cancel_on_disconnect": True})
        ]
        assert session.cancel_on_disconnect is True
        (closed,) = session.closed(1006, "", NOW)
        assert closed.retry.again
        assert session.cancel_on_disconnect is None


def test_what_is_asked_after_a_reconnect_begins_where_we_last_heard() -> None:
    session = ready(channels=("fills",))
    say(session, {"subscribed": "fills"}, NOW + 7 * SECOND)
    session.closed(1006, "", NOW + 90 * SECOND)
    for _ in range(2):  # connections on which nothing could be asked
        session.opened(NOW + 100 * SECOND)
        session.closed(1006, "", NOW + 101 * SECOND)
    session.opened(NOW + 200 * SECOND)
    say(session, {"authenticated": True}, NOW + 200 * SECOND)
    (asked,) = [one for one in sent(session) if one["type"] == "get_user_trades"]
    assert asked["params"] == {"start_ts": (NOW + 7 * SECOND) // SECOND}


def test_what_was_asked_and_not_answered_is_asked_again() -> None:
    """From where it began, although something was heard since."""
    session = ready(channels=("fills",))
    began = {"start_ts": NOW // SECOND}
    for later in (100, 200):
        session.closed(1006, "", NOW + later * SECOND)
        session.opened(NOW + later * SECOND)
        say(session, {"authenticated": True}, NOW + later * SECOND)
        (asked,) = [one for one in sent(session) if one["type"] == "get_user_trades"]
        assert asked["params"] == began
    say(session, {"user_trades_response": []}, NOW + 201 * SECOND)
    session.closed(1006, "", NOW + 300 * SECOND)
    session.opened(NOW + 300 * SECOND)
    say(session, {"authenticated": True}, NOW + 300 * SECOND)
    (asked,) = [one for one in sent(session) if one["type"] == "get_user_trades"]
    assert asked["params"] == {"start_ts": (NOW + 201 * SECOND) // SECOND}


def test_the_minute() -> None:
    session = trade()
    session.opened(NOW)
    assert session.deadline == NOW + 60 * SECOND
    assert session.tick(NOW + 59 * SECOND) == []
    late, stalled = session.tick(NOW + 60 * SECOND)
    assert isinstance(late, Rejected)
    assert (late.code, late.about) == ("no answer", "auth")
    assert isinstance(stalled, Stalled)
    assert session.deadline is None
    session.opened(NOW)
    say(session, {"authenticated": True})
    say(session, {"subscribed": "order_responses"})
    assert session.deadline is None


REFUSALS = pytest.mark.parametrize(
    "message",
    [{"authenticated": False}, {"type": "auth", "result": "failure"},
     err("PermissionDenied", "no"), {"type": "error", "message": "no", "code": "KycRequired"}],
)  # fmt: skip


@REFUSALS
def test_a_refused_login_is_not_tried_again(message: Any) -> None:
    session = trade()
    session.opened(NOW)
    (event,) = say(session, message)
    assert isinstance(event, Rejected)
    assert event.about == "auth"
    assert not only(session.closed(1006, "", NOW), Closed).retry.again
    session.renew(HmacKey("another", SECRET))
    session.opened(NOW)
    assert ended(session, 1006).again


@REFUSALS
def test_a_server_that_refuses_and_does_not_close_is_left(message: Any) -> None:
    session = trade()
    session.opened(NOW)
    for seconds in (0, 1, 2):  # saying it again makes it no later
        say(session, message, NOW + seconds * SECOND)
    assert session.deadline == NOW + 5 * SECOND
    assert session.tick(NOW + 4 * SECOND) == []
    assert session.tick(NOW + 5 * SECOND) == [Stalled(5 * SECOND)]
    assert session.deadline is None
    assert not ended(session, 1006).again


def test_a_server_that_takes_its_refusal_back_is_not_left() -> None:
    session = trade()
    session.opened(NOW)
    say(session, err("PermissionDenied", "not yet"))
    say(session, {"authenticated": True})
    say(session, {"subscribed": "order_responses"})
    assert session.deadline is None
    assert ended(session, 1006).again


@pytest.mark.parametrize(
    ("code", "again"), [(1008, False), (4001, False), (1000, False), (1012, True)]
)
def test_a_close_before_the_login_is_a_no_unless_it_says_otherwise(code: int, again: bool) -> None:
    session = trade()
    session.opened(NOW)
    assert ended(session, code).again == again
    assert ended(ready(), code).again


def test_errors_worth_another_try() -> None:
    for code in ("RateLimited", "ServerError"):
        session = trade()
        session.opened(NOW)
        (event,) = say(session, err(code, "later"))
        assert event.code == code
        assert ended(session, 1006).again


def test_benign_errors() -> None:
    session = trade()
    session.opened(NOW)
    assert say(session, err("AlreadyAuthenticated", "")) == [Authenticated()]
    assert session.authenticated
    (event,) = say(session, err("AlreadyAuthenticated", ""))
    assert "nothing to do" in event.meaning


def test_the_older_reply() -> None:
    session = trade()
    session.opened(NOW)
    assert say(session, {"type": "auth", "result": "success"}) == [Authenticated()]


def test_an_expired_jwt_is_renewed_first() -> None:
    token = Secret(make_token(JWT_KEY, "x", NOW, 60 * SECOND))
    session = trade(token)
    session.opened(NOW)
    say(session, {"authenticated": True})
    assert ended(session, 1006).again
    session.opened(NOW)
    closed = only(session.closed(1006, "", NOW + 61 * SECOND), Closed)
    assert not closed.retry.again
    assert "renew" in closed.retry.why


# --- a function that returns a token --------------------------------------------------------------


def test_a_token_source_is_called_for_each_connection() -> None:
    tokens = [make_token(JWT_KEY, str(number), NOW) for number in range(3)]
    left = iter((tokens[0], Secret(tokens[1]), tokens[2]))
    session = trade(lambda: next(left))
    for token in tokens:
        assert session.dial(NOW).url == f"wss://trade.qfex.com/?jwt={token}"
        session.opened(NOW)
        assert sent(session) == [{"type": "auth", "params": {"jwt": token}}]
        assert say(session, {"authenticated": True}) == [Authenticated()]
        assert token not in repr(session.received(f'{{"x":"{token}"}}', NOW)[0].values)
        assert ended(session, 1006).again


def _raises() -> str:
    raise OSError(f"no route for {SECRET.reveal()}")


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (_raises, "failed: OSError"), (lambda: None, "failed: Misuse"), (lambda: 7, "failed: "),
        (lambda: "", "failed: Misuse"), (lambda: "two words", "failed: Misuse"),
        (lambda: make_token(JWT_KEY, "x", NOW, -SECOND), "returned an expired token"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("key_in", ["query", "headers", "none"])
def test_a_token_source_without_a_token_is_reported_and_called_again(
    source: Any, why: str, key_in: str
) -> None:
    session = trade(source, key_in=key_in)
    for _ in range(3):
        dial = session.dial(NOW)
        assert (dial.url, dial.headers) == ("wss://trade.qfex.com", ())
        refused, retry = session.rejected(401, [], b"")
        assert (refused.code, refused.about, retry.again) == ("no token", "auth", True)
        opened, rejected, closed = session.opened(NOW)
        assert opened == Opened()
        assert isinstance(rejected, Rejected)
        assert (rejected.code, rejected.about) == ("no token", "auth")
        assert why in rejected.meaning
        assert SECRET.reveal() not in repr(rejected.values)
        assert isinstance(closed, Closed)
        assert closed.retry.again
        assert session.take() == []
    session.renew(KEY)
    session.dial(NOW)
    assert session.opened(NOW) == [Opened()]
    with pytest.raises(Misuse):
        session.renew("a text is nothing that can be called")  # type: ignore[arg-type]


@pytest.mark.parametrize("how", ["in the message", "by closing", "at the upgrade"])
def test_a_refused_token_is_replaced_once(how: str) -> None:
    numbers = iter(range(100))
    session = trade(lambda: make_token(JWT_KEY, str(next(numbers)), NOW))

    def refused() -> Retry:
        session.dial(NOW)
        if how == "at the upgrade":
            return session.rejected(401, [], b"no")[1]
        session.opened(NOW)
        if how == "in the message":
            say(session, err("PermissionDenied", "expired token"))
        return ended(session, 1008)

    for _ in range(3):
        first = refused()
        assert first.again
        assert "asking for another" in first.why
        session.dial(NOW)
        session.opened(NOW)
        say(session, {"authenticated": True})
        ended(session, 1006)
    assert refused().again
    session.dial(NOW)
    assert session.rejected(503, [], b"")[1].again, "which says nothing of the token"
    assert not refused().again
