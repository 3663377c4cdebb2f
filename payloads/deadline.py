"""A time that is over for a whole HTTP request, whatever the server does meanwhile.

The timeout of a socket is for each read. A server that sends a byte at a time, a header without
end or interim answers for ever would keep a thread as long as it likes. A `Deadline` opens the
connection and cuts it when the time is over; the read that waits then ends.

Looking up a host's name is the system's, and has the system's time-out.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Any, Self


class Deadline:
    """Cuts its connection after so many seconds; `over` says that it did. A context manager."""

    def __init__(self, seconds: float) -> None:
        self.over = False
        self._until = time.monotonic() + seconds
        self._watched: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._timer.cancel()
        self._timer.join()  # it may be cutting
        if self._watched is not None:
            self._watched.close()

    @property
    def left(self) -> float:
        """Seconds until the time is over, and hardly any after that; a time-out is never 0."""
        return max(self._until - time.monotonic(), 0.001)

    def connect(self, address: tuple[str, int], timeout: float | None, *_: Any) -> socket.socket:
        """A watched connection to the first address of a host that takes one."""
        problem: OSError = OSError("no address")
        for family, kind, number, _name, found in socket.getaddrinfo(
            *address, type=socket.SOCK_STREAM
        ):
            sock = socket.socket(family, kind, number)
            try:
                sock.settimeout(self.left if timeout is None else min(timeout, self.left))
                sock.connect(found)
            except OSError as error:
                sock.close()
                problem = error
                continue
            sock.settimeout(timeout)
            self.watch(sock)
            return sock
        raise problem

    def watch(self, sock: socket.socket) -> None:
        """Cut this connection when the time is over, or now if it is."""
        # A socket of its own for the same connection: TLS takes the other over.
        self._watched = sock.dup()
        if self.over:
            self._cut()

    def _cut(self) -> None:
        self.over = True
        if self._watched is not None:
            with contextlib.suppress(OSError):
                self._watched.shutdown(socket.SHUT_RDWR)
