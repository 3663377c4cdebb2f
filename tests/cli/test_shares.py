"""Commands that share their items among processes print what they print alone, and end clean."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from payloads.cli import shares
from payloads.cli.sources import Item
from tests import corpus
from tests.docs_code import ROOT

STATE = str(ROOT / "fixtures" / "examples" / "state.json")
GOOD = ("cl-003", "st-001")
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")

# Processes from the first piece on, and few items for each.
EAGER = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
from payloads.cli import shares
from payloads.cli.main import main
shares._WORTH_A_FORK, shares._PIECE_ITEMS = 0, 3
"""
PAIRS = """
import json
for call in json.load(open(sys.argv[1])):
    for jobs in ("1", "2", "5"):
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


@dataclass
class Counts:
    done: int
    failed: int
    others: Counter[str]


class Idle:
    """In the place of a process."""

    def end(self) -> None:
        pass


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
            alone, *shared = ((tmp_path / f"{name}{jobs}.{end}").read_text() for jobs in "125")
            assert shared == [alone, alone], (name, end)
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
    said = tmp_path / "said"
    with said.open("wb") as words, started(run, stdout=subprocess.PIPE, stderr=words) as process:
        assert process.stdout is not None
        with endless.open("w") as stream:
            stream.write("".join(f"{line}\n" for line in lines()))
            stream.flush()
            for _ in range(20):  # all processes work
                process.stdout.readline()
            process.send_signal(which)
            assert process.wait(20) in (1, 130, -which)
        ended = time.monotonic() + 10
        with contextlib.suppress(ProcessLookupError):
            while time.monotonic() < ended:
                os.killpg(process.pid, 0)
                time.sleep(0.02)
            raise AssertionError("a process is left")
    assert "Traceback" not in said.read_text()


def test_processes_begin_where_work_has_shown_to_be_worth_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And more of them the longer it lasts, up to the number that is wanted."""
    counts = Counts(0, 0, Counter())
    monkeypatch.setattr(shares, "_PIECE_ITEMS", 1)
    monkeypatch.setattr(shares, "can_share", lambda: True)
    done: list[int] = []
    begun: list[int] = []
    monkeypatch.setattr(shares, "_Fork", lambda *_: Idle())
    with shares.Shares(lambda some: done.extend(each.line or 0 for each in some), counts, 6) as few:
        for number in range(40):
            few.take(Item("", "", number))
        assert done == list(range(40)), "this process does little work alone, and at once"
        assert few._forks == []
        monkeypatch.setattr(shares, "_WORTH_A_FORK", 0)
        for number in range(4):
            few.take(Item("", "", number))
            begun.append(len(few._forks))
    assert begun == [1, 3, 5, 5]


def test_all_processes_work_at_a_time_on_a_file(tmp_path: Path) -> None:
    """A read of a file need not be waited for, so nothing is finished before it."""
    several = tmp_path / "lines.txt"
    several.write_text(f"{corpus.entry(GOOD[0]).text}\n" * 200)
    run = f"""
ask = shares._Fork.ask
team, most = [], 0
def counted(self, piece):
    global most
    team.append(self) if self not in team else None
    ask(self, piece)
    most = max(most, sum(each.piece is not None for each in team))
shares._Fork.ask = counted
main(['decode', '--json', '--no-signers', '--jobs', '3', {str(several)!r}], standalone_mode=False)
print("at a time:", most, file=sys.stderr)
"""
    with started(run, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert process.stderr.read().decode() == "at a time: 2\n"
        assert process.wait(20) == 0


def test_a_process_that_is_killed_ends_the_command(tmp_path: Path) -> None:
    several = tmp_path / "lines.txt"
    several.write_text("".join(f"{line}\n" for line in lines()))
    run = f"""
ask = shares._Fork.ask
def killed(self, piece):
    ask(self, piece)
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
