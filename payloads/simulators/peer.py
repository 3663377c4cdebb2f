"""A client of a simulator: a websocket on the sans-I/O protocol of `websockets`.

A websocket server does not break the protocol, fall silent with an open connection, or vanish
without a close frame. A peer can do that, because it writes every byte itself. `send` never waits:
up to `most_waiting` bytes are kept for a client that does not read, and then it is cut off.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from typing import Any, cast

from payloads.errors import not_installed
from payloads.simulators.faults import CORRUPTIONS
from payloads.simulators.http import Request
from payloads.venues.common.redactor import Message

# More than a second of the fastest stream: a client that reads never has so much waiting.
MOST_WAITING = 32 * 2**20
# What clients send to venues is subscriptions and orders.
MAX_MESSAGE_BYTES = 2**20
MAX_FRAGMENTS = 4096
_CLOSE_TIMEOUT = 2.0
_READ = 2**16

# websockets logs every connection; a simulator has counters for that.
_quiet = logging.getLogger("payloads.simulators")
_quiet.addHandler(logging.NullHandler())
_quiet.propagate = False


class Peer:
    """A connected client. `number` counts the websockets of a simulator from 1."""

    def __init__(
        self,
        number: int,
        request: Request,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        compress: bool,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        try:
            from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
            from websockets.protocol import State
            from websockets.server import ServerProtocol
        except ImportError:
            raise not_installed("websockets", "live") from None

        self.number, self.request = number, request
        # What the venue keeps about this client: its account, its subscriptions.
        self.memory: dict[str, Any] = {}
        self.heard = time.monotonic()
        self.too_slow = self._closing = False
        self._reader, self._writer = reader, writer
        self._most_waiting = most_waiting
        self._held: list[bytes] | None = None
        self._swapped: Message | None = None
        self._message, self._fragments = bytearray(), 0
        self._text = False
        extensions = [ServerPerMessageDeflateFactory()] if compress else []
        self._open_state = State.OPEN
        self._protocol = ServerProtocol(
            extensions=extensions, max_size=MAX_MESSAGE_BYTES, logger=_quiet
        )

    def __repr__(self) -> str:
        return f"Peer({self.number}, {self.request.path!r})"

    @property
    def open(self) -> bool:
        return self._protocol.state is self._open_state

    @property
    def waiting(self) -> int:
        """Bytes that the client has not read yet."""
        return self._writer.transport.get_write_buffer_size() + sum(map(len, self._held or ()))

    # --- the handshake ---

    def accept(self) -> bool:
        """Answer the upgrade; False if the protocol does not allow it."""
        self._protocol.receive_data(self.request.head)
        (asked,) = self._protocol.events_received()
        self._protocol.send_response(self._protocol.accept(cast(Any, asked)))
        self._flush()
        return self.open

    # --- receiving ---

    async def run(self, received: Callable[[Message], None]) -> None:
        """Call `received` with every message until the connection is gone."""
        while data := await self._read():
            self.heard = time.monotonic()
            self._protocol.receive_data(data)
            events = self._protocol.events_received()
            self._flush()
            self._check_waiting()
            for event in events:
                if (message := self._assemble(event)) is not None and self.open:
                    received(message)
            if self._protocol.close_expected():
                self._abort_later()

    async def _read(self) -> bytes:
        try:
            return await self._reader.read(_READ)
        except (ConnectionError, OSError):
            return b""

    def _assemble(self, frame: Any) -> Message | None:
        from websockets.frames import Opcode

        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return None
        if frame.opcode != Opcode.CONT:
            self._text = frame.opcode == Opcode.TEXT
            self._message, self._fragments = bytearray(), 0
        self._message += frame.data
        self._fragments += 1
        if not frame.fin:
            if self._fragments >= MAX_FRAGMENTS:
                self.close(1008, f"a message of more than {MAX_FRAGMENTS} fragments")
                self._message.clear()
            return None
        whole, self._message = bytes(self._message), bytearray()
        if not self._text:
            return whole
        try:
            return whole.decode()
        except UnicodeDecodeError:
            self.close(1007, "text that is not UTF-8")
            return None

    # --- sending ---

    def send(self, message: Message) -> None:
        """Send a text or binary message; nothing happens when the connection is gone."""
        if not self.open:
            return
        if isinstance(message, str):
            self._protocol.send_text(message.encode("utf-8", "surrogatepass"))
        else:
            self._protocol.send_binary(message)
        self._flush()
        self._check_waiting()

    def _check_waiting(self) -> None:
        """Cut a client off that does not read, be it messages or pongs."""
        if self.waiting > self._most_waiting:
            self.too_slow = True
            self.abort()

    def ping(self) -> None:
        if self.open:
            self._protocol.send_ping(b"")
            self._flush()

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            self._write(data)

    def _write(self, data: bytes) -> None:
        """Send bytes; no bytes mean the end of the stream."""
        if self._held is not None:
            self._held.append(data)
        elif self._writer.is_closing():
            return
        elif data:
            self._writer.write(data)
        elif self._writer.can_write_eof():
            self._writer.write_eof()
        else:  # TLS cannot close half of a connection
            self._writer.close()

    # --- ending ---

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send a close frame, and hang up if the client does not."""
        if self.open:
            self._protocol.send_close(code, reason)
            self._flush()
            self._abort_later()

    def _abort_later(self) -> None:
        """Hang up when the client has had time for its half of the closing handshake."""
        if not self._closing:
            self._closing = True
            asyncio.get_running_loop().call_later(_CLOSE_TIMEOUT, self.abort)

    def abort(self) -> None:
        """End the connection without a close frame."""
        self._writer.transport.abort()
        # So that nothing more is sent and `open` is false at once.
        self._protocol.receive_eof()

    # --- faults ---

    def stall(self, seconds: float) -> None:
        """Send nothing for so long, pongs included; messages arrive late."""
        if self._held is None:
            self._held = []
            asyncio.get_running_loop().call_later(seconds, self._resume)

    def _resume(self) -> None:
        held, self._held = self._held or [], None
        for data in held:
            self._write(data)

    def send_swapped(self, message: Message) -> None:
        """Send this message after the next message."""
        self._swapped, before = message, self._swapped
        if before is not None:
            self.send(before)

    def after_sending(self) -> None:
        """Send what waited for another message to overtake it."""
        if self._swapped is not None:
            late, self._swapped = self._swapped, None
            self.send(late)

    def send_corrupt(self, message: Message, how: str, dice: random.Random) -> None:
        """Send the message damaged: see `CORRUPTIONS`."""
        raw = message.encode() if isinstance(message, str) else message
        damaged = CORRUPTIONS[how](raw, dice)
        if how == "frame":
            self._write(damaged)
        elif isinstance(message, bytes):
            self.send(damaged)
        elif self.open:
            self._protocol.send_text(damaged)
            self._flush()
