"""`payloads capture` against simulators: what it says on the way, its summary and its exit code."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from payloads import simulators
from payloads.capture.format import Header
from payloads.capture.frames import Frame, Incident
from payloads.capture.reader import read_frames, read_records
from payloads.capture.replay import rerun
from payloads.cli.main import main
from payloads.errors import Misuse
from payloads.simulators import ChainlinkSimulator, Simulator
from payloads.simulators.http import Response, answer
from payloads.simulators.threaded import threaded
from payloads.simulators.venues.chainlink import FEEDS, sequence_of
from payloads.venues import VENUES, SessionConfig, make, variable
from payloads.venues.chainlink.backfill import Backfilled
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import Data

BTC = next(iter(FEEDS.values()))
# For a process of its own, also where this tree was never installed.
ROOT = str(Path(__file__).resolve().parents[2])
STORK = ("capture", "stork", "BTCUSD", "--endpoint")


def command(*arguments: str, **environment: str) -> Result:
    return CliRunner(env=environment).invoke(main, list(arguments))


def capture(venue: Simulator, path: Path, *more: str, **wrong: str) -> Result:
    arguments = venue.capture(str(path))
    return command(*arguments, "--for", "20s", *more, **(venue.environment | wrong))


def later(seconds: float, action: Any) -> threading.Timer:
    timer = threading.Timer(seconds, action)
    timer.start()
    return timer


def test_a_venue_that_says_no_is_asked_once(tmp_path: Path) -> None:
    with simulators.start("stork") as venue:
        ran = capture(venue, tmp_path / "c.jsonl", PAYLOADS_STORK_TOKEN="another-token")
        assert venue.counters.dials == 1
    assert ran.exit_code == 1
    assert "refused, HTTP 401: invalid token: the token is missing or not valid" in ran.stderr
    assert "given up: HTTP 401: the token is missing or not valid" in ran.stdout
    whats = [one.what for one in read_records(tmp_path / "c.jsonl") if isinstance(one, Incident)]
    assert whats == ["dialling", "refused", "gave up", "end"]


def test_what_was_refused_is_told(tmp_path: Path) -> None:
    with simulators.start("finery", rate=50) as venue:
        ran = command("capture", "finery", "B:NOPE-X", "B:BTC-USD", "--endpoint", venue.base,
                      "-o", str(tmp_path / "c.jsonl"), "--frames", "10",
                      **venue.environment)  # fmt: skip
    assert "refused, 103 (bind B:NOPE-X): bad feed id" in ran.stderr


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    token = {"PAYLOADS_STORK_TOKEN": "a-token-of-the-test"}
    nowhere = [*STORK, "ws://127.0.0.1:9", "-o"]
    ran = command(*nowhere, str(tmp_path / "a.jsonl"), "--attempts", "1", **token)
    assert ran.exit_code == 1
    assert "1 dialled" in ran.stdout
    ran = command(*nowhere, str(tmp_path / "b.jsonl"), "--for", "0.2s", "--json", **token)
    summary = json.loads(ran.stdout)
    # Nothing went wrong for good, but whoever asked has nothing.
    assert (ran.exit_code, summary["ended"]) == (1, "as long as was asked for")
    assert " Connection refused\n" in ran.stderr
    assert "dialling again in" in ran.stderr


def test_files_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "there.jsonl").write_text("mine")
    for name in ("there.jsonl", "no/folder.jsonl", "."):
        ran = command(*STORK, "ws://127.0.0.1:9", "-o", str(tmp_path / name),
                      PAYLOADS_STORK_TOKEN="a-token-of-the-test")  # fmt: skip
        assert ran.exit_code == 2, name
        assert ran.output.startswith("error: ")
    assert (tmp_path / "there.jsonl").read_text() == "mine"


def test_nothing_asked_for_is_told(tmp_path: Path) -> None:
    for venue in ("chainlink", "stork", "finery", "ethgas", "qfex"):
        ran = command("capture", venue, "-o", str(tmp_path / "c.jsonl"))
        assert ran.exit_code == 2
        assert f"{venue} WHAT: nothing to capture, expected" in ran.stderr
    assert not list(tmp_path.iterdir())


def test_gaps_are_told_and_filled(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl.zst"
    options: dict[str, Any] = {"rate": 50, "feeds": [BTC], "misbehave": "restart@20:0.3"}
    with simulators.start("chainlink", **options) as venue:
        ran = capture(venue, path, "--frames", "160", "--json")
    summary = json.loads(ran.stdout)
    assert ran.exit_code == 0, ran.stderr
    assert (summary["ended"], summary["messages"]) == ("as many as were asked for", 160)
    (gap,) = summary["gaps"]
    assert gap > 0.3
    assert summary["backfilled"] > 10
    assert not summary["lost_at_the_end"]
    for words in ("connected", "connection lost, 1012", "nothing came for ", "by REST"):
        assert words in ran.stderr
    # What filled the gap is in the file, and is read, replayed and run through a session again.
    again = tmp_path / "again.jsonl"
    again.write_text(command("replay", "--direction", "in", str(path)).stdout)
    for file in (path, again):
        decoded = command("decode", "--json", "--no-signers", str(file))
        assert decoded.exit_code == 0, decoded.stderr
        reports = [json.loads(line) for line in decoded.stdout.splitlines()]
        by_reply = {one["sequence"] for one in reports if one.get("provenance") == "reply"}
        streamed = {one["sequence"] for one in reports if "provenance" not in one}
        assert len(by_reply - streamed) > 10
        numbers = by_reply | streamed
        assert sorted(numbers) == [*range(min(numbers), max(numbers) + 1)], "lost"
    said = [event for one in rerun(venue.session(), read_records(path)) for event in one.events]
    backfilled = [
        sequence_of(event.payload)
        for event in said
        if isinstance(event, Data) and event.payload and event.content.backfilled
    ]
    assert set(backfilled) == by_reply - streamed
    assert sum(isinstance(event, Backfilled) for event in said) == 1


def test_an_origin_that_is_lost_is_no_gap(tmp_path: Path) -> None:
    """With high availability the other one goes on; what both sent is counted and kept."""
    path = tmp_path / "c.jsonl"
    with simulators.start("chainlink", rate=50, feeds=[BTC]) as venue:

        def cut() -> None:
            venue.wait_connected(2)
            venue._in_loop(venue.peers[0].abort)

        cutting = later(0.5, cut)
        ran = capture(venue, path, "--set", "ha=yes", "--frames", "150", "--json")
        cutting.join()
    summary = json.loads(ran.stdout)
    assert ran.exit_code == 0, ran.stderr
    assert (summary["gaps"], summary["dials"] > 2) == ([], True)
    assert "connection 1: connection lost" in ran.stderr or "connection 2: connection" in ran.stderr
    received = [one for one in read_frames(path) if one.direction == "in" and one.is_message]
    assert len({one.connection for one in received}) >= 2
    # In its first seconds an origin may not make up for another: then replies bring reports, too.
    decoded = command("decode", "--json", "--no-signers", str(path))
    numbers = [json.loads(line)["sequence"] for line in decoded.stdout.splitlines()]
    kept_twice = len(numbers) - len(set(numbers))
    assert summary["duplicates"] >= 20
    assert kept_twice >= summary["duplicates"] - 5
    assert sorted(set(numbers)) == [*range(min(numbers), max(numbers) + 1)], "lost"


def test_high_availability_that_is_not_to_be_had_is_told(tmp_path: Path) -> None:
    with simulators.start("chainlink", rate=50, origins=[]) as venue:
        ran = capture(venue, tmp_path / "c.jsonl", "--set", "ha=yes", "--frames", "3")
    assert ran.exit_code == 0, ran.stderr
    assert "the service names no origins: one connection only" in ran.stderr


def test_stopping_while_the_origins_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = ["--endpoint", f"ws://127.0.0.1:{silent.getsockname()[1]}"]
        child = subprocess.Popen(
            [sys.executable, "-m", "payloads", "capture", "chainlink", BTC, *where,
             "--set", "ha=yes", "-o", str(path), "--json"],
            env={**os.environ, "PAYLOADS_CHAINLINK_KEY": "the-key-of-nobody",
                 "PAYLOADS_CHAINLINK_SECRET": "the-secret-of-nobody"},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        asking, _ = silent.accept()
        with asking:
            asking.recv(1)
            child.send_signal(signal.SIGINT)
            stdout, stderr = child.communicate(timeout=10)
    summary = json.loads(stdout)
    assert (child.returncode, summary["ended"], summary["dials"]) == (1, "stopped", 0)
    assert stderr == ""
    *_, asked, end = read_records(path)
    assert isinstance(asked, Incident)
    assert isinstance(end, Incident)
    assert (asked.what, end.what) == ("request", "end")
    assert "of-nobody" not in path.read_text()


class Busy(ChainlinkSimulator):
    """Cannot say at first which origins there are."""

    times = 1

    async def answer_http(self, request: Any) -> Response:
        if request.method == "HEAD" and self.times:
            self.times -= 1
            return answer(503, {"error": "busy"})
        return await super().answer_http(request)


def test_a_service_that_does_not_name_its_origins_at_once_is_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    with threaded(Busy(rate=50)) as venue:
        ran = capture(venue, path, "--set", "ha=yes", "--frames", "20", "--json")
    assert ran.exit_code == 0, ran.stderr
    assert "refused, HTTP 503 (which origins there are): " in ran.stderr
    assert "asking again in 1.0 s" in ran.stderr
    assert "one connection only" not in ran.stderr
    summary = json.loads(ran.stdout)
    assert (summary["refusals"], summary["dials"]) == ({"HTTP 503": 1}, 2)
    happened = [
        one for one in read_records(path) if isinstance(one, Incident) and one.what != "hash"
    ]
    asked = ["request", "reply"]
    assert [one.what for one in happened][:5] == [*asked, "retrying", *asked]
    assert [one.detail["status"] for one in happened if one.what == "reply"] == [503, 200]
    assert venue.environment["PAYLOADS_CHAINLINK_KEY"] not in path.read_text()


class Slow(ChainlinkSimulator):
    """Takes its time to say which origins there are."""

    async def answer_http(self, request: Any) -> Response:
        await asyncio.sleep(1)
        return await super().answer_http(request)


def test_the_time_is_that_of_the_capture(tmp_path: Path) -> None:
    with threaded(Slow(rate=50)) as venue:
        began = time.monotonic()
        ran = capture(venue, tmp_path / "c.jsonl", "--set", "ha=yes", "--frames", "1", "--json")
        took = time.monotonic() - began
    assert ran.exit_code == 0, ran.stderr
    assert json.loads(ran.stdout)["seconds"] <= took - 1


@pytest.mark.parametrize("how", ["--rotate-size=2kB", "--rotate-every=0.2s"])
def test_files_are_rotated(how: str, tmp_path: Path) -> None:
    with simulators.start("stork", rate=50, feeds=["BTCUSD"]) as venue:
        ran = capture(venue, tmp_path / "c.jsonl.gz", how, "--flush", "0.05s", "--frames", "60",
                      "--json")  # fmt: skip
    assert ran.exit_code == 0, ran.stderr
    summary = json.loads(ran.stdout)
    assert len(summary["files"]) > 2
    assert (
        sum(1 for name in summary["files"] for _ in read_frames(name)) == summary["frames_written"]
    )


# What a loop on Windows says to whoever wants to handle a signal.
AS_ON_WINDOWS = """
import asyncio.unix_events, runpy
def add_signal_handler(*_):
    raise NotImplementedError
asyncio.unix_events._UnixSelectorEventLoop.add_signal_handler = add_signal_handler
runpy.run_module("payloads", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize(
    ("number", "python"),
    [
        (signal.SIGINT, ["-m", "payloads"]),
        (signal.SIGTERM, ["-m", "payloads"]),
        (signal.SIGINT, ["-c", AS_ON_WINDOWS]),
    ],
    ids=["SIGINT", "SIGTERM", "Windows"],
)
def test_stopping_closes_the_connection_and_the_file(
    number: int, python: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "c.jsonl.gz"
    with simulators.start("chainlink", rate=20) as venue:
        child = subprocess.Popen(
            [sys.executable, *python, *venue.capture(str(path)), "--json"],
            env={**os.environ, **venue.environment},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        venue.wait_connected()
        assert child.stderr is not None
        assert "connected" in child.stderr.readline()
        child.send_signal(number)
        stdout, stderr = child.communicate(timeout=10)
    assert (child.returncode, json.loads(stdout)["ended"]) == (0, "stopped")
    assert "Traceback" not in stderr
    *_, closed, end = read_records(path)
    assert isinstance(closed, Incident)
    assert isinstance(end, Incident)
    assert (closed.what, closed.detail["code"], end.what) == ("closed", 1000, "end")


def test_the_rates_are_told_where_nobody_watches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("payloads.cli.capture_progress._LOGGED_EVERY", 0.1)
    with simulators.start("stork", rate=50, misbehave="duplicate@2") as venue:
        ran = capture(venue, tmp_path / "c.jsonl", "--frames", "30")
    assert "messages" in ran.stderr
    assert "kB/s  gaps 0  broken 0  duplicates 1" in ran.stderr
    assert "duplicates               1, kept in the capture" in ran.stdout


def test_help_says_what_there_is() -> None:
    said = command("capture", "--help").stdout
    for words in ("--ca FILE", "exit code is 0", "PAYLOADS_CHAINLINK_KEY, PAYLOADS_CHAINLINK_SECR",
                  "level2:AAPL-USD", "--rotate-size"):  # fmt: skip
        assert words in said


_WHAT = {"chainlink": BTC, "stork": "1", "finery": "B:1", "ethgas": "blockBuilderUpdate",
         "qfex": "level2", "qfex-trade": "order_responses"}  # fmt: skip


@pytest.mark.parametrize("venue", VENUES)
def test_help_names_the_endpoints_that_there_are(venue: str) -> None:
    held = {name: Secret("1" * 64) for name in ("key", "secret", "token", "public_key")}
    for endpoint in VENUES[venue].endpoints:
        assert make(venue, SessionConfig((_WHAT[venue],), endpoint, {}, held))
    with pytest.raises(Misuse):
        make(venue, SessionConfig((_WHAT[venue],), "nowhere", {}, held))


@pytest.mark.parametrize("venue", VENUES)
def test_an_endpoint_of_no_name_is_told_which_there_are(venue: str, tmp_path: Path) -> None:
    held = {variable(venue, name): "1" * 64 for name in ("key", "secret", "token", "public_key")}
    ran = command("capture", venue, _WHAT[venue], "--endpoint", "nowhere", "-o",
                  str(tmp_path / "c.jsonl"), **held)  # fmt: skip
    assert ran.exit_code == 2
    known = ", ".join(VENUES[venue].endpoints)
    assert ran.stderr == (
        f"error: endpoint: no such endpoint, expected {known}, or a URL of wss or ws\n"
    )


@pytest.mark.parametrize(
    ("venue", "what", "places"),
    [
        ("chainlink", BTC, ["PAYLOADS_CHAINLINK_KEY"]),
        ("stork", "1", ["PAYLOADS_STORK_TOKEN"]),
        ("finery", "B:1", ["PAYLOADS_FINERY_KEY"]),
        ("ethgas", "preconfBundleUpdate",
         ["PAYLOADS_ETHGAS_PRIVATE_KEY", "PAYLOADS_ETHGAS_ACCESS_TOKEN"]),
        ("qfex-trade", "fills", ["PAYLOADS_QFEX_TRADE_PUBLIC_KEY", "PAYLOADS_QFEX_TRADE_JWT"]),
    ],
)  # fmt: skip
def test_a_missing_credential_is_told_by_its_variable(
    venue: str, what: str, places: list[str], tmp_path: Path
) -> None:
    ran = command("capture", venue, what, "-o", str(tmp_path / "c.jsonl"))
    assert ran.exit_code == 2
    assert f"expected {' or '.join(places)} in the environment, or " in ran.stderr
    assert "<" not in ran.stderr


def test_a_full_disk_ends_the_capture_with_a_word(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / "c.jsonl"
    with simulators.start("stork", rate=50) as venue:
        ran = subprocess.run(
            [sys.executable, "-m", "payloads", *venue.capture(str(path)), "--flush", "0.1s"],
            env={**os.environ, **venue.environment}, capture_output=True, text=True, timeout=20,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192)),
        )  # fmt: skip
    assert ran.returncode == 1
    assert f"error: {path}: cannot be written any more: File too large" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert "File too large" in ran.stdout
    assert path.stat().st_size == 8192


def test_a_part_that_cannot_be_begun_ends_the_capture_with_a_word(tmp_path: Path) -> None:
    third = tmp_path / "c.0003.jsonl"
    third.write_text("mine")
    with simulators.start("stork", rate=50) as venue:
        ran = capture(venue, tmp_path / "c.jsonl", "--rotate-size", "1kB", "--flush", "0s")
    assert ran.exit_code == 1
    assert f"error: {third}: cannot be written any more: File exists" in ran.stderr
    assert "File exists" in ran.stdout
    assert third.read_text() == "mine"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is full")
@pytest.mark.parametrize(
    "words",
    [
        ("decode", "fixtures/examples/report.hex"),
        ("verify", "--state", "fixtures/examples/state.json", "0x00"),  # which is refused
        ("state", "show", "fixtures/examples/state.json"),
    ],
    ids=lambda words: words[0],
)
def test_a_result_that_cannot_be_written_is_told(words: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "payloads", *words],
            stdout=full, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (2, "error: standard output: No space left on device\n")


# --- to standard output ---------------------------------------------------------------------------


def piped(venue: Simulator, *more: str, **streams: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "payloads", *venue.capture("-"), "--for", "20s", *more],
        env={**os.environ, **venue.environment, "PYTHONPATH": ROOT},
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams},
    )


def test_a_capture_goes_to_standard_output_and_its_summary_does_not(tmp_path: Path) -> None:
    with simulators.start("stork", rate=50) as venue:
        child = piped(venue, "--frames", "20", "--json")
        out, err = child.communicate(timeout=30)
    assert child.returncode == 0
    summary = json.loads(err.splitlines()[-1])
    assert (summary["messages"], summary["files"]) == (20, ["-"])
    for secret in venue.credentials.values():
        assert secret.encode() not in out
    header, *_, end = read_records(BytesIO(out))
    assert isinstance(header, Header)
    assert isinstance(end, Incident)
    assert (header.venue, end.what) == ("stork", "end")
    assert summary["file_bytes"] == len(out)
    found = CliRunner().invoke(main, ["decode", "--json", "--no-signers", "-"], input=out)
    assert len(found.stdout.splitlines()) == sum(
        isinstance(record, Frame)
        and record.direction == "in"
        and "signed_ecdsa" in str(record.data)
        for record in read_records(BytesIO(out))
    )


def test_a_capture_through_a_pipe_is_decoded_while_it_runs() -> None:
    with simulators.start("stork", rate=20) as venue:
        child = piped(venue, stderr=subprocess.DEVNULL)
        decoding = subprocess.Popen(
            [sys.executable, "-m", "payloads", "decode", "--json", "--no-signers"],
            stdin=child.stdout, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": ROOT},
        )  # fmt: skip
        assert child.stdout
        assert decoding.stdout
        child.stdout.close()
        for _ in range(3):
            record = json.loads(decoding.stdout.readline())
            assert (record["venue"], record["connection"]) == ("stork", 1)
        assert child.poll() is None
        # The reader goes: the capture ends, too.
        decoding.kill()
        decoding.wait()
        decoding.stdout.close()
        assert child.wait(20) == 1


@pytest.mark.parametrize("rate", [50, 0.01], ids=["while messages come", "while none come"])
def test_a_reader_that_goes_away_ends_the_capture_with_a_word(rate: float) -> None:
    with simulators.start("stork", rate=rate) as venue:
        child = piped(venue)
        assert child.stdout
        assert child.stderr
        assert child.stdout.readline().startswith(b'{"capture":1')
        child.stdout.close()
        said = child.stderr.read().decode()
        child.stderr.close()
        assert child.wait(20) == 1
    assert "nothing reads the capture any more" in said
    assert "Traceback" not in said
    assert "error" not in said


def test_a_capture_is_not_written_to_a_terminal() -> None:
    controller, end = os.openpty()
    with simulators.start("stork") as venue:
        child = piped(venue, stdout=end)
        _, err = child.communicate(timeout=30)
    os.close(end)
    os.close(controller)
    assert child.returncode == 2
    assert err.decode().startswith("error: -o: a capture is not written to a terminal, expected")


def test_a_pipe_cannot_be_rotated() -> None:
    with simulators.start("stork") as venue:
        child = piped(venue, "--rotate-size", "1MB")
        out, err = child.communicate(timeout=30)
    assert (child.returncode, out) == (2, b"")
    assert b"expected a file, to rotate" in err


@pytest.mark.parametrize("wrong", [["-o", "-"], ["--rotate-size", "0"], ["--rotate-every", "0s"]])
def test_options_that_make_no_sense(wrong: list[str], tmp_path: Path) -> None:
    given = [*STORK, "ws://127.0.0.1:9", "-o", str(tmp_path / "c.jsonl"), *wrong]
    ran = command(*given, PAYLOADS_STORK_TOKEN="a-token-of-the-test")
    assert ran.exit_code == 2
    assert wrong[0] in ran.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments",
    [[*STORK, "ws://127.0.0.1:9", "-o", "c.jsonl"], ["replay", "--serve", "hex.txt"]],
    ids=["capture", "replay"],
)
def test_without_the_websocket_library_it_is_said_what_to_install(
    arguments: list[str], tmp_path: Path
) -> None:
    (tmp_path / "hex.txt").write_text("00ff\n")
    code = (
        "import sys; sys.modules['websockets'] = None; from payloads.cli.main import main; main()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PAYLOADS_STORK_TOKEN": "a-token-of-the-test", "PYTHONPATH": ROOT},
    )  # fmt: skip
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "is not installed, expected pip install '.[live]' in a clone" in ran.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["hex.txt"]


def test_a_half_open_connection_is_noticed_in_the_time_that_was_set(tmp_path: Path) -> None:
    with simulators.start("stork", rate=50, misbehave="stall@3:60") as venue:
        ran = capture(
            venue, tmp_path / "c.jsonl", "--frames", "12",
            "--ping-interval", "0.2s", "--ping-timeout", "0.3s",
        )  # fmt: skip
    assert ran.exit_code == 0, ran.stderr
    assert "(no answer to a ping within 0.3 s)" in ran.stderr
    assert "as many as were asked for" in ran.stdout
    for wrong in ("0s", "never"):
        assert command("capture", "stork", "1", "--ping-interval", wrong, "-o", "x").exit_code == 2


def test_broken_messages_are_summed_up_after_the_third_of_a_kind(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "c.jsonl"
    with simulators.start("stork", rate=50, misbehave="corrupt%100:truncate") as venue:
        ran = capture(venue, path, "--frames", "20", "--json")
    count = json.loads(ran.stdout)["broken"]
    assert count == 20
    lines = [line for line in ran.stderr.splitlines() if " broken message" in line]
    assert len(lines) == 4
    assert lines[2].endswith("; more of these are counted")
    assert lines[3].endswith(f"{count} broken messages in all: not JSON")
    logged = [record.getMessage() for record in caplog.records if "broken" in record.msg]
    assert len(logged) == 4
    assert logged[3].endswith("broken messages in all: not JSON")
    # The capture has them all.
    frames = [frame for frame in read_frames(path) if frame.is_message and frame.direction == "in"]
    assert len(frames) >= count
