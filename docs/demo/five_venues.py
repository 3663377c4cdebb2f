"""The second half of `make demo`: all five venues, over real sockets, into captures and out again.

Simulators stand in for the venues, on loopback. Everything else is what a user runs: the sessions,
the connections, the capture files, the decoders, and the verdicts on a state read from a file. The
simulators of Chainlink and Stork send some bad payloads, so that there is something to refuse.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from payloads import PayloadError, State, chainlink, decode, simulators, stork
from payloads.capture.frames import Frame
from payloads.capture.reader import read_frames
from payloads.capture.writer import CaptureWriter
from payloads.cli import terminal
from payloads.live import connect
from payloads.simulators import ChainlinkSimulator, Simulator, StorkSimulator
from payloads.stork.state import StorkState
from payloads.venues.common.session import SECOND, Broken, Data, Session, Unknown
from payloads.verdicts.verdict import Verdict

SECONDS = 6.0
_BAD = {"bad_share": 0.08}
_OPTIONS: dict[str, dict[str, Any]] = {"chainlink": _BAD, "stork": _BAD}


@dataclass
class Tally:
    """The messages of one venue, and the verdicts on them."""

    venue: str
    frames: int = 0
    bytes: int = 0
    decoded: int = 0
    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def row(self) -> tuple[str, ...]:
        verified = self.accepted or self.refused
        why = ", ".join(f"{count} {reason}" for reason, count in self.refused.most_common())
        accepted, refused = str(self.accepted), str(self.refused.total())
        numbers = (f"{self.frames:,}", f"{self.bytes:,}", f"{self.decoded:,}")
        return (self.venue, *numbers, *((accepted, refused, why) if verified else ("-", "-", "")))


def main(seconds: float = SECONDS) -> None:
    """Capture from all venues, then decode and verify what arrived."""
    with tempfile.TemporaryDirectory(prefix="payloads-demo-") as folder:
        for line in _story(Path(folder), seconds):
            for part in line.split("\n"):
                terminal.line(part)


def _story(folder: Path, seconds: float) -> Iterator[str]:
    yield terminal.style(
        "\n=== 6. Five venues: captured live, decoded, verified\n", bold=True, fg="green"
    )
    names = ", ".join(simulators.names())
    yield f"Simulators of {names} start on loopback. Capturing for {seconds:.0f} seconds …"
    sessions = asyncio.run(_capture_all(folder, seconds))
    yield "Captured. Decoding and verifying from the files, each frame at the time it came in …\n"
    tallies = [_examined(folder, venue, make()) for venue, make in sessions.items()]
    yield from _table(tallies)
    if silent := [tally.venue for tally in tallies if not tally.decoded]:
        raise SystemExit(f"error: nothing came from {', '.join(silent)}")
    yield "\nThe same by hand: payloads simulate, payloads capture, payloads replay."


# --- capturing ------------------------------------------------------------------------------------


async def _capture_all(folder: Path, seconds: float) -> dict[str, Callable[[], Session]]:
    """Capture from every venue at once. Returns what makes the sessions that read the captures."""
    async with contextlib.AsyncExitStack() as stack:
        venues = [
            await stack.enter_async_context(_started(name, folder)) for name in simulators.names()
        ]
        counts: Counter[str] = Counter()
        work = (_capture(venue, folder, seconds, counts) for venue in venues)
        watch = asyncio.create_task(_progress(counts))
        try:
            await asyncio.gather(*work)
        finally:
            watch.cancel()
        return {venue.venue: venue.session for venue in venues}


@contextlib.asynccontextmanager
async def _started(name: str, folder: Path) -> AsyncIterator[Simulator]:
    async with simulators.make(name, **_OPTIONS.get(name, {})) as venue:
        yield venue
        # The state is a file, as it would be after `payloads state fetch`.
        known: State | None = None
        if isinstance(venue, ChainlinkSimulator):
            known = venue.state(fees=True)
        elif isinstance(venue, StorkSimulator):
            known = venue.state()
        if known is not None:
            (folder / f"{name}.state.json").write_text(json.dumps(known.to_dict()))


async def _capture(venue: Simulator, folder: Path, seconds: float, counts: Counter[str]) -> None:
    path = folder / f"{venue.venue}.jsonl.gz"
    with CaptureWriter(path, venue=venue.venue, asked={"seconds": int(seconds)}) as recorder:
        async with connect(venue.session(), recorder=recorder) as connection:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    async for delivery in connection:
                        counts[venue.venue] += delivery.frame is not None


async def _progress(counts: Counter[str]) -> None:
    """A line of counts that is overwritten, on a terminal."""
    while sys.stderr.isatty():
        await asyncio.sleep(0.25)
        text = "  ".join(f"{venue} {counts[venue]}" for venue in sorted(counts))
        terminal.status(f"{text} frames")


# --- examining ------------------------------------------------------------------------------------


def _examined(folder: Path, venue: str, session: Session) -> Tally:
    """Every message of a capture, read by the code that reads live messages."""
    tally = Tally(venue)
    state = folder / f"{venue}.state.json"
    judge = _judge(State.load(str(state))) if state.exists() else None
    for frame in read_frames(folder / f"{venue}.jsonl.gz"):
        if frame.direction == "in" and frame.is_message:
            tally.frames += 1
            tally.bytes += len(frame.raw)
            if judge:
                _verify(tally, frame, judge)
            else:
                _read(tally, frame, session)
    return tally


def _verify(tally: Tally, frame: Frame, judge: Callable[[bytes, int], Verdict]) -> None:
    """A frame with signed payloads. A broken one is counted as refused, and the rest goes on."""
    try:
        for leaf in decode(frame.data).leaves():
            if leaf.error is not None:
                raise leaf.error
            tally.decoded += 1
            verdict = judge(leaf.raw, frame.at // SECOND)
            if verdict.accepted and verdict.returned is not False:
                tally.accepted += 1
            else:
                tally.refused[_reason(verdict)] += 1
    except PayloadError as error:
        tally.refused[f"malformed ({error.field})"] += 1


def _reason(verdict: Verdict) -> str:
    return "answered false" if verdict.accepted else str(verdict.error)


def _judge(state: Any) -> Callable[[bytes, int], Verdict]:
    if isinstance(state, StorkState):
        return lambda raw, now: stork.judge(raw, state, pay="native")
    return lambda raw, now: chainlink.judge(raw, state, pay="link", now=now)


def _read(tally: Tally, frame: Frame, session: Session) -> None:
    """A frame of a venue that signs nothing: its session reads it."""
    for event in session.received(frame.data, frame.at):
        tally.decoded += isinstance(event, Data)
        if isinstance(event, Broken | Unknown):
            tally.refused[type(event).__name__.lower()] += 1


# --- showing --------------------------------------------------------------------------------------

_HEAD = ("venue", "frames", "bytes", "decoded", "accepted", "refused", "why")


def _table(tallies: list[Tally]) -> Iterator[str]:
    rows = [_HEAD, *(tally.row() for tally in tallies)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    for number, row in enumerate(rows):
        first, *middle, why = row
        cells = [
            first.ljust(widths[0]),
            *(c.rjust(w) for c, w in zip(middle, widths[1:], strict=False)),
        ]
        line = "  " + "  ".join([*cells, why]).rstrip()
        yield terminal.style(line, bold=True) if number == 0 else line
