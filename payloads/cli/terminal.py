"""The one place that prints, and what it prints is always printable.

Text from payloads, files, nodes and venues may hold control characters, which a terminal obeys, and
overrides of the direction, which make it show something else. All of them are escaped here, line
breaks among them. Colours are kept, if `style` gave them: its codes carry a key that is made for
this process, so no input can hold such a code. JSON is escaped as JSON, and stays the same JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import sys
from collections.abc import Callable, Iterator
from typing import Any

import click
import msgspec

from payloads.errors import printable

_KEY = secrets.token_hex(8)
_CODE = re.compile(f"\x1b{_KEY}(\\[[0-9;]*m)")
_CLEAR = "\r\033[K"
# Results that are written together, up to about so many characters and lines: a system call for
# each would take as long as decoding.
_waiting: list[str] = []
_BATCH, _BATCH_LINES = 2**17, 256
_unfinished: list[Callable[[], None]] = []
# In a process whose output another one prints: the lines, and whether to standard error.
_kept: list[tuple[str, bool]] | None = None


def colours(choice: str, stream: Any) -> bool:
    """Whether to write colours: as asked, else only to a terminal and without NO_COLOR."""
    if choice != "auto":
        return choice == "always"
    return bool(stream.isatty()) and not os.environ.get("NO_COLOR")


def style(text: str, **styles: Any) -> str:
    """Text with a colour or weight, as `click.style` takes them."""
    before, after = click.style("\0", **styles).split("\0")
    return f"{_keyed(before)}{text}{_keyed(after)}"


def _keyed(codes: str) -> str:
    return codes.replace("\x1b", f"\x1b{_KEY}")


def _shown(text: str, coloured: bool) -> str:
    """A styled text for a terminal: with codes or without, and all else printable."""
    parts = _CODE.split(text)
    shown = map(printable, parts[::2])
    if not coloured:
        return "".join(shown)
    codes = [f"\x1b{code}" for code in parts[1::2]] + [""]
    return "".join(part + code for part, code in zip(shown, codes, strict=True))


def line(text: str, *, err: bool = False, colour: bool | None = None, later: bool = False) -> None:
    """A line for a person. `colour` None: colours on a terminal. `later`: at the next `flush`."""
    coloured = colours("auto", sys.stderr if err else sys.stdout) if colour is None else colour
    _put(_shown(text, coloured), err, later)


def _put(text: str, err: bool, later: bool) -> None:
    """Print a line; one that may wait is written together with others, before anything else."""
    if _kept is not None:
        _kept.append((text, err))
        return
    if later:
        _waiting.append(text)
        if len(_waiting) >= _BATCH_LINES or len(text) * len(_waiting) > _BATCH:
            flush()
        return
    flush()
    click.echo(text, err=err, color=True)  # codes that are not wanted are gone by now


@contextlib.contextmanager
def keeping() -> Iterator[list[tuple[str, bool]]]:
    """Print nothing, but keep the lines for `printed`: of another process."""
    global _kept
    before, _kept = _kept, []
    try:
        yield _kept
    finally:
        _kept = before


def printed(text: str, *, err: bool) -> None:
    """Print a line that was kept."""
    _put(text, err, not err)


def status(text: str = "") -> None:
    """Overwrite the last line of the terminal's standard error, or clear it."""
    if _kept is not None:
        return
    flush()
    click.echo(f"{_CLEAR}{printable(text)}", nl=False, err=True)


def json_line(
    record: Any, *, err: bool = False, indent: int | None = None, later: bool = False
) -> None:
    """JSON on a line of its own, or with an indent on several."""
    if indent is None:
        _put(_compact(record), err, later)
        return
    for text in json.dumps(record, ensure_ascii=False, indent=indent).split("\n"):
        _put(_json(text), err, later)


def json_text(text: str, more: dict[str, Any], *, later: bool = False) -> None:
    """A line of JSON that is text already, with more members."""
    if not text.isascii() or "\x7f" in text:
        text = _json(text)
    _put(f"{text[:-1]},{_compact(more)[1:]}", False, later)


def _compact(record: Any) -> str:
    """JSON on one line. What msgspec does not write (text that is no UTF-8), `json` does."""
    try:
        raw = msgspec.json.encode(record, enc_hook=_text)
    except (OverflowError, UnicodeError):
        return _json(json.dumps(record, ensure_ascii=False, separators=(",", ":")))
    text = raw.decode()
    return text if raw.isascii() and b"\x7f" not in raw else _json(text)


def _text(value: Any) -> str:
    """A string of a class of its own, such as `Digits`."""
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"not JSON: {type(value).__name__}")


def captured(text: bytes) -> None:
    """A line of a capture: its bytes as they are, but on a terminal."""
    if sys.stdout.isatty():
        click.echo(_json(text.decode("utf-8", "backslashreplace")))
    else:
        sys.stdout.buffer.write(text + b"\n")


@contextlib.contextmanager
def finishing(work: Callable[[], None]) -> Iterator[None]:
    """Have `work` done before anything is handed on: it may print results that were kept back."""
    _unfinished.append(work)
    try:
        yield
    finally:
        _unfinished.remove(work)


def flush() -> None:
    """Hand on what was printed so far."""
    if _kept is not None:
        return
    for work in _unfinished:
        work()
    if _waiting:
        text = "\n".join(_waiting)
        _waiting.clear()
        click.echo(text, color=True)
    sys.stdout.flush()


class PrintableGroup(click.Group):
    """A group of commands whose errors of usage are printable, whatever the arguments hold."""

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        with _printable_errors():
            return super().make_context(*args, **options)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if any("\0" in argument for argument in args):  # no shell can pass it, but a caller can
            raise click.UsageError("an argument holds a NUL", ctx)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with _printable_errors():
                return super().invoke(ctx)
        finally:
            flush()


@contextlib.contextmanager
def _printable_errors() -> Iterator[None]:
    try:
        yield
    except click.ClickException as error:
        error.message = printable(error.message)  # type: ignore[misc]
        raise


def _json(text: str) -> str:
    """JSON on one line, with escapes for what is not printable, which only strings can hold."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
