"""What the owner of a driven session asks of it meanwhile: `subscribe`, `query`, `send` and so on.

A `Driver` makes such a call in the event loop's own thread, whichever thread it comes from, and has
what the session wants then (messages, requests, another deadline) seen to at once, not only when
the next message comes. Once the loop is done with the session, a call is just made.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TypeVar

T = TypeVar("T")


class Driver:
    """The `driver` of a session, made in the loop that drives it. `then` sees to what it wants."""

    def __init__(self, then: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._then = then
        self._lock = threading.Lock()
        self._over = self._planned = False

    def __call__(self, call: Callable[[], T]) -> T:
        if threading.get_ident() == self._thread:
            return self._here(call)
        answer: Future[T] = Future()
        with self._lock:
            # Under the lock, since a loop that has ended takes calls and never makes them.
            over = self._over
            if not over:
                self._loop.call_soon_threadsafe(partial(self._settle, answer, call))
        return call() if over else answer.result()

    def end(self) -> None:
        """The session is not driven any more; to be called in the loop."""
        with self._lock:
            self._over = True

    def _settle(self, answer: Future[T], call: Callable[[], T]) -> None:
        try:
            answer.set_result(self._here(call))
        except BaseException as error:
            answer.set_exception(error)

    def _here(self, call: Callable[[], T]) -> T:
        try:
            return call()
        finally:
            if not self._planned and not self._over:
                self._planned = True
                self._loop.call_soon(self._see_to_it)

    def _see_to_it(self) -> None:
        self._planned = False
        self._then()
