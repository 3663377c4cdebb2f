"""What commands read: folders, globs and files of all kinds, with the origin of each result."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from payloads.capture.frames import Frame, Incident
from payloads.capture.writer import CaptureWriter
from payloads.cli.main import main
from tests import corpus

UPDATE = corpus.of("signed_ecdsa")[0].text
FRAME = json.dumps({"type": "signed_ecdsa", "p": UPDATE})
BBO = json.dumps({
    "type": "bbo", "symbol": "AAPL-USD", "time": "2026-11-29T23:54:46.056464094Z",
    "bid": [["230.799972", "1.509"]], "ask": [["230.846137", "0.186"]],
})  # fmt: skip
AT = 1_795_996_486_056_464_094
WHEN = "2026-11-29T23:54:46.056464094Z"
READING = ["decode", "inspect", "recover", "verify"]
STATE = {"verify": ["--state", "fixtures/examples/stork-state.json"]}


def run(*arguments: str, stdin: Any = None) -> Result:
    return CliRunner().invoke(main, list(arguments), input=stdin)


def of(command: str, *arguments: str) -> Result:
    return run(command, *STATE.get(command, []), *arguments)


def printed(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def capture(path: Path, venue: str, *messages: str, at: int = AT) -> None:
    with CaptureWriter(path, venue=venue) as writer:
        number = writer.connection()
        for message in messages:
            writer.frame(Frame(venue, number, "in", "text", at, message))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of many tools: three payloads, and what holds none."""
    (tmp_path / "deep").mkdir()
    capture(tmp_path / "deep" / "stork.jsonl.zst", "stork", FRAME)
    capture(tmp_path / "qfex.jsonl", "qfex", BBO)
    (tmp_path / "node.jsonl").write_text(json.dumps({"ts": AT, "binary": False, "data": FRAME}))
    (tmp_path / "payload.bin").write_bytes(bytes.fromhex(UPDATE.removeprefix("0x")))
    (tmp_path / "notes.txt").write_text("what to do\n")
    (tmp_path / ".hidden").write_text(FRAME)
    return tmp_path


@pytest.mark.parametrize("command", READING)
def test_every_command_reads_a_folder(command: str, folder: Path) -> None:
    for paths in ([str(folder)], [f"{folder}/*", f"{folder}/deep/*.zst"]):
        result = of(command, "--json", *paths)
        found = [record for record in printed(result.stdout) if "event" not in record]
        assert sorted(Path(record["file"]).name for record in found) == [
            "node.jsonl", "payload.bin", "stork.jsonl.zst",
        ]  # fmt: skip
        (told,) = printed(result.stderr)
        assert told["file"] == str(folder / "notes.txt")
        assert "text without frames" in told["error"]["reason"]
        assert result.exit_code == 1


def test_replay_makes_one_capture_of_a_folder(folder: Path) -> None:
    result = run("replay", str(folder))
    header, *records = printed(result.stdout)
    assert header["capture"] == 1
    assert not [record for record in records if "capture" in record]
    frames = [record for record in records if "dir" in record]
    assert [(frame["venue"], frame["conn"]) for frame in frames] == [
        ("", 1), ("stork", 2), ("", 3), ("qfex", 4),
    ] or len({frame["conn"] for frame in frames}) == 4  # fmt: skip
    assert "notes.txt" in result.stderr
    again = run("decode", "--json", "--no-signers", "-", stdin=result.stdout)
    assert len([r for r in printed(again.stdout) if r.get("system") == "stork"]) == 3


@pytest.mark.parametrize("command", READING)
def test_the_origin_stands_in_every_result(command: str, tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    capture(path, "stork", FRAME, FRAME.replace("0x", "0x00"))
    result = of(command, "--json", str(path))
    origin = {
        "file": str(path), "received_at": str(AT), "venue": "stork", "connection": 1,
        "direction": "in",
    }  # fmt: skip
    for record in printed(result.stdout + result.stderr):
        assert {key: record.get(key) for key in origin} == origin
        assert record["where"] == f"{path}: line {record['line']}"
    place = f"{path}: line 2 (stork, connection 1, in, {WHEN})"
    text = of(command, str(path))
    assert place in text.stdout
    assert place.replace("line 2", "line 3") in text.stdout + text.stderr


def test_the_origin_goes_through_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    capture(path, "stork", FRAME)
    first = run("decode", "--json", "--no-signers", str(path)).stdout
    (record,) = printed(run("recover", "--json", stdin=first).stdout)
    assert (record["file"], record["line"], record["received_at"]) == (str(path), 2, str(AT))


def test_the_venue_decides_how_a_frame_is_read(tmp_path: Path) -> None:
    """The same text is a payload from Stork, and a message of an unknown kind from QFEX."""
    for venue, payloads in (("stork", 1), ("qfex", 0), ("", 1)):
        path = tmp_path / f"{venue}.jsonl"
        capture(path, venue, FRAME)
        result = run("decode", "--json", "--no-signers", str(path))
        assert len(printed(result.stdout)) == payloads
    lines = tmp_path / "node.jsonl"
    lines.write_text(json.dumps({"ts": AT, "data": FRAME}))
    assert len(printed(run("decode", "--json", str(lines)).stdout)) == 1
    result = run("decode", "--json", "--venue", "qfex", str(lines))
    assert result.stdout == ""
    assert "no payload" in result.stderr


@pytest.mark.parametrize(
    ("venue", "message", "said"),
    [
        ("qfex", BBO, {"message": "Bbo", "channel": "bbo"}),
        ("finery", '["X",0,"S",0]', {"event": "Status", "code": "0"}),
        ("finery", '["L",0,"S",[]]', {"message": "Frame", "channel": "L"}),
        ("ethgas", '{"e":"tickerUpdate","E":1796041579847,"s":"ETH-PC-1","P":{}}',
         {"message": "Update", "channel": "tickerUpdate"}),
        ("qfex-trade", '{"heartbeat":1}', None),
    ],
)  # fmt: skip
def test_messages_that_nobody_signs_are_decoded(
    venue: str, message: str, said: dict[str, Any] | None, tmp_path: Path
) -> None:
    path = tmp_path / "c.jsonl"
    capture(path, venue, message)
    result = run("decode", "--json", str(path))
    found = printed(result.stdout)
    if said is None:
        assert found == []
        assert "1 other messages" in result.stderr
        return
    assert result.exit_code == 0
    assert found[0] | said == found[0]
    assert (found[0]["venue"], found[0]["line"]) == (venue, 2)
    text = run("decode", str(path)).stdout
    assert f"{path}: line 2 ({venue}, connection 1, in, {WHEN})" in text
    # Other commands want signatures.
    assert "no payload in this capture" in run("recover", str(path)).stderr


def test_a_message_of_a_venue_is_decoded_as_its_session_has_it(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    capture(path, "qfex", BBO, "{broken", '{"type":"bbo","symbol":7}', '{"type":"news"}')
    result = run("decode", "--json", str(path))
    (found,) = printed(result.stdout)
    assert found["content"] == {
        "symbol": "AAPL-USD", "time": str(AT), "bid": [["230.799972", "1.509"]],
        "ask": [["230.846137", "0.186"]],
    }  # fmt: skip
    assert [record["line"] for record in printed(result.stderr)] == [3, 4]
    (numbers,) = printed(run("decode", "--json", "--numbers", str(path)).stdout)
    assert numbers["content"]["time"] == AT
    # What is printed of it is no payload for another command.
    piped = run("recover", stdin=result.stdout)
    assert "without a payload: 1 message" in piped.stderr


def test_what_holds_no_payload_is_counted_and_listed(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    with CaptureWriter(path, venue="stork") as writer:
        writer.incident(Incident("stork", 1, AT, "opened", {}))
        for direction, opcode, data in (
            ("out", "text", '{"type":"subscribe"}'), ("in", "text", '{"type":"ok"}'),
            ("in", "text", FRAME), ("in", "ping", b"x"), ("out", "pong", b"x"),
        ):  # fmt: skip
            writer.frame(Frame("stork", 1, direction, opcode, AT, data))  # type: ignore[arg-type]
    result = run("decode", str(path))
    assert result.exit_code == 0
    counted = "without a payload: 1 sent, 1 message, 1 ping, 1 pong"
    assert result.stderr.splitlines() == [f"{counted} (--others lists them)"]
    listed = run("decode", "--others", str(path))
    assert listed.stderr.splitlines() == [counted]
    line = f'sent  {path}: line 3 (stork, connection 1, out, {WHEN})  {{"type":"subscribe"}}'
    assert line in listed.stdout
    records = printed(run("recover", "--json", "--others", str(path)).stdout)
    assert [(r["other"], r["message"], r["line"]) for r in records if "other" in r] == [
        ("sent", '{"type":"subscribe"}', 3), ("message", '{"type":"ok"}', 4), ("ping", "x", 6),
        ("pong", "x", 7),
    ]  # fmt: skip


@pytest.mark.parametrize("command", [*READING, "replay"])
def test_any_loggers_lines_are_read_by_the_names_of_their_members(
    command: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.log"
    line = {"when": WHEN, "msg": {"body": FRAME, "encoding": "text"}}
    path.write_text(json.dumps(line))
    names = ("--text-field", "msg.body", "--time-field", "when", "--binary-field", "msg.encoding")
    output = () if command == "replay" else ("--json",)
    result = of(command, *output, *names, "--venue", "stork", str(path))
    record = printed(result.stdout)[-2 if command == "replay" else -1]
    if command == "replay":
        assert (record["at"], record["venue"], record["text"]) == (AT, "stork", FRAME)
    else:
        assert (record["received_at"], record["venue"], record["line"]) == (str(AT), "stork", 1)
    assert result.stderr == ""


def test_a_kind_may_be_named(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("pong\n" + FRAME)
    assert "text without frames" not in run("replay", str(path)).stderr
    path.write_text("pong\nping\n")
    assert "text without frames" in run("replay", str(path)).stderr
    lines = printed(run("replay", "--kind", "lines", str(path)).stdout)
    assert [line["text"] for line in lines if "text" in line] == ["pong", "ping"]
    assert run("decode", "--kind", "nothing", str(path)).exit_code == 2


def test_connections_of_several_inputs_do_not_collide(tmp_path: Path) -> None:
    for name, at in (("a.jsonl", AT), ("b.jsonl", AT + 5)):
        capture(tmp_path / name, "stork", FRAME, FRAME, at=at)
    frames = [r for r in printed(run("replay", str(tmp_path)).stdout) if "dir" in r]
    assert [frame["conn"] for frame in frames] == [1, 1, 2, 2]
    found = printed(run("decode", "--json", "--no-signers", str(tmp_path)).stdout)
    assert [record["connection"] for record in found] == [1, 1, 2, 2]


def test_help_names_the_options() -> None:
    for command in (*READING, "replay"):
        text = run(command, "--help").output
        for option in ("--kind", "--venue", "--text-field", "--time-field", "--binary-field",
                       "--keylog"):  # fmt: skip
            assert re.search(rf"{option}\b", text), (command, option)
