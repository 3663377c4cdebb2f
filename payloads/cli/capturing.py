"""`payloads capture`: what a venue sends, kept in a file, with its rates while it runs.

A summary ends it: on standard output, as everything that a program may want. What is worth hearing
on the way (a refusal, a gap, a broken message) goes to standard error as it happens, and where a
person watches a line with the rates does too.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from payloads.cli import show
from payloads.cli.run import guarded
from payloads.errors import Misuse, Refused, elide
from payloads.venues import registry
from payloads.venues.session import (
    Authenticated,
    Broken,
    Closed,
    Data,
    Event,
    Rejected,
    Session,
    Stalled,
    Unknown,
)

if TYPE_CHECKING:
    import ssl

    from payloads.transport.capture import CaptureWriter
    from payloads.transport.client import Connection
    from payloads.transport.frames import Moment

__all__ = ["capture"]

_SHOWN_EVERY = 0.5
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZES = {"": 1, "B": 1, "k": 10**3, "kB": 10**3, "M": 10**6, "MB": 10**6, "G": 10**9, "GB": 10**9}


def _duration(value: str) -> float:
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smhd]?)", value)
    if not match:
        raise click.BadParameter(f"{value!r} is no duration: 90s, 5m, 2h or 1d")
    return float(match[1]) * _UNITS[match[2]]


def _size(value: str) -> int:
    match = re.fullmatch(r"([0-9]+)([a-zA-Z]*)", value)
    if not match or match[2] not in _SIZES:
        raise click.BadParameter(f"{value!r} is no size: 500kB, 100MB or 1GB")
    return int(match[1]) * _SIZES[match[2]]


def _venues() -> str:
    """The venues, for the help; each with what it is asked for."""
    width = max(map(len, registry.VENUES))
    lines = []
    for one in registry.VENUES.values():
        lines.append(f"  {one.name:{width}}  {one.title}. WHAT: {one.what}.")
        if one.credentials:
            lines.append(f"  {'':{width}}  Credentials: {', '.join(one.credentials)}.")
        if one.options:
            lines.append(f"  {'':{width}}  --set: {', '.join(one.options)}.")
    return "\b\n" + "\n".join(lines)


@click.command(epilog="Venues:\n\n" + _venues())
@click.argument("venue", type=click.Choice(list(registry.VENUES)))
@click.argument("what", nargs=-1)
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    help="A new file; .gz or .zst at its end compresses it.",
)
@click.option("--endpoint", default="", metavar="NAME|URL", help="mainnet (default), or another.")
@click.option(
    "--set", "options", multiple=True, metavar="NAME=VALUE", help="An option of the venue."
)
@click.option("--credentials", metavar="FILE", help="A TOML file with mode 0600: [venue] name = …")
@click.option("--ca", metavar="FILE", help="Trust this certificate authority (PEM), too.")
@click.option("--for", "seconds", type=_duration, metavar="TIME", help="Stop after so long: 5m.")
@click.option("--frames", type=click.IntRange(1), help="Stop after so many messages.")
@click.option(
    "--flush",
    type=_duration,
    default="1s",
    metavar="TIME",
    help="What may be lost if this is killed (1s).",
)
@click.option("--sync", is_flag=True, help="At each flush wait for the disk, too.")
@click.option("--rotate-size", type=_size, metavar="SIZE", help="Begin a new file at this size.")
@click.option("--rotate-every", type=_duration, metavar="TIME", help="Begin a new file so often.")
@click.option("--attempts", type=click.IntRange(1), help="Give up after so many failures in a row.")
@click.option("--json", "as_json", is_flag=True, help="The summary as one JSON object.")
@click.option("--color", "colour", type=click.Choice(["auto", "always", "never"]), default="auto")
@guarded
def capture(
    venue: str,
    what: tuple[str, ...],
    output: str,
    endpoint: str,
    options: tuple[str, ...],
    credentials: str | None,
    ca: str | None,
    seconds: float | None,
    frames: int | None,
    flush: float,
    sync: bool,
    rotate_size: int | None,
    rotate_every: float | None,
    attempts: int | None,
    as_json: bool,
    colour: str,
) -> None:
    """Keep what a venue sends, with nanosecond times and every byte, until Ctrl-C.

    Credentials come from the environment (PAYLOADS_STORK_TOKEN and so on) or from a file that only
    you can read, never from the command line. They do not reach the capture.

    \b
    Examples:
      payloads capture stork BTCUSD ETHUSD -o stork.jsonl.zst
      payloads capture chainlink 0x0003… --endpoint testnet --for 5m -o reports.jsonl
      payloads capture qfex level2:AAPL-USD --rotate-every 1h -o qfex.jsonl.gz
    """
    from payloads.transport.capture import CaptureWriter

    tls = _trusting(ca)
    sessions, asked = _sessions(venue, what, endpoint, options, credentials, tls)
    held = [secret for session in sessions for secret in _secrets(session)]
    watch = _Watch(show.colours(colour, sys.stderr), frames)
    with CaptureWriter(
        output, venue=venue, asked=asked, secrets=held, flush_every=flush, sync=sync,
        max_bytes=rotate_size, max_seconds=rotate_every,
    ) as writer:  # fmt: skip
        asyncio.run(_run(sessions, writer, watch, seconds, attempts, tls))
    _summary(watch, writer, as_json, colour)
    if watch.refused is not None:
        raise SystemExit(1)


def _sessions(
    venue: str,
    what: tuple[str, ...],
    endpoint: str,
    options: Iterable[str],
    credentials: str | None,
    tls: ssl.SSLContext | None,
) -> tuple[Sequence[Session], dict[str, Any]]:
    """The sessions, and what was asked for, as the capture's header keeps it."""
    from payloads.transport import http, secrets

    chosen: dict[str, str] = {}
    for option in options:
        name, mark, value = option.partition("=")
        if not mark:
            raise Misuse("not an option", field="--set", expected="NAME=VALUE", found=option)
        chosen[name.replace("-", "_")] = value
    names = registry.venue(venue).credentials
    found = secrets.find(venue, names, file=credentials)
    asked = registry.Asked(what, endpoint, chosen, found)
    ask = partial(http.perform_now, tls=tls)
    sessions = registry.make(venue, asked, ask, time.time_ns())
    return sessions, {"what": list(what), "endpoint": endpoint or "mainnet", "options": chosen}


def _trusting(ca: str | None) -> ssl.SSLContext | None:
    """What this machine trusts, and this authority. None for what the transport does by itself."""
    if ca is None:
        return None
    import ssl

    context = ssl.create_default_context()
    try:
        context.load_verify_locations(ca)
    except OSError as error:  # ssl.SSLError is one
        found = error.strerror or type(error).__name__
        raise Misuse("cannot be used", field="--ca", expected="a PEM file", found=found) from None
    return context


def _secrets(session: Session) -> Iterable[Any]:
    from payloads.transport.redact import secrets_in

    return secrets_in(session)


# --- while it runs --------------------------------------------------------------------------------


async def _run(
    sessions: Sequence[Session],
    writer: CaptureWriter,
    watch: _Watch,
    seconds: float | None,
    attempts: int | None,
    tls: ssl.SSLContext | None,
) -> None:
    from payloads.transport.client import Backoff, Connection, merged
    from payloads.transport.inbox import Inbox

    inbox = Inbox()
    backoff = Backoff(attempts=attempts)
    watch.connections = [
        Connection(session, recorder=writer, inbox=inbox, backoff=backoff, tls=tls)
        for session in sessions
    ]
    async with merged(*watch.connections) as moments:
        reading = asyncio.ensure_future(watch.read(moments))
        stopping = asyncio.ensure_future(_stopped(seconds))
        showing = asyncio.ensure_future(watch.show())
        try:
            both = [reading, stopping]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reading, stopping, showing):
                task.cancel()
            ended = await asyncio.gather(reading, stopping, showing, return_exceptions=True)
            watch.clear()
    error = ended[0]
    if isinstance(error, Refused):
        watch.refused = error
        watch.say(str(error), bad=True)
    elif isinstance(error, Exception):
        raise error


async def _stopped(seconds: float | None) -> None:
    """Until the time is over, or somebody says stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, RuntimeError):  # Windows, or no main thread
            loop.add_signal_handler(number, stop.set)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


class _Watch:
    """What has come so far, for the line that is shown and for the summary."""

    def __init__(self, coloured: bool, frames: int | None) -> None:
        self.connections: list[Connection] = []
        self.began = time.monotonic()
        self.events: Counter[str] = Counter()
        self.channels: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.frames = self.bytes = self.broken = 0
        self.refused: Refused | None = None
        # When the connection was lost, by its session; and the silences that followed, in seconds.
        self.gaps: list[float] = []
        self._lost_at: int | None = None
        self._limit, self._coloured = frames, coloured
        self._live = sys.stderr.isatty()
        self._last = (self.began, 0, 0)

    async def read(self, moments: Any) -> None:
        async for moment in moments:
            self._count(moment)
            if self._limit is not None and self.frames >= self._limit:
                return

    def _count(self, moment: Moment) -> None:
        if moment.frame is not None:
            self.frames += 1
            self.bytes += len(moment.frame.raw)
            if self._lost_at is not None:
                self.gaps.append((moment.at - self._lost_at) / 1e9)
                self.say(f"back after {self.gaps[-1]:.1f} s")
                self._lost_at = None
        for event in moment.events:
            self.events[type(event).__name__] += 1
            if isinstance(event, Data):
                self.channels[event.channel] += 1
            else:
                self._tell(event, moment)

    def _tell(self, event: Event, moment: Moment) -> None:
        from payloads.transport.frames import Retrying, Unreachable

        if isinstance(event, Broken):
            self.broken += 1
            self.say(f"broken message: {event.error}", bad=True)
        elif isinstance(event, Rejected):
            self.refusals[event.code] += 1
            words = ": ".join(part for part in (event.message, event.meaning) if part)
            self.say(f"refused, {event.code}: {elide(words, 300)}", bad=True)
        elif isinstance(event, Closed):
            if self._lost_at is None:
                self._lost_at = moment.at
            self.say(f"connection lost, {event.retry.why}", bad=True)
        elif isinstance(event, Unreachable):
            self.say(event.why, bad=True)
        elif isinstance(event, Retrying):
            self.say(f"dialling again in {event.wait / 1e9:.1f} s")
        elif isinstance(event, Stalled):
            self.say(f"silent for {event.silent_for / 1e9:.1f} s", bad=True)
        elif isinstance(event, Authenticated):
            self.say("authenticated")
        elif isinstance(event, Unknown):
            self.events["Unknown"] += 0  # counted above; too many to tell each

    async def show(self) -> None:
        """A line with the rates, where a person watches."""
        while self._live:
            await asyncio.sleep(_SHOWN_EVERY)
            now = time.monotonic()
            then, frames, size = self._last
            self._last = now, self.frames, self.bytes
            rate = (self.frames - frames) / (now - then)
            volume = (self.bytes - size) / (now - then)
            words = [
                f"{now - self.began:6.0f} s", f"{self.frames:,} messages", f"{rate:,.0f}/s",
                f"{volume / 1e3:,.1f} kB/s", f"{len(self.gaps)} gaps", f"{self.broken} broken",
            ]  # fmt: skip
            latency = max((one.stats.latency for one in self.connections), default=0)
            words += [f"ping {latency * 1e3:.0f} ms"] if latency else []
            held = self.connections[0].inbox.blocked if self.connections else 0
            words += [f"held up {held} times"] if held else []
            click.echo("\r\033[K" + "  ".join(words), nl=False, err=True)

    def say(self, words: str, bad: bool = False) -> None:
        self.clear()
        when = time.strftime("%H:%M:%S")
        styled = click.style(words, fg="yellow") if bad else words
        click.echo(f"{when} {styled}", err=True, color=self._coloured)

    def clear(self) -> None:
        if self._live:
            click.echo("\r\033[K", nl=False, err=True)


# --- at the end -----------------------------------------------------------------------------------


def _summary(watch: _Watch, writer: CaptureWriter, as_json: bool, colour: str) -> None:
    seconds = time.monotonic() - watch.began
    written = writer.summary
    inbox = watch.connections[0].inbox
    record: dict[str, Any] = {
        "seconds": round(seconds, 3),
        "messages": watch.frames,
        "message_bytes": watch.bytes,
        "per_second": round(watch.frames / seconds, 1) if seconds else 0,
        "dials": sum(one.stats.dials for one in watch.connections),
        "opened": sum(one.stats.opened for one in watch.connections),
        "gaps": [round(gap, 3) for gap in watch.gaps],
        "broken": watch.broken,
        "refusals": dict(watch.refusals),
        "events": dict(watch.events),
        "channels": dict(watch.channels.most_common(50)),
        "held_up": inbox.blocked,
        "redacted": written.redacted,
        "frames_written": written.frames,
        "file_bytes": written.file_bytes,
        "files": list(written.files),
    }
    if as_json:
        click.echo(json.dumps(record))
        return
    for line in _lines(record):
        click.echo(line, color=show.colours(colour, sys.stdout))


def _lines(record: dict[str, Any]) -> Iterable[str]:
    yield click.style("capture", bold=True)
    gaps = record["gaps"]
    rows = [
        ("time", f"{record['seconds']:,.1f} s"),
        ("messages", f"{record['messages']:,} ({record['per_second']:,.0f} a second)"),
        ("bytes", f"{record['message_bytes']:,} in {record['file_bytes']:,} on disk"),
        ("connections", f"{record['opened']:,} opened of {record['dials']:,} dialled"),
        ("gaps", f"{len(gaps):,}, {sum(gaps):.1f} s in all" if gaps else "none"),
        ("broken", f"{record['broken']:,}"),
        ("refused", ", ".join(f"{n}× {code}" for code, n in record["refusals"].items()) or "never"),
    ]
    if record["redacted"]:
        rows.append(("redacted", f"{record['redacted']:,} messages had a credential in them"))
    if record["held_up"]:
        rows.append(("held up", f"{record['held_up']:,} times by the disk or this machine"))
    busiest = list(record["channels"].items())[:8]
    rows += [(f"  {elide(name, 20)}", f"{count:,}") for name, count in busiest]
    rows += [("file", name) for name in record["files"][:20]]
    for name, value in rows:
        yield f"  {click.style(name.ljust(24), fg='cyan')} {value}"
