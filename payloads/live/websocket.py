"""One websocket, on the `websockets` library: the only module that knows it.

Imported when the first connection is dialled, never by `import payloads`. What the library's own
`connect` does not give is here: the target is sent byte for byte, redirects are not followed (they
would carry credentials elsewhere), and every frame is handed over, with its time, at the moment the
socket gave it, so that a busy reader does not make it look late.

Nearly all that a venue sends are messages in one plain frame. These are taken straight out of the
stream; whatever else comes (fragments, compression, pings, closing, anything not allowed) goes to
the library, whole frames at a time. The tests hold both ways to the same frames.
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
import time
from collections.abc import Callable
from http.client import HTTPException, parse_headers
from io import BytesIO
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

from payloads._version import agent
from payloads.abi.fields import Record
from payloads.capture.frames import Opcode
from payloads.errors import Misuse
from payloads.live.proxies import proxy_for
from payloads.venues.common.session import Dial

try:
    from websockets.asyncio.client import ClientConnection, connect
    from websockets.client import ClientProtocol
    from websockets.datastructures import Headers
    from websockets.exceptions import (
        ConnectionClosed,
        InvalidHandshake,
        InvalidProxyStatus,
        InvalidStatus,
        InvalidURI,
    )
    from websockets.frames import Frame
    from websockets.frames import Opcode as Op
    from websockets.http11 import Request
    from websockets.protocol import CONNECTING, OPEN
except ImportError as error:  # pragma: no cover
    raise Misuse(
        "the websocket client is not installed", expected="pip install 'payloads[live]'"
    ) from error

_EVERYTHING = sys.maxsize
_MASKED = 0x80
# The first byte of a message in one frame (final, without any bit that extensions use), and that it
# is not masked, which servers may not do.
_PLAIN: dict[int, Opcode] = {0x8100: "text", 0x8200: "binary"}
# The same with a length of two bytes behind it, as most have.
_USUAL: dict[int, Opcode] = {0x817E: "text", 0x827E: "binary"}
_HEAD = struct.Struct(">HH").unpack_from
_NAMES: dict[int, Opcode] = {
    Op.TEXT: "text", Op.BINARY: "binary", Op.PING: "ping", Op.PONG: "pong", Op.CLOSE: "close",
}  # fmt: skip


# The library would log handshakes and messages, and with them credentials.
_SILENT = logging.Logger("payloads.websocket")
_SILENT.disabled = True


class Listener(Protocol):
    """Who is told what comes; called inside the event loop's read, so it must not take long."""

    def on_open(self, at: int) -> None: ...

    def on_frame(self, opcode: Opcode, data: bytes, at: int) -> None: ...


class Options(Record, frozen=True):
    """How a websocket is dialled and bounded."""

    open_timeout: float
    close_timeout: float
    max_bytes: int
    tls: ssl.SSLContext | None
    proxy: str | bool


class Refusal(Exception):
    """The server answered the upgrade with something else."""

    def __init__(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        super().__init__(f"HTTP {status}")
        self.status, self.headers, self.body = status, headers, body


class Failed(Exception):
    """No websocket came about. `again` is False where another try could only give the same."""

    def __init__(self, why: str, again: bool = True) -> None:
        super().__init__(why)
        self.why, self.again = why, again


class WebSocket(ClientConnection):
    """The library's connection, with frames going to a listener instead of a queue."""

    def __init__(
        self,
        listener: Listener,
        clock: Callable[[], int],
        target: str,
        limit: int,
        protocol: ClientProtocol,
        **options: Any,
    ) -> None:
        super().__init__(protocol, **options)
        self.listener, self.clock = listener, clock
        # The library takes a URL apart and puts it together again, and may lose some of it; what a
        # signature covers must go out as it is.
        upgrade = protocol.connect

        def exact() -> Request:
            request = upgrade()
            request.path = target
            return request

        protocol.connect = exact  # type: ignore[method-assign]
        self.heard = time.monotonic()
        self._parts: list[bytes] = []
        self._first: Op = Op.CONT
        self._limit = limit
        # How many of the next bytes the library gets unseen: the handshake is all its own.
        self._owed = _EVERYTHING
        # What has come of something whose end decides who gets it: the end of the handshake's last
        # line, and later a frame's header.
        self._begun = b""
        # The head of the server's answer to the upgrade.
        self._answer = b""

    def data_received(self, data: bytes) -> None:
        # One reading of the clock for all that came together: that is when it came.
        self._at = self.clock()
        self.heard = time.monotonic()
        if self.protocol.state is CONNECTING:
            data = self._shaken(data)
        while data:
            data = self._to_library(data) if self._owed else self._cut(self._begun + data)

    def _to_library(self, data: bytes) -> bytes:
        """Give the library what it is owed; what is left."""
        owed, rest = data[: self._owed], data[self._owed :]
        self._owed -= len(owed)
        super().data_received(owed)
        if self.protocol.close_rcvd is not None or self.protocol.parser_exc is not None:
            self._owed = (
                _EVERYTHING  # the last word has been said: it knows how to wait for the end
            )
        return rest

    def _shaken(self, data: bytes) -> bytes:
        """Give the library the server's answer to the upgrade; what stands behind it is left."""
        answer = self._begun + data
        end = answer.find(b"\r\n\r\n")
        if end < 0:
            self._begun = answer
            return self._to_library(data)
        self._answer = answer[: end + 4]
        end += 4 - len(self._begun)
        self._begun = b""
        self._to_library(data[:end])
        if self.protocol.state is OPEN:
            self._owed = 0
        return data[end:]

    def _cut(self, data: bytes) -> bytes:
        """Tell the listener of plain messages, up to a frame of the library's, which is left."""
        at, end = 0, len(data)
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
            if not opcode or stop > end or stop - begin > self._limit or self._parts:
                self._owed = stop - at
                return data[at:]
            self.listener.on_frame(opcode, data[begin:stop], self._at)
            at = stop
        return b""

    def process_event(self, event: Any) -> None:
        if not isinstance(event, Frame):
            super().process_event(event)
            if self.protocol.handshake_exc is None:
                self.listener.on_open(self._at)
        elif event.opcode is Op.TEXT or event.opcode is Op.BINARY:
            if event.fin:
                self.listener.on_frame(_NAMES[event.opcode], bytes(event.data), self._at)
            else:
                self._first, self._parts = event.opcode, [bytes(event.data)]
        elif event.opcode is Op.CONT:
            self._continued(event)
        else:
            super().process_event(event)
            self.listener.on_frame(_NAMES[event.opcode], bytes(event.data), self._at)

    def _continued(self, event: Frame) -> None:
        # The library has bounded the sum of the parts (`max_size`).
        self._parts.append(bytes(event.data))
        if event.fin:
            data = b"".join(self._parts)
            self._parts = []
            self.listener.on_frame(_NAMES[self._first], data, self._at)

    def refusal(self) -> Refusal | None:
        """What the answer to the upgrade says, if it says no and its body never came whole."""
        line, _, lines = self._answer.partition(b"\r\n")
        status = re.match(rb"HTTP/1\.[01] ([2-5][0-9]{2})\b", line)
        if status is None:
            return None
        try:
            headers = parse_headers(BytesIO(lines)).items()
        except HTTPException:
            headers = []
        return Refusal(int(status[1]), headers, b"")

    def pause(self) -> None:
        """Read no more from the socket."""
        self.transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        self.transport.resume_reading()

    def abort(self) -> None:
        """Drop the connection without a closing handshake: nobody is there to shake."""
        self.transport.abort()

    @property
    def ending(self) -> tuple[int, str]:
        """The code and reason of a closed connection: the server's, or ours where it gave none."""
        received, sent = self.protocol.close_rcvd, self.protocol.close_sent
        if received is not None:
            return int(received.code), received.reason
        if sent is not None and self.protocol.parser_exc is not None:
            return int(sent.code), sent.reason or str(self.protocol.parser_exc)
        # What broke the connection has another name in versions of the library before 17.
        broke = getattr(self, "connection_exc", None) or getattr(self, "recv_exc", None)
        cause = self.protocol.parser_exc or broke
        return 1006, str(cause or "")

    async def deliver(self, message: str | bytes) -> bool:
        """Send a message; False if the connection is gone."""
        try:
            await self.send(message)
        except ConnectionClosed:
            return False
        return True


def _extent(data: bytes, at: int) -> tuple[int, int] | None:
    """Where the content of the frame at `at` begins and ends; None if its header is cut off.

    A mask is not counted: what is masked ends the connection.
    """
    head = data[at + 1 : at + 10]
    size, begin = head[0] & ~_MASKED if head else 0, at + 2
    if size == 126:
        size, begin = int.from_bytes(head[1:3]), at + 4
    elif size == 127:
        size, begin = int.from_bytes(head[1:9]), at + 10
    return (begin, begin + size) if head and begin <= len(data) else None


class _Connect(connect):
    def process_redirect(self, exc: Exception) -> Exception:
        return exc


async def open_websocket(
    dial: Dial, listener: Listener, options: Options, clock: Callable[[], int]
) -> WebSocket:
    """Dial. Raises `Refusal` or `Failed`, or `Misuse` for a URL that is none."""
    made: list[WebSocket] = []
    try:
        connecting = _connecting(dial, listener, options, clock, made)
        return cast(WebSocket, await connecting)
    except InvalidStatus as error:
        answer = error.response
        headers = list(answer.headers.raw_items())
        raise Refusal(answer.status_code, headers, bytes(answer.body or b"")) from None
    except InvalidURI:
        raise Misuse("not a websocket URL", field="url", expected="ws:// or wss://") from None
    except ssl.SSLCertVerificationError as error:
        why = f"the server's certificate is not trusted: {error.verify_message}"
        raise Failed(why, again=False) from None
    except InvalidProxyStatus as error:
        status = error.response.status_code
        raise Failed(f"the proxy refused: HTTP {status}", again=status not in (403, 407)) from None
    except (OSError, InvalidHandshake, EOFError) as error:
        if made and (refusal := made[-1].refusal()) is not None:
            raise refusal from None
        if isinstance(error, TimeoutError):
            raise Failed(f"no websocket within {options.open_timeout:g} s") from None
        raise Failed(_words(error)) from None


def _connecting(
    dial: Dial,
    listener: Listener,
    options: Options,
    clock: Callable[[], int],
    made: list[WebSocket],
) -> _Connect:
    target = _target(dial.url)

    def make(protocol: ClientProtocol, **rest: Any) -> WebSocket:
        made.append(WebSocket(listener, clock, target, options.max_bytes, protocol, **rest))
        return made[-1]

    options_of_tls: dict[str, Any] = {}
    if options.tls is not None and urlsplit(dial.url).scheme == "wss":
        options_of_tls["ssl"] = options.tls
    return _Connect(
        dial.url,
        additional_headers=Headers(dial.headers),
        user_agent_header=agent(),
        proxy=proxy_for(dial.url, options.proxy),
        open_timeout=options.open_timeout,
        close_timeout=options.close_timeout,
        # The client sends its own pings: it knows when it is not reading on purpose.
        ping_interval=None,
        max_size=options.max_bytes,
        logger=_SILENT,
        create_connection=make,  # type: ignore[arg-type]
        **options_of_tls,
    )


def _target(url: str) -> str:
    """What stands behind the host, byte for byte."""
    if not url.startswith(("ws://", "wss://")) or any(c <= " " or c > "~" for c in url):
        expected = "ws:// or wss://, in visible ASCII"
        raise Misuse("not a websocket URL", field="url", expected=expected)
    rest = url.split("://", 1)[1]
    begin = min((at for at in map(rest.find, "/?") if at >= 0), default=len(rest))
    target = rest[begin:]
    return target if target.startswith("/") else "/" + target


def _words(error: BaseException) -> str:
    cause = error.__cause__ if isinstance(error, InvalidHandshake) and error.__cause__ else error
    if isinstance(cause, asyncio.IncompleteReadError | EOFError):
        return "the connection ended during the handshake"
    if isinstance(cause, OSError) and not isinstance(cause, ssl.SSLError) and cause.errno:
        # asyncio says `[Errno 111] Connect call failed ('192.0.2.1', 443)`.
        is_name = isinstance(cause, socket.gaierror)
        return (cause.strerror if is_name else os.strerror(cause.errno)) or str(cause)
    return str(error) or type(error).__name__
