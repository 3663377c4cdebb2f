"""Scans of whole inputs: the same tables whatever the parts and processes, and after any stop."""

from __future__ import annotations

import bz2
import contextlib
import fcntl
import gzip
import json
import lzma
import os
import re
import signal
import subprocess
import sys
import threading
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from payloads import forensics
from payloads.capture.writer import CaptureWriter
from payloads.cli.main import main
from payloads.errors import Misuse, Refused
from payloads.forensics.scanning import copies, parts, passing, reading, run, team, workers
from payloads.forensics.scanning import work as working
from payloads.forensics.scanning.work import Done, work
from payloads.forensics.tables import MAPPED, TABLES
from tests.docs_code import ROOT
from tests.forensics import kit
from tests.forensics.kit import BEGAN, SECOND

STATES = [kit.state(), kit.stork_state()]


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kit.write(tmp_path_factory.mktemp("capture") / "mixed.jsonl", kit.mixed(200))


@pytest.fixture(scope="module")
def whole(capture: Path, tmp_path_factory: pytest.TempPathFactory) -> forensics.Scan:
    """The capture in one part, in this process."""
    return forensics.scan(capture, state=STATES, out=tmp_path_factory.mktemp("whole"), jobs=1)


def test_tables_depend_neither_on_parts_nor_on_processes(
    capture: Path, whole: forensics.Scan, tmp_path: Path
) -> None:
    for jobs, size in ((1, 10_000), (2, 20_000)):
        out = tmp_path / f"{jobs}"
        found = forensics.scan(capture, state=STATES, out=out, jobs=jobs, part_bytes=size)
        assert len(found.files("frames")) > 5
        kit.same_tables(found, whole)
        assert found.complete
        assert found.counts == whole.counts
    for name, schema in MAPPED.items():
        table = whole.table(name)
        assert table.schema.equals(schema, check_metadata=True)
        assert whole.counts[name] == table.num_rows
    assert whole.counts["frames"] == 202 - _blank_lines(capture)


def _blank_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n\n")


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_captures(
    pack: Any, capture: Path, whole: forensics.Scan, tmp_path: Path
) -> None:
    packed = tmp_path / "packed"
    packed.write_bytes(pack(capture.read_bytes()))
    found = forensics.scan(packed, state=STATES, out=tmp_path / "out", jobs=1, part_bytes=70_000)
    kit.same_tables(found, whole)
    assert found.facts["inputs"][0]["sha256"] == sha256(packed.read_bytes()).hexdigest()


def test_a_capture_of_the_writer_in_parts(tmp_path: Path) -> None:
    """Parts of one capture have their connections in common."""
    path = tmp_path / "stork.jsonl"
    with CaptureWriter(path, venue="stork", max_bytes=20_000) as writer:
        for number in range(600):
            writer.frame(kit.stork_frame(kit.update(number), number))
    found = forensics.scan(tmp_path, out=tmp_path.parent / "of-writer", jobs=1)
    rows = kit.rows(found.table("inputs"))
    assert len(rows) == 2
    assert [row["part"] for row in rows] == list(range(1, len(rows) + 1))
    assert len({row["capture"] for row in rows}) == 1
    assert all(row["complete"] for row in rows)
    assert found.counts["payloads"] == 600
    assert found.table("payloads")["connection"].unique().to_pylist() == [1]
    frames = found.table("frames")["frame"].to_pylist()
    assert len(set(frames)) == len(frames)


def test_other_kinds_of_files(tmp_path: Path) -> None:
    hexes = tmp_path / "list.hex"
    hexes.write_text("".join(f"0x{kit.report(n).hex()}\n" for n in range(5)) + "0x1234\n")
    log = tmp_path / "log.jsonl"
    lines = (
        {"ts": BEGAN + n, "binary": False, "data": kit.stork_frame(kit.update(n), n).data}
        for n in range(5)
    )
    log.write_text("".join(json.dumps(each) + "\n" for each in lines))
    found = forensics.scan([hexes, log], out=tmp_path / "out", jobs=1)
    rows = kit.rows(found.table("payloads"))
    assert [row["system"] for row in rows] == [*["chainlink"] * 5, None, *["stork"] * 5]
    assert [row["error"] is None for row in rows] == [*[True] * 5, False, *[True] * 5]
    assert rows[-1]["at"] == (BEGAN + 4) * SECOND
    assert [row["kind"] for row in kit.rows(found.table("inputs"))] == ["hex", "jsonl"]
    assert len(set(found.table("frames")["connection"].to_pylist())) == 2


def test_what_is_wrong_with_an_input_is_said_and_the_rest_comes_out(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    kit.write(folder / "a.jsonl", kit.mixed(40))
    torn = gzip.compress(kit.content(kit.mixed(200)))
    (folder / "b.jsonl.gz").write_bytes(torn[: len(torn) // 2])
    (folder / "c.bin").write_bytes(os.urandom(5000))
    (folder / "d").write_bytes(b"")
    long = kit.content([b'{"at":1,"x":"' + b"y" * 40_000_000 + b'"}', kit.opened("x", 1)])
    (folder / "e.jsonl").write_bytes(long)
    os.mkfifo(folder / "f")
    found = forensics.scan(folder, out=tmp_path / "out", jobs=1)
    rows = {Path(row["path"]).name: row for row in kit.rows(found.table("inputs"))}
    assert [name for name, row in rows.items() if row["read"]] == ["a.jsonl", "e.jsonl"]
    assert "cut off" in rows["b.jsonl.gz"]["problems"][0]
    assert "empty" in rows["d"]["problems"][0]
    frames = kit.rows(found.table("frames"))
    for name, row in rows.items():
        mine = [each for each in frames if each["input"] == row["input"]]
        assert len(mine) == row["frames"] > 0
        if name not in ("a.jsonl", "e.jsonl"):
            assert mine[-1]["kind"] == "unread"
            assert mine[-1]["error"] == row["problems"][0]
    too_long, after = [each for each in frames if each["input"] == rows["e.jsonl"]["input"]]
    assert "longer than any line" in too_long["error"]
    assert (after["kind"], after["line"]) == ("incident", 3)
    assert long[after["offset"] :].startswith(b'{"at":1700000001')
    assert len(found.problems) == 4


def test_standard_input_and_pipes(capture: Path, whole: forensics.Scan, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cp", capture, pipe]):
        found = forensics.scan([pipe], state=STATES, out=tmp_path / "out", jobs=1)
    kit.same_tables(found, whole)
    assert found.facts["inputs"][0]["sha256"] == sha256(capture.read_bytes()).hexdigest()
    assert not (tmp_path / "out" / "spool").exists()


# --- stopping and going on ------------------------------------------------------------------------


class Stopped(Exception):
    pass


def stop_after(count: int) -> Any:
    seen = []

    def report(progress: forensics.Progress) -> None:
        seen.append(progress)
        if progress.parts >= count:
            raise Stopped

    return report


def stopped(monkeypatch: pytest.MonkeyPatch, count: int, *args: Any, **options: Any) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(run, "_EVERY", 0)
        with pytest.raises(Stopped):
            forensics.scan(*args, **options, report=stop_after(count))


def worked_on(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the parts that are worked on from now on, in this process."""
    names: list[str] = []
    before = work

    def counted(task: Any, *rest: Any) -> Any:
        names.append(task.part.name)
        return before(task, *rest)

    monkeypatch.setattr("payloads.forensics.scanning.run.work", counted)
    return names


def test_a_scan_goes_on_where_it_stopped(
    capture: Path, whole: forensics.Scan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: Any = {"state": STATES, "out": tmp_path / "out", "jobs": 1, "part_bytes": 20_000}
    stopped(monkeypatch, 4, capture, **options)
    assert not forensics.Scan(tmp_path / "out").complete
    names = worked_on(monkeypatch)
    words: list[str] = []
    found = forensics.scan(capture, **options, say=words.append)
    assert names[0] == "00000-00004"
    assert words == ["4 parts are finished already"]
    kit.same_tables(found, whole)
    names.clear()
    again = forensics.scan(capture, **options)
    assert names == []
    kit.same_tables(again, whole)


def _states(folder: Path) -> Path:
    folder.mkdir()
    for name, state in zip(("chainlink", "stork"), STATES, strict=True):
        (folder / f"{name}.json").write_text(json.dumps(state.to_dict()))
    return folder


def _ledger(out: Path) -> dict[str, int]:
    """The parts that are finished, and when they were."""
    return {each.name: each.stat().st_mtime_ns for each in out.glob("parts/*.json")}


def _same_but_for_names_of_states(found: forensics.Scan, whole: forensics.Scan) -> None:
    for name in MAPPED:
        mine, theirs = found.table(name), whole.table(name)
        columns = [each for each in mine.schema.names if each != "state"]
        assert mine.select(columns).equals(theirs.select(columns)), name


def test_a_scan_that_is_killed_goes_on(
    capture: Path, whole: forensics.Scan, tmp_path: Path
) -> None:
    out, states = tmp_path / "out", _states(tmp_path / "states")
    code = (
        "import sys; from payloads import forensics; "
        "forensics.scan(sys.argv[1], state=sys.argv[2], out=sys.argv[3], jobs=2, part_bytes=15_000)"
    )
    command = [sys.executable, "-c", code, str(capture), str(states), str(out)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, start_new_session=True) as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and len(_ledger(out)) < 3:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
    done = _ledger(out)
    assert done
    assert not forensics.Scan(out).complete
    (out / "frames" / ".00000-00003.unfinished").write_bytes(b"half")
    found = forensics.scan(capture, state=states, out=out, jobs=1, part_bytes=15_000)
    assert done.items() <= _ledger(out).items()
    assert not list(out.rglob(".*.unfinished"))
    _same_but_for_names_of_states(found, whole)


# The command in small parts, each of which takes a moment, with this terminal as its own.
SLOW_COMMAND = """
import fcntl, signal, termios, time
from payloads.cli.main import main
from payloads.forensics.scanning import run
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
run.scan.__kwdefaults__["part_bytes"], run._EVERY = 5_000, 0
told = run._Running._finished
run._Running._finished = lambda self, done: (time.sleep(0.2), told(self, done))
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
main()
"""
BAR = re.compile(
    rb"\[#*\.*\] +(\d+)%  [\d.]+ k?B of [\d.]+ kB, [\d,]+ frames, [\d,]+ a second, \d+:\d\d left"
)


def test_the_progress_on_a_terminal_and_ctrl_c(
    capture: Path, whole: forensics.Scan, tmp_path: Path
) -> None:
    """Bytes, frames, rate and the time left; the same command goes on, and does no part twice."""
    out, states = tmp_path / "out", _states(tmp_path / "states")
    arguments = [str(capture), "--state", str(states), "-o", str(out), "--no-findings", "--no-page"]
    controller, end = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", SLOW_COMMAND, "scan", *arguments, "-j", "2"],
        env=os.environ | {"PYTHONPATH": str(ROOT)}, start_new_session=True,
        stdin=end, stdout=end, stderr=end,
    ) as process:  # fmt: skip
        os.close(end)
        said, pressed = b"", False
        with contextlib.suppress(OSError):  # nobody has the terminal any more
            while piece := os.read(controller, 4096):
                said += piece
                if not pressed and len(set(BAR.findall(said))) >= 2:
                    pressed = bool(os.write(controller, b"\x03"))
        assert process.wait(20) == 130, said
    os.close(controller)
    assert said.rstrip().endswith(b"interrupted: the same command goes on from here"), said
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    done = _ledger(out)
    whole_count = len(list(parts.cut(0, [capture.read_bytes()], 5_000)))
    assert 2 <= len(done) < whole_count
    found = forensics.scan(capture, state=states, out=out, jobs=1, part_bytes=5_000)
    assert found.complete
    assert done.items() <= _ledger(out).items()
    assert len(_ledger(out)) == whole_count
    _same_but_for_names_of_states(found, whole)


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[workers.Worker]:
    """The worker of each task that was given to one; a worker is given the first task."""
    given: list[workers.Worker] = []
    begun = threading.Event()

    class Seen(workers.Worker):
        def do(self, task: Any) -> Any:
            given.append(self)
            begun.set()
            return super().do(task)

    takes = team.Team.takes

    def waits(self: team.Team, task: Any) -> bool:
        deadline = time.monotonic() + 60
        while not (took := takes(self, task)) and self._most and not begun.is_set():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert not took or begun.wait(60)
        return took

    monkeypatch.setattr(run, "_WORTH_A_WORKER", 1e-9)
    monkeypatch.setattr(run, "_BYTES_OF_A_WORKER", 1)
    monkeypatch.setattr(team.Team, "takes", waits)
    monkeypatch.setattr(team, "Worker", Seen)
    return given


def test_workers_share_the_parts(tmp_path: Path, used: list[workers.Worker]) -> None:
    """The files are the same, byte for byte, whatever the number of processes."""
    capture = kit.write(tmp_path / "c.jsonl", kit.mixed(60))
    one, two = (
        forensics.scan(capture, out=tmp_path / str(jobs), jobs=jobs, part_bytes=10_000)
        for jobs in (1, 2)
    )
    assert used
    for file in one.folder.glob("*/*.parquet"):
        assert file.read_bytes() == (two.folder / file.relative_to(one.folder)).read_bytes()
    kit.same_tables(one, two)


def test_a_worker_that_dies_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, used: list[workers.Worker]
) -> None:
    capture = kit.write(tmp_path / "c.jsonl", kit.mixed(60))

    do = workers.Worker.do

    def mortal(self: workers.Worker, task: Any) -> Any:
        if len(used) == 1:
            os.kill(self.pid, signal.SIGKILL)
        return do(self, task)

    monkeypatch.setattr(workers.Worker, "do", mortal)
    found = forensics.scan(capture, out=tmp_path / "two", jobs=2, part_bytes=10_000)
    assert len({each.pid for each in used}) >= 2
    kit.same_tables(found, forensics.scan(capture, out=tmp_path / "one", jobs=1))


@pytest.mark.usefixtures("used")
def test_workers_that_always_die_end_the_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    capture = kit.write(tmp_path / "c.jsonl", kit.mixed(5))

    do = workers.Worker.do

    def dead(self: workers.Worker, task: Any) -> Any:
        os.kill(self.pid, signal.SIGKILL)
        return do(self, task)

    monkeypatch.setattr(workers.Worker, "do", dead)
    with pytest.raises(Refused, match="ends each time"):
        forensics.scan(capture, out=tmp_path / "out", jobs=2)


def test_no_part_waits_for_a_worker_that_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This process works on all parts meanwhile, and ends what has not started."""
    capture = kit.write(tmp_path / "c.jsonl", kit.mixed(60))
    begun: list[workers.Worker] = []

    class Slow(workers.Worker):
        def __init__(self, *settings: Any) -> None:
            super().__init__(*settings)
            os.kill(self.pid, signal.SIGSTOP)
            begun.append(self)

    monkeypatch.setattr(run, "_WORTH_A_WORKER", 1e-9)
    monkeypatch.setattr(run, "_BYTES_OF_A_WORKER", 1)
    monkeypatch.setattr(team, "Worker", Slow)
    # It has begun before the first part is done.
    finished = run._Running._finished

    def waits(self: run._Running, done: Done) -> None:
        while not begun:
            time.sleep(0.01)
        finished(self, done)

    monkeypatch.setattr(run._Running, "_finished", waits)
    found = forensics.scan(capture, out=tmp_path / "two", jobs=2, part_bytes=10_000)
    assert found.complete
    assert len(begun) == 1
    with pytest.raises(ProcessLookupError):
        os.kill(begun[0].pid, 0)


def test_other_options_and_inputs_are_refused(tmp_path: Path) -> None:
    capture = kit.write(tmp_path / "c.jsonl", kit.mixed(20))
    out = tmp_path / "out"
    forensics.scan(capture, out=out, jobs=1)
    with pytest.raises(Misuse, match="other options") as refusal:
        forensics.scan(capture, out=out, jobs=1, venues=["stork"])
    assert refusal.value.found == "selection"
    with pytest.raises(Misuse, match="other options"):
        forensics.scan(capture, out=out, jobs=1, state=STATES)
    other = kit.write(tmp_path / "d.jsonl", kit.mixed(3))
    with pytest.raises(Misuse, match="other inputs"):
        forensics.scan([capture, other], out=out, jobs=1)
    found = forensics.scan([capture, other], out=out, jobs=1, venues=["stork"], anew=True)
    assert set(found.table("payloads")["venue"].to_pylist()) == {"stork"}
    whole_folder = tmp_path / "of somebody"
    (whole_folder / "frames").mkdir(parents=True)
    with pytest.raises(Misuse, match="not empty"):
        forensics.scan(capture, out=whole_folder, jobs=1, anew=True)
    with pytest.raises(Misuse, match="in the folder that is written"):
        forensics.scan(out / "scan.json", out=out, jobs=1)
    with (out / ".lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(Misuse, match="another scan is writing"):
            forensics.scan(capture, out=out, jobs=1, anew=True)
    with pytest.raises(Misuse, match="nothing to scan"):
        forensics.scan([], out=out)
    with pytest.raises(Misuse, match="want a state"):
        forensics.scan(capture, out=out, verdicts=["refused"])


def test_an_input_that_has_changed_is_read_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (kit.write(tmp_path / f"{n}.jsonl", kit.mixed(60, n)) for n in (1, 2))
    options: Any = {"out": tmp_path / "out", "jobs": 1, "part_bytes": 15_000}
    forensics.scan([first, second], **options)
    kit.write(second, kit.mixed(20, 3))
    words: list[str] = []
    names = worked_on(monkeypatch)
    found = forensics.scan([first, second], **options, say=words.append)
    assert "has changed" in words[0]
    assert {name[:5] for name in names} == {"00001"}
    kit.same_tables(found, forensics.scan([first, second], out=tmp_path / "new", jobs=1))


# --- times, states, filters -----------------------------------------------------------------------


def test_each_payload_is_judged_in_the_state_that_held_then(tmp_path: Path) -> None:
    """The network's config was set at 100 and removed at 200; another snapshot is older."""
    config = {
        "config_digest": "0x" + kit.NETWORK.config_digest.hex(),
        "signers": list(kit.NETWORK.signers), "f": 1,
        "set_at": BEGAN + 100, "removed_at": BEGAN + 200,
    }  # fmt: skip
    about = {"contract": "v0.5.0", "chain_id": 1, "proxy": "0x" + "11" * 20}
    folder = tmp_path / "states"
    folder.mkdir()
    for name, state in {
        "old": {**about, "fetched_at": BEGAN + 50, "configs": []},
        "new": {**about, "fetched_at": BEGAN + 300, "configs": [config]},
        "stork": kit.stork_state().to_dict(),
    }.items():
        (folder / f"{name}.json").write_text(json.dumps(state))
    numbers = [40, 90, 150, 250, 350]
    frames = [kit.chainlink_frame(kit.report(n), n) for n in numbers]
    capture = kit.write(tmp_path / "c.jsonl", frames)
    found = forensics.scan(capture, state=folder, out=tmp_path / "out", jobs=1)
    rows = kit.rows(found.table("verdicts"))
    assert [row["accepted"] for row in rows] == [False, False, True, False, False]
    assert [row["state"] for row in rows] == ["old.json", *["new.json"] * 4]
    assert [row["now"] for row in rows] == [(BEGAN + n) * SECOND for n in numbers]
    then = forensics.scan(capture, state=folder, out=tmp_path / "then", jobs=1, now=BEGAN + 120)
    assert then.table("verdicts")["accepted"].to_pylist() == [True] * 5


def test_several_contracts_may_know_a_payload(tmp_path: Path) -> None:
    states = [kit.state(world=f"chain {n}", chain_id=n, proxy="0x" + "11" * 20) for n in (1, 2)]
    stranger = bytearray(kit.report(2))
    stranger[:32] = b"\x05" * 32
    frames = [kit.chainlink_frame(kit.report(1), 1), kit.chainlink_frame(bytes(stranger), 2)]
    capture = kit.write(tmp_path / "c.jsonl", [*frames, kit.stork_frame(kit.update(1), 3)])
    found = forensics.scan(capture, state=states, out=tmp_path / "out", jobs=1)
    rows = kit.rows(found.table("verdicts"))
    assert [row["state"] for row in rows] == ["chain 1", "chain 2", None, None]
    assert {row["problem"] for row in rows[2:]} == {"no state knows the payload"}
    assert found.table("prices")["passed"].to_pylist() == [True] * 3 + [None] * 5


def test_filters(capture: Path, whole: forensics.Scan, tmp_path: Path) -> None:
    def filtered(name: str, **options: Any) -> forensics.Scan:
        return forensics.scan(capture, state=STATES, out=tmp_path / name, jobs=1, **options)

    feed = filtered("feed", feeds=["1/3"])
    assert set(feed.table("prices")["feed"].to_pylist()) == {"1/3"}
    assert 0 < feed.counts["payloads"] < whole.counts["payloads"]
    signer = filtered("signer", signers=[kit.NETWORK.signers[2]])
    frames = {row["frame"] for row in kit.rows(signer.table("payloads"))}
    assert frames == {
        row["frame"] for row in kit.rows(whole.table("signatures"))
        if row["signer"] == kit.NETWORK.signers[2].lower()
    }  # fmt: skip
    refused = filtered("refused", verdicts=["refused"])
    assert set(refused.table("verdicts")["passed"].to_pylist()) == {False}
    accepted = filtered("accepted", verdicts=["accepted"])
    assert set(accepted.table("verdicts")["passed"].to_pylist()) == {True}
    judged = sum(row["passed"] is not None for row in kit.rows(whole.table("verdicts")))
    assert accepted.counts["payloads"] + refused.counts["payloads"] == judged
    for found in (feed, signer, refused, accepted):
        kept = found.table("frames")
        assert sum(kept["payloads"].to_pylist()) == found.counts["payloads"]
        assert kept["kind"].to_pylist().count("unread") == whole.table("frames")[
            "kind"
        ].to_pylist().count("unread")
    since = filtered(
        "since", since=(BEGAN + 50) * SECOND, until=(BEGAN + 100) * SECOND, venues=["stork"]
    )
    assert all(row["venue"] == "stork" for row in kit.rows(since.table("payloads")))


# --- the folder and the command -------------------------------------------------------------------


def test_what_the_folder_says(capture: Path, whole: forensics.Scan) -> None:
    facts = json.loads((whole.folder / "scan.json").read_text())
    assert facts["complete"] is True
    assert facts["inputs"][0]["sha256"] == sha256(capture.read_bytes()).hexdigest()
    assert facts["version"]
    (row,) = kit.rows(whole.table("inputs"))
    assert (row["sha256"], row["bytes"]) == (facts["inputs"][0]["sha256"], capture.stat().st_size)
    assert row["frames"] == whole.counts["frames"]
    assert row["complete"] is True
    schema = pq.read_schema(whole.files("prices")[0])
    assert schema.field("value").metadata[b"meaning"]
    with pytest.raises(Misuse, match="no such table"):
        whole.table("price")
    with pytest.raises(Misuse, match="not the folder of a scan"):
        forensics.Scan(capture.parent)


def test_an_empty_scan_has_all_tables(tmp_path: Path) -> None:
    capture = kit.write(tmp_path / "c.jsonl", [])
    found = forensics.scan(capture, out=tmp_path / "out", jobs=1)
    for name in TABLES:
        assert found.table(name).schema.equals(TABLES[name])
    assert not any(count for name, count in found.counts.items() if name != "inputs")


def test_parts_are_cut_by_the_content_alone() -> None:
    content = kit.content(kit.mixed(60))
    for size in (1, 1000, 10**6):
        found = []
        for step in (7, 1000, len(content)):
            pieces = [content[at : at + step] for at in range(0, len(content), step)]
            cuts = list(parts.cut(0, pieces, size))
            assert b"".join(each.content for each in cuts) == content
            for each in cuts:
                assert each.content == content[each.part.first : each.part.last]
                assert each.part.line == 1 + content[: each.part.first].count(b"\n")
            found.append([each.part for each in cuts])
        assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("size", [1, 3_000, 10**6])
def test_a_plain_file_has_the_parts_of_the_same_file_compressed(
    size: int, capture: Path, tmp_path: Path
) -> None:
    packed = tmp_path / "packed.jsonl.gz"
    packed.write_bytes(gzip.compress(capture.read_bytes()))
    found = []
    for number, path in enumerate((capture, packed)):
        out = tmp_path / str(number)
        forensics.scan(path, out=out, jobs=1, part_bytes=size, recovers=False)
        files = sorted(out.glob("parts/*.json"))
        found.append([json.loads(each.read_bytes())["part"] for each in files])
    assert found[0] == found[1]
    assert len(found[0]) > 1 or size == 10**6


def test_a_file_is_read_once(
    capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This process hashes all bytes anyway; the work on a part takes them as they pass."""
    wanted = forensics.scan(capture, out=tmp_path / "a", jobs=1, part_bytes=5_000)
    monkeypatch.setattr(working, "blocks_of", None)
    found = forensics.scan(capture, out=tmp_path / "b", jobs=1, part_bytes=5_000)
    assert found.facts["inputs"] == wanted.facts["inputs"]
    for name in TABLES:
        assert found.table(name).equals(wanted.table(name))


def test_a_file_of_another_kind_counts_with_all_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "payloads.txt"
    path.write_text("0x" + kit.report(1).hex() + "\n")
    seen: list[run.Progress] = []
    found = forensics.scan(path, out=tmp_path / "out", jobs=1, report=seen.append)
    assert (seen[-1].bytes, seen[-1].total) == (path.stat().st_size, path.stat().st_size)
    assert found.facts["inputs"][0]["sha256"] == sha256(path.read_bytes()).hexdigest()


def test_a_file_is_hashed_to_its_end_whatever_of_it_was_asked_for(tmp_path: Path) -> None:
    content = b"".join(b"%d" % number * 50 + b"\n" for number in range(1000))
    path = tmp_path / "lines"
    path.write_bytes(content)
    with passing.Hashed(str(path)) as stream:
        last = stream.end_of_line(20_000)
        assert content[last - 1 : last] == b"\n"
        some = passing.Passing(stream.blocks(last))
        assert some.lines() == content.count(b"\n", 0, last)
        assert stream.digest() == sha256(content).hexdigest()


def test_a_file_that_shrinks_while_it_is_read_has_an_end(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"line\n" * 1000)
    with passing.Hashed(str(path)) as stream:
        os.truncate(path, 500)
        assert stream.end_of_line(700) == stream.size == 5000
        assert b"".join(stream.blocks(5000)) == b"line\n" * 100
    assert b"".join(passing.blocks_of(str(path), 100, 5000)) == b"line\n" * 80


@pytest.mark.parametrize("size", [1, 40, 200])
def test_blocks_are_whole_lines_unless_those_are_too_long(
    size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passing, "BLOCK_BYTES", 100)
    monkeypatch.setattr(passing, "_AHEAD", 7)
    content = b"".join(b"x" * size * (number % 3) + b"\n" for number in range(20)) + b"no end"
    path = tmp_path / "lines"
    path.write_bytes(content)
    found = list(passing.blocks_of(str(path), 0, len(content)))
    assert b"".join(found) == content
    assert max(map(len, found)) <= 200
    if size < 100:
        assert all(each.endswith(b"\n") and len(each) >= 100 for each in found[:-1])
    with passing.Hashed(str(path)) as stream:
        assert list(stream.blocks(len(content))) == found


def test_a_line_that_is_too_long_is_not_kept_out_of_a_compressed_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its length is told all the same, as of a plain file."""
    most, size, step = 10_000, 20_000, 1_000
    for module in (parts, reading):
        monkeypatch.setattr(module, "MAX_LINE_BYTES", most)
    for module in (passing, working):
        monkeypatch.setattr(module, "BLOCK_BYTES", step)
    monkeypatch.setattr(passing, "_AHEAD", step)
    long = b"x" * 500_000 + b"\n"
    short = kit.content(kit.mixed(20))
    head, rest = short[: short.index(b"\n") + 1], short[short.index(b"\n") + 1 :]
    for name, content in {
        "between": head + long + rest + long + rest,
        "at the end": short + long[:-1],
        "twice": head + long + long,
    }.items():
        pieces = [content[at : at + step] for at in range(0, len(content), step)]
        for each in parts.cut(0, pieces, size):
            assert len(each.content) <= size + most + 2 * step
            whole = len(each.content) + each.left_out
            assert whole == (each.part.last or 0) - each.part.first
        found = []
        for suffix, pack in (("jsonl", bytes), ("jsonl.gz", gzip.compress)):
            path = tmp_path / f"{name}.{suffix}"
            path.write_bytes(pack(content))
            out = tmp_path / f"{name} {suffix}"
            tables = forensics.scan(path, out=out, jobs=1, part_bytes=size)
            found.append({each: kit.rows(tables.table(each)) for each in ("frames", "payloads")})
        assert found[0] == found[1], name
        errors = [row["error"] for row in found[0]["frames"] if row["error"]]
        assert "longer than any line, found 50000" in " ".join(errors)


def test_copies_as_csv_and_json_lines(whole: forensics.Scan) -> None:
    import csv

    written = copies.write_copies(whole, "csv") + copies.write_copies(whole, "json")
    assert {path.suffix for path in written} == {".csv", ".jsonl"}
    rows = kit.rows(whole.table("prices"))
    with (whole.folder / "csv" / "prices.csv").open(newline="") as stream:
        shown = list(csv.DictReader(stream))
    assert [row["value"] for row in shown] == [str(row["value"] or "") for row in rows]
    lines = (whole.folder / "json" / "prices.jsonl").read_text().splitlines()
    assert [json.loads(each)["frame"] for each in lines] == [row["frame"] for row in rows]
    assert json.loads(lines[0])["observed"].endswith("000Z")
    payload = json.loads((whole.folder / "json" / "payloads.jsonl").read_text().splitlines()[0])
    assert payload["raw"] == "0x" + whole.table("payloads")["raw"][0].as_py().hex()


def command(*arguments: str, given: bytes = b"") -> Any:
    return CliRunner().invoke(main, ["scan", *arguments], input=given)


def test_the_command(capture: Path, whole: forensics.Scan, tmp_path: Path) -> None:
    states = tmp_path / "states"
    states.mkdir()
    for state in STATES:
        (states / f"{state.contract}.json").write_text(json.dumps(state.to_dict()))
    out = str(tmp_path / "out")
    quick = ("-j", "1", "--csv", "--no-findings", "--no-page")
    first = command("-", "--state", str(states), "-o", out, *quick, given=capture.read_bytes())
    assert first.exit_code == 0, first.stderr
    assert f"{whole.counts['frames']:,} frames" in first.stdout
    assert (tmp_path / "out" / "csv" / "frames.csv").exists()
    found = forensics.Scan(out)
    assert found.counts == whole.counts
    assert not (tmp_path / "out" / "findings.jsonl").exists()
    second = command(str(capture), "--state", str(states), "-o", str(tmp_path / "all"), "-j", "1")
    assert second.exit_code == 1, "there are findings of severity danger"
    assert "unknown-signer" in second.stdout
    for name in ("findings.parquet", "findings.jsonl", "findings.sarif", "report.html"):
        assert (tmp_path / "all" / name).exists()
    wrong = command("/nowhere/at/all", "-o", out)
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert "no such file" in wrong.stderr
    (tmp_path / "empty").write_bytes(b"")
    problem = command(str(tmp_path / "empty"), "-o", str(tmp_path / "other"), "-j", "1")
    assert problem.exit_code == 1
    assert "an empty file" in problem.stderr
    assert pa.concat_tables([found.table("frames")]).num_rows == whole.counts["frames"]


def test_parts_are_smaller_towards_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no worker has a large part left when the others are done. A file that has grown since
    does not change the parts of the others."""
    monkeypatch.setattr(parts, "_LEAST_RECOVERED", 5_000)
    paths = [kit.write(tmp_path / f"{n}.jsonl", kit.mixed(60, n)) for n in range(2)]
    out = tmp_path / "out"
    forensics.scan(paths, out=out, jobs=1, part_bytes=30_000)
    sizes = [json.loads(each.read_bytes())["size"] for each in sorted(out.glob("parts/*.json"))]
    assert sum(sizes) == sum(each.stat().st_size for each in paths)
    assert sizes[0] > 25_000
    assert sizes[-1] < 10_000
    first = {name: at for name, at in _ledger(out).items() if name.startswith("00000")}
    with paths[1].open("ab") as stream:
        stream.write(paths[0].read_bytes().split(b"\n", 1)[1] * 3)
    found = forensics.scan(paths, out=out, jobs=1, part_bytes=30_000)
    assert first.items() <= _ledger(out).items()
    kit.same_tables(found, forensics.scan(paths, out=tmp_path / "anew", jobs=1))


def test_a_worker_does_without_pandas() -> None:
    """pyarrow would import it, which takes as long as everything else of a start."""
    code = (
        "import sys; from payloads.forensics.scanning.workers import _leave_out; "
        "_leave_out('pandas'); "
        "import payloads.forensics.scanning.work; sys.exit('pandas' in sys.modules)"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_few_bytes_start_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several small files are read here, also where more processes are allowed."""
    began: list[Any] = []

    class Counted(workers.Worker):
        def __init__(self, *settings: Any) -> None:
            began.append(self)
            super().__init__(*settings)

    monkeypatch.setattr(team, "Worker", Counted)
    paths = [kit.write(tmp_path / f"{n}.jsonl", kit.mixed(40, n)) for n in range(3)]
    forensics.scan(paths, out=tmp_path / "here", jobs=4)
    assert not began


def test_workers_that_end_before_the_others_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last ones are told that all is done while the first ones are gone already."""
    monkeypatch.setattr(run._Running, "_tell", lambda self, last: time.sleep(0.01))
    path = tmp_path / "empty.jsonl"
    path.write_bytes(b"")
    done: list[Any] = []

    def scan() -> None:
        done.append(run.scan([path], out=tmp_path / "out", jobs=4))

    thread = threading.Thread(target=scan, daemon=True)
    thread.start()
    thread.join(20)
    assert done
