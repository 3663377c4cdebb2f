"""Two vantage points: what each lacks, by what was signed, and which was first."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from payloads.cli.main import main
from payloads.errors import Misuse
from payloads.forensics.showing import diff as comparing
from payloads.forensics.showing.diff import diff
from payloads.forensics.showing.folder import Folder
from tests.forensics import made
from tests.forensics.made import BEGAN, SECOND, Made

MS = 10**6


def written(folder: Path, fill: Callable[[Made], None]) -> Path:
    plan = Made()
    plan.rows["inputs"].append(
        {"input": 0, "path": f"{folder.name}.jsonl", "bytes": 1, "read": True, "frames": 1}
    )
    fill(plan)
    return plan.write(folder)


def signed(second: int, by: tuple[int, ...] = (0, 1, 2)) -> Any:
    return made.NETWORK.sign(made.report(0, second, 100), epoch=second + 1, by=by)


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A lacks second 4 and hears 30 ms before B; B lacks 7 and 8, and hears 2 first."""

    def first(plan: Made) -> None:
        for second in range(10):
            if second != 4:
                plan.chainlink(0, second + 0.100, signed(second))

    def second_one(plan: Made) -> None:
        for second in range(12):
            if second not in (7, 8):
                late = 0.050 if second == 2 else 0.130 + second / 1000
                plan.chainlink(0, second + late, signed(second))
        plan.chainlink(0, 9.5, signed(9))

    home = tmp_path_factory.mktemp("scans")
    return written(home / "a", first), written(home / "b", second_one)


@pytest.fixture(scope="module")
def figures(scans: tuple[Path, Path]) -> Any:
    with Folder(scans[0]) as first, Folder(scans[1]) as second:
        return diff(first, second)


def test_what_each_side_lacks(figures: Any) -> None:
    assert (figures["a"]["different"], figures["a"]["payloads"]) == (9, 9)
    assert (figures["b"]["different"], figures["b"]["payloads"]) == (10, 11)
    assert [each["at"] - BEGAN for each in figures["a"]["list"]] == [
        7 * SECOND + 100 * MS, 8 * SECOND + 100 * MS,
    ]  # fmt: skip
    assert figures["a"]["list"][0]["place"]["path"] == "a.jsonl"
    assert figures["a"]["list"][0]["place"]["line"] == 7
    assert figures["b"]["alone"] == 3
    assert figures["b"]["alone_in_the_overlap"] == 1, "10 and 11 came when A had ended"
    assert figures["b"]["list"][0]["at"] - BEGAN == 4 * SECOND + 134 * MS
    assert not comparing.same(figures)


def test_which_was_first_and_by_how_much(figures: Any) -> None:
    both = figures["both"]
    assert (both["count"], both["a_first"], both["b_first"], both["together"]) == (7, 6, 1, 0)
    assert both["ahead"]["b"] == dict.fromkeys(("50", "95", "99", "most"), 50 * MS)
    assert both["ahead"]["a"]["most"] == 39 * MS
    assert both["least"] == -50 * MS
    assert both["50"] == 33 * MS
    (feed,) = figures["feeds"]["list"]
    assert (feed["feed"], feed["count"]) == (made.hexed(made.FEEDS[0]), 7)


def test_other_signatures_on_the_same_report_are_the_same_payload(tmp_path: Path) -> None:
    def fill(by: tuple[int, ...]) -> Callable[[Made], None]:
        def three(plan: Made) -> None:
            for second in range(3):
                plan.chainlink(0, second, signed(second, by))

        return three

    one, other = written(tmp_path / "a", fill((0, 1, 2))), written(tmp_path / "b", fill((3, 4, 5)))
    with Folder(one) as first, Folder(other) as second:
        found = diff(first, second)
        assert comparing.same(found)
    assert found["both"]["together"] == 3


def test_a_scan_is_not_compared_with_itself(scans: tuple[Path, Path]) -> None:
    with Folder(scans[0]) as one, Folder(scans[0]) as again, pytest.raises(Misuse, match="twice"):
        comparing.checked(one, again)


def ran(*arguments: Any) -> Result:
    return CliRunner().invoke(main, ["diff", *map(str, arguments)])


def test_on_the_terminal_and_as_json(scans: tuple[Path, Path], figures: Any) -> None:
    found = ran(*scans)
    assert found.exit_code == 1, "something is missing"
    assert "9 different payloads, 9 in all" in found.stdout
    assert "3, 1 of them while both listened" in found.stdout
    assert "6, ahead by 33 ms" in found.stdout
    record = json.loads(ran("--json", *scans).stdout)
    assert record["both"] == json.loads(json.dumps(figures["both"]))
    assert record["names"] == {"a": str(scans[0]), "b": str(scans[1])}


def test_scans_of_nothing_are_equal(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "scan.json").write_text("{}")
    found = ran(tmp_path / "a", tmp_path / "b")
    assert (found.exit_code, "received by both" in found.stdout) == (0, True)
    assert ran(tmp_path / "a", tmp_path / "missing").exit_code == 2
