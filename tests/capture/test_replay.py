"""Captures played again, from Python and from the command line."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from websockets.asyncio.client import connect as plain_connect

from payloads.capture.format import Header
from payloads.capture.frames import Frame, Incident
from payloads.capture.reader import read_frames, read_records
from payloads.capture.replay import paced, rerun
from payloads.capture.writer import CaptureWriter
from payloads.cli.main import main
from payloads.errors import Misuse
from payloads.live import connect
from payloads.simulators.replay import serve
from payloads.venues.common.session import Data, Reply
from tests.live.kit import QUICK, Numbered, count, read_until, run, serving

SECOND = 10**9
ROOT = Path(__file__).parents[2]
UPDATE = (ROOT / "fixtures/examples/update.hex").read_text().strip()


def at(seconds: float, data: str | bytes = "x", direction: Any = "in") -> Frame:
    opcode = "text" if isinstance(data, str) else "binary"
    return Frame("v", 1, direction, opcode, 10**18 + int(seconds * SECOND), data)  # type: ignore[arg-type]


def command(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, list(arguments), input=stdin)


def capture_of(path: Path, *written: Frame, venue: str = "v") -> Path:
    with CaptureWriter(path, venue=venue) as writer:
        for one in written:
            writer.frame(one)
    return path


def test_pauses_are_those_of_then() -> None:
    slept: list[float] = []
    sent = [at(0), at(0.2), at(0.1), at(0.5), at(10_000)]
    assert list(paced(sent, 2.0, slept.append)) == sent
    # Never slept here, so each pause is what is left until the frame is due.
    assert [round(one, 1) for one in slept] == [0.1, 0.1, 0.2, 60.2]
    slept.clear()
    assert list(paced(sent, 0, slept.append)) == sent
    assert slept == []
    with pytest.raises(Misuse, match="speed"):
        list(paced(sent, -1))


def test_a_session_says_of_a_capture_what_it_said_then(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl.gz"

    async def work() -> list[Any]:
        async def handler(socket: Any) -> None:
            await count(socket, 20)
            if len(opened) == 0:
                opened.append(1)
                socket.transport.abort()
            await socket.wait_closed()

        opened: list[int] = []
        async with serving(handler) as url:
            with CaptureWriter(path) as writer:
                session = Numbered(url)
                async with connect(session, recorder=writer, backoff=QUICK) as connection:
                    deliveries = await read_until(connection, 20)
                    while connection.stats.opened < 2:
                        await asyncio.sleep(0.01)
        return deliveries

    live = run(work())
    again = list(rerun(Numbered("ws://x"), read_records(path)))
    said = [(m.frame, m.events) for m in again if m.frame]
    assert said == [(m.frame, m.events) for m in live if m.frame]
    kinds = [type(event).__name__ for m in again for event in m.events]
    assert kinds.count("Opened") == 2
    assert kinds.count("Closed") == 2
    assert sum(isinstance(event, Data) for m in again for event in m.events) == 20


def test_anybodys_client_gets_what_was_received() -> None:
    sent = [at(0, '{"a":1}'), at(0.1, "no", "out"), at(0.2, b"\x00\xff"), at(0.3, "end")]

    async def work() -> None:
        async with serve(lambda: sent, speed=1) as url:
            for _ in range(2):
                began = time.monotonic()
                async with plain_connect(url, proxy=None) as socket:
                    await socket.send("subscribe, perhaps")
                    got = [message async for message in socket]
                assert got == ['{"a":1}', b"\x00\xff", "end"]
                assert 0.25 < time.monotonic() - began < 2
                assert socket.close_code == 1000
        for host in ("0.0.0.0", "192.0.2.1", "example.com"):
            with pytest.raises(Misuse, match="loopback"):
                async with serve(lambda: sent, host=host):
                    pass

    run(work())


def test_an_answer_that_came_after_the_websocket_had_gone_is_given_to_the_session() -> None:
    def happened(at: int, what: str, **detail: Any) -> Incident:
        return Incident("numbered", 1, at, what, detail)

    session = Numbered("ws://x")
    story = [
        happened(1, "opened"), happened(2, "request", purpose="page"),
        happened(3, "closed", code=1006, reason=""),
        happened(4, "reply", purpose="page", status=200, body="[]"),
    ]  # fmt: skip
    list(rerun(session, story))
    assert session.replies == [Reply("page", 200, b"[]")]


def test_replay_writes_a_capture(tmp_path: Path) -> None:
    path = capture_of(tmp_path / "c.jsonl.zst", at(0, "one"), at(1, b"\xff"), at(2, "out", "out"))
    result = command("replay", str(path))
    assert result.exit_code == 0, result.output
    again = tmp_path / "again.jsonl"
    again.write_bytes(result.stdout_bytes)
    assert list(read_records(again)) == list(read_records(path))
    har = command("replay", str(ROOT / "tests/capture/fixtures/chrome.har"))
    assert har.exit_code == 1  # two broken messages in it
    assert har.stderr.count("message 4: data: not base64") == 1
    again.write_bytes(har.stdout_bytes)
    header, *rest = read_records(again)
    assert isinstance(header, Header)
    assert [getattr(record, "what", "frame") for record in rest] == [
        "dialling", "opened", "frame", "frame", "frame", "end",
    ]  # fmt: skip
    assert command("check", str(again)).exit_code == 0
    only = command("replay", "--direction", "out", str(path))
    assert [json.loads(line)["dir"] for line in only.stdout.splitlines()[1:]] == ["out"]
    assert command("replay", str(tmp_path / "missing")).exit_code == 2


def test_what_can_be_read_once_is_not_served(tmp_path: Path) -> None:
    path = capture_of(tmp_path / "c.jsonl", at(0, "one"))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for once in ("-", str(pipe)):
        result = subprocess.run(
            [sys.executable, "-m", "payloads", "replay", "--serve", str(path), once],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip
        assert result.returncode == 2
        assert f"error: {once}: can be read only once, expected a file" in result.stderr


def test_decode_reads_captures(tmp_path: Path) -> None:
    messages = [
        at(0, '{"type":"subscribe","assets":[1]}', "out"),
        at(1, json.dumps({"type": "signed_ecdsa", "p": UPDATE})),
        at(2, '{"event":"something else"}'),
        at(3, '{"type":"signed_ecdsa","p":"0x1234"}'),
        at(4, json.dumps({"type": "signed_ecdsa", "p": UPDATE}).encode()),
    ]
    for name in ("c.jsonl", "c.jsonl.gz", "c.jsonl.zst"):
        path = capture_of(tmp_path / name, *messages)
        result = command("decode", "--json", str(path))
        assert result.exit_code == 1
        assert len(result.stdout.splitlines()) == 2
        (error,) = map(json.loads, result.stderr.splitlines())
        assert error["where"] == f"{path}: line 5"
        piped = command("decode", "--json", stdin=path.read_bytes())
        assert piped.stdout == result.stdout.replace(f"{path}: ", "").replace(
            f'"file":"{path}",', ""
        )
    empty = capture_of(tmp_path / "none.jsonl", messages[2])
    result = command("decode", str(empty))
    assert result.exit_code == 1
    assert "no payload in this capture, found 1 other messages" in result.stderr


SIMULATED = """
    import asyncio, json, sys
    from payloads import simulators

    async def main():
        async with simulators.make(sys.argv[1], rate=50) as venue:
            print(json.dumps([venue.base, venue.credentials, list(venue.feeds)]), flush=True)
            await asyncio.sleep(60)

    asyncio.run(main())
"""


def test_capture_says_what_is_wrong(tmp_path: Path) -> None:
    output = ("-o", str(tmp_path / "c.jsonl"))
    for arguments, words in (
        (["stork", "1"], "a credential is missing"),
        (["stork", "1", "--set", "nothing"], "NAME=VALUE"),
        (["qfex", "level2:AAPL-USD", "--set", "nothing=1"], "no such option"),
        (["qfex", "nothing:AAPL-USD"], "channels"),
        (["qfex", "level2:AAPL-USD", "--for", "soon"], "not a duration"),
        (["qfex", "level2:AAPL-USD", "--rotate-size", "big"], "not a size"),
        (["qfex", "level2:AAPL-USD", "--endpoint", "ftp://x"], "endpoint"),
    ):
        result = command("capture", *arguments, *output)
        assert result.exit_code == 2, (arguments, result.output)
        assert words in result.output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("venue", "what"),
    [
        ("stork", ["1"]), ("chainlink", None), ("finery", ["B:BTC-USD"]),
        ("ethgas", ["orderBookUpdate:inclusionPreconf"]), ("qfex", ["level2:AAPL-USD"]),
    ],
)  # fmt: skip
def test_capture_of_a_simulated_venue(
    venue: str, what: list[str] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("payloads.simulators")
    import textwrap

    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SIMULATED), venue], stdout=subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        line = child.stdout.readline()
        if not line:
            pytest.skip(f"no simulator of {venue}")
        base, credentials, feeds = json.loads(line)
        for name, value in credentials.items():
            monkeypatch.setenv(f"PAYLOADS_{venue.upper()}_{name.upper()}", value)
        path = tmp_path / "c.jsonl.zst"
        options = ["--endpoint", base, "-o", str(path), "--frames", "20", "--for", "20s", "--json"]
        result = command("capture", venue, *(what or feeds[:2]), *options)
    finally:
        child.kill()
        child.wait()
        assert child.stdout is not None
        child.stdout.close()
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert summary["messages"] >= 20
    assert summary["opened"] == 1
    received = [one for one in read_frames(path) if one.direction == "in" and one.is_message]
    assert len(received) >= 20
    raw = (
        b"".join(one.raw for one in read_frames(path))
        + str([one.detail for one in read_records(path) if isinstance(one, Incident)]).encode()
    )
    for value in credentials.values():
        assert value.encode() not in raw
