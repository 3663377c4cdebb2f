"""The script that breaks the code: what it makes, what it leaves out, and when it fails."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import mutant_runs, mutants
from tests.mutant_runs import ROOT
from tests.mutants import KNOWN, known_survivors, mutants_of, survivors_allowed


def test_what_changes_nothing_has_a_file_and_a_reason() -> None:
    lines = [line for line in KNOWN.read_text("utf-8").splitlines() if line.startswith("- `")]
    assert len(lines) == len(known_survivors())
    for line in lines:
        path, _, changed = line.removeprefix("- `").partition(": ")
        assert (ROOT / path).is_file(), line
        assert len(changed.partition("`: ")[2]) > 5, line


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
        ("X = Literal[7, False]", set()),
        ("x = f'{7}'", set()),
        ("assert x < 7", set()),
        ("def __repr__(self): return 7", set()),
        ("def f(a: Annotated[int, 7] = 8): ...", {("8", "9")}),
        ("@dataclass(frozen=True)\nclass A: ...", set()),
        ("@named(7)\nclass A: ...", {("7", "8")}),
        ("x = zip(a, b, strict=True)", set()),
        ("x = zip(a, b, strict=False)", {("False", "True")}),
        ("x = a.reshape(-1)", set()),
        ("x = a.reshape(-1, 7)", {("7", "8")}),
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
    """By chance it does once in 1,000 runs, if 90 % of the mutants are noticed."""
    assert [survivors_allowed(count) for count in (0, 1, 2, 40, 150)] == [0, 1, 2, 11, 27]


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


def test_when_the_time_is_up_what_runs_is_stopped() -> None:
    until = time.monotonic() + 1
    begun = [*mutant_runs.in_forks([_spin, lambda: True, lambda: True], 2, until=until)]
    assert [(number, fine) for number, fine, _ in begun] == [(1, True), (2, True)]


def test_a_test_that_fails_without_a_mutant_is_left_out() -> None:
    record = mutant_runs.Record({"a": 2.0, "b": 1.0, "c": 3.0}, {"x": {1: ["a", "b"]}}, ["b"])
    assert record.tests_of("x", range(1, 2)) == ["b", "a"]
    assert record.without_failed().tests_of("x", range(1, 2)) == ["a"]
    assert record.without_failed().seconds == {"a": 2.0, "c": 3.0}


def test_a_constant_is_looked_at_by_tests_that_run_no_line() -> None:
    """In a file with tests of the module, and quickly. A line of a function is not."""
    seconds = {"a::runs": 2.0, "a::looks": 0.01, "a::slow": 3.0, "a::other": 0.02, "b::looks": 0.01}
    lines = {"x": {1: [""], 2: ["a::runs"]}, "y": {1: ["", "a::other"]}}
    record = mutant_runs.Record(seconds, lines)
    assert record.tests_of("x", range(1, 2)) == ["a::looks", "a::runs"]
    assert record.tests_of("x", range(2, 3)) == ["a::runs"]


def test_tests_that_are_left_out_are_there_and_have_a_reason() -> None:
    for test, why in mutant_runs.HEAVY.items():
        path, _, name = test.partition("::")
        assert path in mutant_runs.test_files()
        assert f"def {name.partition('[')[0]}" in (ROOT / path).read_text(encoding="utf-8")
        assert len(why) > 5, test


def _run_where_installed(script: str, folder: Path) -> None:
    """Run code where the library is installed, with its entry point for Hypothesis."""
    about = folder / "installed-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: installed\nVersion: 1.0\n")
    entry = "[hypothesis]\ninstalled = payloads._hypothesis:register\n"
    (about / "entry_points.txt").write_text(entry)
    path = os.pathsep.join([str(folder), str(ROOT)])
    subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.DEVNULL,
        check=True, env=os.environ | {"PYTHONPATH": path}, cwd=ROOT,
    )  # fmt: skip


def test_an_installed_entry_point_imports_nothing_before_a_line_is_changed(tmp_path: Path) -> None:
    """Hypothesis imports what its entry points name: with that, most mutants changed nothing."""
    script = """import sys; from tests import mutant_runs
mutant_runs.preload()
sys.exit(" ".join(name for name in sys.modules if name.split(".")[0] == "payloads") or None)"""
    _run_where_installed(script, tmp_path)


def test_a_module_that_a_test_imports_late_is_not_run_by_that_test_alone(tmp_path: Path) -> None:
    pytest.importorskip("coverage")
    target, wanted = "payloads/stork/columns.py", tmp_path / "record.json"
    script = f"""from pathlib import Path; from tests import mutant_runs
mutant_runs.preload()
mutant_runs.record(["tests/test_backing_off.py"], [{target!r}], Path({str(wanted)!r}))"""
    _run_where_installed(script, tmp_path)
    lines = mutant_runs.merged([wanted]).lines[target]
    assert {test for tests in lines.values() for test in tests} == {""}


def test_what_is_kept_counts_as_run_by_each_test_that_uses_it(tmp_path: Path) -> None:
    """A reader that was generated once was recorded for the first test, which noticed nothing."""
    pytest.importorskip("coverage")
    source = """from payloads import chainlink, columns
from tests import corpus
RAW = corpus.entry("cl-001").raw
def test_a(): chainlink.decode(RAW)
def test_b(): chainlink.decode(RAW)
def test_c(): columns.decode([RAW] * 9)
def test_d(): columns.decode([RAW] * 9)
"""
    (tmp_path / "test_kept.py").write_text(source, encoding="utf-8")
    wanted, packages = tmp_path / "record.json", ["payloads/abi", "payloads/chainlink"]
    script = f"""from pathlib import Path; from tests import mutant_runs
mutant_runs.preload()
mutant_runs.record([{str(tmp_path / "test_kept.py")!r}], {packages!r}, Path({str(wanted)!r}))"""
    _run_where_installed(script, tmp_path)
    record = mutant_runs.merged([wanted])
    for path, made, by in (
        ("payloads/chainlink/report.py", "exec(code, scope)", "ab"),
        ("payloads/chainlink/columns.py", "_MADE[schema.key] = made", "cd"),
        ("payloads/chainlink/columns.py", "return column_names(table.fields, _TAKEN)", "cd"),
    ):
        lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
        (number,) = [at for at, line in enumerate(lines, 1) if line.strip() == made]
        assert {test[-1] for test in record.lines[path][number]} >= set(by), made
