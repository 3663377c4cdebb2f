"""A scan says of each capture whether it is whole and unchanged, without a command of its own."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from payloads import forensics
from payloads.capture.frames import Frame, Incident
from payloads.capture.writer import CaptureWriter
from payloads.forensics.examining.findings import find
from payloads.forensics.scanning import run
from payloads.forensics.scanning.work import work
from tests.forensics import kit

FILES = {"altered-file", "incomplete-file"}


@pytest.fixture
def capture(tmp_path: Path) -> bytes:
    path = tmp_path / "capture.jsonl"
    with CaptureWriter(path, venue="stork") as writer:
        for number in range(200):
            writer.frame(kit.stork_frame(kit.update(number), number))
    data = path.read_bytes()
    path.unlink()
    return data


def findings_of(scan: forensics.Scan) -> list[tuple[str, str]]:
    """The findings about files, by code and sentence."""
    found = [each for each in find(scan.folder).findings if each.code in FILES]
    return sorted((each.code, each.sentence) for each in found)


def frames(count: int) -> list[Frame | Incident]:
    """Updates and an end record."""
    updates = [kit.stork_frame(kit.update(number), number) for number in range(count)]
    return [*updates, kit.opened("stork", count, "end")]


def altered(data: bytes) -> bytes:
    return data.replace(b'"at":1700000005064000000', b'"at":1700000005064000001')


def test_findings_about_files_come_with_the_scan(capture: bytes, tmp_path: Path) -> None:
    """Plain or packed, and with filters that leave every frame out."""
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.jsonl").write_bytes(capture)
    (folder / "b.jsonl").write_bytes(altered(capture))
    (folder / "c.jsonl.gz").write_bytes(gzip.compress(altered(capture)))
    lines = capture.splitlines(keepends=True)
    (folder / "d.jsonl").write_bytes(b"".join(lines[:60] + lines[61:]))
    (folder / "e.jsonl").write_bytes(capture[: len(capture) // 2])
    for number, venues in enumerate(((), ("qfex",))):
        out = tmp_path / f"out{number}"
        said: list[str] = []
        scan = forensics.scan(sorted(folder.iterdir()), out=out, jobs=1, venues=venues,
                              part_bytes=20_000, say=said.append)  # fmt: skip
        found = findings_of(scan)
        where = {Path(sentence.split()[0]).name: code for code, sentence in found}
        assert where == {
            "b.jsonl": "altered-file", "c.jsonl.gz": "altered-file", "d.jsonl": "altered-file",
            "e.jsonl": "incomplete-file",
        }  # fmt: skip
        assert "are not what was written" in found[0][1]
        problems = [" ".join(row["problems"]) for row in kit.rows(scan.table("inputs"))]
        assert "1 line is missing between line" in problems[3]
        # These files are one capture.
        assert len(said) == 1
        # What could be read was read.
        assert kit.rows(scan.table("inputs"))[1]["read"]
        assert scan.problems == []


@pytest.mark.parametrize("name", ["lines", "frames"])
@pytest.mark.parametrize("part", [1, 2])
def test_forged_counts_behind_intact_hashes_are_told(name: str, part: int, tmp_path: Path) -> None:
    """No hash covers the end record, so that its counts can be changed. Frames that a filter leaves
    out are counted, too."""
    path = tmp_path / "in" / "stork.jsonl"
    path.parent.mkdir()
    with CaptureWriter(path, venue="stork", max_bytes=20_000, flush_every=0) as writer:
        for number in range(150):
            writer.frame(kit.stork_frame(kit.update(number), number))
    files = sorted(path.parent.iterdir(), key=lambda each: (len(each.name), each.name))
    assert len(files) > 2
    sound = forensics.scan(path.parent, out=tmp_path / "sound", jobs=1, part_bytes=20_000)
    assert not any(row["problems"] for row in kit.rows(sound.table("inputs")))
    *lines, end = files[part - 1].read_bytes().splitlines(keepends=True)
    record = json.loads(end)
    record["detail"][name] += 1
    forged = json.dumps(record, separators=(",", ":")).encode() + b"\n"
    files[part - 1].write_bytes(b"".join([*lines, forged]))
    scan = forensics.scan(path.parent, out=tmp_path / "out", jobs=1, venues=["qfex"],
                          part_bytes=20_000)  # fmt: skip
    found = findings_of(scan)
    assert {code for code, _ in found} == {"altered-file"}
    problems = [" ".join(row["problems"]) for row in kit.rows(scan.table("inputs"))]
    assert [bool(each) for each in problems].index(True) == part - 1
    assert "1 frames are missing" in problems[part - 1] or "1 line is missing" in problems[part - 1]


def test_captures_that_are_sound_are_not_read_again(
    capture: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "wrong_with", None)
    (tmp_path / "a.jsonl").write_bytes(capture)
    kit.write(tmp_path / "b.jsonl", frames(30))  # without any hash
    paths = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    scan = forensics.scan(paths, out=tmp_path / "out", jobs=1)
    assert scan.facts["inputs"][0]["sealed"]["sound"]
    assert findings_of(scan) == []


def test_parts_that_are_missing_are_told(tmp_path: Path) -> None:
    path = tmp_path / "stork.jsonl"
    with CaptureWriter(path, venue="stork", max_bytes=20_000) as writer:
        for number in range(600):
            writer.frame(kit.stork_frame(kit.update(number), number))
    (tmp_path / "stork.0002.jsonl").unlink()
    scan = forensics.scan(path, out=tmp_path / "out", jobs=1)
    ((code, sentence),) = findings_of(scan)
    assert code == "incomplete-file"
    assert "part 2 is not here" in sentence


def test_a_record_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """In a log without hashes, too. The rest of the file comes out."""
    path = tmp_path / "log.jsonl"
    kit.write(path, frames(30))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:10], b'{"text": \n', *lines[10:]]))
    scan = forensics.scan(path, out=tmp_path / "out", jobs=1)
    (found,) = (each for each in find(scan.folder).findings if each.code in FILES)
    assert (found.code, found.count) == ("incomplete-file", 1)
    assert "a record cannot be read: line: not a line of a capture" in found.sentence
    assert [row.line for row in found.rows] == [11]


def test_a_scan_that_goes_on_has_the_same_findings(
    capture: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of an input that was finished before."""
    paths = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    paths[0].write_bytes(altered(capture))
    paths[1].write_bytes(capture)
    options: dict[str, Any] = {"jobs": 1, "part_bytes": 20_000}
    whole = forensics.scan(paths, out=tmp_path / "whole", **options)

    def broken(task: Any, *settings: Any) -> Any:
        if task.part.input == 1:
            raise KeyboardInterrupt
        return work(task, *settings)

    monkeypatch.setattr(run, "work", broken)
    with pytest.raises(KeyboardInterrupt):
        forensics.scan(paths, out=tmp_path / "out", **options)
    monkeypatch.undo()
    again = forensics.scan(paths, out=tmp_path / "out", **options)
    assert findings_of(again) == findings_of(whole) != []
    assert again.table("inputs").equals(whole.table("inputs"))
