"""Data Streams on loopback: refusals, streams, REST, origins, gaps, and payloads that verify."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from typing import Any

import pytest

from payloads import chainlink
from payloads.chainlink.state import V03, V04, V05
from payloads.chainlink.verifier import judge
from payloads.errors import Misuse, Refused
from payloads.live import stream
from payloads.simulators import ChainlinkSimulator
from payloads.simulators.threaded import threaded
from payloads.simulators.venues.chainlink import FEEDS, feed_id, sequence_of
from payloads.testing import InsecureTestNetwork
from payloads.venues.chainlink.auth import ChainlinkCredentials, signed_headers
from payloads.venues.chainlink.dedupe import SdkDeduplicator
from payloads.venues.chainlink.session import ChainlinkSession
from payloads.venues.common.dedupe import Duplicate
from payloads.venues.common.session import SECOND, Data, Event, Rejected
from payloads.venues.common.session_group import Degraded
from payloads.verdicts.state import State
from tests.simulators.kit import (
    ask,
    collect,
    dial_of,
    dialled,
    driven,
    keep,
    kinds,
    received,
    refusal,
    run,
    until,
)

BTC, ETH = FEEDS["BTC/USD"], FEEDS["ETH/USD"]
KEY, SECRET = "00000000-1111-4222-8333-444444444444", "payloads-insecure-test-secret"
GOOD = ChainlinkCredentials.of(KEY, SECRET)
BAD = ChainlinkCredentials.of(KEY, "wrong-secret")


def headers_for(
    venue: ChainlinkSimulator, path: str, *, credentials: ChainlinkCredentials = GOOD,
    late: int = 0, leave_out: str = "", **changed: str,
) -> list[tuple[str, str]]:  # fmt: skip
    made = signed_headers(credentials, "GET", path, venue.now() - late)
    return [(name, changed.get(name, value)) for name, value in made if name != leave_out]


# --- refusals -------------------------------------------------------------------------------------

PATH = f"/api/v1/ws?feedIDs={BTC}"
WRONG: dict[str, tuple[int, dict[str, Any]]] = {
    "no key": (400, {"leave_out": "Authorization"}),
    "no time": (400, {"leave_out": "X-Authorization-Timestamp"}),
    "no signature": (400, {"leave_out": "X-Authorization-Signature-SHA256"}),
    "a time that is none": (400, {"X-Authorization-Timestamp": "soon"}),
    "another key": (401, {"Authorization": "11111111-1111-1111-1111-111111111111"}),
    "another secret": (401, {"credentials": BAD}),
    "another signature": (401, {"X-Authorization-Signature-SHA256": "00" * 32}),
    "six seconds late": (401, {"late": 6 * SECOND}),
    "six seconds early": (401, {"late": -6 * SECOND}),
    "an unknown origin": (400, {}),
    "an unknown feed": (401, {"path": f"/api/v1/ws?feedIDs={feed_id(3, 'nobody knows')}"}),
    "no feed": (400, {"path": "/api/v1/ws?feedIDs="}),
    "no query": (400, {"path": "/api/v1/ws"}),
    "a feed that is none": (400, {"path": "/api/v1/ws?feedIDs=0x12"}),
    "another path": (404, {"path": f"/api/v2/ws?feedIDs={BTC}"}),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_refused_with_the_venues_status(wrong: str) -> None:
    status, options = WRONG[wrong]

    async def test() -> None:
        async with ChainlinkSimulator() as venue:
            path = options.get("path", PATH)
            rest = {key: value for key, value in options.items() if key != "path"}
            headers = headers_for(venue, path, **rest)
            if wrong == "an unknown origin":
                headers.append(("X-Cll-Origin", "999"))
            found, body = await refusal(venue.base + path, headers)
            assert found == status
            assert body["error"]
            assert body["message"] == body["error"]
            assert venue.counters.refused == {str(status): 1}
            assert venue.counters.connections == 0

    run(test())


def test_the_signature_is_over_the_path_as_sent() -> None:
    async def test() -> None:
        async with ChainlinkSimulator() as venue:
            for comma in (",", "%2C"):
                path = f"/api/v1/ws?feedIDs={BTC}{comma}{ETH}"
                async with dialled(venue.base + path, headers_for(venue, path)):
                    pass
            other = f"/api/v1/ws?feedIDs={BTC}%2C{ETH}"
            signed = headers_for(venue, f"/api/v1/ws?feedIDs={BTC},{ETH}")
            assert (await refusal(venue.base + other, signed))[0] == 401

    run(test())


def test_twenty_connections_and_no_more() -> None:
    async def test() -> None:
        async with ChainlinkSimulator() as venue:
            sockets = [dialled(venue.base + PATH, headers_for(venue, PATH)) for _ in range(20)]
            for socket in sockets:
                await socket.__aenter__()
            assert (await refusal(venue.base + PATH, headers_for(venue, PATH)))[0] == 429
            for socket in sockets:
                await socket.__aexit__(None, None, None)

    run(test())


@pytest.mark.parametrize(
    ("wrong", "status", "words"),
    [
        ({"leave_out": "Authorization"}, 400, "Authorization"),
        ({"leave_out": "X-Authorization-Timestamp"}, 400, "X-Authorization-Timestamp"),
        ({"leave_out": "X-Authorization-Signature-SHA256"}, 400, "Signature-SHA256"),
        ({"Authorization": "11111111-1111-1111-1111-111111111111"}, 401, "unknown API key"),
        ({"credentials": BAD}, 401, "signature mismatch"),
        ({"late": 6 * SECOND}, 401, "-6000 ms off"),
        ({"late": -6 * SECOND}, 401, "+6000 ms off"),
    ],
)
def test_requests_are_refused_for_the_same(wrong: Any, status: int, words: str) -> None:
    async def test() -> None:
        async with ChainlinkSimulator(clock=lambda: 1_700_000_000 * SECOND) as venue:
            for path in ("/api/v1/feeds", f"/api/v1/reports/latest?feedID={BTC}"):
                found, body = await get(venue, path, **wrong)
                assert (found, words in body["error"]) == (status, True), body
            path = "/api/v1/feeds"
            reply = await ask("POST", venue.http_url + path, headers_for(venue, path))
            assert reply.status == 405
            strange = f"/api/v1/reports/latest?feedID={feed_id(3, 'nobody knows')}"
            assert (await get(venue, strange))[0] == 401
            assert (await get(venue, "/api/v1/other"))[0] == 404

    run(test())


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("key", "unknown API key"), ("secret", "signature mismatch"),
        ("late clock", "timestamp"), ("early clock", "timestamp"), ("feed", "not permitted"),
    ],
)  # fmt: skip
def test_our_client_is_told_why_and_does_not_try_again(wrong: str, told: str) -> None:
    async def test() -> None:
        async with ChainlinkSimulator() as venue:
            key = "11111111-1111-4111-8111-111111111111" if wrong == "key" else GOOD.key.reveal()
            secret = "wrong-secret" if wrong == "secret" else GOOD.secret.reveal()
            feed = feed_id(3, "nobody knows") if wrong == "feed" else BTC
            session = ChainlinkSession(
                ChainlinkCredentials.of(key, secret), [feed], endpoint=venue.endpoint
            )
            skew = {"late clock": -6, "early clock": 6}.get(wrong, 0) * SECOND
            events: list[Event] = []
            async with driven(session, clock=lambda: venue.now() + skew) as connection:
                with pytest.raises(Refused, match="401"):
                    await keep(events, connection)
            (rejected,) = [event for event in events if isinstance(event, Rejected)]
            assert rejected.code == "HTTP 401"
            assert told in rejected.message
            assert rejected.meaning
            assert venue.counters.dials == 1

    run(test())


# --- streams --------------------------------------------------------------------------------------


@pytest.mark.parametrize("binary", [True, False])
def test_reports_as_the_venue_wraps_them(binary: bool) -> None:
    async def test() -> None:
        async with ChainlinkSimulator(rate=50, binary=binary) as venue:
            dial = dial_of(venue.session(BTC, ETH), venue)
            async with dialled(dial.url, dial.headers) as socket:
                raw = await socket.recv()
                assert isinstance(raw, bytes) is binary
                messages = [json.loads(raw), *[await received(socket) for _ in range(9)]]
        reports = [message["report"] for message in messages]
        assert {report["feedID"] for report in reports} == {BTC, ETH}
        for report in reports:
            payload = chainlink.decode(report["fullReport"])
            assert payload.report.feed_id.hex() == report["feedID"][2:]
            assert payload.report.observations_timestamp == report["observationsTimestamp"]
            assert payload.report.valid_from_timestamp == report["validFromTimestamp"]
            assert payload.departures == []
            assert len(payload.rs) == venue.network.f + 1

    run(test())


@pytest.mark.parametrize("schema", list(chainlink.SCHEMAS.values()), ids=lambda schema: schema.key)
def test_every_schema(schema: Any) -> None:
    async def test() -> None:
        feed = "0x" + schema.prefix.hex() + "77" * 30
        async with ChainlinkSimulator(feeds=[feed], rate=50) as venue:
            async with driven(venue.session()) as connection:
                events = await collect(connection, lambda all_: kinds(all_)["Data"] >= 2)
            payloads = [event.payload for event in events if isinstance(event, Data)]
            for payload in payloads:
                assert payload is not None
                assert chainlink.decode(payload).report.schema is schema
                assert judge(payload, venue.state()).accepted

    run(test())


def test_a_feed_of_no_known_schema_is_misuse() -> None:
    with pytest.raises(Misuse, match="schema"):
        ChainlinkSimulator(feeds=["0x" + "99" * 32])


def test_times_can_rise_with_every_report() -> None:
    async def test() -> None:
        async with ChainlinkSimulator(rate=200, rising=True) as venue:
            sessions = venue.high_availability(BTC, deduplicator=SdkDeduplicator())
            async with driven(sessions) as connection:
                events = await collect(connection, lambda all_: kinds(all_)["Data"] >= 30)
            numbers = [sequence_of(e.payload) for e in events if isinstance(e, Data) and e.payload]
            # The SDKs' rule, one report a feed and second, loses none of them.
            assert numbers == [*range(numbers[0], numbers[0] + len(numbers))]

    run(test())


def test_all_origins_are_one_call() -> None:
    """In asyncio and without, a group is driven and read like a session."""

    async def test() -> None:
        async with ChainlinkSimulator(rate=50) as venue:
            group = venue.high_availability(BTC)
            async with driven(group) as connection:
                assert [*connection.connections] == []
                await connection.ready()
                sessions = [each.session for each in connection.connections]
                assert sessions == [*group.sessions]
                with pytest.raises(Misuse, match="once"):
                    connection.start()
                events = await collect(connection, lambda all_: kinds(all_)["Duplicate"] >= 20)
            assert group.origins == venue.origins == ("001", "002")
            assert kinds(events)["Opened"] == 2
            assert not group.alive
            with pytest.raises(TypeError, match="no_option"):
                driven(group, no_option=1)

    run(test())
    with threaded(ChainlinkSimulator(rate=50)) as venue:
        group, seen = venue.high_availability(BTC), Counter[int]()
        for delivery in stream(group, proxy=False):
            seen[delivery.connection] += sum(
                isinstance(e, Data | Duplicate) for e in delivery.events
            )
            if min(seen[1], seen[2]) >= 10:
                break
    assert set(seen) == {1, 2}


def test_without_origins_the_reader_hears_of_it() -> None:
    async def test() -> None:
        async with ChainlinkSimulator(rate=50, origins=[]) as venue:
            async with driven(venue.high_availability()) as connection:
                events = await collect(connection, lambda all_: kinds(all_)["Data"] >= 2)
            assert isinstance(events[0], Degraded)
            assert kinds(events)["Opened"] == 1

    run(test())


# --- verification ---------------------------------------------------------------------------------


@pytest.mark.parametrize("contract", [V03, V04, V05])
def test_what_is_signed_verifies(contract: str) -> None:
    async def test() -> None:
        async with ChainlinkSimulator(rate=50) as venue:
            state = State.from_dict(venue.state(contract).to_dict())
            assert state == venue.state(contract, now=state.now)
            async with driven(venue.session()) as connection:
                events = await collect(connection, lambda all_: kinds(all_)["Data"] >= 12)
            for event in events:
                if isinstance(event, Data):
                    assert event.payload is not None
                    assert judge(event.payload, state).accepted
                    assert venue.judge(event.payload).accepted

    run(test())


def test_what_is_bad_is_refused_and_nothing_else() -> None:
    async def test() -> None:
        async with ChainlinkSimulator(rate=100, bad_share=0.4, seed=3) as venue:
            async with driven(venue.session()) as connection:
                events = await collect(connection, lambda all_: kinds(all_)["Data"] >= 120)
            verdicts: Counter[tuple[str, str]] = Counter()
            bad = {
                bytes.fromhex(json.loads(sent.message)["report"]["fullReport"][2:]): sent.bad
                for sent in venue.sent
            }
            for event in events:
                if isinstance(event, Data):
                    assert event.payload is not None
                    verdict = venue.judge(event.payload)
                    spoilt = bad[event.payload]
                    assert verdict.accepted == (spoilt == ""), (spoilt, verdict)
                    verdicts[spoilt, getattr(verdict, "error", None) or ""] += 1
            assert verdicts["wrong_signer", "BadVerification"]
            assert verdicts["flipped", "BadVerification"]
            assert verdicts["expired", "ExpiredReport"]
            assert {kind for kind, _ in verdicts} == {"", *ChainlinkSimulator.BAD}
            assert set(venue.counters.bad) == set(ChainlinkSimulator.BAD)

    run(test())


def test_another_network_of_oracles() -> None:
    async def test() -> None:
        small = InsecureTestNetwork("small", 4, 1)
        async with ChainlinkSimulator(network=small, feeds=[BTC]) as venue:
            async with driven(venue.session()) as connection:
                events = await collect(connection, lambda all_: kinds(all_)["Data"] >= 1)
            payload = next(event.payload for event in events if isinstance(event, Data))
            assert payload is not None
            signers = {signer.address for signer in chainlink.recover(chainlink.decode(payload))}
            assert len(signers) == 2
            assert signers <= set(small.signers)

    run(test())


# --- REST -----------------------------------------------------------------------------------------


async def get(venue: ChainlinkSimulator, path: str, **wrong: Any) -> tuple[int, Any]:
    reply = await ask("GET", venue.http_url + path, headers_for(venue, path, **wrong))
    return reply.status, json.loads(reply.body)


def test_rest() -> None:
    async def test() -> None:
        async with ChainlinkSimulator(rate=20) as venue:
            status, body = await get(venue, "/api/v1/feeds")
            assert (status, [feed["feedID"] for feed in body["feeds"]]) == (200, [*venue.feeds])
            status, body = await get(venue, f"/api/v1/reports/latest?feedID={BTC}")
            assert status == 200
            assert judge(body["report"]["fullReport"], venue.state()).accepted
            at = body["report"]["observationsTimestamp"]
            status, body = await get(venue, f"/api/v1/reports?feedID={BTC}&timestamp={at}")
            assert (status, body["report"]["observationsTimestamp"]) == (200, at)
            status, body = await get(venue, f"/api/v1/reports?feedID={BTC}&timestamp={at - 999}")
            assert status == 404
            both = f"/api/v1/reports/bulk?feedIDs={BTC},{ETH}&timestamp="
            await get(venue, f"/api/v1/reports/latest?feedID={ETH}")
            status = 206
            while status == 206:  # the second has only just begun
                await asyncio.sleep(0.2)
                status, body = await get(venue, f"{both}{venue.now() // SECOND}")
            assert (status, len(body["reports"])) == (200, 2)
            assert (await get(venue, f"{both}{at - 999}"))[0] == 206
            assert (await get(venue, f"{both}soon"))[0] == 400
            assert (await get(venue, "/api/v1/feeds", late=9 * SECOND))[0] == 401

    run(test())


def test_a_page_never_ends_within_a_second() -> None:
    """The next one starts a second later, and would skip the rest of it."""

    async def test() -> None:
        async with ChainlinkSimulator(rate=40, feeds=[BTC]) as venue:
            await get(venue, f"/api/v1/reports/latest?feedID={BTC}")
            times = [0]

            def over() -> bool:
                """Whether there are enough reports, and the second of the last of them is over."""
                archive = venue._feeds[BTC].archive
                times[:] = [report["observationsTimestamp"] for report in archive]
                return len(times) > 30 and times[-1] > times[30]

            await until(over, 15)
            start, numbers = 0, list[int]()
            while start <= times[30]:
                path = f"/api/v1/reports/page?feedID={BTC}&startTimestamp={start}&limit=5"
                _, body = await get(venue, path)
                numbers += [
                    sequence_of(bytes.fromhex(r["fullReport"][2:])) for r in body["reports"]
                ]
                start = body["reports"][-1]["observationsTimestamp"] + 1
            assert numbers == [*range(1, len(numbers) + 1)]
            assert len(numbers) > 30

    run(test())


def test_ten_requests_a_second() -> None:
    async def test() -> None:
        stopped = time.time_ns()
        async with ChainlinkSimulator(clock=lambda: stopped) as venue:
            found = [(await get(venue, "/api/v1/feeds"))[0] for _ in range(12)]
            assert found == [200] * 10 + [429] * 2
            assert (await get(venue, f"/api/v1/reports/latest?feedID={BTC}"))[0] == 200

    run(test())


def test_what_is_no_http_is_answered_and_let_go() -> None:
    async def test() -> None:
        async with ChainlinkSimulator() as venue:
            for raw in (b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nbroken\r\n\r\n", b"A" * 200_000):
                reader, writer = await asyncio.open_connection("127.0.0.1", venue.port)
                writer.write(raw)
                answer = await reader.read()
                assert answer.startswith(b"HTTP/1.1 400 ")
                writer.close()
            async with driven(venue.session()) as connection:
                await collect(connection, lambda all_: kinds(all_)["Data"] > 0)

    run(test())


def test_the_clock_can_be_given() -> None:
    async def test() -> None:
        async with ChainlinkSimulator(clock=lambda: 1_700_000_000 * SECOND, rate=20) as venue:
            session = venue.session(BTC)
            async with driven(session, clock=venue.now) as connection:
                events = await collect(connection, lambda all_: kinds(all_)["Data"] >= 3)
            data = [event for event in events if isinstance(event, Data)]
            assert {event.content.observations_timestamp for event in data} == {1_700_000_000}
            await until(lambda: not venue.peers)

    run(test())
