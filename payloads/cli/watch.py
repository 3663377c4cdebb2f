"""What `payloads capture` says of itself: a line with the rates, what happens, and a summary.

`Watch` reads what connections deliver and counts it. What is worth hearing on the way (a refusal, a
gap, a broken message) goes to standard error as it happens, and so do the rates: on a line that is
written over where a person watches, and otherwise on a line of their own every minute.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from payloads.cli import show
from payloads.errors import Refused, elide
from payloads.venues.common.session import (
    Authenticated,
    Broken,
    Closed,
    Data,
    Event,
    Opened,
    Rejected,
    Stalled,
    Unknown,
)
from payloads.venues.common.session_group import Degraded

if TYPE_CHECKING:
    from payloads.capture.frames import Delivery
    from payloads.capture.writer import CaptureWriter
    from payloads.live.connection import Connection
    from payloads.live.group import GroupConnection
    from payloads.live.inbox import Inbox

_SHOWN_EVERY = 0.5
_TOLD_EVERY = 60.0
_WIDTH = 24
# It may be a refusal; of more of them the summary tells.
_UNKNOWN_TOLD = 3


class NothingLeft(Refused):
    """The venue has said no to everything that was asked for."""


class Watch:
    """What has come so far, for the line that is shown and for the summary."""

    def __init__(self, coloured: bool, limit: int | None = None) -> None:
        self.connection: Connection | GroupConnection | None = None
        self.begin()
        self.events: Counter[str] = Counter()
        self.channels: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.frames = self.bytes = self.backfilled = 0
        # Why it is over, in words, and what the venue said if that was it.
        self.ended = ""
        self.refused: Refused | None = None
        # What of all that was asked for will not come, and why.
        self.denied: dict[str, str] = {}
        # From the last message before all connections were lost to the first after, in seconds.
        self.gaps: list[float] = []
        self._open = self._newest = 0
        self.lost = False
        self._limit, self._coloured = limit, coloured
        self._live = sys.stderr.isatty()

    def begin(self) -> None:
        """Count the time from now on."""
        self.began = time.monotonic()
        self._last = (self.began, 0, 0)

    @property
    def connections(self) -> tuple[Connection, ...]:
        """One for each session, as soon as the sessions are known."""
        return () if self.connection is None else self.connection.connections

    @property
    def opened(self) -> int:
        """How many websockets came about."""
        return sum(one.stats.opened for one in self.connections)

    async def read(self, deliveries: Inbox) -> None:
        """Count what comes, until the limit or the end; `NothingLeft` where nothing more can."""
        async for delivery in deliveries:
            self.count(delivery)
            if self._limit is not None and self.frames >= self._limit:
                return
            # What is still to be read says why.
            if self._refused and not deliveries.waiting and self._hopeless:
                raise NothingLeft(_words(self.denied_now()))

    @property
    def _refused(self) -> bool:
        return bool(self.events["Rejected"] or self.events["Broken"])

    @property
    def _hopeless(self) -> bool:
        connections = self.connections
        return bool(connections) and all(one.session.all_refused for one in connections)

    def denied_now(self) -> dict[str, str]:
        """What the venue has refused for good, as it stands."""
        found: dict[str, str] = {}
        for number, one in enumerate(self.connections, 1):
            found |= one.session.refused
            if isinstance(one.ended_by, Refused) and len(self.connections) > 1:
                found[f"connection {number} of {len(self.connections)}"] = one.ended_by.reason
        return found

    def count(self, delivery: Delivery) -> None:
        if delivery.frame is not None:
            self.frames += 1
            self.bytes += len(delivery.frame.raw)
            if self.lost:
                self._back(delivery.at)
            self._newest = delivery.at
        for event in delivery.events:
            self.events[type(event).__name__] += 1
            if isinstance(event, Data):
                self.channels[event.channel] += 1
            else:
                self._tell(event, delivery)

    def _back(self, at: int) -> None:
        self.lost = False
        if self._newest:
            self.gaps.append((at - self._newest) / 1e9)
            self.say(f"nothing came for {self.gaps[-1]:.1f} s")

    def _tell(self, event: Event, delivery: Delivery) -> None:
        from payloads.capture.frames import Retrying, Unreachable
        from payloads.venues.chainlink.backfill import Backfilled

        several = delivery.connection and len(self.connections) > 1
        which = f"connection {delivery.connection}: " if several else ""
        if isinstance(event, Broken):
            self.say(f"{which}broken message: {event.error}", bad=True)
        elif isinstance(event, Unknown) and self.events["Unknown"] <= _UNKNOWN_TOLD:
            raw = event.raw if isinstance(event.raw, str) else event.raw.decode("utf-8", "replace")
            self.say(f"{which}unknown message: {elide(raw, 120)}", bad=True)
        elif isinstance(event, Rejected):
            self.refusals[event.code] += 1
            words = dict.fromkeys(part for part in (event.message, event.meaning) if part)
            told = not event.about or event.about in event.message
            about = "" if told else f" ({elide(event.about, 60)})"
            said = f"{which}refused, {event.code}{about}: {elide(': '.join(words), 300)}"
            self.say(said, bad=True)
        elif isinstance(event, Opened):
            self._open += 1
            self.say(f"{which}connected")
        elif isinstance(event, Closed):
            self._open = max(0, self._open - 1)
            # With several origins the others go on.
            self.lost = not self._open
            self.say(f"{which}connection lost, {event.retry.why}", bad=True)
        elif isinstance(event, Unreachable):
            self.say(f"{which}{event.why}", bad=True)
        elif isinstance(event, Retrying):
            what = "dialling" if self.connections else "asking"
            self.say(f"{which}{what} again in {event.wait / 1e9:.1f} s")
        elif isinstance(event, Degraded):
            self.say(event.message, bad=True)
        elif isinstance(event, Stalled):
            self.say(f"{which}silent for {event.silent_for / 1e9:.1f} s", bad=True)
        elif isinstance(event, Authenticated):
            self.say(f"{which}authenticated")
        elif isinstance(event, Backfilled):
            self.backfilled += event.reports
            missing = "" if event.complete else ", and more are missing"
            words_ = f"{event.reports} reports of {elide(event.channel, 20)} by REST{missing}"
            self.say(words_, bad=not event.complete)

    # --- while it runs ---

    async def show(self) -> None:
        """The rates, again and again."""
        while True:
            await asyncio.sleep(_SHOWN_EVERY if self._live else _TOLD_EVERY)
            words = "  ".join(self._rates())
            if self._live:
                fits = words[: shutil.get_terminal_size().columns - 1]
                click.echo(f"\r\033[K{fits}", nl=False, err=True)
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
        if twice := self.events["Duplicate"]:
            yield f"duplicates {twice:,}"
        if latency := max((one.stats.latency for one in self.connections), default=0):
            yield f"ping {latency * 1e3:.0f} ms"
        if held := self.connections[0].inbox.blocked if self.connections else 0:
            yield f"held up {held} times"

    def say(self, words: str, bad: bool = False) -> None:
        """A line of its own, with the time."""
        self.clear()
        words = show.printable(words)
        styled = click.style(words, fg="yellow") if bad else words
        click.echo(f"{time.strftime('%H:%M:%S')} {styled}", err=True, color=self._coloured)

    def clear(self) -> None:
        """Take the line with the rates away."""
        if self._live:
            click.echo("\r\033[K", nl=False, err=True)

    # --- at the end ---

    def summary(self, writer: CaptureWriter) -> dict[str, Any]:
        """What a program wants to know."""
        seconds = time.monotonic() - self.began
        written = writer.summary
        return {
            "seconds": round(seconds, 3),
            "ended": self.ended,
            "messages": self.frames,
            "message_bytes": self.bytes,
            "per_second": round(self.frames / seconds, 1) if seconds else 0,
            "dials": sum(one.stats.dials for one in self.connections),
            "opened": self.opened,
            "gaps": [round(gap, 3) for gap in self.gaps],
            "lost_at_the_end": self.lost,
            "duplicates": self.events["Duplicate"],
            "backfilled": self.backfilled,
            "broken": self.events["Broken"],
            "unknown": self.events["Unknown"],
            "refusals": dict(self.refusals),
            "denied": self.denied,
            "events": dict(self.events),
            "channels": dict(self.channels.most_common(50)),
            "held_up": self.connections[0].inbox.blocked if self.connections else 0,
            "redacted": written.redacted,
            "frames_written": written.frames,
            "file_bytes": written.file_bytes,
            "files": list(written.files),
        }


def _words(denied: dict[str, str]) -> str:
    """What is refused, by the venue's words for it."""
    by_words: dict[str, list[str]] = {}
    for what, why in denied.items():
        by_words.setdefault(why, []).append(what)
    return elide("; ".join(f"{', '.join(some)} ({why})" for why, some in by_words.items()), 300)


def lines_of(record: dict[str, Any]) -> Iterable[str]:
    """A summary for a person."""
    yield click.style("capture", bold=True)
    for name, value in _rows(record):
        styled = click.style(show.printable(name).ljust(_WIDTH), fg="cyan")
        yield f"  {styled} {show.printable(value)}"


def _rows(record: dict[str, Any]) -> Iterable[tuple[str, str]]:
    gaps = record["gaps"]
    yield "time", f"{record['seconds']:,.1f} s, {record['ended']}"
    yield "messages", f"{record['messages']:,} ({record['per_second']:,.0f} a second)"
    yield "bytes", f"{record['message_bytes']:,} in {record['file_bytes']:,} on disk"
    yield "connections", f"{record['opened']:,} opened of {record['dials']:,} dialled"
    lost = "; not connected at the end" if record["lost_at_the_end"] else ""
    yield "gaps", (f"{len(gaps):,}, {sum(gaps):.1f} s in all" if gaps else "none") + lost
    if record["backfilled"]:
        yield "backfilled", f"{record['backfilled']:,} reports by REST"
    if record["duplicates"]:
        yield "duplicates", f"{record['duplicates']:,}, kept in the capture"
    yield "broken", f"{record['broken']:,}"
    if record["unknown"]:
        yield "unknown", f"{record['unknown']:,} messages of no kind that is known"
    refused = ", ".join(f"{count}× {code}" for code, count in record["refusals"].items())
    yield "refused", refused or "never"
    if record["denied"]:
        yield "will not come", _words(record["denied"])
    if record["redacted"]:
        yield "redacted", f"credentials in {record['redacted']:,} of the messages"
    if record["held_up"]:
        yield "held up", f"{record['held_up']:,} times by the disk or this machine"
    for name, count in list(record["channels"].items())[:8]:
        yield f"  {elide(name, 20)}", f"{count:,}"
    more = len(record["channels"]) - 8
    if more > 0:
        yield "  and so on", f"{more:,} more, with --json"
    for name in record["files"][:20]:
        yield "file", name
    if len(record["files"]) > 20:
        yield "and so on", f"{len(record['files']) - 20:,} more files"
