"""The table of inputs tried in docs/testing.md: `python -m tests.inputs_tried` writes it anew.

The counts come from the kept results of the last long fuzz run, from the recorded vectors
themselves, and from the number of examples that Hypothesis makes by default.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "testing.md"
BEGIN, END = "<!-- inputs tried: begin -->\n", "<!-- inputs tried: end -->"
VECTORS = {
    "onchain-outcomes.jsonl.gz": ("verdicts, recorded calls", "tests/test_vectors.py"),
    "raw-call-outcomes.jsonl.gz": ("verdicts, recorded raw calls", "tests/test_raw_calls.py"),
    "today-call-outcomes.jsonl.gz": ("verdicts, calls of today", "tests/test_raw_calls.py"),
    "stork-multisigner-outcomes.jsonl.gz": (
        "verdicts, several signers",
        "tests/test_stork_multisigner.py",
    ),
    "payloads.jsonl": ("decoders, published payloads", "tests/test_corpus.py"),
}


def table() -> str:
    """The table in Markdown."""
    head = "| component | harness or test | inputs | branches | seconds | broken by |\n"
    head += "|---|---|---|---|---|---|\n"
    return head + "".join(f"| {' | '.join(row)} |\n" for row in rows())


def rows() -> Iterator[tuple[str, ...]]:
    results = json.loads((ROOT / "tests/fuzz/results.json").read_text(encoding="utf-8"))
    for name, result in results.items():
        found = len(list((ROOT / "tests/fuzz/found" / name).glob("*.bin")))
        broken = f"{found} inputs" if found else "none" if result["held"] else "see the run"
        harness = f"`tests/fuzz/targets.py`, `{name}`"
        counts = (f"{result[key]:,}" for key in ("runs", "branches", "seconds"))
        yield name, harness, *counts, broken
    for name, (component, test) in VECTORS.items():
        yield component, f"`{test}`", f"{_cases(ROOT / 'fixtures' / name):,}", "", "", "none"
    profile = re.search(r'"dev".*max_examples=(\d+)', _text("tests/conftest.py"))
    assert profile is not None
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    tests = sum(len(re.findall(r"^ *@given\(", path.read_text("utf-8"), re.M)) for path in files)
    examples = f"{tests} properties, {profile[1]} examples each by default"
    yield "everything", "Hypothesis, in `make test`", examples, "", "", "none"


def _cases(path: Path) -> int:
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return sum(json.loads(line).get("kind") != "world" for line in raw.splitlines())


def _text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def page_with(new: str) -> str:
    """The page with this table in it."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return before + BEGIN + new + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(page_with(table()), encoding="utf-8")
