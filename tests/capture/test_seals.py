"""The hashes of a capture, seen in passing: sound if and only if the full check finds nothing."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from payloads.capture import seals
from payloads.capture.inputs import open_inputs
from payloads.capture.integrity import check
from payloads.capture.seals import Sealed, Seals
from payloads.capture.writer import CaptureWriter
from payloads.forensics.scanning.files import in_doubt
from tests.forensics import kit


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def seen(data: bytes, size: int = 2**20) -> Sealed:
    found = Seals()
    assert b"".join(found.watched(pieces(data, size))) == data
    return found.found


def captured(path: Path, max_bytes: int | None = None) -> bytes:
    """Of a writer that puts a hash after some frames."""
    with CaptureWriter(path, venue="stork", flush_every=0, max_bytes=max_bytes) as writer:
        for number in range(300):
            writer.frame(kit.stork_frame(kit.update(number), number))
    return path.read_bytes()


@pytest.fixture
def whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    monkeypatch.setattr("payloads.capture.writer._SEALED_LINES", 20)
    return captured(tmp_path / "whole.jsonl")


@pytest.mark.parametrize("size", [7, 100, 4096, 2**20])
def test_a_capture_as_it_was_written_is_sound_however_its_pieces_come(
    whole: bytes, size: int
) -> None:
    found = seen(whole, size)
    assert found.sound
    assert found.hashes > 10
    assert found == seen(whole)


def test_any_change_of_a_line_is_seen(whole: bytes, tmp_path: Path) -> None:
    """Whatever the full check finds fault with is not sound, and the other way round."""
    dice = random.Random(5)
    lines = whole.splitlines(keepends=True)
    path = tmp_path / "changed.jsonl"
    for _ in range(150):
        changed, at = list(lines), dice.randrange(1, len(lines) - 1)
        match dice.randrange(7):
            case 0:
                del changed[at]
            case 1:
                changed.insert(at, changed[at])
            case 2:
                changed[at], changed[at + 1] = changed[at + 1], changed[at]
            case 3:
                place = dice.randrange(len(changed[at]) - 1)
                old = changed[at]
                changed[at] = old[:place] + bytes([old[place] ^ 1]) + old[place + 1 :]
            case 4:
                del changed[at:]
            case 5:
                changed.append(changed[at])
            case _:
                pass
        path.write_bytes(b"".join(changed))
        (result,) = check(open_inputs([path]))
        assert seen(path.read_bytes(), 1000).sound == result.sound, result.problems


def test_what_has_no_hash_is_not_sound_and_not_in_doubt(whole: bytes) -> None:
    for data in (
        kit.content(kit.mixed(30)),
        b"",
        b"no capture\n",
        whole[:100],
        b'{"capture":99}\n',
    ):
        found = seen(data)
        assert not found.sound
        assert not found.hashes
        assert not in_doubt([found])


def test_a_hash_that_comes_late_is_in_doubt(whole: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the first bytes have none, hashes are not computed any more."""
    monkeypatch.setattr(seals, "_FIRST_WITHIN", 2000)
    found = seen(whole, 1000)
    assert found.hashes
    assert in_doubt([found])


def test_parts_follow_one_another(tmp_path: Path) -> None:
    captured(tmp_path / "parts.jsonl", max_bytes=40_000)
    found = [seen(path.read_bytes()) for path in sorted(tmp_path.iterdir(), key=part_of)]
    assert len(found) > 2
    assert not in_doubt(found)
    assert not in_doubt(found[1:])  # begun with a later part
    assert in_doubt(found[:-1])
    assert in_doubt([found[0], *found[2:]])
    other = Sealed(**{name: getattr(found[1], name) for name in found[1].__struct_fields__}
                   | {"previous": "0" * 64})  # fmt: skip
    assert in_doubt([found[0], other, *found[2:]])


def part_of(path: Path) -> int:
    return seen(path.read_bytes()).part


def test_a_line_without_an_end_is_not_kept(whole: bytes) -> None:
    """Nor is it put together again for each piece of it."""
    found = Seals()
    for _ in found.watched([whole, *[b"x" * 2**20] * 64]):
        assert len(found._kept) <= 2**20
    assert not found.found.sound


def test_lines_too_long_for_a_hash_are_hashed_as_all_others(tmp_path: Path) -> None:
    with CaptureWriter(tmp_path / "c.jsonl", venue="stork") as writer:
        for number in range(3):
            writer.frame(kit.stork_frame(b"b" * 200_000, number))
    data = (tmp_path / "c.jsonl").read_bytes()
    for size in (1000, 70_000, 2**20):
        assert seen(data, size).sound
    assert not seen(data.replace(b"626262", b"626362", 1), 1000).sound
