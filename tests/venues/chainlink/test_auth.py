"""Endpoints, feed IDs, signatures, and what a refusal means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payloads.errors import Misuse
from payloads.venues.chainlink.auth import (
    ENDPOINTS,
    MAINNET,
    TESTNET,
    ChainlinkCredentials,
    Endpoint,
    feed_ids,
    sign,
    string_to_sign,
)
from payloads.venues.chainlink.codes import CODES, refusal
from payloads.venues.common.redactor import Redactor
from tests.venues.chainlink.kit import (
    F1,
    F2,
    HERE,
    KEY,
    NOW,
    SECRET,
    T_MS,
)


@pytest.mark.parametrize(
    ("method", "path", "body", "key", "timestamp", "secret", "signature"),
    [
        (
            "GET", "/api/v1/feeds", b"", "clientId", 1718885772, "userSecret",
            "e9b2aa1deb13b2abd078353a5e335b2f50307159ad28b433157d2c74dbab2072",
        ),
        (
            "POST", "/api/v1/feeds", b"", "clientId1", 12000, "secret1",
            "31b48ebdb13802b58978cd89eca0c3c68ddccf85392e703b55942544e7203d3d",
        ),
        (
            "POST", "/api/v1/reports/bulk", b'{"attr1": "value1","attr2": [1,2,3]}', "clientId2",
            1718885772, "secret2",
            "37190febe20b6f3662f6abbfa3a7085ad705ac64e88bde8c1a01a635859e6cf7",
        ),
        (
            "GET", f"/api/v1/ws?feedIDs={F1}", b"", KEY, T_MS, SECRET,
            "a8ef3a3752dc9920821430513adbb9935a9f2e1bb4ef0dcb7e491ebcc1b5e478",
        ),
        (
            "GET", f"/api/v1/ws?feedIDs={F1},{F2}", b"", KEY, T_MS, SECRET,
            "e7e2de439c89d9780669c5e83929313ff4892e68d2c0d8611da330977e768e43",
        ),
        (
            "GET", f"/api/v1/ws?feedIDs={F1}%2C{F2}", b"", KEY, T_MS, SECRET,
            "e0a7e2965198b91320b23888fc589257816ee28a6985679dd0c1cb57ab83f972",
        ),
        (
            "HEAD", "/", b"", KEY, T_MS, SECRET,
            "e350344f2b02f1acf06f095d3ddc33cef857aa5d014d86aca9dc71cfa5e79a7f",
        ),
    ],
)  # fmt: skip
def test_signature_vectors(
    method: str, path: str, body: bytes, key: str, timestamp: int, secret: str, signature: str
) -> None:
    assert sign(ChainlinkCredentials.of(key, secret), method, path, timestamp, body) == signature


def test_the_string_to_sign() -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    path = f"/api/v1/ws?feedIDs={F1}"
    assert string_to_sign("GET", path, KEY, T_MS) == f"GET {path} {empty} {KEY} {T_MS}"
    body = b'{"attr1": "value1","attr2": [1,2,3]}'
    hashed = string_to_sign("POST", "/", KEY, 1, body).split()[2]
    assert hashed.startswith("9ddd4b43")
    assert hashed.endswith("ce7fcfe")


def test_endpoints() -> None:
    assert MAINNET.ws == "wss://ws.dataengine.chain.link"
    assert MAINNET.rest == "https://api.dataengine.chain.link"
    assert TESTNET.ws == "wss://ws.testnet-dataengine.chain.link"
    assert TESTNET.rest == "https://api.testnet-dataengine.chain.link"
    assert ENDPOINTS == {"mainnet": MAINNET, "testnet": TESTNET}
    assert MAINNET.ws_over_http == "https://ws.dataengine.chain.link"
    assert HERE.ws_over_http == "http://127.0.0.1:4100"
    assert Endpoint("ws://localhost:1/", "http://localhost:2/").ws == "ws://localhost:1"
    for ws in (
        "http://a",
        "ws://",
        "ws://a/path",
        "ws://a?b=c",
        "ws://u@a",
        "ws://a:x",
        "ws://a\n",
    ):
        with pytest.raises(Misuse):
            Endpoint(ws, "http://a")


def test_feed_ids() -> None:
    assert feed_ids([F1.upper().replace("0X", "0x"), F2, F1]) == (F1, F2)
    assert feed_ids(F1) == (F1,)
    for bad in (
        [],
        ["0x12"],
        [F1[2:]],
        [F1 + "0"],
        [F1[:-1] + "g"],
        [1],
        [F1 + "\n"],
        f"{F1},{F2}",
    ):
        with pytest.raises(Misuse):
            feed_ids(bad)  # type: ignore[arg-type]


def test_every_documented_status_has_words() -> None:
    assert {"206", "400", "401", "403", "429", "500", "502", "503"} <= set(CODES)


@given(st.integers(-1000, 1000), st.lists(st.tuples(st.text(), st.text())), st.binary())
def test_no_refusal_raises(status: int, headers: list[tuple[str, str]], body: bytes) -> None:
    named = [(name, text) for (name, _), (_, text) in zip(headers, headers, strict=True)]
    extra = [(name, text) for _, text in headers for name in ("Date", "Retry-After")]
    rejected, retry = refusal(
        status, [*named, *extra], body, redactor=Redactor(SECRET), signed_at=NOW
    )
    assert rejected.meaning
    assert len(rejected.message.splitlines()) <= 1
    assert retry.at_least >= 0
