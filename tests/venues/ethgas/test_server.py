"""ETHGas' side of the protocol against the session."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payloads.venues.common.jwt import check_token, make_token
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import Authenticated, Subscribed
from payloads.venues.ethgas.eip712 import signature_of, typed_data_digest
from payloads.venues.ethgas.protocol import DRAFT, OFFICIAL
from payloads.venues.ethgas.server import LoginDesk, SocketDesk, login_data
from tests.venues.ethgas.kit import (
    ADDRESS,
    BOOK,
    HOUR,
    ORDERS,
    PRIVATE_KEY,
    SIGNER,
    by_token,
    desk,
    objects,
    trees,
)
from tests.venues.kit import NOW, say


def test_tokens_are_refused_for_each_way_of_being_wrong() -> None:
    good = make_token(SIGNER, "x", NOW)
    assert check_token(SIGNER, good, NOW) == ""
    assert check_token(SIGNER, good, NOW + HOUR) == "expired token"
    assert check_token(SIGNER, good[:-2] + "AA", NOW) == "invalid token"
    assert check_token(Secret("another"), good, NOW) == "invalid token"
    for token in (None, "", "abc", ["a"]):
        assert check_token(SIGNER, token, NOW) == "no token"


def verify(server: LoginDesk, now: int = NOW, **changes: str) -> int:
    _, answer = server.login({"addr": ADDRESS}, NOW)
    nonce = answer["data"]["nonceHash"]
    signature = signature_of(PRIVATE_KEY, typed_data_digest(login_data(nonce)))
    form = {"addr": ADDRESS, "nonceHash": nonce, "signature": signature, **changes}
    return server.verify(form, now)[0]


def test_logins_are_refused_for_each_way_of_being_wrong() -> None:
    server = desk()
    assert verify(server) == 200
    assert verify(server, nonceHash="nonce0") == 401  # used already
    assert verify(server, addr="0x" + "0" * 40) == 401
    assert verify(server, now=NOW + HOUR) == 401
    for signature in ("", "0x", "0x" + "00" * 65, signature_of(PRIVATE_KEY, b"1" * 32)):
        assert verify(server, signature=signature) == 401
    assert server.login({}, NOW)[0] == server.login({"addr": "0x1"}, NOW)[0] == 400
    closed = desk(allowed=frozenset())
    assert closed.login({"addr": ADDRESS}, NOW)[0] == 403
    assert server.refresh({}, {}, NOW)[0] == 401
    assert server.refresh({"refreshToken": "x"}, {}, NOW)[0] == 401


@pytest.mark.parametrize("dialect", [OFFICIAL, DRAFT])
def test_the_socket_desk_accepts_what_the_session_sends(dialect: Any) -> None:
    session = by_token(BOOK, ORDERS, dialect=dialect)
    server = SocketDesk(SIGNER, "c1", dialect)
    session.opened(NOW)
    events: list[Any] = []
    for _ in range(3):
        for message in session.take():
            for answer in server.received(str(message), NOW):
                raw = answer if isinstance(answer, str) else json.dumps(answer)
                events += session.received(raw, NOW)
    assert [type(event) for event in events] == [Authenticated, Subscribed, Subscribed]
    assert server.subscribed == {BOOK, ORDERS}
    assert server.received("ping", NOW) == ["pong"]
    assert not server.authenticated(NOW + HOUR)
    if expired := server.token_expired():
        assert say(session, expired)[0].code == "token_expired"


def test_the_socket_desk_refuses_what_is_wrong() -> None:
    server = SocketDesk(SIGNER, "c1")
    token = make_token(SIGNER, "x", NOW)
    for message, code in (
        ("{", 1001), ("[]", 1001), ('{"op":"dance"}', 1001), ('{"op":"login","args":7}', 1001),
        ('{"op":"login"}', 1001), ('{"op":"login","args":[{"accessToken":"a.b.c"}]}', 1001),
        ('{"op":"subscribe","args":[{"channel":"preconfBundleUpdate"}]}', 1000),
        ('{"op":"subscribe","args":[{"channel":"userOrder"}]}', 1002),
        ('{"op":"subscribe","args":[{"channel":"orderBookUpdate"}]}', 1002),
        ('{"op":"subscribe","args":[{"channel":["x"],"marketType":[]}]}', 1002),
        ('{"op":"query","args":[{"queryType":"openOrders"}]}', 1000),
        ('{"op":"subscribe","args":[]}', 1001),
    ):  # fmt: skip
        (answer,) = server.received(message, NOW)
        assert isinstance(answer, dict)
        assert answer["code"] == code, message
    late = json.dumps(OFFICIAL.login(token))
    (answer,) = server.received(late, NOW + HOUR)
    assert isinstance(answer, dict)
    assert "expired" in answer["msg"]
    assert server.received('{"op":"query","args":[{"queryType":"currentSlot"}]}', NOW) == []
    draft = SocketDesk(SIGNER, "c1", DRAFT)
    (answer,) = draft.received('{"cmd":"login","data":{"accessToken":"x"}}', NOW)
    assert isinstance(answer, dict)
    assert answer["error"]["code"] == 401
    (answer,) = draft.received('{"cmd":"subscribe","channel":"preconfBundleUpdate"}', NOW)
    assert isinstance(answer, dict)
    assert answer["error"]["code"] == 403


@given(
    st.one_of(st.text(), st.one_of(objects, trees).map(json.dumps)),
    st.sampled_from([OFFICIAL, DRAFT]),
)
def test_nothing_a_client_sends_raises(message: str, dialect: Any) -> None:
    SocketDesk(SIGNER, "c1", dialect).received(message, NOW)
