"""Words on a terminal: how payloads, signatures and annotated views look to a person."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from payloads import systems
from payloads.abi.annotate import View
from payloads.abi.calldata import Call
from payloads.abi.fields import Span
from payloads.abi.rows import PLAIN_UNITS
from payloads.cli import terminal
from payloads.errors import elide
from payloads.recognise import Decoded, is_signed
from payloads.signatures import Recovered

_NAME_WIDTH = 24
_RUN = re.compile(r"(?:00){5,}|(?:ff){5,}")


def _dim(text: str) -> str:
    return terminal.style(text, dim=True)


def _note(text: str) -> str:
    return terminal.style(text, fg="yellow")


def error_line(where: str, message: str) -> str:
    """A line for an error, after the place where it happened."""
    marked = terminal.style("error", fg="red", bold=True)
    return f"{marked}: {where + ': ' if where else ''}{message}"


def _row(name: str, value: str, said: str = "") -> str:
    line = f"  {terminal.style(name.ljust(_NAME_WIDTH), fg='cyan')} {value}"
    return f"{line}  {_dim(said)}" if said else line


# --- decode ---------------------------------------------------------------------------------------


def payload_lines(
    decoded: Decoded, where: str, decimals: int | None, signers: bool = True
) -> Iterator[str]:
    """A payload as a readable table."""
    yield f"{terminal.style(_title(decoded), bold=True)}  {_dim(where)}"
    yield _row("recognised by", decoded.why)
    if (system := systems.of_value(decoded.value)) is not None:
        for row in system.rows(decoded.value, decimals):
            yield _row(*row)
        if not is_signed(decoded.value):
            yield _row("signatures", "none: the payload is not signed")
        elif signers:
            yield from _signers(system.recover(decoded.value))
    for note in decoded.notes:
        yield _row("note", _note(str(note)))
    yield ""


def _title(decoded: Decoded) -> str:
    if isinstance(call := decoded.value, Call):
        return f"call of {call.function.signature} with no payload in it"
    system = systems.of_value(decoded.value)
    return decoded.form if system is None else system.title(decoded.value)


def _signers(signatures: Sequence[Recovered]) -> Iterator[str]:
    for found in signatures:
        high = "high s" if found.high_s else ""
        yield _row(f"signer {found.index}", found.address or _note(f"no signer: {found.why}"), high)
    if not signatures:
        yield _row("signers", "none")


def event_lines(event: dict[str, Any], where: str) -> Iterator[str]:
    """What a venue's session says of a message without a signature."""
    title = " ".join(filter(None, (event.get("message"), event.get("channel")))) or event["event"]
    yield f"{terminal.style(title, bold=True)}  {_dim(where)}"
    content = event.get("content")
    rows = content if isinstance(content, dict) else event
    for name, value in rows.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield _row(name, elide(text, 200))
    yield ""


def other_line(what: str, text: str, where: str) -> str:
    """A frame that holds no payload."""
    return f"{terminal.style(what, bold=True)}  {_dim(where)}  {elide(text, 200)}"


# --- recover --------------------------------------------------------------------------------------


def recovered_lines(
    decoded: Decoded, where: str, signatures: Sequence[Recovered], hashed: str
) -> Iterator[str]:
    """Every signature of a payload, and the bytes that were hashed for it."""
    yield f"{terminal.style(_title(decoded), bold=True)}  {_dim(where)}"
    yield _row("hashed", hashed)
    for found in signatures:
        if found.index == 0:
            yield _row("digest", "0x" + found.digest.hex())
        yield _row(f"signer {found.index}", found.address or _note(f"no signer: {found.why}"))
        yield _row("", _dim(f"r 0x{found.r.hex()}"))
        yield _row("", _dim(f"s 0x{found.s.hex()}") + (_note(" high") if found.high_s else ""))
        yield _row("", _dim(f"v {found.v}"))
    yield ""


# --- inspect --------------------------------------------------------------------------------------


def view_lines(view: View, where: str, full_hex: bool) -> Iterator[str]:
    """An annotated view: a line for each byte range, and the error, if any."""
    yield f"{terminal.style(f'{view.form}, {view.size} bytes', bold=True)}  {_dim(where)}"
    if view.why:
        yield _dim(f"recognised by {view.why}")
    shown = [(_raw(span, full_hex), span) for span in view.spans]
    width = min(70 if full_hex else 44, max((len(raw) for raw, _ in shown), default=0))
    names = max((len(span.path) for span in view.spans), default=0)
    for raw, span in shown:
        yield from _span_line(span, raw, width, names)
    if view.error is not None:
        yield error_line("", str(view.error))
    yield ""


def _raw(span: Span, full: bool) -> str:
    text = bytes(span.raw).hex()
    if full:
        return text
    short = _RUN.sub(lambda run: f" {run[0][:2]}×{len(run[0]) // 2} ", text).strip()
    return elide(short, 44)


def _span_line(span: Span, raw: str, width: int, names: int) -> Iterator[str]:
    colour = "red" if span.problem else "white" if span.path.startswith("(") else "cyan"
    unit = "" if span.unit in PLAIN_UNITS else span.unit
    said = "  ".join(part for part in (_value(span), unit, span.said) if part)
    at = terminal.style(f"{span.offset:6d}", fg="blue")
    name = terminal.style(span.path.ljust(names), fg=colour)
    meaning = _dim("  # " + span.meaning) if span.meaning else ""
    yield f"{at}  {_dim(raw.ljust(width))}  {name}  {said}{meaning}"
    if span.problem:
        yield " " * 8 + terminal.style("^ " + span.problem, fg="red", bold=True)


def _value(span: Span) -> str:
    if span.value is None or isinstance(span.value, bytes):
        return ""
    return str(span.value)
