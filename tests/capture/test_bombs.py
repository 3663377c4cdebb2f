"""Files that are small and hold very much: read within the memory's bound, or refused in a line."""

from __future__ import annotations

import gzip
import json
import lzma
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from payloads.capture import compression
from payloads.capture.compression import FREE_BYTES, MAX_RATIO, decompressed
from payloads.capture.format import MAX_LINE_BYTES, BrokenLine, frame_line, record_of
from payloads.capture.frames import Frame
from payloads.capture.importers import text
from payloads.capture.importers.any_file import import_records
from payloads.capture.importers.mitmproxy import MAX_FLOW_BYTES, MAX_FLOW_VALUES
from payloads.capture.importers.pieces import MAX_WHOLE_BYTES
from payloads.cli.main import main
from payloads.errors import Malformed
from payloads.venues.common.json_text import MAX_MESSAGE_BYTES
from tests.checks import outcome
from tests.memory_limit import needs_measure, run_limited

ENTRIES = b'{"log":{"entries":[%s]}}'


def har_of(*messages: Any) -> bytes:
    entry = {"request": {"url": "wss://x.example"}, "_webSocketMessages": list(messages)}
    return json.dumps({"log": {"entries": [entry]}}).encode()


def repeated(around: bytes, item: bytes, size: int) -> bytes:
    return around % (item * (size // len(item)) + item[:-1])


# --- HAR ------------------------------------------------------------------------------------------


def _emoji(size: int) -> bytes:
    return har_of({"type": "send", "time": 1, "opcode": 1, "data": "\U0001f600"}).replace(
        b"\\ud83d\\ude00", b"\\ud83d\\ude00" + b"x" * size
    )


def _flow(item: bytes, size: int) -> bytes:
    body = b"8:messages;" + b"%d:%s]" % (
        len(item) * (size // len(item)),
        item * (size // len(item)),
    )
    return b"%d:%s}" % (len(body), body)


# A file's content, and what is said about it ("" where it is read).
BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "entries.har": (lambda: repeated(ENTRIES, b"{},", 10**6), "too many entries"),
    "long.har": (lambda: ENTRIES % (b" " * MAX_WHOLE_BYTES), "too large to be read whole"),
    "values.har": (lambda: repeated(har_of().replace(b"[]", b"[{%s}]"), b'"a":[],', 3 * 10**6), ""),
    "emoji.har": (lambda: _emoji(MAX_MESSAGE_BYTES - 200), ""),
    "message.har": (lambda: _emoji(MAX_MESSAGE_BYTES), "larger than any message"),
    "values.flow": (lambda: _flow(b"0:]", 3 * MAX_FLOW_VALUES + 9), "too many values"),
    "long.flow": (lambda: _flow(b"0:]", MAX_FLOW_BYTES + 3), "a flow too large"),
    "line.jsonl": (lambda: b'{"capture":1}\n' + b" " * (MAX_LINE_BYTES + 1), "cut off"),
    "detail.jsonl": (
        lambda: (
            b'{"capture":1}\n'
            + repeated(b'{"at":1,"what":"x","detail":{"a":[%s]}}\n', b"{},", 4 * 10**6)
        ),
        "too many values",
    ),
    "endless.log": (
        lambda: b"Connected (press CTRL+C to quit)\n< a\n" + b"bc\n" * (text.MAX_MESSAGE_LINES + 2),
        "than any message",
    ),
}


@needs_measure
@pytest.mark.parametrize("name", BOMBS)
def test_no_file_takes_the_memory(name: str, tmp_path: Path) -> None:
    make, why = BOMBS[name]
    path = tmp_path / f"{name}.gz"
    path.write_bytes(gzip.compress(make(), 1))
    run_limited(replay_quietly, str(path), why)


def replay_quietly(path: str, why: str) -> None:
    import contextlib
    import os
    import sys
    from io import StringIO

    said = StringIO()
    out = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    with contextlib.redirect_stderr(said):
        try:
            main(["replay", path], standalone_mode=False)
            code = 0
        except SystemExit as stop:
            code = stop.code  # type: ignore[assignment]
    sys.stdout.flush()
    os.dup2(out, 1)
    lines = said.getvalue().splitlines()
    assert all(len(line) < 500 for line in lines)
    if why:
        assert code == 1
        assert any(why in line for line in lines), lines[-3:]


def test_a_har_without_messages_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.har"
    path.write_bytes(ENTRIES % b"{},5")
    ran = CliRunner().invoke(main, ["replay", str(path)])
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert ran.stderr == f"error: {path}: frames: nothing to play, expected a message, found none\n"


@pytest.mark.parametrize(
    "time",
    ["1e99999999999999999999", "-1e99999", "[0,[1],2]", "{}", "1" + "0" * 400, '"x"', "true",
     '"' + "9" * 1000 + '"', "NaN", "1e-99999999999999999999"],
)  # fmt: skip
def test_a_time_of_any_kind_is_a_message_or_an_error(time: str) -> None:
    data = har_of({"type": "send", "time": "TIME", "opcode": 1, "data": "x"})
    found = outcome(lambda: list(import_records(BytesIO(data.replace(b'"TIME"', time.encode())))))
    if isinstance(found, Malformed):
        assert found.reason == "not a HAR"
    else:
        *_, (_, record) = found  # behind the handshake
        assert isinstance(record, BrokenLine) or record.at == 0


# --- compression ----------------------------------------------------------------------------------


class _Endless:
    """A member that expands without end."""

    broken: type[Exception] = ValueError
    more, ended, rest = True, False, b""

    def piece(self, data: bytes) -> bytes:
        return bytes(compression._PIECE)


def test_a_stream_that_expands_beyond_any_ratio_is_refused() -> None:
    sizes: list[int] = []
    pieces = compression._unpacked(b"x", BytesIO(), _Endless, "zstd")
    with pytest.raises(Malformed, match="expands too much") as caught:
        sizes.extend(map(len, pieces))
    assert FREE_BYTES >= sum(sizes) > FREE_BYTES - 2 * compression._PIECE
    assert caught.value.offset == 1
    assert str(MAX_RATIO) in str(caught.value)


def test_a_bomb_of_zstd_is_refused() -> None:
    zstd = pytest.importorskip("backports.zstd")
    stream = zstd.ZstdCompressor()
    bomb = b"".join(stream.compress(bytes(2**24)) for _ in range(20)) + stream.flush()
    assert len(bomb) * MAX_RATIO < 20 * 2**24
    with pytest.raises(Malformed, match="expands too much"):
        sum(len(piece) for piece in decompressed(BytesIO(bomb)))


def test_zstd_looks_back_no_further_than_memory_allows() -> None:
    zstd = pytest.importorskip("backports.zstd")
    options = {zstd.CompressionParameter.window_log: 27}
    bomb = zstd.compress(bytes(2**28), options=options)
    with pytest.raises(Malformed, match="broken"):
        list(decompressed(BytesIO(bomb)))


# --- lines ----------------------------------------------------------------------------------------


def test_a_text_that_json_makes_six_times_as_long_is_written_as_base64() -> None:
    data = "\x01" * MAX_MESSAGE_BYTES
    line = frame_line(Frame("stork", 1, "in", "text", 1, data), data, False)
    assert len(line) < MAX_LINE_BYTES
    found = record_of(line, 1, True)
    assert isinstance(found, Frame)
    assert found.data == data


def test_xz_that_wants_more_memory_is_refused() -> None:
    """Its writer may choose a dictionary of 1.5 GB."""
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 2**28, "preset": 0}]
    packed = lzma.compress(b"00ff\n", filters=filters)
    assert list(decompressed(BytesIO(lzma.compress(b"00ff\n", preset=9)))) == [b"00ff\n"]
    with pytest.raises(Malformed, match="the xz stream is broken"):
        list(decompressed(BytesIO(packed)))
