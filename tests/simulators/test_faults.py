"""Plans as data, and every fault as a client sees it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosedError

from payloads.errors import Misuse
from payloads.simulators import KINDS, Made, Plan, Rule, StorkSimulator
from payloads.simulators.venues.stork import sequence_of
from payloads.venues.common.redactor import Message
from payloads.venues.common.session import Closed, Data, Rejected
from tests.simulators.kit import (
    collect,
    dial_of,
    dialled,
    driven,
    kinds,
    received,
    refusal,
    run,
    until,
)

# --- plans ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("drop@20", Rule("drop", number=20)),
        ("drop@2.5s", Rule("drop", seconds=2.5)),
        ("duplicate/50", Rule("duplicate", every=50)),
        ("reorder%0.5", Rule("reorder", share=0.005)),
        ("stall@20:3.5", Rule("stall", number=20, argument="3.5")),
        ("corrupt%1:utf8", Rule("corrupt", share=0.01, argument="utf8")),
        (" restart@10s:2 ", Rule("restart", seconds=10, argument="2")),
    ],
)
def test_rules_are_read(text: str, rule: Rule) -> None:
    assert Rule.parse(text) == rule


@pytest.mark.parametrize(
    "text",
    [
        *("", "drop", "drop@", "drop@0", "drop/0", "drop%101", "drop@-1", "nonsense@1", "drop@1:5"),
        *("stall@1:long", "corrupt@1:nicely", "refuse@1:200", "refuse@1:999", "close@1:99999"),
        *("restart/5", "expire%1", "drop@1s2", "drop@1e3", "stall@1:99999999999", "drop@1,drop"),
    ],
)
def test_what_is_no_rule_is_misuse(text: str) -> None:
    with pytest.raises(Misuse):
        Rule.parse(text)


@given(st.text())
def test_no_text_raises_anything_else(text: str) -> None:
    with contextlib.suppress(Misuse):
        Plan(text)


def due(plan: Plan, count: int) -> list[list[str]]:
    return [[rule.kind for rule in plan.due(0)] for _ in range(count)]


def test_numbers_are_counted_from_one() -> None:
    assert due(Plan("drop@3,duplicate/2"), 4) == [[], ["duplicate"], ["drop"], ["duplicate"]]


def test_shares_follow_the_seed() -> None:
    first, second, other = (due(Plan("drop%20", seed), 500) for seed in (1, 1, 2))
    assert first == second != other
    assert 50 < sum(map(len, first)) < 150


def test_a_time_comes_once_and_with_a_message() -> None:
    plan = Plan("drop@1s,stall@1s")
    assert [rule.kind for rule in plan.timers()] == ["stall"]
    times = (0.5, 1.5, 2.0)
    assert [[rule.kind for rule in plan.due(time)] for time in times] == [[], ["drop"], []]


def test_every_kind_says_what_it_is() -> None:
    assert all(kind.meaning for kind in KINDS.values())
    assert len(KINDS) == 10


# --- as a client sees it --------------------------------------------------------------------------


def numbers(messages: list[Any]) -> list[int]:
    return [sequence_of(bytes.fromhex(one["p"][2:])) for one in messages]


async def some(plan: str, count: int, **options: Any) -> tuple[list[Message], StorkSimulator]:
    """The first messages of one asset, as they come."""
    async with StorkSimulator(rate=200, misbehave=plan, feeds=["BTCUSD"], **options) as venue:
        dial = dial_of(venue.session(), venue)
        messages: list[Message] = []
        async with dialled(dial.url, dial.headers) as socket:
            await socket.send('{"type":"subscribe","assets":[3]}')
            with contextlib.suppress(ConnectionClosedError):
                while len(messages) < count:
                    messages.append(await socket.recv())
        return messages, venue


def parsed(plan: str, count: int) -> list[int]:
    messages, _ = run(some(plan, count))
    return numbers([json.loads(one) for one in messages])


def test_nothing_is_wrong_without_a_plan() -> None:
    assert parsed("", 6) == [1, 2, 3, 4, 5, 6]


def test_dropped() -> None:
    assert parsed("drop@2,drop@4", 4) == [1, 3, 5, 6]


def test_duplicated() -> None:
    assert parsed("duplicate/3", 6) == [1, 2, 3, 3, 4, 5]


def test_reordered() -> None:
    assert parsed("reorder@2", 4) == [1, 3, 2, 4]
    assert parsed("reorder@2,reorder@3", 4) == [1, 2, 4, 3]


def test_a_flipped_bit_is_one_bit() -> None:
    messages, venue = run(some("corrupt@2", 3))
    right = venue.sent[1]
    assert right.fate == ("corrupt",)
    assert isinstance(right.message, str)
    assert isinstance(messages[1], str)
    differing = [(a, b) for a, b in zip(right.message, messages[1], strict=True) if a != b]
    assert len(differing) == 1
    assert (ord(differing[0][0]) ^ ord(differing[0][1])).bit_count() == 1


def test_truncated() -> None:
    messages, venue = run(some("corrupt@2:truncate", 3))
    whole, cut = venue.sent[1].message, messages[1]
    assert isinstance(whole, str)
    assert isinstance(cut, str)
    assert whole.startswith(cut)
    assert len(cut) < len(whole)


@pytest.mark.parametrize(("how", "code"), [("utf8", 1007), ("frame", 1002)])
def test_what_breaks_the_protocol_ends_the_connection(how: str, code: int) -> None:
    async def test() -> None:
        async with StorkSimulator(rate=100, misbehave=f"corrupt@3:{how}") as venue:
            dial = dial_of(venue.session(), venue)
            async with dialled(dial.url, dial.headers) as socket:
                await socket.send('{"type":"subscribe","assets":[3]}')
                count = 0
                try:
                    while True:
                        await socket.recv()
                        count += 1
                except ConnectionClosedError as error:
                    assert error.sent is not None, "the client's own verdict"  # noqa: PT017
                    assert error.sent.code == code  # noqa: PT017
            assert count == 2

    run(test())


def test_stalled_and_late() -> None:
    """Silence, also to pings; then what was held back, whole and in order."""

    async def test() -> None:
        async with StorkSimulator(rate=100, misbehave="stall@3:0.5") as venue:
            dial = dial_of(venue.session(), venue)
            async with dialled(dial.url, dial.headers) as socket:
                # Before the stall begins: however late this reads, it lasts until after its end.
                began = time.monotonic()
                await socket.send('{"type":"subscribe","assets":[3]}')
                got = [await received(socket) for _ in range(2)]
                pong = await socket.ping()
                got.append(await received(socket))
                assert time.monotonic() - began >= 0.5
                await pong
                got += [await received(socket) for _ in range(20)]
                assert numbers(got) == [*range(1, 24)]

    run(test())


def test_cut_without_a_word() -> None:
    messages, venue = run(some("cut@4", 99))
    assert len(messages) == 3
    assert venue.counters.misbehaved == {"cut": 1}


def test_closed_with_a_code() -> None:
    async def test() -> None:
        async with StorkSimulator(rate=100, misbehave="close@2:1013") as venue:
            async with driven(venue.session()) as connection:
                events = await collect(connection, lambda all_: isinstance(all_[-1], Closed))
            closed = events[-1]
            assert isinstance(closed, Closed)
            assert closed.code == 1013

    run(test())


def test_refused_then_taken() -> None:
    async def test() -> None:
        async with StorkSimulator() as venue:
            dial = dial_of(venue.session(), venue)
            venue.refuse(429, times=2, headers=(("Retry-After", "1"),))
            for _ in range(2):
                assert (await refusal(dial.url, dial.headers))[0] == 429
            async with dialled(dial.url, dial.headers):
                await until(lambda: venue.peers)
            assert venue.counters.refused == {"429": 2}
            assert venue.counters.dials == 3

    run(test())


def test_refused_by_plan_and_requests_too() -> None:
    async def test() -> None:
        async with StorkSimulator(misbehave="refuse@0s:503") as venue:
            await until(lambda: venue.counters.misbehaved["refuse"])
            async with driven(venue.session(taxonomy=True)) as connection:
                venue.refuse(500, requests=True)
                events = await collect(
                    connection, lambda all_: kinds(all_)["Data"] > 2 and kinds(all_)["Rejected"] > 1
                )
            codes = [event.code for event in events if isinstance(event, Rejected)]
            assert codes == ["HTTP 503", "HTTP 500"]

    run(test())


def test_restarted() -> None:
    """Everybody is sent away, nobody is there for a while, and then all is as before."""

    async def test() -> None:
        async with StorkSimulator(rate=50, misbehave="restart@10:0.2") as venue:
            port = venue.port
            async with driven(venue.session()) as connection:
                events = await collect(connection, lambda all_: kinds(all_)["Data"] > 30)
            assert venue.port == port
            closed = [event for event in events if isinstance(event, Closed)]
            assert [event.code for event in closed] == [1012]
            assert kinds(events)["Opened"] == 2
            venue.restart(1)
            await until(lambda: not venue.peers)
            with pytest.raises(OSError, match=r"refused|Connect call failed"):
                await asyncio.open_connection("127.0.0.1", port)
            await until(lambda: venue.listening)
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()

    run(test())


def test_told_while_it_runs() -> None:
    async def test() -> None:
        async with StorkSimulator(rate=100) as venue:
            dial = dial_of(venue.session(), venue)
            async with dialled(dial.url, dial.headers) as socket:
                await socket.send('{"type":"subscribe","assets":[3]}')
                first = numbers([await received(socket) for _ in range(3)])
                venue.misbehave("drop@2")
                everything, missing = [*first], set[int]()
                while not missing:  # what was on its way by then comes first
                    everything += numbers([await received(socket)])
                    missing = set(range(1, everything[-1])) - set(everything)
                everything += numbers([await received(socket) for _ in range(5)])
                assert len(set(range(1, everything[-1])) - set(everything)) == 1
                venue.misbehave("")
                venue.cut()
                await socket.wait_closed()
            with pytest.raises(Misuse):
                venue.misbehave("nonsense")

    run(test())


def test_what_nobody_reads_is_cut_off() -> None:
    """A client that does not read is not waited for, and does not fill the memory."""

    async def test() -> None:
        async with StorkSimulator(rate=5000) as venue:
            dial = dial_of(venue.session(), venue)
            async with dialled(dial.url, dial.headers) as socket:
                await socket.send('{"type":"subscribe","assets":[3]}')
                await until(lambda: venue.peers and venue.counters.frames > 5)
                venue.peers[0]._most_waiting = 1000
                venue.peers[0].stall(5)
                await until(lambda: venue.counters.too_slow == 1)
                assert venue.peers == []

    run(test())


def test_the_same_seed_says_the_same() -> None:
    def values(seed: int) -> list[Any]:
        async def test() -> list[Any]:
            async with StorkSimulator(rate=100, seed=seed, clock=lambda: 10**18) as venue:
                async with driven(venue.session("BTCUSD", "ETHUSD")) as connection:
                    events = await collect(connection, lambda all_: kinds(all_)["Data"] >= 10)
                return [event.payload for event in events if isinstance(event, Data)]

        return run(test())

    assert values(1) == values(1)
    assert values(1) != values(2)


def test_whoever_leaves_amid_a_stall_is_let_go() -> None:
    """The goodbye is held back like everything else, and nothing is written behind it."""

    async def test() -> None:
        trouble: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: trouble.append(context))
        async with StorkSimulator(rate=50, misbehave="stall@3:0.3") as venue:
            dial = dial_of(venue.session(), venue)
            async with dialled(dial.url, dial.headers) as socket:
                await socket.send('{"type":"subscribe","assets":[3]}')
                await until(lambda: venue.counters.misbehaved["stall"])
                await socket.close()
                assert socket.close_code == 1000
            await until(lambda: not venue.peers)
        assert trouble == []

    run(test())


def test_what_has_ended_makes_nothing_more() -> None:
    """Also a stream that is behind, and so makes its messages without a pause."""

    async def test() -> None:
        async with StorkSimulator(rate=1000) as venue:
            made: list[int] = []

            def make() -> list[Made]:
                made.append(1)
                time.sleep(0.002)  # slower than the rate: it is always behind
                if len(made) == 20:
                    venue.end(stream)
                return []

            stream = venue.stream("slow", make)
            venue.run(stream)
            await until(lambda: not venue._streams)
            await asyncio.sleep(0.05)
            assert len(made) == 20

    run(test())
