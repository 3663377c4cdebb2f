"""The two places where a connection meets the network, so that a test can put something else there.

`dial` opens a websocket for a `Dial`, and tells a `Listener` what comes over it. It returns an
`OpenSocket`, or raises `UpgradeRefused` or `DialFailed`. `http` makes one `Request`, and returns
the `Reply`; no answer is a `Reply` with status 0.

The real functions are `websocket.open_websocket` and `http.perform`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from payloads.capture.frames import Opcode
from payloads.venues.common.redactor import Message
from payloads.venues.common.session import Dial, Reply, Request


class Listener(Protocol):
    """What a websocket calls from within the event loop's read, so it must not take long."""

    def on_open(self, at: int) -> None:
        """The server accepted the upgrade; called once, before the first frame."""

    def on_frame(self, opcode: Opcode, data: bytes, at: int) -> None:
        """A whole message or a control frame came; `at` is when, in nanoseconds since 1970."""


class OpenSocket(Protocol):
    """A websocket that is open, or was."""

    # When the server was last heard, by the event loop's clock.
    heard: float

    @property
    def ending(self) -> tuple[int, str]:
        """The close code and reason, once the websocket is closed; 1006 without a handshake."""

    async def send(self, message: Message) -> bool:
        """Send a message, and wait while too much is unsent; False if the websocket is closed."""

    def ping(self, content: bytes) -> None:
        """Send a ping. The answer reaches the listener as a `pong` frame with the same content."""

    def pause(self) -> None:
        """Give the listener no frame more, and read no more from the server."""

    def resume(self) -> None:
        """Go on. It is called once the listener has the socket, which `dial` returns paused."""

    def abort(self) -> None:
        """Drop the connection without a closing handshake."""

    async def close(self) -> None:
        """Make the closing handshake, and wait until the connection is gone."""

    async def wait_closed(self) -> None:
        """Wait until the connection is gone."""


DialWebSocket = Callable[[Dial, Listener], Awaitable[OpenSocket]]
PerformRequest = Callable[[Request], Awaitable[Reply]]


class UpgradeRefused(Exception):
    """The server answered the upgrade with another HTTP status than 101."""

    def __init__(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        super().__init__(f"HTTP {status}")
        self.status, self.headers, self.body = status, headers, body


class DialFailed(Exception):
    """No websocket was opened. `again` is False where another try could only fail the same way."""

    def __init__(self, why: str, again: bool = True) -> None:
        super().__init__(why)
        self.why, self.again = why, again
