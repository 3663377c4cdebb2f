"""A scanned folder made by hand, for tests of what reads such folders.

Two Chainlink feeds and a Stork signer over three connections, ten minutes of them. Planted: a
report that three strangers signed, received by two connections; a report that does not decode; a
Stork update that came three times; a feed that is silent for 90 seconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hexbytes import HexBytes

from payloads.chainlink.report import FullReport
from payloads.chainlink.schemas import ReportV3
from payloads.crypto import keccak256
from payloads.forensics import tables
from payloads.stork.update import Asset
from payloads.testing import InsecureTestNetwork, InsecureTestStorkSigner

SECOND = 10**9
BEGAN = int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()) * SECOND
NETWORK = InsecureTestNetwork("forensics", size=7, f=2)
# Signs under the network's digest, without being in its config.
STRANGERS = InsecureTestNetwork("strangers", size=7, f=2, config_digest=NETWORK.config_digest)
STORK = InsecureTestStorkSigner("forensics")
FEEDS = tuple(HexBytes(b"\x00\x03" + bytes([number]) * 30) for number in (0x11, 0x22))
CONTRACT = "0x" + "5c" * 20
PATHS = ("one.jsonl", "two.jsonl.gz", "stork.har")
SILENT_FROM, SILENT_FOR = 300, 90
BAD_AT, MALFORMED_AT, SPIKE_AT, REPEATED_AT = 200, 420, 250, 100


def hexed(raw: bytes) -> str:
    return "0x" + raw.hex()


def report(feed: int, second: int, price: int) -> ReportV3:
    at = BEGAN // SECOND + second
    return ReportV3(
        FEEDS[feed], at, at, 1, 1, at + 3600, price * 10**18, price * 10**18 - 10**16,
        price * 10**18 + 10**16,
    )  # fmt: skip


@dataclass
class Made:
    """Rows of each table."""

    rows: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {name: [] for name in tables.TABLES}
    )
    lines: dict[int, int] = field(default_factory=dict)

    def frame(self, source: int, second: float, raw: bytes | None, **more: Any) -> dict[str, Any]:
        line = self.lines[source] = self.lines.get(source, 0) + 1
        at = BEGAN + round(second * SECOND)
        venue = "stork" if source == 2 else "chainlink"
        row = {
            "frame": (source << tables.OFFSET_BITS) + line * 1000,
            "input": source, "line": line, "offset": line * 1000, "at": at, "venue": venue,
            "connection": source << tables.CONNECTION_BITS, "direction": "in", "opcode": "text",
            "size": 0 if raw is None else len(raw) * 2, "redacted": False,
            "kind": "message" if raw is None else "signed", "payloads": int(raw is not None),
        } | more  # fmt: skip
        self.rows["frames"].append(row)
        return row

    def payload(self, frame: dict[str, Any], raw: bytes, **more: Any) -> dict[str, Any]:
        shared = {key: frame[key] for key in ("frame", "at", "venue", "connection", "direction")}
        row = shared | {
            "index": 0, "path": "", "size": len(raw), "raw": raw, "signatures": 0,
            "payload_hash": hexed(keccak256(raw)), "provenance": "structure",
        } | more  # fmt: skip
        self.rows["payloads"].append(row)
        return row

    def chainlink(
        self, source: int, second: float, signed: FullReport, *, verdict: str = "accepted",
        error: str | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        read = signed.report
        assert isinstance(read, ReportV3)
        raw = signed.encode()
        row = self.payload(
            self.frame(source, second, raw), raw, system="chainlink", form="full_report",
            schema="v3", feed=hexed(read.feed_id), network=hexed(signed.config_digest),
            observed=read.observations_timestamp * SECOND,
            valid_from=read.valid_from_timestamp * SECOND, expires=read.expires_at * SECOND,
            sequence=signed.epoch << 8 | signed.round,
            signed_hash=hexed(signed.signing_digest), canonical=True, unsigned_bytes=0,
            signatures=len(signed.rs),
        )  # fmt: skip
        self.verdict(row, verdict, error)
        for name in ("benchmark_price", "bid", "ask"):
            self.price(row, name, getattr(read, name))
        for position, found in enumerate(signed_by(signed)):
            self.signature(row, position, found, NETWORK.signers, row["network"])
        return row

    def stork(self, second: float, prices: tuple[int, ...]) -> Any:
        at = BEGAN + round(second * SECOND) - 20_000_000
        assets = [Asset(number + 1, price * 10**18) for number, price in enumerate(prices)]
        raw = STORK.sign(assets, timestamp_ns=at).encode()
        return self.stork_raw(second, raw, at, prices)

    def stork_raw(self, second: float, raw: bytes, at: int, prices: tuple[int, ...]) -> Any:
        row = self.payload(
            self.frame(2, second, raw), raw, system="stork", form="signed_ecdsa", schema="plain",
            observed=at, signed_hash=hexed(keccak256(raw[65:])), canonical=True, signatures=1,
        )  # fmt: skip
        self.verdict(row, "accepted", None)
        for number, price in enumerate(prices):
            self.price(row, "value", price * 10**18, feed=f"1/{number + 1}")
        self.signature(row, 0, STORK.address, (STORK.address,), network=None)
        return row

    def verdict(self, row: dict[str, Any], verdict: str, error: str | None) -> None:
        good = verdict == "accepted"
        self.rows["verdicts"].append(
            {"frame": row["frame"], "index": 0, "now": row["at"], "state": f"{row['system']}.json",
             "accepted": good, "passed": good, "verdict": verdict, "error": error}
        )  # fmt: skip

    def price(self, row: dict[str, Any], name: str, value: int, feed: str | None = None) -> None:
        shared = ("frame", "index", "at", "venue", "connection", "system", "observed", "expires")
        self.rows["prices"].append(
            {key: row.get(key) for key in shared}
            | {"feed": feed or row["feed"], "field": name, "value": Decimal(value),
               "received": row["at"], "latency_ns": row["at"] - row["observed"],
               "passed": self.rows["verdicts"][-1]["passed"]}
        )  # fmt: skip

    def signature(
        self, row: dict[str, Any], position: int, signer: str, members: tuple[str, ...],
        network: str | None = hexed(NETWORK.config_digest),
    ) -> None:  # fmt: skip
        shared = ("frame", "index", "at", "venue", "connection", "system", "feed", "signed_hash")
        self.rows["signatures"].append(
            {key: row.get(key) for key in shared}
            | {"position": position, "signer": signer.lower(), "v": 27, "high_s": False,
               "network": network, "member": (network or CONTRACT) if signer in members else None}
        )  # fmt: skip

    def finding(self, code: str, severity: str, group: str, found: list[Any], **more: Any) -> None:
        first, last = found[0], found[-1]
        self.rows["findings"].append({
            "code": code, "revision": 1, "severity": severity, "group": group,
            "system": first.get("system"), "feed": first.get("feed"), "began": first["at"],
            "ended": last["at"], "count": len(found), "sentence": f"{code} was found",
            "rows": [{"frame": row["frame"], "index": 0} for row in found[:20]], "evidence": "{}",
            "fingerprint": f"{code}-{len(self.rows['findings'])}", "suppressed": False,
            "known": False, "connection": first["connection"],
        } | more)  # fmt: skip

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True)
        for name, rows in self.rows.items():
            batch = pa.Table.from_pylist(rows, tables.TABLES[name])
            if name in tables.MAPPED:
                (folder / name).mkdir()
                half = len(batch) // 2  # two parts, as a scan has many
                pq.write_table(batch.slice(0, half), folder / name / "00000-00000.parquet")
                pq.write_table(batch.slice(half), folder / name / "00001-00000.parquet")
            else:
                pq.write_table(batch, folder / f"{name}.parquet")
        record = {"tool": "payloads test", "complete": True, "tables": tables.TABLES_REVISION}
        (folder / "scan.json").write_text(json.dumps(record), encoding="utf-8")
        return folder


def signed_by(signed: FullReport) -> Iterator[str]:
    from payloads import chainlink

    for found in chainlink.recover(signed):
        assert found.address is not None
        yield found.address


def made(folder: Path, *, hostile: str = "") -> Path:
    """Write the folder. `hostile` is text that stands wherever a text of others can stand."""
    plan = Made()
    for number, path in enumerate(PATHS):
        plan.rows["inputs"].append(
            {"input": number, "path": hostile + path, "bytes": 1000, "sha256": hexed(bytes(32)),
             "kind": "capture", "frames": 1, "read": True, "problems": [hostile or "none"]}
        )  # fmt: skip
    bad = []
    for second in range(0, 600, 5):
        price = 900 if second == SPIKE_AT else 100 + second // 60
        for feed in (0, 1):
            if feed == 1 and SILENT_FROM < second < SILENT_FROM + SILENT_FOR:
                continue
            signed = NETWORK.sign(report(feed, second, price), epoch=second + 1)
            if feed == 0 and second == BAD_AT:
                signed = STRANGERS.sign(report(feed, second, price), epoch=second + 1)
                for source in (0, 1):
                    delay = 0.3 + source / 10
                    bad.append(
                        plan.chainlink(
                            source,
                            second + delay,
                            signed,
                            verdict="refused",
                            error="BadVerification",
                        )
                    )
                continue
            plan.chainlink(feed, second + 0.25, signed)
        plan.stork(second + 0.5, (50, 60))
    first = next(row for row in plan.rows["payloads"] if row["system"] == "stork"
                 and row["at"] >= BEGAN + REPEATED_AT * SECOND)  # fmt: skip
    again = [first] + [
        plan.stork_raw(REPEATED_AT + 1 + n, first["raw"], first["observed"], (50, 60))
        for n in (1, 2)
    ]
    broken = NETWORK.sign(report(0, MALFORMED_AT, 100)).encode()[:-70]
    row = plan.payload(plan.frame(0, MALFORMED_AT, broken), broken, system="chainlink",
                       form="full_report", error=f"{hostile}rs at byte 640: cut off",
                       error_offset=640, error_field="rs")  # fmt: skip
    plan.frame(1, 500, None, what="heartbeat")
    plan.rows["frames"].append(plan.rows["frames"][-1] | {
        "frame": (1 << tables.OFFSET_BITS) + 10**6, "kind": "incident", "what": "closed",
        "detail": json.dumps({"reason": hostile or "going away"}), "opcode": None,
    })  # fmt: skip
    plan.finding(
        "unknown-signer",
        "danger",
        "signature",
        bad,
        signer=STRANGERS.signers[0].lower(),
        sentence=f"{hostile}3 signers of no config",
        evidence=json.dumps(
            {"signers": [one.lower() for one in STRANGERS.signers[:3]], "x": hostile}
        ),
    )
    plan.finding("malformed", "danger", "payload", [row])
    plan.finding("duplicate", "info", "stream", again)
    spike = next(row for row in plan.rows["payloads"]
                 if row["at"] == BEGAN + SPIKE_AT * SECOND + SECOND // 4)  # fmt: skip
    plan.finding("jump", "warning", "price", [spike], feed=spike["feed"])
    silence = BEGAN + SILENT_FROM * SECOND
    plan.finding("stale-feed", "warning", "stream", [bad[0]], feed=hexed(FEEDS[1]), rows=[],
                 began=silence, ended=silence + SILENT_FOR * SECOND)  # fmt: skip
    plan.finding("gap", "info", "stream", [bad[0]], suppressed=True, sentence="never shown")
    return plan.write(folder)
