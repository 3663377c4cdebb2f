"""A scan on a real Ray cluster of several worker processes comes to what one machine comes to.

PAYLOADS_ENGINES=1 runs it (`make test-engines`): a cluster takes seconds to begin.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from payloads import forensics
from payloads.capture.writer import CaptureWriter
from payloads.cli.main import main
from payloads.errors import Misuse, Refused
from payloads.forensics.cluster import Cluster
from payloads.forensics.examining.findings import find
from payloads.forensics.scanning import run
from tests.docs_code import ROOT
from tests.forensics import kit, planted
from tests.forensics.planted import FAULTS, Stage

pytestmark = [
    pytest.mark.skipif(
        not os.environ.get("PAYLOADS_ENGINES") or find_spec("ray") is None,
        reason="a cluster takes long: PAYLOADS_ENGINES=1 runs it, where Ray is installed",
    ),
    pytest.mark.filterwarnings("ignore"),  # Ray's own
]

STATES = [kit.state(), kit.stork_state()]
PART = 60_000


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with begun() as found:
        yield found


def begun() -> Cluster:
    """On a busy machine, Ray's processes may come too late for one another."""
    if running := os.environ.get("PAYLOADS_RAY"):  # a cluster that is there
        return Cluster(running)
    for _ in range(3):
        try:
            return Cluster("local", jobs=2)
        except Misuse as error:
            late = error
    pytest.skip(f"Ray does not begin here: {late}")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A capture, a compressed one in two parts, and a list: each kind of task."""
    folder = tmp_path_factory.mktemp("inputs")
    kit.write(folder / "mixed.jsonl", kit.mixed(1500))
    with CaptureWriter(folder / "more.jsonl.gz", venue="stork", max_bytes=10_000) as writer:
        for number in range(600):
            writer.frame(kit.stork_frame(kit.update(number), number))
    lines = "".join(f"0x{kit.report(number).hex()}\n" for number in range(5))
    (folder / "list.hex").write_text(lines)
    return folder


@pytest.fixture(scope="module")
def plain(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> forensics.Scan:
    """The inputs, scanned by this process alone."""
    out = tmp_path_factory.mktemp("plain")
    return forensics.scan(inputs, state=STATES, out=out, jobs=1, part_bytes=PART)


def files_of(scan: forensics.Scan) -> dict[str, str]:
    """The files of all tables, each by its hash."""
    paths = sorted(scan.folder.rglob("*.parquet"))
    return {
        str(path.relative_to(scan.folder)): sha256(path.read_bytes()).hexdigest() for path in paths
    }


def workers(title: str) -> list[int]:
    """The processes of our cluster that work on a task of this name."""
    session = Path(import_module("ray._private.worker")._global_node.get_session_dir_path()).name
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        found[int(path.name)] = words, parent
    return [
        pid
        for pid, (words, parent) in found.items()
        if words.startswith(f"ray::{title}") and session in found.get(parent, ("", 0))[0]
    ]


def test_a_scan_goes_on_when_a_worker_is_killed_and_comes_to_the_same_files(
    cluster: Cluster, inputs: Path, plain: forensics.Scan, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(run, "_EVERY", 0)
    monkeypatch.chdir(inputs.parent)
    killed: list[int] = []
    seen: list[forensics.Progress] = []

    def report(progress: forensics.Progress) -> None:
        seen.append(progress)
        if not killed and progress.parts:
            for pid in workers("payloads.work")[:1]:
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

    out = os.path.relpath(tmp_path / "out")  # workers have other working folders
    found = forensics.scan(inputs.name, state=STATES, out=out, cluster=cluster, part_bytes=PART,
                           report=report)  # fmt: skip
    assert killed
    assert not set(killed) & set(workers(""))
    assert found.complete
    assert found.counts == plain.counts
    ours, theirs = files_of(found), files_of(plain)
    # Their paths differ: relative ones were given here.
    del ours["inputs.parquet"], theirs["inputs.parquet"]
    assert ours == theirs
    assert len(ours) > 6 * 5
    assert seen[-1].bytes == seen[-1].total
    assert seen[-1].parts == len(list((found.folder / "parts").glob("*.json")))
    assert sorted(each.bytes for each in seen) == [each.bytes for each in seen]
    assert not list(found.folder.rglob("*.unfinished"))


def test_a_scan_that_was_stopped_goes_on_elsewhere(
    cluster: Cluster, inputs: Path, plain: forensics.Scan, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Begun on the cluster, interrupted, and finished by this machine, and the other way round."""
    monkeypatch.setattr(run, "_EVERY", 0)
    for first, second in ((cluster, None), (None, cluster)):
        out = tmp_path / ("there" if first else "here")

        def stop(progress: forensics.Progress) -> None:
            if progress.parts >= 2:
                raise KeyboardInterrupt

        options: dict[str, Any] = {"state": STATES, "out": out, "part_bytes": PART, "jobs": 1}
        with pytest.raises(KeyboardInterrupt):
            forensics.scan(inputs, cluster=first, report=stop, **options)
        finished = {path.name: path.stat().st_mtime_ns for path in (out / "parts").glob("*.json")}
        assert len(finished) >= 2
        said: list[str] = []
        found = forensics.scan(inputs, cluster=second, say=said.append, **options)
        assert said == [f"{len(finished)} parts are finished already"]
        assert files_of(found) == files_of(plain)
        for name, written in finished.items():
            assert (out / "parts" / name).stat().st_mtime_ns == written


def test_findings_are_the_same_when_a_worker_is_killed(cluster: Cluster, tmp_path: Path) -> None:
    files, out = tmp_path / "files", tmp_path / "out"
    files.mkdir()
    captures = Stage(0, FAULTS).write(files)
    forensics.scan(captures, state=planted.STATES, out=out, cluster=cluster, part_bytes=PART)
    plain = find(out)
    killed: list[int] = []
    done = threading.Event()

    def kill() -> None:
        while not killed and not done.wait(0.01):
            for pid in workers("payloads.run")[:1]:
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

    thread = threading.Thread(target=kill)
    thread.start()
    found = find(out, cluster=cluster)
    done.set()
    thread.join()
    assert killed
    assert found.findings == plain.findings
    assert len({each.code for each in found.findings}) > 20
    for each, name in ((found, "found"), (plain, "plain")):
        (tmp_path / name).mkdir()
        each.write(tmp_path / name)
    for path in (tmp_path / "plain").iterdir():
        assert path.read_bytes() == (tmp_path / "found" / path.name).read_bytes()
    assert not list(out.glob(".findings-*"))


def boom(task: int) -> int:
    if task == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def refuse(task: int) -> int:
    raise Misuse("not this", field=str(task))


def test_a_task_that_ends_each_worker_is_told(cluster: Cluster, plain: forensics.Scan) -> None:
    with pytest.raises(Refused, match="a task of the cluster ends each time"):
        list(cluster.results(boom, range(5), plain.folder))
    with pytest.raises(Misuse, match="not this"):
        list(cluster.results(refuse, range(5), plain.folder))
    with pytest.raises(Misuse, match="a shared filesystem"):
        list(cluster.results(refuse, range(5), plain.folder / "nowhere"))


def test_the_command_works_on_a_cluster(
    cluster: Cluster, inputs: Path, plain: forensics.Scan, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ran = CliRunner().invoke(
        main, ["scan", str(inputs), "-o", str(out), "--ray", "auto", "--no-page"]
    )
    assert ran.exit_code == 1, ran.output  # findings of severity danger
    assert forensics.Scan(out).counts["frames"] == plain.counts["frames"]


NO_WORKER = """
import sys
from pathlib import Path
from payloads.errors import Refused
from payloads.forensics import cluster

def never(task):
    raise AssertionError

cluster._PATIENCE = 10
with cluster.Cluster("local", jobs=2) as begun:
    try:
        list(begun.results(never, range(5), Path(sys.argv[1])))
    except Refused as error:
        print(error)
"""


def test_a_cluster_that_starts_no_worker_is_told(tmp_path: Path) -> None:
    """Ray itself waits without end, and can then not be interrupted."""
    ends = "import os, sys\nif 'default_worker' in ' '.join(sys.orig_argv): os._exit(3)\n"
    (tmp_path / "sitecustomize.py").write_text(ends)
    paths = os.pathsep.join([str(tmp_path), str(ROOT)])
    ended = subprocess.run(
        [sys.executable, "-c", NO_WORKER, str(tmp_path)], env=os.environ | {"PYTHONPATH": paths},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert "the cluster does not answer, expected a worker that begins" in ended.stdout, ended


def test_an_address_that_is_none() -> None:
    with pytest.raises(Misuse, match="no such number of workers"):
        Cluster("local", jobs=0)
