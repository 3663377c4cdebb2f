"""A real websocket on loopback: the bytes that go out, limits, control frames, the closing.

What a connection makes of a websocket is tested in memory, in `test_connection`.
"""

# ruff: noqa: PT012, SIM117 (it is the loop that raises, and the server that comes first)

from __future__ import annotations

import asyncio
import http
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from payloads.errors import Misuse, Refused
from payloads.live import Backoff, connect
from payloads.venues.common.redactor import Message
from payloads.venues.common.session import Closed, Event, Rejected, Unknown
from tests.live.kit import (
    QUICK,
    SECRET,
    Notes,
    Numbered,
    count,
    events_of,
    read_until,
    run,
    serving,
    url_of,
)


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


def test_a_refusal_has_its_status_and_its_body() -> None:
    async def work() -> None:
        def refuse(socket: ServerConnection, _: Any) -> Any:
            return socket.respond(http.HTTPStatus.UNAUTHORIZED, "no such key")

        events: list[Event] = []
        async with serving(lambda peer: count(peer, 1), process_request=refuse) as url:
            async with connect(Numbered(url), backoff=QUICK) as connection:
                with pytest.raises(Refused, match="HTTP 401"):
                    async for event in connection.events():
                        events.append(event)
        assert events == [Rejected("401", "no such key")]

    run(work())


def test_a_port_where_nothing_listens_is_unreachable() -> None:
    async def work() -> None:
        connection = connect(Numbered("ws://127.0.0.1:1/"), backoff=Backoff(0.01, 0.02, attempts=2))
        async with connection:
            with pytest.raises(Refused, match="2 attempts"):
                await read_until(connection, 1)
        assert connection.stats.unreachable == 2

    run(work())


@pytest.mark.parametrize("kind", ["text", "binary"])
@pytest.mark.parametrize("compression", ["deflate", None])
def test_messages_come_whole_and_in_order(kind: str, compression: str | None) -> None:
    async def work() -> None:
        async def handler(socket: ServerConnection) -> None:
            await count(socket, 500, kind=kind)
            await socket.wait_closed()

        async with serving(handler, compression=compression) as url:
            session = Numbered(url)
            async with connect(session) as connection:
                deliveries = await read_until(connection, 500)
        assert session.numbers == list(range(1, 501))
        frames = [delivery.frame for delivery in deliveries if delivery.frame]
        assert {frame.opcode for frame in frames} == {kind}

    run(work())


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


@pytest.mark.parametrize("compression", ["deflate", None])
def test_an_oversized_message_closes_the_connection_and_says_so(compression: str | None) -> None:
    """Also where it is small on the wire, and only large once it is inflated."""

    async def work() -> None:
        async def handler(socket: ServerConnection) -> None:
            await socket.recv()
            await socket.send("x" * 2_000)
            await socket.wait_closed()

        async with serving(handler, compression=compression) as url:
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


def test_a_connection_cut_in_the_middle_of_a_message_is_dialled_again() -> None:
    async def work() -> None:
        async def handler(socket: ServerConnection) -> None:
            await count(socket, 5)
            if len(session.calls) < 6:
                socket.transport.write(b"\x81\x7e\x10\x00half a mess")
                await asyncio.sleep(0.02)
                socket.transport.abort()
                return
            await count(socket, 10)

        async with serving(handler) as url:
            session, deliveries = Numbered(url), []
            async with connect(session, backoff=QUICK) as connection:
                while session.calls.count("opened") < 2:
                    deliveries.append(await anext(connection))
        assert session.numbers == list(range(1, 6))
        assert "closed 1006" in session.calls
        assert not [event for event in events_of(deliveries) if isinstance(event, Unknown)]

    run(work())


def test_pings_are_answered_and_latency_is_known() -> None:
    async def work() -> None:
        async def handler(socket: ServerConnection) -> None:
            await (await socket.ping(b"are you there"))
            while not connection.stats.latency:
                await asyncio.sleep(0.01)
            await count(socket, 1)

        async with serving(handler) as url:
            notes = Notes()
            connection = connect(Numbered(url), ping_interval=0.02, recorder=notes)
            async with connection:
                await read_until(connection, 1)
            assert connection.stats.latency > 0
        control: list[tuple[str, str, Any]] = [
            (frame.direction, frame.opcode, frame.data)
            for frame in notes.frames
            if frame.opcode in ("ping", "pong")
        ]
        assert ("in", "ping", b"are you there") in control
        assert ("out", "pong", b"are you there") in control
        asked = [data for direction, opcode, data in control if (direction, opcode) == _PING]
        answers = [data for direction, opcode, data in control if (direction, opcode) == _PONG]
        assert answers
        assert asked[: len(answers)] == answers
        assert control.index((*_PING, asked[0])) < control.index((*_PONG, asked[0]))

    run(work())


# A ping of ours, and its answer.
_PING, _PONG = ("out", "ping"), ("in", "pong")


def test_while_the_queue_is_full_the_socket_is_not_read() -> None:
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
            async with connect(session, queue=100) as connection:
                while not connection.inbox.full:
                    await asyncio.sleep(0.01)
                # Until the buffers are full, too, and nothing moves any more.
                before = -1
                while sent > before:
                    before = sent
                    await asyncio.sleep(0.3)
                assert sent < 3_000
                assert connection.inbox.most < 300
                await read_until(connection, 3_000)
        assert session.numbers == list(range(1, 3_001))
        assert connection.stats.opened == 1
        assert connection.inbox.blocked >= 1
        assert connection.inbox.dropped == 0

    run(work())


# --- closing --------------------------------------------------------------------------------------


def test_cancelling_closes_with_a_handshake() -> None:
    async def work() -> None:
        codes, opened = [], asyncio.Event()

        async def handler(socket: ServerConnection) -> None:
            await count(socket, 1)
            opened.set()
            await socket.wait_closed()
            codes.append(socket.close_code)

        async def reader(url: str) -> None:
            async with connect(Numbered(url)) as connection:
                async for _ in connection:
                    pass

        async with serving(handler) as url:
            reading = asyncio.ensure_future(reader(url))
            await opened.wait()
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
        assert codes == [1000]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(work())


def test_the_servers_code_and_reason_are_told() -> None:
    async def work() -> None:
        async def handler(socket: ServerConnection) -> None:
            await count(socket, 1)
            await socket.close(4001, "maintenance")

        async with serving(handler) as url, connect(Numbered(url)) as connection:
            with pytest.raises(Refused, match="4001 maintenance"):
                async for event in connection.events():
                    if isinstance(event, Closed):
                        assert (event.code, event.reason) == (4001, "maintenance")

    run(work())


@pytest.mark.parametrize("says_goodbye", [False, True])
def test_closing_does_not_wait_for_a_server_that_is_gone(says_goodbye: bool) -> None:
    """It reads nothing any more; or it closes the websocket, but never the TCP connection."""

    async def work() -> None:
        over = asyncio.Event()

        async def handler(socket: ServerConnection) -> None:
            await count(socket, 1)
            socket.transport.pause_reading()
            if says_goodbye:
                socket.transport.write(b"\x88\x02\x03\xe8")
            await over.wait()

        async with serving(handler, ping_interval=None, close_timeout=0.1) as url:
            async with connect(Numbered(url), close_timeout=0.2) as connection:
                await read_until(connection, 1)
                if says_goodbye:
                    await _closed(connection)
                began = asyncio.get_running_loop().time()
            assert asyncio.get_running_loop().time() - began < 2
            over.set()

    run(work())


def test_a_server_that_hangs_up_and_reads_no_more_is_not_waited_for() -> None:
    class Verbose(Numbered):
        def received(self, data: Message, now: int) -> list[Event]:
            # More than the buffers of two sockets take: it is never sent whole.
            self._outgoing.append("x" * 20_000_000)
            return super().received(data, now)

    async def work() -> None:
        over = asyncio.Event()

        async def handler(socket: ServerConnection) -> None:
            await count(socket, 1)
            socket.transport.pause_reading()
            await asyncio.sleep(0.1)
            socket.transport.write_eof()
            await over.wait()

        async with serving(handler, ping_interval=None, close_timeout=0.1) as url:
            options: dict[str, Any] = {"close_timeout": 0.2, "ping_interval": None}
            async with connect(Verbose(url), **options) as connection:
                async for event in connection.events():
                    if isinstance(event, Closed):
                        assert event.code == 1006
                        break
            over.set()

    run(work(), within=5)


async def _closed(connection: Any) -> None:
    async for event in connection.events():
        if isinstance(event, Closed):
            assert event.code == 1000
            return


CHILD = """
    import asyncio, signal, sys
    from payloads.live import connect, stream
    from payloads.capture import CaptureWriter
    from tests.live.kit import Numbered

    # A shell starts a background job with the signal ignored: these tests may be such a job.
    signal.signal(signal.SIGINT, signal.default_int_handler)

    async def main():
        with CaptureWriter(sys.argv[2]) as writer:
            async with connect(Numbered(sys.argv[1]), recorder=writer) as connection:
                async for delivery in connection:
                    print("delivery", flush=True)

    def plain():
        with CaptureWriter(sys.argv[2]) as writer:
            for delivery in stream(Numbered(sys.argv[1]), recorder=writer):
                print("delivery", flush=True)

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
