"""Captures played again: at the speed they came, or to a session.

`paced` waits between records as long as it took then, divided by a speed. `rerun` gives a session
what it was given then, with the times of then, so that its events are those of then.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from payloads.capture.format import CaptureRecord
from payloads.capture.frames import Delivery, Frame, Incident
from payloads.errors import Misuse
from payloads.venues.common.session import Event, Session

SECOND = 10**9
# A capture may hold a night between two frames; a replay does not wait that long.
LONGEST_PAUSE = 60.0


def due_times(
    records: Iterable[CaptureRecord], speed: float
) -> Iterator[tuple[CaptureRecord, float]]:
    """Records, and when each is due, in seconds from the first."""
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


def rerun(session: Session, records: Iterable[CaptureRecord]) -> Iterator[Delivery]:
    """What a session makes of a capture. Nothing is sent and nothing requested.

    It is given the answers to HTTP requests that the capture has kept. For one connection at a
    time; of a capture with several at once, choose one by its number.
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
            with contextlib.suppress(Misuse):  # without the token of then, which no capture holds
                session.dial(record.at)
            events = session.opened(record.at)
        elif isinstance(record, Frame) and record.is_message and record.direction == "in":
            yield from _ticks(session, record.at, record.connection)
            events = session.received(record.data, record.at)
        elif isinstance(record, Incident) and record.what in ("request", "reply"):
            if is_open:  # an answer may come when the websocket has gone
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
    """The ticks that were due before `now`; a session that is never satisfied gets one."""
    due = session.deadline
    if due is not None and due <= now:
        events = session.tick(now)
        if events:
            yield Delivery(now, connection, None, tuple(events))
