"""`payloads report`: the figures of a scan on a terminal, as JSON, and as a page."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from payloads.cli.main import main
from payloads.forensics.showing.folder import Folder
from payloads.forensics.showing.page import chart_library
from payloads.forensics.showing.summary import summary
from tests.forensics import kit, made

HOSTILE = "\x1b[31m\u202e\nred"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made.made(tmp_path_factory.mktemp("scan") / "one")


def report(*arguments: Any) -> Result:
    return CliRunner().invoke(main, ["report", *map(str, arguments)])


def test_the_answers_stand_on_the_terminal(folder: Path) -> None:
    ran = report(folder, "--no-html")
    assert ran.exit_code == 0, ran.output
    said = ran.stdout
    assert "one.jsonl, line 41" in said, "what was the first bad report?"
    for stranger in made.STRANGERS.signers[:3]:
        assert f"{stranger.lower()}, in no config of the state" in said, "who signed it?"
    assert "received           2 times" in said, "was it relayed twice?"
    assert "silent for 1 min 30 s at most, until 2026-03-01 12:06:30.250 UTC" in said, "and silence"
    for code in ("unknown-signer", "malformed", "jump", "stale-feed", "duplicate"):
        assert code in said
    assert "never shown" not in said
    assert not (folder / "report.html").exists()


def test_json_has_the_same_figures(folder: Path) -> None:
    ran = report(folder, "--json")
    with Folder(folder) as opened:
        assert json.loads(ran.stdout) == json.loads(json.dumps(summary(opened)))
    assert not (folder / "report.html").exists(), "JSON writes no file unless --html asks for it"


def test_the_page_is_written_into_the_folder_or_where_it_is_wanted(
    folder: Path, tmp_path: Path
) -> None:
    ran = report(folder)
    assert ran.exit_code == 0
    assert (folder / "report.html").stat().st_size < 3_000_000
    assert f"page: {folder / 'report.html'}" in ran.stderr
    (folder / "report.html").unlink()
    assert report(folder, "--html", tmp_path / "there.html").exit_code == 0
    assert (tmp_path / "there.html").read_text().startswith("<!doctype html>")
    assert not (folder / "report.html").exists()


def test_without_the_library_there_is_a_summary_and_a_word(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    chart_library.cache_clear()
    ran = report(folder)
    assert ran.exit_code == 0
    assert "no page: vl-convert-python is not installed, expected pip install" in ran.stderr
    assert "first bad payload" in ran.stdout
    assert report(folder, "--html", tmp_path / "there.html").exit_code == 2


def test_what_is_no_scan(tmp_path: Path) -> None:
    assert report(tmp_path).exit_code == 2
    assert report(tmp_path / "missing").exit_code == 2
    assert report().exit_code == 2


def test_hostile_text_does_nothing_to_a_terminal(tmp_path: Path) -> None:
    folder = made.made(tmp_path / "hostile", hostile=HOSTILE)
    ran = report(folder, "--no-html")
    assert ran.exit_code == 0
    assert "\x1b" not in ran.stdout
    assert "\u202e" not in ran.stdout
    assert r"\x1b[31m\u202e\nredone.jsonl" in ran.stdout


def test_a_scan_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "scan.json").write_text("{}")
    ran = report(tmp_path, "--no-html")
    assert ran.exit_code == 0
    assert "none: scan with --state to know what would have passed" in ran.stdout


def test_files_are_scanned_first(tmp_path: Path) -> None:
    capture = tmp_path / "capture.jsonl"
    kit.write(capture, [kit.stork_frame(kit.update(number), number) for number in range(3)])
    ran = report(capture, "--json", "--no-html")
    assert ran.exit_code == 0
    assert json.loads(ran.stdout)["frames"]
    assert [path.name for path in tmp_path.iterdir()] == ["capture.jsonl"]
