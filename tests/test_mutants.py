"""The script that breaks the code: what it makes, what it leaves out, and when it fails."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import mutant_runs, mutants
from tests.mutants import all_mutants, known_survivors, mutants_of, survivors_allowed


def test_what_changes_nothing_is_still_a_mutant() -> None:
    """A line of tests/mutants.md whose code has changed must be looked at again."""
    files = {key.partition(": ")[0] for key in known_survivors()}
    assert known_survivors() <= {mutant.key for mutant in all_mutants(tuple(files))}


def _made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> set[tuple[str, str]]:
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    path = tmp_path / "module.py"
    path.write_text(source, encoding="utf-8")
    return {(mutant.old, mutant.new) for mutant in mutants_of(path)}


@pytest.mark.parametrize(
    ("source", "made"),
    [
        ("a < b", {("a < b", "a <= b")}),
        ("x = 7", {("7", "8")}),
        ("f(a)", {("f(a)", "pass")}),
        ("x = a or b", {("a or b", "a and b"), ("a or b", "a"), ("a or b", "b")}),
        ("x: Annotated[int, 7] = a", set()),
        ("x = f'{7}'", set()),
        ("assert x < 7", set()),
        ("def __repr__(self): return 7", set()),
        ("def f(a=7): ...", set()),
        ("@dataclass(frozen=True)\nclass A: ...", set()),
        ("@named(7)\nclass A: ...", {("7", "8")}),
        ("x = zip(a, b, strict=True)", set()),
        ("x = zip(a, b, strict=False)", {("False", "True")}),
        ("x = shown(a, 80)", set()),
        ("@lru_cache(maxsize=256)\ndef f(): ...", set()),
        ("x = Evidence(80, a, b, doubtful=True)", {("True", "False")}),
    ],
)
def test_what_mutants_are_made_of_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, made: set[tuple[str, str]]
) -> None:
    assert _made(tmp_path, monkeypatch, source) == made


def test_a_run_fails_only_at_what_is_no_chance() -> None:
    """Of 40 mutants of code that just meets the goal, six or more survive once in 72 runs."""
    assert survivors_allowed(40) == 5
    assert survivors_allowed(150) == 13
    assert [survivors_allowed(count) for count in (0, 1, 2)] == [0, 1, 1]


def _spin() -> bool:
    while True:
        pass


def _sleep() -> bool:
    time.sleep(2)
    return True


@pytest.mark.parametrize(("work", "survives"), [(_spin, False), (_sleep, True)])
def test_a_mutant_is_ended_by_its_own_time_and_not_by_the_clock(
    work: Callable[[], bool], survives: bool
) -> None:
    """On a busy machine tests wait long for the processor, which is no work of theirs."""

    def limited() -> bool:
        mutant_runs.limit(1)
        return work()

    ((_, survived, _),) = mutant_runs.in_forks([limited], 1)
    assert survived is survives


def test_what_waits_without_working_is_given_up_and_not_noticed() -> None:
    ((_, survived, _),) = mutant_runs.in_forks([_sleep], 1, longest=0.3)
    assert survived
