"""What `verify`, `quote`, `encode` and `state` share: state, clock, sender, way of paying."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime

import click

from payloads.chain.reading.state_files import load_state
from payloads.chain.reading.states import States
from payloads.cli import terminal
from payloads.errors import Misuse, elide
from payloads.verdicts.state import State


def load_state_then(path: str, at: str | None, now: str | None) -> tuple[State, int | None]:
    """The state in a file, as it was at a time if one is given, and the block's time if known."""
    state, then, time_ = load_state(path), instant(at, "at"), instant(now, "now")
    if then is None:
        return state, time_
    return state.at(then), then if time_ is None else time_


def load_states_then(
    path: str, at: str | None, now: str | None
) -> tuple[State | States, int | None]:
    """As `load_state_then`; the states in a folder, if the path is a folder."""
    if not os.path.isdir(path):
        return load_state_then(path, at, now)
    states, then, time_ = States.load(path), instant(at, "at"), instant(now, "now")
    if states.ignored:
        names = ", ".join(each.name for each in states.ignored)
        terminal.line(f"{path}: no state files: {elide(names, 200)}", err=True)
    if then is None:
        return states, time_
    return States([state.at(then) for state in states]), then if time_ is None else time_


def instant(text: str | None, name: str) -> int | None:
    """Unix seconds from a number, an ISO date, or `now` (this machine's clock)."""
    if text is None:
        return None
    if text == "now":
        return int(time.time())
    if text.isascii() and text.isdecimal() and len(text) < 19:
        return int(text)
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        expected = "unix seconds, an ISO date and time, or now"
        raise Misuse("not a time", field=name, expected=expected, found=repr(text)) from None
    return int((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp())


pay_option = click.option(
    "--pay",
    metavar="WAY",
    help="How the fee is paid: link, native (as value), wrapped (native, by allowance), or the "
    "address of a token. Stork takes native.",
)


def state_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options for the state, the clock and the sender."""
    for option in (
        click.option("--sender", metavar="ADDRESS", help="Who calls (default: the subscriber)."),
        click.option("--at", metavar="TIME", help="Judge with the state as it was then."),
        click.option(
            "--now",
            metavar="TIME",
            help="The block's time: unix seconds, ISO, or now (default: the state's own).",
        ),
        click.option(
            "--state",
            "state_path",
            required=True,
            metavar="FILE",
            help="What the chain knows: JSON or TOML (payloads state fetch writes one).",
        ),
    ):
        function = option(function)
    return function
