"""Timers: a session owns a list of them, and its `deadline` is the earliest of theirs.

Times are nanoseconds since 1970, lengths are nanoseconds. A deadline of None is never. A deadline
of 0 is as soon as possible: the session's owner asked for something, and does not tell the time, so
the driver calls `tick` at once.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

from payloads.backing_off import pause_after
from payloads.errors import Misuse
from payloads.venues.common.session import Stalled

T = TypeVar("T", bound="HasDeadline")


class HasDeadline(Protocol):
    """What may stand in a session's list of timers."""

    @property
    def deadline(self) -> int | None: ...

    def start(self, now: int) -> None: ...

    def stop(self) -> None: ...


def check_length(field: str, length: int | None) -> None:
    """`Misuse` for a length of time that is not more than 0; None is no time at all."""
    if length is not None and length <= 0:
        raise Misuse("no such time", field=field, expected="more than 0 nanoseconds")


class Timer:
    """Something that a session waits for until a moment."""

    def __init__(self) -> None:
        self.deadline: int | None = None

    def start(self, now: int) -> None:
        """Begin to count."""

    def stop(self) -> None:
        self.deadline = None


class Timeout(Timer):
    """A timer that `start` sets by its length, or `at` to a moment. None as length: no start."""

    def __init__(self, length: int | None = None) -> None:
        super().__init__()
        self.length = length

    def start(self, now: int) -> None:
        if self.length is not None:
            self.deadline = now + self.length

    def at(self, moment: int) -> None:
        self.deadline = moment

    def expired(self, now: int) -> bool:
        """Whether the moment has come; said once, because the timer has stopped then."""
        if self.deadline is None or now < self.deadline:
            return False
        self.deadline = None
        return True


class Pings(Timeout):
    """When the application's next ping is due, while the connection is open."""

    def expired(self, now: int) -> bool:
        """Whether a ping is to be sent now; then the next is due one length later."""
        due = super().expired(now)
        if due:
            self.start(now)
        return due


class Watchdog(Timer):
    """Notices silence: the first `touch` starts it, and each silence is reported once.

    It waits for the first message, because a stream that has stopped and one that has nothing to
    say look the same until something has come.
    """

    def __init__(self, limit: int | None) -> None:
        check_length("silence", limit)
        super().__init__()
        self.limit = limit
        self._last = 0

    def touch(self, now: int) -> None:
        """A message came."""
        if self.limit is not None:
            self._last, self.deadline = now, now + self.limit

    def expired(self, now: int) -> list[Stalled]:
        """The event to report, once the silence has lasted too long."""
        if self.deadline is None or now < self.deadline:
            return []
        self.stop()
        return [Stalled(now - self._last)]


class RetryTimer(Timeout):
    """When to try again after a failure: pauses that double from `first` to `longest`.

    A pause is never shorter than what the venue asks for (`Retry-After`). After `attempts` failures
    in a row nothing is left to try.
    """

    def __init__(self, first: int, longest: int | None = None, attempts: int | None = None) -> None:
        super().__init__()
        self._first, self._longest, self._attempts = first, longest, attempts
        self.failures = 0

    def failed(self, now: int, at_least: int = 0) -> bool:
        """Wait before the next try; False, and nothing to wait for, if there is no next try."""
        self.failures += 1
        if self._attempts is not None and self.failures >= self._attempts:
            self.reset()
            return False
        pause = pause_after(self.failures, self._first, self._longest)
        self.deadline = now + max(at_least, pause)
        return True

    def reset(self) -> None:
        """The try succeeded, or is not wanted any more: the pauses start small again."""
        self.failures, self.deadline = 0, None

    stop = reset


def earliest(*deadlines: int | None) -> int | None:
    """The first of some deadlines, any of which may be None."""
    return min((each for each in deadlines if each is not None), default=None)


class Timers:
    """The timers of a session: those of one connection, and those that outlast it."""

    def __init__(self) -> None:
        self._timers: list[HasDeadline] = []
        self._of_connection: list[HasDeadline] = []

    def add(self, timer: T, *, lasting: bool = False) -> T:
        """Include a timer; a `lasting` timer goes on when the connection is gone."""
        self._timers.append(timer)
        if not lasting:
            self._of_connection.append(timer)
        return timer

    @property
    def deadline(self) -> int | None:
        """The earliest deadline."""
        earliest = None
        for timer in self._timers:
            deadline = timer.deadline
            if deadline is not None and (earliest is None or deadline < earliest):
                earliest = deadline
        return earliest

    def start(self, now: int) -> None:
        """Tell the time to the timers that were started without it."""
        for timer in self._timers:
            if timer.deadline == 0:
                timer.start(now)

    def stop(self) -> None:
        """The connection is gone."""
        for timer in self._of_connection:
            timer.stop()
