"""A second implementation of a scan's first stage: captures to tables, a payload at a time.

It uses the single decoder, recoverer and judge, and nothing of the scan. The findings are tested on
its tables, and the scan's tables can be held against them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from payloads import judge, recover
from payloads.abi.units import MILLISECONDS, NANOSECONDS, SECONDS, Unit
from payloads.capture.compression import Torn
from payloads.capture.format import BrokenLine, CaptureRecord, Header, record_of
from payloads.capture.frames import Frame, Incident
from payloads.chainlink.report import FullReport, UnknownReport
from payloads.chainlink.schemas import Report
from payloads.errors import PayloadError
from payloads.forensics.tables import CONNECTION_BITS, MAPPED, OFFSET_BITS, TABLES
from payloads.inputs import parse_json
from payloads.recognise import Decoded, decode
from payloads.stork.update import SignedUpdate, UnsignedUpdate
from payloads.systems import SYSTEMS
from payloads.verdicts.state import State

Rows = dict[str, list[dict[str, Any]]]
_SCALE: dict[Unit, int] = {SECONDS: 10**9, MILLISECONDS: 10**6, NANOSECONDS: 1}


def write(
    paths: Sequence[Path],
    out_dir: Path,
    states: Sequence[State] = (),
) -> None:
    """The tables of these captures, in a folder as a scan writes it."""
    rows: Rows = {table: [] for table in TABLES}
    captures: dict[str, int] = {}
    for number, path in enumerate(paths):
        _Input(number, path, rows, states, captures).read()
    for table in MAPPED:
        folder = out_dir / table
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(
            pa.Table.from_pylist(rows[table], schema=TABLES[table]), folder / "00000-00000.parquet"
        )
    pq.write_table(
        pa.Table.from_pylist(rows["inputs"], schema=TABLES["inputs"]), out_dir / "inputs.parquet"
    )


class _Input:
    def __init__(
        self,
        number: int,
        path: Path,
        rows: Rows,
        states: Sequence[State],
        captures: dict[str, int],
    ) -> None:
        self.number, self.path, self.rows, self.states = number, path, rows, states
        self.captures = captures

    def read(self) -> None:
        header, ended, frames, raw = Header(0), False, 0, self.path.read_bytes()
        for line, offset, record in _records(raw):
            if isinstance(record, Header):
                header = record
                # Connections go on in the parts of a capture.
                self.captures.setdefault(record.id, self.number)
                continue
            ended = isinstance(record, Incident) and record.what == "end"
            frames += 1
            self._record(record, line, offset, self.captures.get(header.id, self.number))
        self.rows["inputs"].append(
            {
                "input": self.number, "path": str(self.path), "bytes": len(raw),
                "sha256": sha256(raw).hexdigest(), "kind": "capture", "venue": header.venue,
                "capture": header.id, "part": header.part, "created": header.created,
                "frames": frames, "complete": ended, "read": True, "problems": [],
            }
        )  # fmt: skip

    def _record(
        self, record: Frame | Incident | BrokenLine, line: int, offset: int, first: int
    ) -> None:
        row: dict[str, Any] = {
            "frame": self.number << OFFSET_BITS | offset, "input": self.number, "line": line,
            "offset": offset, "payloads": 0, "redacted": False,
            "connection": first << CONNECTION_BITS,
        }  # fmt: skip
        if isinstance(record, BrokenLine):
            row |= {"kind": "unread", **_error(record.error)}
            self.rows["frames"].append(row)
            return
        row |= {
            "at": record.at or None,
            "venue": record.venue,
            "connection": first << CONNECTION_BITS | record.connection,
        }
        if isinstance(record, Incident):
            detail = json.dumps(record.detail, separators=(",", ":"))
            row |= {"kind": "incident", "what": record.what, "detail": detail}
            if record.reply is not None:
                row["direction"] = "in"
                self._message(row, record.reply.body.decode())
        else:
            row |= {"direction": record.direction, "opcode": record.opcode, "size": record.size}
            row["kind"] = "message" if record.is_message else "control"
            if record.is_message:
                self._message(row, record.raw.decode("utf-8", "replace"))
        self.rows["frames"].append(row)

    def _message(self, row: dict[str, Any], text: str) -> None:
        if text in ("ping", "pong"):
            return
        try:
            message = parse_json(text)
        except PayloadError as error:
            row |= _error(error)
            return
        if isinstance(message, dict):
            row["what"] = row.get("what") or message.get("type")
            if any(system.is_frame(message) for system in SYSTEMS):
                self._payloads(row, message)

    def _payloads(self, row: dict[str, Any], message: dict[str, Any]) -> None:
        try:
            leaves = list(decode(message).leaves())
        except PayloadError as error:
            leaves = [Decoded("", "", raw=_raw(message), error=error)]
        row |= {"kind": "signed", "payloads": len(leaves)}
        for index, leaf in enumerate(leaves):
            place = {key: row.get(key) for key in ("frame", "at", "venue", "connection")}
            self._payload(place | {"index": index}, row["direction"], leaf)

    def _payload(self, place: dict[str, Any], direction: str, leaf: Decoded) -> None:
        value, raw = leaf.value, leaf.raw
        system = leaf.system or place["venue"]
        facts: dict[str, Any] = {
            "system": system, "form": leaf.form, "path": leaf.path, "direction": direction,
            "raw": raw or None, "size": len(raw) or None, "signatures": 0,
            "payload_hash": "0x" + sha256(raw).hexdigest() if raw else None,
        }  # fmt: skip
        if leaf.error is not None:
            facts |= _error(leaf.error)
        else:
            facts |= _facts(value)
            notes = [note for note in leaf.notes if note.code == "frame-contradicts-payload"]
            facts["contradiction"] = "; ".join(note.message for note in notes) or None
        passed = None
        if raw:
            passed = self._verdict(place, system, raw)
        elif self.states:
            row = {key: place[key] for key in ("frame", "index")}
            self.rows["verdicts"].append(row | {"problem": "not signed"})
        self.rows["payloads"].append(place | facts)
        if leaf.error is None:
            self._prices(place, facts, value, passed)
            if not isinstance(value, UnsignedUpdate):
                self._signatures(place, facts, value)

    def _state(self, system: str, at: int | None) -> State | None:
        contracts = {"chainlink": "v", "stork": "stork"}[system]
        found = [state for state in self.states if state.contract.startswith(contracts)]
        return found[0] if found else None

    def _verdict(self, place: dict[str, Any], system: str, raw: bytes) -> bool | None:
        state = self._state(system, place["at"])
        if state is None or place["at"] is None:
            return None
        verdict = judge(raw, state, now=place["at"] // 10**9)
        self.rows["verdicts"].append(
            {key: place[key] for key in ("frame", "index")}
            | {
                "now": place["at"] // 10**9 * 10**9, "state": state.contract,
                "error": verdict.error,
                "accepted": verdict.accepted, "passed": verdict.passed, "verdict": verdict.name,
                "revert_data": verdict.revert_data,
            }
        )  # fmt: skip
        return verdict.passed

    def _prices(
        self, place: dict[str, Any], facts: dict[str, Any], value: Any, passed: bool | None
    ) -> None:
        common = {key: facts.get(key) for key in ("system", "observed", "valid_from", "expires")}
        for feed, field, number in _values(value):
            fits = abs(number) < 10**38
            self.rows["prices"].append(
                place | common | {
                    "feed": feed, "field": field, "value": number if fits else None,
                    "wide": None if fits else str(number), "received": place["at"],
                    "passed": passed, "latency_ns": _latency(place["at"], facts["observed"]),
                }
            )  # fmt: skip

    def _signatures(self, place: dict[str, Any], facts: dict[str, Any], value: Any) -> None:
        if not facts["signatures"]:
            return
        state = self._state(facts["system"], place["at"])
        common = {key: facts.get(key) for key in ("system", "feed", "signed_hash", "network")}
        for position, found in enumerate(recover(value)):
            signer = None if found.address is None else found.address.lower()
            self.rows["signatures"].append(
                place | common | {
                    "position": position, "signer": signer, "v": found.v,
                    "why": found.why or None, "high_s": found.high_s,
                    "member": None if state is None else _member(state, signer),
                }
            )  # fmt: skip


def _records(raw: bytes) -> Iterator[tuple[int, int, CaptureRecord]]:
    offset = 0
    for number, line in enumerate(raw.splitlines(keepends=True), 1):
        whole = line.endswith(b"\n")
        record = record_of(line.rstrip(b"\n"), number, whole)
        if not (isinstance(record, BrokenLine) and isinstance(record.error, Torn)):
            yield number, offset, record
        offset += len(line)


def _latency(at: int | None, observed: int | None) -> int | None:
    return None if at is None or observed is None else at - observed


def _error(error: PayloadError) -> dict[str, Any]:
    return {"error": str(error), "error_offset": error.offset, "error_field": error.field}


def _raw(message: dict[str, Any]) -> bytes:
    report = message.get("report")
    text = report.get("fullReport") if isinstance(report, dict) else message.get("p")
    try:
        return bytes.fromhex(str(text).removeprefix("0x"))
    except ValueError:
        return b""


def _facts(value: Any) -> dict[str, Any]:
    if isinstance(value, SignedUpdate | UnsignedUpdate):
        facts: dict[str, Any] = {"observed": value.timestamp_ns}
        if isinstance(value, SignedUpdate):
            facts |= {"schema": value.layout, "unsigned_bytes": 0, "canonical": True}
            facts |= {"signatures": 1, "signed_hash": "0x" + value.signing_digest.hex()}
        return facts
    report = value.report
    facts = {"canonical": not value.departures}
    kinds = dict.fromkeys(departure.kind for departure in value.departures)
    facts["departures"] = ",".join(kinds) or None
    spare = [
        each for each in value.departures if each.kind in ("unsigned-bytes", "gap", "trailing")
    ]
    facts["unsigned_bytes"] = sum(each.length for each in spare)
    if isinstance(value, FullReport):
        facts |= {
            "network": "0x" + value.config_digest.hex(), "sequence": value.sequence,
            "signed_hash": "0x" + value.signing_digest.hex(), "signatures": len(value.rs),
        }  # fmt: skip
    if not isinstance(report, UnknownReport):
        facts |= {"schema": f"v{report.schema_version}", "feed": "0x" + report.feed_id.hex()}
        for column, name in _TIMES.items():
            facts[column] = _time(report, name)
    return facts


_TIMES = {
    "observed": "observations_timestamp",
    "valid_from": "valid_from_timestamp",
    "expires": "expires_at",
    "last_seen": "last_seen_timestamp_ns",
}


def _time(report: Report, name: str) -> int | None:
    unit = {row.name: row.unit for row in report.schema.table.fields}.get(name)
    return None if unit is None else int(getattr(report, name)) * _SCALE[unit]


def _values(value: Any) -> Iterator[tuple[str, str, int]]:
    if isinstance(value, SignedUpdate | UnsignedUpdate):
        for asset in value.assets:
            if asset.value is not None:
                yield f"{value.taxonomy_id}/{asset.asset_id}", "value", asset.value
    elif not isinstance(report := value.report, UnknownReport):
        for row in report.schema.table.fields:
            if row.unit.is_price:
                yield "0x" + report.feed_id.hex(), row.name, getattr(report, row.name)


def _member(state: Any, signer: str | None) -> str | None:
    if hasattr(state, "trusted"):
        known = {"0x" + each.hex() for each in state.trusted}
        return str(state.contract) if signer in known else None
    for config in state.configs:
        if signer in {"0x" + each.hex() for each in config.signers}:
            return f"0x{config.config_digest.hex()}"
    return None
