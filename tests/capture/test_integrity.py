"""A capture that was damaged or changed says so, and where; one that was not says nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from payloads.capture.format import Header, line_of
from payloads.capture.frames import Frame, Incident
from payloads.capture.inputs import open_inputs
from payloads.capture.integrity import FileCheck, check
from payloads.capture.reader import read_records
from payloads.capture.writer import CaptureWriter
from payloads.cli.main import main

COUNT = 200


def checked(*paths: Path) -> list[FileCheck]:
    return list(check(open_inputs(paths)))


def codes(*paths: Path) -> set[str]:
    return {problem.code for found in checked(*paths) for problem in found.problems}


def capture(path: Path, count: int = COUNT, **options: Any) -> list[Path]:
    """A capture with several hashes: each line is flushed."""
    with CaptureWriter(path, venue="stork", clock=lambda: 1, flush_every=0, **options) as writer:
        for number in range(count):
            writer.frame(Frame("stork", 1, "in", "text", 1_000 + number, f'{{"n":{number}}}'))
    return [Path(name) for name in writer.summary.files]


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    path = tmp_path_factory.mktemp("whole") / "c.jsonl"
    capture(path)
    return path.read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize("name", ["c.jsonl", "c.jsonl.gz", "c.jsonl.zst"])
def test_a_capture_that_nothing_happened_to_is_sound(name: str, tmp_path: Path) -> None:
    capture(tmp_path / name)
    (found,) = checked(tmp_path / name)
    assert found.sound
    assert (found.frames, found.began, found.ended, found.notes) == (COUNT, 1, 1_199, ())
    assert found.sha256 == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    hashes = [r for r in read_records(tmp_path / name)
              if isinstance(r, Incident) and r.what == "hash"]  # fmt: skip
    assert len(hashes) >= 3
    assert all(set(each.detail) == {"frames", "lines", "hash"} for each in hashes)


def test_hashes_are_written_while_it_goes_on(tmp_path: Path) -> None:
    """So a capture that was killed can be checked, too."""
    path = tmp_path / "c.jsonl"
    writer = CaptureWriter(path, flush_every=0.02)
    for number in range(3):
        writer.frame(Frame("", 1, "in", "text", number, "x"))
        while b'"hash"' not in path.read_bytes().splitlines()[-1]:
            pass
    content = path.read_bytes()
    writer.close()
    assert codes(path) == set()
    path.write_bytes(content)
    assert codes(path) == {"no-end"}
    path.write_bytes(content.replace(b'"text":"x"', b'"text":"y"', 1))
    assert codes(path) == {"no-end", "altered"}


Change = Callable[[list[bytes], int], list[bytes]]
CHANGES: dict[str, tuple[Change, set[str]]] = {
    "another value": (
        lambda lines, n: [*lines[:n], lines[n].replace(b"n", b"m", 1), *lines[n + 1 :]], {"altered"}
    ),
    "another time": (
        lambda lines, n: [*lines[:n], lines[n].replace(b'"at":1', b'"at":2', 1), *lines[n + 1 :]],
        {"altered"},
    ),
    "taken out": (
        lambda lines, n: [*lines[:n], *lines[n + 1 :]], {"lines-missing", "frames-missing"}
    ),
    "twice": (lambda lines, n: [*lines[:n], lines[n], *lines[n:]], {"lines-added", "frames-added"}),
    "exchanged": (
        lambda lines, n: [*lines[:n], lines[n + 1], lines[n], *lines[n + 2 :]], {"altered"}
    ),
    "broken": (lambda lines, n: [*lines[:n], b"{" + lines[n], *lines[n + 1 :]], {"altered"}),
}  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(number=st.integers(2, 190), name=st.sampled_from(sorted(CHANGES)))
def test_a_change_shows_and_where(
    number: int, name: str, lines: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    if b'"hash"' in lines[number] + lines[number + 1]:
        return
    change, expected = CHANGES[name]
    path = tmp_path_factory.mktemp("changed") / "c.jsonl"
    path.write_bytes(b"".join(change(lines, number)))
    (found,) = checked(path)
    problems = [each for each in found.problems if each.code.startswith(("altered", "lines"))]
    assert expected <= {each.code for each in found.problems} <= expected | {"frames-missing"}
    (problem,) = problems
    assert problem.line is not None
    assert problem.last_line is not None
    assert problem.line <= number + 1 <= problem.last_line + 1
    assert problem.last_line - problem.line <= 70, "the hash before and the hash after"


def test_the_line_is_named_where_something_shows_it(lines: list[bytes], tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    path.write_bytes(b"".join([*lines[:20], b"{" + lines[20], *lines[21:]]))
    (found,) = checked(path)
    assert "line 21: " in found.problems[0].message
    path.write_bytes(b"".join([*lines[:20], lines[21], lines[20], *lines[22:]]))
    (found,) = checked(path)
    assert "line 22: its time is before that of line 21" in found.problems[0].message


def test_a_changed_hash_or_count_shows(lines: list[bytes], tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    at = next(number for number, line in enumerate(lines) if b'"what":"hash"' in line)
    for old, new in (
        (b'"hash":"', b'"hash":"0'),
        (b'"lines":', b'"lines":1'),
        (b'"at":1', b'"at":2'),
    ):
        changed = lines[at].replace(old, new, 1)
        path.write_bytes(b"".join([*lines[:at], changed, *lines[at + 1 :]]))
        assert codes(path), old
    path.write_bytes(b"".join([*lines[:at], *lines[at + 1 :]]))
    assert codes(path)
    # the count alone: a hash holds the digits of a count now and then
    changed = lines[-1].replace(b'"frames":200', b'"frames":250')
    assert changed != lines[-1]
    path.write_bytes(b"".join([*lines[:-1], changed]))
    assert codes(path) == {"frames-missing"}


def test_a_file_that_is_cut_off_says_how_far_it_goes(lines: list[bytes], tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    path.write_bytes(b"".join(lines[:-1]))
    assert codes(path) == {"no-end"}
    path.write_bytes(b"".join(lines)[:-9])
    assert codes(path) == {"no-end", "unreadable"}
    path.write_bytes(b"".join([*lines, lines[5]]))
    assert codes(path) == {"after-end"}
    capture(tmp_path / "c.jsonl.gz")
    packed = (tmp_path / "c.jsonl.gz").read_bytes()
    (tmp_path / "c.jsonl.gz").write_bytes(packed[:-20])
    assert {"torn", "no-end"} <= codes(tmp_path / "c.jsonl.gz")


def test_parts_belong_together(tmp_path: Path) -> None:
    files = capture(tmp_path / "c.jsonl", 6, max_bytes=200)
    assert len(files) > 3
    found = checked(files[0])
    assert [each.part for each in found] == list(range(1, len(files) + 1))
    assert all(each.sound for each in found)
    headers = [next(read_records(path)) for path in files]
    assert all(isinstance(each, Header) for each in headers)
    assert [header.previous for header in headers[1:]] == [each.hash for each in found[:-1]]
    # A part alone is sound; one that is missing is told; so is another file in the place of one.
    assert codes(files[2]) == set()
    kept = files[1].read_bytes()
    files[1].unlink()
    assert codes(tmp_path) == {"part-missing"}
    files[1].write_bytes(kept.replace(b'"at":1', b'"at":3'))
    assert "altered" in codes(tmp_path)
    header = kept.splitlines(keepends=True)[0]
    other = tmp_path / "other"
    other.mkdir()
    capture(other / "c.jsonl", 6, max_bytes=200)
    identity = json.loads((other / "c.0002.jsonl").read_bytes().splitlines()[0])["id"]
    own = json.loads(header)["id"]
    forged = (other / "c.0002.jsonl").read_bytes().replace(identity.encode(), own.encode())
    files[1].write_bytes(forged)
    (tmp_path / "other" / "c.jsonl").unlink()
    assert codes(*files) & {"another-part", "altered"}
    files[-1].unlink()
    assert "part-missing" in codes(files[0])


def test_a_capture_without_hashes_is_read_and_said_to_have_none(tmp_path: Path) -> None:
    """As earlier versions wrote them."""
    frames = [line_of(Frame("stork", 1, "in", "text", at, "x")) for at in (1, 3, 2)]
    head = b'{"capture":1,"id":"9f86d081884c7d65","part":1,"created":1,"venue":"stork"}'
    end = line_of(Incident("stork", 0, 9, "end", {"frames": 3}))
    path = tmp_path / "c.jsonl"
    path.write_bytes(b"\n".join([head, *frames[:2], frames[1], end]) + b"\n")
    (found,) = checked(path)
    assert found.sound
    assert "no hashes in this file" in found.notes[0]
    path.write_bytes(b"\n".join([head, *frames, end]) + b"\n")
    assert codes(path) == {"time-back"}
    path.write_bytes(b"\n".join([head, *frames[:2], b"{", end]) + b"\n")
    assert codes(path) == {"frames-missing", "unreadable"}


def test_a_clock_that_was_set_back_is_no_change(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    with CaptureWriter(path, clock=lambda: 1) as writer:
        for at in (50, 20, 60):
            writer.frame(Frame("", 1, "in", "text", at, "x"))
    assert codes(path) == set()


def test_other_files_get_what_can_be_said(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text('{"a":1}\n{"a":2}\n')
    (found,) = checked(path)
    assert found.sound
    assert (found.frames, found.kind) == (2, "lines")
    assert "no counts and no hashes" in found.notes[0]
    (tmp_path / "x.zip").write_bytes(b"PK\x03\x04" + bytes(40))
    assert codes(tmp_path / "x.zip") == {"unread"}
    (tmp_path / "later.jsonl").write_text('{"capture":9}\n')
    assert codes(tmp_path / "later.jsonl") == {"unread"}


def test_the_number_of_problems_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("payloads.capture.integrity.MOST_PROBLEMS", 5)
    path = tmp_path / "c.jsonl"
    path.write_text('{"capture":1}\n' + "{\n" * 50)
    (found,) = checked(path)
    assert (len(found.problems), found.more_problems) == (5, 46)


def test_the_command_says_it(tmp_path: Path, lines: list[bytes]) -> None:
    good, bad = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    good.write_bytes(b"".join(lines))
    changed = b"".join([*lines[:9], lines[9].replace(b"n", b"m", 1), *lines[10:]])
    bad.write_bytes(changed.replace(b'"id":"', b'"id":"0', 1))
    result = CliRunner().invoke(main, ["check", "--json", str(tmp_path)])
    assert result.exit_code == 1
    first, second = map(json.loads, result.stdout.splitlines())
    assert (first["sound"], first["frames"], first["began"]) == (True, COUNT, "1")
    assert second["problems"][0]["code"] == "altered"
    assert second["problems"][0]["line"] <= 10 <= second["problems"][0]["last_line"]
    text = CliRunner().invoke(main, ["check", str(tmp_path)]).stdout
    assert f"sound  {good}" in text
    assert "are not what was written" in text
    assert CliRunner().invoke(main, ["check", str(good)]).exit_code == 0
    assert CliRunner().invoke(main, ["check", str(tmp_path / "none")]).exit_code == 2
