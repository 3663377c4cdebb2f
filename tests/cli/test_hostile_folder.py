"""A folder of everything that goes wrong: each is said in a line, and the rest is read."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from payloads.capture import compression, inputs
from payloads.capture.format import MAX_LINE_BYTES
from payloads.capture.frames import Frame
from payloads.capture.writer import CaptureWriter
from payloads.cli.main import main
from tests import corpus

FRAME = json.dumps({"type": "signed_ecdsa", "p": corpus.of("signed_ecdsa")[0].text})
HEADER = b'{"capture":1,"venue":"stork"}\n'
LONG = 300 * 2**20


def line(at: int) -> bytes:
    record = {"at": at, "venue": "stork", "conn": 1, "dir": "in", "op": "text", "text": FRAME}
    return json.dumps(record).encode() + b"\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> Path:
    with CaptureWriter(tmp_path / "whole.jsonl.zst", venue="stork") as writer:
        writer.frame(Frame("stork", 1, "in", "text", 1, FRAME))
    torn = gzip.compress(HEADER + line(2) + os.urandom(2_000).hex().encode(), mtime=0)
    (tmp_path / "torn.jsonl.gz").write_bytes(torn[:-600])
    (tmp_path / "binary.bin").write_bytes(bytes(range(256)) * 9)
    (tmp_path / "empty.jsonl").touch()
    with (tmp_path / "long.jsonl").open("wb") as stream:  # a hole in it takes no space
        stream.write(HEADER + line(3) + b'{"at":4,"text":"')
        stream.seek(LONG if command == "decode" else MAX_LINE_BYTES, os.SEEK_CUR)
        stream.write(b'"}\n' + line(5))
    # A bomb is refused beyond a size that would take a second to read.
    monkeypatch.setattr(compression, "FREE_BYTES", 2**20)
    bomb = HEADER + line(6) + bytes(16 * 2**20)
    (tmp_path / "bomb.jsonl.gz").write_bytes(gzip.compress(bomb, 9, mtime=0))
    monkeypatch.setattr(compression, "MAX_RATIO", 100)
    (tmp_path / "bomb.zip").write_bytes(b"PK\x03\x04" + bytes(200))
    growing = tmp_path / "growing.jsonl"
    growing.write_bytes(HEADER + line(7))

    more = inputs._Stream._more

    def grown(stream: Any) -> bytes:
        """What reads: meanwhile another process writes."""
        with growing.open("ab") as growth:
            growth.write(line(8))
        return more(stream)

    monkeypatch.setattr(inputs._Stream, "_more", grown)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "secret.jsonl").write_bytes(HEADER)
    opened = Path.open

    def refuse(path: Path, *args: Any, **options: Any) -> Any:
        if path.name == "secret.jsonl":  # root may read everything
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *args, **options)

    monkeypatch.setattr(Path, "open", refuse)
    return tmp_path


SAID = {
    "torn.jsonl.gz": "the gzip stream is cut off",
    "binary.bin": "too short for any payload|not recognised as a payload",
    "empty.jsonl": "an empty file",
    "long.jsonl": "longer than any line",
    "bomb.jsonl.gz": "the gzip stream expands too much",
    "bomb.zip": "a zip archive, which is not read",
    "growing.jsonl": "grew while it was read",
    "pipe": "a pipe in a folder, which is not read",
    "secret.jsonl": "cannot be read: Permission denied",
}


@pytest.mark.parametrize("command", ["decode", "replay", "check"])
def test_each_is_said_in_a_line_and_the_rest_is_read(command: str, folder: Path) -> None:
    output = {"decode": ["--json", "--no-signers"], "check": ["--json"]}.get(command, [])
    result = CliRunner().invoke(main, [command, *output, str(folder)])
    assert result.exit_code == 1
    if command == "check":
        found = map(json.loads, result.stdout.splitlines())
        checked = {Path(each["file"]).name: each for each in found}
        told = {
            name: " ".join(problem["message"] for problem in each.get("problems", ()))
            for name, each in checked.items()
        }
        assert checked["whole.jsonl.zst"]["sound"]
    else:
        told = {}
        for each in result.stderr.splitlines():
            name = next(name for name in SAID if f"{folder}/{name}" in each)
            told[name] = told.get(name, "") + each
    for name, words in SAID.items():
        assert any(part in told[name] for part in words.split("|")), name
    records = [json.loads(each) for each in result.stdout.splitlines()]
    if command == "decode":
        assert {record["received_at"] for record in records} >= set("123567")
    elif command == "replay":
        assert {record["at"] for record in records if "dir" in record} >= {1, 2, 3, 5, 6, 7}
