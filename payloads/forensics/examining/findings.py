"""The second stage of a scan: findings in its tables, by a SELECT of DuckDB for each rule.

    found = find("scan")                      # a folder that `payloads scan` wrote
    found.write("scan")                       # findings.parquet, findings.jsonl, findings.sarif
    found.fails                               # why the exit code is 1

Rules (`rules`) say what there is, the policy (`policy`) what of it matters, `search` groups and
counts. Tables larger than the memory are no problem.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from payloads.errors import Misuse, not_installed

try:
    import pyarrow as pa
except ImportError as error:
    raise not_installed("pyarrow", "scan") from error

from msgspec.structs import asdict

from payloads.abi.fields import Record
from payloads.forensics.examining import sarif
from payloads.forensics.examining.database import database
from payloads.forensics.examining.policy import Baseline, Policy
from payloads.forensics.examining.records import FINGERPRINTS, Finding
from payloads.forensics.examining.rules import SEVERITIES, Rule, load
from payloads.forensics.examining.search import Search, placed
from payloads.forensics.examining.shuffle import Shuffle
from payloads.forensics.tables import FINDINGS, MAPPED
from payloads.forensics.writing import write_text, write_whole
from payloads.inputs import to_path

if TYPE_CHECKING:
    from payloads.forensics.cluster import Cluster

MEMORY = "1GB"
_PLAIN = (
    *("code", "revision", "severity", "group", "system", "feed", "signer", "connection"),
    *("began", "ended", "count", "sentence"),
)


class Findings(Record, frozen=True):
    """The findings of a folder, the gravest first, and the rules that were run."""

    findings: tuple[Finding, ...]
    rules: tuple[Rule, ...]
    policy: Policy
    baseline: bool = False

    @property
    def new(self) -> tuple[Finding, ...]:
        """The findings that are neither suppressed nor in the baseline."""
        return tuple(finding for finding in self.findings if finding.new)

    @property
    def fails(self) -> tuple[str, ...]:
        """Why the exit code is 1, in sentences; empty where it is 0."""
        return tuple(self.policy.failures(self.findings))

    def to_dicts(self) -> Iterator[dict[str, Any]]:
        """The lines of findings.jsonl."""
        return map(_to_dict, self.findings)

    def table(self) -> pa.Table:
        """The table `findings`."""
        return pa.Table.from_pylist([_row(finding) for finding in self.findings], schema=FINDINGS)

    def to_sarif(self) -> dict[str, Any]:
        """The findings as a log of SARIF 2.1.0."""
        return sarif.log(self.rules, self.findings, self.baseline)

    def write(self, out_dir: str | Path) -> None:
        """Write findings.parquet, findings.jsonl and findings.sarif to a folder."""
        folder = to_path(out_dir)
        lines = "".join(_json(record) + "\n" for record in self.to_dicts())
        log = json.dumps(self.to_sarif(), ensure_ascii=False, indent=1)
        write_text(lines, folder / "findings.jsonl")
        write_text(log, folder / "findings.sarif")
        write_whole(self.table(), folder / "findings.parquet")


def check(
    *,
    policy: str | Path | None = None,
    baseline: str | Path | None = None,
    sql: Iterable[str | Path] = (),
) -> None:
    """Raise the `Misuse` that `find` would raise for these files, without any tables."""
    Policy.load(policy, load(sql))
    Baseline.load(baseline)


def find(
    out_dir: str | Path,
    *,
    policy: Policy | str | Path | None = None,
    baseline: str | Path | None = None,
    sql: Iterable[str | Path] = (),
    memory_limit: str = MEMORY,
    threads: int | None = None,
    cluster: Cluster | None = None,
) -> Findings:
    """The findings in a folder that a scan wrote. Nothing is written.

    `policy` is a TOML file, `baseline` an earlier findings.jsonl, and `sql` are files or folders
    with further rules; docs/findings.md describes all three. What cannot be used of them, and a
    rule that DuckDB refuses, is `Misuse`. The workers of a `cluster` search in its stead, and find
    the same.
    """
    folder = to_path(out_dir)
    if not any((folder / table).is_dir() for table in MAPPED):
        raise Misuse("not the folder of a scan", field=str(folder), expected="its tables")
    rules = load(sql)
    chosen = policy if isinstance(policy, Policy) else Policy.load(policy, rules)
    earlier = Baseline.load(baseline)
    rules = tuple(rule for rule in rules if not chosen.off(rule))
    with contextlib.ExitStack() as stack:
        files: dict[str, list[Path]] = {}
        if cluster is not None:
            shuffle = stack.enter_context(Shuffle(cluster, folder, chosen, memory_limit))
            files = shuffle.found(rules)
        opened = stack.enter_context(database(folder, memory_limit, threads))
        searches = [Search(opened, rule, chosen, files.get(rule.code)) for rule in rules]
        found = placed(opened, [each for search in searches for each in search.findings()])
    found = [chosen.marked(earlier.marked(finding)) for finding in found]
    found.sort(key=_gravity)
    return Findings(tuple(found), rules, chosen, earlier.given)


def _gravity(finding: Finding) -> tuple[Any, ...]:
    return (-SEVERITIES.index(finding.severity), finding.code, -finding.count, finding.fingerprint)


def _to_dict(finding: Finding) -> dict[str, Any]:
    return {
        **{name: getattr(finding, name) for name in _PLAIN},
        "rows": [asdict(row) for row in finding.rows],
        "evidence": finding.evidence,
        "fingerprints": dict(
            zip(FINGERPRINTS, (finding.fingerprint, finding.subject), strict=True)
        ),
        "suppressed": finding.suppressed or None,
        "known": finding.known,
    }


def _row(finding: Finding) -> dict[str, Any]:
    return {
        **{name: getattr(finding, name) for name in _PLAIN},
        "rows": [{"frame": row.frame, "index": row.index} for row in finding.rows],
        "evidence": _json(finding.evidence),
        "fingerprint": finding.fingerprint,
        "suppressed": bool(finding.suppressed),
        "known": finding.known,
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
