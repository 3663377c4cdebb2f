"""TLS and proxies: what must be verified is, and what is set up is used."""

# ruff: noqa: SIM117 (it is the loop that raises, and the server that comes first)

from __future__ import annotations

import asyncio
import contextlib
import ssl
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from payloads.errors import Misuse, Refused
from payloads.transport.client import Backoff, connect
from payloads.venues.session import Request
from tests.transport.kit import QUICK, Numbered, count, serving
from tests.transport.test_client import read_until, run

CERTIFICATE = Path(__file__).parent / "fixtures" / "loopback.pem"


async def _handler(socket: ServerConnection) -> None:
    await count(socket, 3)
    await socket.wait_closed()


@contextlib.asynccontextmanager
async def serving_tls() -> AsyncIterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    async with serving(_handler, ssl=context) as url:
        yield url.replace("ws://", "wss://")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "WSS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def test_a_self_signed_certificate_is_refused_and_not_tried_again() -> None:
    async def work() -> None:
        async with serving_tls() as url:
            async with connect(Numbered(url), backoff=QUICK) as connection:
                with pytest.raises(Refused, match="certificate is not trusted"):
                    await read_until(connection, 1)
        assert connection.stats.dials == 1

    run(work())


def test_a_certificate_that_is_trusted_is_accepted() -> None:
    async def work() -> None:
        async with serving_tls() as url:
            trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
            async with connect(Numbered(url), tls=trusting) as connection:
                await read_until(connection, 3)

    run(work())


def test_a_certificate_for_another_host_is_refused() -> None:
    async def work() -> None:
        async with serving_tls() as url:
            trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
            session = Numbered(url.replace("127.0.0.1", "localhost"))
            async with connect(session, tls=trusting, backoff=QUICK) as connection:
                with pytest.raises(Refused, match="certificate is not trusted"):
                    await read_until(connection, 1)

    run(work())


def test_https_requests_are_verified_too() -> None:
    async def work() -> None:
        async with serving_tls() as tls_url, serving(_handler) as url:
            ask = Request("GET", tls_url.replace("wss://", "https://"), purpose="login")
            session = Numbered(url, asks=[ask])
            async with connect(session) as connection:
                await read_until(connection, 3)
        (reply,) = session.replies
        assert reply.status == 0
        assert b"CERTIFICATE_VERIFY_FAILED" in reply.body

    run(work())


@contextlib.asynccontextmanager
async def proxying(asked: list[bytes], refuse: bytes = b"") -> AsyncIterator[str]:
    """A proxy of forty lines that knows CONNECT."""

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        with contextlib.suppress(OSError):
            sink.close()

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head)
        if refuse:
            writer.write(refuse)
            writer.close()
            return
        host, _, port = head.split(b" ")[1].decode().rpartition(":")
        there = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(pump(reader, there[1]), pump(there[0], writer))

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@pytest.mark.parametrize("how", ["environment", "argument"])
def test_a_proxy_is_used(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    async def work() -> None:
        async with serving_tls() as url, proxying(asked) as proxy:
            options: dict[str, Any] = {"proxy": proxy}
            if how == "environment":
                monkeypatch.setenv("HTTPS_PROXY", proxy)
                options = {}
            trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
            async with connect(Numbered(url), tls=trusting, **options) as connection:
                await read_until(connection, 3)
        assert len(asked) == 1
        assert asked[0].startswith(b"CONNECT 127.0.0.1:")
        assert b"X-Token" not in asked[0]

    run(work())


def test_no_proxy_and_false_go_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        async with serving(_handler) as url:
            monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
            monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
            async with connect(Numbered(url), proxy=False) as connection:
                await read_until(connection, 3)
            monkeypatch.setenv("NO_PROXY", "127.0.0.1")
            async with connect(Numbered(url)) as connection:
                await read_until(connection, 3)

    run(work())


def test_a_proxy_that_wants_credentials_is_not_asked_again() -> None:
    asked: list[bytes] = []
    answer = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"

    async def work() -> None:
        async with serving_tls() as url, proxying(asked, refuse=answer) as proxy:
            async with connect(Numbered(url), proxy=proxy, backoff=Backoff(0.01)) as connection:
                with pytest.raises(Refused, match="407"):
                    await read_until(connection, 1)
        assert len(asked) == 1

    run(work())


@pytest.mark.parametrize("proxy", ["user:hunter2@host:1", "http://user:hunter2/x@host:1"])
def test_a_proxy_that_is_none_is_told_without_its_password(proxy: str) -> None:
    async def work() -> None:
        async with connect(Numbered("ws://localhost:1"), proxy=proxy) as connection:
            with pytest.raises(Misuse, match="not a proxy") as caught:
                await read_until(connection, 1)
        shown = "".join(traceback.format_exception(caught.value))
        assert "hunter2" not in shown

    run(work())


def test_requests_go_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    async def work() -> None:
        async with serving_tls() as tls_url, serving(_handler) as url, proxying(asked) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy)
            ask = Request("GET", tls_url.replace("wss://", "https://"), purpose="login")
            session = Numbered(url, asks=[ask])
            async with connect(session, proxy=proxy) as connection:
                await read_until(connection, 3)
        assert session.replies[0].status == 0  # the proxy's certificate is verified all the same
        assert len(asked) == 2

    run(work())
