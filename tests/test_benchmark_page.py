"""The page of figures is that of the saved results; a second core is proved before it is named."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import all as all_of_them
from benchmarks import cores, kits, measure, page, report
from benchmarks.measure import Result
from benchmarks.rows import all_rows

PAGE = page.PAGE.read_text(encoding="utf-8")


def test_the_page_shows_the_saved_results() -> None:
    """`python -m benchmarks.page` writes it anew."""
    assert page.written(PAGE, page.load()) == PAGE


def test_every_saved_table_has_its_place() -> None:
    assert sorted(page.places(PAGE)) == sorted(page.load())


def test_every_table_stands_in_its_place() -> None:
    """A table that was written by hand would be of another run, or of none."""
    rest = page.written(PAGE, defaultdict(lambda: page.Table([], [], "")))
    tables = re.findall(r"^\|(.*)\|\n\|[-:| ]+\|$", rest, re.MULTILINE)
    assert [head for head in tables if head.strip()] == []


def test_every_table_says_which_benchmark_makes_it() -> None:
    made = [name for names in page.MAKERS.values() for name in names]
    assert sorted(made) == sorted(page.places(PAGE))
    for maker, names in page.MAKERS.items():
        assert PAGE.count(f"; `python -m {maker}`.\n<!-- end -->") == len(names)


def test_the_benchmarks_make_the_tables_that_are_theirs() -> None:
    groups = {row.group.replace(":", "-") for row in all_rows()}
    for maker, names in page.MAKERS.items():
        if maker == "benchmarks":
            assert groups >= {name.removesuffix("-simd") for name in names}
            continue
        source = (page.ROOT / f"{maker.replace('.', '/')}.py").read_text(encoding="utf-8")
        named = {name for name in names if f'"{name}"' in source}
        named |= {name for name in names if f'f"{name.partition("-")[0]}-{{' in source}
        assert named == set(names), maker


def test_one_command_runs_every_benchmark_that_makes_a_table() -> None:
    run = {step.arguments[0] for step in all_of_them.STEPS if step.saves}
    assert run == set(page.MAKERS)


def test_a_failure_ends_no_other_benchmark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(all_of_them, "OUTPUT", tmp_path)
    monkeypatch.setattr(
        all_of_them,
        "STEPS",
        (
            all_of_them.Step("broken", ("no_such_benchmark",)),
            all_of_them.Step("elsewhere", ("this",), ("no_such_package",)),
            all_of_them.Step("good", ("this",), saves=False),
        ),
    )
    assert all_of_them.main(["--save"]) == 1
    said = capsys.readouterr().out
    assert f"failed with status 1: see {tmp_path / 'broken.txt'}" in said
    assert "not run: no_such_package not in the environment" in said
    assert "not done: broken, elsewhere, 0 minutes" in said
    assert "Zen of Python" in (tmp_path / "good.txt").read_text(encoding="utf-8")
    assert all_of_them.main(["--only", "good"]) == 0
    with pytest.raises(SystemExit):
        all_of_them.main(["--python", "other=python"])


def test_a_benchmark_without_an_end_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(all_of_them, "OUTPUT", tmp_path)
    monkeypatch.setattr(all_of_them, "MOST_MINUTES", 0.01)
    endless = ("timeit", "-n1", "-r1", "-s", "import time", "while True: time.sleep(1)")
    monkeypatch.setattr(all_of_them, "STEPS", (all_of_them.Step("x", endless, saves=False),))
    assert all_of_them.main([]) == 1
    assert f"ended after 0.01 minutes: see {tmp_path / 'x.txt'}" in capsys.readouterr().out


def test_a_process_may_do_without_payloads_simd() -> None:
    code = "from payloads.crypto import has_simd; print(has_simd())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=page.ROOT, env={**os.environ, **kits.WITHOUT},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "False\n"


def test_commands_are_compared_with_the_first_of_their_group() -> None:
    pytest.importorskip("pyarrow")
    from benchmarks import commands

    found = {"a script": [(100.0, 1.0)], "`decode --json`": [(50.0, 2.0), (25.0, 4.0)]}
    names = {name: [(80.0, 0.5)] for name in commands.GOALS}
    table = commands.table(names | found, "here", "1.9, the median of 5 of 5 windows")
    assert table.rows[-1] == ["a script", "100", "1.00", "", ""]
    assert ["`decode --json`", "50", "2.00", "25", "4.00"] in table.rows
    assert "`decode --json` at least 1.20 times as fast: met, 2.00" in table.notes
    assert "`verify --json` at least 0.67 times as fast: **missed**, 0.50" in table.notes


def test_a_table_names_its_machine_and_keeps_the_prose_around_it() -> None:
    table = page.Table(["what", "ratio"], [["ours", "1.00"]], "a machine", ["a goal: met"])
    before = "before\n\n<!-- measured: x -->\nold\n<!-- end -->\n\nafter\n"
    after = page.written(before, {"x": table})
    shown = "| what | ratio |\n| --- | ---: |\n| ours | 1.00 |\n\n- a goal: met\n\na machine.\n"
    assert after == f"before\n\n<!-- measured: x -->\n{shown}<!-- end -->\n\nafter\n"
    assert page.written(after, {"x": table}) == after
    with pytest.raises(KeyError):
        page.written(before, {})


def test_a_run_renews_its_own_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(page, "RESULTS", tmp_path / "results.json")
    places = "".join(f"<!-- measured: {name} -->\n<!-- end -->\n" for name in "ab")
    page.PAGE.write_text(places, encoding="utf-8")
    old, new = (page.Table(["what"], [[cell]], "here") for cell in ("old", "new"))
    page.save({"a": old, "b": old})
    page.save({"b": new, "elsewhere": new})
    assert page.load() == {"a": old, "b": new}
    text = page.PAGE.read_text(encoding="utf-8")
    assert text == page.written(places, {"a": old, "b": new})


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What others take of two cores, each time that two processes spin."""
    taken: list[float] = []
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr(
        cores, "spin", lambda count: 100.0 if count == 1 else 200.0 - 100 * taken.pop(0)
    )
    return taken


def test_windows_count_if_the_second_core_was_free_before_and_after_them(
    two_cores: list[float],
) -> None:
    two_cores += [0.5, 0.05, 0.1, 0.11, 0.0, 0.0]
    numbers = iter(range(9))
    found = cores.windows(lambda: next(numbers), wanted=2)
    assert not two_cores
    assert found.free == [False, True, False, False, True]
    assert found.kept == [1, 4]
    assert found.which == "the median of 2 of 5 windows"


def test_nothing_is_said_of_two_cores_where_no_window_counts(two_cores: list[float]) -> None:
    two_cores += [0.3, 0.29, 0.4, 0.0]
    found = cores.gain(lambda: None, lambda: None, most=3)
    assert (len(found.tries), found.kept, found.median) == (3, [], None)
    said = "not measured: the second core was busy (two processes had 1.70 cores at best)"
    assert (found.which, found.said, found.goal(1.9)) == (said,) * 3


@pytest.mark.usefixtures("two_cores")
def test_a_process_alone_that_was_disturbed_proves_no_second_core(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone = iter([50.0, 100.0])
    monkeypatch.setattr(cores, "spin", lambda count: next(alone) if count == 1 else 100.0)
    found = cores.windows(lambda: None, most=1)
    assert found.best == 1.0
    assert not found.kept


def test_the_gain_of_two_cores_is_the_median_of_the_windows_that_count(
    two_cores: list[float],
) -> None:
    found = cores.Gain([(1.95, 1.8), (1.2, 9.0), (2.0, 1.94), (1.9, 1.92)])
    assert found.median == 1.92
    assert found.goal(1.9) == "met, 1.92, the median of 3 of 4 windows"
    assert found.goal(1.93) == "**missed**, 1.92, the median of 3 of 4 windows"
    done: list[int] = []
    two_cores += [0.0] * 3
    measured = cores.gain(lambda: done.append(1), lambda: done.append(2), wanted=2)
    assert len(measured.kept) == 2
    assert set(done) == {1, 2}


def test_one_core_is_never_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    found = cores.gain(lambda: None, lambda: None)
    assert found.said == found.goal(1.9) == "not measured: this machine has one core"


def test_spins_hash_so_many_megabytes_a_second() -> None:
    assert cores.spin(1) > 1


@pytest.mark.parametrize(("had", "said", "met"), [(2.0, "met", True), (1.5, "busy", None)])
def test_no_goal_for_two_cores_is_missed_on_a_busy_machine(
    had: float, said: str, met: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "CORES", 2)
    rows = {row.key: row for row in all_rows()}
    windows = cores.Windows([(had, None), (1.0, None)])
    many = Result(rows["bulk-many"], seconds=[1.0], windows=windows)
    loop = Result(rows["bulk-loop"], seconds=[1.8], windows=windows)
    ((text, found),) = report.verdicts([many, loop])
    assert found is met
    assert said in text
    table = report.tables([many, loop], 1, page.Run())
    (bulk,) = table.values()
    assert f"two cores: {windows.which}" in bulk.notes
    assert any(cores.BUSY in note for note in bulk.notes) is (met is None)


@pytest.mark.parametrize(
    ("taken", "kept"), [([0.5, 0.0, 0.0], [2.0]), ([0.5] * 4, [1.0, 2.0, 3.0])]
)
def test_rounds_on_two_cores_count_if_the_second_one_was_free(
    taken: list[float], kept: list[float], two_cores: list[float]
) -> None:
    two_cores += taken
    result, times = Result(all_rows()[0]), iter([1.0, 2.0, 3.0])
    runner: Any = SimpleNamespace(result=result, measure=lambda: result.seconds.append(next(times)))
    measure.take_turns_on_two_cores([runner], 1)
    assert result.seconds == kept
    assert result.windows is not None
    assert len(result.windows.tries) == len(taken) - 1


def test_a_run_states_how_busy_the_machine_was() -> None:
    loads = iter([(2.04, 0.0), (9.5, 0.0), (3.0, 0.0)])
    run = page.Run(lambda: next(loads))
    assert run.how("fast").endswith(
        "; a load of 2.0 to 9.5 (1.0 is a core in use, this run among them); fast"
    )
    assert "a load of 2.0 to 9.5 " in run.how()


def test_a_benchmark_keeps_its_tables_if_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(page, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(page, "RESULTS", tmp_path / "results.json")
    page.PAGE.write_text("<!-- measured: a -->\n<!-- end -->\n", encoding="utf-8")
    table = page.Table(["what"], [["new"]], "here")
    for keep in (False, True):
        page.finish({"a": table}, page.parser("a", "what it is").parse_args(["--save"] * keep).save)
        assert capsys.readouterr().out == table.markdown + "\n"
        assert ("new" in page.PAGE.read_text(encoding="utf-8")) is keep


def test_columns_are_measured_in_turns_with_and_without_the_wheel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("pyarrow")
    from benchmarks import columns

    done: list[str] = []
    ways = {"`judge`": (1, lambda: done.append("judge")), "`columns.judge`": (1, lambda: None)}
    monkeypatch.setattr(columns, "KINDS", {"columns-verdicts": lambda: ways})
    without: Any = SimpleNamespace(timed=lambda kind, name: 7.0)
    best = columns.least("columns-verdicts", 3, without)
    assert len(done) in range(3, 3 * columns.WARM + 1)
    assert best["`judge`"][1] == 7.0
    table = columns.table("columns-verdicts", {"loop": [90.0, 90.0], **best}, "here")
    assert table.columns[-1] == "µs each without payloads-simd"
    assert [row[0] for row in table.rows] == ["loop", "`judge`", "`columns.judge`"]


@pytest.mark.parametrize(("each", "word"), [(10.0, "met, 9.0"), (10.1, "**missed**, 8.9")])
def test_goals_of_columns_are_named_with_what_was_reached(each: float, word: str) -> None:
    pytest.importorskip("pyarrow")
    from benchmarks import columns

    (said,) = columns.goals({"loop": [90.0], "`columns.judge`": [each]})
    assert said == f"`columns.judge` at least 9 times as fast as the loop: {word}"
    fast, slow = columns.goals({"a list of hex": [1.5], "a list of bytes": [0.11]})
    assert "from a list of hex: met" in fast
    assert "from a list of bytes: **missed**, 0.11" in slow
