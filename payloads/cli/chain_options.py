"""What `verify`, `quote` and `state` share: the state, the clock and the sender."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import click

from payloads.chain.states import load_state
from payloads.errors import Misuse
from payloads.verdicts.state import State


def load_state_then(path: str, at: str | None, now: str | None) -> tuple[State, int | None]:
    """The state in a file, as it was at a time if one is given, and the block's time if known."""
    state, then, time_ = load_state(path), instant(at, "at"), instant(now, "now")
    if then is None:
        return state, time_
    return state.at(then), then if time_ is None else time_


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
