"""`python -m benchmarks.many`: `crypto.recover_many` against the crate itself and libsecp256k1.

All ways take turns in one run, and a figure is the fastest of its rounds, in processor time: other
work on the machine then disturbs few of them. Two threads are measured by the clock, in windows in
which the second core proves to be free. The crate's own figures come from its example `bench` in
native/, which `cargo` builds. With `--save`, docs/performance.md shows the tables.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from itertools import starmap
from pathlib import Path
from time import process_time

from benchmarks import cores, page
from payloads.crypto import recover_many, recover_many_by, recover_packed, sign

# Each way works so often in its turn: the first time, the caches hold what other programs use.
ROUNDS, WARM = 60, 4
BATCHES = (1, 8, 16, 64, 128, 1024)
SIGNATURES = 1024
# What the prototype reached: times libsecp256k1's loop by batch, and µs a signature by step.
PROTOTYPE = {8: "7.3 to 7.9", 16: "9.7 to 10", 64: "12.6", 1024: "13"}
STEPS = {
    "reading, and the square root for y": 0.21,
    "scalars and digits (here with the points of the comb of G)": 0.04,
    "the comb of G, tables of R, five shared inversions": 0.50,
    "the loop over R: 126 doublings, 43 mixed additions": 1.40,
    "the last inversion, keccak-256": 0.05,
}
# At least so many times as fast as libsecp256k1's loop, and at most so many times the crate's time.
GOALS, GOAL_OF_PYTHON = {16: 6.0, 64: 8.5, 128: 8.5, 1024: 8.5}, 1.15
GOAL_OF_TWO = 1.9

Work = Callable[[], float]
Best = dict[str, float]


class Crate:
    """The crate's example `bench`, which measures what it is asked for, a line at a time."""

    def __init__(self, command: Sequence[str]) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(list(command), stdin=pipe, stdout=pipe, text=True)

    def ask(self, line: str, times: int = 1) -> list[str]:
        """Its answers, made one after the other without a pause."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{line}\n" * times)
        self.process.stdin.flush()
        return [self.process.stdout.readline() for _ in range(times)]

    def microseconds(self, batch: int, implementation: str) -> float:
        """A signature's, by the clock or in processor time: both can only be too long."""
        before = self.nanoseconds()
        clock = min(map(float, self.ask(f"{batch} 1 {implementation}", WARM)))
        count = max(256, batch) // batch * batch * WARM
        return min(clock, (self.nanoseconds() - before) / 1e3 / count)

    def nanoseconds(self) -> int:
        """The processor time of its only thread so far."""
        return int(Path(f"/proc/{self.process.pid}/schedstat").read_text().split()[0])

    def steps(self) -> list[float]:
        return [float(step) for step in json.loads(self.ask("steps")[0])]


def crate() -> Crate | None:
    if shutil.which("cargo") is None or "AVX-512" not in recover_many_by():
        return None
    manifest = str(page.ROOT / "native" / "Cargo.toml")
    build = ["--release", "--quiet", "--manifest-path", manifest, "--example", "bench"]
    return Crate(["cargo", "run", *build, "--", "--turns"])


def columns() -> tuple[list[bytes], list[bytes], list[bytes], list[int]]:
    source = random.Random(1)
    digests = [source.randbytes(32) for _ in range(SIGNATURES)]
    signed = [sign(source.randbytes(32), digest) for digest in digests]
    return digests, [r for r, _, _ in signed], [s for _, s, _ in signed], [v for *_, v in signed]


def timed(work: Callable[[int, int], object], batch: int, most: int = 256) -> Work:
    """Microseconds a signature: over whole batches, of 256 signatures if one is smaller."""
    starts = range(0, max(most, batch) // batch * batch, batch)

    def once() -> float:
        begun = process_time()
        for at in starts:
            work(at, at + batch)
        return (process_time() - begun) * 1e6 / (len(starts) * batch)

    return lambda: min(once() for _ in range(WARM))


def ways(batch: int, child: Crate | None) -> dict[str, Work]:
    digests, rs, ss, vs = COLUMNS
    joined = [b"".join(column) for column in (digests, rs, ss)]

    def lists(workers: int, implementation: str | None = None) -> Callable[[int, int], object]:
        return lambda a, b: recover_many(
            digests[a:b], rs[a:b], ss[a:b], vs[a:b], workers=workers, implementation=implementation
        )

    def packed(a: int, b: int) -> object:
        z, r, s = (column[32 * a : 32 * b] for column in joined)
        return recover_packed(z, r, s, bytes(vs[a:b]), workers=1)

    found = {
        "loop": timed(lists(1, "libsecp256k1"), min(batch, 32), 32),
        "lists": timed(lists(1), batch),
        "packed": timed(packed, batch),
    }
    if child is not None:
        found["crate"] = lambda: child.microseconds(batch, "vector")
        found["crate's loop"] = lambda: child.microseconds(min(batch, 32), "libsecp256k1")
    return found


def fastest(ways: Mapping[str, Work], rounds: int) -> Best:
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for name, work in ways.items():
            best[name] = min(best[name], work())
    return best


def crates_table(found: Mapping[int, Best], how: str) -> page.Table:
    """The crate against libsecp256k1's loop, the prototype, and what Python adds."""

    def row(batch: int, best: Best) -> list[str]:
        crate, loop = best["crate"], best["crate's loop"]
        ratio, python = loop / crate, best["lists"] / crate
        prototype = PROTOTYPE.get(batch, "")
        return [
            str(batch),
            f"**{ratio:.1f}**",
            prototype,
            f"{python:.2f}",
            f"{crate:.2f}",
            f"{loop:.1f}",
        ]

    head = ["signatures in a batch", "times libsecp256k1's loop", "the prototype's times",
            "from Python, lists in and out: times the crate's own time", "µs a signature",
            "libsecp256k1, µs"]  # fmt: skip
    # One signature alone is libsecp256k1's: eight cost the crate as much.
    rows = [row(batch, best) for batch, best in found.items() if batch > 1]
    return page.Table(head, rows, how, notes(found))


def notes(found: Mapping[int, Best]) -> list[str]:
    said = []
    for batch, least in GOALS.items():
        best = found[batch]
        ratio = best["crate's loop"] / best["crate"]
        word = "met" if ratio >= least else "**missed**"
        said.append(f"at least {least:g} times at {batch}: {word}, {ratio:.1f}")
    worst = max(found[batch]["lists"] / found[batch]["crate"] for batch in GOALS)
    word = "met" if worst <= GOAL_OF_PYTHON else "**missed**"
    said.append(f"from Python at most {GOAL_OF_PYTHON:g} times the crate's: {word}, {worst:.2f}")
    return said


def pythons_table(found: Mapping[int, Best], how: str, two: Sequence[str]) -> page.Table:
    head = ["signatures in a batch", "`recover_many`, times the loop", "`recover_packed`"]

    def row(batch: int, best: Best) -> list[str]:
        return [str(batch), *(f"{best['loop'] / best[key]:.1f}" for key in ("lists", "packed"))]

    return page.Table(head, list(starmap(row, found.items())), how, [*two])


def on_two_cores() -> list[str]:
    """All signatures at once, and four times as many, by one thread and by two."""

    def work(count: int, workers: int) -> object:
        digests, rs, ss, vs = COLUMNS
        times = count // SIGNATURES
        return recover_many(digests * times, rs * times, ss * times, vs * times, workers=workers)

    return cores.goals(work, (SIGNATURES, 4 * SIGNATURES), GOAL_OF_TWO, "signatures")


def steps_table(best: Sequence[float], how: str) -> page.Table:
    total = sum(best)
    rows = [
        [step, f"{time:.2f}", f"{time / total:.0%}", f"{prototype:.2f}", f"{time / prototype:.1f}"]
        for (step, prototype), time in zip(STEPS.items(), best, strict=True)
    ]
    whole = sum(STEPS.values())
    rows.append(["together", f"{total:.2f}", "100%", f"{whole:.2f}", f"{total / whole:.1f}"])
    head = ["where the time goes, batches of 128", "µs a signature", "share",
            "the prototype's µs", "times the prototype"]  # fmt: skip
    return page.Table(head, rows, how.replace(", in processor time", ""))


def measured(rounds: int) -> dict[str, page.Table]:
    child, run = crate(), page.Run()
    found = {batch: fastest(ways(batch, child), rounds) for batch in BATCHES}
    # A loop does not know batches: the fastest that was seen of it counts for all of them.
    alone = min(best["loop"] for best in found.values())
    crates = min([alone, *(best.get("crate's loop", alone) for best in found.values())])
    for best in found.values():
        best |= {"loop": alone, "crate's loop": crates}
    fastest_of = f"the fastest of {rounds} interleaved rounds, in processor time"
    how = run.how(fastest_of, recover_many_by())
    tables = {"recover-many-python": pythons_table(found, how, on_two_cores())}
    if child is not None:
        steps = [min(turn) for turn in zip(*(child.steps() for _ in range(rounds)), strict=True)]
        tables["recover-many"] = crates_table(found, how)
        tables["recover-steps"] = steps_table(steps, how)
    return tables


def main() -> None:
    parser = page.parser("many", __doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    page.finish(measured(options.rounds), options.save)


COLUMNS = columns()

if __name__ == "__main__":
    main()
