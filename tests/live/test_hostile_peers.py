"""Servers that want this process's memory: none gets more than the bound of docs/bounds.md.

The server is in this process, the client in one of its own, whose memory is measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import socketserver
import threading
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from websockets.utils import accept_key

from payloads.capture import CaptureWriter, read_frames
from payloads.errors import Refused
from payloads.live import Backoff, connect
from payloads.live.connection import MAX_FRAME_BYTES, Connection
from payloads.live.http import MAX_REPLY_BYTES, perform_now
from payloads.live.websocket import MAX_FRAGMENTS, MAX_UNSENT_BYTES
from payloads.venues import StorkSession
from payloads.venues.common.json_text import MAX_MESSAGE_VALUES
from payloads.venues.common.session import Closed, Request
from tests.live.kit import SECRET, run
from tests.memory_limit import needs_measure, run_limited

pytestmark = needs_measure


def frame(head: int, content: bytes) -> bytes:
    size = len(content)
    if size < 126:
        return bytes([head, size]) + content
    if size < 2**16:
        return bytes([head, 126]) + size.to_bytes(2) + content
    return bytes([head, 127]) + size.to_bytes(8) + content


def deflated(content: bytes) -> bytes:
    """A compressed message in one frame."""
    squeeze = zlib.compressobj(9, wbits=-15)
    whole = squeeze.compress(content) + squeeze.flush(zlib.Z_SYNC_FLUSH)
    return frame(0xC1, whole.removesuffix(b"\x00\x00\xff\xff"))


def padded(size: int) -> bytes:
    """JSON of so many bytes, with a character for which Python takes four bytes for each."""
    message = {"type": "news", "data": "\N{OWL}", "pad": ""}
    empty = json.dumps(message, ensure_ascii=False).encode()
    return empty.replace(b'"pad": "', b'"pad": "' + b"x" * (size - len(empty)))


def crowded(size: int, values: int) -> bytes:
    """JSON of so many bytes that is mostly small lists in lists, which take the most memory."""
    lists = b",".join([b"[[[1.5]]]"] * min(values // 4, size // 10))
    return padded(max(200, size - len(lists) - 20))[:-1] + b',"all":[' + lists + b"]}"


LARGEST = partial(crowded, MAX_FRAME_BYTES - 100, MAX_MESSAGE_VALUES - 100)
# Small enough that a message of it is read whatever the number of its values.
CROWD = partial(crowded, MAX_MESSAGE_VALUES - 300, MAX_MESSAGE_VALUES)

# What begins, and what comes again and again.
STREAMS: dict[str, Callable[[], tuple[bytes, bytes]]] = {
    "largest": lambda: (b"", deflated(LARGEST()) * 16),  # 16 kB each
    "crowds": lambda: (b"", frame(0x81, CROWD())),
    "pings": lambda: (b"", frame(0x89, b"x" * 125) * 500),
    "single bytes": lambda: (frame(0x01, b"{"), frame(0x00, b"x") * 10_000),
    "nothing": lambda: (frame(0x01, b"{"), frame(0x00, b"") * 10_000),
    "a refusal": lambda: (b"HTTP/1.1 403 No\r\n\r\n", b"x" * 2**16),
    "a header": lambda: (b"HTTP/1.1 101 Switching\r\n", b"X: " + b"x" * 8000 + b"\r\n"),
}


@contextlib.contextmanager
def hostile(name: str) -> Iterator[str]:
    """A server that sends one of `STREAMS` for as long as it is not cut off, and reads nothing."""
    begin, forever = STREAMS[name]()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            head = b""
            while b"\r\n\r\n" not in head:
                head += self.request.recv(2**16)
            lines = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:-2])
            answer = (
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Accept: {accept_key(lines.get('Sec-WebSocket-Key', ''))}\r\n"
                "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n\r\n"
            )
            with contextlib.suppress(OSError):
                self.request.sendall((b"" if begin[:4] == b"HTTP" else answer.encode()) + begin)
                while True:
                    self.request.sendall(forever)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def server_bind(self) -> None:
            # So that what it does not read is soon waiting at the client.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            super().server_bind()

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


# --- in a process of their own --------------------------------------------------------------------


def connected(host: str, **options: Any) -> Connection:
    session = StorkSession(SECRET, ["BTCUSD"], endpoint=f"ws://{host}")
    return connect(session, backoff=Backoff(attempts=1), close_timeout=0.2, **options)


def slow_reader(host: str) -> None:
    """Reads a few messages, slowly."""

    async def work() -> None:
        async with connected(host) as connection:
            for _ in range(4):
                await anext(connection)
                await asyncio.sleep(0.1)
            print(connection.stats.frames_in)

    run(work())


def dropping_reader(host: str) -> None:
    """Allows messages to be dropped."""

    async def work() -> None:
        async with connected(host, when_full="drop-oldest") as connection:
            while connection.inbox.dropped < 6:
                await asyncio.sleep(0.02)
            await anext(connection)

    run(work())


def closing_reader(host: str) -> None:
    """Closes while the queue is full, and reads nothing."""

    async def work() -> None:
        connection = connected(host)
        connection.start()
        while not connection.inbox.full:
            await asyncio.sleep(0.01)
        await connection.close()

    run(work())


def pinged_capture(host: str, file: str) -> None:
    """Captures a server that pings and does not read, until it is given up."""

    async def work() -> None:
        with CaptureWriter(file) as capture:
            async with connected(host, recorder=capture) as connection:
                with contextlib.suppress(Refused):
                    async for event in connection.events():
                        if isinstance(event, Closed):
                            break

    run(work())
    print(sum(frame.opcode == "ping" for frame in read_frames(file)) > 500)


def told(host: str) -> None:
    """Prints how the connection ends."""

    async def work() -> None:
        async with connected(host) as connection:
            with contextlib.suppress(Refused):
                async for event in connection.events():
                    if isinstance(event, Closed):
                        print(event.code, event.reason)
                        return
            print("refused")

    run(work())


def reply(host: str) -> None:
    answer = perform_now(Request("GET", f"http://{host}/"), timeout=20)
    print(answer.status, answer.body.decode())


# --- the tests ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["largest", "crowds"])
@pytest.mark.parametrize("reader", [slow_reader, dropping_reader, closing_reader])
def test_no_messages_take_more_than_the_bound(reader: Callable[..., None], name: str) -> None:
    with hostile(name) as host:
        run_limited(reader, host)


def test_a_server_that_pings_and_does_not_read_is_given_up() -> None:
    with hostile("pings") as host:
        said = run_limited(told, host, most=16 * MAX_UNSENT_BYTES)
    assert said == "1006 the server does not read what is sent to it\n"


def test_a_capture_of_a_server_that_pings_and_does_not_read_takes_little(tmp_path: Path) -> None:
    with hostile("pings") as host:
        assert (
            run_limited(pinged_capture, host, str(tmp_path / "pings.jsonl"), most=64 * 2**20)
            == "True\n"
        )


@pytest.mark.parametrize("name", ["single bytes", "nothing"])
def test_a_message_in_fragments_without_end_closes_the_connection(name: str) -> None:
    with hostile(name) as host:
        said = run_limited(told, host, most=16 * 2**20)
    assert said == f"1008 a message of more than {MAX_FRAGMENTS} fragments\n"


@pytest.mark.parametrize("name", ["a refusal", "a header"])
def test_an_answer_to_the_upgrade_that_never_ends_takes_little(name: str) -> None:
    with hostile(name) as host:
        assert run_limited(told, host, most=64 * 2**20) == "refused\n"


def test_an_http_answer_that_never_ends_takes_little() -> None:
    with hostile("a refusal") as host:
        said = run_limited(reply, host, most=4 * MAX_REPLY_BYTES)
    assert said == "0 the answer is larger than any a venue sends\n"
