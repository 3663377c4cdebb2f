"""Finery Markets on loopback."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest

from payloads.errors import Refused
from payloads.simulators import FinerySimulator
from payloads.venues.common.pending import RequestFailed
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import SECOND, Data, Dial, Event, Rejected, Unsubscribed
from payloads.venues.finery.auth import NonceSequence, sign
from payloads.venues.finery.feeds import Binding, Selection
from payloads.venues.finery.records import Unread
from payloads.venues.finery.requests import Answered
from payloads.venues.finery.session import MAX_CONNECTIONS_PER_IP, FinerySession, Status
from tests.simulators.kit import (
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

KEY, SECRET = "payloads-insecure-test-key", Secret("payloads-insecure-test-secret")
MS = 10**6


def headers_for(
    venue: FinerySimulator, nonce: Any = 1, *, late: int = 0, key: str = KEY,
    secret: Secret = SECRET, content: str | None = None, **changed: str,
) -> list[tuple[str, str]]:  # fmt: skip
    stamp = {"nonce": nonce, "timestamp": venue.now() // MS - late}
    text = json.dumps(stamp) if content is None else content
    made = {"EFX-Key": key, "EFX-Content": text, "EFX-Sign": sign(secret, text)}
    return [*(made | changed).items()]


WRONG: dict[str, tuple[int, dict[str, Any]]] = {
    "an unknown key": (3, {"key": "nobody"}),
    "another secret": (14, {"secret": Secret("another secret")}),
    "no time": (7, {"content": '{"nonce":1}'}),
    "no nonce": (6, {"content": '{"timestamp":1}'}),
    "a nonce that is text": (6, {"nonce": "1"}),
    "a nonce below zero": (6, {"nonce": -1}),
    "a nonce beyond 64 bits": (6, {"nonce": 2**64}),
    "a time that is text": (7, {"content": '{"nonce":1,"timestamp":"now"}'}),
    "a signature of other words": (14, {"EFX-Content": '{"nonce":1,"timestamp":1}'}),
    "a signature that is none": (14, {"EFX-Sign": "%%%"}),
    "a signature in hex": (14, {"EFX-Sign": "00" * 48}),
    "not JSON": (9, {"content": "nonce 1"}),
    "two minutes late": (7, {"late": 120_000}),
    "two minutes early": (7, {"late": -120_000}),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_refused_with_the_venues_code(wrong: str) -> None:
    code, options = WRONG[wrong]

    async def test() -> None:
        async with FinerySimulator() as venue:
            status, body = await refusal(venue.url, headers_for(venue, **options))
            assert (status, body["error"]) == (401, code)
            assert venue.counters.refused[f"code {code}"] == 1

    run(test())


def test_missing_headers_and_nonces_used_before() -> None:
    async def test() -> None:
        async with FinerySimulator() as venue:
            for missing in ("EFX-Key", "EFX-Content", "EFX-Sign"):
                headers = [one for one in headers_for(venue) if one[0] != missing]
                assert (await refusal(venue.url, headers))[1]["error"] == 3
            async with dialled(venue.url, headers_for(venue, 10)):
                pass
            for nonce in (10, 9):
                assert (await refusal(venue.url, headers_for(venue, nonce)))[1]["error"] == 6
        async with FinerySimulator(increasing=False) as venue:
            for nonce in (10, 9):
                async with dialled(venue.url, headers_for(venue, nonce)):
                    pass
            assert (await refusal(venue.url, headers_for(venue, 9)))[1]["error"] == 6

    run(test())


def test_our_client_is_told_why() -> None:
    async def test() -> None:
        async with FinerySimulator() as venue:
            session = FinerySession(
                KEY, Secret("another secret"), nonces=NonceSequence(), endpoint=venue.base
            )
            async with driven(session) as connection:
                with pytest.raises(Refused, match="signature"):
                    await collect(connection, lambda _: False)

    run(test())


def test_frames_as_the_venue_sends_them() -> None:
    async def test() -> None:
        async with FinerySimulator(rate=100) as venue:  # noqa: SIM117
            async with dialled(venue.url, headers_for(venue)) as socket:
                assert await received(socket) == ["X", 0, "Z", 0]

                async def say(event: str, feed: str, feed_id: Any = None) -> Any:
                    named = {} if feed_id is None else {"feedId": feed_id}
                    await socket.send(json.dumps({"event": event, "feed": feed, **named}))
                    return await received(socket)

                number = 4955410050
                snapshot = await say("bind", "B", "BTC-USD")
                assert snapshot[:3] == ["B", number, "S"]
                assert (await received(socket))[:3] == ["B", number, "M"]
                await socket.send('{"event":"unbind","feed":"B","feedId":"BTC-USD"}')
                while (frame := await received(socket))[2] == "M":
                    pass
                assert frame == ["B", number, "U", 0]
                # Nothing of it comes any more, so answers are next.
                assert await say("unbind", "B", "BTC-USD") == ["B", number, "Z", 101]
                assert await say("bind", "Q") == ["Q", 0, "Z", 102]
                assert await say("bind", "B", "DOGE-USD") == ["B", 0, "Z", 103]
                assert await say("bind", "I", 5) == ["I", 0, "Z", 103]
                assert (await say("bind", "I"))[2] == "S"
                assert await say("bind", "I") == ["I", 0, "Z", 100]
                named: list[tuple[str, Any]] = [("K", "USD"), ("S", 1), ("G", None), ("R", None)]
                for feed, feed_id in [*named, ("O", "BTC-USD")]:
                    # K, S and O repeat the id as it was asked for.
                    assert (await say("bind", feed, feed_id))[:3] == [feed, feed_id or 0, "S"]
                assert (await received(socket))[:3] == ["O", "BTC-USD", "+"]

    run(test())


def test_books_stay_right() -> None:
    """What the session keeps from snapshot and updates is the venue's own book."""

    async def test() -> None:
        async with FinerySimulator(rate=500) as venue:
            session = venue.session(Binding.of("B", "BTC-USD"), Binding.of("F", "ETH-USD"))
            async with driven(session) as connection:
                events = await collect(connection, lambda all_: kinds(all_)["Data"] >= 1000)
                actions = {
                    change[0]
                    for event in events
                    if isinstance(event, Data)
                    for change in (*event.content.bids, *event.content.asks)
                }
                assert actions == set("+-M~")
                for feed, name in (("B", "BTC-USD"), ("F", "ETH-USD")):
                    book = session.book(feed, name)
                    assert book is not None
                    assert book.odd == 0
                    assert not book.crossed
                    assert 0 < len(book.bids()) <= 25
                    assert 0 < len(book.asks()) <= 25

    run(test())


def test_the_book_is_the_same_to_the_last_level() -> None:
    async def test() -> None:
        async with FinerySimulator(rate=300, feeds=["BTC-USD"]) as venue:
            session = venue.session()
            async with driven(session) as connection:
                await collect(connection, lambda all_: kinds(all_)["Data"] >= 300)
                for stream in venue._streams.values():
                    assert stream.task is not None
                    stream.task.cancel()
                theirs = venue.book("B", "BTC-USD")

                def ours() -> Any:
                    book = session.book("B", "BTC-USD")
                    assert book is not None
                    return [[*level] for level in book.bids()], [[*one] for one in book.asks()]

                await until(lambda: ours() == (theirs[0], theirs[1]))

    run(test())


def test_requests() -> None:
    async def test() -> None:
        async with FinerySimulator() as venue:
            session = venue.session(Binding.of("I"))
            async with driven(session) as connection:
                events: list[Event] = []
                async for event in connection.events():
                    events.append(event)
                    if isinstance(event, Status):
                        order: dict[str, Any] = {
                            "instrument": "BTC-EUR", "clientOrderId": 1, "size": 100000,
                            "side": "bid", "type": "limit", "price": 1, "cod": False,
                        }  # fmt: skip
                        session.request("instruments")
                        session.request("add", order)
                        session.request("add", order | {"instrument": "nothing"})
                        session.request("nonsense")
                        session.tick(venue.now() + 30 * 10**9)
                    if kinds(events)["Answered"] + kinds(events)["RequestFailed"] == 4:
                        break
            answers = [event for event in events if isinstance(event, Answered)]
            assert [one.method for one in answers] == ["instruments", "add"]
            assert answers[1].reply["remainingSize"] == 100000
            failed = [event for event in events if isinstance(event, RequestFailed)]
            assert [event.code for event in failed] == ["34", "8"]

    run(test())


def test_the_link_is_lost_and_comes_back() -> None:
    async def test() -> None:
        async with FinerySimulator(rate=50) as venue:
            session = venue.session(Binding.of("B", "BTC-USD"))
            async with driven(session) as connection:
                await collect(connection, lambda all_: kinds(all_)["Data"] > 3)
                venue.link(2)
                events = await collect(connection, lambda all_: isinstance(all_[-1], Status))
                assert session.bound == []
                venue.link(0)
                events = await collect(connection, lambda all_: kinds(all_)["Subscribed"] > 0)
                assert kinds(events)["Status"] == 1
                assert session.bound == ["B:BTC-USD"]

    run(test())


def test_silence_is_not_liked() -> None:
    async def test() -> None:
        async with FinerySimulator(idle=0.2) as venue:  # noqa: SIM117
            async with dialled(venue.url, headers_for(venue)) as socket:
                await socket.wait_closed()
                assert (socket.close_code, socket.close_reason) == (1001, "idle")

    run(test())


def test_more_connections_than_one_may_have() -> None:
    async def test() -> None:
        async with FinerySimulator() as venue, contextlib.AsyncExitStack() as open_ones:
            for nonce in range(1, MAX_CONNECTIONS_PER_IP + 1):
                headers = headers_for(venue, nonce)
                await open_ones.enter_async_context(dialled(venue.url, headers))
            session = venue.session(nonces=NonceSequence())
            async with driven(session) as connection:
                (event,) = await collect(connection, lambda all_: kinds(all_)["Rejected"] == 1)
            assert event.values[:2] == ("HTTP 429", "too many connections")

    run(test())


def test_unbind_through_the_session() -> None:
    async def test() -> None:
        async with FinerySimulator(rate=50) as venue:
            session = venue.session(Binding.of("B", "BTC-USD"))
            async with driven(session) as connection:
                await collect(connection, lambda all_: kinds(all_)["Data"] > 3)
                session.unsubscribe(Binding("B", "BTC-USD"))
                events = await collect(
                    connection, lambda all_: any(isinstance(e, Unsubscribed) for e in all_)
                )
                assert not [event for event in events if isinstance(event, Rejected)]
            dial = dial_of(session, venue)
            assert dial.url == venue.url

    run(test())


# --- through the session --------------------------------------------------------------------------


class Astray(FinerySession):
    """Dials without one of its headers."""

    without = ""

    def dial(self, now: int) -> Dial:
        dial = super().dial(now)
        left = tuple(one for one in dial.headers if one[0] != self.without)
        return Dial(dial.url, left, dial.secret_headers)


async def refused(venue: FinerySimulator, session: FinerySession, **options: Any) -> list[Rejected]:
    """What a session is told before the transport gives up."""
    told: list[Event] = []
    async with driven(session, **options) as connection:
        with pytest.raises(Refused):
            await keep(told, connection)
    assert venue.peers == []
    return [event for event in told if isinstance(event, Rejected)]


@pytest.mark.parametrize(
    ("wrong", "code", "words"),
    [
        ({"key": "nobody"}, "3", "not authorised"),
        ({"secret": Secret("another secret")}, "14", "bad signature"),
        ({"late": 120}, "7", "the server's clock is 120 s ahead of the one that signed"),
        ({"late": -120}, "7", "the server's clock is 120 s behind the one that signed"),
        ({"without": "EFX-Key"}, "3", "not authorised"),
        ({"without": "EFX-Sign"}, "3", "not authorised"),
        ({"without": "EFX-Content"}, "3", "not authorised"),
    ],
)
def test_our_client_is_told_the_code(wrong: dict[str, Any], code: str, words: str) -> None:
    async def test() -> None:
        async with FinerySimulator(clock=lambda: 1_709_716_088 * SECOND) as venue:
            session = Astray(
                wrong.get("key", KEY), wrong.get("secret", SECRET), nonces=NonceSequence(),
                endpoint=venue.base,
            )  # fmt: skip
            session.without = wrong.get("without", "")
            late = wrong.get("late", 0) * SECOND
            (event,) = await refused(venue, session, clock=lambda: venue.now() - late)
            assert event.code == code
            assert words in event.meaning
            assert venue.counters.dials == 1, "not tried again"

    run(test())


def test_a_nonce_used_before_is_told_and_a_fresh_one_tried() -> None:
    class Stuck(NonceSequence):
        """Gives what it is told to, as two programs with one key may."""

        def __init__(self, *nonces: int) -> None:
            super().__init__()
            self.left = [*nonces]

        def next(self, now: int) -> int:
            return self.left.pop(0)

    async def test() -> None:
        async with FinerySimulator(rate=50) as venue:
            async with dialled(venue.url, headers_for(venue, 10)):
                pass
            events = []
            async with driven(venue.session(nonces=Stuck(10, 11))) as connection:
                events = await collect(connection, lambda all_: kinds(all_)["Data"] > 0)
            (rejected,) = [event for event in events if isinstance(event, Rejected)]
            assert (rejected.code, "bad nonce" in rejected.meaning) == ("6", True)
            events = []
            async with driven(venue.session(nonces=Stuck(3, 4, 5, 12))) as connection:
                events = await collect(connection, lambda all_: kinds(all_)["Data"] > 0)
            refusals = [event.code for event in events if isinstance(event, Rejected)]
            assert refusals == ["6", "6", "6"], "until one is large enough"

    run(test())


def test_a_lost_update_shows() -> None:
    """The venue has no numbers: what is lost shows only where a later update does not fit."""

    async def test() -> None:
        async with FinerySimulator(rate=300, feeds=["BTC-USD"], misbehave="drop/3") as venue:
            async with driven(venue.session()) as connection:
                events = await collect(connection, lambda all_: kinds(all_)["Data"] >= 200)
            assert any(event.content.odd for event in events if isinstance(event, Data))

    run(test())


def test_a_gateway_that_says_nothing_is_given_up() -> None:
    async def test() -> None:
        async with FinerySimulator(status_frames=False) as venue:
            session = venue.session(status_within=SECOND // 5)
            async with driven(session) as connection:
                events = await collect(connection, lambda all_: kinds(all_)["Opened"] == 2)
            told = [event for event in events if isinstance(event, Rejected)]
            assert (told[0].code, told[0].about) == ("no answer", "connection status")
            assert kinds(events)["Stalled"] == 1

    run(test())


def test_every_feed_by_name() -> None:
    """Names are answered with numbers, and each feed is known by the name it was bound by."""

    async def test() -> None:
        async with FinerySimulator(rate=50) as venue:
            wanted = [Binding.of(feed) for feed in "IPGLMRNOKS"]
            wanted += [Binding.of(feed, name) for feed in "BFO" for name in venue.feeds]
            wanted += [Binding.of(feed, name) for feed in "KS" for name in ("USD", "EUR")]
            session = venue.session(*wanted)
            async with driven(session) as connection:
                events = await collect(connection, lambda _: len(session.bound) == len(wanted))
                for name in venue.feeds:
                    book = session.book("B", name)
                    assert book
                    (best, _), *_ = book.bids()
                    start = venue.instruments[name][3]
                    assert start // 2 < best < 2 * start, "not another instrument's"
            assert not kinds(events)["Rejected"] + kinds(events)["Broken"]
            rows = [row for e in events if isinstance(e, Data) for row in e.content.rows]
            assert not [row for row in rows if isinstance(row, Unread)]
            assert {"SettlementRequest", "Position", "Limit", "Order"} <= {
                type(row).__name__ for row in rows
            }

    run(test())


def test_feeds_bound_by_an_object() -> None:
    """A master account's book of a client, and that of some makers, kept like any other."""

    async def test() -> None:
        async with FinerySimulator(rate=200) as venue:
            client = Selection("BTC-USD", client_id=5)
            wanted = [
                Binding.of("F", client),
                Binding.of("F", "BTC-USD"),
                Binding.of("MD", "ETH-USD"),
                Binding.of("MD", Selection("ETH-USD", makers=(1, 2))),
                Binding.of("MD", Selection("ETH-USD", 5, (1, 2))),
            ]
            session = venue.session(*wanted, Binding.of("F", Selection("BTC-USD", 6)))
            async with driven(session) as connection:
                events = await collect(connection, lambda all_: kinds(all_)["Data"] >= 500)
            refused = [event for event in events if isinstance(event, Rejected)]
            assert [(one.code, one.about) for one in refused] == [("103", "bind F:BTC-USD@6")]
            assert not kinds(events)["Broken"]
            data = [event for event in events if isinstance(event, Data)]
            assert {event.channel for event in data} == {binding.label for binding in wanted}
            assert not [event for event in data if event.content.odd]

    run(test())


def test_a_request_without_a_reply() -> None:
    async def test() -> None:
        async with FinerySimulator(unanswered=["add"]) as venue:
            session = venue.session(Binding.of("K"), reply_within=SECOND // 5)
            async with driven(session) as connection:
                events: list[Event] = []
                async for event in connection.events():
                    events.append(event)
                    if isinstance(event, Status):
                        session.request("add")
                    if kinds(events)["RequestFailed"]:
                        break
            (failed,) = [event for event in events if isinstance(event, RequestFailed)]
            assert (failed.code, failed.about, failed.request_id) == ("no answer", "add #1", 1)

    run(test())
