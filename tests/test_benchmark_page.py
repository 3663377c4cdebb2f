"""The page of figures is that of the saved results; a second core is proved before it is named."""

from __future__ import annotations

from pathlib import Path

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
