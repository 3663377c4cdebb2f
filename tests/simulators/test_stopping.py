"""Stopping and restarting: whoever is connected then, and however far they got, is hung up on.

The clients here are plain sockets, read only after the simulator is gone and while no event loop
runs: what they then see is what had been done by that time.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import ssl
from collections.abc import Callable, Iterator

import pytest
import trustme

from payloads.simulators import StorkSimulator
from payloads.simulators.http import Request, Response
from tests.simulators.kit import dial_of, dialled, run, until

LARGE = b"x" * 2**25  # more than the buffers of two sockets


class Talkative(StorkSimulator):
    """Answers every request with more than anybody reads at once."""

    async def answer_http(self, request: Request) -> Response:
        return Response(200, LARGE)


@contextlib.contextmanager
def client(venue: StorkSimulator, *words: bytes) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", venue.port), 5) as connection:
        for word in words:
            connection.sendall(word)
        yield connection


def hung_up(connection: socket.socket) -> bool:
    """Whether the other side is gone, at once; what it said before does not count."""
    connection.settimeout(0.2)
    try:
        while connection.recv(2**20):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True


def upgrade(venue: StorkSimulator) -> bytes:
    dial = dial_of(venue.session(), venue)
    headers = {
        **dict(dial.headers), "Host": "127.0.0.1", "Upgrade": "websocket", "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }  # fmt: skip
    lines = [f"GET /ws?{dial.url.partition('?')[2]} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


WORDS: dict[str, Callable[[StorkSimulator], bytes]] = {
    "nothing": lambda _: b"",
    "half a head": lambda _: b"GET /v1/taxonomy HTTP/1.1\r\nHost:",
    "half a body": lambda _: b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf",
    "a request, and reads nothing": lambda _: b"GET / HTTP/1.1\r\n\r\n",
    "an upgrade, and reads nothing": upgrade,
}


@pytest.mark.parametrize("how", ["stop", "restart"])
@pytest.mark.parametrize("said", WORDS)
def test_however_far_a_client_got(said: str, how: str) -> None:
    async def test() -> None:
        async with Talkative() as venue:
            with client(venue, WORDS[said](venue)) as connection:
                await asyncio.sleep(0.05)
                if how == "stop":
                    await venue.__aexit__()
                else:
                    venue.restart(0)
                    await until(lambda: venue.listening)
                assert hung_up(connection)
            assert venue.peers == []

    run(test())
    gc.collect()  # a socket that nobody closed is an error here


@pytest.mark.parametrize("turns", range(6))
def test_whoever_comes_while_it_stops(turns: int) -> None:
    """Accepted, but not yet served: however little of that was done when the end came."""

    async def test() -> None:
        async with contextlib.AsyncExitStack() as clients:
            async with StorkSimulator() as venue:
                there = [clients.enter_context(client(venue)) for _ in range(20)]
                for _ in range(turns):
                    await asyncio.sleep(0)
            assert [hung_up(one) for one in there] == [True] * 20

    run(test())
    gc.collect()


def test_whoever_knocks_all_the_time() -> None:
    async def test() -> None:
        knocks: list[socket.socket] = []
        done = asyncio.Event()

        async def knock(port: int) -> None:
            while not done.is_set():
                connection = socket.socket()
                connection.setblocking(False)
                knocks.append(connection)
                with contextlib.suppress(OSError):
                    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
                await asyncio.sleep(0)

        async with StorkSimulator() as venue:
            knocking = asyncio.create_task(knock(venue.port))
            await until(lambda: len(knocks) > 50)
            venue.restart(0.05)
            await until(lambda: venue.listening)
            await until(lambda: len(knocks) > 200)
        done.set()
        await knocking
        for one in knocks:
            with contextlib.suppress(OSError):
                assert hung_up(one)
            one.close()

    run(test())
    gc.collect()


def test_a_tls_handshake_that_never_comes() -> None:
    async def test() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
        async with StorkSimulator(tls=context) as venue:
            with client(venue) as silent, client(venue, b"\x16\x03\x01") as slow:
                await asyncio.sleep(0.05)
                await venue.__aexit__()
                assert hung_up(silent)
                assert hung_up(slow)

    run(test())
    gc.collect()


def test_nobody_is_served_while_it_restarts() -> None:
    async def test() -> None:
        async with StorkSimulator(rate=50) as venue:
            dial = dial_of(venue.session(), venue)
            async with dialled(dial.url, dial.headers) as socket_:
                venue.restart(60)
                await socket_.wait_closed()
                assert socket_.close_code == 1012
            with pytest.raises(OSError, match=r"refused|Connect call failed"):
                await asyncio.open_connection("127.0.0.1", venue.port)

    run(test())


def test_stopped_amid_a_restart_it_stays_stopped() -> None:
    async def test() -> None:
        for pause in (0, 0.001, 5):
            async with StorkSimulator() as venue:
                venue.restart(pause)
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.02)
            with pytest.raises(OSError, match="refused"):
                socket.create_connection(("127.0.0.1", venue.port), 1)

    run(test())


def test_the_latest_of_two_restarts_counts() -> None:
    async def test() -> None:
        trouble: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: trouble.append(context))
        async with StorkSimulator() as venue:
            venue.restart(0.01)
            venue.restart(0.05)
            await until(lambda: venue.listening)
            dial = dial_of(venue.session(), venue)
            async with dialled(dial.url, dial.headers):
                await venue.connected()
        gc.collect()
        assert trouble == []

    run(test())


def test_a_port_that_cannot_be_had_leaves_nothing_open() -> None:
    from payloads.simulators import QfexSimulator

    async def test() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            second = taken.getsockname()[1]
            venue = QfexSimulator(port=second - 1)
            with pytest.raises(OSError, match="in use"):
                await venue.__aenter__()
            with pytest.raises(OSError, match="refused"):
                socket.create_connection(("127.0.0.1", second - 1), 1)

    run(test())
    gc.collect()
