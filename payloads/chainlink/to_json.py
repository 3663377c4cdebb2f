"""Chainlink payloads as JSON objects with stable keys, and back.

The keys are the fields' names. A report of a known schema is spelled out field by field. A report
of an unknown schema is a list of `words`. Bytes that follow from no field are kept, so that
`from_dict(to_dict(payload))` encodes to the very same bytes.
"""

from __future__ import annotations

from typing import Annotated, Any

from hexbytes import HexBytes

from payloads.abi.fields import WORD, Record, json_fields, jsonable
from payloads.chainlink.report import (
    CONTEXT,
    AnyReport,
    BareReport,
    FullReport,
    UnknownReport,
    unknown_report,
)
from payloads.chainlink.schemas import Schema, schema_named
from payloads.chainlink.signers import recover
from payloads.crypto import keccak256
from payloads.errors import Misuse
from payloads.json_records import EXACT, Reading, check_object, hex_bytes


def _schema_keys(report: AnyReport) -> dict[str, Any]:
    if isinstance(report, UnknownReport):
        return {"schema_version": report.schema_version, "schema": "unknown"}
    return {"schema_version": report.schema_version, "schema": report.schema.key}


def _report_keys(report: AnyReport, blob: bytes) -> dict[str, Any]:
    """The fields of a report, in their JSON form."""
    if isinstance(report, UnknownReport):
        record: dict[str, Any] = {
            "words": jsonable(report.words),
            "tail": jsonable(report.tail),
            "why_unknown": report.why,
        }
        if report.head is not None:
            record["head_if_usual"] = jsonable(report.head)
        return record
    record = json_fields(report)
    if trailing := blob[report.schema.size :]:
        record["report_trailing"] = jsonable(trailing)
    return record


def to_dict(payload: FullReport | BareReport, *, signers: bool = True) -> dict[str, Any]:
    """The payload as a JSON object; its signers are recovered unless that is not wanted."""
    if isinstance(payload, BareReport):
        return _bare_to_dict(payload)
    return _full_to_dict(payload, signers)


def _bare_to_dict(bare: BareReport) -> dict[str, Any]:
    record: dict[str, Any] = {"system": "chainlink", "form": "report"}
    record |= _schema_keys(bare.report)
    if bare.guess:
        record["guess"] = bare.guess
    return record | _report_keys(bare.report, bare.raw)


def _full_to_dict(payload: FullReport, signers: bool) -> dict[str, Any]:
    signed = bytes(payload.signed_bytes)  # the report's hash, and the context
    record: dict[str, Any] = {"system": "chainlink", "form": "full_report"}
    record |= _schema_keys(payload.report)
    if payload.guess:
        record["guess"] = payload.guess
    record |= _report_keys(payload.report, payload.report_blob)
    record |= {row.name: jsonable(getattr(payload, row.name)) for row in CONTEXT.fields}
    record |= {
        "sequence": payload.sequence,
        "don_id": payload.don_id,
        "rs": ["0x" + r.hex() for r in payload.rs],
        "ss": ["0x" + s.hex() for s in payload.ss],
        "raw_vs": jsonable(payload.raw_vs),
        "report_hash": jsonable(signed[:WORD]),
        "signing_digest": jsonable(keccak256(signed)),
    }
    if signers:
        record["signers"] = [found.address for found in recover(payload)]
    if departures := payload.departures:
        record["departures"] = [str(departure) for departure in departures]
        record["raw"] = jsonable(payload.raw)
    return record


# --- and back -------------------------------------------------------------------------------------


_READING = Reading(base=EXACT, error=Misuse)
_Word = Annotated[HexBytes, hex_bytes(32)]


class _Unknown(Record, frozen=True):
    """The report of an unknown schema."""

    words: tuple[_Word, ...]
    tail: HexBytes = HexBytes(b"")
    why_unknown: str = "described as unknown"


class _Trailing(Record, frozen=True):
    """What follows the last field of a known schema."""

    report_trailing: HexBytes = HexBytes(b"")


class _Guess(Record, frozen=True):
    """How the layout was found."""

    guess: str = ""


class _Signatures(Record, frozen=True):
    """The signatures, and the bytes of a payload that is not in the canonical layout."""

    rs: tuple[_Word, ...]
    ss: tuple[_Word, ...]
    raw_vs: _Word
    raw: HexBytes = HexBytes(b"")


def _schema(record: dict[str, Any]) -> Schema:
    return schema_named(record.get("schema") or record.get("schema_version") or "")


def from_dict(record: dict[str, Any]) -> FullReport | BareReport:
    """The payload that an object describes: a `fullReport` if the object has signatures.

    Its fields are what is encoded, so an edited field takes effect.
    """
    check_object(record)
    report, blob = _report_from(record)
    guess: str = _READING.read(_Guess, record).guess
    if "rs" not in record:
        return BareReport(report, guess, blob)
    context = _READING.fields(CONTEXT.fields, record)
    signatures: _Signatures = _READING.read(_Signatures, record)
    return FullReport(
        **context,
        report_blob=blob,
        rs=signatures.rs,
        ss=signatures.ss,
        raw_vs=signatures.raw_vs,
        report=report,
        guess=guess,
        raw=signatures.raw,
    )


def _report_from(record: dict[str, Any]) -> tuple[AnyReport, bytes]:
    """The report, and its bytes with any bytes after its last field."""
    if record.get("schema") == "unknown":
        unknown: _Unknown = _READING.read(_Unknown, record)
        blob = b"".join(unknown.words) + unknown.tail
        return unknown_report(blob, unknown.why_unknown), blob
    schema = _schema(record)
    report = schema.record(**_READING.fields(schema.table.fields, record))
    trailing: _Trailing = _READING.read(_Trailing, record)
    return report, report.encode() + trailing.report_trailing
