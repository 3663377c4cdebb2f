"""The JSON frames of Data Streams, and the evidence that bytes are a payload of this system.

A frame is `{"report": {"fullReport": …, "feedID": …, …}}`. REST answers with the same under
`report`, or with a list of the inner objects under `reports`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec

from payloads.abi.fields import WORD
from payloads.chainlink.compressed import begins_well, decompress, uncompressed_size
from payloads.chainlink.report import (
    BareReport,
    FullReport,
    Input,
    UnknownReport,
    decode_report,
)
from payloads.chainlink.schemas import SCHEMAS
from payloads.errors import Malformed, shown
from payloads.inputs import MAX_PAYLOAD_BYTES, to_bytes, unhex
from payloads.system import (
    Claims,
    Evidence,
    Found,
    Note,
    Several,
    framed,
    undecoded,
)

NAME = "chainlink"

# --- frames ---------------------------------------------------------------------------------------

_Seconds = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class PlainReport(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A report object with the members that the service is known to send, and no others."""

    feedID: str
    fullReport: str
    observationsTimestamp: _Seconds
    validFromTimestamp: _Seconds


class _PlainFrame(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    report: PlainReport


MEMBERS = frozenset(PlainReport.__struct_fields__)
# No usual payload has more.
_MOST_HEX = 2**16
_KEYS = frozenset({"report", "reports", "fullReport"})
_decode_plain = msgspec.json.Decoder(_PlainFrame).decode
# The statements of a frame about its payload, and the fields of the signed report they are about.
CLAIMS = {
    "feedID": "feed_id",
    "validFromTimestamp": "valid_from_timestamp",
    "observationsTimestamp": "observations_timestamp",
}


def is_frame(message: dict[str, Any]) -> bool:
    """Whether a JSON object may be a frame of Data Streams, by its keys."""
    return not _KEYS.isdisjoint(message)


def open_frame(message: dict[str, Any]) -> Found | Several | None:
    """The payload in a frame of Data Streams; None for another message."""
    if isinstance(message.get("report"), dict):
        return _report(message["report"], "report.", "a frame of Data Streams")
    if "fullReport" in message:
        return _report(message, "", "a report object of Data Streams")
    if isinstance(message.get("reports"), list):
        return Several("a reply of Data Streams' REST", "reports", tuple(message["reports"]))
    return None


def plain_report(frame: bytes | str) -> PlainReport | None:
    """The report object of a frame that has nothing else in it, read in one pass.

    None for any other message: `open_frame` reads it, or says what is wrong with it.
    """
    try:
        return _decode_plain(frame).report
    except (msgspec.MsgspecError, ValueError):
        return None


def plain(frame: bytes | str) -> bytes | None:
    """The payload's bytes in such a frame, if they are plain hex."""
    report = plain_report(frame)
    if report is None or not 0 < len(report.fullReport) < _MOST_HEX:
        return None
    try:
        return unhex(report.fullReport) or None
    except ValueError:
        return None


def payload_bytes(report: dict[str, Any], path: str) -> bytes:
    """The bytes of the payload in a report object; `path` leads to the object."""
    text = report.get("fullReport")
    field = path + "fullReport"
    if not isinstance(text, str):
        found = shown(text) if "fullReport" in report else "nothing"
        raise Malformed("no payload", field=field, expected="a hex string", found=found)
    return to_bytes(text, name=field)


def _report(report: dict[str, Any], path: str, why: str) -> Found:
    claims = tuple((name, report[name]) for name in CLAIMS if name in report)
    return Found(NAME, "full_report", why, payload_bytes(report, path), claims)


# --- inputs of this package's functions -----------------------------------------------------------

Payload = FullReport | BareReport | Input | dict[str, Any]


def raw_of(payload: Payload, name: str = "payload") -> bytes:
    """The bytes of a payload in any form. No bytes at all are a bad payload."""
    if type(payload) is bytes and 0 < len(payload) < 2**16:
        return payload
    if isinstance(payload, FullReport | BareReport):
        return payload.encode()
    if (found := framed(payload, open_frame)) is not None:
        return found.raw
    return undecoded(payload, name)


# --- notes ----------------------------------------------------------------------------------------


def notes(value: FullReport | BareReport, claims: Claims) -> Iterator[Note]:
    """Guesses, departures from what an encoder writes, and contradictions with the frame."""
    if value.guess:
        yield Note("layout-inferred", value.guess)
    report = value.report
    if isinstance(report, UnknownReport):
        yield Note("schema-unknown", report.why)
    for departure in value.departures:
        yield Note("not-canonical", f"{departure.kind}: {departure}")
    if isinstance(value, FullReport):
        yield from _contradictions(claims, value)


def _contradictions(claims: Claims, payload: FullReport) -> Iterator[Note]:
    """Where a frame says something else about its payload than the signed bytes do."""
    head = payload.report.head
    for name, claimed in claims:
        signed = getattr(head, CLAIMS[name], None)
        if isinstance(signed, bytes):
            signed = "0x" + signed.hex()
            agrees = isinstance(claimed, str) and claimed.lower() == signed
        else:
            agrees = claimed in (signed, str(signed)) and not isinstance(claimed, bool)
        if signed is not None and not agrees:
            message = f"the frame says {name} {shown(claimed, 80)}, the signed bytes {signed}"
            yield Note("frame-contradicts-payload", message)


# --- bytes ----------------------------------------------------------------------------------------

_SMALL = bytes(WORD - 4)


def _snug_full_report(raw: bytes) -> str:
    head = int.from_bytes(raw[96:128], "big") == 7 * WORD and raw[128:156] == raw[160:188] == _SMALL
    return "a head of 7 words whose first offset is 224" if head and len(raw) >= 224 else ""


def _exact_report(raw: bytes) -> str:
    schema = SCHEMAS.get(raw[:2])
    if schema is None or len(raw) != schema.size:
        return ""
    try:
        schema.table.read(raw)
    except Malformed:
        return ""
    return f"exactly a report of schema {schema.key}, unsigned"


def _full_report(raw: bytes) -> str:
    """A head with three small offsets, in any layout."""
    offsets = (raw[start : start + WORD] for start in (96, 128, 160))
    near = all(word[: WORD - 4] == _SMALL for word in offsets)
    return "words 3, 4 and 5 are offsets, as in a fullReport's head" if near and raw[192:] else ""


def without_signatures(raw: bytes) -> str:
    """Some SDKs' mocks encode the context and the report alone, which no contract accepts."""
    start = int.from_bytes(raw[96:128], "big")
    length = int.from_bytes(raw[128:160], "big")
    fits = start == 4 * WORD and length == len(raw) - 5 * WORD
    return "a context and a report, encoded without signatures" if fits else ""


def snappy_evidence(raw: bytes) -> str:
    try:
        size = uncompressed_size(raw)
        # Raw snappy makes at most 64 bytes out of 3, and never more than a sixth longer.
        if not len(raw) * 3 // 4 < size <= min(MAX_PAYLOAD_BYTES, 22 * len(raw)):
            return ""
        if not begins_well(raw):
            return ""
        decompress(raw)
    except Malformed:
        return ""
    return f"raw snappy of {size} bytes"


def _legacy_report(raw: bytes) -> str:
    if len(raw) != SCHEMAS[b"\x00\x01"].size:
        return ""
    known = not isinstance(decode_report(raw).report, UnknownReport)
    return "288 bytes that read cleanly as schema v1" if known else ""


def _broken_report(raw: bytes) -> str:
    schema = SCHEMAS.get(raw[:2])
    if schema is None or raw[32:60] != bytes(28) or raw[64:92] != bytes(28):
        return ""
    return f"a feed ID of schema {schema.key} and two timestamps"


EVIDENCE = (
    Evidence(80, "full_report", _snug_full_report),
    Evidence(75, "report", _exact_report),
    Evidence(70, "full_report", _full_report),
    Evidence(65, "full_report", without_signatures),
    Evidence(50, "snappy", snappy_evidence, doubtful=True),
    Evidence(20, "report", _legacy_report, doubtful=True),
    Evidence(10, "report", _broken_report, doubtful=True),
)
