"""Clients that want a simulator's memory or its time."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from payloads.simulators import StorkSimulator, host, ports
from payloads.simulators.http import MAX_BODY, MAX_HEAD
from payloads.simulators.peer import MAX_FRAGMENTS, MAX_MESSAGE_BYTES
from tests.simulators.kit import dial_of, dialled, run, until


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\nX: " + b"x" * MAX_HEAD,
        b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY + 1),
    ],
    ids=["head", "body"],
)
def test_requests_are_bounded(request_: bytes) -> None:
    async def test() -> None:
        async with StorkSimulator() as venue:
            reader, writer = await asyncio.open_connection("127.0.0.1", venue.port)
            writer.write(request_)
            assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
            writer.close()

    run(test())


@pytest.mark.parametrize(
    "begin",
    [b"", b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n"],
    ids=["nothing", "head", "body"],
)
def test_a_request_that_never_ends_is_let_go(begin: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_HEAD_TIMEOUT", 0.1)

    async def test() -> None:
        async with StorkSimulator() as venue:
            reader, writer = await asyncio.open_connection("127.0.0.1", venue.port)
            writer.write(begin)
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()

    run(test())


def test_messages_are_bounded() -> None:
    async def test() -> None:
        async with StorkSimulator(compress=True) as venue:
            dial = dial_of(venue.session(), venue)
            # Small on the wire, and too large once it is inflated.
            async with dialled(dial.url, dial.headers) as socket:
                await socket.send("x" * (MAX_MESSAGE_BYTES + 1))
                await socket.wait_closed()
                assert socket.close_code == 1009
            async with dialled(dial.url, dial.headers, compression=None) as socket:
                # Fragments without a byte, and without end.
                head = bytes([0x01, 0x80]) + bytes(4)
                socket.transport.write(head + (bytes([0x00, 0x80]) + bytes(4)) * MAX_FRAGMENTS)
                await socket.wait_closed()
                assert socket.close_code == 1008

    run(test())


def test_a_client_that_pings_and_does_not_read_is_cut_off() -> None:
    async def test() -> None:
        async with StorkSimulator() as venue:
            dial = dial_of(venue.session(), venue)
            async with dialled(dial.url, dial.headers, compression=None) as socket:
                await until(lambda: venue.peers)
                venue.peers[0]._most_waiting = 1000
                venue.peers[0].stall(5)
                for _ in range(20):
                    await socket.ping(b"x" * 100 + bytes([_]))
                await until(lambda: venue.counters.too_slow == 1)

    run(test())


def test_the_number_of_clients_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "MAX_CLIENTS", 2)
    monkeypatch.setattr(ports, "MAX_REFUSED_AT_ONCE", 2)

    async def test() -> None:
        async with StorkSimulator() as venue, contextlib.AsyncExitStack() as open_:
            dial = dial_of(venue.session(), venue)
            for _ in range(2):
                await open_.enter_async_context(dialled(dial.url, dial.headers))
            await venue.connected(2)
            # Clients that say nothing: two are waited for, the third is left to the system.
            silent = [await asyncio.open_connection("127.0.0.1", venue.port) for _ in range(3)]
            await until(lambda: len(venue._listener._served) == 4)
            request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
            silent[0][1].write(request)
            refusal = await silent[0][0].read()
            assert refusal.startswith(b"HTTP/1.1 503 ")
            assert b"takes no more" in refusal
            assert venue.counters.refused["503"] == 1
            # It has made room for the third; when all clients have gone, the next is served.
            silent[1][1].close()
            silent[2][1].write(request)
            assert (await silent[2][0].read()).startswith(b"HTTP/1.1 503 ")
            await open_.aclose()
            await until(lambda: not venue.peers)
            async with dialled(dial.url, dial.headers):
                await venue.connected(1)
            for _, writer in silent:
                writer.close()

    run(test())
