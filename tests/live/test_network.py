"""TLS and proxies: what must be verified is, and what is set up is used."""

# ruff: noqa: SIM117 (it is the loop that raises, and the server that comes first)

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from websockets.asyncio.server import ServerConnection

from payloads.errors import Misuse, Refused
from payloads.live import connect
from payloads.live.connection import Backoff
from payloads.live.http import perform
from payloads.live.proxies import proxy_for
from payloads.venues.common.session import Request
from tests.live.kit import QUICK, SECRET, Numbered, count, read_until, run, serving

CERTIFICATE = Path(__file__).parent / "fixtures" / "loopback.pem"


async def _handler(socket: ServerConnection) -> None:
    await count(socket, 3)
    await socket.wait_closed()


def certified() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a server at venue.example has, and what trusts it."""
    authority = trustme.CA()
    server, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("venue.example").configure_cert(server)
    authority.configure_trust(trusting)
    return server, trusting


@contextlib.asynccontextmanager
async def serving_tls() -> AsyncIterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    async with serving(_handler, ssl=context) as url:
        yield url.replace("ws://", "wss://")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "WSS_PROXY", "SOCKS_PROXY", "NO_PROXY"):
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


async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    with contextlib.suppress(OSError):
        sink.close()


@contextlib.asynccontextmanager
async def proxying(asked: list[bytes], refuse: bytes | None = None) -> AsyncIterator[str]:
    """A proxy that knows CONNECT and takes every host for this machine. It answers in pieces."""

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head)
        if refuse is not None:
            writer.write(refuse)
            writer.close()
            return
        port = head.split(b" ")[1].decode().rpartition(":")[2]
        there = await asyncio.open_connection("127.0.0.1", int(port))
        for piece in (b"HTTP/1.1 200 OK\r", b"\nVia: a proxy\r\n\r", b"\n"):
            writer.write(piece)
            await asyncio.sleep(0.01)
        await asyncio.gather(pump(reader, there[1]), pump(there[0], writer))

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@contextlib.asynccontextmanager
async def proxying_socks(asked: list[str], user: bytes = b"") -> AsyncIterator[str]:
    """A proxy that knows SOCKS 5 (RFC 1928), and with a user RFC 1929."""

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, methods = await reader.readexactly(2)
        await reader.readexactly(methods)
        writer.write(bytes([5, 2 if user else 0]))
        if user:
            await reader.readexactly(1)
            given = [await reader.readexactly((await reader.readexactly(1))[0]) for _ in range(2)]
            asked.append(b":".join(given).decode())
            writer.write(bytes([1, given != user.split(b":")]))
        _, _, _, kind = await reader.readexactly(4)
        size = 4 if kind == 1 else (await reader.readexactly(1))[0]
        where = await reader.readexactly(size)
        host = where.decode() if kind == 3 else ".".join(map(str, where))
        port = int.from_bytes(await reader.readexactly(2))
        asked.append(host)
        there = await asyncio.open_connection("127.0.0.1", port)
        writer.write(bytes([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]))
        await asyncio.gather(pump(reader, there[1]), pump(there[0], writer))

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        yield f"{user.decode()}@127.0.0.1:{port}" if user else f"127.0.0.1:{port}"
    finally:
        server.close()


@pytest.mark.parametrize("name", ["", "wss_proxy", "socks_proxy", "https_proxy", "ALL_PROXY"])
def test_a_socks_proxy_is_used_for_the_websocket_and_for_requests(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    server, trusting = certified()

    async def work() -> None:
        async with (
            serving(_handler, ssl=server) as url,
            proxying_socks(asked, b"user:passw") as there,
        ):
            options: dict[str, Any] = {"proxy": f"socks5h://{there}"}
            if name:
                monkeypatch.setenv(name, options.pop("proxy"))
            here = url.replace("ws://127.0.0.1", "wss://venue.example")
            ask = Request("GET", here.replace("wss://", "https://"), purpose="login")
            session = Numbered(here, asks=[ask])
            async with connect(session, tls=trusting, **options) as connection:
                await read_until(connection, 3)
        # A websocket server's answer to a request that asks for none.
        assert session.replies[0].status == 426
        # The proxy was given the names, not what this machine makes of them.
        assert asked == ["user:passw", "venue.example"] * 2

    run(work())


@pytest.mark.parametrize("kind", ["socks5", "socks5h"])
def test_a_request_in_the_clear_goes_through_socks_too(kind: str) -> None:
    asked: list[str] = []

    async def work() -> None:
        async with serving(_handler) as url, proxying_socks(asked) as there:
            web = url.replace("ws://127.0.0.1", "http://localhost")
            reply = await perform(Request("GET", web), proxy=f"{kind}://{there}")
        assert reply.status == 426
        assert asked == ["localhost" if kind == "socks5h" else "127.0.0.1"]

    run(work())


def test_a_socks_proxy_that_is_not_there_is_no_answer() -> None:
    async def work() -> None:
        reply = await perform(Request("GET", "http://127.0.0.1:9"), proxy="socks5://127.0.0.1:1")
        assert reply.status == 0
        session = Numbered("ws://127.0.0.1:9")
        options: dict[str, Any] = {"proxy": "socks5://127.0.0.1:1", "backoff": Backoff(attempts=1)}
        async with connect(session, **options) as connection:
            with pytest.raises(Refused, match="1 attempt without"):
                await read_until(connection, 1)

    run(work())


@pytest.mark.parametrize(
    "proxy",
    [
        "ftp://user:hunter2secret@host", "http://user:hunter2secret@host:port", "hunter2secret",
        "http://hunter2secret@host", "socks5://:hunter2secret@", "http://host/hunter2secret",
        "http://host?hunter2secret", "http://[hunter2secret", "https://user:hunter2secret@host",
    ],
)  # fmt: skip
@pytest.mark.parametrize("url", ["ws://venue.example:9", "wss://venue.example"])
def test_what_cannot_be_a_proxy_is_named_without_its_password(
    proxy: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    raised = []

    async def work() -> None:
        asks = [Request("GET", "https://venue.example")]
        for session in (Numbered(url), Numbered(url, asks=asks)):
            async with connect(session) as connection:
                with pytest.raises(Misuse, match="cannot be used as a proxy") as caught:
                    await anext(connection)
                raised.append("".join(traceback.format_exception(caught.value)))

    run(work())
    assert len(raised) == 2
    assert not [text for text in raised if "hunter2secret" in text]


def test_nothing_that_is_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def work() -> None:
        async with serving(_handler) as url:
            async with connect(Numbered(f"{url}?key={SECRET.reveal()}")) as connection:
                await read_until(connection, 3)

    run(work())
    ours = [log for log in caplog.records if not log.name.startswith("websockets.server")]
    assert not [log for log in ours if SECRET.reveal() in log.getMessage()]


@pytest.mark.parametrize("ending", ["closed", "stalled"])
def test_a_refusal_whose_body_never_comes_whole_is_a_refusal(ending: str) -> None:
    async def work() -> None:
        async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 401 Unauthorized\r\nX-Why: key\r\nContent-Length: 99\r\n\r\nno")
            if ending == "stalled":
                await reader.read()
            writer.close()

        server = await asyncio.start_server(refuse, "127.0.0.1", 0)
        async with server:
            session = Numbered(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            async with connect(session, open_timeout=0.3) as connection:
                with pytest.raises(Refused, match="HTTP 401"):
                    await read_until(connection, 1)
        assert session.calls == ["dial", "rejected 401"]

    run(work())


@pytest.mark.parametrize("how", ["environment", "argument"])
def test_a_proxy_is_used(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []
    server, trusting = certified()

    async def work() -> None:
        async with serving(_handler, ssl=server) as url, proxying(asked) as proxy:
            options: dict[str, Any] = {"proxy": proxy}
            if how == "environment":
                monkeypatch.setenv("HTTPS_PROXY", proxy)
                options = {}
            here = url.replace("ws://127.0.0.1", "wss://venue.example")
            asks = [Request("GET", here.replace("wss://", "https://"), purpose="login")]
            session = Numbered(here, asks=asks)
            async with connect(session, tls=trusting, **options) as connection:
                await read_until(connection, 3)
        assert session.replies[0].status == 426
        assert len(asked) == 2
        assert all(head.startswith(b"CONNECT venue.example:") for head in asked)
        assert not [head for head in asked if b"X-Token" in head]

    run(work())


def test_this_machine_is_reached_without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        async with serving(_handler) as url:
            for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
                monkeypatch.setenv(name, "http://127.0.0.1:1")
            session = Numbered(url, asks=[Request("GET", url.replace("ws:", "http:"))])
            async with connect(session) as connection:
                await read_until(connection, 3)
        assert session.replies[0].status == 426

    run(work())


def test_which_proxy_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://one")
    assert proxy_for("wss://venue.example/x", True) == "http://one:80"
    assert proxy_for("ws://venue.example", True) == "http://one:80"
    assert proxy_for("wss://[::1]:9/x", True) is None
    assert proxy_for("wss://venue.example", False) is None
    monkeypatch.setenv("WSS_PROXY", "socks5h://two")
    assert proxy_for("https://venue.example", True) == "socks5h://two:1080"
    assert proxy_for("https://venue.example", "http://three:3") == "http://three:3"
    monkeypatch.setenv("NO_PROXY", "venue.example")
    assert proxy_for("wss://venue.example:443/x", True) is None
    assert proxy_for("https://venue.example", "http://three:3") == "http://three:3"


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


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 200", b"no HTTP\r\n\r\n", b"HTTP/1.1 502 Bad\r\n\r\n", b"x" * 2**17],
    ids=len,
)
def test_what_is_no_tunnel_is_tried_again(answer: bytes) -> None:
    asked: list[bytes] = []

    async def work() -> None:
        async with serving(_handler) as url, proxying(asked, refuse=answer) as proxy:
            session = Numbered(url, asks=[Request("GET", url.replace("ws:", "http:"))])
            options: dict[str, Any] = {"proxy": proxy, "backoff": Backoff(0.01, attempts=2)}
            async with connect(session, **options) as connection:
                with pytest.raises(Refused, match="the proxy refused"):
                    await read_until(connection, 1)
        assert len(asked) == 3
        assert session.replies[0].status == 0

    run(work())


def test_a_proxy_is_given_its_user_and_password() -> None:
    asked: list[bytes] = []

    async def work() -> None:
        async with serving(_handler) as url, proxying(asked) as proxy:
            session = Numbered(url, asks=[Request("GET", url.replace("ws:", "http:"))])
            options = {"proxy": proxy.replace("//", "//user:p%40ss@")}
            async with connect(session, **options) as connection:
                await read_until(connection, 3)
        assert session.replies[0].status == 426
        assert len(asked) == 2
        for head in asked:
            assert b"\r\nProxy-Authorization: Basic dXNlcjpwQHNz\r\n" in head

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
