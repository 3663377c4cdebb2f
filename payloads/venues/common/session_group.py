"""A group of sessions for one subscription. The venue is asked first which sessions there are.

Until the sessions are known, a driver treats the group as it treats a session. It calls `tick(now)`
at the latest when `deadline` says so, makes the requests of `take_requests()`, and gives each
answer to `replied(reply, now)`. As soon as `sessions` is not empty, the group has nothing more to
ask: the driver drives all sessions, and delivers their events to one reader.

A group with neither sessions, nor a request under way, nor a deadline has given up.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from payloads.venues.common.session import Event, Reply, Request, Retry, Session


class Degraded(Event, frozen=True):
    """The venue cannot give everything that was asked for; `message` says what is missing.

    The sessions that there are do their work all the same.
    """

    message: str


class SessionGroup(ABC):
    """The sessions of one subscription, and how they are found. See the module's first lines."""

    venue: ClassVar[str]

    def __init__(self) -> None:
        # Empty until the venue has answered.
        self.sessions: tuple[Session, ...] = ()
        # When `tick` must be called at the latest, in nanoseconds; None for never.
        self.deadline: int | None = 0
        # What the last refusal said about asking again; None after an answer.
        self.retry: Retry | None = None
        self._requests: list[Request] = []

    @abstractmethod
    def tick(self, now: int) -> list[Event]:
        """Time has passed."""

    @abstractmethod
    def replied(self, reply: Reply, now: int) -> list[Event]:
        """The answer to a request from `take_requests` came in."""

    def take_requests(self) -> list[Request]:
        """HTTP requests to make; each is handed out once, and answered through `replied`."""
        taken, self._requests = self._requests, []
        return taken
