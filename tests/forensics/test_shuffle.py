"""Rules that look at their own part of the tables find what they find in all of them."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from payloads import forensics
from payloads.errors import Misuse
from payloads.forensics.examining import shuffle
from payloads.forensics.examining.findings import Findings, find
from payloads.forensics.examining.rules import ours, parse
from tests.forensics import planted
from tests.forensics.planted import FAULTS, Stage


class OneProcess:
    """What `Cluster` is to a search; some tasks are done twice, as if a worker was lost."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.tasks: list[Any] = []

    def results(
        self, function: Callable[..., Any], tasks: Iterable[Any], folder: Path, *shared: Any
    ) -> Iterator[Any]:
        for task in tasks:
            self.tasks.append(task)
            if len(self.tasks) % 5 == 0:
                function(task, *shared)
                yield None
            yield function(task, *shared)


def written(found: Findings, folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    found.write(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# More are tried with the real clusters.
MIXES = [(0, 2), (1, 1), (2, 8), (3, 5)] if os.environ.get("PAYLOADS_ENGINES") else [(0, 1)]


@pytest.mark.parametrize(("seed", "workers"), MIXES)
def test_findings_are_the_same_wherever_rows_are(
    seed: int, workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All faults, or a random mix; parts cut connections, feeds, and a payload's copies apart."""
    monkeypatch.setattr(shuffle, "_TASK_BYTES", 250_000 if seed else 600_000)
    dice = random.Random(seed)
    chosen = dice.choices(list(FAULTS), k=12) if seed else list(FAULTS)
    files, out = tmp_path / "files", tmp_path / "out"
    files.mkdir()
    forensics.scan(Stage(seed, chosen).write(files), state=planted.STATES, out=out, jobs=1,
                   part_bytes=30_000)  # fmt: skip
    own = tmp_path / "own.sql"
    own.write_text("SELECT frame, count(*) OVER () AS rows FROM frames WHERE kind = 'unread'")
    one: Any = OneProcess(workers)
    plain = find(out, sql=[own])
    found = find(out, sql=[own], cluster=one)
    assert written(found, tmp_path / "found") == written(plain, tmp_path / "plain")
    assert found.findings == plain.findings
    assert len(found.findings) > 5
    bundles = {task.parts for task in one.tasks if isinstance(task, shuffle.Deal)}
    assert len(bundles) > 2
    deals = {task.deal for task in one.tasks if isinstance(task, shuffle.Look)}
    assert len(deals) == 2 * workers
    assert not list(out.glob(".findings-*"))


def test_tables_without_parts_are_looked_at_as_a_whole(tmp_path: Path) -> None:
    out = tmp_path / "out"
    capture = tmp_path / "empty.jsonl"
    capture.write_bytes(b"")
    forensics.scan(capture, out=out, jobs=1)
    for path in out.glob("*/*.parquet"):
        path.unlink()
    one: Any = OneProcess(2)
    assert find(out, cluster=one).findings == find(out).findings


def test_our_rules_say_within_what_their_rows_belong_together() -> None:
    alone = {rule.code for rule in ours() if not rule.within}
    assert alone == {
        *("altered-file", "incomplete-file"),  # about inputs, which are few
        *("quorum-short", "signer-set-changed", "unknown-signer"),  # of a network, or a signer
    }


def test_a_rule_says_one_of_three_keys() -> None:
    assert parse("-- within: feed\nSELECT 1", "a").within == "feed"
    with pytest.raises(Exception, match="no such within, expected frame, connection, feed"):
        parse("-- within: venue\nSELECT 1", "a")


def test_another_duckdb_is_refused(tmp_path: Path) -> None:
    place: Any = type("Place", (), {"duckdb": "0.1"})
    task: Any = None
    with pytest.raises(Misuse, match="another version"):
        shuffle.run(task, place)
