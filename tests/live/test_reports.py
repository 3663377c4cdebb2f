"""Chainlink's reports over REST in one call: from the simulator, and from a service that lies."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from payloads import chainlink
from payloads.chainlink import FullReport
from payloads.errors import Malformed, Misuse, PayloadError, Refused
from payloads.live import reports
from payloads.live.reports import aio
from payloads.simulators import ChainlinkSimulator
from payloads.simulators.threaded import threaded
from payloads.simulators.venues.chainlink import FEEDS, feed_id
from payloads.venues.chainlink import lookups
from payloads.venues.chainlink.auth import ChainlinkCredentials
from payloads.venues.chainlink.rest import Rest
from payloads.venues.common.session import Reply
from tests import corpus

BTC, ETH = FEEDS["BTC/USD"], FEEDS["ETH/USD"]
Ask = Callable[..., Any]


@pytest.fixture
def venue() -> Iterator[ChainlinkSimulator]:
    with threaded(ChainlinkSimulator(rate=50)) as running:
        yield running


def asked(name: str, awaited: bool, *args: Any, **options: Any) -> Any:
    """The answer of the function with this name, in either form."""
    if awaited:
        return asyncio.run(getattr(aio, name)(*args, **options))
    return getattr(reports, name)(*args, **options)


def _mine(venue: ChainlinkSimulator, **changes: str) -> ChainlinkCredentials:
    return ChainlinkCredentials.of(**(venue.credentials | changes))


both = pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])


@both
def test_the_latest_report_is_decoded_and_verifies(
    venue: ChainlinkSimulator, awaited: bool
) -> None:
    found = asked("latest", awaited, BTC, _mine(venue), endpoint=venue.endpoint)
    assert isinstance(found, FullReport)
    assert chainlink.decode(found.raw) == found
    assert found.report.feed_id.hex() == BTC[2:]
    assert venue.judge(found.raw).accepted


@both
def test_a_report_at_a_time_and_several_at_once(venue: ChainlinkSimulator, awaited: bool) -> None:
    newest = asked("latest", awaited, ETH, _mine(venue), endpoint=venue.base)
    then = newest.report.observations_timestamp
    mine = {"credentials": _mine(venue), "endpoint": venue.base}
    assert asked("at", awaited, ETH, then, **mine).report.observations_timestamp == then
    asked("latest", awaited, BTC, **mine)
    time.sleep(0.05)
    found = asked("bulk", awaited, [ETH.upper().replace("X", "x"), BTC], then, **mine)
    assert [each.report.feed_id.hex() for each in found.reports][:1] == [ETH[2:]]
    assert len(found.reports) + len(found.missing) == 2
    none = asked("bulk", awaited, [ETH, BTC], 1_000, **mine)
    assert (none.reports, none.missing) == ((), (ETH, BTC))


@both
def test_what_the_service_refuses_is_refused_in_words(
    venue: ChainlinkSimulator, awaited: bool
) -> None:
    for match, name, args, mine in (
        ("signature", "latest", (BTC,), _mine(venue, secret="SECRET")),
        ("not permitted", "latest", (feed_id(3, "nobody knows"),), _mine(venue)),
        ("no report at that time", "at", (BTC, 1_000), _mine(venue)),
    ):
        with pytest.raises(Refused, match=match) as caught:
            asked(name, awaited, *args, mine, endpoint=venue.endpoint)
        for secret in ("SECRET", *venue.credentials.values()):
            assert secret not in repr(caught.value)
    with pytest.raises(Refused, match="no answer"):
        asked("latest", awaited, BTC, _mine(venue), endpoint="ws://127.0.0.1:1", timeout=5)


@both
def test_wrong_use_is_told_before_anything_is_sent(
    venue: ChainlinkSimulator, awaited: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PAYLOADS_CHAINLINK_KEY", raising=False)
    before = venue.counters.requests
    with pytest.raises(Misuse, match="PAYLOADS_CHAINLINK_KEY"):
        asked("latest", awaited, BTC, endpoint=venue.endpoint)
    for name, args in (
        ("latest", ("0x12",)),
        ("latest", ((BTC, ETH),)),
        ("at", (BTC, -1)),
        ("bulk", ((), 5)),
    ):
        with pytest.raises(Misuse):
            asked(name, awaited, *args, _mine(venue), endpoint=venue.endpoint)
    assert venue.counters.requests == before
    monkeypatch.setenv("PAYLOADS_CHAINLINK_KEY", venue.key)
    monkeypatch.setenv("PAYLOADS_CHAINLINK_SECRET", venue.secret)
    assert asked("latest", awaited, BTC, endpoint=venue.endpoint).raw


# --- a service that lies --------------------------------------------------------------------------

REST = Rest(ChainlinkCredentials.of("key-SECRET", "secret-SECRET"))
OTHER = corpus.entry("cl-093")


def _object(feed: str, text: str) -> dict[str, Any]:
    return {"feedID": feed, "fullReport": text}


@pytest.mark.parametrize(
    "body",
    [
        {"report": _object(BTC, OTHER.text)},
        {"report": _object(BTC, "0x1234")},
        {"report": _object(BTC, "")},
        {"report": {"feedID": BTC}},
        {"report": []},
        {"reports": [_object(BTC, OTHER.text)]},
        {"reports": [7]},
        {"reports": {}},
        {},
        [],
        "text",
    ],
)
def test_an_answer_that_is_not_what_was_asked_for_is_malformed(body: Any) -> None:
    reply = Reply("x", 200, json.dumps(body).encode())
    for lookup in (
        lookups.latest(REST, BTC, 5), lookups.at(REST, BTC, 5, 5), lookups.bulk(REST, [BTC], 5, 5),
    ):  # fmt: skip
        with pytest.raises(Malformed):
            lookup.read(reply)


def test_a_clock_that_is_off_is_told_and_no_credential_is() -> None:
    reply = Reply("x", 401, b"key-SECRET", (("Date", "Mon, 01 Jan 2024 00:00:00 GMT"),))
    with pytest.raises(PayloadError, match=r"clock is \d+ s ahead") as caught:
        lookups.latest(REST, BTC, 5).read(reply)
    assert "SECRET" not in repr((caught.value, caught.value.to_dict()))
