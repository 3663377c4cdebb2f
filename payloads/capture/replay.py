"""Captures played again: at the speed they came, or to a session.

`paced` waits between records as long as it took when they were recorded, divided by a speed.
`rerun` gives a session the same messages at the same times, so that it returns the same events.
`session_of` makes that session from the header of the capture.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from payloads import venues
from payloads.abi.fields import Record
from payloads.capture.format import CaptureRecord, Header
from payloads.capture.frames import Delivery, Frame, Incident
from payloads.errors import Malformed, Misuse, elide
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import Event, Session

SECOND = 10**9
# A capture may hold a night between two frames; a replay does not wait that long.
LONGEST_PAUSE = 60.0


def due_times(
    records: Iterable[CaptureRecord], speed: float
) -> Iterator[tuple[CaptureRecord, float]]:
    """Records, each with its time in seconds after the first, at this speed."""
    if speed < 0:
        raise Misuse("no such speed", field="speed", expected="0 or more", found=str(speed))
    last, due = 0, 0.0
    for record in records:
        if isinstance(record, Frame | Incident) and record.at:
            if last and speed and record.at > last:
                due += min((record.at - last) / SECOND / speed, LONGEST_PAUSE)
            last = max(last, record.at)
        yield record, due


def paced(
    records: Iterable[CaptureRecord], speed: float = 1.0, sleep: Callable[[float], Any] = time.sleep
) -> Iterator[CaptureRecord]:
    """Records at the speed they came, or any number of times as fast; 0 for no waiting at all."""
    began = time.monotonic()
    for record, due in due_times(records, speed):
        if (wait := began + due - time.monotonic()) > 0:
            sleep(wait)
        yield record


class _Asked(Record, frozen=True):
    """The part of a header that says which session wrote the capture."""

    what: tuple[str, ...] = ()
    endpoint: str = ""
    options: Mapping[str, str] = {}


def session_of(header: Header, **credentials: str) -> Session:
    """A session like that of the capture, for `rerun`.

    A rerun does not log in, so any text in the right form will do for a credential.
    """
    try:
        asked = msgspec.convert(header.asked, _Asked)
    except msgspec.ValidationError as error:
        found = elide(str(error), 120)
        raise Malformed("does not describe a session", field="asked", found=found) from None
    secrets = {name: Secret(text) for name, text in credentials.items()}
    wanted = venues.SessionConfig(asked.what, asked.endpoint, asked.options, secrets)
    session = venues.make(header.venue, wanted)
    if not isinstance(session, Session):
        reason = "a capture of several sessions at once"
        raise Misuse(reason, field=header.venue, expected="a session made for one of them")
    return session


def rerun(session: Session, records: Iterable[CaptureRecord]) -> Iterator[Delivery]:
    """The deliveries of a session that is given the messages of a capture. Nothing is sent.

    HTTP requests are answered with the replies that the capture has kept. The records are those of
    one connection: of a capture with several at once, choose one by its number.
    """
    is_open = False
    for record in records:
        events: list[Event] = []
        if isinstance(record, Incident) and record.what == "closed" and is_open:
            code, reason = record.detail.get("code"), str(record.detail.get("reason", ""))
            is_open = False
            events = session.closed(code if isinstance(code, int) else 1006, reason, record.at)
        elif isinstance(record, Incident) and record.what == "opened":
            is_open = True
            with contextlib.suppress(Misuse):  # the token was not kept
                session.dial(record.at)
            events = session.opened(record.at)
        elif isinstance(record, Frame) and record.is_message and record.direction == "in":
            yield from _ticks(session, record.at, record.connection)
            events = session.received(record.data, record.at)
        elif isinstance(record, Incident) and record.what in ("request", "reply"):
            if is_open:  # an answer may come after the end of the websocket
                yield from _ticks(session, record.at, record.connection)
            if (reply := record.reply) is not None:
                events = session.replied(reply, record.at)
        else:
            continue
        session.take()
        session.take_requests()
        frame = record if isinstance(record, Frame) else None
        yield Delivery(record.at, record.connection, frame, tuple(events))


def _ticks(session: Session, now: int, connection: int) -> Iterator[Delivery]:
    """The tick that was due before `now`, if any. A session whose deadline stays past gets one."""
    due = session.deadline
    if due is not None and due <= now:
        events = session.tick(now)
        if events:
            yield Delivery(now, connection, None, tuple(events))
