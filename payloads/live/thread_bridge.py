"""Calls to a session while it runs: `subscribe`, `query`, `send` and so on, from any thread.

A `LoopCaller` makes such a call in the event loop's own thread. What the session then wants
(messages, requests, another deadline) is done at once, not only when the next message comes. Once
the loop is done with the session, a call is simply made.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TypeVar

T = TypeVar("T")


class LoopCaller:
    """The `driver` of a session, made in the loop that runs it; `follow_up` is called after calls.

    Several calls in one turn of the loop are followed up once.
    """

    def __init__(self, follow_up: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._follow_up = follow_up
        self._lock = threading.Lock()
        self._over = self._planned = False

    def __call__(self, call: Callable[[], T]) -> T:
        if threading.get_ident() == self._thread:
            return self._make(call)
        answer: Future[T] = Future()
        with self._lock:
            # Under the lock, since a loop that has ended takes calls and never makes them.
            over = self._over
            if not over:
                self._loop.call_soon_threadsafe(partial(self._make_for, answer, call))
        return call() if over else answer.result()

    def end(self) -> None:
        """The session does not run any more; to be called in the loop."""
        with self._lock:
            self._over = True

    def _make_for(self, answer: Future[T], call: Callable[[], T]) -> None:
        try:
            answer.set_result(self._make(call))
        except BaseException as error:
            answer.set_exception(error)

    def _make(self, call: Callable[[], T]) -> T:
        try:
            return call()
        finally:
            if not self._planned and not self._over:
                self._planned = True
                self._loop.call_soon(self._after_calls)

    def _after_calls(self) -> None:
        self._planned = False
        self._follow_up()
