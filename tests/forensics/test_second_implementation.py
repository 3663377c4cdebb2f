"""The scan's tables against those that are made a payload at a time, and the findings in both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from payloads import forensics
from payloads.cli.main import main
from payloads.forensics.tables import MAPPED
from tests.forensics import planted, slow_mapper
from tests.forensics.planted import FAULTS, Stage
from tests.forensics.test_planted import assert_found

# What the slow mapper does not fill in, and words that may differ.
ERROR = {"error", "error_field", "error_offset"}
LEFT_OUT = {"frames": ERROR, "payloads": ERROR | {"provenance", "guess", "form", "signatures"}}
KEYS = ("frame", "index", "position", "field", "feed")


@pytest.fixture(scope="module")
def stage() -> Stage:
    # An altered file is told to the slow mapper, not planted in bytes.
    return Stage(11, [name for name in FAULTS if name != "altered-file"])


@pytest.fixture(scope="module")
def scan(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> forensics.Scan:
    folder = tmp_path_factory.mktemp("captures")
    stage.write(folder)
    out = tmp_path_factory.mktemp("out")
    return forensics.scan([folder], state=list(planted.STATES), out=out, jobs=1)


def rows(table: pa.Table) -> dict[tuple[Any, ...], dict[str, Any]]:
    for number, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):  # nanoseconds have no Python form
            table = table.set_column(number, field.name, table[field.name].cast(pa.int64()))
    return {tuple(record.get(key) for key in KEYS): record for record in table.to_pylist()}


def test_the_scan_makes_the_same_tables(scan: forensics.Scan, tmp_path: Path) -> None:
    paths = [Path(path) for path in scan.table("inputs").column("path").to_pylist()]
    slow_mapper.write(paths, tmp_path, planted.STATES)
    for name in MAPPED:
        if name == "events":
            continue
        ours, slow = rows(scan.table(name)), rows(pq.read_table(tmp_path / name))
        assert ours.keys() == slow.keys(), name
        columns = set(MAPPED[name].names) - LEFT_OUT.get(name, set())
        for key, row in ours.items():
            assert {each: row[each] for each in columns} == {
                each: slow[key][each] for each in columns
            }, name


def test_the_same_is_found_in_them(stage: Stage, scan: forensics.Scan) -> None:
    assert_found(stage, forensics.find(scan.folder))


def test_the_command_scans_and_finds(tmp_path: Path) -> None:
    (tmp_path / "captures").mkdir()
    Stage(3, ["gap", "unsigned-bytes"]).write(tmp_path / "captures")
    out, policy = tmp_path / "out", tmp_path / "policy.toml"
    arguments = ["scan", str(tmp_path / "captures"), "-o", str(out), "-j", "1", "--no-page"]

    def run(*more: str) -> Any:
        return CliRunner().invoke(main, [*arguments, "--policy", str(policy), *more])

    policy.write_text("fail_off = 1\n")
    result = run()
    assert (result.exit_code, out.exists()) == (2, False)
    assert "'fail_on'?" in result.stderr
    policy.write_text('fail_on = "warning"\n')
    result = run()
    assert result.exit_code == 1
    assert "fails gap: 1 of severity warning" in result.stdout.splitlines()
    lines = (out / "findings.jsonl").read_text(encoding="utf-8").splitlines()
    codes = {json.loads(line)["code"] for line in lines}
    assert codes == {"duplicate", "gap", "unsigned-bytes"}
    assert pq.read_table(out / "findings.parquet").num_rows == len(lines)
    again = run("--baseline", str(out / "findings.jsonl"))
    assert again.exit_code == 0
