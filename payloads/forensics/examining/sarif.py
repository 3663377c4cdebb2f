"""Findings as SARIF 2.1.0, which code hosts and security tools read.

A rule is a `reportingDescriptor`, a finding a `result`. Each example is a location: the file, and
the byte of the decompressed file at which its record begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from payloads._version import __version__
from payloads.forensics.examining.records import FINGERPRINTS, Finding, Place
from payloads.forensics.examining.rules import Rule

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_LEVELS = {"info": "note", "warning": "warning", "danger": "error"}


def log(rules: Sequence[Rule], findings: Sequence[Finding], baseline: bool) -> dict[str, Any]:
    """The log with one run: these rules, and a result for each finding."""
    numbers = {rule.code: number for number, rule in enumerate(rules)}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "payloads",
                        "semanticVersion": __version__,
                        "rules": [_rule(rule) for rule in rules],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "artifacts": [{"location": {"uri": uri}} for uri in _files(findings)],
                "results": [
                    _result(finding, numbers[finding.code], baseline) for finding in findings
                ],
            }
        ],
    }


def _files(findings: Sequence[Finding]) -> list[str]:
    return sorted({_uri(row.path) for finding in findings for row in finding.rows if row.path})


def _rule(rule: Rule) -> dict[str, Any]:
    record: dict[str, Any] = {
        "id": rule.code,
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {"group": rule.group, "revision": rule.revision, "tags": [rule.group]},
    }
    if rule.what:
        record["shortDescription"] = {"text": rule.what.partition(". ")[0].rstrip(".") + "."}
        record["fullDescription"] = {"text": rule.what}
    return record


def _result(finding: Finding, number: int, baseline: bool) -> dict[str, Any]:
    facts = {
        "severity": finding.severity,
        "system": finding.system,
        "feed": finding.feed,
        "signer": finding.signer,
        "connection": finding.connection,
        "began": _time(finding.began),
        "ended": _time(finding.ended),
        "evidence": finding.evidence,
    }
    record: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": number,
        "level": _LEVELS[finding.severity],
        "message": {"text": finding.sentence},
        "occurrenceCount": finding.count,
        "partialFingerprints": dict(
            zip(FINGERPRINTS, (finding.fingerprint, finding.subject), strict=True)
        ),
        "locations": list(_locations(finding.rows)),
        "properties": {key: value for key, value in facts.items() if value is not None},
    }
    if baseline:
        state = "unchanged" if finding.known else "updated" if finding.updated else "new"
        record["baselineState"] = state
    if finding.suppressed:
        record["suppressions"] = [
            {"kind": "external", "status": "accepted", "justification": finding.suppressed}
        ]
    return record


def _locations(rows: Sequence[Place]) -> Iterator[dict[str, Any]]:
    for row in rows:
        if not row.path:
            continue
        place: dict[str, Any] = {"artifactLocation": {"uri": _uri(row.path)}}
        if row.offset is not None:
            place["region"] = {"byteOffset": row.offset}
        where = {"frame": row.frame, "index": row.index, "line": row.line}
        facts = {key: value for key, value in where.items() if value is not None}
        yield {"physicalLocation": place, "properties": facts}


def _uri(path: str) -> str:
    """A path as a reference: relative where it was given so."""
    text = quote(path.replace("\\", "/"), safe="/~!$&'()*+,;=@-._")
    return f"file://{text}" if Path(path).is_absolute() else text


def _time(nanoseconds: int | None) -> str | None:
    if nanoseconds is None:
        return None
    seconds, rest = divmod(nanoseconds, 10**9)
    moment = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{moment}.{rest:09}Z"
