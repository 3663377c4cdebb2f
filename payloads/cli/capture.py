"""`payloads capture`: write what a venue sends to a file.

`Progress` shows the rates on standard error. At the end a summary goes to standard output, or to
standard error where the capture itself goes to standard output.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import re
import select
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click
from msgspec import structs

from payloads import venues
from payloads.cli import show, terminal
from payloads.cli.capture_progress import AllRefused, Progress
from payloads.cli.capture_summary import summary_lines
from payloads.cli.late_choice import LateChoice, LateHelpCommand
from payloads.cli.run import guarded
from payloads.cli.stop_signals import stoppable
from payloads.errors import Misuse, Refused
from payloads.venues.common.session import Session
from payloads.venues.common.session_group import SessionGroup

if TYPE_CHECKING:
    import ssl

    from payloads.capture.writer import CaptureWriter
    from payloads.live.connection import Connection
    from payloads.live.group import GroupConnection

_LOOKED_EVERY = 0.5
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZES = {"": 1, "B": 1, "k": 10**3, "kB": 10**3, "M": 10**6, "MB": 10**6, "G": 10**9, "GB": 10**9}


def _duration(value: str) -> float:
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smhd]?)", value)
    if not match:
        raise click.BadParameter(f"{value!r} is not a duration: 90s, 5m, 2h or 1d")
    return float(match[1]) * _UNITS[match[2]]


def _time(value: str) -> float:
    if not (seconds := _duration(value)):
        raise click.BadParameter("must be longer than 0")
    return seconds


def _size(value: str) -> int:
    match = re.fullmatch(r"([0-9]+)([a-zA-Z]*)", value)
    if not match or match[2] not in _SIZES or not int(match[1]):
        raise click.BadParameter(f"{value!r} is not a size: 500kB, 100MB or 1GB")
    return int(match[1]) * _SIZES[match[2]]


def _venues() -> str:
    """The venues for the help, with subscriptions, endpoints, credentials and options."""
    return "Venues:\n\n" + "\n\n".join(
        "\b\n" + "\n".join(_about(venue)) for venue in venues.VENUES.values()
    )


def _about(venue: venues.Venue) -> Iterator[str]:
    yield f"  {venue.name}: {venue.title}"
    yield f"    WHAT        {venue.subscription}"
    yield f"    --endpoint  {', '.join(venue.endpoints)}, or a URL"
    if venue.credentials:
        names = ", ".join(venues.variable(venue.name, name) for name in venue.credentials)
        yield f"    credentials {names}"
    for name, words in venue.options.items():
        yield f"    --set       {name}={words}"


@click.command(
    cls=LateHelpCommand, describe=_venues, short_help="Write what a venue sends to a file."
)
@click.argument("venue", type=LateChoice(lambda: venues.VENUES), metavar="VENUE")
@click.argument("what", nargs=-1)
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    help="A new file; .gz or .zst at its end compresses it. - is standard output, to a pipe.",
)
@click.option(
    "--endpoint", default="", metavar="NAME|URL", help="mainnet (default), or another endpoint."
)
@click.option(
    "--set", "options", multiple=True, metavar="NAME=VALUE", help="An option of the venue."
)
@click.option("--credentials", metavar="FILE", help="A TOML file with mode 0600: [venue] name = …")
@click.option("--ca", metavar="FILE", help="Trust this authority, or certificate (PEM), too.")
@click.option("--for", "seconds", type=_duration, metavar="TIME", help="Stop after this time: 5m.")
@click.option("--frames", type=click.IntRange(1), help="Stop after this number of messages.")
@click.option(
    "--flush",
    type=_duration,
    metavar="TIME",
    help="A crash loses at most this much (1s; 0.1s where the capture goes to a pipe).",
)
@click.option("--sync", is_flag=True, help="At each flush wait for the disk, too.")
@click.option("--rotate-size", type=_size, metavar="SIZE", help="Begin a new file at this size.")
@click.option(
    "--rotate-every", type=_time, metavar="TIME", help="Begin a new file after this time."
)
@click.option(
    "--attempts", type=click.IntRange(1), help="Give up after this many failures in a row."
)
@click.option(
    "--ping-interval",
    type=_time,
    default="20s",
    metavar="TIME",
    help="Ping the server this often (20s).",
)
@click.option(
    "--ping-timeout",
    type=_time,
    default="20s",
    metavar="TIME",
    help="Dial again when nothing comes within this time after a ping (20s).",
)
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
    flush: float | None,
    sync: bool,
    rotate_size: int | None,
    rotate_every: float | None,
    attempts: int | None,
    ping_interval: float,
    ping_timeout: float,
    as_json: bool,
    colour: str,
) -> None:
    """Write every message of a venue to a file, with its time in nanoseconds, until Ctrl-C.

    Credentials come from the environment or from a TOML file that only you can read (there
    PAYLOADS_STORK_TOKEN is [stork] token = "…"), never from the command line. They do not reach
    the capture.

    A lost connection is dialled again, for as long as it takes; a venue that refuses the connection
    is not. A server counts as lost when nothing is heard of it for --ping-interval and
    --ping-timeout together. A refused subscription is reported, and the capture goes on as long as
    another is left.
    What never came is named at the end.

    The exit code is 0 after a capture, 1 where the venue refused anything, where anything that was
    asked for never came, or where no connection was opened, and 2 for wrong usage.

    \b
    Examples:
      payloads capture stork BTCUSD ETHUSD -o stork.jsonl.zst
      payloads capture chainlink 0x0003… --endpoint testnet --for 5m -o reports.jsonl
      payloads capture qfex level2:AAPL-USD --rotate-every 1h -o qfex.jsonl.gz
      payloads capture stork BTCUSD -o - | payloads verify --state state.json
    """
    from payloads.capture.redaction import secrets_in
    from payloads.capture.writer import CaptureWriter
    from payloads.live import websocket  # noqa: F401 (says at once if it is not installed)

    target: str | int = _standard_output() if output == "-" else output
    if flush is None:
        flush = 0.1 if output == "-" else 1.0
    tls = _trusting(ca)
    progress = Progress(terminal.colours(colour, sys.stderr), frames)
    asked = _asked(venue, what, endpoint, options, credentials)
    session = venues.make(venue, asked)
    writer = CaptureWriter(
        target, venue=venue, asked=_header(asked), secrets=secrets_in(session),
        flush_every=flush, sync=sync, max_bytes=rotate_size, max_seconds=rotate_every,
    )  # fmt: skip
    failed = None
    try:
        with writer:
            asyncio.run(
                _run(
                    session, writer, progress, seconds, attempts,
                    target if isinstance(target, int) else None,
                    tls=tls, ping_interval=ping_interval, ping_timeout=ping_timeout,
                )
            )  # fmt: skip
    except OSError as error:  # a full disk
        failed = progress.ended = error.strerror or str(error)
        where = str(error.filename or output)
        if error.errno == errno.EPIPE:
            failed = progress.ended = _READER_GONE
        else:
            terminal.line(show.error_line(where, f"cannot be written any more: {failed}"), err=True)
    _summary(progress, writer, as_json, colour, err=output == "-")
    if progress.ended_by is not None or progress.refused or not progress.opened or failed:
        raise SystemExit(1)


_READER_GONE = "nothing reads the capture any more"


def _standard_output() -> int:
    """The descriptor of standard output, unless a person sees it: messages may drive a terminal."""
    if sys.stdout.isatty():
        expected = "a pipe or a file behind it: payloads capture … -o - | payloads decode"
        raise Misuse("a capture is not written to a terminal", field="-o", expected=expected)
    try:
        return sys.stdout.fileno()
    except (OSError, ValueError):  # this process has another stream in its place
        raise Misuse("not a file or a pipe", field="-o", found="standard output") from None


def _asked(
    venue: str,
    what: tuple[str, ...],
    endpoint: str,
    options: Iterable[str],
    credentials: str | None,
) -> venues.SessionConfig:
    """The arguments of the command, with the credentials that are found for it."""
    from payloads.live.credentials import find

    chosen: dict[str, str] = {}
    for option in options:
        name, mark, value = option.partition("=")
        if not mark:
            raise Misuse("not an option", field="--set", expected="NAME=VALUE", found=option)
        chosen[name.replace("-", "_")] = value
    if not what and venues.venue(venue).needs_subscriptions:
        asked_for = venues.venue(venue).subscription
        raise Misuse("nothing to capture", field=f"{venue} WHAT", expected=asked_for)
    names = venues.venue(venue).credentials
    found = find(venue, names, file=credentials)
    return venues.SessionConfig(what, endpoint, chosen, found)


def _header(asked: venues.SessionConfig) -> dict[str, Any]:
    """The arguments as the capture's header keeps them."""
    endpoint = asked.endpoint or "mainnet"
    return {"what": list(asked.subscriptions), "endpoint": endpoint, "options": dict(asked.options)}


def _trusting(ca: str | None) -> ssl.SSLContext | None:
    """The authorities of this machine and `ca`; None for the default."""
    if ca is None:
        return None
    import ssl

    context = ssl.create_default_context()
    # Trust a server's own certificate, too, which is the default from Python 3.13 on.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(ca)
    except OSError as error:  # ssl.SSLError is one
        found = error.strerror or type(error).__name__
        raise Misuse("cannot be used", field="--ca", expected="a PEM file", found=found) from None
    return context


# --- while it runs --------------------------------------------------------------------------------


async def _run(
    session: Session | SessionGroup,
    writer: CaptureWriter,
    progress: Progress,
    seconds: float | None,
    attempts: int | None,
    pipe: int | None,
    **options: Any,
) -> None:
    from payloads.capture.frames import Incident
    from payloads.live import connect
    from payloads.live.connection import Backoff

    connection = connect(session, recorder=writer, backoff=Backoff(attempts=attempts), **options)
    progress.connection = connection
    async with stoppable() as stop, connection:
        error = await _until_first_end(connection, progress, stop, seconds, pipe)
    if isinstance(error, Refused):
        progress.ended_by, progress.ended = error, f"given up: {error.reason}"
        if isinstance(error, AllRefused):
            why = {"why": error.reason}
            writer.incident(Incident(session.venue, 0, time.time_ns(), "gave up", why))
    elif isinstance(error, Exception):
        raise error
    if progress.never_came:
        missing = {label: structs.asdict(each) for label, each in progress.never_came.items()}
        writer.incident(Incident(session.venue, 0, time.time_ns(), "never came", missing))


async def _until_first_end(
    connection: Connection | GroupConnection,
    progress: Progress,
    stop: asyncio.Event,
    seconds: float | None,
    pipe: int | None,
) -> BaseException | None:
    """Read until the limit, the end of --for, or Ctrl-C. Returns an error that ended it before."""
    reading = asyncio.ensure_future(progress.read(connection.inbox))
    stopping = asyncio.ensure_future(_stopped(stop))
    timing = asyncio.ensure_future(_time_over(connection, progress, seconds))
    leaving = asyncio.ensure_future(_reader_gone(pipe))
    showing = asyncio.ensure_future(progress.show())
    tasks: list[asyncio.Future[Any]] = [reading, stopping, timing, leaving, showing]
    try:
        await asyncio.wait(tasks[:4], return_when=asyncio.FIRST_COMPLETED)
        progress.ended = "as many as were asked for"
        for end in (stopping, timing, leaving):
            if end.done():
                progress.ended = end.result()
    finally:
        progress.end(time.time_ns(), cut_short=stopping.done())
        for task in tasks:
            task.cancel()
        error, *_ = await asyncio.gather(*tasks, return_exceptions=True)
        progress.clear()
        progress.sum_up()
    return error if isinstance(error, BaseException) else None


async def _stopped(stop: asyncio.Event) -> str:
    await stop.wait()
    return "stopped"


async def _reader_gone(pipe: int | None) -> str:
    """Wait until nothing reads the pipe any more, which a write would notice only at its time."""
    if pipe is None or not hasattr(select, "poll"):
        await asyncio.Event().wait()
        return ""
    poll = select.poll()
    poll.register(pipe, 0)  # errors and a closed end, which come unasked
    while not poll.poll(0):
        await asyncio.sleep(_LOOKED_EVERY)
    return _READER_GONE


async def _time_over(
    connection: Connection | GroupConnection, progress: Progress, seconds: float | None
) -> str:
    """Wait for the end of --for. The time before there is a session, when the venue is asked where
    to connect, does not count, also not for the rates."""
    await connection.ready()
    progress.begin()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.Event().wait()
    return "as long as was asked for"


# --- at the end -----------------------------------------------------------------------------------


def _summary(
    progress: Progress, writer: CaptureWriter, as_json: bool, colour: str, err: bool
) -> None:
    record = progress.summary(writer)
    if as_json:
        terminal.json_line(record, err=err)
        return
    coloured = terminal.colours(colour, sys.stderr if err else sys.stdout)
    for line in summary_lines(record):
        terminal.line(line, colour=coloured, err=err)
