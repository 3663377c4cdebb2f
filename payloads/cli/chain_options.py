"""What `verify`, `quote` and `state` share: the state, the clock and the sender."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import click

from payloads.abi.calldata import function_of
from payloads.abi.fields import Record
from payloads.chainlink.calldata import FUNCTIONS as PROXY_FUNCTIONS
from payloads.errors import Malformed, Misuse, PayloadError
from payloads.inputs import to_bytes
from payloads.recognise import Found, Options, Several, find
from payloads.stork.calldata import FUNCTIONS as STORK_FUNCTIONS
from payloads.verdicts.state import State


def load_state(path: str) -> State:
    """The state in a file; anything wrong with it is misuse."""
    try:
        return State.load(path)
    except OSError as error:
        raise Misuse(f"cannot read {path}: {error.strerror}") from None
    except Misuse as error:
        field = path if error.field in (None, path) else f"{path}: {error.field}"
        raise Misuse(
            error.reason, field=field, expected=error.expected, found=error.found
        ) from None


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


class Given(Record, frozen=True):
    """One thing to judge: a payload's bytes as received, or a whole call's."""

    raw: bytes
    is_call: bool = False
    # Why it could not even be taken out of its container.
    error: PayloadError | None = None


def givens(value: Any) -> Iterator[Given]:
    """What an input holds, undecoded: bad payloads must reach the contract's own checks.

    Hex and bytes are taken as they are; JSON frames are opened.
    """
    text = value.strip() if isinstance(value, str | bytes) else value
    if isinstance(text, bytes) and text[:2] in (b"0x", b"0X") and text.isascii():
        text = text.decode()
    if not isinstance(text, str | bytes) or text[:1] in ("{", "[", b"{", b"["):
        yield from _framed(find(value, Options()))
    else:
        # Nothing at all is a payload too, for a contract.
        raw = b"" if text in ("0x", "0X") else to_bytes(text if isinstance(text, str) else value)
        yield Given(raw, function_of((*PROXY_FUNCTIONS, *STORK_FUNCTIONS), raw) is not None)


def _framed(found: Found | Several) -> Iterator[Given]:
    if isinstance(found, Found):
        if found.message is not None:
            raise Malformed("not signed by anybody", field="frame", expected="a signed payload")
        yield Given(found.raw)
        return
    for item in found.items:
        try:
            yield from givens(item)
        except PayloadError as error:
            yield Given(b"", error=error)


def state_options(function: Callable[..., None]) -> Callable[..., None]:
    """The state to judge with, the clock, and who calls."""
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
