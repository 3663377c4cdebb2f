"""ETHGas' tokens: what is signed for one, and how it is renewed."""

from __future__ import annotations

import copy
import json
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payloads.crypto import recover
from payloads.errors import Malformed, Misuse, Refused
from payloads.venues.common.http_words import status_code
from payloads.venues.common.jwt import check_token, jwt_expiry, make_token
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import SECOND, Broken, Rejected, Reply
from payloads.venues.ethgas.auth import EthgasLogin, TokenRenewed, check_login_data
from payloads.venues.ethgas.eip712 import typed_data_digest
from payloads.venues.ethgas.protocol import DRAFT
from payloads.venues.ethgas.server import login_data
from tests.venues.ethgas.kit import (
    ADDRESS,
    HOUR,
    MAIL,
    PRIVATE_KEY,
    SIGNER,
    VECTOR,
    answer_all,
    desk,
    serve,
    trees,
)
from tests.venues.kit import NOW, only


def test_only_a_login_is_signed() -> None:
    check_login_data(VECTOR)
    for path, value in (
        (("domain", "name"), "USD Coin"),
        (("domain", "verifyingContract"), "0x" + "11" * 20),
        (("domain", "verifyingContract"), None),
        (("types", "data"), [{"name": "value", "type": "uint256"}]),
        (("types", "data"), []),
        (("types", "EIP712Domain"), []),
        (("types", "EIP712Domain"), [{"name": "name", "type": "bytes32"}]),
        (("primaryType",), "Permit"),
        (("primaryType",), "EIP712Domain"),
        (("domain",), None),
        (("types", "string"), [{"name": "value", "type": "uint256"}]),
    ):
        data = copy.deepcopy(VECTOR)
        inside = data
        for key in path[:-1]:
            inside = inside[key]
        inside[path[-1]] = value
        with pytest.raises((Refused, Malformed)):
            check_login_data(data)


def test_a_server_that_wants_more_signed_gets_nothing() -> None:
    login = EthgasLogin(private_key=PRIVATE_KEY)
    login.step(NOW)
    login.take_requests()
    data = copy.deepcopy(MAIL)
    body = {"data": {"eip712Message": json.dumps(data), "nonceHash": "1"}}
    (event,) = login.replied(Reply("ethgas login", 200, json.dumps(body).encode()), NOW)
    assert isinstance(event, Broken)
    assert login.stopped
    assert login.take_requests() == []
    assert login.deadline is None


def test_the_expiry_of_a_token() -> None:
    assert jwt_expiry(make_token(SIGNER, "x", NOW)) == NOW + HOUR
    for token in ("", "a.b", "a.b.c", "..", "a.e30.c", "a.W10.c", "a.eyJleHAiOi0xfQ.c", "ä.ö.ü"):
        assert jwt_expiry(token) is None


@given(st.text())
def test_any_text_may_be_a_token(text: str) -> None:
    jwt_expiry(text)
    jwt_expiry(f"a.{text}.c")
    assert check_token(SIGNER, text, NOW)


@pytest.mark.parametrize("flat", [False, True])
def test_a_token_is_fetched_and_renewed_before_it_ends(flat: bool) -> None:
    server, login = desk(flat=flat), EthgasLogin(private_key=PRIVATE_KEY)
    assert login.token(NOW) is None
    assert login.deadline == 0, "at once"
    login.step(NOW)
    assert answer_all(login, server, NOW) == [TokenRenewed("login", NOW + HOUR)]
    assert login.token(NOW + HOUR - 1)
    assert login.token(NOW + HOUR) is None
    due = login.deadline
    assert due == NOW + HOUR - 300 * SECOND
    login.step(due - 1)
    assert login.take_requests() == []
    login.step(due)
    assert answer_all(login, server, due) == [TokenRenewed("refresh", due + HOUR)]


def test_the_requests_are_forms_with_everything_hidden() -> None:
    server, login = (
        desk(),
        EthgasLogin(private_key=PRIVATE_KEY, account_name="me", endpoint="hoodi"),
    )
    login.step(NOW)
    (first,) = login.take_requests()
    assert first.url == "https://hoodi.app.ethgas.com/api/v1/user/login"
    assert dict(parse_qsl(first.body.decode())) == {"addr": login.address, "name": "me"}
    login.replied(serve(server, first, NOW), NOW)
    (second,) = login.take_requests()
    form = dict(parse_qsl(second.body.decode()))
    assert form["nonceHash"] == "nonce0"
    signature = bytes.fromhex(form["signature"][2:])
    assert signature[64] in (27, 28)
    digest = typed_data_digest(login_data("nonce0"))
    signer = recover(digest, signature[:32], signature[32:64], signature[64] - 27)
    assert signer is not None
    assert signer.hex() == ADDRESS[2:]
    assert form["signature"] not in repr(second)


def test_a_session_that_is_over_means_a_full_login() -> None:
    server, login = desk(), EthgasLogin(private_key=PRIVATE_KEY)
    login.step(NOW)
    answer_all(login, server, NOW)
    server.expire_sessions()
    later = NOW + HOUR
    login.step(later)
    (event,) = answer_all(login, server, later)
    assert (event.code, event.about) == ("HTTP 401", "ethgas login/refresh")
    login.step(later)
    assert answer_all(login, server, later) == [TokenRenewed("login", later + HOUR)]
    # And so does a week, without asking first.
    week = NOW + 8 * 24 * HOUR
    login.step(week)
    assert answer_all(login, server, week)[0].by == "login"


def test_the_draft_refreshes_by_json() -> None:
    token = Secret(make_token(SIGNER, "x", NOW))
    login = EthgasLogin(access_token=token, refresh_token=Secret("refresh me"), dialect=DRAFT)
    login.step(NOW + HOUR)
    (request,) = login.take_requests()
    assert request.url == "https://api.ethgas.com/api/v1/user/login/refresh"
    assert request.body == b'{"refreshToken":"refresh me"}'
    body = json.dumps({"data": {"accessToken": "plain"}}).encode()
    events = login.replied(Reply(request.purpose, 200, body), NOW)
    assert events == [TokenRenewed("refresh", NOW + HOUR)]


@pytest.mark.parametrize(
    ("status", "stops"), [(0, False), (401, True), (403, True), (429, False), (503, False)]
)
def test_a_refused_login(status: int, stops: bool) -> None:
    login = EthgasLogin(private_key=PRIVATE_KEY)
    login.step(NOW)
    login.take_requests()
    headers = (("Retry-After", "60"),)
    reply = Reply("ethgas login", status, b'{"message":"no"}', headers)
    event = only(login.replied(reply, NOW), Rejected)
    assert (event.code, event.message) == (status_code(status), "no")
    assert bool(login.stopped) == stops
    assert login.deadline == (None if stops else NOW + 60 * SECOND)


def test_a_login_that_is_never_answered_is_begun_again() -> None:
    login = EthgasLogin(private_key=PRIVATE_KEY)
    login.step(NOW)
    assert len(login.take_requests()) == 1
    due = login.deadline
    assert due is not None
    assert only(login.step(due), Rejected).code == "no answer"
    again = login.deadline
    assert again is not None
    assert again > due
    login.step(again)
    assert len(login.take_requests()) == 1


@given(
    st.sampled_from(["ethgas login", "other"]), st.integers(100, 599),
    st.one_of(st.binary(), trees.map(lambda tree: json.dumps({"data": tree}).encode())),
    st.text(),
)  # fmt: skip
def test_no_answer_raises(purpose: str, status: int, body: bytes, cookie: str) -> None:
    login = EthgasLogin(private_key=PRIVATE_KEY)
    login.step(NOW)
    login.take_requests()
    headers = (("Set-Cookie", cookie), ("Set-Cookie", f"a={cookie}"), ("Retry-After", cookie))
    for event in login.replied(Reply(purpose, status, body, headers), NOW):
        assert repr(event)
    login.step(NOW + HOUR)


@given(trees)
def test_no_typed_data_raises(message: Any) -> None:
    login = EthgasLogin(private_key=PRIVATE_KEY)
    login.step(NOW)
    login.take_requests()
    body = {"data": {"eip712Message": {**VECTOR, "types": message}, "nonceHash": "1"}}
    login.replied(Reply("ethgas login", 200, json.dumps(body).encode()), NOW)


def test_credentials_that_cannot_be() -> None:
    with pytest.raises(Misuse):
        EthgasLogin()
    for text in ("0x12", "z" * 64, PRIVATE_KEY.reveal() + "0"):
        with pytest.raises(Misuse) as caught:
            EthgasLogin(private_key=Secret(text))
        assert text not in str(caught.value)
    with pytest.raises(Misuse):
        EthgasLogin(access_token=Secret("a\nb"))
