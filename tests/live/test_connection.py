"""The driver against real websocket servers on loopback."""

# ruff: noqa: PT012, SIM117 (it is the loop that raises, and the server that comes first)

from __future__ import annotations

import asyncio
import http
import itertools
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Awaitable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from payloads.capture.frames import Delivery, Dropped, Frame, Incident, Retrying, Unreachable
from payloads.errors import Misuse, Refused
from payloads.live import connect, stream
from payloads.live.connection import Backoff, Connection, merged
from payloads.live.inbox import Inbox
from payloads.venues.common.redactor import Message, Secret
from payloads.venues.common.session import (
    Closed,
    Data,
    Event,
    Rejected,
    Reply,
    Request,
    Retry,
    Stalled,
    Unknown,
)
from tests.live.kit import QUICK, SECRET, Numbered, count, serving, url_of

# A ping of ours, and its answer.
_PING, _PONG = ("out", "ping"), ("in", "pong")


class Notes:
    """A recorder that keeps everything in a list."""

    def __init__(self) -> None:
        self.connections = 0
        self.kept: list[Frame | Incident] = []
        self.secrets: set[str] = set()

    def connection(self) -> int:
        self.connections += 1
        return self.connections

    def learn(self, secret: Secret | str) -> None:
        self.secrets.add(secret.reveal() if isinstance(secret, Secret) else secret)

    def frame(self, frame: Frame) -> None:
        self.kept.append(frame)

    def incident(self, incident: Incident) -> None:
        self.kept.append(incident)

    @property
    def words(self) -> list[str]:
        return [one.what for one in self.kept if isinstance(one, Incident)]


def run(work: Awaitable[Any], within: float = 20) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(within):
            return await work

    return asyncio.run(bounded())


async def read_until(connection: Connection, last: int) -> list[Delivery]:
    """All moments until the numbered message came."""
    deliveries = []
    async for delivery in connection:
        deliveries.append(delivery)
        if any(isinstance(event, Data) and event.content == last for event in delivery.events):
            break
    return deliveries


def events_of(deliveries: list[Delivery]) -> list[Event]:
    return [event for delivery in deliveries for event in delivery.events]


# --- the ordinary way -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["text", "binary"])
def test_frames_come_in_order_with_their_times_and_opcodes(kind: str) -> None:
    async def work() -> None:
        async def handler(socket: ServerConnection) -> None:
            await count(socket, 50, kind=kind)
            await socket.wait_closed()

        async with serving(handler) as url:
            session, before = Numbered(url), time.time_ns()
            async with connect(session) as connection:
                deliveries = await read_until(connection, 50)
            frames = [delivery.frame for delivery in deliveries if delivery.frame]
            assert [json.loads(frame.data)["n"] for frame in frames] == list(range(1, 51))
            assert {frame.opcode for frame in frames} == {kind}
            assert {type(frame.data) for frame in frames} == {str if kind == "text" else bytes}
            times = [frame.at for frame in frames]
            assert before <= times[0] <= times[-1] <= time.time_ns()
            assert times == sorted(times)
            assert session.calls == ["dial", "opened", "closed 1000"]

    run(work())


def test_the_target_and_the_headers_go_out_byte_for_byte() -> None:
    seen = []

    async def work() -> None:
        async def handler(socket: ServerConnection) -> None:
            assert socket.request is not None
            seen.append((socket.request.path, dict(socket.request.headers.raw_items())))
            await count(socket, 1)

        async with serve(handler, "127.0.0.1", 0) as server:
            base = url_of(server).partition("/numbers")[0]
            for target in ("/a;b/c;d?x=1,2&y=%2c%2C&&z=", "/?", "//two//", "/~!$&'()*+,;=:@?/?"):
                async with connect(Numbered(base + target)) as connection:
                    await read_until(connection, 1)
                assert seen[-1][0] == target
            assert seen[-1][1]["X-Token"] == SECRET.reveal()
            assert seen[-1][1]["User-Agent"].startswith("payloads/")

    run(work())


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "ws://", "nothing", "ws://127.0.0.1/ä b"])
def test_what_is_no_websocket_url_is_misuse(url: str) -> None:
    async def work() -> None:
        async with connect(Numbered(url)) as connection:
            async for _ in connection:
                pass

    with pytest.raises((Misuse, Refused)) as caught:
        run(work())
    assert isinstance(caught.value, Misuse)


def test_a_large_fragmented_message_is_one_frame() -> None:
    async def work() -> None:
        text = json.dumps({"n": 1, "pad": "x" * 3_000_000})

        async def handler(socket: ServerConnection) -> None:
            await socket.recv()
            await socket.send(text[at : at + 100_000] for at in range(0, len(text), 100_000))
            await socket.wait_closed()

        async with serving(handler) as url, connect(Numbered(url)) as connection:
            deliveries = await read_until(connection, 1)
        (frame,) = [delivery.frame for delivery in deliveries if delivery.frame]
        assert frame.data == text

    run(work())


def test_ticks_are_sent_at_the_deadline() -> None:
    async def work() -> None:
        ticks = []

        async def handler(socket: ServerConnection) -> None:
            await socket.recv()
            async for message in socket:
                ticks.append((message, time.monotonic()))
                if len(ticks) == 4:
                    await socket.send('{"n": 1}')

        async with serving(handler) as url:
            async with connect(Numbered(url, every=0.05)) as connection:
                await read_until(connection, 1)
        gaps = [late[1] - early[1] for early, late in itertools.pairwise(ticks)]
        assert all(0.03 < gap < 1 for gap in gaps), gaps

    run(work())


# --- refusals, failures, coming back --------------------------------------------------------------


def test_401_is_not_retried_and_its_body_is_shown() -> None:
    async def work() -> None:
        dials = 0

        def refuse(socket: ServerConnection, _: Any) -> Any:
            nonlocal dials
            dials += 1
            return socket.respond(http.HTTPStatus.UNAUTHORIZED, "no such key")

        events: list[Event] = []
        async with serving(count, process_request=refuse) as url:  # type: ignore[arg-type]
            async with connect(Numbered(url), backoff=QUICK) as connection:
                with pytest.raises(Refused, match="HTTP 401"):
                    async for event in connection.events():
                        events.append(event)
        assert dials == 1
        assert events == [Rejected("401", "no such key")]

    run(work())


def test_503_is_retried_with_growing_jittered_waits() -> None:
    async def work() -> None:
        dials = 0

        def refuse(socket: ServerConnection, _: Any) -> Any:
            nonlocal dials
            dials += 1
            if dials <= 4:
                return socket.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "busy")
            return None

        async def handler(socket: ServerConnection) -> None:
            await count(socket, 3)
            await socket.wait_closed()

        async with serving(handler, process_request=refuse) as url:
            async with connect(Numbered(url), backoff=QUICK) as connection:
                events = events_of(await read_until(connection, 3))
        waits = [event.wait for event in events if isinstance(event, Retrying)]
        longest = [0.02, 0.04, 0.08, 0.1]
        assert len(waits) == 4
        for wait, most in zip(waits, longest, strict=True):
            assert most / 2 <= wait / 1e9 <= most
        assert connection.stats.refused == 4

    run(work())


def test_backoff_doubles_to_its_ceiling_and_gives_up_when_told() -> None:
    backoff = Backoff(first=1, most=30)
    assert [backoff.wait(n, 0.0) // 10**9 for n in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]
    assert backoff.wait(10_000, 0.999) >= 15 * 10**9

    async def work() -> None:
        connection = connect(Numbered("ws://127.0.0.1:1/"), backoff=Backoff(0.01, 0.02, attempts=3))
        async with connection:
            with pytest.raises(Refused, match="3 attempts"):
                async for delivery in connection:
                    assert isinstance(delivery.events[0], Unreachable | Retrying)
        assert connection.stats.unreachable == 3

    run(work())


def test_a_wait_that_the_venue_asked_for_is_kept() -> None:
    class Patient(Numbered):
        def closed(self, code: int, reason: str, now: int) -> list[Event]:
            return [Closed(code, reason, Retry(True, "come back later", 300_000_000))]

    async def work() -> None:
        opened = []

        async def handler(socket: ServerConnection) -> None:
            opened.append(time.monotonic())
            await count(socket, len(opened))

        async with serving(handler) as url:
            async with connect(Patient(url), backoff=QUICK) as connection:
                await read_until(connection, 2)
        assert 0.3 <= opened[1] - opened[0] < 2

    run(work())


def test_a_server_restart_loses_and_doubles_nothing() -> None:
    async def work() -> None:
        async def handler(socket: ServerConnection) -> None:
            await count(socket, 400, pause=0.001)
            await socket.wait_closed()

        async with serve(handler, "127.0.0.1", 0) as server:
            url, port = url_of(server), next(iter(server.sockets)).getsockname()[1]
        session = Numbered(url)

        async def venue() -> None:
            for _ in range(5):
                async with serving(handler, port):
                    await asyncio.sleep(0.12)
            async with serving(handler, port):
                await asyncio.sleep(60)

        restarting = asyncio.ensure_future(venue())
        async with connect(session, backoff=QUICK) as connection:
            await read_until(connection, 400)
        restarting.cancel()
        await asyncio.gather(restarting, return_exceptions=True)
        assert session.numbers == list(range(1, 401))
        assert connection.stats.opened >= 3

    run(work())


def test_a_connection_cut_in_the_middle_of_a_message_is_dialled_again() -> None:
    async def work() -> None:
        async def handler(socket: ServerConnection) -> None:
            await count(socket, 5)
            if len(session.calls) < 6:
                socket.transport.write(b"\x81\x7e\x10\x00half a mess")
                await asyncio.sleep(0.02)
                socket.transport.abort()
            await count(socket, 10)

        async with serving(handler) as url:
            session = Numbered(url)
            async with connect(session, backoff=QUICK) as connection:
                read = asyncio.ensure_future(read_until(connection, 10))
                await asyncio.sleep(0.3)
                read.cancel()
                await asyncio.gather(read, return_exceptions=True)
        assert session.numbers == list(range(1, 6))
        assert "closed 1006" in session.calls

    run(work())


def test_a_stalled_server_is_noticed_and_dialled_again() -> None:
    async def work() -> None:
        stalls, over = 0, asyncio.Event()

        async def handler(socket: ServerConnection) -> None:
            nonlocal stalls
            await count(socket, 3 if stalls else 1)
            if not stalls:
                stalls += 1
                socket.transport.pause_reading()  # answers no ping any more
                await over.wait()
                return
            await socket.wait_closed()

        async with serving(handler, ping_interval=None, close_timeout=0.1) as url:
            notes, session = Notes(), Numbered(url)
            options: dict[str, Any] = {"ping_interval": 0.05, "ping_timeout": 0.1}
            began = time.monotonic()
            async with connect(session, backoff=QUICK, recorder=notes, **options) as connection:
                events = events_of(await read_until(connection, 3))
            assert time.monotonic() - began < 5
            over.set()
            assert session.numbers == [1, 2, 3]
            assert connection.stats.stalled == 1
            closed = [event for event in events if isinstance(event, Closed)]
            assert closed[0].code == 1006
            assert "ping" in closed[0].reason
            assert notes.words[:5] == ["dialling", "opened", "stalled", "closed", "retrying"]

    run(work())


def test_pings_are_answered_and_latency_is_known() -> None:
    async def work() -> None:
        async def handler(socket: ServerConnection) -> None:
            await (await socket.ping(b"are you there"))
            await asyncio.sleep(0.2)
            await count(socket, 1)

        async with serving(handler) as url:
            notes = Notes()
            async with connect(Numbered(url), ping_interval=0.02, recorder=notes) as connection:
                await read_until(connection, 1)
            assert connection.stats.latency > 0
        control = [
            (one.direction, one.opcode, one.data)
            for one in notes.kept
            if isinstance(one, Frame) and one.opcode in ("ping", "pong")
        ]
        assert ("in", "ping", b"are you there") in control
        assert ("out", "pong", b"are you there") in control
        asked = [data for direction, opcode, data in control if (direction, opcode) == _PING]
        answers = [data for direction, opcode, data in control if (direction, opcode) == _PONG]
        assert answers
        assert asked[: len(answers)] == answers
        assert control.index((*_PING, asked[0])) < control.index((*_PONG, asked[0]))

    run(work())


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
        async def handler(socket: ServerConnection) -> None:
            await count(socket, 4, pause=0.02)
            await socket.wait_closed()

        async with serving(handler) as url:
            session, events = Moody(url), []
            async with connect(session, backoff=QUICK) as connection:
                with pytest.raises(Refused, match="enough"):
                    async for event in connection.events():
                        events.append(event)
        assert session.numbers == [1, 2, 3, 4]
        assert connection.stats.opened == 2
        assert isinstance(events[-1], Closed)

    run(work())


def test_an_oversized_message_closes_the_connection_and_says_so() -> None:
    async def work() -> None:
        async def handler(socket: ServerConnection) -> None:
            await socket.recv()
            await socket.send("x" * 2_000)
            await socket.wait_closed()

        async with serving(handler) as url:
            session = Numbered(url)
            options = Backoff(0.01, 0.01, attempts=2)
            async with connect(session, backoff=options, max_bytes=1_000) as connection:
                with pytest.raises(Refused):
                    async for _ in connection:
                        pass
        assert session.calls.count("closed 1009") == 2
        assert session.numbers == []

    run(work())


def test_text_that_is_not_utf8_is_passed_on_as_bytes() -> None:
    async def work() -> None:
        async def handler(socket: ServerConnection) -> None:
            await socket.recv()
            await socket.send(b"\xff\xfe", text=True)
            await count(socket, 1)

        async with serving(handler) as url, connect(Numbered(url)) as connection:
            async for delivery in connection:
                if delivery.frame is not None:
                    break
        assert delivery.frame is not None
        assert (delivery.frame.opcode, delivery.frame.data) == ("text", b"\xff\xfe")
        assert isinstance(delivery.events[0], Unknown)

    run(work())


def test_a_bug_in_a_session_comes_out() -> None:
    class Buggy(Numbered):
        def received(self, data: Message, now: int) -> list[Event]:
            raise ZeroDivisionError("a bug")

    async def work() -> None:
        async def handler(socket: ServerConnection) -> None:
            await count(socket, 1)
            await socket.wait_closed()

        async with serving(handler) as url, connect(Buggy(url)) as connection:
            async for _ in connection:
                pass

    with pytest.raises(ZeroDivisionError, match="a bug"):
        run(work())


# --- slow readers ---------------------------------------------------------------------------------


def test_a_slow_reader_that_blocks_loses_nothing() -> None:
    async def work() -> None:
        sent = 0

        async def handler(socket: ServerConnection) -> None:
            nonlocal sent
            await socket.recv()
            for number in range(1, 3_001):
                # 60 MB in all: more than the buffers of two sockets take
                await socket.send(json.dumps({"n": number, "pad": "x" * 20_000}))
                sent = number
            await socket.wait_closed()

        async with serving(handler, compression=None) as url:
            session = Numbered(url)
            options: dict[str, Any] = {"ping_interval": 0.02, "ping_timeout": 0.05}
            async with connect(session, queue=100, **options) as connection:
                async for _ in connection:
                    break
                await asyncio.sleep(0.5)  # much longer than the ping's timeout
                assert sent < 3_000
                assert connection.inbox.most < 300
                await read_until(connection, 3_000)
            assert session.numbers == list(range(1, 3_001))
            assert connection.stats.opened == 1
            assert connection.inbox.blocked >= 1
            assert connection.inbox.blocked_ns > 0.3e9
            assert connection.inbox.dropped == 0

    run(work())


def test_a_slow_reader_that_drops_is_told_how_many_and_where() -> None:
    async def work() -> None:
        async def handler(socket: ServerConnection) -> None:
            await count(socket, 5_000)
            await socket.wait_closed()

        async with serving(handler) as url:
            session, notes = Numbered(url), Notes()
            options: dict[str, Any] = {"queue": 50, "when_full": "drop-oldest"}
            async with connect(session, recorder=notes, **options) as connection:
                while session.last < 5_000:
                    await asyncio.sleep(0.01)
                events = events_of(await read_until(connection, 5_000))
        dropped = [event.count for event in events if isinstance(event, Dropped)]
        numbers = [event.content for event in events if isinstance(event, Data)]
        assert sum(dropped) == connection.inbox.dropped == 4_950
        assert numbers == list(range(4_951, 5_001))
        recorded = [one for one in notes.kept if isinstance(one, Frame) and one.is_message]
        assert len(recorded) == 5_001  # one was sent; the recorder stands before the queue

    run(work())


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

    run(work())


@pytest.mark.parametrize("options", [{"queue": 0}, {"when_full": "forget"}])
def test_policies_that_are_none_are_misuse(options: dict[str, Any]) -> None:
    with pytest.raises(Misuse):
        connect(Numbered("ws://127.0.0.1/"), **options)


# --- several at once ------------------------------------------------------------------------------


def test_several_connections_are_read_as_one() -> None:
    async def work() -> None:
        async def handler(socket: ServerConnection) -> None:
            await count(socket, 20)
            await socket.wait_closed()

        async with serving(handler) as url:
            inbox, notes = Inbox(), Notes()
            sessions = [Numbered(url), Numbered(url)]
            made = [Connection(one, inbox=inbox, recorder=notes) for one in sessions]
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

    run(work())


# --- closing --------------------------------------------------------------------------------------


def test_cancelling_closes_with_a_handshake() -> None:
    async def work() -> None:
        codes = []

        async def handler(socket: ServerConnection) -> None:
            await count(socket, 1)
            await socket.wait_closed()
            codes.append(socket.close_code)

        async def reader(url: str) -> None:
            async with connect(Numbered(url)) as connection:
                async for _ in connection:
                    pass

        async with serving(handler) as url:
            reading = asyncio.ensure_future(reader(url))
            await asyncio.sleep(0.2)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            await asyncio.sleep(0.05)
        assert codes == [1000]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(work())


def test_close_ends_the_iteration_and_keeps_what_came_before() -> None:
    async def work() -> None:
        async def handler(socket: ServerConnection) -> None:
            await count(socket, 10)
            await socket.wait_closed()

        async with serving(handler) as url:
            session = Numbered(url)
            async with connect(session) as connection:
                while session.last < 10:
                    await asyncio.sleep(0.01)
                await connection.close()
                events = [event async for event in connection.events()]
        assert [event.content for event in events if isinstance(event, Data)] == list(range(1, 11))
        assert isinstance(events[-1], Closed)
        assert events[-1].code == 1000

    run(work())


def test_closing_does_not_wait_for_a_server_that_is_gone() -> None:
    async def work() -> None:
        over = asyncio.Event()

        async def handler(socket: ServerConnection) -> None:
            await count(socket, 1)
            socket.transport.pause_reading()
            await over.wait()

        async with serving(handler, ping_interval=None, close_timeout=0.1) as url:
            async with connect(Numbered(url), close_timeout=0.2) as connection:
                await read_until(connection, 1)
                began = time.monotonic()
            assert time.monotonic() - began < 2
            over.set()

    run(work())


CHILD = """
    import asyncio, sys
    from payloads.live import connect, stream
    from payloads.capture.writer import CaptureWriter
    from tests.live.kit import Numbered

    async def main():
        with CaptureWriter(sys.argv[2]) as writer:
            async with connect(Numbered(sys.argv[1]), recorder=writer) as connection:
                async for moment in connection:
                    print("moment", flush=True)

    def plain():
        with CaptureWriter(sys.argv[2]) as writer:
            for moment in stream(Numbered(sys.argv[1]), recorder=writer):
                print("moment", flush=True)

    if sys.argv[3] == "async":
        asyncio.run(main())
    else:
        plain()
"""


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
@pytest.mark.parametrize("way", ["async", "plain"])
def test_sigint_closes_cleanly(way: str, tmp_path: Path) -> None:
    async def work() -> None:
        codes = []

        async def handler(socket: ServerConnection) -> None:
            await count(socket, 3)
            await socket.wait_closed()
            codes.append(socket.close_code)

        async with serving(handler) as url:
            arguments = ["-c", textwrap.dedent(CHILD), url, str(tmp_path / "c.jsonl"), way]
            child = await asyncio.create_subprocess_exec(
                sys.executable, *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            assert child.stdout is not None
            for _ in range(4):
                await child.stdout.readline()
            child.send_signal(signal.SIGINT)
            _, errors = await child.communicate()
            assert b"KeyboardInterrupt" in errors
            assert b"never" not in errors, errors.decode()
            assert b"Traceback" not in errors.split(b"KeyboardInterrupt")[1]
        assert codes == [1000]
        assert '"what":"end"' in (tmp_path / "c.jsonl").read_text()

    run(work())


# --- without asyncio ------------------------------------------------------------------------------


@pytest.fixture
def venue() -> Any:
    """A server in a thread, for code without an event loop."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    found: dict[str, Any] = {}

    async def main() -> None:
        async def handler(socket: ServerConnection) -> None:
            await count(socket, 100)
            await socket.wait_closed()

        async with serving(handler) as url:
            found["url"], found["stop"] = url, asyncio.Event()
            ready.set()
            await found["stop"].wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(main(),))
    thread.start()
    ready.wait(5)
    yield found["url"]
    loop.call_soon_threadsafe(found["stop"].set)
    thread.join()
    loop.close()


def test_a_plain_loop_gets_the_same(venue: str) -> None:
    session, numbers = Numbered(venue), []
    for delivery in stream(session):
        numbers += [event.content for event in delivery.events if isinstance(event, Data)]
        if len(numbers) == 100:
            break
    assert numbers == list(range(1, 101))
    assert session.calls[-1] == "closed 1000"
    assert "payloads stream" not in [thread.name for thread in threading.enumerate()]


def test_a_plain_loop_is_told_of_refusals() -> None:
    session = Numbered("ws://127.0.0.1:1/")
    with pytest.raises(Refused):
        list(stream(session, backoff=Backoff(0.01, 0.01, attempts=2)))


# --- HTTP requests --------------------------------------------------------------------------------


class Web(BaseHTTPRequestHandler):
    seen: list[tuple[str, str, dict[str, str], bytes]]

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.seen.append((self.command, self.path, dict(self.headers), body))
        if self.path.startswith("/redirect"):
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        else:
            self.send_response(206 if self.path.startswith("/partly") else 200)
        self.send_header("Set-Cookie", "refresh=cookie-value-that-nobody-may-see; HttpOnly")
        answer = b'{"accessToken": {"token": "token-value-that-nobody-may-see"}, "plain": 1}'
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    do_POST = do_HEAD = do_GET

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def web() -> Any:
    Web.seen = []
    with HTTPServer(("127.0.0.1", 0), Web) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_requests_are_made_before_the_dial_and_answered(web: str) -> None:
    headers = (("Authorization", "Bearer header-value-that-nobody-may-see"), ("X-a", "b"))
    asks = [
        Request("POST", f"{web}/login?addr=1,2&sig=%2C%2c", headers, b"body", "login"),
        Request("HEAD", f"{web}/", (), b"", "origins"),
        Request("GET", f"{web}/partly", (), b"", "bulk"),
        Request("GET", f"{web}/redirect", (), b"", "redirect"),
        Request("GET", "http://127.0.0.1:1/", (), b"", "nobody"),
    ]

    async def work() -> None:
        async def handler(socket: ServerConnection) -> None:
            await count(socket, 1)
            await socket.wait_closed()

        async with serving(handler) as url:
            session, notes = Numbered(url, asks=asks), Notes()
            async with connect(session, recorder=notes) as connection:
                await read_until(connection, 1)
        assert session.calls[:7] == ["replied"] * 5 + ["dial", "opened"]
        replies = {reply.purpose: reply for reply in session.replies}
        statuses = {purpose: reply.status for purpose, reply in replies.items()}
        assert statuses == {"login": 200, "origins": 200, "bulk": 206, "redirect": 302, "nobody": 0}
        assert b"refused" in replies["nobody"].body
        seen = {(method, path): (sent, body) for method, path, sent, body in Web.seen}
        sent, body = seen["POST", "/login?addr=1,2&sig=%2C%2c"]
        assert (sent["Authorization"], body) == (headers[0][1], b"body")
        assert ("HEAD", "/") in seen
        assert len(Web.seen) == 4  # the redirect was not followed
        kept = repr([one.detail for one in notes.kept if isinstance(one, Incident)])
        assert "nobody-may-see" not in kept
        assert {
            SECRET.reveal(), "header-value-that-nobody-may-see",
            "cookie-value-that-nobody-may-see", "token-value-that-nobody-may-see",
        } <= notes.secrets  # fmt: skip

    run(work())


def test_a_reply_outlives_the_websocket_that_was_there_when_it_was_asked_for() -> None:
    """Lost while a request is under way: the answer is told all the same, once, and in time."""

    async def work() -> None:
        asked, gone, told = asyncio.Event(), asyncio.Event(), []

        async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            asked.set()
            await gone.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            writer.close()

        class HttpOptions(Numbered):
            needed = True

            def opened(self, now: int) -> list[Event]:
                if self.calls.count("opened") == 0:
                    self._requests.append(Request("GET", f"{web}/token", purpose="token"))
                return super().opened(now)

            def closed(self, code: int, reason: str, now: int) -> list[Event]:
                gone.set()
                return super().closed(code, reason, now)

            def ready(self, now: int) -> bool:
                return bool(self.replies) or self.calls.count("opened") == 0

        async def handler(socket: ServerConnection) -> None:
            await count(socket, 1)
            if not gone.is_set():
                await asked.wait()
                socket.transport.abort()
            await socket.wait_closed()

        server = await asyncio.start_server(slow, "127.0.0.1", 0)
        web = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server, serving(handler) as url:
            session = HttpOptions(url)
            async with connect(session, backoff=QUICK) as connection:
                while session.calls.count("opened") < 2:
                    told.append(await anext(connection))
        assert [(one.purpose, one.status, one.body) for one in session.replies] == [
            ("token", 200, b"ok")
        ]
        # The second dial needed it, and waited.
        calls = [call for call in session.calls if call in ("dial", "replied")]
        assert calls == ["dial", "replied", "dial"]

    run(work())


def test_attempts_are_counted_from_the_last_message_on() -> None:
    async def work() -> None:
        dials = 0

        async def handler(socket: ServerConnection) -> None:
            nonlocal dials
            dials += 1
            if dials % 2:
                await count(socket, (dials + 1) // 2)
            await socket.close()

        async with serving(handler) as url:
            session = Numbered(url)
            async with connect(session, backoff=Backoff(0.01, 0.01, attempts=2)) as connection:
                await read_until(connection, 3)
        # Every second dial brought nothing: never two in a row.
        assert dials >= 5

    run(work())


def test_a_request_made_while_open_is_answered(web: str) -> None:
    class Refreshing(Numbered):
        def received(self, data: Message, now: int) -> list[Event]:
            self._requests.append(Request("GET", f"{web}/refresh", purpose="refresh"))
            return super().received(data, now)

        def replied(self, reply: Reply, now: int) -> list[Event]:
            super().replied(reply, now)
            return [Data("refreshed", reply.status)]

    async def work() -> None:
        async def handler(socket: ServerConnection) -> None:
            await count(socket, 1)
            await socket.wait_closed()

        async with serving(handler) as url, connect(Refreshing(url)) as connection:
            await read_until(connection, 200)

    run(work())


def test_import_payloads_does_not_import_the_transport() -> None:
    code = (
        "import sys, payloads, payloads.live, payloads.capture, payloads.venues; "
        "assert not {'websockets', 'asyncio', 'ssl', 'urllib.request'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
