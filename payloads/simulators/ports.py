"""A simulator's ports: every connection is served by a task of its own, and none outlives `shut`.

That is also so for a connection that was accepted and not yet served, that sends nothing, that does
not finish its TLS handshake, or that does not read its answer: no socket may outlive a test.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from payloads.simulators.http import MAX_HEAD

Serve = Callable[[str, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

# Clients at once. A process has 1,024 open files by default, and a test's own clients take as many.
MAX_CLIENTS = 400
# More clients that are told so at once. Those behind them wait in the system's own queue.
MAX_REFUSED_AT_ONCE = 50
_BACKLOG = 100
# A TLS handshake may take this long, in seconds.
_PATIENCE = 10.0
# More than the turns of the loop between the end of a transport and that of its socket.
_TURNS = 4


class Listener:
    """Listens at doors, each a port, and calls `serve(door, reader, writer)` for each client."""

    def __init__(self, serve: Serve, host: str, tls: ssl.SSLContext | None) -> None:
        self._serve, self._host, self._tls = serve, host, tls
        self._open: list[_Open] = []
        self._served: set[asyncio.Task[None]] = set()

    @property
    def open(self) -> bool:
        """Whether clients can connect."""
        return bool(self._open)

    @property
    def full(self) -> bool:
        """Whether there are more clients than are served."""
        return len(self._served) > MAX_CLIENTS

    async def listen(self, ports: dict[str, int]) -> None:
        """Take connections at all doors, or raise. A port of 0 becomes a free port."""
        loop = asyncio.get_running_loop()
        try:
            for door in ports:
                found = await loop.getaddrinfo(
                    self._host or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
                )
                for family, *_, (host, _, *scope) in dict.fromkeys(found):
                    address = (host, ports[door], *scope)
                    listening = socket.create_server(address, family=family, backlog=_BACKLOG)
                    self._open.append(_Open(listening, partial(self._arrived, door)))
                    ports[door] = listening.getsockname()[1]
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Take no more connections. Open connections go on."""
        while self._open:
            self._open.pop().close()

    async def shut(self) -> None:
        """The same, and end every connection: no socket is open when this returns."""
        self.close()
        for task in self._served:
            task.cancel()
        await asyncio.gather(*self._served, return_exceptions=True)
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    def _arrived(self, door: str, connection: socket.socket) -> None:
        task = asyncio.get_running_loop().create_task(self._attend(door, connection))
        self._served.add(task)

        def over(_: Any) -> None:
            self._served.discard(task)
            connection.close()  # the task may have been cancelled before it began
            self._take_or_wait()

        task.add_done_callback(over)
        self._take_or_wait()

    def _take_or_wait(self) -> None:
        """Take the next client, or leave it to the system until another has gone."""
        takes = len(self._served) < MAX_CLIENTS + MAX_REFUSED_AT_ONCE
        for listening in self._open:
            if takes:
                listening.take()
            else:
                listening.wait()

    async def _attend(self, door: str, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the client is gone, too slow, or speaks no TLS
            reader, writer = await self._streams(connection)
            try:
                await self._serve(door, reader, writer)
                writer.close()
                await writer.wait_closed()
            finally:
                writer.transport.abort()

    async def _streams(
        self, connection: socket.socket
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(MAX_HEAD, loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol, connection, ssl=self._tls,
            ssl_handshake_timeout=_PATIENCE if self._tls else None,
        )  # fmt: skip
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


class _Open:
    """A socket that listens. asyncio's own server, when it is closed, loses connections that it
    has accepted and not yet served; here accepting is a single step."""

    def __init__(self, listening: socket.socket, arrived: Callable[[socket.socket], None]) -> None:
        listening.setblocking(False)
        self._listening, self._arrived = listening, arrived
        self._takes = False
        self._accepting: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self.take()

    def take(self) -> None:
        """Take clients from now on."""
        if self._takes:
            return
        self._takes = True
        try:
            self._loop.add_reader(self._listening, self._accept)
        except NotImplementedError:  # Windows
            self._accepting = self._loop.create_task(self._accept_all())

    def wait(self) -> None:
        """Take none until `take` is called."""
        if not self._takes:
            return
        self._takes = False
        if self._accepting is None:
            self._loop.remove_reader(self._listening)
        else:
            self._accepting.cancel()

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
            connection, _ = self._listening.accept()
            connection.setblocking(False)
            self._arrived(connection)

    async def _accept_all(self) -> None:
        while True:
            connection, _ = await self._loop.sock_accept(self._listening)
            self._arrived(connection)

    def close(self) -> None:
        self.wait()
        self._listening.close()
