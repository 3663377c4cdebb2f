"""ETHGas: EIP-712 with the spec's vector, the life of a token, both dialects, and the desks."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payloads.crypto import recover
from payloads.errors import Malformed, Misuse, Refused
from payloads.venues.eip712 import (
    domain_separator,
    encode_type,
    hash_struct,
    signature_of,
    typed_data_digest,
)
from payloads.venues.ethgas import (
    DRAFT,
    OFFICIAL,
    ORDER_STATUS,
    ORDER_TYPES,
    Answered,
    Book,
    Channel,
    EthgasSession,
    Trade,
    Update,
    meaning,
)
from payloads.venues.ethgas_login import (
    EthgasLogin,
    TokenRenewed,
    check_login_data,
    jwt_expiry,
)
from payloads.venues.ethgas_records import CHANNELS, QUERIES, Slot
from payloads.venues.ethgas_server import (
    LoginDesk,
    SocketDesk,
    check_token,
    login_data,
    make_token,
)
from payloads.venues.session import (
    SECOND,
    Authenticated,
    Broken,
    Closed,
    Data,
    Opened,
    Rejected,
    Reply,
    Request,
    Secret,
    Subscribed,
    Unknown,
    Unsubscribed,
)
from payloads.venues.shared import Duplicate

NOW = 1_760_000_000 * SECOND
HOUR = 3600 * SECOND
PRIVATE_KEY = Secret(hashlib.sha256(b"ethgas test key").hexdigest())
ADDRESS = "0xd23590f25e9a1ce3ae972b88567826c0da251bea"
SIGNER = Secret("the key that signs tokens")
BOOK, ORDERS = Channel("orderBookUpdate", "inclusionPreconf"), Channel("preconfBundleUpdate")
VECTOR = login_data("52a90c73")


# --- EIP-712 --------------------------------------------------------------------------------------


def test_the_spec_s_vector() -> None:
    data = copy.deepcopy(VECTOR)
    for contract in ("0x0", "0x" + "0" * 40):
        data["domain"]["verifyingContract"] = contract
        assert domain_separator(data).hex() == (
            "15a44ac4fb2c1ff699db9858a688f7edd5f11fb7ac48f53306fd90f476774442"
        )
        types = {"data": [("hash", "string"), ("message", "string"), ("domain", "string")]}
        assert encode_type("data", types) == "data(string hash,string message,string domain)"
        assert hash_struct("data", data["message"], types).hex() == (
            "18f0e6310e4cbc4aa031f1566e7ba94a617cc4d22a85827b4b36470db0015898"
        )
        digest = typed_data_digest(data)
        assert digest.hex() == "ce825533b48c12324c788be61e4dba8d795bc846599831947df640cd388ef100"
        assert signature_of(PRIVATE_KEY, digest) == (
            "0x6d6ad6409fd66b55ef267ea33b7caa3ffd759b4b40728ae2624770f6bd2c0d2d"
            "212f3a96869c4781a9cfafed4739f8a4d66c05aa7faa50de3ef39e9daca1ae7e1b"
        )
    assert EthgasLogin(private_key=PRIVATE_KEY).address.lower() == ADDRESS


def test_a_domain_whose_type_is_left_out() -> None:
    data = copy.deepcopy(VECTOR)
    del data["types"]["EIP712Domain"]
    assert typed_data_digest(data) == typed_data_digest(VECTOR)


MAIL = {
    "types": {
        "Person": [{"name": "name", "type": "string"}, {"name": "wallets", "type": "address[]"}],
        "Mail": [
            {"name": "from", "type": "Person"},
            {"name": "to", "type": "Person[2]"},
            {"name": "amount", "type": "int96"},
            {"name": "flag", "type": "bool"},
            {"name": "tag", "type": "bytes4"},
            {"name": "blob", "type": "bytes"},
            {"name": "grid", "type": "uint8[2][]"},
        ],
    },
    "primaryType": "Mail",
    "domain": {"name": "Ether Mail", "version": "1", "chainId": 1, "salt": "0x" + "ab" * 32},
    "message": {
        "from": {"name": "Cow ünï", "wallets": ["0x" + "11" * 20, "0x" + "22" * 20]},
        "to": [{"name": "a", "wallets": []}, {"name": "b", "wallets": ["0x" + "33" * 20]}],
        "amount": -5,
        "flag": True,
        "tag": "0xdeadbeef",
        "blob": "0x0102",
        "grid": [[1, 2], [3, 4]],
    },
}


def reference(data: dict[str, Any]) -> bytes:
    account = pytest.importorskip("eth_account")
    messages = pytest.importorskip("eth_account.messages")
    signable = messages.encode_typed_data(full_message=data)
    signed = account.Account.sign_message(signable, "0x" + PRIVATE_KEY.reveal())
    return bytes(signed.message_hash)


def test_nested_types_hash_as_in_another_library() -> None:
    data = copy.deepcopy(MAIL)
    data["types"]["EIP712Domain"] = [  # type: ignore[index]
        {"name": "name", "type": "string"}, {"name": "version", "type": "string"},
        {"name": "chainId", "type": "uint256"}, {"name": "salt", "type": "bytes32"},
    ]  # fmt: skip
    assert typed_data_digest(data) == typed_data_digest(MAIL) == reference(data)


@given(st.text(max_size=40), st.integers(0, 2**256 - 1), st.binary(max_size=40), st.booleans())
def test_values_hash_as_in_another_library(text: str, number: int, raw: bytes, flag: bool) -> None:
    data = copy.deepcopy(VECTOR)
    data["types"]["data"] = [
        {"name": "a", "type": "string"}, {"name": "b", "type": "uint256"},
        {"name": "c", "type": "bytes"}, {"name": "d", "type": "bool[]"},
    ]  # fmt: skip
    data["message"] = {"a": text, "b": number, "c": "0x" + raw.hex(), "d": [flag, not flag]}
    assert typed_data_digest(data) == reference(data)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("uint8", 256), ("uint8", -1), ("uint7", 1), ("uint264", 1), ("int8", 128), ("uint8", 1.5),
        ("bool", 1), ("address", "0x" + "1" * 41), ("address", 1), ("bytes4", "0x00"),
        ("bytes33", "0x"), ("bytes", "00"), ("bytes", "0x0"), ("string", 1), ("string", "\ud800"),
        ("string[2]", ["a"]), ("string[]", "a"), ("Nobody", {}), ("fixed128x18", 1), ("uint", 1),
        ("uint256[", [1]), ("uint256", "1e5"), ("uint256", None), ("data", 1),
    ],
)  # fmt: skip
def test_values_that_do_not_fit(kind: str, value: Any) -> None:
    data = copy.deepcopy(VECTOR)
    data["types"]["data"] = [{"name": "x", "type": kind}]
    data["message"] = {"x": value}
    with pytest.raises(Malformed):
        typed_data_digest(data)


def test_recursion_ends() -> None:
    data = copy.deepcopy(VECTOR)
    data["types"]["data"] = [{"name": "x", "type": "data[]"}]
    data["message"] = {"x": []}
    assert typed_data_digest(data)
    inner: dict[str, Any] = {"x": []}
    for _ in range(50):
        inner = {"x": [inner]}
    data["message"] = inner
    with pytest.raises(Malformed):
        typed_data_digest(data)


trees = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.text(max_size=6),
        st.sampled_from(["data", "string", "uint256", "data[]", "0x00"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(["name", "type", "data", "types", "x"]), inner),
    ),
    max_leaves=10,
)  # fmt: skip


@given(st.sampled_from(["types", "primaryType", "domain", "message"]), trees)
def test_only_malformed_escapes_from_typed_data(key: str, value: Any) -> None:
    data = {**VECTOR, key: value}
    with suppress(Malformed):
        assert len(typed_data_digest(data)) == 32


# --- what is signed -------------------------------------------------------------------------------


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
    assert login.due(NOW) is None


# --- tokens ---------------------------------------------------------------------------------------


def test_the_expiry_of_a_token() -> None:
    assert jwt_expiry(make_token(SIGNER, "x", NOW)) == NOW + HOUR
    for token in ("", "a.b", "a.b.c", "..", "a.e30.c", "a.W10.c", "a.eyJleHAiOi0xfQ.c", "ä.ö.ü"):
        assert jwt_expiry(token) is None


@given(st.text())
def test_any_text_may_be_a_token(text: str) -> None:
    jwt_expiry(text)
    jwt_expiry(f"a.{text}.c")
    assert check_token(SIGNER, text, NOW)


def counter() -> Iterator[str]:
    return (f"nonce{number}" for number in itertools.count())


def desk(**options: Any) -> LoginDesk:
    numbers = counter()
    return LoginDesk(SIGNER, lambda: next(numbers), **options)


def serve(server: LoginDesk, request: Request, now: int) -> Reply:
    """What the REST API answers."""
    headers = dict(request.headers)
    if "json" in headers["Content-Type"]:
        form = json.loads(request.body)
    else:
        form = dict(parse_qsl(request.body.decode()))
    cookies = dict(pair.split("=", 1) for pair in headers.get("Cookie", "").split("; ") if pair)
    what = request.url.partition("/api/v1/user/")[2]
    if what == "login":
        status, answer = server.login(form, now)
    elif what == "login/verify":
        status, answer = server.verify(form, now)
    else:
        status, answer = server.refresh(form, cookies, now)
    given: tuple[tuple[str, str], ...] = ()
    if isinstance(answer.get("data"), dict) and (
        refresh := answer["data"].pop("refreshToken", None)
    ):
        given = (("Set-Cookie", f"x_auth_refresh_token={refresh}; HttpOnly; Path=/"),)
    return Reply(request.purpose, status, json.dumps(answer).encode(), given)


def answer_all(session: Any, server: LoginDesk, now: int) -> list[Any]:
    """Let a login or session have all its requests answered; every event that came of it."""
    events: list[Any] = []
    while requests := session.take_requests():
        for request in requests:
            events += session.replied(serve(server, request, now), now)
    return events


@pytest.mark.parametrize("flat", [False, True])
def test_a_token_is_fetched_and_renewed_before_it_ends(flat: bool) -> None:
    server, login = desk(flat=flat), EthgasLogin(private_key=PRIVATE_KEY)
    assert login.token(NOW) is None
    assert login.due(NOW) == NOW
    login.step(NOW)
    assert answer_all(login, server, NOW) == [TokenRenewed("login", NOW + HOUR)]
    assert login.token(NOW + HOUR - 1)
    assert login.token(NOW + HOUR) is None
    due = login.due(NOW)
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
    (event,) = login.replied(Reply("ethgas login", status, b'{"message":"no"}', headers), NOW)
    assert (event.code, event.message) == (f"HTTP {status}", "no")
    assert bool(login.stopped) == stops
    assert login.due(NOW) == (None if stops else NOW + 60 * SECOND)


def test_a_login_that_is_never_answered_is_begun_again() -> None:
    login = EthgasLogin(private_key=PRIVATE_KEY)
    login.step(NOW)
    assert len(login.take_requests()) == 1
    due = login.due(NOW)
    assert due is not None
    (event,) = login.step(due)
    assert event.code == "timeout"
    again = login.due(due)
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


# --- the session ----------------------------------------------------------------------------------


def sent(session: EthgasSession) -> list[Any]:
    return [m if m in ("ping", "pong") else json.loads(m) for m in session.take()]


def say(session: EthgasSession, message: Any, now: int = NOW) -> list[Any]:
    return session.received(json.dumps(message), now)


LOGGED_IN = {"event": "login", "code": 0, "msg": "", "connId": "25f9ee2c"}


def ack(channel: Channel, verb: str = "subscribe") -> dict[str, Any]:
    return {"event": verb, "arg": channel.argument, "connId": "25f9ee2c"}


def private(**options: Any) -> tuple[EthgasSession, LoginDesk]:
    login = EthgasLogin(private_key=PRIVATE_KEY)
    return EthgasSession([BOOK, ORDERS], login=login, **options), desk()


def by_token(*channels: Channel, lifetime: int = HOUR, **options: Any) -> EthgasSession:
    login = EthgasLogin(access_token=Secret(make_token(SIGNER, "x", NOW, lifetime)))
    return EthgasSession(channels, login=login, **options)


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
    session.unsubscribe("orderBookUpdate", "inclusionPreconf")
    assert sent(session) == [{"op": "unsubscribe", "args": [BOOK.argument]}]
    ack["event"] = "unsubscribe"
    assert say(session, ack) == [Unsubscribed("orderBookUpdate:inclusionPreconf")]
    with pytest.raises(Misuse):
        EthgasSession([ORDERS])
    with pytest.raises(Misuse):
        session.query("openOrders")


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
    session.query("openOrders")
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
    session.query("currentSlot")
    session.take()
    lost, closed = session.closed(1006, "", NOW)
    assert (lost.code, lost.about) == ("lost", "query currentSlot")
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
        (closed,) = session.closed(code, "bye", NOW)
        assert closed.retry.again == again


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
    assert session._wanted[BOOK] == "asked"
    assert session._wanted[ORDERS] == "held"


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
        (event,) = session.replied(Reply(request.purpose, 503, b"down"), now)
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
    assert say(session, trade) == [Duplicate("recentTradeUpdate")]
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
    session.subscribe("blockBuilderUpdate")
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
    (event,) = session.tick(NOW + 15 * SECOND)
    assert event.code == "timeout"
    session.tick(NOW + 46 * SECOND)
    assert [m["op"] for m in sent(session) if m != "ping"] == ["login"]


def test_an_expired_token_of_ones_own_is_said() -> None:
    session = by_token(ORDERS, BOOK, lifetime=-1 * SECOND)
    opened, event = session.opened(NOW)
    assert opened == Opened()
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
        session.query("currentSlot")


def test_text_pings() -> None:
    session = EthgasSession()
    session.opened(NOW)
    assert session.deadline == NOW + 25 * SECOND
    session.tick(NOW + 25 * SECOND)
    assert session.take() == ["ping"]
    assert session.received("pong", NOW) == session.received(b"pong", NOW) == []
    assert session.received("ping", NOW) == []
    assert session.take() == ["pong"]


# --- what comes -----------------------------------------------------------------------------------


def test_the_spec_s_messages() -> None:
    session = EthgasSession()
    session.opened(NOW)
    book = {
        "a": [],
        "b": [{"p": "0.00000000005", "q": "5861476"}],
        "I": "ETH-PC-863",
        "t": 1736751224941,
    }
    message = {"e": "orderBookUpdate", "E": 1736751224943, "s": "ETH-PC-863", "P": book}
    (data,) = say(session, message)
    assert data == Data(
        "orderBookUpdate",
        Update(
            "orderBookUpdate",
            1736751224943,
            "ETH-PC-863",
            "",
            Book("ETH-PC-863", ((Decimal("0.00000000005"), Decimal(5861476)),), (), 1736751224941),
        ),
    )
    session.query("currentSlot")
    assert sent(session) == [{"op": "query", "args": [{"queryType": "currentSlot"}]}]
    reply = {"t": 1739527942002, "s": 603410, "r": 4000}
    slot = Slot(603410, 1739527942002, 4000)
    assert say(session, {"q": "currentSlot", "P": reply}) == [Answered("currentSlot", slot)]
    counted = {"event": "…", "channel": "orderBookUpdate", "count": 1, "connId": "25f9ee2c"}
    (event,) = say(session, counted)
    assert isinstance(event, Unknown)
    (event,) = say(session, {"event": "error", "code": 1001, "msg": "…", "connId": "25f9ee2c"})
    assert (event.code, event.about) == ("1001", "")


def test_trades_and_others() -> None:
    session = EthgasSession()
    trade = {"i": "ETH-WB-1", "p": "0.1", "q": 3, "s": True, "d": 17, "t": 0}
    (data,) = say(session, {"e": "recentTradeUpdate", "P": [trade], "a": "Snapshot"})
    assert data.content.payload == (Trade("ETH-WB-1", Decimal("0.1"), Decimal(3), True, 17, 0),)
    assert data.content.action == "Snapshot"
    (data,) = say(session, {"e": "of tomorrow", "P": {"d": "1"}})
    assert data.content.payload == {"d": "1"}


def test_a_private_query_waits_for_the_login_and_a_public_one_does_not() -> None:
    session, server = private()
    session.opened(NOW)
    session.query("openOrders")
    session.query("currentSlot")
    asked = [one["args"][0].get("queryType") for one in sent(session) if one["op"] == "query"]
    assert asked == ["currentSlot"]
    say(session, ack(BOOK))
    say(session, {"q": "currentSlot", "P": {"s": 1}})
    answer_all(session, server, NOW)
    assert [one["op"] for one in sent(session)] == ["login"]
    say(session, LOGGED_IN)
    assert [one["op"] for one in sent(session)] == ["subscribe", "query"]
    # Its time begins now.
    (event,) = session.tick(NOW + 10 * SECOND)
    assert (event.code, event.about) == ("timeout", "query openOrders")


def test_a_query_without_a_reply_is_told() -> None:
    session = EthgasSession(ping_every=None)
    session.opened(NOW)
    for _ in range(2):
        session.query("currentSlot")
    assert session.deadline == 0, "the driver is asked to send it, and to tell the time"
    assert session.tick(NOW + 60 * SECOND) == []
    session.query("preconfMarkets")
    session.tick(NOW + 61 * SECOND)
    assert session.deadline == NOW + 66 * SECOND, "until which a login would wait"
    session.tick(NOW + 66 * SECOND)
    assert session.deadline == NOW + 70 * SECOND
    say(session, {"q": "currentSlot", "P": {"s": 1}}, NOW + 67 * SECOND)
    (event,) = session.tick(NOW + 70 * SECOND)
    assert event == Rejected("timeout", "", "no reply in time", "query currentSlot")
    # Late, but a reply.
    (event,) = say(session, {"q": "currentSlot", "P": {"s": 2}}, NOW + 70 * SECOND)
    assert event.reply == Slot(2)
    lost, _ = session.closed(1006, "", NOW + 70 * SECOND)
    assert (lost.code, lost.about) == ("lost", "query preconfMarkets")
    assert session.deadline is None
    with pytest.raises(Misuse):
        EthgasSession(reply_within=0)


def test_an_error_is_about_the_one_thing_that_is_open() -> None:
    session = EthgasSession([BOOK])
    session.opened(NOW)
    (event,) = say(session, {"event": "error", "code": 1002, "msg": "invalid"})
    assert event.about == BOOK.label
    session.query("orderBook", marketType="wholeBlock")
    (event,) = say(session, {"event": "error", "code": 1001, "msg": "invalid"})
    assert event.about == "query orderBook"
    with pytest.raises(Misuse):
        EthgasSession().query("currentSlot")


@pytest.mark.parametrize(
    "message",
    ["", "{", {"event": "login"}, {"event": "login", "code": "0"}, {"event": "subscribe"},
     {"e": "orderBookUpdate", "P": []}, {"e": "recentTradeUpdate", "P": [7]},
     {"e": "orderBookUpdate", "P": {"b": [{"p": "x", "q": "1"}]}},
     {"e": "orderBookUpdate", "P": {"a": [{"p": "NaN", "q": "1"}]}},
     {"e": "orderBookUpdate", "P": {"a": [{"p": "1_0", "q": "1"}]}}],
)  # fmt: skip
def test_broken_messages_are_kept(message: Any) -> None:
    raw = message if isinstance(message, str) else json.dumps(message)
    (event,) = EthgasSession().received(raw, NOW)
    assert isinstance(event, Broken)
    assert event.raw == raw


words = st.sampled_from(
    ["login", "error", "subscribe", "unsubscribe", "token_expired", "success", *CHANNELS, *QUERIES]
)
inner = st.one_of(
    trees, words, st.integers(0, 2000), st.fixed_dictionaries({"code": st.integers(0, 500)})
)
objects = st.dictionaries(
    st.sampled_from(
        ["event", "cmd", "e", "q", "code", "msg", "arg", "P", "data", "error", "status"]
    ),
    inner,
)
messages = st.one_of(
    st.text(),
    st.binary(),
    st.sampled_from(["ping", "pong"]),
    st.one_of(objects, trees).map(json.dumps),
)


@given(st.lists(messages, max_size=10), st.sampled_from([OFFICIAL, DRAFT]))
def test_nothing_a_server_sends_raises(received: list[str | bytes], dialect: Any) -> None:
    session, server = private(dialect=dialect)
    session.opened(NOW)
    for query in QUERIES if dialect is OFFICIAL else ():
        session.query(query)
    for index, message in enumerate(received):
        now = NOW + index * 20 * SECOND
        answer_all(session, server, now)
        for event in session.received(message, now):
            assert repr(event)
        session.tick(now)
        session.take()
    assert isinstance(session.closed(1006, "x", NOW)[-1], Closed)


@given(st.integers(100, 599), st.binary(), st.text())
def test_no_refusal_raises(status: int, body: bytes, text: str) -> None:
    session = by_token(ORDERS, bearer=True)
    session.rejected(status, [("Retry-After", text)], body)
    session.closed(4000, text, NOW)


# The venue's lists, a word or two of each. 1001 and 1002 mean other things on another page.
CODE_WORDS = {
    0: ["success"], 1: ["success"], 2: ["permission denied"], 99: ["unexpected"],
    102: ["INVALID_ACCOUNT"], 104: ["TIMEOUT"], 107: ["MINIMUM_QUANTITY_NOT_REACH"],
    108: ["NO_ORDER"], 109: ["ORDER_DONE_OR_CANCELLED"], 110: ["parse"], 111: ["order book"],
    112: ["database"], 113: ["database connection"], 114: ["MARKET_EXPIRED"],
    115: ["RATE_TRANSACTION_ERROR"], 120: ["step"], 122: ["duplicate"], 191: ["auto-cancelled"],
    192: ["manually cancelled"], 401: ["invalid token"], 403: ["permissions"],
    429: ["rate limited"], 500: ["server error"], 503: ["unavailable"],
    1000: ["permission denied"], 1001: ["validation", "authentication failed"],
    1002: ["operation failed", "invalid channel"], 1003: ["rate limit"], 1004: ["timeout"],
    9999: ["unexpected"], 10000: ["deposit", "account"], 10001: ["deposit", "token"],
    10010: ["withdrawal", "account"], 10011: ["withdrawal", "token"],
    10012: ["withdrawal", "insufficient funds"],
}  # fmt: skip


def test_the_venue_s_codes_in_words() -> None:
    documented = {code for code in range(-1, 20_000) if "not documented" not in meaning(code)}
    assert documented == set(CODE_WORDS)
    for code, words in CODE_WORDS.items():
        assert all(word in meaning(code) for word in words), code
    assert set(ORDER_STATUS) == {0, 1, 10, 11, 12, 13, 14, 99}
    assert set(ORDER_TYPES) == {1, 2, 3}


@given(st.integers())
def test_every_code_has_words(code: int) -> None:
    assert meaning(code)


def test_no_secret_shows() -> None:
    session, server = private(bearer=True)
    shown: list[str] = []
    requests: list[Request] = []
    session.opened(NOW)
    secrets = [PRIVATE_KEY.reveal()]
    while taken := session.take_requests():
        for request in taken:
            requests.append(request)
            reply = serve(server, request, NOW)
            shown += [repr(request), str(request), repr(reply)]
            shown += [repr(event.values) for event in session.replied(reply, NOW)]
            secrets += [
                v.split("=", 1)[1].split(";")[0] for k, v in reply.headers if k == "Set-Cookie"
            ]
    secrets.append(dict(parse_qsl(requests[1].body.decode()))["signature"])
    session.take()
    say(session, ack(BOOK))
    (login,) = session.take()
    assert isinstance(login, str)
    token = json.loads(login)["args"][0]["accessToken"]
    secrets.append(token)
    assert len(secrets) == 4
    assert session.redact(login) == '{"op":"login","args":[{"accessToken":"[redacted]"}]}'
    shown += [repr(session), repr(session._login), repr(session.dial(NOW))]
    for secret in secrets:
        for echo in (
            {"event": "error", "code": 1, "msg": secret},
            {"e": "x", "P": secret},
            [secret],
        ):
            events = say(session, echo)
            shown += [repr([event.values for event in events])]
        shown += [repr(session.rejected(401, [], secret.encode())[0].values)]
        shown += [repr(session.closed(1008, secret, NOW)[-1].values)]
        shown += [str(session.redact(f'{{"x":"{secret}"}}')), str(session.redact(secret.encode()))]
    bad = Reply("ethgas login", 200, b'{"data":{"accessToken":"an-other-token","nonceHash":3}}')
    login_ = EthgasLogin(private_key=PRIVATE_KEY)
    login_.step(NOW)
    shown += [repr([event.values for event in login_.replied(bad, NOW)])]
    assert not [text for text in shown for secret in [*secrets, "an-other-token"] if secret in text]


# --- the other side -------------------------------------------------------------------------------


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
