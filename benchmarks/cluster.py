"""`python -m benchmarks.cluster`: a scan by one process, and by one and two workers of Ray.

The three take turns, in rounds on one local cluster; a figure is the least of its rounds. Where
other work runs on the machine, two workers gain less, so one and two are compared once more in
windows in which the second core proves to be free. Processor time is that of this process and of
the workers, so it can be compared on a busy machine, too. With `--save`, docs/performance.md shows
the table.

What is begun is said, and a run that takes longer than any should ends, and says where it stood.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import cores, page
from benchmarks.columns import state
from benchmarks.scan import chainlink
from payloads import forensics
from payloads.crypto import recover_many_by
from payloads.forensics.cluster import Cluster

ROUNDS = 3
PART = 2 * 2**20
# Seconds after which a run ends in whatever it waits for.
MOST_SECONDS = 20 * 60


def say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


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
            say(f"a scan by {kind}")
            begun, used = time.perf_counter(), processor_time()
            work()
            took = time.perf_counter() - begun, processor_time() - used
            before = best.get(kind, took)
            best[kind] = min(before[0], took[0]), min(before[1], took[1])
    return best


def compared(count: int, address: str) -> page.Table:
    run = page.Run()
    say(f"a cluster begins: {address}")
    with tempfile.TemporaryDirectory() as scratch, Cluster(address, 2) as two:
        folder = Path(scratch)
        path, few, one = folder / "chainlink.jsonl", folder / "few.jsonl", Cluster(address, 1)
        chainlink(path, count)
        chainlink(few, count // 10)

        def scan(path: Path = path, part_bytes: int = PART, **options: Any) -> None:
            out = Path(tempfile.mkdtemp(dir=folder))
            forensics.scan(path, out=out, state=state(), part_bytes=part_bytes, **options)

        kinds: dict[str, Callable[[], Any]] = {
            "one process": lambda: scan(jobs=1),
            "one worker of Ray": lambda: scan(cluster=one),
            "two workers of Ray": lambda: scan(cluster=two),
        }
        say("its workers begin")
        scan(cluster=two)  # the workers have begun, and have imported everything
        found = measured(kinds)
        say("one and two workers, in windows with two free cores")
        # A window is short: on a busy machine, twenty long ones look like no end.
        by_one, by_two = (partial(scan, few, PART // 8, cluster=each) for each in (one, two))
        gained = cores.gain(by_one, by_two)
    how = run.how(f"the least of {ROUNDS} interleaved rounds", recover_many_by())
    return table(count, found, how, gained)


def table(
    count: int, found: dict[str, tuple[float, float]], how: str, gained: cores.Gain
) -> page.Table:
    plain = found["one process"]
    head = [f"{count:,} judged reports of Chainlink", "seconds", "times one process",
            "processor time, times one process"]  # fmt: skip
    rows = [
        [kind, f"{took:.1f}", f"{took / plain[0]:.2f}", f"{used / plain[1]:.2f}"]
        for kind, (took, used) in found.items()
    ]
    return page.Table(head, rows, how, [f"two workers, times as fast as one: {gained.said}"])


def main() -> None:
    parser = page.parser("cluster", __doc__)
    parser.add_argument("count", type=int, nargs="?", default=30_000, help="%(default)s reports")
    parser.add_argument("address", nargs="?", default="local", help="of a cluster")
    options = parser.parse_args()
    faulthandler.dump_traceback_later(MOST_SECONDS, exit=True)
    page.finish({"cluster": compared(options.count, options.address)}, options.save)


if __name__ == "__main__":
    main()
