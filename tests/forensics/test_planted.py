"""Every fault that is planted is found, and nothing is found in clean traffic.

PAYLOADS_PLANTED is how many random mixes are tried.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path

import pytest

from payloads.forensics.examining.findings import Findings, find
from payloads.forensics.examining.rules import ours
from payloads.forensics.scanning.files import examine
from tests.forensics import planted, slow_mapper
from tests.forensics.planted import FAULTS, Stage

MIXES = int(os.environ.get("PAYLOADS_PLANTED", "3"))


def findings_of(stage: Stage, folder: Path) -> Findings:
    files, out = folder / "files", folder / "out"
    files.mkdir(parents=True)
    slow_mapper.write(stage.write(files), out, planted.STATES)
    examine(out)
    return find(out)


def assert_found(stage: Stage, found: Findings) -> None:
    """Exactly what was planted is found, and as often."""
    counts: Counter[tuple[str, str]] = Counter()
    for finding in found.findings:
        counts[finding.code, finding.feed or ""] += finding.count
    assert counts.keys() == stage.expected.keys()
    for key, count in stage.expected.items():
        # Two origins send everything twice, which is counted but not of interest.
        assert counts[key] == count or count < 0, key


def test_nothing_is_found_in_clean_traffic(tmp_path: Path) -> None:
    """Reconnects, two origins, pings of venues, a rotated file, a quiet feed, an answer by HTTP."""
    stage = Stage(0)
    found = findings_of(stage, tmp_path)
    assert {finding.severity for finding in found.findings} == {"info"}
    assert_found(stage, found)
    assert not found.fails
    assert len(list((tmp_path / "files").glob("stork*"))) > 1


@pytest.mark.parametrize("seed", range(MIXES))
def test_every_planted_fault_is_found_and_nothing_else(seed: int, tmp_path: Path) -> None:
    """Random mixes of faults; the first has them all."""
    dice = random.Random(seed)
    chosen = dice.choices(list(FAULTS), k=dice.randrange(1, 20)) if seed else list(FAULTS)
    stage = Stage(seed, chosen)
    assert_found(stage, findings_of(stage, tmp_path))


def test_every_code_is_planted() -> None:
    planted_codes = {code for code, _ in Stage(0, FAULTS).expected}
    assert planted_codes == {rule.code for rule in ours()}
    assert len(planted_codes) == 27
