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
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec

import click

from payloads import systems
from payloads.abi.fields import with_numbers
from payloads.cli import show, terminal
from payloads.cli.late_choice import LateChoice
from payloads.cli.sources import Item, items
from payloads.errors import Misuse, PayloadError

P = ParamSpec("P")
_PROGRESS_EVERY = 0.5


class Run:
    """One run of a command over its sources."""

    def __init__(self, as_json: bool, colour: str) -> None:
        self.as_json, self.numbers = as_json, _wants_numbers()
        if self.numbers and not as_json:
            raise Misuse("is about JSON", field="--numbers", expected="--json as well")
        self.out_colour = terminal.colours(colour, sys.stdout)
        self.err_colour = terminal.colours(colour, sys.stderr)
        self.done = self.failed = 0
        self.shown = time.monotonic()

    def each(self, sources: Iterable[str], act: Callable[[Item], None]) -> None:
        """Do something with every item; its errors are reported and counted."""
        try:
            for item in items(sources):
                self._one(item, act)
                self._progress()
        except PayloadError as error:
            if isinstance(error, Misuse):
                raise
            self.fail("", error)
        self._clear()

    def _one(self, item: Item, act: Callable[[Item], None]) -> None:
        self.done += 1
        try:
            if item.error is not None:
                raise item.error
            act(item)
        except PayloadError as error:
            if isinstance(error, Misuse):
                raise
            self.fail(item.where, error, item.line)

    def fail(self, where: str, error: PayloadError, line: int | None = None) -> None:
        """Report an error and remember that there was one."""
        self.failed += 1
        self._clear()
        if not self.as_json:
            terminal.line(show.error_line(where, str(error)), err=True, colour=self.err_colour)
            return
        record: dict[str, Any] = {"error": error.to_dict(), "where": where}
        if line is not None:
            record["line"] = line
        terminal.json_line(record, err=True)

    def lines(self, lines: Iterable[str]) -> None:
        """Lines for a person."""
        for line in lines:
            terminal.line(line, colour=self.out_colour, later=True)

    def record(self, record: dict[str, Any]) -> None:
        """One JSON object on a line of its own."""
        terminal.json_line(with_numbers(record) if self.numbers else record, later=True)

    def finish(self) -> None:
        """Leave with the exit code that the run deserves."""
        if self.failed:
            raise SystemExit(1)

    def _progress(self) -> None:
        # Only where a person watches, and the results go elsewhere.
        if not sys.stderr.isatty() or sys.stdout.isatty():
            return
        if time.monotonic() - self.shown > _PROGRESS_EVERY:
            self.shown = time.monotonic()
            terminal.status(f"{self.done:,} payloads, {self.failed:,} broken")

    def _clear(self) -> None:
        if sys.stderr.isatty() and not sys.stdout.isatty():
            terminal.status()


def guarded(function: Callable[P, None]) -> Callable[P, None]:
    """Turn `Misuse`, and errors of the disk, into one line and exit code 2."""

    @functools.wraps(function)
    def inner(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
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


_NUMBERS = "payloads.numbers"


def _wants_numbers() -> bool:
    context = click.get_current_context(silent=True)
    return context is not None and context.meta.get(_NUMBERS, False)


def _numbers(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    context.meta[_NUMBERS] = wanted


def command_options(function: Callable[..., None]) -> Callable[..., None]:
    """The sources, and the options that every command has."""
    argument = click.argument("sources", nargs=-1, metavar="[SOURCE]...")
    return argument(output_options(function))


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
