"""docs/testing.md and SECURITY.md say what there is: lanes, counts, tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.inputs_tried import PAGE, page_with, table

ROOT = Path(__file__).resolve().parent.parent
SECURITY = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", SECURITY)))


def test_the_table_of_inputs_is_the_one_that_the_script_writes() -> None:
    assert PAGE.read_text(encoding="utf-8") == page_with(table())


def test_the_page_has_every_lane_of_ci() -> None:
    page = PAGE.read_text(encoding="utf-8")
    lanes = re.findall(
        r"^lane make --no-print-directory (\S+)", (ROOT / ".ci/run").read_text(), re.M
    )
    assert len(lanes) >= 6
    for lane in lanes:
        assert f"| `make {lane}" in page, lane


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_security_names_tests_that_there_are(path: str, name: str) -> None:
    source = (ROOT / path).read_text(encoding="utf-8")
    assert re.search(rf"^(async )?def {name}\(", source, re.M), f"{path}::{name}"


@pytest.mark.parametrize("line", [line for line in SECURITY.splitlines() if line.startswith("| ")])
def test_every_promise_is_held_by_a_test(line: str) -> None:
    if "what is promised" not in line:
        assert "`tests/" in line or "not held by a test" in line
