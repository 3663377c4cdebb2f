"""The progress of `payloads capture`: counts, a line with the rates, and messages on the way.

`Progress` reads the deliveries of a connection and counts them. A refusal, a gap, a broken message
and the like go to standard error when they happen. The rates go there, too: on a terminal as a line
that is overwritten, otherwise as a new line every minute.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from payloads import venues
from payloads.abi.fields import Digits
from payloads.cli import terminal
from payloads.cli.capture_summary import missing_words, refused_words
from payloads.errors import Refused, elide
from payloads.venues.common.kinds import FirstOfKind
from payloads.venues.common.session import GIVEN_UP

if TYPE_CHECKING:
    from payloads.capture.frames import Delivery
    from payloads.capture.writer import CaptureWriter
    from payloads.live.connection import Connection
    from payloads.live.group import GroupConnection
    from payloads.live.inbox import Inbox

_SHOWN_EVERY = 0.5
_LOGGED_EVERY = 60.0
# An unknown message may be a refusal. Further messages are only counted.
_UNKNOWN_SHOWN = 3
# A capture that has its --frames or is stopped in less time has not waited for what is missing.
_WAITED_FOR = 10 * 10**9


class AllRefused(Refused):
    """The venue has refused everything that was asked for."""


class Progress:
    """The counts of a capture so far, for the line with the rates and for the summary."""

    def __init__(self, coloured: bool, limit: int | None = None) -> None:
        self.connection: Connection | GroupConnection | None = None
        self.begin()
        self.events: Counter[str] = Counter()
        self.channels: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.frames = self.bytes = self.backfilled = 0
        # Why the capture ended, in words, and the refusal that ended it, if any.
        self.ended = ""
        self.ended_by: Refused | None = None
        # Refused subscriptions, with the reasons.
        self.refused: dict[str, str] = {}
        # What was asked for and never came, and what a short capture left no time for; see `end`.
        self.never_came: dict[str, venues.Missing] = {}
        self.not_waited_for: dict[str, venues.Missing] = {}
        self._ended_at = 0
        # Seconds from the last message before all connections were lost to the first after.
        self.gaps: list[float] = []
        self._open = self._newest = 0
        self.lost = False
        self._broken = FirstOfKind()
        self._limit, self._coloured = limit, coloured
        self._live = sys.stderr.isatty()

    def begin(self) -> None:
        """Count the time from now on."""
        self.began, self._began_at = time.monotonic(), time.time_ns()
        self._last = (self.began, 0, 0)

    @property
    def connections(self) -> tuple[Connection, ...]:
        """A connection for each session, as soon as the sessions are known."""
        return () if self.connection is None else self.connection.connections

    @property
    def opened(self) -> int:
        """The number of websockets that were opened."""
        return sum(each.stats.opened for each in self.connections)

    async def read(self, deliveries: Inbox) -> None:
        """Count deliveries until the limit or the end. Raises `AllRefused` if none can come."""
        async for delivery in deliveries:
            self.count(delivery)
            if self._limit is not None and self.frames >= self._limit:
                return
            # The deliveries that wait have the reasons.
            if self._has_refusals and not deliveries.waiting and self._all_refused:
                raise AllRefused(refused_words(self.refused_now()))

    @property
    def _has_refusals(self) -> bool:
        return bool(self.events["Rejected"] or self.events["Broken"])

    @property
    def _all_refused(self) -> bool:
        connections = self.connections
        return bool(connections) and all(each.session.all_refused for each in connections)

    def refused_now(self) -> dict[str, str]:
        """The subscriptions that are refused at this time, with the reasons."""
        found: dict[str, str] = {}
        count = len(self.connections)
        for number, each in enumerate(self.connections, 1):
            found |= each.session.refused
            if isinstance(each.ended_by, Refused) and count > 1:
                found[f"connection {number} of {count}"] = each.ended_by.reason
        return found

    def end(self, now: int, cut_short: bool) -> None:
        """The capture ends, perhaps before its time: note what is refused and what has not come."""
        self.refused, self._ended_at = self.refused_now(), now
        if not self.opened:
            return
        cut_short |= self._limit is not None and self.frames >= self._limit
        for each in self.connections:
            for label, missing in each.session.missing.items():
                waited = now - (missing.asked_at or self._began_at)
                soon = cut_short and waited < _WAITED_FOR and missing.code != GIVEN_UP
                (self.not_waited_for if soon else self.never_came)[label] = missing
        never = self.never_came.items()
        self.refused |= {label: missing_words(each, now) for label, each in never}

    def count(self, delivery: Delivery) -> None:
        """Count a delivery, and show its events."""
        if delivery.frame is not None:
            self.frames += 1
            self.bytes += len(delivery.frame.raw)
            if self.lost:
                self._end_gap(delivery.at)
            self._newest = delivery.at
        several = delivery.connection and len(self.connections) > 1
        which = f"connection {delivery.connection}: " if several else ""
        for event in delivery.events:
            self.events[type(event).__name__] += 1
            if isinstance(event, venues.Data):
                self.channels[event.channel] += 1
            else:
                self._count_event(event)
                self._show_event(event, which)

    def _end_gap(self, at: int) -> None:
        self.lost = False
        if self._newest:
            self.gaps.append((at - self._newest) / 1e9)
            self.say(f"nothing came for {self.gaps[-1]:.1f} s")

    def _count_event(self, event: venues.Event) -> None:
        match event:
            case venues.Rejected():
                self.refusals[event.code] += 1
            case venues.Opened():
                self._open += 1
            case venues.Closed():
                self._open = max(0, self._open - 1)
                self.lost = not self._open  # other connections of a group go on
            case venues.Backfilled():
                self.backfilled += event.reports

    def _show_event(self, event: venues.Event, which: str) -> None:
        from payloads.capture.frames import Retrying, Unreachable

        match event:
            case venues.Degraded():
                self.say(event.message, bad=True)
            case venues.Broken():
                self._show_broken(event, which)
            case venues.Unknown() if self.events["Unknown"] <= _UNKNOWN_SHOWN:
                self.say(f"{which}unknown message: {_shown(event.raw)}", bad=True)
            case venues.Rejected():
                self.say(f"{which}refused, {_refusal(event)}", bad=True)
            case venues.Opened():
                self.say(f"{which}connected")
            case venues.Closed():
                self.say(f"{which}connection lost, {event.retry.why}", bad=True)
            case Unreachable():
                self.say(f"{which}{event.why}", bad=True)
            case Retrying():
                action = "dialling" if self.connections else "asking"
                self.say(f"{which}{action} again in {event.wait / 1e9:.1f} s")
            case venues.Stalled():
                self.say(f"{which}silent for {event.silent_for / 1e9:.1f} s", bad=True)
            case venues.Authenticated():
                self.say(f"{which}authenticated")
            case venues.Backfilled():
                missing = "" if event.complete else ", and more are missing"
                words = f"{event.reports} reports of {elide(event.channel, 20)} by REST{missing}"
                self.say(words, bad=not event.complete)

    def _show_broken(self, event: venues.Broken, which: str) -> None:
        kind = event.error.reason
        if self._broken.shows(kind):
            more = "; more of these are counted" * self._broken.last_shown(kind)
            self.say(f"{which}broken message: {event.error}{more}", bad=True)

    def sum_up(self) -> None:
        """Say how many broken messages there were, of the kinds that were not all shown."""
        for kind, count in self._broken.counted():
            self.say(f"{count:,} broken messages in all: {kind}", bad=True)

    # --- while it runs ---

    async def show(self) -> None:
        """Show the rates, again and again."""
        while True:
            await asyncio.sleep(_SHOWN_EVERY if self._live else _LOGGED_EVERY)
            words = "  ".join(self._rates())
            if self._live:
                fits = words[: shutil.get_terminal_size().columns - 1]
                terminal.status(fits)
            else:
                self.say(words.strip())

    def _rates(self) -> Iterable[str]:
        now = time.monotonic()
        then, frames, size = self._last
        self._last = now, self.frames, self.bytes
        yield f"{now - self.began:6.0f} s"
        yield f"{self.frames:,} messages"
        yield f"{(self.frames - frames) / (now - then):,.0f}/s"
        yield f"{(self.bytes - size) / (now - then) / 1e3:,.1f} kB/s"
        yield "not connected" if self.lost and not self._open else f"gaps {len(self.gaps)}"
        yield f"broken {self.events['Broken']}"
        if duplicates := self.events["Duplicate"]:
            yield f"duplicates {duplicates:,}"
        if latency := max((each.stats.latency for each in self.connections), default=0):
            yield f"ping {latency * 1e3:.0f} ms"
        if self._held_up:
            yield f"held up {self._held_up} times"

    @property
    def _held_up(self) -> int:
        return self.connections[0].inbox.blocked if self.connections else 0

    def say(self, words: str, bad: bool = False) -> None:
        """Write a line of its own, with the time."""
        self.clear()
        styled = terminal.style(words, fg="yellow") if bad else words
        terminal.line(f"{time.strftime('%H:%M:%S')} {styled}", err=True, colour=self._coloured)

    def clear(self) -> None:
        """Take the line with the rates away."""
        if self._live:
            terminal.status()

    # --- at the end ---

    def summary(self, writer: CaptureWriter) -> dict[str, Any]:
        """The counts for programs."""
        seconds = time.monotonic() - self.began
        written = writer.summary
        return {
            "seconds": round(seconds, 3),
            "ended": self.ended,
            "messages": self.frames,
            "message_bytes": self.bytes,
            "per_second": round(self.frames / seconds, 1) if seconds else 0,
            "dials": sum(each.stats.dials for each in self.connections),
            "opened": self.opened,
            "gaps": [round(gap, 3) for gap in self.gaps],
            "lost_at_the_end": self.lost,
            "duplicates": self.events["Duplicate"],
            "backfilled": self.backfilled,
            "broken": self.events["Broken"],
            "unknown": self.events["Unknown"],
            "refusals": dict(self.refusals),
            "refused": self.refused,
            "never_came": self._records(self.never_came),
            "not_waited_for": self._records(self.not_waited_for),
            "events": dict(self.events),
            "channels": dict(self.channels.most_common(50)),
            "held_up": self._held_up,
            "redacted": written.redacted,
            "frames_written": written.frames,
            "file_bytes": written.file_bytes,
            "files": list(written.files),
        }

    def _records(self, missing: dict[str, venues.Missing]) -> dict[str, Any]:
        """What has not come, for programs: `seconds` is how long it was waited for."""
        return {
            label: {
                "code": each.code,
                "asked_at": Digits(each.asked_at),
                "seconds": (self._ended_at - each.asked_at) / 1e9 if each.asked_at else 0,
            }
            for label, each in missing.items()
        }


def _shown(raw: str | bytes) -> str:
    text = raw if isinstance(raw, str) else raw.decode("utf-8", "replace")
    return elide(text, 120)


def _refusal(event: venues.Rejected) -> str:
    """The code of a refusal, its subject unless the message names it, and its words."""
    words = dict.fromkeys(part for part in (event.message, event.meaning) if part)
    named = not event.about or event.about in event.message
    about = "" if named else f" ({elide(event.about, 60)})"
    return f"{event.code}{about}: {elide(': '.join(words), 300)}"
