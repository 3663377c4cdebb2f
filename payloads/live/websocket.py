"""One websocket: a thin asyncio protocol around the sans-I/O `ClientProtocol` of `websockets`.

This is the only module that knows that library, and it is imported when the first connection is
dialled, never by `import payloads`. The library keeps the protocol: handshake, control frames,
fragments, compression, limits. Here are the socket, TLS, proxies, time-outs, and three rules:

* The target and the headers are sent byte for byte, because a signature may cover them.
* Redirects are not followed: they would carry credentials to another place.
* A listener gets each frame at the moment the socket gave it, so that a busy reader does not make
  a frame look late.

Nearly all messages of a venue come in one plain frame. Those are cut straight out of the stream.
Everything else (fragments, compression, control frames, anything not allowed) goes to the library,
whole frames at a time. The tests hold both ways to the same result.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
import ssl
import struct
import sys
from collections.abc import Callable
from http.client import HTTPException, parse_headers
from io import BytesIO
from typing import Any, cast

from payloads._version import agent
from payloads.abi.fields import Record
from payloads.capture.frames import Opcode
from payloads.errors import Misuse, not_installed
from payloads.live.proxies import ProxyRefused, proxy_for, tunnel
from payloads.live.seams import DialFailed, Listener, UpgradeRefused
from payloads.venues.common.redactor import Message
from payloads.venues.common.session import Dial

try:
    from websockets.client import ClientProtocol
    from websockets.datastructures import Headers
    from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI
    from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
    from websockets.frames import Frame
    from websockets.frames import Opcode as Op
    from websockets.http11 import Request
    from websockets.protocol import CLOSED, CONNECTING, OPEN
    from websockets.uri import WebSocketURI, parse_uri
except ImportError as error:  # pragma: no cover
    raise not_installed("the websocket client", "live") from error

# A message of the largest size in fragments of 256 bytes; servers send thousands of bytes in each.
MAX_FRAGMENTS = 2**14
# Where so much is unsent, a server that pings reads nothing: it gets no more pongs.
MAX_UNSENT_BYTES = 2**20
# One read may hold sixty frames of 4 kB that inflate to 4 MiB each. After so much of that, other
# tasks have their turn.
MAX_TURN_BYTES = 2**20

_EVERYTHING = sys.maxsize
_MASKED = 0x80
# The first byte of a message in one frame (final, without any bit that extensions use), and the
# mask bit of the second byte, which a server may not set.
_PLAIN: dict[int, Opcode] = {0x8100: "text", 0x8200: "binary"}
# The same with a length of two bytes behind it, as most messages have.
_USUAL: dict[int, Opcode] = {0x817E: "text", 0x827E: "binary"}
_HEAD = struct.Struct(">HH").unpack_from
# A frame of so many bytes is kept until it is whole; what there is of a larger one goes to the
# library, which does not copy it again with each read.
_SMALL = 2**16
_NAMES: dict[int, Opcode] = {
    Op.TEXT: "text", Op.BINARY: "binary", Op.PING: "ping", Op.PONG: "pong", Op.CLOSE: "close",
}  # fmt: skip

# The library would log handshakes and messages, and with them credentials.
_SILENT = logging.Logger("payloads.websocket")
_SILENT.disabled = True


class Options(Record, frozen=True):
    """How a websocket is dialled, bounded and closed; times are in seconds."""

    open_timeout: float
    close_timeout: float
    max_bytes: int
    tls: ssl.SSLContext | None
    proxy: str | bool


class WebSocket(asyncio.Protocol):
    """One websocket, from the upgrade request to the end of its TCP connection."""

    def __init__(
        self,
        protocol: ClientProtocol,
        request: Request,
        listener: Listener,
        clock: Callable[[], int],
        close_timeout: float,
        max_bytes: int,
    ) -> None:
        self._protocol, self._request, self._listener = protocol, request, listener
        self._clock, self._close_timeout, self._max_bytes = clock, close_timeout, max_bytes
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        # Set when the server has answered the upgrade, or never will.
        self._answered = asyncio.Event()
        self._lost = asyncio.Event()
        self._lost_by: Exception | None = None
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._hang_up: asyncio.TimerHandle | None = None
        self.heard = self._loop.time()
        self._at = 0
        # The fragments of a message so far, and how many they are.
        self._first: Op = Op.CONT
        self._message, self._fragments = bytearray(), 0
        # Held: the listener gets nothing now, because it has paused this websocket or others want
        # their turn. Waiting for it: bytes that were read already.
        self._held = self._paused = False
        self._unread = b""
        # Bytes that the library has made of the frames of this turn.
        self._handed = 0
        self._gone = self._aborted = False
        # Why this end gave the connection up.
        self._given_up = ""
        # How many of the next bytes go to the library unseen: at first all, for the handshake.
        self._owed = _EVERYTHING
        # The beginning of something that is cut off: the head of the server's answer to the
        # upgrade, and later a frame.
        self._begun = b""
        # The head of the server's answer to the upgrade.
        self._answer = b""

    # --- what the transport calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._protocol.send_request(self._request)
        self._flush()

    def data_received(self, data: bytes) -> None:
        # The clock is read once for all frames that came together.
        self._at = self._clock()
        self.heard = self._loop.time()
        if self._protocol.state is CONNECTING:
            data = self._shaken(data)
            if self._protocol.state is not OPEN:
                if data:  # the body of a refusal
                    self._to_library(data)
                return
            if self._held:
                self._hold()
        self._read(data)

    def eof_received(self) -> None:
        self._at = self._clock()
        if self._protocol.state is OPEN and self._begun:
            self._protocol.receive_data(self._begun)
            self._begun = b""
        self._protocol.receive_eof()
        self._progress()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost_by, self._gone = exc, True
        self._may_write.set()
        if not (self._held and self._unread):
            self._end()

    def _end(self) -> None:
        self.eof_received()
        if self._hang_up is not None:
            self._hang_up.cancel()
        self._answered.set()
        self._lost.set()

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    # --- receiving ---

    def _read(self, data: bytes) -> None:
        """Go through bytes of an open websocket, a frame at a time, until it is held."""
        self._handed = 0
        while data and not self._held:
            data = self._to_library(data) if self._owed else self._cut(self._begun + data)
        if data and not self._aborted:
            self._unread += data

    def _shaken(self, data: bytes) -> bytes:
        """Give the library the server's answer to the upgrade; returns what stands behind it."""
        if self._answer or self._protocol.handshake_exc is not None:
            return self._to_library(data)
        answer = self._begun + data
        end = answer.find(b"\r\n\r\n")
        if end < 0:
            self._begun = answer
            return self._to_library(data)
        self._answer = answer[: end + 4]
        end += 4 - len(self._begun)
        self._begun = b""
        self._to_library(data[:end])
        if self._protocol.state is OPEN:
            self._owed = 0
        return data[end:]

    def _to_library(self, data: bytes) -> bytes:
        """Give the library the bytes that it is owed; returns the rest."""
        owed, rest = data[: self._owed], data[self._owed :]
        self._owed -= len(owed)
        self._protocol.receive_data(owed)
        self._progress()
        protocol = self._protocol
        if protocol.close_rcvd is not None or protocol.parser_exc is not None or self._given_up:
            # No message follows: the library waits for the end of the stream.
            self._owed = _EVERYTHING
        return rest

    def _cut(self, data: bytes) -> bytes:
        """Hand plain messages to the listener; returns what begins with a frame for the library."""
        at, end = 0, len(data)
        on_frame, came_at, max_bytes = self._listener.on_frame, self._at, self._max_bytes
        self._begun = b""
        while at < end:
            head, size = _HEAD(data, at) if end - at >= 4 else (0, 0)
            if opcode := _USUAL.get(head):
                begin, stop = at + 4, at + 4 + size
            elif (extent := _extent(data, at)) is not None:
                begin, stop = extent
                opcode = _PLAIN.get(data[at] << 8 | data[at + 1] & _MASKED)
            else:
                self._begun = data[at:]
                break
            if opcode and stop - begin <= max_bytes and not self._fragments:
                if stop <= end:
                    on_frame(opcode, data[begin:stop], came_at)
                    at = stop
                    if self._held:
                        return data[at:]
                    continue
                if stop - at <= _SMALL:
                    self._begun = data[at:]
                    break
            self._owed = stop - at
            if stop > end:
                return data[at:]
            self._to_library(data[at:stop])
            at = stop
            if self._held or self._owed:
                return data[at:]
        return b""

    def _progress(self) -> None:
        """Send and report what the library made of the bytes that it was given."""
        events = self._protocol.events_received()
        self._flush()
        for event in events:
            if isinstance(event, Frame):
                self._on_frame(event)
            elif self._protocol.handshake_exc is None:
                self._listener.on_open(self._at)
                self._answered.set()
        if self._protocol.handshake_exc is not None:
            self._answered.set()

    def _on_frame(self, frame: Frame) -> None:
        opcode, data = frame.opcode, bytes(frame.data)
        if opcode is Op.CONT or not frame.fin:
            # The library has bounded the sum of the parts (`max_size`).
            self._first = self._first if opcode is Op.CONT else opcode
            self._message += data
            self._fragments += 1
            if not frame.fin:
                if self._fragments >= MAX_FRAGMENTS:
                    self._refuse(f"a message of more than {MAX_FRAGMENTS} fragments")
                return
            opcode, data = self._first, bytes(self._message)
            self._message, self._fragments = bytearray(), 0
        elif opcode is Op.PING and self._has_unsent(MAX_UNSENT_BYTES):
            self._given_up = "the server does not read what is sent to it"
            self.abort()
        self._listener.on_frame(_NAMES[opcode], data, self._at)
        self._handed += len(data)
        if self._handed > MAX_TURN_BYTES and not self._held:
            self._hold()
            self._loop.call_soon(self._next_turn)

    def _hold(self) -> None:
        self._held = True
        if self._transport is not None and self._protocol.state is not CONNECTING:
            self._transport.pause_reading()

    def _next_turn(self) -> None:
        if not self._paused:
            self.resume()

    def _refuse(self, why: str) -> None:
        """Close the websocket: the server does what no server should."""
        self._given_up = why
        self._protocol.fail(1008, why)
        self._flush()

    # --- sending ---

    def _has_unsent(self, size: int) -> bool:
        """Whether more than so many bytes wait for the server to read."""
        if self._may_write.is_set() or self._transport is None:
            return False
        return self._transport.get_write_buffer_size() > size

    def _flush(self) -> None:
        """Write what the library wants to send; empty bytes stand for the end of the stream."""
        transport = self._transport
        for data in self._protocol.data_to_send():
            if transport is None or transport.is_closing():
                continue
            if data:
                transport.write(data)
            elif transport.can_write_eof():
                transport.write_eof()
            else:  # TLS has no half of a connection to close
                transport.close()
        is_ending = self._protocol.close_expected() or self._protocol.state is CLOSED
        if is_ending and self._hang_up is None:
            # The server should end the TCP connection, and read what is left; it gets this long.
            self._hang_up = self._loop.call_later(self._close_timeout, self.abort)

    async def send(self, message: Message) -> bool:
        """Send a message, and wait while too much is unsent; False if the websocket is closed."""
        if self._protocol.state is not OPEN:
            return False
        if isinstance(message, str):
            self._protocol.send_text(message.encode())
        else:
            self._protocol.send_binary(message)
        self._flush()
        await self._may_write.wait()
        return not self._lost.is_set()

    def ping(self, content: bytes) -> None:
        """Send a ping; nothing happens on a closed websocket."""
        if self._protocol.state is OPEN:
            self._protocol.send_ping(content)
            self._flush()

    def pause(self) -> None:
        """Give the listener nothing more, and read no more from the socket.

        Before the handshake is done, only what stands behind it is held back.
        """
        self._paused = True
        self._hold()

    def resume(self) -> None:
        """Go on where `pause` stopped."""
        self._paused, self._held = False, self._aborted
        unread, self._unread = self._unread, b""
        self._read(unread)
        if self._held:
            return
        if self._gone:
            self._end()
        elif self._transport is not None:
            self._transport.resume_reading()

    # --- the end ---

    async def close(self) -> None:
        """Make the closing handshake, and wait until the connection is gone."""
        if self._protocol.state is OPEN:
            self._protocol.send_close(1000)
            self._flush()
        await self._lost.wait()

    async def wait_closed(self) -> None:
        """Wait until the connection is gone."""
        await self._lost.wait()

    def abort(self) -> None:
        """Drop the connection without a closing handshake, and what is unread."""
        self._held = self._aborted = True
        self._unread = b""
        if self._transport is not None:
            self._transport.abort()

    @property
    def ending(self) -> tuple[int, str]:
        """The server's close code and reason, or ours where it gave none, or 1006."""
        received, sent = self._protocol.close_rcvd, self._protocol.close_sent
        failed = self._given_up or self._protocol.parser_exc
        if received is not None:
            return int(received.code), received.reason
        if sent is not None and failed:
            return int(sent.code), sent.reason or str(failed)
        return 1006, str(self._given_up or self._lost_by or failed or "")

    # --- the opening handshake ---

    async def opened(self) -> None:
        """Wait for the server's answer to the upgrade; `InvalidHandshake` if it is not a yes."""
        await self._answered.wait()
        if self._protocol.handshake_exc is not None:
            raise self._protocol.handshake_exc

    def refusal(self) -> UpgradeRefused | None:
        """The server's answer to the upgrade, if it is a no whose body never came whole."""
        line, _, lines = self._answer.partition(b"\r\n")
        status = re.match(rb"HTTP/1\.[01] ([2-5][0-9]{2})\b", line)
        if status is None:
            return None
        try:
            headers = parse_headers(BytesIO(lines)).items()
        except HTTPException:
            headers = []
        return UpgradeRefused(int(status[1]), headers, b"")


def _extent(data: bytes, at: int) -> tuple[int, int] | None:
    """Where the content of the frame at `at` begins and ends; None if its header is cut off.

    A mask is not counted, because a masked frame ends the connection.
    """
    head = data[at + 1 : at + 10]
    size, begin = head[0] & ~_MASKED if head else 0, at + 2
    if size == 126:
        size, begin = int.from_bytes(head[1:3]), at + 4
    elif size == 127:
        size, begin = int.from_bytes(head[1:9]), at + 10
    return (begin, begin + size) if head and begin <= len(data) else None


# --- dialling -------------------------------------------------------------------------------------


async def open_websocket(
    dial: Dial, listener: Listener, options: Options, clock: Callable[[], int]
) -> WebSocket:
    """Dial; the websocket comes paused.

    Raises `UpgradeRefused` or `DialFailed`, or `Misuse` for a bad URL or proxy.
    """
    target = _target(dial.url)
    try:
        uri = parse_uri(dial.url)
    except InvalidURI:
        raise Misuse("not a websocket URL", field="url", expected="ws:// or wss://") from None
    proxy = proxy_for(dial.url, options.proxy)
    socket = _websocket(dial, uri, target, listener, options, clock)
    socket.pause()  # nothing comes behind the handshake before the caller has this socket
    try:
        async with asyncio.timeout(options.open_timeout):
            await _connect(socket, uri, proxy, options.tls)
            await socket.opened()
    except BaseException as error:
        socket.abort()
        raise _failure(error, socket, options) from None
    return socket


def _websocket(
    dial: Dial,
    uri: WebSocketURI,
    target: str,
    listener: Listener,
    options: Options,
    clock: Callable[[], int],
) -> WebSocket:
    protocol = ClientProtocol(
        uri,
        extensions=[ClientPerMessageDeflateFactory(compress_settings={"memLevel": 5})],
        max_size=options.max_bytes,
        logger=_SILENT,
    )
    request = protocol.connect()
    # The library takes a URL apart and puts it together again, and may lose some of it.
    request.path = target
    request.headers.update(Headers(dial.headers))
    request.headers.setdefault("User-Agent", agent())
    return WebSocket(protocol, request, listener, clock, options.close_timeout, options.max_bytes)


async def _connect(
    socket: WebSocket, uri: WebSocketURI, proxy: str | None, tls: ssl.SSLContext | None
) -> None:
    """Open the TCP connection, with TLS where the URL says so."""
    where: dict[str, Any] = {"host": uri.host, "port": uri.port}
    if proxy is not None:
        where = {"sock": await tunnel(proxy, uri.host, uri.port)}
    if uri.secure:
        where |= {"ssl": tls or ssl.create_default_context(), "server_hostname": uri.host}
    await asyncio.get_running_loop().create_connection(lambda: socket, **where)


def _failure(error: BaseException, websocket: WebSocket, options: Options) -> BaseException:
    """What to raise for an error while dialling."""
    if isinstance(error, InvalidStatus):
        answer = error.response
        headers = list(answer.headers.raw_items())
        return UpgradeRefused(answer.status_code, headers, bytes(answer.body or b""))
    if isinstance(error, ssl.SSLCertVerificationError):
        why = f"the server's certificate is not trusted: {error.verify_message}"
        return DialFailed(why, again=False)
    if isinstance(error, ProxyRefused):
        return DialFailed(str(error), again=error.status not in (403, 407))
    if not isinstance(error, OSError | InvalidHandshake | EOFError):
        return error
    if (refusal := websocket.refusal()) is not None:
        return refusal
    if isinstance(error, TimeoutError):
        return DialFailed(f"no websocket within {options.open_timeout:g} s")
    return DialFailed(_words(error))


def _target(url: str) -> str:
    """The part of a URL behind the host, byte for byte."""
    if not url.startswith(("ws://", "wss://")) or any(c <= " " or c > "~" for c in url):
        expected = "ws:// or wss://, in visible ASCII"
        raise Misuse("not a websocket URL", field="url", expected=expected)
    rest = url.split("://", 1)[1]
    begin = min((at for at in map(rest.find, "/?") if at >= 0), default=len(rest))
    target = rest[begin:]
    return target if target.startswith("/") else "/" + target


def _words(error: BaseException) -> str:
    """An error while dialling in words."""
    cause = error.__cause__ if isinstance(error, InvalidHandshake) and error.__cause__ else error
    if isinstance(cause, asyncio.IncompleteReadError | EOFError):
        return "the connection ended during the handshake"
    if isinstance(cause, OSError) and not isinstance(cause, ssl.SSLError) and cause.errno:
        # asyncio says `[Errno 111] Connect call failed ('192.0.2.1', 443)`.
        is_name = isinstance(cause, socket.gaierror)
        return (cause.strerror if is_name else os.strerror(cause.errno)) or str(cause)
    return str(error) or type(error).__name__
