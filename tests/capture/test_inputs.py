"""Whatever a folder holds is read by its kind, or named in one line."""

from __future__ import annotations

import gzip
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payloads.capture.format import BrokenLine, Header
from payloads.capture.frames import Frame, Incident
from payloads.capture.importers.messages import ReadOptions
from payloads.capture.inputs import Input, merged, open_inputs, sequence
from payloads.capture.writer import CaptureWriter
from payloads.errors import Misuse

UPDATE = json.dumps({"type": "signed_ecdsa", "p": "0xaa"})
LOGGED = '{"ts": %d, "binary": false, "data": "%s"}\n'


def frames(found: Any) -> list[Frame]:
    return [placed.record for placed in found if isinstance(placed.record, Frame)]


def problems(inputs: list[Input]) -> dict[str, str]:
    return {Path(each.path).name: str(each.problem) for each in inputs if each.problem is not None}


def capture(path: Path, times: list[int], venue: str = "stork", **options: Any) -> None:
    with CaptureWriter(path, venue=venue, clock=lambda: times[0], **options) as writer:
        for at in times:
            writer.frame(Frame(venue, writer.connection() if at == times[0] else 1, "in", "text",
                               at, UPDATE))  # fmt: skip


def test_a_folder_stands_for_the_files_in_it(tmp_path: Path) -> None:
    (tmp_path / "b" / "deeper").mkdir(parents=True)
    (tmp_path / "z.log").write_text(UPDATE)
    (tmp_path / "b" / "deeper" / "a.jsonl").write_text(LOGGED % (1_700_000_000_000, "x"))
    (tmp_path / ".hidden").write_text(UPDATE)
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x.log").write_text(UPDATE)
    capture(tmp_path / "b" / "c.jsonl.gz", [5])
    found = open_inputs([tmp_path])
    assert [os.path.relpath(each.path, tmp_path) for each in found] == [
        "z.log", "b/c.jsonl.gz", "b/deeper/a.jsonl",
    ]  # fmt: skip
    assert [(each.kind, each.venue) for each in found] == [
        ("lines", ""), ("capture", "stork"), ("jsonl", ""),
    ]  # fmt: skip
    assert [len(frames(each.records())) for each in found] == [1, 1, 1]
    # What lies in two of the paths is read once, and what is named twice is read twice.
    both = open_inputs([tmp_path, tmp_path / "z.log", str(tmp_path / "**" / "*.log")])
    assert len(both) == 3
    assert len(open_inputs([tmp_path / "z.log"] * 2)) == 2


def test_a_glob_stands_for_what_it_matches(tmp_path: Path) -> None:
    for name in ("b.log", "a.log", "c.txt"):
        (tmp_path / name).write_text(UPDATE)
    found = open_inputs([str(tmp_path / "*.log")])
    assert [Path(each.path).name for each in found] == ["a.log", "b.log"]
    with pytest.raises(Misuse, match="no such file"):
        open_inputs([str(tmp_path / "*.har")])
    # A file may have such a name itself.
    (tmp_path / "[x].log").write_text(UPDATE)
    assert len(open_inputs([str(tmp_path / "[x].log")])) == 1


def test_what_is_not_read_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    files: dict[str, bytes] = {
        "a.zip": b"PK\x03\x04" + bytes(40),
        "empty": b"",
        "program.c": b"int main(void) {\n  return [0];\n}\n",
        "patch.diff": b"1c1\n< one\n---\n> two\n",
        "random.bin": bytes(range(256)) * 3,
        "package.json": b'{\n "name": "x"\n}\n',
        "torn.gz": gzip.compress(UPDATE.encode(), mtime=0)[:12],
        "utf16.txt": UPDATE.encode("utf-16"),
        "good.log": UPDATE.encode(),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "gone").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to(tmp_path)
    found = open_inputs([tmp_path])
    said = problems(found)
    for name, words in {
        "a.zip": "a zip archive", "empty": "an empty file", "program.c": "text without frames",
        "patch.diff": "text without frames", "utf16.txt": "UTF-16 text", "pipe": "a pipe",
        "gone": "cannot be read: No such file", "loop": "a link to a folder",
        "torn.gz": "the gzip stream is cut off",
    }.items():  # fmt: skip
        assert words in said.pop(name)
    assert said == {}
    (good,) = (placed.record for _, placed in sequence(found) if isinstance(placed.record, Frame))
    assert good.data == UPDATE
    broken = {
        Path(each.path).name: str(placed.record.error)
        for each, placed in sequence(found)
        if isinstance(placed.record, BrokenLine)
    }
    assert set(broken) == {*files, "pipe", "gone", "loop"} - {"good.log"}
    assert "not recognised as a payload" in broken["random.bin"]
    assert "JSON, but no frame that is known" in broken["package.json"]


def test_a_folder_of_nothing_says_so(tmp_path: Path) -> None:
    (each,) = open_inputs([tmp_path])
    assert "a folder without files" in str(each.problem)


def test_a_file_that_cannot_be_opened_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.log").write_text(UPDATE)
    (tmp_path / "b.log").write_text(UPDATE)
    opened = Path.open

    def refuse(path: Path, *args: Any, **options: Any) -> Any:
        if path.name == "a.log":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *args, **options)

    monkeypatch.setattr(Path, "open", refuse)
    found = open_inputs([tmp_path])
    assert problems(found) == {"a.log": "file: cannot be read: Permission denied"}
    assert len(frames(placed for _, placed in sequence(found))) == 1


def test_a_growing_file_is_read_as_far_as_it_went(tmp_path: Path) -> None:
    path = tmp_path / "growing.log"
    path.write_text(f"{UPDATE}\n" * 10)
    (each,) = open_inputs([path])
    records = each.records()
    first = next(records)
    with path.open("a") as stream:
        stream.write(f"{UPDATE}\n" * 10)
    rest = list(records)
    assert len(frames([first, *rest])) == 10
    last = rest[-1].record
    assert isinstance(last, BrokenLine)
    assert "grew while it was read" in str(last.error)
    assert len(frames(each.records())) == 20, "it is opened anew"


def test_a_pipe_is_read_once_and_as_it_comes(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text(f"{UPDATE}\n{UPDATE}\n"))
    writer.start()
    (each,) = open_inputs([pipe])
    assert (each.kind, each.size, each.is_file) == ("lines", None, False)
    assert len(frames(each.records())) == 2
    writer.join()
    with pytest.raises(Misuse, match="only once"):
        list(each.records())


def test_only_a_read_that_has_to_wait_is_told(tmp_path: Path) -> None:
    """What is done before it costs time: neither a file nor a pipe that is full needs it."""
    told: list[int] = []
    path = tmp_path / "file"
    path.write_text(f"{UPDATE}\n" * 10_000)
    (each,) = open_inputs([path], waiting=lambda: told.append(0))
    assert len(frames(each.records())) == 10_000
    assert told == []
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)  # so that the writer need not wait
    with fifo.open("wb", buffering=0) as stream:
        stream.write(f"{UPDATE}\n".encode() * 10)

        def waiting() -> None:
            told.append(0)
            stream.close()

        (each,) = open_inputs([fifo], waiting=waiting)
        os.set_blocking(reader, True)
        assert len(frames(each.records())) == 10
    os.close(reader)
    assert len(told) == 1


def test_every_place_leads_back_to_the_bytes(tmp_path: Path) -> None:
    capture(tmp_path / "c.jsonl", [5, 6, 7])
    (tmp_path / "l.log").write_text(f"\ufeff{UPDATE}\n\n{UPDATE}")
    (tmp_path / "w.log").write_text(f"< {UPDATE}\n> {UPDATE}\n")
    (tmp_path / "h.txt").write_text(f"0x{'ab' * 40}\n{'cd' * 40}\n")
    (tmp_path / "j.jsonl").write_text(LOGGED % (1, "x") + "\n" + LOGGED % (1, "y"))
    for each in open_inputs([tmp_path]):
        raw = Path(each.path).read_bytes()
        lines = raw.split(b"\n")
        for placed in each.records():
            assert placed.line is not None
            assert placed.offset is not None
            assert raw[placed.offset :].startswith(lines[placed.line - 1])


@given(st.lists(st.binary(max_size=20).map(lambda raw: raw.replace(b"\n", b"")), max_size=6))
def test_offsets_are_those_of_lines(lines: list[bytes]) -> None:
    from payloads.capture.reader import split_lines

    content = b"\n".join(lines)
    for size in (1, 3, 1000):
        pieces = [content[at : at + size] for at in range(0, len(content), size)]
        for at, line, whole in split_lines(pieces, most=10):
            end = content.find(b"\n", at)
            assert whole == (end >= 0)
            found = content[at : end if whole else None]
            assert line == found if line is not None else len(found) > 10


def test_several_inputs_are_merged_by_time(tmp_path: Path) -> None:
    capture(tmp_path / "a.jsonl", [10, 30, 50], "stork")
    capture(tmp_path / "b.jsonl.zst", [20, 40, 60], "qfex")
    capture(tmp_path / "c.jsonl", [35, 25, 70], "finery")  # its own order stays
    (tmp_path / "d.log").write_text(UPDATE)  # of no time
    found = list(merged(open_inputs([tmp_path])))
    seen = [
        (placed.record.at, placed.record.venue, placed.record.connection)
        for _, placed in found
        if isinstance(placed.record, Frame)
    ]
    assert seen == [
        (0, "", 1), (10, "stork", 2), (20, "qfex", 3), (30, "stork", 2), (35, "finery", 4),
        (25, "finery", 4), (40, "qfex", 3), (50, "stork", 2), (60, "qfex", 3), (70, "finery", 4),
    ]  # fmt: skip
    assert sum(isinstance(placed.record, Header) for _, placed in found) == 3
    # A capture alone keeps its numbers.
    alone = frames(placed for _, placed in merged(open_inputs([tmp_path / "a.jsonl"])))
    assert {frame.connection for frame in alone} == {1}


def test_inputs_are_open_only_in_their_time(tmp_path: Path) -> None:
    from payloads.capture import inputs

    for number in range(inputs.MAX_MERGED + 20):
        at = 1_700_000_000_000 + number
        (tmp_path / f"{number:04}.jsonl").write_text(LOGGED % (at, "x") + LOGGED % (at, "y"))
    times = [
        placed.record.at
        for _, placed in merged(open_inputs([tmp_path]))
        if isinstance(placed.record, Frame)
    ]
    assert times == sorted(times)
    assert len(times) == 2 * inputs.MAX_MERGED + 40
    late = LOGGED % (2_000_000_000_000, "z")
    for path in tmp_path.iterdir():
        path.write_text(path.read_text() + late)
    with pytest.raises(Misuse, match="too many inputs to be merged"):
        list(merged(open_inputs([tmp_path])))


@pytest.mark.parametrize(("before", "first"), [(999, "other"), (1_000, "log")])
def test_the_first_time_is_looked_for_among_the_first_records(
    before: int, first: str, tmp_path: Path
) -> None:
    """An input without times comes first, since nothing says when it was."""
    (tmp_path / "log").write_text('{"x":1}\n' * before + "2025-12-01T17:04:58Z {}\n")
    (tmp_path / "other").write_text("2025-12-01T17:04:57Z {}\n")
    each, _ = next(merged(open_inputs([tmp_path])))
    assert Path(each.path).name == first


def test_the_number_of_inputs_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.log").write_text(UPDATE)
    monkeypatch.setattr("payloads.capture.inputs.MAX_INPUTS", 3)
    assert len(open_inputs([tmp_path / "x.log"] * 3)) == 3
    with pytest.raises(Misuse, match="too many files"):
        open_inputs([tmp_path / "x.log"] * 4)


def test_the_parts_of_a_capture_are_one_input_among_others(tmp_path: Path) -> None:
    with CaptureWriter(tmp_path / "c.jsonl", max_bytes=1) as writer:
        for at in (1, 2, 3):
            writer.frame(Frame("stork", 7, "in", "text", at, UPDATE))
    (tmp_path / "other.jsonl").write_text(LOGGED % (1, "x"))
    found = open_inputs([tmp_path / "c.jsonl", tmp_path / "other.jsonl"])
    assert [each.group for each in found] == [0] * (len(found) - 1) + [1]
    connections = {
        (placed.record.venue, placed.record.connection)
        for _, placed in merged(found)
        if isinstance(placed.record, Frame | Incident) and placed.record.connection
    }
    assert len({number for _, number in connections}) == 2
    Path(found[1].path).unlink()
    told = [
        str(placed.record.error)
        for _, placed in merged(open_inputs([tmp_path]))
        if isinstance(placed.record, BrokenLine)
    ]
    assert told == ["capture: part 2 is not here"]


def test_options_are_for_every_input(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text(json.dumps({"event": {"payload": "AQI=", "kind": "binary"},
                                "when": "2026-11-29T23:54:46.056464094Z"}))  # fmt: skip
    options = ReadOptions(
        venue="stork", text_field="event.payload", time_field="when", binary_field="event.kind"
    )
    (each,) = open_inputs([path], options)
    (frame,) = frames(each.records())
    assert frame == Frame("stork", 1, "in", "binary", 1795996486056464094, b"\x01\x02")
    with pytest.raises(Misuse, match="no such kind"):
        open_inputs([path], ReadOptions(kind="pdf"))


@pytest.mark.parametrize(
    "time",
    ["1795996486.056464094", 1795996486056464094, "1795996486056464094",
     "2026-11-29T23:54:46.056464094Z", "2026-11-30T00:54:46.056464094+01:00",
     "2026-11-29 23:54:46,056464094"],
)  # fmt: skip
def test_times_of_every_form(time: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"time": time, "data": "x"}))
    (frame,) = frames(open_inputs([path])[0].records())
    assert frame.at == 1795996486056464094


@pytest.mark.parametrize(
    ("time", "at"),
    [(1795996486, 10**9), (1795996486056, 10**6), (1795996486056464, 10**3)],
)
def test_the_size_of_a_number_shows_its_unit(time: int, at: int, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"ts": time, "data": "x"}))
    (frame,) = frames(open_inputs([path])[0].records())
    assert frame.at == time * at
