"""Captures in several files: read as one, in order, and with a word about what is missing."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from payloads.capture.frames import Frame
from payloads.capture.parts import grouped
from payloads.capture.writer import CaptureWriter
from payloads.cli.main import main
from tests import corpus

PAYLOAD = corpus.of("signed_ecdsa")[0].text
MESSAGE = json.dumps({"type": "signed_ecdsa", "p": PAYLOAD})
COUNT = 11
TIMES = [10 * 10**9 * number for number in range(1, COUNT + 2)]


def command(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, list(arguments), input=stdin)


def times(ran: Result) -> list[int]:
    """When the messages of a replayed capture came."""
    records = map(json.loads, ran.stdout.splitlines())
    return [one["at"] for one in records if one.get("dir") == "in"]


@pytest.fixture(params=["c.jsonl", "c.jsonl.gz", "c.jsonl.zst"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """Thirteen parts: one without a message, some with a payload each, one with another message."""
    now = 1
    with CaptureWriter(tmp_path / request.param, max_seconds=1, clock=lambda: now) as writer:
        for now in TIMES:
            text = MESSAGE if now < TIMES[-1] else "{}"
            writer.frame(Frame("stork", 1, "in", "text", now, text))
    assert len(writer.summary.files) == COUNT + 2
    return [*writer.summary.files]


def test_the_first_file_stands_for_the_whole(files: list[str]) -> None:
    assert grouped(files[:1]) == [tuple(files)]
    replayed = command("replay", files[0])
    assert (replayed.exit_code, times(replayed)) == (0, TIMES)
    decoded = command("decode", "--json", "--no-signers", files[0])
    assert decoded.exit_code == 0, decoded.stderr
    assert len(decoded.stdout.splitlines()) == COUNT
    inspected = command("inspect", files[0])
    assert inspected.exit_code == 0, inspected.stderr
    assert inspected.stdout.count("line 2") == COUNT


def test_parts_are_put_in_order(files: list[str]) -> None:
    mixed = [*files]
    random.Random(1).shuffle(mixed)
    assert grouped([*mixed, os.path.relpath(files[0])]) == [tuple(files)]
    assert times(command("replay", *mixed)) == TIMES
    # A later one alone is what was asked for, and so is what follows it.
    assert times(command("replay", files[3])) == TIMES[2:3]
    some = command("replay", *reversed(files[3:6]))
    assert (some.exit_code, times(some), some.stderr) == (0, TIMES[2:5], "")


def test_other_sources_stay_where_they_are(files: list[str], tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text(PAYLOAD)
    assert grouped([str(other), files[2], "0x00", files[1], str(other)]) == [
        (str(other),), (files[1], files[2]), ("0x00",), (str(other),),
    ]  # fmt: skip
    ran = command("decode", "--json", "--no-signers", "0x00", files[2], "0x00", files[1])
    places = [json.loads(line)["where"] for line in ran.stderr.splitlines()]
    assert (ran.exit_code, places) == (1, ["argument 1", "argument 3"])


def test_a_missing_part_is_told(files: list[str]) -> None:
    Path(files[5]).unlink()
    for arguments in (["replay"], ["decode", "--no-signers"]):
        ran = command(*arguments, files[0])
        assert ran.exit_code == 1
        assert ran.stderr.endswith(f"capture: part 6 is not here, expected {Path(files[5]).name}\n")
        ran = command(*arguments, *files[:5], *files[6:])
        assert ran.exit_code == 1
        assert f"{files[6]}: line 1: capture: part 6 is not here\n" in ran.stderr
    assert times(command("replay", *files[:5], *files[6:])) == [*TIMES[:4], *TIMES[5:]]
    Path(files[6]).unlink()
    ran = command("replay", *files[:5], *files[7:])
    assert f"{files[7]}: line 1: capture: parts 6 to 7 are not here\n" in ran.stderr


def test_the_first_part_alone_is_told_not_to_be_all(files: list[str]) -> None:
    first = Path(files[0]).read_bytes()
    for arguments in (["replay", "-"], ["decode"]):
        ran = command(*arguments, stdin=first)
        assert ran.exit_code == 1
        assert f"part 2 is not here, expected {Path(files[1]).name}" in ran.stderr
    whole = b"".join(Path(name).read_bytes() for name in files)
    ran = command("replay", "-", stdin=whole)
    assert (ran.exit_code, times(ran)) == (0, TIMES)


def test_a_part_that_is_cut_off_is_told_and_the_others_are_read(files: list[str]) -> None:
    with Path(files[4]).open("r+b") as stream:
        stream.truncate(stream.seek(0, 2) - 20)
    ran = command("replay", files[0])
    assert ran.exit_code == 1
    assert f"{files[4]}: line" in ran.stderr
    assert "is not here" not in ran.stderr
    assert times(ran)[-8:] == TIMES[-8:]


def test_another_capture_of_the_same_name_is_not_taken_for_a_part(
    files: list[str], tmp_path: Path
) -> None:
    second = Path(files[1])
    second.unlink()
    with CaptureWriter(second) as writer:
        writer.frame(Frame("stork", 1, "in", "text", 5, MESSAGE))
    assert grouped(files[:1]) == [(files[0], *files[2:])]
    ran = command("replay", files[0])
    assert (ran.exit_code, times(ran)) == (1, TIMES[1:])
    assert "part 2 is not here" in ran.stderr
