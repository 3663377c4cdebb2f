"""The simulator's checks of an upgrade and of a request."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from payloads.venues.chainlink import server
from payloads.venues.chainlink.auth import (
    signed_headers,
)
from payloads.venues.chainlink.codes import CODES
from payloads.venues.chainlink.session import ChainlinkSession
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import SECOND
from tests.venues.chainlink.kit import (
    ACCOUNTS,
    CREDENTIALS,
    F1,
    F2,
    HERE,
    KEY,
    NOW,
    REST,
    SECRET,
    make_report,
    new_session,
)


def upgrade(session: ChainlinkSession, at: int = NOW) -> tuple[str, tuple[tuple[str, str], ...]]:
    dial = session.dial(at)
    return dial.url.removeprefix(HERE.ws), dial.headers


def without(headers: tuple[tuple[str, str], ...], name: str) -> tuple[tuple[str, str], ...]:
    return tuple((key, value) for key, value in headers if key != name)


@given(
    st.lists(st.sampled_from([F1, F2]), min_size=1),
    st.sampled_from([",", "%2C"]),
    st.integers(-5000, 5000),
    st.sampled_from(["", "a"]),
)
def test_the_sessions_upgrade_is_accepted(
    feeds: list[str], comma: str, off: int, origin: str
) -> None:
    session = ChainlinkSession(CREDENTIALS, feeds, endpoint=HERE, comma=comma, origin=origin)
    path, headers = upgrade(session)
    now = NOW + off * 10**6
    assert server.check_upgrade(path, headers, now, ACCOUNTS, origins=["a"]) is None
    lower = [(name.lower(), value) for name, value in headers]
    assert server.check_upgrade(path, lower, now, ACCOUNTS, origins=["a"]) is None


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Authorization", "400"),
        ("X-Authorization-Timestamp", "400"),
        ("X-Authorization-Signature-SHA256", "400"),
    ],
)
def test_missing_headers(name: str, code: str) -> None:
    path, headers = upgrade(new_session())
    refused = server.check_upgrade(path, without(headers, name), NOW, ACCOUNTS)
    assert refused
    assert (refused.code, refused.about) == (code, name)
    assert name in refused.message


def refused_with(code: str, path: str, headers: Any, now: int = NOW, **options: Any) -> str:
    refused = server.check_upgrade(path, headers, now, options.pop("accounts", ACCOUNTS), **options)
    assert refused is not None
    assert refused.code == code
    assert refused.meaning == CODES.get(code, "")
    assert json.loads(server.body_of(refused))["message"] == refused.message
    return refused.message


def test_each_way_of_being_wrong() -> None:
    path, headers = upgrade(new_session())
    others = {KEY: server.Account(Secret("another-secret"))}
    assert "signature" in refused_with("401", path, headers, accounts=others)
    assert "key" in refused_with("401", path, headers, accounts={})
    for off in (5001, -5001, 60_000):
        assert "off" in refused_with("401", path, headers, NOW + off * 10**6)
    assert "feed" in refused_with("401", path, headers, feeds=[F1])
    permitted = {KEY: server.Account(Secret(SECRET), (F2,))}
    assert "feed" in refused_with("401", path, headers, accounts=permitted)
    assert "connections" in refused_with("429", path, headers, open_connections=20)
    assert "origin" in refused_with("400", path, (*headers, ("X-Cll-Origin", "z")))
    stamped = (*without(headers, "X-Authorization-Timestamp"), ("X-Authorization-Timestamp", "now"))
    assert "milliseconds" in refused_with("400", path, stamped)
    # What is signed must be what is sent: the other comma, another order, another case.
    assert "signature" in refused_with("401", path.replace(",", "%2C"), headers)
    swapped = f"/api/v1/ws?feedIDs={F2},{F1}"
    assert "signature" in refused_with("401", swapped, headers)
    assert "signature" in refused_with("401", path + "&x=1", headers)
    for bad in ("/api/v1/ws", "/api/v1/ws?feedIDs=", "/api/v1/ws?feedIDs=0x12", "/api/v1/ws?a=b"):
        assert "feed" in refused_with("400", bad, headers)
    refused_with("404", "/api/v2/ws", headers)
    refused_with("404", "/api/v1/feeds", headers)
    too_many = "/api/v1/ws?" + "&".join(f"a{i}=1" for i in range(200))
    refused_with("400", too_many, headers)


def test_each_way_of_being_wrong_over_rest() -> None:
    def code(method: str, path: str, headers: Any, **options: Any) -> str:
        refused = server.check_request(method, path, headers, NOW, ACCOUNTS, **options)
        return refused.code if refused else ""

    request = REST.latest(F1, NOW)
    path = request.url.removeprefix(HERE.rest)
    assert code("GET", path, request.headers) == ""
    assert code("POST", path, request.headers) == "405"
    assert code("GET", path, ()) == "400"
    assert code("GET", path, request.headers, body=b"x") == "401", "the body is signed too"
    assert code("GET", path, request.headers, feeds=[F2]) == "401"
    assert code("GET", path, request.headers, recent=[NOW] * 9) == ""
    assert code("GET", path, request.headers, recent=[NOW] * 10) == "429"
    assert code("GET", path, request.headers, recent=[NOW - 2 * SECOND] * 10) == ""
    for bad in ("/api/v1/reports?feedID=" + F1, "/api/v1/reports/latest", path + "," + F2):
        assert code("GET", bad, signed_headers(CREDENTIALS, "GET", bad, NOW)) == "400"
    for bad in ("timestamp=x", "timestamp=-1", "timestamp="):
        wrong = f"/api/v1/reports?feedID={F1}&{bad}"
        assert code("GET", wrong, signed_headers(CREDENTIALS, "GET", wrong, NOW)) == "400"
    assert code("GET", "/nowhere", ()) == "404"


@given(st.text(max_size=80), st.lists(st.tuples(st.text(max_size=9), st.text(max_size=40))))
@example("/api/v1/ws?feedIDs=" + F1, [("Authorization", KEY), ("X-Authorization-Timestamp", "²")])
def test_no_request_raises(path: str, headers: list[tuple[str, str]]) -> None:
    _, good = upgrade(new_session())
    for given_ in (
        headers,
        [*headers, *good],
        [*good[:2], ("X-Authorization-Signature-SHA256", path)],
    ):
        for where in (path, "/api/v1/ws?" + path, f"/api/v1/ws?feedIDs={F1}"):
            server.check_upgrade(where, given_, NOW, ACCOUNTS)
            server.check_request("GET", where, given_, NOW, ACCOUNTS)


def test_a_page_ends_with_a_second() -> None:
    archive = {F1: [make_report(F1, time, price) for time in (1, 2, 3) for price in (1, 2, 3)]}
    status, body = server.answer(server.Query("page", (F1,), 1, 4), archive)
    assert status == 200
    times = [report["observationsTimestamp"] for report in json.loads(body)["reports"]]
    assert times == [1, 1, 1, 2, 2, 2]
    assert server.answer(server.Query("latest", (F2,)), archive)[0] == 404
