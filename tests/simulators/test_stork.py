"""Stork Fast on loopback."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import Any

import pytest

from payloads import stork
from payloads.errors import Misuse, Refused
from payloads.simulators import StorkSimulator
from payloads.simulators.venues.stork import ASSETS, sequence_of
from payloads.stork.update import PLAIN, VERSIONED, UnsignedUpdate
from payloads.stork.verifier import judge
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import SECOND, Closed, Data, Event, Rejected, Unsubscribed
from payloads.venues.stork.session import StorkSession
from payloads.verdicts.state import State
from tests.simulators.kit import (
    ask,
    collect,
    dialled,
    driven,
    in_order,
    keep,
    kinds,
    received,
    refusal,
    run,
    until,
)

TOKEN = [("Authorization", "Basic payloads-insecure-test-token")]
QUERY = "?channel=10ms&message_type=signed_ecdsa"


@pytest.mark.parametrize(
    ("path", "headers", "status", "words"),
    [
        ("/ws" + QUERY, [], 401, "missing header"),
        ("/ws" + QUERY, [("Authorization", "Basic wrong")], 401, "invalid token"),
        ("/ws" + QUERY, [("Authorization", "Basic ")], 401, "Basic <token>"),
        ("/ws" + QUERY, [("Authorization", "payloads-insecure-test-token")], 401, "Basic <token>"),
        (
            "/ws" + QUERY, [("Authorization", "Bearer payloads-insecure-test-token")],
            401, "Basic <token>",
        ),
        # As HTTP libraries make it of a user's name and a password.
        ("/ws" + QUERY, [("Authorization", "Basic cGF5bG9hZHM6dG9rZW4=")], 401, "invalid token"),
        ("/ws?channel=3ms", TOKEN, 400, "channel"),
        ("/ws?message_type=signed_ed25519", TOKEN, 400, "message_type"),
        ("/ws?addtl_attrs=xy", TOKEN, 400, "addtl_attrs"),
        ("/other", TOKEN, 404, "no websocket"),
    ],
)  # fmt: skip
def test_refused(path: str, headers: Any, status: int, words: str) -> None:
    async def test() -> None:
        async with StorkSimulator() as venue:
            found, body = await refusal(venue.base + path, headers)
            assert (found, [*body]) == (status, ["error"])
            assert words in body["error"]
            assert venue.counters.refused == {str(status): 1}

    run(test())


@pytest.mark.parametrize(
    "headers", [[], [("Authorization", "Basic wrong")], [("Authorization", "Bearer x")]]
)
def test_the_taxonomy_wants_the_token_too(headers: Any) -> None:
    async def test() -> None:
        async with StorkSimulator() as venue:
            reply = await ask("GET", venue.http_url + "/v1/taxonomy", headers)
            assert (reply.status, [*json.loads(reply.body)]) == (401, ["error"])
            venue.expire()
            assert (await ask("GET", venue.http_url + "/v1/taxonomy", TOKEN)).status == 401

    run(test())


def test_deflate_may_be_insisted_on() -> None:
    async def test() -> None:
        async with StorkSimulator(needs_deflate=True, rate=50) as venue:
            assert (await refusal(venue.url, TOKEN, compression=None))[0] == 400
            async with driven(venue.session()) as connection:
                events = await collect(connection, lambda all_: kinds(all_)["Data"] > 3)
            assert kinds(events)["Data"]

    run(test())


def test_subscribe_receive_unsubscribe() -> None:
    async def test() -> None:
        async with StorkSimulator(rate=100) as venue:
            async with dialled(venue.base + "/ws" + QUERY, TOKEN) as socket:
                await socket.send('{"type":"subscribe","assets":[3,4]}')
                first = [await received(socket) for _ in range(5)]
                await socket.send('{"type":"unsubscribe","assets":[4]}')
                later = [await received(socket)]
                while len(stork.decode(later[-1]["p"]).assets) == 2:
                    later.append(await received(socket))
                later += [await received(socket) for _ in range(5)]
                await socket.send('{"type":"unsubscribe","assets":[3]}')
                await until(lambda: not venue._streams)
            updates = [stork.decode(one["p"]) for one in first]
            assert {one["type"] for one in first} == {"signed_ecdsa"}
            assert [len(update.assets) for update in updates] == [2] * 5
            for one in later[-6:]:
                assert [asset.asset_id for asset in stork.decode(one["p"]).assets] == [3]
            numbers = [sequence_of(bytes.fromhex(one["p"][2:])) for one in [*first, *later]]
            assert in_order(numbers)

    run(test())


@pytest.mark.parametrize(
    "message",
    [
        '{"type":"subscribe","assets":["BTCUSD"]}',
        '{"type":"subscribe","data":[1]}',
        '{"type":"usubscribe","assets":[1]}',
        '{"type":"subscribe","assets":[70000]}',
        '{"type":"subscribe","assets":[999]}',
        "not JSON",
    ],
)
def test_commands_that_are_not_taken(message: str) -> None:
    async def test() -> None:
        async with StorkSimulator() as venue:
            async with dialled(venue.base + "/ws" + QUERY, TOKEN) as socket:
                await socket.send(message)
                assert (await received(socket))["type"] == "error"
            assert venue.counters.refused == {"message": 1}

    run(test())


@pytest.mark.parametrize("market_status", [False, True])
def test_both_layouts(market_status: bool) -> None:
    async def test() -> None:
        async with StorkSimulator(rate=100) as venue:
            session = venue.session("AAPLUSD", "BTCUSD", market_status=market_status)
            async with driven(session) as connection:
                events = await collect(connection, lambda all_: kinds(all_)["Data"] >= 3)
            for event in events:
                if isinstance(event, Data):
                    assert event.payload is not None
                    update = stork.decode(event.payload)
                    assert update.layout == (VERSIONED if market_status else PLAIN)
                    assert stork.recover(update)[0].address == venue.signer.address
                    status = {one.asset_id: one.market_status for one in update.assets}
                    assert status == {12_001: 1 if market_status else None, 3: None}

    run(test())


def test_unsigned_and_on_change() -> None:
    async def test() -> None:
        async with StorkSimulator() as venue:
            session = venue.session(channel="real_time", message_type="unsigned")
            async with driven(session) as connection:
                events = await collect(connection, lambda all_: kinds(all_)["Data"] >= 15)
            updates = [event.content for event in events if isinstance(event, Data)]
            assert all(isinstance(update, UnsignedUpdate) for update in updates)
            assert len({len(update.assets) for update in updates}) > 1, "only what changed"
            times = [update.timestamp_ns for update in updates]
            assert times == sorted(set(times))

    run(test())


def test_what_is_signed_verifies_and_what_is_bad_does_not() -> None:
    async def test() -> None:
        async with StorkSimulator(rate=200, bad_share=0.4) as venue:
            state = State.from_dict(venue.state().to_dict())
            async with driven(venue.session()) as connection:
                events = await collect(connection, lambda all_: kinds(all_)["Data"] >= 100)
            bad = {
                bytes.fromhex(json.loads(sent.message)["p"][2:]): sent.bad for sent in venue.sent
            }
            seen: Counter[str] = Counter()
            for event in events:
                if isinstance(event, Data):
                    assert event.payload is not None
                    spoilt = bad[event.payload]
                    seen[spoilt] += 1
                    assert venue.judge(event.payload).accepted == (spoilt == "")
                    simple = judge(event.payload, state)  # type: ignore[arg-type]
                    assert (simple.accepted and simple.returned is True) == (spoilt == "")
            assert set(seen) == {"", *StorkSimulator.BAD}

    run(test())


def test_taxonomy() -> None:
    async def test() -> None:
        now = time.time_ns()  # all requests within the same second
        async with StorkSimulator(feeds={"BTCUSD": 3, "MINE": 500}, clock=lambda: now) as venue:
            reply = await ask("GET", venue.http_url + "/v1/taxonomy", TOKEN)
            named = [{"name": "BTCUSD", "asset_id": 3}, {"name": "MINE", "asset_id": 500}]
            assert json.loads(reply.body) == {"taxonomy_id": 1, "assets": named}
            assert (await ask("GET", venue.http_url + "/v1/taxonomy")).status == 401
            assert (await ask("GET", venue.http_url + "/v1/other", TOKEN)).status == 404
            found = [
                (await ask("GET", venue.http_url + "/v1/taxonomy", TOKEN)).status for _ in range(8)
            ]
            assert 429 in found
            async with driven(venue.session("MINE")) as connection:
                events = await collect(connection, lambda all_: kinds(all_)["Rejected"] > 0)
            assert kinds(events)["Rejected"]

    run(test())


def test_assets_that_are_none() -> None:
    for feeds in ({"X": 70_000}, {"X": 1, "Y": 1}, ["nobody"], []):
        with pytest.raises(Misuse):
            StorkSimulator(feeds=feeds)
    assert "BTCUSD" in ASSETS


# --- through the session --------------------------------------------------------------------------


def number_of(data: Data) -> int:
    assert data.payload is not None
    return sequence_of(data.payload)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [({"token": Secret("another-token")}, "HTTP 401"), ({"path": "/elsewhere"}, "HTTP 404")],
)
def test_our_client_is_told_why(wrong: dict[str, Any], code: str) -> None:
    class Astray(StorkSession):
        def dial(self, now: int) -> Any:
            dial = super().dial(now)
            return type(dial)(dial.url.replace("/ws", wrong["path"]), dial.headers)

    async def test() -> None:
        async with StorkSimulator() as venue:
            token = wrong.get("token", Secret(venue.token))
            kind = Astray if "path" in wrong else StorkSession
            events: list[Event] = []
            async with driven(kind(token, [3], endpoint=venue.base)) as connection:
                with pytest.raises(Refused, match=code):
                    await keep(events, connection)
            (rejected,) = [event for event in events if isinstance(event, Rejected)]
            assert rejected.code == code
            assert rejected.meaning
            assert venue.counters.dials == 1, "not tried again"

    run(test())


def test_subscribe_and_unsubscribe_while_it_runs() -> None:
    async def test() -> None:
        async with StorkSimulator(rate=100) as venue:
            session = venue.session("BTCUSD", confirm_after=SECOND // 5)

            def ids(events: list[Any]) -> set[int]:
                last = next((one for one in reversed(events) if isinstance(one, Data)), None)
                found = stork.decode(last.payload).assets if last and last.payload else ()
                return {asset.asset_id for asset in found}

            async with driven(session) as connection:
                await collect(connection, lambda all_: ids(all_) == {3})
                # The session is told from outside, so the transport has to be woken by a frame.
                session.subscribe("ETHUSD", 40)
                await collect(connection, lambda all_: ids(all_) == {3, 4, 40})
                session.unsubscribe("BTCUSD", 40)
                events = await collect(connection, lambda all_: ids(all_) == {4})
                events += await collect(connection, lambda all_: kinds(all_)["Unsubscribed"] >= 2)
                gone = {event.what for event in events if isinstance(event, Unsubscribed)}
                assert gone == {"3", "40"}
                venue.cut()
                await collect(connection, lambda all_: isinstance(all_[-1], Closed))
                events = await collect(connection, lambda all_: kinds(all_)["Data"] >= 5)
                assert ids(events) == {4}, "what was given up stays so"
            assert venue.counters.refused == {}

    run(test())
