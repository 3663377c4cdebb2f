"""QFEX's tokens: the RFC's vector, both grants, renewal before the end, and refusals."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payloads.errors import Misuse, Refused
from payloads.venues.common.jwt import make_token
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import (
    SECOND,
    Authenticated,
    Broken,
    Closed,
    Rejected,
    Reply,
    Request,
)
from payloads.venues.qfex.oauth import (
    Code,
    OAuth,
    TokensRenewed,
    authorize_url,
    code_challenge,
    code_in,
)
from payloads.venues.qfex.server import TokenDesk, err
from payloads.venues.qfex.trade_session import QfexTradeSession

NOW = 1_760_545_414 * SECOND
KEY = Secret("the key that signs tokens")
CLIENT, BACK = "client-1", "http://localhost:57423/callback"
# RFC 7636, appendix B.
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
HOUR = 3600 * SECOND


def draws() -> Callable[[], str]:
    numbers = iter(range(10**9))
    return lambda: f"drawn-secret-{next(numbers):08}"


def desk() -> TokenDesk:
    return TokenDesk(KEY, draws(), CLIENT, HOUR)


def form_of(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.body.decode()).items()}


def answer(server: TokenDesk, request: Request, now: int = NOW) -> Reply:
    status, content = server.token(form_of(request), now)
    return Reply(request.purpose, status, json.dumps(content).encode())


def trade(tokens: OAuth, **options: Any) -> QfexTradeSession:
    nonce = iter(range(10**9))
    return QfexTradeSession(tokens, nonces=lambda: f"{next(nonce):032x}", **options)


def renewed(server: TokenDesk, session: QfexTradeSession, now: int = NOW) -> list[Any]:
    """Make what the session asks for, and give it the answer."""
    (request,) = session.take_requests()
    return session.replied(answer(server, request, now), now)


def logged_in(session: QfexTradeSession, now: int = NOW) -> str:
    """Dial, and have the login accepted; the token that was sent."""
    session.dial(now)
    session.opened(now)
    token: str = json.loads(session.take()[0])["params"]["jwt"]
    assert session.received('{"authenticated":true}', now) == [Authenticated()]
    session.received('{"subscribed":"order_responses"}', now)
    session.take()
    return token


# --- the login that a person makes ----------------------------------------------------------------


def test_the_rfc_s_vector() -> None:
    assert code_challenge(VERIFIER) == CHALLENGE
    for wrong in ("", "short", "x" * 129, "ä" * 50):
        with pytest.raises(Misuse):
            code_challenge(wrong)


def test_where_a_person_logs_in() -> None:
    url = urlsplit(authorize_url(CLIENT, BACK, "state-1", VERIFIER))
    assert f"{url.scheme}://{url.netloc}{url.path}" == (
        "https://verify.qfex.com/auth/v1/oauth/authorize"
    )
    assert {name: values[0] for name, values in parse_qs(url.query).items()} == {
        "client_id": CLIENT, "response_type": "code", "redirect_uri": BACK, "state": "state-1",
        "code_challenge": CHALLENGE, "code_challenge_method": "S256",
    }  # fmt: skip
    uat = authorize_url(CLIENT, BACK, "s", VERIFIER, endpoint="uat")
    assert uat.startswith("https://verify.qfex.io/")


def test_the_way_back() -> None:
    assert code_in(f"{BACK}?code=c1&state=s1", "s1") == Secret("c1")
    for query, why in (
        ("code=c1&state=another", "not the answer to this login"),
        ("code=c1", "not the answer to this login"),
        ("state=s1", "no code"),
        ("state=s1&error=access_denied&error_description=you+said+no", "you said no"),
    ):
        with pytest.raises(Refused, match=why):
            code_in(f"{BACK}?{query}", "s1")


def test_a_code_is_exchanged_once() -> None:
    server = desk()
    url = urlsplit(authorize_url(CLIENT, BACK, "s1", VERIFIER))
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    status, back = server.authorize(query, NOW)
    assert status == 302
    held = Code(code_in(back, "s1"), Secret(VERIFIER), BACK)
    (request,) = OAuth(CLIENT, code=held).take_requests()
    assert (request.method, request.url) == ("POST", "https://verify.qfex.com/auth/v1/oauth/token")
    assert request.headers == (("Content-Type", "application/x-www-form-urlencoded"),)
    assert form_of(request) == {
        "grant_type": "authorization_code", "code": held.code.reveal(), "code_verifier": VERIFIER,
        "redirect_uri": BACK, "client_id": CLIENT,
    }  # fmt: skip
    session = trade(OAuth(CLIENT, code=held))
    (event,) = renewed(server, session)
    assert isinstance(event, TokensRenewed)
    assert event.expires_at == NOW + HOUR
    assert event.refresh_token is not None
    logged_in(session)
    again = trade(OAuth(CLIENT, code=held))
    refused, closed = renewed(server, again)
    assert refused.code == "invalid_grant"
    assert not closed.retry.again


@pytest.mark.parametrize(
    "wrong", ["code_verifier", "redirect_uri", "client_id", "grant_type", "late"]
)
def test_the_token_desk_refuses(wrong: str) -> None:
    server = desk()
    query = {
        "client_id": CLIENT, "response_type": "code", "redirect_uri": BACK, "state": "s",
        "code_challenge": CHALLENGE, "code_challenge_method": "S256",
    }  # fmt: skip
    for name in query.keys() - {"state"}:
        assert server.authorize({**query, name: ""}, NOW)[0] == 400
    code = code_in(server.authorize(query, NOW)[1], "s").reveal()
    form = {
        "grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER,
        "redirect_uri": BACK, "client_id": CLIENT, wrong: "x" * 43,
    }  # fmt: skip
    status, content = server.token(form, NOW + (301 * SECOND if wrong == "late" else 0))
    assert status == 400
    assert content["error"] in ("invalid_grant", "invalid_client", "unsupported_grant_type")


# --- renewal --------------------------------------------------------------------------------------


def test_a_token_is_asked_for_before_the_first_dial() -> None:
    server = desk()
    tokens = OAuth(CLIENT, Secret(server.new_refresh_token()))
    session = trade(tokens)
    with pytest.raises(Misuse, match="no token yet"):
        session.dial(NOW)
    (event,) = renewed(server, session)
    assert isinstance(event, TokensRenewed)
    token = logged_in(session)
    assert session.dial(NOW).url == f"wss://trade.qfex.com/?jwt={token}"
    assert session.take_requests() == []


def test_a_token_is_renewed_a_minute_before_it_ends() -> None:
    server = desk()
    session = trade(OAuth(CLIENT, Secret(server.new_refresh_token())))
    renewed(server, session)
    first = logged_in(session)
    due = NOW + HOUR - 60 * SECOND
    assert session.deadline == due
    assert session.tick(due - 1) == []
    assert session.take_requests() == []
    session.tick(due)
    (event,) = renewed(server, session, due)
    assert event.expires_at == due + HOUR
    assert session.take() == [], "one does not authenticate twice"
    session.closed(1006, "", due)
    assert session.take_requests() == []
    assert logged_in(session, due) != first


def test_short_lived_tokens_are_renewed_at_half_time() -> None:
    server = TokenDesk(KEY, draws(), CLIENT, 40 * SECOND)
    session = trade(OAuth(CLIENT, Secret(server.new_refresh_token())))
    renewed(server, session)
    logged_in(session)
    assert session.deadline == NOW + 20 * SECOND


def test_an_access_token_is_used_until_it_ends() -> None:
    server = desk()
    held = Secret(make_token(KEY, "x", NOW, HOUR))
    refresh = Secret(server.new_refresh_token())
    session = trade(OAuth(CLIENT, refresh, access_token=held))
    assert session.take_requests() == []
    assert logged_in(session) == held.reveal()
    later = NOW + HOUR - 30 * SECOND
    assert session.closed(1006, "", later)[-1].retry.again
    renewed(server, session, later)
    assert logged_in(session, later) != held.reveal()


@pytest.mark.parametrize("how", ["in the message", "by closing", "at the upgrade"])
def test_a_refused_token_is_renewed_once(how: str) -> None:
    """The venue may take back a token before it ends; what it gives then it has to take."""
    server = desk()
    session = trade(OAuth(CLIENT, Secret(server.new_refresh_token())))
    renewed(server, session)

    def refused() -> Any:
        session.dial(NOW)
        if how == "at the upgrade":
            return session.rejected(401, [], b"no")[1]
        session.opened(NOW)
        if how == "in the message":
            session.received(json.dumps(err("PermissionDenied", "expired token")), NOW)
        return session.closed(1008, "", NOW)[-1].retry

    for _ in range(3):
        first = refused()
        assert first.again
        assert "renewing" in first.why
        renewed(server, session)
        logged_in(session)
        session.closed(1006, "", NOW)
    assert refused().again
    renewed(server, session)
    second = refused()
    assert not second.again
    assert session.take_requests() == []


def test_only_a_refusal_is_one() -> None:
    """A server that fails, or goes away, says nothing of the token."""
    server = desk()
    session = trade(OAuth(CLIENT, Secret(server.new_refresh_token())))
    renewed(server, session)
    session.dial(NOW)
    assert session.rejected(503, [], b"")[1].again
    assert session.take_requests() == []
    session.dial(NOW)
    session.opened(NOW)
    session.received(json.dumps(err("PermissionDenied", "expired token")), NOW)
    assert session.closed(1008, "", NOW)[-1].retry.again
    renewed(server, session)
    for _ in range(3):  # connections that break before the new token is judged
        session.dial(NOW)
        session.opened(NOW)
        assert session.closed(1006, "", NOW)[-1].retry.again
    assert session.take_requests() == []
    logged_in(session)


@pytest.mark.parametrize("status", [0, 408, 425, 429, 500, 503])
def test_no_token_for_now(status: int) -> None:
    server = desk()
    session = trade(OAuth(CLIENT, Secret(server.new_refresh_token())))
    waits = []
    for _ in range(8):
        (request,) = session.take_requests()
        rejected, closed = session.replied(Reply(request.purpose, status, b"later"), NOW)
        assert rejected.about == "oauth"
        assert closed.retry.again
        waits.append(closed.retry.at_least // SECOND)
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300]
    renewed(server, session)
    logged_in(session)


def test_the_end_of_a_login() -> None:
    session = trade(OAuth(CLIENT, Secret("never given out")))
    rejected, closed = renewed(desk(), session)
    assert (rejected.code, rejected.message) == (
        "invalid_grant", "no such refresh token, or used before",
    )  # fmt: skip
    assert "log in again" in closed.retry.why
    assert not closed.retry.again
    assert session.take_requests() == []
    with pytest.raises(Misuse):
        OAuth(CLIENT)


def test_a_refresh_token_is_good_once() -> None:
    server = desk()
    form = {
        "grant_type": "refresh_token", "refresh_token": server.new_refresh_token(),
        "client_id": CLIENT,
    }  # fmt: skip
    assert server.token(form, NOW)[0] == 200
    status, content = server.token(form, NOW)
    assert (status, content["error"]) == (400, "invalid_grant")


def test_a_renewal_outlives_the_connection() -> None:
    """The venue has changed the refresh token by then: asking again would be refused for good."""
    server = desk()
    session = trade(OAuth(CLIENT, Secret(server.new_refresh_token())))
    renewed(server, session)
    logged_in(session)
    due = NOW + HOUR - 60 * SECOND
    session.tick(due)
    (request,) = session.take_requests()
    late = due + 61 * SECOND
    session.closed(1006, "", late)
    assert session.take_requests() == []
    assert not session.ready(late)
    events = session.replied(answer(server, request, late), late)
    assert [type(event) for event in events] == [TokensRenewed]
    assert session.ready(late)


@given(st.integers(0, 599), st.one_of(
    st.binary(),
    st.fixed_dictionaries({}, optional={
        name: st.one_of(st.none(), st.text(), st.integers(), st.lists(st.text(), max_size=1))
        for name in ("access_token", "refresh_token", "expires_in", "error", "error_description")
    }).map(lambda content: json.dumps(content).encode()),
))  # fmt: skip
def test_nothing_that_is_answered_raises(status: int, body: bytes) -> None:
    session = trade(OAuth(CLIENT, Secret("refresh-token-1")))
    (request,) = session.take_requests()
    events = session.replied(Reply(request.purpose, status, body), NOW)
    assert session.replied(Reply("another", status, body), NOW) == []
    assert isinstance(events[0], TokensRenewed | Rejected | Broken)
    if not isinstance(events[0], TokensRenewed):
        assert isinstance(events[-1], Closed)


def test_no_secret_shows() -> None:
    server = desk()
    refresh = server.new_refresh_token()
    tokens = OAuth(CLIENT, Secret(refresh))
    session = trade(tokens)
    (request,) = session.take_requests()
    reply = answer(server, request)
    events = session.replied(reply, NOW)
    token = logged_in(session)
    newest = json.loads(reply.body)["refresh_token"]
    secrets = (refresh, token, newest)
    shown = [repr(events), repr(request), repr(tokens), repr(session.dial(NOW))]
    for secret in secrets:
        shown.append(str(session.redact(f'{{"jwt":"{secret}"}}')))
        shown.append(repr(session.received(json.dumps(err("ServerError", secret)), NOW)[0].values))
    for body in (refresh, json.dumps({"error": refresh, "error_description": f"no {refresh}"})):
        broken = trade(OAuth(CLIENT, Secret(refresh)))
        (request,) = broken.take_requests()
        refused = broken.replied(Reply(request.purpose, 400, body.encode()), NOW)
        shown += [repr([event.values for event in refused]), repr(refused[-1].retry)]
    assert not [text for text in shown for secret in secrets if secret in text]
