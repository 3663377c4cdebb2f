"""`payloads replay`: play the frames of a capture, or of another kind of file, again.

They go to standard output as the lines of a capture, or to the clients of a local websocket.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import structs

from payloads.cli import show, terminal
from payloads.cli.run import given_reading, guarded, input_options
from payloads.errors import Malformed, Misuse, PayloadError

if TYPE_CHECKING:
    from payloads.capture.format import CaptureRecord, Header
    from payloads.capture.frames import Frame, Incident
    from payloads.capture.inputs import Input
    from payloads.capture.sharing import Credentials


@click.command(short_help="Play captures again.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--speed",
    type=float,
    default=None,
    metavar="X",
    help="This many times as fast; 0: without waiting (default; with --serve 1).",
)
@click.option(
    "--serve", "serving", is_flag=True, help="Serve the received messages on a websocket."
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="A loopback address to serve on."
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port; 0: a free port.")
@input_options
@click.option("--connection", type=int, help="Only the frames of this connection.")
@click.option(
    "--direction", type=click.Choice(["in", "out"]), help="Only received (in) or sent (out) frames."
)
@click.option(
    "--redact", is_flag=True,
    help="Take credentials out, for sharing: keys, tokens, cookies, passwords.",
)  # fmt: skip
@guarded
def replay(
    files: tuple[str, ...],
    speed: float | None,
    serving: bool,
    host: str,
    port: int,
    connection: int | None,
    direction: str | None,
    redact: bool,
) -> None:
    """Play captures again: as JSON lines, or as a websocket for any client.

    Reads captures (also cut off or compressed), HAR files of Chrome and Firefox, mitmproxy flow
    files, logs of wscat and websocat, JSON lines, and hex, a payload a line; also all files of a
    folder. Lines that cannot be read are reported with their number, and the rest is played. A
    rotated capture is played as a whole when its first file is named; its parts are put in order,
    and missing parts are reported. Several inputs are played as one capture, in the order of time,
    and their connections get new numbers.

    --redact reads everything twice. It finds credentials in handshakes, URLs, requests and sent
    messages, and takes them out wherever they stand. Look at the result before you share it: a
    credential in a place of its own kind is found by no rule.

    \b
    Examples:
      payloads replay stork.jsonl.zst | payloads decode --json
      payloads replay session.har > session.jsonl
      payloads replay captures/ session.har > all.jsonl
      payloads replay --speed 1 reports.jsonl
      payloads replay --serve --port 9000 --speed 10 reports.jsonl
      payloads replay --redact session.har > to-share.jsonl
    """
    from payloads.capture.inputs import open_inputs

    options = given_reading().read_options
    inputs = open_inputs(files, options, waiting=terminal.flush)
    pipes = (each.path for each in inputs if not each.is_file and not each.in_folder)
    if (serving or redact) and (pipe := next(pipes, None)) is not None:
        why = "--serve" if serving else "--redact"
        raise Misuse("can be read only once", field=pipe, expected=f"a file, for {why}")
    player = _Player(inputs, connection, direction)
    if redact:
        player.learn_credentials()
    if serving:
        for _ in player.records():  # report errors at once, and not for each client
            pass
        player.quiet = True
        asyncio.run(_serve(player, host, port, 1.0 if speed is None else speed))
    else:
        _write(player, 0.0 if speed is None else speed)
    if player.broken:
        raise SystemExit(1)


class _Player:
    """The records of the inputs that are wanted. Broken records are reported when they come."""

    def __init__(self, inputs: list[Input], connection: int | None, direction: str | None) -> None:
        self.inputs, self.connection, self.direction = inputs, connection, direction
        # Several become one capture, which has one header and no ends of its parts.
        self.is_merged = len({each.group for each in inputs}) > 1
        self.broken = 0
        self.quiet = False
        self.credentials: Credentials | None = None

    def learn_credentials(self) -> None:
        """Read everything once, and take the credentials out from then on."""
        from payloads.capture.sharing import Credentials

        found = Credentials()
        self.quiet = True  # what is broken is reported when it is played
        for record in self._records_of_all():
            found.learn(record)
        self.quiet = False
        self.credentials = found

    @property
    def venue(self) -> str:
        """The venue that all inputs are of; "" for several."""
        found = {each.venue for each in self.inputs if each.problem is None}
        return found.pop() if len(found) == 1 else ""

    @property
    def is_new(self) -> bool:
        """Whether a capture with counts and hashes of its own is made."""
        return self.is_merged or self.credentials is not None

    @property
    def names(self) -> list[str]:
        """The files as the capture names them. Paths may say whose machine it is."""
        names = [each.path for each in self.inputs]
        return [Path(name).name for name in names] if self.credentials else names

    def records(self) -> Iterator[CaptureRecord]:
        """The records that are wanted, without credentials if those were learned."""
        if self.credentials is None:
            return self._records_of_all()
        return map(self.credentials.cleaned, self._records_of_all())

    def _records_of_all(self) -> Iterator[CaptureRecord]:
        from payloads.capture.format import BrokenLine
        from payloads.capture.frames import Frame, Incident
        from payloads.capture.inputs import merged

        for source, placed in merged(self.inputs):
            record = placed.record
            if isinstance(record, BrokenLine):
                prefix = "" if source.path == "-" else f"{source.path}: "
                self._report(f"{prefix}{placed.where}", record.error)
            elif isinstance(record, Frame | Incident):
                if self._wanted(record):
                    yield record
            elif not self.is_merged:
                yield record

    def _wanted(self, record: Frame | Incident) -> bool:
        if self.is_new and getattr(record, "what", "") in ("end", "hash"):
            return False
        if self.connection is not None and record.connection != self.connection:
            return False
        received = getattr(record, "what", "") == "reply"
        direction = "in" if received else getattr(record, "direction", None)
        return self.direction in (None, direction)

    def nothing(self) -> None:
        """Report that the files hold nothing that is wanted."""
        error = Malformed("nothing to play", field="frames", expected="a message", found="none")
        self._report(", ".join(self.names), error)

    def _report(self, where: str, error: PayloadError) -> None:
        if not self.quiet:
            self.broken += 1
            terminal.line(show.error_line(where, str(error)), err=True)


def _write(player: _Player, speed: float) -> None:
    from payloads.capture.format import BrokenLine, Header, header_line, line_of
    from payloads.capture.replay import paced

    begun, new = False, _New() if player.is_new else None
    for record in paced(player.records(), speed):
        if isinstance(record, BrokenLine):  # reported already
            continue
        if not begun and not isinstance(record, Header):
            new = new or _New()
            new.write(header_line(player.venue, {"replayed": player.names}))
        begun = True
        if new is None:
            terminal.captured(line_of(record))
        else:
            new.record(record)
        if speed:
            terminal.flush()
    if new is not None and begun:
        new.end(player.venue)
    if not begun and not player.broken:
        player.nothing()
    terminal.flush()


class _New:
    """A capture that did not exist before: it has its own end, with counts and a hash."""

    def __init__(self) -> None:
        from payloads.capture.chain import Chain

        self._chain, self._frames, self._at = Chain(), 0, 0

    def write(self, line: bytes) -> None:
        self._chain.add(line + b"\n")
        terminal.captured(line)

    def record(self, record: Header | Frame | Incident) -> None:
        from payloads.capture.chain import Chain
        from payloads.capture.format import Header, line_of
        from payloads.capture.frames import Frame

        if isinstance(record, Header):
            self._chain, record = Chain(), structs.replace(record, previous="")
        else:
            self._frames += isinstance(record, Frame)
            self._at = max(self._at, record.at)
        self.write(line_of(record))

    def end(self, venue: str) -> None:
        from payloads.capture.format import line_of
        from payloads.capture.frames import Incident

        detail = {"frames": self._frames, **self._chain.state}
        self.write(line_of(Incident(venue, 0, self._at, "end", detail)))


async def _serve(player: _Player, host: str, port: int, speed: float) -> None:
    from payloads.simulators.replay import serve

    def log(words: str) -> None:
        terminal.line(words, err=True)

    try:
        async with serve(player.records, host=host, port=port, speed=speed, log=log) as url:
            terminal.line(f"serving {url}")
            terminal.flush()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
    except OSError as error:
        raise Misuse(f"cannot listen: {error.strerror}", field=f"{host}:{port}") from None
