"""`python -m benchmarks.cluster`: a scan by one process, and by one and two workers of Ray.

The three take turns, in rounds on one local cluster; a figure is the least of its rounds. Where
other work runs on the machine, two workers gain less, so one and two are compared once more in
windows in which the second core proves to be free. Processor time is that of this process and of
the workers, so it can be compared on a busy machine, too.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import cores
from benchmarks.columns import state
from benchmarks.scan import chainlink
from payloads import forensics
from payloads.forensics.cluster import Cluster

ROUNDS = 3
PART = 2 * 2**20


def processor_time() -> float:
    """Of this process, and of all workers of clusters on this machine."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if (path / "cmdline").read_bytes().startswith(b"ray::"):
                ticks += sum(
                    map(int, (path / "stat").read_text().rpartition(")")[2].split()[11:13])
                )
        except OSError:
            continue
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def measured(kinds: dict[str, Callable[[], Any]]) -> dict[str, tuple[float, float]]:
    """The least seconds of each kind, and the least processor time."""
    best: dict[str, tuple[float, float]] = {}
    for _ in range(ROUNDS):
        for kind, work in kinds.items():
            begun, used = time.perf_counter(), processor_time()
            work()
            took = time.perf_counter() - begun, processor_time() - used
            before = best.get(kind, took)
            best[kind] = min(before[0], took[0]), min(before[1], took[1])
    return best


def main(count: int, address: str = "local") -> None:
    with tempfile.TemporaryDirectory() as scratch, Cluster(address, 2) as two:
        folder = Path(scratch)
        path, one = folder / "chainlink.jsonl", Cluster(address, 1)
        chainlink(path, count)

        def scan(**options: Any) -> None:
            out = Path(tempfile.mkdtemp(dir=folder))
            forensics.scan(path, out=out, state=state(), part_bytes=PART, **options)

        kinds: dict[str, Callable[[], Any]] = {
            "one process": lambda: scan(jobs=1),
            "one worker": lambda: scan(cluster=one),
            "two workers": lambda: scan(cluster=two),
        }
        scan(cluster=two)  # the workers have begun, and have imported everything
        found = measured(kinds)
        gained = cores.gain(kinds["one worker"], kinds["two workers"])
    plain = found["one process"]
    print(f"{count:,} reports of Chainlink, judged; load {os.getloadavg()[0]:.1f}\n")
    print("| | seconds | times one process | processor time, times one process |")
    print("|---|---:|---:|---:|")
    for kind, (seconds, used) in found.items():
        print(f"| {kind} | {seconds:.1f} | {seconds / plain[0]:.2f} | {used / plain[1]:.2f} |")
    print(f"\ntwo workers, times as fast as one: {gained.said}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 30_000, *sys.argv[2:])
