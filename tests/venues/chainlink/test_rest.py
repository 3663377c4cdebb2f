"""Requests over REST, and the answers to them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payloads.errors import Misuse, Refused
from payloads.venues.chainlink import server
from payloads.venues.chainlink.auth import (
    ENCODED,
)
from payloads.venues.chainlink.rest import Rest, parse_origins
from payloads.venues.common.session import SECOND, Reply, Request
from tests.checks import outcome
from tests.strategies import JSON
from tests.venues.chainlink.kit import (
    ACCOUNTS,
    CREDENTIALS,
    F1,
    F2,
    HERE,
    NOW,
    REST,
    make_report,
)


@pytest.mark.parametrize(
    ("value", "origins"),
    [
        ("{001,002}", ("001", "002")),
        ("001,002", ("001", "002")),
        (" { 001 , 002 } ", ("001", "002")),
        ("{one}", ("one",)),
        ("", ()),
        ("{}", ()),
        (",,a,,a", ("a",)),
        ("a\r\nX-Evil: 1,b", ("b",)),
        ("https://a.example/x", ("https://a.example/x",)),
        (",".join(map(str, range(500))), tuple(map(str, range(20)))),
    ],
)
def test_parse_origins(value: str, origins: tuple[str, ...]) -> None:
    assert parse_origins(value) == origins


ARCHIVE = {
    F1: [make_report(F1, time) for time in range(1000, 1025)],
    F2: [make_report(F2, time) for time in range(1010, 1012)],
}


def ask(request: Request, now: int = NOW, **options: Any) -> Reply:
    """What the service answers: checked and answered by the simulator's own functions."""
    path = request.url.removeprefix(HERE.rest)
    refused = server.check_request(
        request.method, path, request.headers, now, ACCOUNTS, body=request.body, **options
    )
    if refused is not None:
        return Reply(request.purpose, int(refused.code), server.body_of(refused))
    return Reply(request.purpose, *server.answer(server.read_query(path), ARCHIVE))


def test_rest_urls() -> None:
    base = "http://127.0.0.1:4101/api/v1"
    assert REST.feeds(NOW).url == f"{base}/feeds"
    assert REST.latest(F1, NOW).url == f"{base}/reports/latest?feedID={F1}"
    assert REST.at(F1, 7, NOW).url == f"{base}/reports?feedID={F1}&timestamp=7"
    assert REST.bulk([F1, F2], 7, NOW).url == f"{base}/reports/bulk?feedIDs={F1},{F2}&timestamp=7"
    encoded = Rest(CREDENTIALS, HERE, comma=ENCODED).bulk([F1, F2], 7, NOW)
    assert encoded.url == f"{base}/reports/bulk?feedIDs={F1}%2C{F2}&timestamp=7"
    assert server.read_query(encoded.url.removeprefix(HERE.rest)).feeds == (F1, F2)
    assert REST.page(F1, 7, NOW).url == f"{base}/reports/page?feedID={F1}&startTimestamp=7"
    assert REST.page(F1, 7, NOW, 5).url.endswith("&limit=5")
    for bad in (-1, True, 1.0, "7", 2**63):
        with pytest.raises(Misuse):
            REST.at(F1, bad, NOW)  # type: ignore[arg-type]
    assert dict(REST.feeds(1718885772 * 10**6).headers)["X-Authorization-Timestamp"] == "1718885772"


def test_rest_answers() -> None:
    assert REST.read_feeds(ask(REST.feeds(NOW))) == (F1, F2)
    assert REST.read_one(ask(REST.latest(F1, NOW))).observations_timestamp == 1024
    assert REST.read_one(ask(REST.at(F1, 1003, NOW))).observations_timestamp == 1003
    bulk = REST.read_bulk(ask(REST.bulk([F1, F2], 1010, NOW)), [F1, F2])
    assert ({report.feed_id for report in bulk.reports}, bulk.missing) == ({F1, F2}, ())
    page = REST.read_page(ask(REST.page(F1, 1001, NOW, 3)))
    assert [report.observations_timestamp for report in page.reports] == [1001, 1002, 1003]
    assert page.next_timestamp == 1004
    assert REST.read_page(ask(REST.page(F1, 5000, NOW))).next_timestamp is None


def test_bulk_says_which_are_missing() -> None:
    reply = ask(REST.bulk([F2, F1], 1000, NOW))
    assert reply.status == 206
    bulk = REST.read_bulk(reply, [F2, F1])
    assert [report.feed_id for report in bulk.reports] == [F1]
    assert bulk.missing == (F2,)


def test_refused_requests_say_why() -> None:
    request = REST.latest(F1, NOW)
    with pytest.raises(Refused, match="401") as caught:
        REST.read_one(ask(request, NOW + 6 * SECOND))
    assert "the timestamp is -6000 ms off" in str(caught.value)
    rejected, retry = REST.refusal(Reply("x", 429, b"", (("Retry-After", "2"),)))
    assert (rejected.code, retry.again, retry.at_least) == ("HTTP 429", True, 2 * SECOND)
    assert not REST.refusal(Reply("x", 401, b""))[1].again
    with pytest.raises(Refused):
        REST.read_page(Reply("x", 206, b'{"reports":[]}'))


@given(st.integers(0, 600), st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_answers_raise_the_family_only(status: int, body: bytes) -> None:
    for status_ in (status, 200, 206):
        reply = Reply("x", status_, body)
        for read_ in (
            REST.read_feeds, REST.read_one, REST.read_page, REST.read_origins,
            lambda it: REST.read_bulk(it, [F1]),
        ):  # fmt: skip
            found = outcome(read_, reply)
            assert not isinstance(found, Misuse)
