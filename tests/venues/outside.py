"""What a venue may want done before there is a session, done by nobody and kept."""

from __future__ import annotations

from payloads.venues.common.session import SECOND, Event, Reply, Request

NOW = 1_700_000_000 * SECOND


class Asking:
    """Gives the answers it was made with, one after the other; none when there are no more."""

    def __init__(self, *answers: Reply) -> None:
        self.answers = list(answers)
        self.requests: list[Request] = []
        self.waits: list[int] = []
        self.told: list[Event | str] = []

    def now(self) -> int:
        return NOW + sum(self.waits)

    def ask(self, request: Request) -> Reply:
        self.requests.append(request)
        return self.answers.pop(0) if self.answers else Reply(request.purpose, 0, b"")

    def wait(self, nanoseconds: int) -> None:
        self.waits.append(nanoseconds)

    def tell(self, event: Event) -> None:
        self.told.append(event)

    def warn(self, words: str) -> None:
        self.told.append(words)
