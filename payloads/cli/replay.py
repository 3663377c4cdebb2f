"""`payloads replay`: play the frames of a capture, or of another kind of file, again.

They go to standard output as the lines of a capture, or to the clients of a local websocket.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from payloads.cli import show, terminal
from payloads.cli.late_choice import LateChoice
from payloads.cli.run import guarded
from payloads.cli.sources import Awaited, opened
from payloads.errors import Malformed, Misuse, PayloadError

if TYPE_CHECKING:
    from payloads.capture.format import CaptureRecord
    from payloads.capture.parts import Continuity
    from payloads.capture.sharing import Credentials


def _kinds() -> tuple[str, ...]:
    from payloads.capture.importers.any_file import KINDS

    return KINDS


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
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port; 0: a free one.")
@click.option(
    "--kind",
    type=LateChoice(_kinds),
    metavar="KIND",
    help="capture, har, mitmproxy, wscat, lines or hex (default: by content).",
)
@click.option("--venue", default="", help="The venue of frames whose file names none.")
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
    kind: str | None,
    venue: str,
    connection: int | None,
    direction: str | None,
    redact: bool,
) -> None:
    """Play captures again: as JSON lines, or as a websocket for any client.

    Reads captures (also cut off or compressed), HAR files of Chrome and Firefox, mitmproxy flow
    files, logs of wscat and websocat, and hex, a payload a line. Lines that cannot be read are
    reported with their number, and the rest is played. A rotated capture is played as a whole when
    its first file is named; its parts are put in order, and missing parts are reported.

    --redact reads everything twice. It finds credentials in handshakes, URLs, requests and sent
    messages, and takes them out wherever they stand. Look at the result before you share it: a
    credential in a place of its own kind is found by no rule.

    \b
    Examples:
      payloads replay stork.jsonl.zst | payloads decode --json
      payloads replay session.har > session.jsonl
      payloads replay --speed 1 reports.jsonl
      payloads replay --serve --port 9000 --speed 10 reports.jsonl
      payloads replay --redact session.har > to-share.jsonl
    """
    if (serving or redact) and (pipe := next(filter(_is_pipe, files), None)) is not None:
        why = "--serve" if serving else "--redact"
        raise Misuse("can be read only once", field=pipe, expected=f"a file, for {why}")
    player = _Player(files, kind, venue, connection, direction)
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


def _is_pipe(name: str) -> bool:
    """Whether it can be read only once."""
    return name == "-" or Path(name).is_fifo()


class _Player:
    """The records of the files that are wanted. Broken records are reported when they come."""

    def __init__(
        self,
        files: tuple[str, ...],
        kind: str | None,
        venue: str,
        connection: int | None,
        direction: str | None,
    ) -> None:
        self.files, self.kind, self.venue = files, kind, venue
        self.connection, self.direction = connection, direction
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
    def names(self) -> list[str]:
        """The files as the capture names them. Paths may say whose machine it is."""
        return [Path(name).name for name in self.files] if self.credentials else list(self.files)

    def records(self) -> Iterator[CaptureRecord]:
        """The records that are wanted, without credentials if those were learned."""
        if self.credentials is None:
            return self._records_of_all()
        return map(self.credentials.cleaned, self._records_of_all())

    def _records_of_all(self) -> Iterator[CaptureRecord]:
        from payloads.capture.parts import Continuity, grouped

        # Only captures have parts.
        groups = grouped(self.files) if self.kind in (None, "capture") else [self.files]
        for names in groups:
            parts = Continuity()
            for name in names:
                yield from self._of(name, parts)
            if (missing := parts.over()) is not None:
                self._report(names[-1], missing)

    def _of(self, name: str, parts: Continuity) -> Iterator[CaptureRecord]:
        """The records of one file."""
        from payloads.capture.format import BrokenLine
        from payloads.capture.frames import Frame, Incident

        try:
            for where, record in self._records(name):
                if (missing := parts.saw(record)) is not None:
                    self._report(f"{name}: {where}", missing)
                if isinstance(record, BrokenLine):
                    self._report(f"{name}: {where}", record.error)
                elif not isinstance(record, Frame | Incident) or self._wanted(record):
                    yield record
        except Malformed as error:
            self._report(name, error)

    def _records(self, name: str) -> Iterator[tuple[str, CaptureRecord]]:
        from payloads.capture.importers.any_file import import_records

        with contextlib.nullcontext(sys.stdin.buffer) if name == "-" else opened(name) as stream:
            awaited: Any = Awaited(stream, name)
            yield from import_records(awaited, kind=self.kind, venue=self.venue)

    def _wanted(self, record: Any) -> bool:
        if self.connection is not None and record.connection != self.connection:
            return False
        received = getattr(record, "what", "") == "reply"
        direction = "in" if received else getattr(record, "direction", None)
        return self.direction in (None, direction)

    def nothing(self) -> None:
        """Report that the files hold nothing that is wanted."""
        error = Malformed("nothing to play", field="frames", expected="a message", found="none")
        self._report(", ".join(self.files), error)

    def _report(self, where: str, error: PayloadError) -> None:
        if not self.quiet:
            self.broken += 1
            terminal.line(show.error_line(where, str(error)), err=True)


def _write(player: _Player, speed: float) -> None:
    from payloads.capture.format import BrokenLine, Header, header_line, line_of
    from payloads.capture.replay import paced

    begun = False
    for record in paced(player.records(), speed):
        if isinstance(record, BrokenLine):  # reported already
            continue
        if not begun and not isinstance(record, Header):
            terminal.captured(header_line(player.venue, {"replayed": player.names}))
        begun = True
        terminal.captured(line_of(record))
        if speed:
            terminal.flush()
    if not begun and not player.broken:
        player.nothing()
    terminal.flush()


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
