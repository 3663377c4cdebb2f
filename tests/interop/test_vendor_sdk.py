"""The vendor's TypeScript SDK, on loopback, with our simulator in the place of the service.

What it hands to its user is compared with what the simulator has sent, report by report and byte by
byte, and what it decodes with what we decode.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from payloads import chainlink, simulators
from payloads.simulators import ChainlinkSimulator
from payloads.simulators.venues.chainlink import feed_id, sequence_of
from tests.interop.node import Failed, Script

Node = Callable[[str], Script]

# Those that the SDK knows; we know all of them.
VERSIONS = range(2, 14)
FEEDS = tuple(feed_id(version, f"interop {version}") for version in VERSIONS)
# The SDK gives a user one report of a feed a second, so each is a second later than the last.
OPTIONS = {"feeds": FEEDS, "rate": 20, "rising": True, "keep": 10**6}


def client(node: Node, venue: ChainlinkSimulator, **config: Any) -> Script:
    script = node("stream.cjs")
    script.ask("client", {
        "apiKey": venue.key, "userSecret": venue.secret, "endpoint": venue.http_url,
        "wsEndpoint": venue.base, "retryDelay": 10,
    } | config)  # fmt: skip
    return script


def quiet(venue: ChainlinkSimulator, script: Script) -> list[dict[str, Any]]:
    """Have the simulator send no more, wait for what it has sent, and answer that, each once."""
    venue.misbehave("drop/1")
    messages = [one.message for one in [*venue.sent] if "drop" not in one.fate]
    sent = [json.loads(message)["report"] for message in dict.fromkeys(messages)]
    last = {raw(reports[-1]) for reports in by_feed(sent).values()}

    def all_here() -> bool:
        return last <= {raw(event["report"]) for event in script.of("report")[-2 * len(last) :]}

    script.until(all_here)
    return sent


def by_feed(reports: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """In the order of each feed; between feeds there is none in HA mode."""
    found: dict[str, list[dict[str, Any]]] = {}
    for report in reports:
        found.setdefault(report["feedID"], []).append(report)
    return found


def raw(report: dict[str, Any]) -> bytes:
    return bytes.fromhex(report["fullReport"][2:])


def numbers(reports: list[dict[str, Any]]) -> dict[str, list[int]]:
    return {f: [sequence_of(raw(one)) for one in found] for f, found in by_feed(reports).items()}


def check_complete(venue: ChainlinkSimulator, reports: list[Any], sent: list[Any]) -> None:
    """That in HA mode everything came once and in order, but for what the SDK drops by its rule.

    That is a report that one connection had not brought yet when another, that was opened after the
    report was made, had already brought the next one.
    """
    opened: dict[tuple[str, int], int] = {}
    for one in [*venue.sent]:
        if "drop" not in one.fate:
            number = sequence_of(raw(json.loads(one.message)["report"]))
            opened.setdefault((one.stream, one.peer), number)
    known = {raw(report) for report in sent}
    assert known.issuperset(map(raw, reports))
    came, due = numbers(reports), numbers(sent)
    assert set(came) == set(due)
    for feed, found in came.items():
        assert all(after > before for before, after in pairwise(found))
        missing = set(due[feed]) - set(found)
        for (where, _), first in opened.items():
            number = first - 1
            while where == feed and number in missing:
                missing.remove(number)
                number -= 1
        assert not missing


def check_decoded(report: dict[str, Any], theirs: dict[str, Any]) -> None:
    """That the SDK reads in a report what we do."""
    ours = chainlink.decode(raw(report)).report
    values = [getattr(ours, name) for name in ours.__struct_fields__]
    # The SDK leaves the first three in their wrapping.
    assert report["feedID"] == "0x" + bytes(values[0]).hex()
    assert [report["validFromTimestamp"], report["observationsTimestamp"]] == values[1:3]
    assert theirs["values"] == [str(int(value)) for value in values[3:]]
    assert theirs["version"] == f"V{int(report['feedID'][2:6], 16)}"


def received(script: Script) -> list[dict[str, Any]]:
    """The reports so far, all of them good and decoded alike on both sides."""
    assert not script.of("error")
    for event in script.of("report"):
        check_decoded(event["report"], event["decoded"])
    return [event["report"] for event in script.of("report")]


def enough(script: Script, count: int) -> Callable[[], bool]:
    return lambda: len(script.events) >= count and len(script.of("report")) >= count


# --- streams --------------------------------------------------------------------------------------


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "deflate"])
@pytest.mark.parametrize("binary", [True, False], ids=["binary", "text"])
def test_streams_every_schema(node: Node, binary: bool, compress: bool) -> None:
    with simulators.start("chainlink", binary=binary, compress=compress, **OPTIONS) as venue:
        script = client(node, venue)
        assert script.ask("stream", FEEDS) == {"type": "single", "origins": [venue.base]}
        script.until(enough(script, 400))
        sent = quiet(venue, script)
        metrics = script.ask("close")
        reports = received(script)
    assert reports == sent
    assert set(by_feed(reports)) == set(FEEDS)
    for found in numbers(reports).values():
        assert found == [*range(found[0], found[0] + len(found))]
    assert metrics["accepted"] == len(sent)
    assert metrics["deduplicated"] == 0


@pytest.mark.parametrize("discovered", [True, False], ids=["discovered", "listed"])
def test_high_availability(node: Node, discovered: bool) -> None:
    with simulators.start("chainlink", **OPTIONS) as venue:
        if discovered:
            script = client(node, venue, haMode=True)
            origins = [f"{venue.base}#{origin}" for origin in venue.origins]
        else:
            origins = [venue.base, venue.base.replace("127.0.0.1", "localhost")]
            script = client(node, venue, haMode=True, wsEndpoint=",".join(origins))
        assert script.ask("stream", FEEDS) == {"type": "multiple", "origins": origins}
        script.until(enough(script, 400))
        named = {peer.request.header("X-Cll-Origin") for peer in venue.peers}
        assert named == ({"001", "002"} if discovered else {""})
        sent = quiet(venue, script)
        frames = sum("drop" not in one.fate for one in [*venue.sent])
        for _ in range(200):
            metrics = script.ask("metrics")
            if metrics["totalReceived"] == frames:
                break
            time.sleep(0.02)
        script.ask("close")
        reports = received(script)
        check_complete(venue, reports, sent)
    assert metrics["accepted"] == len(reports)
    assert metrics["deduplicated"] == frames - len(reports) > 300
    assert metrics["configuredConnections"] == 2


def test_high_availability_survives_the_loss_of_one_origin(node: Node) -> None:
    with simulators.start("chainlink", **OPTIONS) as venue:
        script = client(node, venue, haMode=True)
        script.ask("stream", FEEDS, {"reconnectInterval": 200})
        script.until(enough(script, 200))
        venue.misbehave("cut@1")
        script.until(lambda: script.of("restored"))
        script.until(enough(script, len(script.of("report")) + 200))
        assert venue.counters.misbehaved["cut"] == 1
        assert venue.counters.connections == 3
        sent = quiet(venue, script)
        metrics = script.ask("close")
        # The other origin went on meanwhile: there is no gap.
        for found in numbers(sent).values():
            assert found == [*range(found[0], found[0] + len(found))]
        check_complete(venue, received(script), sent)
    assert (metrics["partialReconnects"], metrics["fullReconnects"]) == (1, 0)
    assert not script.of("disconnected")


@pytest.mark.parametrize("ha", [False, True], ids=["single", "ha"])
def test_a_restart_is_survived(node: Node, ha: bool) -> None:
    with simulators.start("chainlink", **OPTIONS) as venue:
        connections = 2 if ha else 1
        script = client(node, venue, haMode=ha)
        script.ask("stream", FEEDS, {"reconnectInterval": 1000})
        script.until(enough(script, 200))
        venue.restart(0.2)
        script.until(lambda: len(script.of("restored")) == connections)
        script.until(enough(script, len(script.of("report")) + 200))
        sent = quiet(venue, script)
        script.ask("close")
        reports = received(script)
        assert venue.counters.connections == 2 * connections
        # Everything that was sent has come, once; what was made meanwhile was sent to nobody.
        if ha:
            check_complete(venue, reports, sent)
        else:
            assert reports == sent
        for found in numbers(reports).values():
            assert max(after - before for before, after in pairwise(found)) > 10
    assert script.of("disconnected")
    assert len(script.of("down")) == connections


# --- refusals -------------------------------------------------------------------------------------

WRONG = {
    "secret": ({"userSecret": "not-the-secret"}, "HMAC signature mismatch"),
    "key": ({"apiKey": "99999999-1111-4222-8333-444444444444"}, "unknown API key"),
}


@pytest.mark.parametrize("ha", [False, True], ids=["single", "ha"])
@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_credentials(node: Node, wrong: str, ha: bool) -> None:
    config, why = WRONG[wrong]
    with simulators.start("chainlink", **OPTIONS) as venue:
        script = client(node, venue, haMode=ha, **config)
        with pytest.raises(Failed) as rest:
            script.ask("call", "listFeeds")
        assert (rest.value.name, rest.value.status) == ("APIError", 401)
        assert rest.value.message == why
        with pytest.raises(Failed) as stream:
            script.ask("stream", FEEDS)
        assert stream.value.name == "MultiConnectionError"
        (reason,) = stream.value.connections
        assert "Authentication failed during WebSocket handshake (401)" in reason
        # The SDK asks nothing twice that got a 401.
        assert venue.counters.refused["401"] == (3 if ha else 2)
        assert venue.counters.connections == 0
        assert not script.of("report")


def test_a_feed_that_is_not_permitted(node: Node) -> None:
    with simulators.start("chainlink", **OPTIONS) as venue:
        script = client(node, venue)
        unknown = feed_id(3, "nobody knows")
        with pytest.raises(Failed) as rest:
            script.ask("call", "getLatestReport", unknown)
        assert rest.value.status == 401
        with pytest.raises(Failed) as stream:
            script.ask("stream", [FEEDS[0], unknown])
        assert "(401)" in stream.value.connections[0]


# --- REST -----------------------------------------------------------------------------------------


def test_rest(node: Node) -> None:
    with simulators.start("chainlink", **OPTIONS) as venue:
        script = client(node, venue)
        feeds = script.ask("call", "listFeeds")
        assert feeds == [{"feedID": feed} for feed in FEEDS]

        script.ask("stream", FEEDS)
        script.until(enough(script, 30 * len(FEEDS)))
        script.ask("close")
        streamed = by_feed(received(script))

        for feed in FEEDS[:5]:  # more than ten a second are refused
            latest = script.ask("call", "getLatestReport", feed)
            check_decoded(latest, script.ask("decode", latest))
            assert sequence_of(raw(latest)) >= sequence_of(raw(streamed[feed][-1]))

        one = streamed[FEEDS[1]][10]
        at = one["observationsTimestamp"]
        assert script.ask("call", "getReportByTimestamp", FEEDS[1], at) == one

        # Two pages, the second from where the first ended.
        wanted = streamed[FEEDS[2]][5:20]
        since = wanted[0]["observationsTimestamp"]
        first = script.ask("call", "getReportsPage", FEEDS[2], since, 7)
        since = first[-1]["observationsTimestamp"] + 1
        second = script.ask("call", "getReportsPage", FEEDS[2], since, 8)
        assert first + second == wanted
        assert script.ask("call", "getReportsPage", FEEDS[2], since) == streamed[FEEDS[2]][12:22]

        bulk = script.ask("call", "getReportsBulk", FEEDS, at)
        assert {report["feedID"] for report in bulk} == set(FEEDS)
        for report in bulk:
            assert report in streamed[report["feedID"]]
            assert report["validFromTimestamp"] <= at <= report["observationsTimestamp"]


def test_rest_refusals(node: Node) -> None:
    with simulators.start("chainlink", **OPTIONS) as venue:
        script = client(node, venue, retryAttempts=2)
        # A 206: what there is comes.
        assert script.ask("call", "getReportsBulk", FEEDS[:2], 1) == []
        with pytest.raises(Failed) as none:
            script.ask("call", "getReportByTimestamp", FEEDS[0], 1)
        assert (none.value.name, none.value.status) == ("APIError", 404)
        # It comes back after a 503, and after the simulator let it in again.
        venue.refuse(503, times=2, requests=True)
        assert len(script.ask("call", "listFeeds")) == len(FEEDS)
        assert venue.counters.refused["503"] == 2
