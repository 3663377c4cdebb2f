"""What drives this library's client through a plan of trouble, and what is then to be true.

The truth is the simulator's `sent`: what was due on which connection, and what became of it. Every
message that went out to a living connection has to be in the capture as often as it went out, and
has to be delivered exactly once; what came again has to be told as a duplicate.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from payloads import simulators
from payloads.capture.frames import Delivery, Frame, Retrying
from payloads.capture.reader import read_frames
from payloads.capture.writer import CaptureWriter
from payloads.errors import Refused
from payloads.live.connection import Connection
from payloads.simulators import Plan, Rule, Sent, Simulator
from payloads.venues.common.session import SECOND, Closed, Data, Event, Opened, Session
from tests.simulators.kit import driven

__all__ = [
    "PATIENCE", "PINGS", "Life", "Run", "Subject", "captured", "check", "check_capture",
    "check_events", "check_gap_told", "endings", "for_good", "happened", "is_duplicate", "lived",
    "settled",
]  # fmt: skip

RATE = 500.0
# How long a connection may be silent before it is given up.
PATIENCE = SECOND
PINGS: dict[str, Any] = {"ping_interval": 0.1, "ping_timeout": PATIENCE / SECOND}


@dataclass(frozen=True)
class Subject:
    """A venue, the session that is driven against it, and the numbers of its messages: in the data
    that is delivered, and in what the venue sent."""

    venue: str
    # The second argument is for how long the session bears silence, in nanoseconds.
    session: Callable[[Any, int | None], Session]
    of_event: Callable[[Data], Any] = lambda _: None
    of_message: Callable[[Any], Any] = lambda _: None
    options: dict[str, Any] = field(default_factory=dict)
    # For the transport.
    client: dict[str, Any] = field(default_factory=dict)
    # Messages that replace what was said before, and are no duplicates when they come again.
    replaces: Callable[[Any], bool] = lambda _: False
    # What has to be true in the end, while the client is still there.
    finally_: Callable[[Any, Any, Connection], Awaitable[None]] | None = None

    def start(self, plan: str) -> Simulator:
        given = {"rate": RATE, "keep": 10_000, "misbehave": plan} | self.options
        return simulators.make(self.venue, **given)


def for_good(rule: Rule) -> bool:
    """Whether a stall is longer than anybody waits."""
    return rule.kind == "stall" and float(rule.value) > PATIENCE / SECOND


def endings(plan: str) -> int:
    """How often a plan ends a connection."""
    rules = Plan(plan).rules
    return sum(rule.kind in ("restart", "cut", "close") or for_good(rule) for rule in rules)


def is_duplicate(event: Event) -> bool:
    return type(event).__name__ == "Duplicate"


def happened(deliveries: Iterable[Delivery], *kinds: type[Event]) -> list[Any]:
    """The events of these kinds, in order."""
    return [event for one in deliveries for event in one.events if isinstance(event, kinds)]


def settled(plan: str, of_data: int = 25) -> Callable[[list[Delivery]], bool]:
    """After all that is planned, some data more."""
    last = max([rule.number for rule in Plan(plan).rules if rule.number] or [60])

    def enough(deliveries: list[Delivery]) -> bool:
        told = [event for one in deliveries for event in one.events]
        opened = [index for index, event in enumerate(told) if isinstance(event, Opened)]
        if len(opened) != 1 + endings(plan):
            return False
        data = [index for index, one in enumerate(told) if isinstance(one, Data)]
        doubled = sum(is_duplicate(event) for event in told)
        return len(data) + doubled >= last and sum(at > opened[-1] for at in data) >= of_data

    return enough


# --- driving --------------------------------------------------------------------------------------


@dataclass
class Life:
    """One websocket: what the reader was told, what the capture has of it, what was due on it."""

    deliveries: list[Delivery]
    captured: list[Frame]
    due: list[Sent]
    last: bool

    @property
    def came(self) -> list[tuple[Frame, Event]]:
        """What was delivered or told as a duplicate, and the frame that it came in."""
        told = [(one.frame, event) for one in self.deliveries if one.frame for event in one.events]
        return [(frame, one) for frame, one in told if isinstance(one, Data) or is_duplicate(one)]


@dataclass
class Run:
    """All of a session's websockets, and how it ended if the venue would have no more of it."""

    venue: Simulator
    deliveries: list[Delivery] = field(default_factory=list)
    captured: list[Frame] = field(default_factory=list)
    refused: Refused | None = None
    silent: bool = False
    # The first websocket of the session, by the venue's count.
    first_peer: int = 1

    @property
    def lives(self) -> list[Life]:
        opened = [
            one.connection
            for one in self.deliveries
            if any(isinstance(e, Opened) for e in one.events)
        ]
        return [
            Life(
                [one for one in self.deliveries if one.connection == connection],
                [one for one in self.captured if one.connection == connection],
                self._went_out(peer),
                connection == opened[-1] and self.refused is None,
            )
            for peer, connection in enumerate(opened, self.first_peer)
        ]

    def _went_out(self, peer: int) -> list[Sent]:
        """What the venue sent on a connection: until that was gone, or silent for longer than
        anybody waits, without what it dropped, and twice what it doubled."""
        out: list[Sent] = []
        for one in self.venue.sent:
            if one.peer == peer:
                if self.silent and "stall" in one.fate:
                    break
                lost = {"drop", "unsent"} & {*one.fate}
                out += [one] * (0 if lost else 1 + ("duplicate" in one.fate))
        return out


@contextlib.asynccontextmanager
async def captured(run: Run, folder: Path) -> AsyncIterator[CaptureWriter]:
    """A capture, whose data is then in the run."""
    path = folder / "capture.jsonl"
    with CaptureWriter(path) as writer:
        yield writer
    sent = {one.message for one in run.venue.sent}
    run.captured = [one for one in read_frames(path) if one.direction == "in" and one.data in sent]


async def lived(
    subject: Subject,
    plan: str,
    folder: Path,
    enough: Callable[[list[Delivery]], bool],
    begin: Callable[[list[Delivery]], bool] | None = None,
) -> Run:
    """Drive a session through a plan until that is enough, or until it is refused.

    With `begin` the plan begins then.
    """
    async with subject.start("" if begin else plan) as venue:
        run = Run(venue, silent=any(for_good(rule) for rule in Plan(plan).rules))
        # No connection is given up where none falls silent: a busy machine is silent, too.
        session = subject.session(venue, PATIENCE if run.silent else None)
        client = {**subject.client, **(PINGS if run.silent else {})}
        async with (
            captured(run, folder) as writer,
            driven(session, recorder=writer, **client) as connection,
        ):
            try:
                async for delivery in connection:
                    run.deliveries.append(delivery)
                    if begin and begin(run.deliveries):
                        venue.misbehave(plan)
                        begin = None
                    # All moments are looked through each time: that need not be every time.
                    if len(run.deliveries) % 8 == 0 and enough(run.deliveries):
                        break
            except Refused as refused:
                run.refused = refused
            if subject.finally_ is not None:
                await subject.finally_(venue, session, connection)
    return run


# --- what is to be true ---------------------------------------------------------------------------


def check(run: Run, subject: Subject) -> None:
    """Nothing was lost, nothing doubled, and what could not be had was told."""
    for life in run.lives:
        check_capture(life)
        check_events(life, subject)
    for before, after in pairwise(run.lives):
        check_gap_told(before, after)


def check_capture(life: Life) -> None:
    """The capture has every frame as often as it went out, in order."""
    expected = [one.message for one in life.due]
    if life.last:  # the client left, the venue went on
        expected = expected[: len(life.captured)]
    assert [one.data for one in life.captured] == expected


def check_events(life: Life, subject: Subject) -> None:
    """Every message is delivered once, and told as a duplicate as often as it came again."""
    came = life.came
    due = life.due[: len(came)] if life.last else life.due
    assert [frame.data for frame, _ in came] == [one.message for one in due]
    messages = [json.loads(one.message) for one in due]
    again = [
        one is before and not subject.replaces(message)
        for before, one, message in zip([None, *due], due, messages, strict=False)
    ]
    assert [is_duplicate(event) for _, event in came] == again
    for (_, event), message in zip(came, messages, strict=True):
        if isinstance(event, Data):
            assert subject.of_event(event) == subject.of_message(message)


def check_gap_told(before: Life, after: Life) -> None:
    """The gap between two connections is told by a `Closed` and an `Opened`, with no frame between.

    An answer to a request of the first connection may come after its end: a backfill takes its
    time, and its data is delivered then.
    """
    deliveries = [*before.deliveries, *after.deliveries]
    streamed = [one for one in deliveries if one.frame or not happened([one], Data)]
    kinds = [type(event) for event in happened(streamed, Event)]
    closed, opened = kinds.index(Closed), kinds.index(Opened, 1)
    assert Retrying in kinds[closed:opened]
    assert Data not in kinds[closed:opened]
