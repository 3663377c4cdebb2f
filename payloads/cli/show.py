"""Words on a terminal: how payloads, signatures and annotated views look to a person."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from typing import Any

import click

from payloads import chainlink, stork
from payloads.abi.annotate import View
from payloads.abi.calldata import Call
from payloads.abi.fields import Span, Table
from payloads.abi.units import Unit, scaled
from payloads.chainlink.report import CONTEXT, AnyReport, BareReport, FullReport, UnknownReport
from payloads.chainlink.schemas import COMMON_HEAD
from payloads.errors import elide
from payloads.recognise import Decoded
from payloads.signatures import Recovered
from payloads.stork.update import ASSETS, PLAIN, SignedUpdate, UnsignedUpdate

_NAME_WIDTH = 24
# Units that say no more than the field's name does.
_PLAIN_UNITS = ("", "byte", "count", "digest", "id", "price", "rate")
_RUN = re.compile(r"(?:00){5,}|(?:ff){5,}")


def colours(choice: str, stream: Any = None) -> bool:
    """Whether to write colours: as asked, else only to a terminal and without NO_COLOR."""
    if choice != "auto":
        return choice == "always"
    return (stream or sys.stdout).isatty() and not os.environ.get("NO_COLOR")


def _dim(text: str) -> str:
    return click.style(text, dim=True)


def _note(text: str) -> str:
    return click.style(text, fg="yellow")


def printable(text: str) -> str:
    """What somebody else said, unable to do anything to a terminal."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def error_line(where: str, message: str) -> str:
    """One line for what went wrong, after the place where it did."""
    return f"{click.style('error', fg='red', bold=True)}: {where + ': ' if where else ''}{message}"


def _row(name: str, value: str, said: str = "") -> str:
    line = f"  {click.style(name.ljust(_NAME_WIDTH), fg='cyan')} {value}"
    return f"{line}  {_dim(said)}" if said else line


# --- decode ---------------------------------------------------------------------------------------


def payload_lines(
    decoded: Decoded, where: str, decimals: int | None, signers: bool = True
) -> Iterator[str]:
    """A payload as a readable table."""
    yield f"{click.style(_title(decoded), bold=True)}  {_dim(where)}"
    yield _row("recognised by", decoded.why)
    value = decoded.value
    if isinstance(value, FullReport):
        yield from _full_report(value, decimals)
        yield from _signers(chainlink.recover(value) if signers else None)
    elif isinstance(value, BareReport):
        yield from _report(value.report, decimals)
        yield _row("signatures", "none: nobody signed this")
    elif isinstance(value, SignedUpdate):
        yield from _update(value)
        yield from _signers(stork.recover(value) if signers else None)
    elif isinstance(value, UnsignedUpdate):
        yield from _assets(value)
        yield _row("signatures", "none: nobody signed this")
    for note in decoded.notes:
        yield _row("note", _note(str(note)))
    yield ""


def _title(decoded: Decoded) -> str:
    value = decoded.value
    if isinstance(value, FullReport | BareReport):
        signed = "fullReport" if isinstance(value, FullReport) else "unsigned report"
        return f"Chainlink {signed}, {value.schema_label}"
    if isinstance(value, SignedUpdate):
        return f"Stork signed_ecdsa, {value.layout} layout, {len(value.assets)} assets"
    if isinstance(value, UnsignedUpdate):
        return f"Stork unsigned message, {len(value.assets)} assets"
    if isinstance(value, Call):
        return f"call of {value.function.signature} with no payload in it"
    return decoded.form


def _fields(table: Table, record: Any, decimals: int | None) -> Iterator[str]:
    for row in table.fields:
        value = getattr(record, row.name)
        if isinstance(value, bytes):
            yield _row(row.name, "0x" + value.hex())
        elif value is not None:
            yield _row(row.name, str(value), _said(row.unit, value, decimals))


def _said(unit: Unit, value: int, decimals: int | None) -> str:
    if unit.is_price and decimals is not None:
        return scaled(value, decimals)
    said = unit.say(value)
    return said if said or unit.name in _PLAIN_UNITS else unit.name


def _report(report: AnyReport, decimals: int | None) -> Iterator[str]:
    if not isinstance(report, UnknownReport):
        yield from _fields(report.schema.table, report, decimals)
        return
    if report.head is not None:
        yield _row("(if the usual head)", "")
        yield from _fields(COMMON_HEAD, report.head, decimals)
    for index, word in enumerate(report.words):
        yield _row(f"words[{index}]", "0x" + word.hex())
    if report.tail:
        yield _row("tail", "0x" + report.tail.hex())


def _full_report(payload: FullReport, decimals: int | None) -> Iterator[str]:
    yield from _report(payload.report, decimals)
    yield from _fields(CONTEXT, payload, decimals)
    yield _row("sequence", str(payload.sequence))
    if payload.don_id is not None:
        yield _row("don_id", str(payload.don_id))
    yield _row("signing_digest", "0x" + payload.signing_digest.hex())


def _signers(signatures: tuple[Recovered, ...] | None) -> Iterator[str]:
    if signatures is None:
        return
    for found in signatures:
        high = "high s" if found.high_s else ""
        yield _row(f"signer {found.index}", found.address or _note(f"nobody: {found.why}"), high)
    if not signatures:
        yield _row("signers", "none")


def _update(update: SignedUpdate) -> Iterator[str]:
    yield from _assets(update)
    yield _row("signing_digest", "0x" + update.signing_digest.hex())


def _assets(update: SignedUpdate | UnsignedUpdate) -> Iterator[str]:
    mask = update.mask if isinstance(update, SignedUpdate) else 3
    units = {row.name: row.unit for row in ASSETS[3].fields}
    yield _row("taxonomy_id", str(update.taxonomy_id))
    said = f"{update.timestamp_ns // 10**9}"
    yield _row("timestamp_ns", str(update.timestamp_ns), _instant(update.timestamp_ns) or said)
    for asset in update.assets:
        value = "no value" if asset.value is None else units["value"].say(asset.value)
        status = ""
        if mask & 2 and not (isinstance(update, SignedUpdate) and update.layout == PLAIN):
            code = asset.market_status
            status = "market: " + units["market_status"].say(255 if code is None else code)
        yield _row(f"asset {asset.asset_id}", value, status)


def _instant(nanoseconds: int) -> str:
    from payloads.abi.units import NANOSECONDS

    return NANOSECONDS.say(nanoseconds)


# --- recover --------------------------------------------------------------------------------------


def recovered_lines(
    decoded: Decoded, where: str, signatures: tuple[Recovered, ...], hashed: str
) -> Iterator[str]:
    """Every signature of a payload, and what was hashed for it."""
    yield f"{click.style(_title(decoded), bold=True)}  {_dim(where)}"
    yield _row("hashed", hashed)
    for found in signatures:
        if found.index == 0:
            yield _row("digest", "0x" + found.digest.hex())
        yield _row(f"signer {found.index}", found.address or _note(f"nobody: {found.why}"))
        yield _row("", _dim(f"r 0x{found.r.hex()}"))
        yield _row("", _dim(f"s 0x{found.s.hex()}") + (_note(" high") if found.high_s else ""))
        yield _row("", _dim(f"v {found.v}"))
    yield ""


# --- inspect --------------------------------------------------------------------------------------


def view_lines(view: View, where: str, full_hex: bool) -> Iterator[str]:
    """An annotated view: a line a byte range, and the error where there is one."""
    yield f"{click.style(f'{view.form}, {view.size} bytes', bold=True)}  {_dim(where)}"
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
    unit = "" if span.unit in _PLAIN_UNITS else span.unit
    said = "  ".join(part for part in (_value(span), unit, span.said) if part)
    at = click.style(f"{span.offset:6d}", fg="blue")
    name = click.style(span.path.ljust(names), fg=colour)
    meaning = _dim("  # " + span.meaning) if span.meaning else ""
    yield f"{at}  {_dim(raw.ljust(width))}  {name}  {said}{meaning}"
    if span.problem:
        yield " " * 8 + click.style("^ " + span.problem, fg="red", bold=True)


def _value(span: Span) -> str:
    if span.value is None or isinstance(span.value, bytes):
        return ""
    return str(span.value)
