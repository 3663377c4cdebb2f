"""What the tests of ETHGas' session share: logins, sessions, and what they say."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

from hypothesis import strategies as st

from payloads.venues.common.jwt import make_token
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import SECOND, Reply, Request
from payloads.venues.ethgas.auth import EthgasLogin
from payloads.venues.ethgas.protocol import Channel
from payloads.venues.ethgas.records import CHANNELS, QUERIES
from payloads.venues.ethgas.server import LoginDesk, login_data
from payloads.venues.ethgas.session import EthgasSession
from tests.venues import kit
from tests.venues.kit import NOW

HOUR = 3600 * SECOND
PRIVATE_KEY = Secret(hashlib.sha256(b"ethgas test key").hexdigest())
ADDRESS = "0xd23590f25e9a1ce3ae972b88567826c0da251bea"
SIGNER = Secret("the key that signs tokens")
TOKEN = Secret(make_token(SIGNER, "x", NOW, HOUR))
BOOK, ORDERS = Channel("orderBookUpdate", "inclusionPreconf"), Channel("preconfBundleUpdate")
VECTOR = login_data("52a90c73")


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


trees = kit.json_trees(
    ["data", "string", "uint256", "data[]", "0x00"], ["name", "type", "data", "types", "x"]
)


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


LOGGED_IN = {"event": "login", "code": 0, "msg": "", "connId": "25f9ee2c"}


def ack(channel: Channel, verb: str = "subscribe") -> dict[str, Any]:
    return {"event": verb, "arg": channel.argument, "connId": "25f9ee2c"}


def private(**options: Any) -> tuple[EthgasSession, LoginDesk]:
    login = EthgasLogin(private_key=PRIVATE_KEY)
    return EthgasSession([BOOK, ORDERS], login=login, **options), desk()


def by_token(*channels: Channel, lifetime: int = HOUR, **options: Any) -> EthgasSession:
    login = EthgasLogin(access_token=Secret(make_token(SIGNER, "x", NOW, lifetime)))
    return EthgasSession(channels, login=login, **options)


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
