"""The HTTP requests of a session, made for real, beside a websocket in memory."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from payloads.live import connect
from payloads.live.http import perform_now
from payloads.live.request_tasks import MAX_REQUESTS_AT_ONCE
from payloads.venues.common.session import Data, Event, Reply, Request
from tests.live.kit import SECRET, Notes, Numbered, count, read_until, run
from tests.live.memory import URL, MemoryPeer, MemoryVenue, in_virtual_time


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
def web() -> Iterator[str]:
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

    async def handler(peer: MemoryPeer) -> None:
        await count(peer, 1)
        await peer.wait_closed()

    async def work() -> None:
        session, notes = Numbered(URL, asks=asks), Notes()
        async with connect(session, dial=MemoryVenue(handler).dial, recorder=notes) as connection:
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
        kept = repr([incident.detail for incident in notes.incidents])
        assert "nobody-may-see" not in kept
        assert {
            SECRET.reveal(), "header-value-that-nobody-may-see",
            "cookie-value-that-nobody-may-see", "token-value-that-nobody-may-see",
        } <= notes.secrets  # fmt: skip

    run(work())


def endless(
    answer: bytes, forever: bytes, pause: float = 0.02
) -> tuple[socket.socket, threading.Thread]:
    """A server that begins its answer and goes on with it for as long as it is listened to."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        peer, _ = listening.accept()
        with peer, contextlib.suppress(OSError):
            peer.recv(65536)
            peer.sendall(answer)
            while True:
                peer.sendall(forever)
                time.sleep(pause)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return listening, thread


@pytest.mark.parametrize(
    ("answer", "forever"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\n", b"X"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["body", "promised body", "header", "continue"],
)
def test_a_server_that_never_ends_keeps_no_thread(answer: bytes, forever: bytes) -> None:
    listening, thread = endless(answer, forever)
    with listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        reply = perform_now(Request("GET", url, purpose="slow"), timeout=0.3)
        assert (reply.status, reply.body) == (0, b"no answer within 0.3 s")
        thread.join(20)
        assert not thread.is_alive(), "the connection was not cut"


def test_a_socks_proxy_that_drips_keeps_no_thread() -> None:
    # The longest name for where the connection ends, one byte at a time.
    listening, thread = endless(b"\x05\x00\x05\x00\x00\x03\xff", b"x", pause=0.2)
    with listening:
        proxy = f"socks5h://127.0.0.1:{listening.getsockname()[1]}"
        began = time.monotonic()
        reply = perform_now(Request("GET", "http://venue.example/"), timeout=0.3, proxy=proxy)
        assert (reply.status, reply.body) == (0, b"no answer within 0.3 s")
        thread.join(20)
        assert time.monotonic() - began < 20


def test_no_more_requests_than_the_bound_are_made_at_once() -> None:
    """Nor are their replies passed on while the queue is full."""
    asks = [Request("GET", "http://venue.example/", purpose=str(number)) for number in range(10)]
    under_way = most = 0
    seen: list[Event] = []

    async def perform(request: Request) -> Reply:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(1)
        under_way -= 1
        return Reply(request.purpose, 200, b"x" * 100)

    async def handler(peer: MemoryPeer) -> None:
        await peer.wait_closed()

    class Echo(Numbered):
        def replied(self, reply: Reply, now: int) -> list[Event]:
            super().replied(reply, now)
            return [Data("replies", reply.purpose)]

    async def work() -> None:
        session = Echo(URL, asks=asks)
        venue = MemoryVenue(handler)
        async with venue.connect(session, http=perform, queue_bytes=150) as connection:
            await asyncio.sleep(100)
            assert len(session.replies) == 2  # with the second the queue is full
            async for delivery in connection:
                seen.extend(event for event in delivery.events if isinstance(event, Data))
                if len(seen) == len(asks):
                    break
        assert {reply.purpose for reply in session.replies} == {ask.purpose for ask in asks}

    in_virtual_time(work())
    assert most == MAX_REQUESTS_AT_ONCE
