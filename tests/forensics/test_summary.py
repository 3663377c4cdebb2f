"""The figures of a scan, from the tables of a folder: with DuckDB alone, and bounded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from payloads.errors import Misuse
from payloads.forensics.showing.folder import Folder, is_folder
from payloads.forensics.showing.summary import MOST, summary
from tests.forensics import made
from tests.forensics.made import BEGAN, SECOND


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # A name that is a pattern, and ends a string of SQL, where names are not quoted.
    return made.made(tmp_path_factory.mktemp("scan") / "o'ne [1] *")


@pytest.fixture(scope="module")
def figures(folder: Path) -> Any:
    with Folder(folder) as opened:
        return summary(opened)


def test_everything_is_counted(figures: Any) -> None:
    signed = 120 + 120 + 1 - 17 + 120 + 2
    assert figures["payloads"]["count"] == signed + 1
    assert figures["payloads"]["malformed"] == 1
    assert figures["frames"]["kinds"] == {"signed": signed + 1, "message": 1, "incident": 1}
    assert figures["verdicts"]["judged"] == signed
    assert figures["verdicts"]["refused"] == 2
    assert figures["findings"]["severities"] == {"danger": 2, "warning": 2, "info": 1}
    assert figures["findings"]["suppressed"] == 1
    assert figures["feeds"]["count"] == 4
    assert figures["repeats"]["count"] == 2
    assert figures["repeats"]["copies"] == 1 + 2


def test_the_first_bad_report_and_who_signed_it(figures: Any) -> None:
    bad = figures["answers"]["first_bad"]
    assert figures["answers"]["bad"] == 3
    assert bad["at"] == BEGAN + made.BAD_AT * SECOND + 3 * SECOND // 10
    assert bad["feeds"] == [made.hexed(made.FEEDS[0])]
    assert [each["signer"] for each in bad["signers"]] == [
        one.lower() for one in made.STRANGERS.signers[:3]
    ]
    assert {each["member"] for each in bad["signers"]} == {None}
    assert bad["place"]["path"] == "one.jsonl"
    assert bad["wrong"] == [
        "refused (BadVerification) under chainlink.json",
        "unknown-signer: 3 signers of no config",
    ]


def test_it_was_relayed_twice(figures: Any) -> None:
    bad = figures["answers"]["first_bad"]
    assert bad["times"] == 2
    assert [each["place"]["path"] for each in bad["copies"]] == ["one.jsonl", "two.jsonl.gz"]


def test_for_how_long_the_feed_was_silent(figures: Any) -> None:
    silent = next(each for each in figures["feeds"]["list"]
                  if each["feed"] == made.hexed(made.FEEDS[1]))  # fmt: skip
    assert silent["silence_ns"] == made.SILENT_FOR * SECOND
    assert silent["silence_ended"] == BEGAN + 390 * SECOND + SECOND // 4
    (own,) = figures["answers"]["first_bad"]["silences"]
    assert own["ns"] == 5 * SECOND + SECOND // 20


def test_figures_are_json(figures: Any) -> None:
    assert json.loads(json.dumps(figures)) == figures


def test_an_empty_folder_has_figures_too(tmp_path: Path) -> None:
    assert not is_folder(tmp_path)
    (tmp_path / "scan.json").write_text("{}")
    assert is_folder(tmp_path)
    with Folder(tmp_path) as opened:
        found = summary(opened)
    assert found["answers"] == {
        "bad": 0, "judged": False, "first_bad": None, "first_signed": None,
    }  # fmt: skip
    assert found["payloads"]["count"] == found["feeds"]["count"] == 0
    assert found["frames"]["first"] is None


def test_lists_are_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in MOST:
        monkeypatch.setitem(MOST, name, 1)
    with Folder(folder) as opened:
        found = summary(opened)
    assert len(found["feeds"]["list"]) == 1
    assert found["feeds"]["count"] == 4
    assert len(found["signers"]["list"]) == 1
    assert found["signers"]["count"] == 3 + 3 + 1


def test_what_is_no_folder_of_a_scan(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="not the folder of a scan"):
        Folder(tmp_path / "missing")
    (tmp_path / "scan.json").write_text("[" * 10_000)
    with pytest.raises(Misuse, match="not the record of a scan"):
        Folder(tmp_path)
