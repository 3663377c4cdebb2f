"""The annotated views of the `fullReport` and of the bare report.

The decoder runs once and the report is read once. The view is made from their results.
"""

from __future__ import annotations

from collections.abc import Iterator

from payloads.abi.annotate import Expander, View, complete, lay_out
from payloads.abi.fields import WORD, Span, hexed
from payloads.abi.solidity import Part, decode
from payloads.chainlink.calldata import token_named
from payloads.chainlink.report import (
    CONTEXT,
    FULL_REPORT,
    UnknownReport,
    read_report,
    unknown_report,
)
from payloads.chainlink.schemas import COMMON_HEAD, SCHEMAS, Schema, schema_named
from payloads.crypto import keccak256
from payloads.errors import Malformed, PayloadError
from payloads.inputs import to_bytes
from payloads.signatures import recovered_all

# The layout of a report, and its error if it has one.
_Reading = tuple[Schema | UnknownReport, PayloadError | None]


def view(
    payload: str | bytes,
    *,
    form: str = "full_report",
    schema: str | int | None = None,
    why: str = "",
) -> View:
    """Every byte of a `fullReport`, or of a `report`, up to the first bad byte."""
    raw = to_bytes(payload)
    return _view_report(raw, schema, why) if form == "report" else _view_full(raw, schema, why)


def _view_full(raw: bytes, schema: str | int | None, why: str) -> View:
    parts: list[Part] = []
    error: PayloadError | None = None
    try:
        context, blob, rs, ss, raw_vs = decode(FULL_REPORT, raw, trace=parts)
    except Malformed as malformed:
        error, signers = malformed, {}
        blob = next((raw[part.offset : part.end] for part in parts if _is_blob(part)), b"")
    else:
        signers = _signers(b"".join(context), blob, rs, ss, raw_vs)
    reading = _read(blob, schema)
    spans = lay_out(parts, raw, _expanders(signers, reading), error)
    if error is None and reading[1] is not None:
        at = next(part.offset for part in parts if _is_blob(part))
        error = reading[1].shifted(at, "report")
    return View("full_report", why, len(raw), spans, error)


def _is_blob(part: Part) -> bool:
    return part.path == "report_blob" and part.role == "value"


def _signers(
    context: bytes, blob: bytes, rs: tuple[bytes, ...], ss: tuple[bytes, ...], raw_vs: bytes
) -> dict[int, str]:
    digest = keccak256(keccak256(blob) + context)
    return {
        found.index: found.address or f"no signer: {found.why}"
        for found in recovered_all(digest, rs, ss, raw_vs)
    }


def _expanders(signers: dict[int, str], reading: _Reading) -> dict[str, Expander]:
    expanders: dict[str, Expander] = {
        "context": lambda data, part: CONTEXT.spans(data, part.offset),
        "report_blob": lambda data, part: _report_spans(data, part, reading[0]),
        "raw_vs": lambda data, part: _recovery_ids(data, part, len(signers)),
    }
    for index, signer in signers.items():
        expanders[f"rs[{index}]"] = _named(f"r of signature {index}", signer)
        expanders[f"ss[{index}]"] = _named(f"s of signature {index}", "")
    return expanders


def _named(meaning: str, said: str) -> Expander:
    def expand(data: bytes, part: Part) -> Iterator[Span]:
        raw = hexed(data[part.offset : part.end])
        said_so = f"signed by {said}" if said.startswith("0x") else said
        yield Span(part.offset, part.path, part.type, raw, raw, "", said_so, meaning)

    return expand


def _recovery_ids(data: bytes, part: Part, count: int) -> Iterator[Span]:
    for index in range(min(count, WORD)):
        at = part.offset + index
        raw = hexed(data[at : at + 1])
        meaning = f"recovery id of signature {index}"
        yield Span(at, f"raw_vs[{index}]", "uint8", raw, raw[0], "", "", meaning)
    if count < WORD:
        raw = hexed(data[part.offset + count : part.end])
        said = "not zero: no signature protects these bytes" if any(raw) else ""
        meaning = "neither signed nor checked"
        yield Span(part.offset + count, "raw_vs.rest", "bytes", raw, None, "", said, meaning)


# --- the report -----------------------------------------------------------------------------------


def _view_report(raw: bytes, schema: str | int | None, why: str) -> View:
    layout, error = _read(raw, schema)
    whole = Part(0, len(raw), "", "value", "bytes")
    spans = complete(_report_spans(raw, whole, layout), raw)
    return View("report", why, len(raw), spans, error)


def _read(blob: bytes, schema: str | int | None) -> _Reading:
    """The layout to show a report in, and its error with an offset from its own first byte."""
    if not blob and schema is None:
        return unknown_report(blob, "the report is empty"), None
    try:
        report, _ = read_report(blob, schema)
    except Malformed as error:
        return SCHEMAS[blob[:2]] if schema is None else schema_named(schema), error
    if schema is not None:
        return schema_named(schema), None
    return (report if isinstance(report, UnknownReport) else report.schema), None


def _report_spans(data: bytes, part: Part, layout: Schema | UnknownReport) -> Iterator[Span]:
    """The fields of the report in this part; offsets are those of the whole payload."""
    path = "report." if part.path else ""
    if isinstance(layout, UnknownReport):
        yield from _unknown_spans(data[: part.end], part.offset, path, layout)
        return
    yield from layout.table.spans(data[: part.end], part.offset, path)
    at = part.offset + layout.size
    if spare := data[at : part.end]:
        said = "after the last field: signed, but no consumer reads it"
        yield Span(at, f"{path}trailing", "bytes", hexed(spare), said=said)


def _unknown_spans(data: bytes, at: int, path: str, report: UnknownReport) -> Iterator[Span]:
    end = at
    if report.head is not None:
        end += COMMON_HEAD.size
        yield from COMMON_HEAD.spans(data, at, f"{path}head?.")
    for start in range(end, len(data), WORD):
        raw = hexed(data[start : start + WORD])
        index = (start - at) // WORD
        yield Span(start, f"{path}words[{index}]", "bytes", raw, raw, "", "", "unknown schema")


# --- calldata -------------------------------------------------------------------------------------


def view_parameter(data: bytes, part: Part) -> Iterator[Span]:
    """The parameter payload of a call."""
    raw = hexed(data[part.offset : part.end])
    token = token_named(raw)
    said = f"pay in token {token}" if token else "" if raw else "empty: no fee token named"
    yield Span(part.offset, part.path, "bytes", raw, raw, "", said, "how to pay the fee")
