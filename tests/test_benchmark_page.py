"""The page of figures is that of the saved results; a second core is proved before it is named."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import cores, page, report
from benchmarks.measure import Result
from benchmarks.rows import all_rows

PAGE = page.PAGE.read_text(encoding="utf-8")


def test_the_page_shows_the_saved_results() -> None:
    """`python -m benchmarks.page` writes it anew."""
    assert page.written(PAGE, page.load()) == PAGE


def test_every_saved_table_has_its_place() -> None:
    assert sorted(page.places(PAGE)) == sorted(page.load())


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


@pytest.mark.parametrize(
    ("alone", "both", "free"), [(1.0, 1.0, True), (1.0, 1.04, True), (1.0, 1.3, False)]
)
def test_a_second_core_is_free_if_two_spins_take_as_long_as_one(
    alone: float, both: float, free: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    watch = cores.Watch(lambda count: both if count == 2 else alone)
    assert watch.free is free
    assert watch.least == pytest.approx(2 * alone / both)


def test_a_core_that_was_taken_meanwhile_was_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    taken: list[float] = []
    watch = cores.Watch(lambda count: 1.0 + sum(taken) * (count - 1))
    assert watch.free
    taken.append(0.5)
    watch.look()
    assert not watch.free
    taken.clear()
    watch.look()
    assert not watch.free


def test_one_core_is_never_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    assert cores.had(lambda count: 1.0) == 1.0


@pytest.mark.parametrize(("had", "said", "met"), [(2.0, "met", True), (1.5, "busy", None)])
def test_no_goal_for_two_cores_is_missed_on_a_busy_machine(
    had: float, said: str, met: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "CORES", 2)
    rows = {row.key: row for row in all_rows()}
    many = Result(rows["bulk-many"], seconds=[1.0], cores=had)
    loop = Result(rows["bulk-loop"], seconds=[1.8], cores=had)
    ((text, found),) = report.verdicts([many, loop])
    assert found is met
    assert said in text
    table = report.tables([many, loop], 1)["bulk"]
    assert any(cores.BUSY in note for note in table.notes) is (met is None)


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
