"""A connection's promises, with a venue in memory and time that takes none.

`test_websocket` and `test_network` have what needs a socket.
"""

# ruff: noqa: PT012 (it is the loop that raises)

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
import threading
from typing import Any

import pytest

from payloads.capture.frames import Delivery, Dropped, Frame, Retrying, Unreachable
from payloads.errors import Misuse, Refused
from payloads.live import Backoff, Connection, Inbox, connect, merged, stream
from payloads.live.seams import DialFailed, UpgradeRefused
from payloads.live.session_runner import MAX_UNSENT_MESSAGE_BYTES, MAX_UNSENT_MESSAGES
from payloads.venues.common.dedupe import Duplicate
from payloads.venues.common.pending import RequestFailed
from payloads.venues.common.redactor import Message
from payloads.venues.common.session import (
    Broken,
    Closed,
    Data,
    Event,
    Opened,
    Rejected,
    Reply,
    Request,
    Retry,
    Stalled,
    Unknown,
)
from tests.live.kit import SECRET, Notes, Numbered, count, events_of, read_until
from tests.live.memory import (
    ROUND_TRIP,
    URL,
    WINDOW,
    MemoryPeer,
    MemoryVenue,
    in_virtual_time,
    now,
)


def counting(upto: int, kind: str = "text") -> MemoryVenue:
    """A venue that sends so many numbers, and then nothing."""

    async def handler(peer: MemoryPeer) -> None:
        await count(peer, upto, kind=kind)
        await peer.wait_closed()

    return MemoryVenue(handler)


def refusing(*refusals: Exception | None) -> MemoryVenue:
    """A venue that meets the first dials so, all later ones with the last of these."""

    def refuse(dials: int) -> None:
        refusal = refusals[min(dials, len(refusals)) - 1]
        if refusal is not None:
            raise refusal

    async def handler(peer: MemoryPeer) -> None:
        await count(peer, 3)
        await peer.wait_closed()

    return MemoryVenue(handler, refuse)


# --- the ordinary way -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["text", "binary"])
def test_frames_come_in_order_with_their_times_and_opcodes(kind: str) -> None:
    async def work() -> None:
        venue, session, before = counting(50, kind), Numbered(URL), now()
        async with venue.connect(session) as connection:
            deliveries = await read_until(connection, 50)
        frames = [delivery.frame for delivery in deliveries if delivery.frame]
        assert [json.loads(frame.data)["n"] for frame in frames] == list(range(1, 51))
        assert {frame.opcode for frame in frames} == {kind}
        assert {type(frame.data) for frame in frames} == {str if kind == "text" else bytes}
        times = [frame.at for frame in frames]
        assert before <= times[0] <= times[-1] <= now()
        assert times == sorted(times)
        assert session.calls == ["dial", "opened", "closed 1000"]

    in_virtual_time(work())


def test_every_dial_asks_the_session_anew() -> None:
    async def work() -> None:
        async def handler(peer: MemoryPeer) -> None:
            await count(peer, len(venue.dials))

        venue, session = MemoryVenue(handler), Numbered(URL)
        async with venue.connect(session) as connection:
            await read_until(connection, 2)
        assert [dial.url for dial in venue.dials] == [URL, URL]
        assert dict(venue.dials[0].headers)["X-Token"] == SECRET.reveal()
        assert session.calls[:4] == ["dial", "opened", "closed 1000", "dial"]

    in_virtual_time(work())


def test_ticks_are_sent_at_the_deadline() -> None:
    async def work() -> None:
        ticks = []

        async def handler(peer: MemoryPeer) -> None:
            await peer.recv()
            while True:
                ticks.append((await peer.recv(), now()))
                if len(ticks) == 4:
                    await peer.send('{"n": 1}')

        async with MemoryVenue(handler).connect(Numbered(URL, every=5)) as connection:
            await read_until(connection, 1)
        assert {message for message, _ in ticks} == {"tick"}
        gaps = [late[1] - early[1] for early, late in itertools.pairwise(ticks)]
        assert gaps == pytest.approx([5e9] * 3, rel=1e-6)

    in_virtual_time(work())


def test_a_deadline_that_no_tick_moves_is_due_once_a_second() -> None:
    class Stuck(Numbered):
        def tick(self, now: int) -> list[Event]:
            self.calls.append("tick")
            return []

    async def work() -> None:
        session = Stuck(URL, every=1)
        async with counting(1).connect(session) as connection:
            await read_until(connection, 1)
            await asyncio.sleep(10.5)
        assert 8 <= session.calls.count("tick") <= 10

    in_virtual_time(work())


class Watched(Numbered):
    """Each message moves the deadline: it is 5 s behind the last, or there is none."""

    last_tick = 0

    def received(self, data: Message, now: int) -> list[Event]:
        events = super().received(data, now)
        self.deadline = None if self.last == 9 else now + 5 * 10**9
        return events

    def tick(self, now: int) -> list[Event]:
        self.last_tick, self.deadline = now, None
        return []


@pytest.mark.parametrize(("numbers", "tick"), [((1, 2, 3, 4), 6 + 5), ((1, 2, 9), None)])
def test_a_deadline_that_messages_move_is_kept(numbers: tuple[int, ...], tick: int | None) -> None:
    async def work() -> None:
        session = Watched(URL)
        began = 0

        async def handler(peer: MemoryPeer) -> None:
            nonlocal began
            began = now()
            for number in numbers:
                await peer.send(json.dumps({"n": number}))
                await asyncio.sleep(2)
            await peer.wait_closed()

        async with MemoryVenue(handler).connect(session):
            await asyncio.sleep(60)
        ticked = (session.last_tick - began) / 10**9 if session.last_tick else None
        assert ticked == (tick and pytest.approx(tick, abs=0.2))

    in_virtual_time(work())


def test_a_connection_acts_on_the_events_that_say_so() -> None:
    acted_on: list[type[Event]] = [Stalled, Closed, Broken, Rejected, RequestFailed]
    others: list[type[Event]] = [Data, Opened, Duplicate, Unknown]
    assert all(kind.for_driver for kind in acted_on)
    assert not any(kind.for_driver for kind in others)


# --- refusals, failures, coming back --------------------------------------------------------------


def test_401_is_not_retried_and_its_body_is_shown() -> None:
    async def work() -> None:
        events: list[Event] = []
        venue = refusing(UpgradeRefused(401, [], b"no such key"))
        async with venue.connect(Numbered(URL)) as connection:
            with pytest.raises(Refused, match="HTTP 401"):
                async for event in connection.events():
                    events.append(event)
        assert len(venue.dials) == 1
        assert events == [Rejected("401", "no such key")]

    in_virtual_time(work())


def test_refused_subscriptions_and_requests_are_counted_apart_from_upgrades() -> None:
    class Strict(Numbered):
        def received(self, data: Message, now: int) -> list[Event]:
            return [Rejected("7", "", about="a subscription"), *super().received(data, now)]

    async def work() -> None:
        venue = counting(3)
        async with venue.connect(Strict(URL)) as connection:
            await read_until(connection, 3)
            stats = connection.stats
        assert (stats.rejected, stats.refused) == (3, 0)
        assert "rejected=3" in repr(stats)

    in_virtual_time(work())


def test_503_is_retried_with_growing_jittered_waits() -> None:
    async def work() -> None:
        busy = UpgradeRefused(503, [], b"busy")
        venue, began = refusing(*[busy] * 6, None), now()
        async with venue.connect(Numbered(URL)) as connection:
            events = events_of(await read_until(connection, 3))
        waits = [event.wait for event in events if isinstance(event, Retrying)]
        longest = [1, 2, 4, 8, 16, 30]
        for wait, most in zip(waits, longest, strict=True):
            assert most / 2 <= wait / 1e9 <= most
        assert now() - began == pytest.approx(sum(waits), rel=1e-6)
        assert connection.stats.refused == 6

    in_virtual_time(work())


def test_backoff_doubles_to_its_ceiling_and_gives_up_when_told() -> None:
    backoff = Backoff(first=1, most=30)
    assert [backoff.wait(n, 0.0) // 10**9 for n in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]
    assert backoff.wait(10_000, 0.999) >= 15 * 10**9

    async def work() -> None:
        venue = refusing(DialFailed("Connection refused"))
        connection = venue.connect(Numbered(URL), backoff=Backoff(attempts=3))
        async with connection:
            with pytest.raises(Refused, match="3 attempts"):
                async for delivery in connection:
                    assert isinstance(delivery.events[0], Unreachable | Retrying)
        assert connection.stats.unreachable == 3

    in_virtual_time(work())


def test_connections_cut_together_do_not_dial_together() -> None:
    """Also where the session asks for a pause, as Chainlink's does before every dial."""
    backoff, pause = Backoff(), 10**9
    for attempt in (1, 2, 3):
        waits = [backoff.wait(attempt, chance / 8, pause) for chance in range(8)]
        assert len({*waits}) >= 6
        assert min(waits) >= pause
        assert max(waits) - min(waits) >= 0.4 * 10**9


def test_a_dial_that_could_only_fail_the_same_way_is_the_last() -> None:
    async def work() -> None:
        venue = refusing(DialFailed("not trusted", again=False))
        async with venue.connect(Numbered(URL)) as connection:
            with pytest.raises(Refused, match="not trusted"):
                await read_until(connection, 1)
        assert len(venue.dials) == 1

    in_virtual_time(work())


def test_a_wait_that_the_venue_asked_for_is_kept() -> None:
    class Patient(Numbered):
        def closed(self, code: int, reason: str, now: int) -> list[Event]:
            return [Closed(code, reason, Retry(True, "come back later", 300 * 10**9))]

    async def work() -> None:
        opened = []

        async def handler(peer: MemoryPeer) -> None:
            opened.append(now())
            await count(peer, len(opened))

        async with MemoryVenue(handler).connect(Patient(URL)) as connection:
            await read_until(connection, 2)
        assert 300e9 <= opened[1] - opened[0] <= 300.6e9

    in_virtual_time(work())


def test_a_server_restart_loses_and_doubles_nothing() -> None:
    async def work() -> None:
        async def handler(peer: MemoryPeer) -> None:
            await count(peer, 400, pause=0.1)
            await peer.wait_closed()

        def refuse(dials: int) -> None:
            if dials % 3 == 2:
                raise DialFailed("Connection refused")

        venue = MemoryVenue(handler, refuse)

        async def restarts() -> None:
            for _ in range(5):
                await asyncio.sleep(7)
                venue.peers[-1].abort()

        restarting = asyncio.ensure_future(restarts())
        session = Numbered(URL)
        async with venue.connect(session) as connection:
            await read_until(connection, 400)
        restarting.cancel()
        await asyncio.gather(restarting, return_exceptions=True)
        assert session.numbers == list(range(1, 401))
        assert connection.stats.opened >= 3
        assert connection.stats.unreachable >= 1

    in_virtual_time(work())


def test_a_lasting_connection_starts_the_waits_anew() -> None:
    async def work() -> None:
        async def handler(peer: MemoryPeer) -> None:
            await peer.recv()
            await asyncio.sleep(11 if len(venue.dials) == 4 else 1)

        venue = MemoryVenue(handler)
        async with venue.connect(Numbered(URL), backoff=Backoff(lasted=10)) as connection:
            attempts: list[int] = []
            async for event in connection.events():
                if isinstance(event, Retrying):
                    attempts.append(event.attempt)
                if len(attempts) == 5:
                    break
        assert attempts == [1, 2, 3, 1, 2]

    in_virtual_time(work())


def test_attempts_are_counted_from_the_last_message_on() -> None:
    async def work() -> None:
        async def handler(peer: MemoryPeer) -> None:
            dials = len(venue.dials)
            if dials % 2:
                await count(peer, (dials + 1) // 2)

        venue, session = MemoryVenue(handler), Numbered(URL)
        async with venue.connect(session, backoff=Backoff(attempts=2)) as connection:
            await read_until(connection, 3)
        # Every second dial brought nothing: never two in a row.
        assert len(venue.dials) >= 5

    in_virtual_time(work())


def test_a_stalled_server_is_noticed_and_dialled_again() -> None:
    async def work() -> None:
        async def handler(peer: MemoryPeer) -> None:
            peer.answers = len(venue.peers) > 1
            await count(peer, 3 if peer.answers else 1)
            await peer.wait_closed()

        venue, notes, session, began = MemoryVenue(handler), Notes(), Numbered(URL), now()
        async with venue.connect(session, recorder=notes) as connection:
            events = events_of(await read_until(connection, 3))
        # A ping after 20 seconds, 20 more for its answer, and a second at most before the dial.
        assert 40e9 < now() - began <= 41e9
        assert session.numbers == [1, 2, 3]
        assert connection.stats.stalled == 1
        closed = [event for event in events if isinstance(event, Closed)]
        assert closed[0].code == 1006
        assert "ping" in closed[0].reason
        assert notes.words[:5] == ["dialling", "opened", "stalled", "closed", "retrying"]

    in_virtual_time(work())


def test_a_server_that_sends_is_not_given_up_for_want_of_pongs() -> None:
    async def work() -> None:
        async def handler(peer: MemoryPeer) -> None:
            peer.answers = False
            await count(peer, 100, pause=5)

        session = Numbered(URL)
        async with MemoryVenue(handler).connect(session) as connection:
            await read_until(connection, 100)
        assert connection.stats.stalled == 0
        assert connection.stats.dials == 1

    in_virtual_time(work())


def test_pings_are_recorded_with_their_answers_and_latency_is_known() -> None:
    async def work() -> None:
        async def handler(peer: MemoryPeer) -> None:
            peer.client.bring("ping", b"are you there")
            await asyncio.sleep(30)
            await count(peer, 1)
            await peer.wait_closed()

        venue, notes = MemoryVenue(handler), Notes()
        async with venue.connect(Numbered(URL), recorder=notes, ping_interval=10) as connection:
            await read_until(connection, 1)
        assert connection.stats.latency == pytest.approx(ROUND_TRIP)
        control = [
            (frame.direction, frame.opcode, frame.data)
            for frame in notes.frames
            if frame.opcode in ("ping", "pong")
        ]
        assert control[:2] == [("in", "ping", b"are you there"), ("out", "pong", b"are you there")]
        pings = venue.peers[0].pings
        assert len(pings) >= 2
        expected = [
            part for ping in pings[:2] for part in (("out", "ping", ping), ("in", "pong", ping))
        ]
        assert control[2:6] == expected

    in_virtual_time(work())


def test_a_session_that_says_stalled_or_closed_is_obeyed() -> None:
    class Moody(Numbered):
        def received(self, data: Message, now: int) -> list[Event]:
            events = super().received(data, now)
            if self.last == 2:
                return [*events, Stalled(5)]
            if self.last == 4:
                return [*events, Closed(4001, "enough", Retry(False, "enough"))]
            return events

    async def work() -> None:
        async def handler(peer: MemoryPeer) -> None:
            await count(peer, 4, pause=1)
            await peer.wait_closed()

        session, events = Moody(URL), []
        async with MemoryVenue(handler).connect(session) as connection:
            with pytest.raises(Refused, match="enough"):
                async for event in connection.events():
                    events.append(event)
        assert session.numbers == [1, 2, 3, 4]
        assert connection.stats.opened == 2
        assert isinstance(events[-1], Closed)

    in_virtual_time(work())


def test_a_bug_in_a_session_comes_out() -> None:
    class Buggy(Numbered):
        def received(self, data: Message, now: int) -> list[Event]:
            raise ZeroDivisionError("a bug")

    async def work() -> None:
        async with counting(1).connect(Buggy(URL)) as connection:
            async for _ in connection:
                pass

    with pytest.raises(ZeroDivisionError, match="a bug"):
        in_virtual_time(work())


@pytest.mark.parametrize(
    "answers",
    [
        ["words"] * (MAX_UNSENT_MESSAGES * 3 // 4),
        ["x" * 2**20] * (MAX_UNSENT_MESSAGE_BYTES // 2**20),
    ],
    ids=["many", "large"],
)
def test_a_server_that_takes_no_messages_is_given_up(answers: list[str]) -> None:
    class Talkative(Numbered):
        def received(self, data: Message, now: int) -> list[Event]:
            self._outgoing += answers
            return super().received(data, now)

    async def work() -> None:
        async def handler(peer: MemoryPeer) -> None:
            peer.takes.clear()
            for number in range(1, 4):
                await peer.send(json.dumps({"n": number}))
            await peer.wait_closed()

        async with MemoryVenue(handler).connect(Talkative(URL)) as connection:
            async for event in connection.events():
                if isinstance(event, Closed):
                    break
        assert connection.stats.stalled == 1
        assert isinstance(event, Closed)
        assert "does not read" in event.reason

    in_virtual_time(work())


# --- slow readers ---------------------------------------------------------------------------------


def test_a_slow_reader_that_blocks_loses_nothing() -> None:
    async def work() -> None:
        sent = 0

        async def handler(peer: MemoryPeer) -> None:
            nonlocal sent
            await peer.recv()
            for number in range(1, 3_001):
                await peer.send(json.dumps({"n": number}))
                sent = number
            await peer.wait_closed()

        venue, session = MemoryVenue(handler), Numbered(URL)
        async with venue.connect(session, queue=100) as connection:
            async for _ in connection:
                break
            await asyncio.sleep(500)  # much longer than a ping and its time-out
            assert sent <= 100 + WINDOW + 1
            assert connection.inbox.most <= 101
            await read_until(connection, 3_000)
        assert session.numbers == list(range(1, 3_001))
        assert connection.stats.opened == 1
        assert connection.inbox.blocked >= 1
        assert connection.inbox.blocked_ns == pytest.approx(500e9, rel=1e-3)
        assert connection.inbox.dropped == 0

    in_virtual_time(work())


def test_a_slow_reader_that_drops_is_told_how_many_and_where() -> None:
    async def work() -> None:
        session, notes = Numbered(URL), Notes()
        options: dict[str, Any] = {"queue": 50, "when_full": "drop-oldest"}
        async with counting(5_000).connect(session, recorder=notes, **options) as connection:
            while session.last < 5_000:
                await asyncio.sleep(0.01)
            events = events_of(await read_until(connection, 5_000))
        dropped = [event.count for event in events if isinstance(event, Dropped)]
        numbers = [event.content for event in events if isinstance(event, Data)]
        assert sum(dropped) == connection.inbox.dropped == 4_950
        assert numbers == list(range(4_951, 5_001))
        recorded = [frame for frame in notes.frames if frame.is_message]
        assert len(recorded) == 5_001  # one was sent; the recorder stands before the queue

    in_virtual_time(work())


def test_what_happened_to_the_connection_is_never_dropped() -> None:
    async def work() -> None:
        inbox = Inbox(2, "drop-oldest")
        inbox.join()
        frame = Frame("v", 1, "in", "text", 1, "x")
        closed = Closed(1000, "", Retry(True, ""))
        for _ in range(3):
            inbox.put(Delivery(1, 1, frame, ()))
        inbox.put(Delivery(2, 1, None, (closed,)))
        for _ in range(4):
            inbox.put(Delivery(3, 2, frame, ()))
        inbox.leave()
        found = [event for delivery in await inbox.get_all() for event in delivery.events]
        assert found == [Dropped(3), closed, Dropped(2)]

    in_virtual_time(work())


@pytest.mark.parametrize("options", [{"queue": 0}, {"when_full": "forget"}])
def test_policies_that_are_none_are_misuse(options: dict[str, Any]) -> None:
    with pytest.raises(Misuse):
        connect(Numbered("ws://127.0.0.1/"), **options)


# --- several at once ------------------------------------------------------------------------------


def test_several_connections_are_read_as_one() -> None:
    async def work() -> None:
        inbox, notes, venue = Inbox(), Notes(), counting(20)
        made = [venue.connect(Numbered(URL), inbox=inbox, recorder=notes) for _ in range(2)]
        seen: list[tuple[int, int]] = []
        async with merged(*made) as deliveries:
            async for delivery in deliveries:
                seen += [
                    (delivery.connection, event.content)
                    for event in delivery.events
                    if isinstance(event, Data)
                ]
                if len(seen) == 40:
                    break
        assert sorted(seen) == [(c, n) for c in (1, 2) for n in range(1, 21)]

    in_virtual_time(work())


# --- closing --------------------------------------------------------------------------------------


def test_cancelling_closes_with_a_handshake() -> None:
    async def work() -> None:
        venue = counting(1)

        async def reader() -> None:
            async with venue.connect(Numbered(URL)) as connection:
                async for _ in connection:
                    pass

        reading = asyncio.ensure_future(reader())
        await asyncio.sleep(1)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await asyncio.sleep(1)
        assert [peer.closed_with for peer in venue.peers] == [1000]
        assert asyncio.all_tasks() - {asyncio.current_task()} == set()

    in_virtual_time(work())


def test_close_ends_the_iteration_and_keeps_what_came_before() -> None:
    async def work() -> None:
        session = Numbered(URL)
        async with counting(10).connect(session) as connection:
            while session.last < 10:
                await asyncio.sleep(0.01)
            await connection.close()
            events = [event async for event in connection.events()]
        assert [event.content for event in events if isinstance(event, Data)] == list(range(1, 11))
        assert isinstance(events[-1], Closed)
        assert events[-1].code == 1000

    in_virtual_time(work())


def test_closing_does_not_wait_for_a_server_that_is_gone() -> None:
    async def work() -> None:
        async def handler(peer: MemoryPeer) -> None:
            peer.answers = False
            await count(peer, 1)
            await peer.wait_closed()

        async with MemoryVenue(handler).connect(Numbered(URL), close_timeout=2) as connection:
            await read_until(connection, 1)
            began = now()
        assert now() - began <= 3.1e9
        assert connection.ended_by is None

    in_virtual_time(work())


# --- without asyncio ------------------------------------------------------------------------------


def test_a_plain_loop_gets_the_same() -> None:
    session, numbers = Numbered(URL), []
    for delivery in stream(session, dial=counting(100).dial):
        numbers += [event.content for event in delivery.events if isinstance(event, Data)]
        if len(numbers) == 100:
            break
    assert numbers == list(range(1, 101))
    assert session.calls[-1] == "closed 1000"
    assert "payloads stream" not in [thread.name for thread in threading.enumerate()]


def test_a_plain_loop_is_told_of_refusals() -> None:
    dial = refusing(DialFailed("Connection refused")).dial
    with pytest.raises(Refused):
        list(stream(Numbered(URL), dial=dial, backoff=Backoff(0.01, 0.01, attempts=2)))


# --- HTTP requests --------------------------------------------------------------------------------


def test_requests_are_made_before_the_dial_and_answered() -> None:
    async def work() -> None:
        async def http(request: Request) -> Reply:
            await asyncio.sleep(1)
            return Reply(request.purpose, 0 if request.purpose == "unreachable" else 200, b"{}")

        asks = [Request("GET", "http://v/", purpose=name) for name in ("login", "unreachable")]
        session, notes = Numbered(URL, asks=asks), Notes()
        async with counting(1).connect(session, http=http, recorder=notes) as connection:
            await read_until(connection, 1)
        assert session.calls[:4] == ["replied", "replied", "dial", "opened"]
        assert {reply.purpose: reply.status for reply in session.replies} == {
            "login": 200, "unreachable": 0,
        }  # fmt: skip
        assert notes.words[:4] == ["request", "request", "reply", "reply"]

    in_virtual_time(work())


def test_a_reply_outlives_the_websocket_that_was_there_when_it_was_asked_for() -> None:
    """It is lost while a request is under way: the session gets the answer once, and in time."""

    class NeedsToken(Numbered):
        def opened(self, now: int) -> list[Event]:
            if self.calls.count("opened") == 0:
                self._requests.append(Request("GET", "http://v/token", purpose="token"))
            return super().opened(now)

        def closed(self, code: int, reason: str, now: int) -> list[Event]:
            gone.set()
            return super().closed(code, reason, now)

        def ready(self, now: int) -> bool:
            return bool(self.replies) or self.calls.count("opened") == 0

    gone = asyncio.Event()

    async def work() -> None:
        asked = asyncio.Event()

        async def http(request: Request) -> Reply:
            asked.set()
            await gone.wait()
            await asyncio.sleep(1)
            return Reply(request.purpose, 200, b"ok")

        async def handler(peer: MemoryPeer) -> None:
            await count(peer, 1)
            if not gone.is_set():
                await asked.wait()
                peer.abort()
            await peer.wait_closed()

        session = NeedsToken(URL)
        async with MemoryVenue(handler).connect(session, http=http) as connection:
            while session.calls.count("opened") < 2:
                await anext(connection)
        assert [(reply.purpose, reply.status, reply.body) for reply in session.replies] == [
            ("token", 200, b"ok")
        ]
        # The second dial needed it, and waited.
        calls = [call for call in session.calls if call in ("dial", "replied")]
        assert calls == ["dial", "replied", "dial"]

    in_virtual_time(work())


def test_a_request_made_while_open_is_answered() -> None:
    class Refreshing(Numbered):
        def received(self, data: Message, now: int) -> list[Event]:
            self._requests.append(Request("GET", "http://v/refresh", purpose="refresh"))
            return super().received(data, now)

        def replied(self, reply: Reply, now: int) -> list[Event]:
            super().replied(reply, now)
            return [Data("refreshed", reply.status)]

    async def http(request: Request) -> Reply:
        return Reply(request.purpose, 200, b"")

    async def work() -> None:
        async with counting(1).connect(Refreshing(URL), http=http) as connection:
            await read_until(connection, 200)

    in_virtual_time(work())


def test_an_error_of_a_request_that_is_ours_comes_out() -> None:
    async def http(request: Request) -> Reply:
        raise Misuse("not an HTTP URL")

    async def work(session: Numbered) -> None:
        async with counting(1).connect(session, http=http) as connection:
            await read_until(connection, 2)

    with pytest.raises(Misuse, match="not an HTTP URL"):
        in_virtual_time(work(Numbered(URL, asks=[Request("GET", "nowhere")])))


def test_closing_does_not_wait_for_an_answer() -> None:
    async def work() -> None:
        async def http(request: Request) -> Reply:
            await asyncio.sleep(5_000)
            return Reply(request.purpose, 200, b"")

        session = Numbered(URL, asks=[Request("GET", "http://v/")])
        began = now()
        async with counting(1).connect(session, http=http):
            await asyncio.sleep(1)
        assert now() - began < 2e9
        assert session.calls == []

    in_virtual_time(work())


def test_a_connection_is_started_once_and_has_its_session_for_itself() -> None:
    async def work() -> None:
        venue, session = counting(1), Numbered(URL)
        async with venue.connect(session) as connection:
            with pytest.raises(Misuse, match="started once"):
                connection.start()
            with pytest.raises(Misuse, match="another connection"):
                Connection(session, dial=venue.dial).start()

    in_virtual_time(work())


def test_import_payloads_does_not_import_the_transport() -> None:
    code = (
        "import sys, payloads, payloads.live, payloads.capture, payloads.venues; "
        "assert not {'websockets', 'asyncio', 'ssl', 'urllib.request'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
