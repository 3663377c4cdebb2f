"""A scan takes as much memory for a large input as for a small one."""

from __future__ import annotations

from pathlib import Path

import pytest

from payloads.forensics import writing
from payloads.forensics.scanning import passing, run, work
from tests.forensics import kit
from tests.memory_limit import needs_measure, run_limited

# Several times the memory of a block, and a small part of the large input and its tables.
MOST = 50 * 10**6
# The frames of the small input: more than a block.
SMALL = 125


def scan_in_small_blocks(path: str, out: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passing, "BLOCK_BYTES", 2**18)
        patch.setattr(work, "BLOCK_BYTES", 2**18)
        patch.setattr(work, "MOST_BYTES", 2**18)
        patch.setattr(writing, "_MOST_BYTES", 2**20)
        run.scan(path, out=out, jobs=1, recovers=False, part_bytes=2**21)


@needs_measure
@pytest.mark.parametrize("times", [1, 100])
def test_memory_does_not_grow_with_the_input(times: int, tmp_path: Path) -> None:
    lines = [kit.line(kit.chainlink_frame(kit.report(number), number)) for number in range(SMALL)]
    path = tmp_path / "capture.jsonl"
    with path.open("wb") as stream:
        for _ in range(times):
            stream.write(b"\n".join([*lines, b""]))
    run_limited(scan_in_small_blocks, str(path), str(tmp_path / "out"), most=MOST)
    assert run.Scan(tmp_path / "out").counts["payloads"] == SMALL * times
