"""The annotated views of Chainlink's payloads: the signed one, the bare report, the calldata."""

from __future__ import annotations

from collections.abc import Iterator

from payloads.abi import calldata
from payloads.abi.annotate import Expander, View, complete, lay_out
from payloads.abi.fields import WORD, Span, hexed
from payloads.abi.solidity import Part, decode
from payloads.chainlink.calldata import FUNCTIONS, token_named
from payloads.chainlink.report import (
    CONTEXT,
    FULL_REPORT,
    AnyReport,
    UnknownReport,
    decode_envelope,
    decode_report,
)
from payloads.chainlink.report import decode as decode_full_report
from payloads.chainlink.schemas import COMMON_HEAD, REGISTRY, Schema, schema_named
from payloads.chainlink.signers import recover
from payloads.errors import Malformed, Misuse


def view_full_report(raw: bytes, schema: str | int | None = None, why: str = "") -> View:
    """Every byte of a `fullReport`, up to the first bad one."""
    parts: list[Part] = []
    error = None
    try:
        decode(FULL_REPORT, raw, trace=parts)
    except Malformed as malformed:
        error = malformed
    spans = _full_report_spans(raw, parts, schema, error)
    return View("full_report", why, len(raw), spans, error or _report_error(raw, schema))


def _report_error(raw: bytes, schema: str | int | None) -> Malformed | None:
    """What is wrong with the report of a payload that is well encoded outside of it."""
    try:
        decode_full_report(raw, schema=schema)
    except Malformed as error:
        return error
    return None


def _full_report_spans(
    raw: bytes, parts: list[Part], schema: str | int | None, error: Malformed | None
) -> tuple[Span, ...]:
    signers = _signers(raw) if error is None else {}
    expanders: dict[str, Expander] = {
        "context": lambda data, part: CONTEXT.spans(data, part.offset),
        "report_blob": lambda data, part: _report_spans(data, part, schema),
        "raw_vs": lambda data, part: _recovery_ids(data, part, len(signers)),
    }
    for index, signer in signers.items():
        expanders[f"rs[{index}]"] = _named(f"r of signature {index}", signer)
        expanders[f"ss[{index}]"] = _named(f"s of signature {index}", "")
    return lay_out(parts, raw, expanders, error)


def _signers(raw: bytes) -> dict[int, str]:
    found = recover(decode_envelope(raw))
    return {item.index: item.address or f"nobody: {item.why}" for item in found}


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
        said = "not zero: anyone can change these bytes" if any(raw) else ""
        meaning = "neither signed nor checked"
        yield Span(part.offset + count, "raw_vs.rest", "bytes", raw, None, "", said, meaning)


# --- the report -----------------------------------------------------------------------------------


def view_report(raw: bytes, schema: str | int | None = None, why: str = "") -> View:
    """Every byte of a bare report."""
    spans = complete(_report_spans(raw, Part(0, len(raw), "", "value", "bytes"), schema), raw)
    return View("report", why, len(raw), spans, _error(raw, schema))


def _error(raw: bytes, schema: str | int | None) -> Malformed | None:
    try:
        decode_report(raw, schema=schema)
    except Malformed as error:
        return error
    return None


def _report_spans(data: bytes, part: Part, schema: str | int | None) -> Iterator[Span]:
    """The fields of the report in this part; offsets are those of the whole payload."""
    blob = data[part.offset : part.end]
    path = "report." if part.path else ""
    found = _layout(blob, schema)
    if isinstance(found, UnknownReport):
        yield from _unknown_spans(data[: part.end], part.offset, path, found)
        return
    yield from found.table.spans(data[: part.end], part.offset, path)
    if spare := blob[found.size :]:
        said = "after the last field: signed, but no consumer reads it"
        at = part.offset + found.size
        yield Span(at, f"{path}trailing", "bytes", hexed(spare), said=said)


def _layout(blob: bytes, schema: str | int | None) -> Schema | UnknownReport:
    if schema is not None:
        return schema_named(schema)
    try:
        report: AnyReport = decode_report(blob).report if blob else _nothing()
    except Malformed:
        return REGISTRY[blob[:2]]
    return report if isinstance(report, UnknownReport) else report.schema


def _nothing() -> UnknownReport:
    return UnknownReport(None, None, (), hexed(b""), "the report is empty")


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


def view_call(raw: bytes, schema: str | int | None = None, why: str = "") -> View:
    """Every byte of a call to a verifier proxy."""
    function = calldata.function_of(FUNCTIONS, raw)
    if function is None:
        raise Misuse("not a call of a verifier proxy", field="selector")

    def inner(payload: bytes) -> View:
        return view_full_report(payload, schema)

    return calldata.view_call(function, raw, inner, _parameter, why)


def _parameter(data: bytes, part: Part) -> Iterator[Span]:
    raw = hexed(data[part.offset : part.end])
    token = token_named(raw)
    said = f"pay in token {token}" if token else "" if raw else "empty: no fee token named"
    yield Span(part.offset, part.path, "bytes", raw, raw, "", said, "how to pay the fee")
