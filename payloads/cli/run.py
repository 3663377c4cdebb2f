"""What every command shares: going through the items, errors, progress, and the exit code.

Results go to standard output; errors and progress to standard error. A broken item is reported
under its line number and the others still come out. The exit code is 0 when all is well, 1 when a
payload was malformed or refused, 2 when the command was called wrongly.
"""

from __future__ import annotations

import errno
import functools
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ParamSpec

import click

from payloads import systems
from payloads.abi.fields import with_numbers
from payloads.cli import show, terminal
from payloads.cli.batches import Act, Batch
from payloads.cli.late_choice import LateChoice
from payloads.cli.shares import Shares, cores
from payloads.cli.sources import Item, Reading, items
from payloads.errors import Misuse, PayloadError

if TYPE_CHECKING:
    from payloads.venues.common.session import Event
    from payloads.verdicts.signers import Signers

P = ParamSpec("P")
_PROGRESS_EVERY = 0.5


class Run:
    """One run of a command over its sources."""

    def __init__(self, as_json: bool, colour: str, *, messages: bool = False) -> None:
        self.as_json, self.numbers = as_json, bool(_given(_NUMBERS))
        if self.numbers and not as_json:
            raise Misuse("is about JSON", field="--numbers", expected="--json as well")
        self.out_colour = terminal.colours(colour, sys.stdout)
        self.err_colour = terminal.colours(colour, sys.stderr)
        self.reading, self.lists_others = given_reading(messages=messages), _given(_OTHERS)
        self.done = self.failed = 0
        self.others: Counter[str] = Counter()
        # Only where a person watches, and the results go elsewhere.
        self.watched = sys.stderr.isatty() and not sys.stdout.isatty()
        self.shown = time.monotonic()

    def each(self, sources: Iterable[str], act: Callable[[Item], None], jobs: int = 1) -> None:
        """Do something with every item, in so many processes; its errors are told and counted."""

        def do(some: Iterable[Item]) -> None:
            for item in some:
                self._one(item, act)

        self._shared(sources, do, jobs)

    def each_together(
        self, sources: Iterable[str], act: Act, signers: Signers, jobs: int = 1
    ) -> None:
        """The same for acts that ask for signers: those of many items are recovered in one call.

        No item waits for input: what came is answered before the next line is awaited.
        """
        batch = Batch(act, self._one, signers)
        if jobs == 1:
            with terminal.finishing(batch.work):
                self._all(sources, batch.take, batch.work)
            return

        def do(some: Iterable[Item]) -> None:
            for item in some:
                batch.take(item)
            batch.work()

        self._shared(sources, do, jobs)

    def _shared(
        self, sources: Iterable[str], do: Callable[[Iterable[Item]], None], jobs: int
    ) -> None:
        if jobs == 1:
            self._all(sources, lambda item: do([item]), lambda: None)
            return
        with Shares(do, self, jobs) as shares, terminal.finishing(shares.work):
            self._all(sources, shares.take, shares.work)

    def _all(
        self, sources: Iterable[str], take: Callable[[Item], None], finish: Callable[[], None]
    ) -> None:
        try:
            for item in items(sources, self.reading):
                take(item)
                self._progress()
            finish()
        except PayloadError as error:
            finish()
            if isinstance(error, Misuse):
                raise
            self.fail("", error)
        self._clear()
        self._count_others()

    def _one(self, item: Item, act: Callable[[Item], None]) -> None:
        self.done += not item.other
        try:
            if item.error is not None:
                raise item.error
            if item.other:
                self._other(item)
            else:
                act(item)
        except PayloadError as error:
            if isinstance(error, Misuse):
                raise
            self.fail_at(item, error)

    def fail_at(self, item: Item, error: PayloadError) -> None:
        """Report an error in an item."""
        self._fail(error, item.origin, item.place)

    def fail(self, where: str, error: PayloadError) -> None:
        """Report an error of several items, or of the whole command."""
        self._fail(error, {"where": where}, where)

    def _fail(self, error: PayloadError, origin: dict[str, Any], place: str) -> None:
        self.failed += 1
        self._clear()
        if self.as_json:
            record = {"error": error.to_dict()} | origin
            terminal.json_line(with_numbers(record) if self.numbers else record, err=True)
        else:
            terminal.line(show.error_line(place, str(error)), err=True, colour=self.err_colour)

    def _other(self, item: Item) -> None:
        """What holds no payload: decoded by its venue's session, or listed, or only counted."""
        for event in item.events:
            self._event(event, item)
        if item.events:
            return
        self.others[item.other] += 1
        if not self.lists_others:
            return
        value = item.value
        text = value if isinstance(value, str) else value.decode("utf-8", "backslashreplace")
        if self.as_json:
            self.record({"other": item.other, "message": text} | item.origin)
        else:
            self.lines([show.other_line(item.other, text, item.place)])

    def _event(self, event: Event, item: Item) -> None:
        from payloads.capture.unsigned import event_object

        self.done += 1
        if isinstance(error := getattr(event, "error", None), PayloadError):
            self.fail_at(item, error)
        elif self.as_json:
            self.record(event_object(event) | item.origin)
        else:
            self.lines(show.event_lines(event_object(event), item.place))

    def _count_others(self) -> None:
        if self.others and not self.as_json:
            listed = "" if self.lists_others else " (--others lists them)"
            words = ", ".join(f"{count:,} {what}" for what, count in self.others.items())
            terminal.line(f"without a payload: {words}{listed}", err=True, colour=self.err_colour)

    def lines(self, lines: Iterable[str]) -> None:
        """Lines for a person."""
        for line in lines:
            terminal.line(line, colour=self.out_colour, later=True)

    def record(self, record: dict[str, Any]) -> None:
        """One JSON object on a line of its own."""
        terminal.json_line(with_numbers(record) if self.numbers else record, later=True)

    def record_text(self, text: str, more: dict[str, Any]) -> None:
        """The same for an object that is text already, and more members behind its own."""
        terminal.json_text(text, more, later=True)

    def finish(self) -> None:
        """Leave with the exit code that the run deserves."""
        if self.failed:
            raise SystemExit(1)

    def _progress(self) -> None:
        if self.watched and time.monotonic() - self.shown > _PROGRESS_EVERY:
            self.shown = time.monotonic()
            terminal.status(f"{self.done:,} payloads, {self.failed:,} broken")

    def _clear(self) -> None:
        if self.watched:
            terminal.status()


def guarded(function: Callable[P, None]) -> Callable[P, None]:
    """Turn `Misuse`, and errors of the disk, into one line and exit code 2."""

    @functools.wraps(function)
    def inner(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            try:
                function(*args, **kwargs)
            finally:
                terminal.flush()  # a disk may be full only now
        except PayloadError as error:
            if kwargs.get("as_json"):
                terminal.json_line({"error": error.to_dict(), "where": ""}, err=True)
            else:
                terminal.line(show.error_line("", str(error)), err=True)
            raise SystemExit(2 if isinstance(error, Misuse) else 1) from None
        except OSError as error:
            if error.errno in (None, errno.EPIPE):  # the reader has gone: click handles that
                raise
            where = str(error.filename or "standard output")
            terminal.line(show.error_line(where, os.strerror(error.errno)), err=True)
            raise SystemExit(2) from None

    return inner


_NUMBERS, _OTHERS, _READING = "payloads.numbers", "payloads.others", "payloads.reading"


def _given(name: str) -> Any:
    """What an option left in the context of the command."""
    context = click.get_current_context(silent=True)
    return None if context is None else context.meta.get(name)


def _numbers(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    context.meta[_NUMBERS] = wanted


def _others(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    context.meta[_OTHERS] = wanted


def _reading(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    context.meta.setdefault(_READING, {})[parameter.name] = value


def given_reading(*, messages: bool = False) -> Reading:
    """How the command was told to read its inputs."""
    options = dict(_given(_READING) or {})
    return Reading(venues=options.pop("venue", ()) or (), options=options, messages=messages)


def _kinds() -> tuple[str, ...]:
    from payloads.capture.importers.any_file import KINDS

    return KINDS


def input_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options of how inputs are read."""
    options: tuple[tuple[str, dict[str, Any]], ...] = (
        ("--kind", {
            "type": LateChoice(_kinds), "metavar": "KIND",
            "help": "Read the inputs as this kind of file (default: by content).",
        }),
        ("--venue", {
            "metavar": "[HOST=]NAME", "multiple": True,
            "help": "The venue of frames whose file names none; or of those of a host, which may "
            "have a port: localhost:9105=qfex.",
        }),
        ("--text-field", {"metavar": "NAME", "help": "JSON lines: the member with the message."}),
        ("--time-field", {"metavar": "NAME", "help": "JSON lines: the member with the time."}),
        ("--binary-field", {
            "metavar": "NAME", "help": "JSON lines: the member that says if it is base64.",
        }),
        ("--keylog", {
            "metavar": "FILE", "help": "Packets: the TLS secrets, as SSLKEYLOGFILE has them.",
        }),
    )  # fmt: skip
    for name, about in reversed(options):
        function = click.option(name, expose_value=False, callback=_reading, **about)(function)
    return function


def command_options(function: Callable[..., None]) -> Callable[..., None]:
    """The sources, and the options that every command has."""
    argument = click.argument("sources", nargs=-1, metavar="[SOURCE]...")
    others = click.option(
        "--others", is_flag=True, expose_value=False, callback=_others,
        help="List the frames without a payload, too.",
    )  # fmt: skip
    return argument(output_options(others(input_options(function))))


def output_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options about what is printed."""
    colour = click.option(
        "--color",
        "colour",
        type=click.Choice(["auto", "always", "never"]),
        default="auto",
        help="When to colour (default: on a terminal, unless NO_COLOR is set).",
    )
    as_json = click.option(
        "--json", "as_json", is_flag=True, help="One JSON object a payload, on a line of its own."
    )
    numbers = click.option(
        "--numbers", is_flag=True, expose_value=False, callback=_numbers,
        help="With --json: integers that may exceed 2^53 as numbers, too, not as strings.",
    )  # fmt: skip
    return as_json(numbers(colour(function)))


def jobs_option(function: Callable[..., None]) -> Callable[..., None]:
    """The number of processes."""
    return click.option(
        "-j", "--jobs", type=click.IntRange(1), default=cores, metavar="N",
        help="Processes that share the work, where there is enough of it (default: one a core).",
    )(function)  # fmt: skip


def form_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options of what the caller may know better than the bytes say."""
    for option in (
        click.option("--layout", type=click.Choice(["plain", "versioned"]), help="Stork's layout."),
        click.option("--schema", metavar="NAME", help="Report schema (v1, v3, …) to read with."),
        click.option(
            "--as", "form", type=LateChoice(systems.forms), help="Take the input for this."
        ),
    ):
        function = option(function)
    return function
