"""Commands that share their items among processes print what they print alone, and end clean."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests import corpus
from tests.docs_code import ROOT

STATE = str(ROOT / "fixtures" / "examples" / "state.json")
GOOD = ("cl-003", "st-001")
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")

# Processes from the first item on, and few items for each.
EAGER = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
from payloads.cli import shares
from payloads.cli.main import main
shares._FEW_SIZE, shares._BATCH_ITEMS = -1, 3
"""
PAIRS = """
import json
for call in json.load(open(sys.argv[1])):
    for jobs in ("1", "2"):
        name = f"{call[0]}{jobs}"
        sys.stdout, sys.stderr = open(name + ".out", "w"), open(name + ".err", "w")
        code = 0
        try:
            main([*call[1:], "--jobs", jobs])
        except SystemExit as end:
            code = end.code
        print("ended with", code)
        sys.stdout.close(), sys.stderr.close()
"""


def started(code: str, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", EAGER + code, *arguments], env=environment,
                            start_new_session=True, **options)  # fmt: skip


def lines() -> list[str]:
    good = [corpus.entry(name).text for name in GOOD]
    other = json.dumps({"type": "subscribed", "what": "é\u202e"})
    return [good[n % 2] if n % 7 else ("0x1234", '{"broken', other)[n % 3] for n in range(60)]


def test_the_output_is_that_of_one_process(tmp_path: Path) -> None:
    several = tmp_path / "lines.txt"
    several.write_text("".join(f"{line}\n" for line in lines()))
    capture = str(ROOT / "tests" / "capture" / "fixtures" / "mitmproxy.flow")
    calls = [
        ["words", "decode", str(several)],
        ["json", "decode", "--json", str(several)],
        ["others", "decode", "--json", "--others", capture, str(several)],
        ["verify", "verify", "--json", "--state", STATE, str(several)],
        ["brief", "verify", "--brief", "--only-refused", "--state", STATE, str(several)],
        ["who", "recover", "--json", str(several)],
        ["expected", "recover", "--expect", "0x" + "11" * 20, str(several)],
        ["bytes", "inspect", "--json", str(several)],
        ["views", "inspect", str(several)],
        ["misuse", "decode", "--json", "--schema", "nothing", str(several)],
    ]
    listed = tmp_path / "calls.json"
    listed.write_text(json.dumps(calls))
    with started(PAIRS, str(listed), cwd=tmp_path) as process:
        assert process.wait(60) == 0
    for name, *_ in calls:
        for end in ("out", "err"):
            alone, shared = ((tmp_path / f"{name}{jobs}.{end}").read_text() for jobs in "12")
            assert shared == alone, (name, end)
        assert "ended with" in (tmp_path / f"{name}2.out").read_text()
    assert (tmp_path / "json2.out").read_text().count("\n") > 40
    assert (tmp_path / "json2.err").read_text()


def test_a_line_in_a_pipe_is_answered_before_the_next_one_comes() -> None:
    run = "main(['decode', '--json', '--jobs', '2'])"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with started(run, **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for line in lines()[1:6]:
            process.stdin.write(line.encode() + b"\n")
            process.stdin.flush()
            assert "form" in json.loads(process.stdout.readline())
        process.stdin.close()
        assert process.wait(20) == 0


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_the_command(which: signal.Signals, tmp_path: Path) -> None:
    endless = tmp_path / "endless"
    os.mkfifo(endless)
    run = f"main(['decode', '--json', '--jobs', '2', {str(endless)!r}])"
    with started(run, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        with endless.open("w") as stream:
            stream.write("".join(f"{line}\n" for line in lines()))
            stream.flush()
            for _ in range(40):  # all processes have answered
                process.stdout.readline()
            process.send_signal(which)
            assert process.wait(20) in (1, 130, -which)
        ended = time.monotonic() + 10
        with contextlib.suppress(ProcessLookupError):
            while time.monotonic() < ended:
                os.killpg(process.pid, 0)
                time.sleep(0.02)
            raise AssertionError("a process is left")


def test_a_process_that_is_killed_ends_the_command(tmp_path: Path) -> None:
    several = tmp_path / "lines.txt"
    several.write_text("".join(f"{line}\n" for line in lines()))
    run = f"""
ask = shares._Fork.ask
def killed(self, items):
    ask(self, items)
    self._process.kill()
shares._Fork.ask = killed
main(['decode', '--json', '--jobs', '2', {str(several)!r}])
"""
    with started(run, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        said = process.stderr.read().decode()
        assert process.wait(20) == 1
    assert "a process that works on payloads has ended" in said
    assert "Traceback" not in said
