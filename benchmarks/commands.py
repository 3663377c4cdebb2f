"""`python -m benchmarks.commands`: `decode --json` and `verify --json` against a short script.

Every way reads the same frames of Chainlink's, six signatures each, from a file. A figure is the
processor time of a core: the least of several runs in which all ways take turns, and without
starting. The commands run without payloads-simd, and with it where it is installed. On all cores,
the time is that on the clock. With `--save`, docs/performance.md shows the table.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import cores, page
from benchmarks.columns import reports, state
from benchmarks.kits import ROOT, WITHOUT
from payloads.crypto import has_simd, recover_many_by

ROUNDS, TIMES, FRAMES, MANY = 7, 3, 300, 12_000
ALONE = ("--jobs", "1")
# At least so many times as fast as the first of its group: a verdict 1.5 times its recoveries.
GOALS = {"`decode --json --no-signers`": 2.5, "`decode --json`": 1.2, "`verify --json`": 1 / 1.5}


def frame(raw: bytes) -> str:
    def number(at: int) -> int:
        return int.from_bytes(raw[at : at + 32], "big")

    report = {
        "feedID": "0x" + raw[256:288].hex(),
        "fullReport": "0x" + raw.hex(),
        "validFromTimestamp": number(288),
        "observationsTimestamp": number(320),
    }
    return json.dumps({"report": report})


def seconds(arguments: tuple[str, ...], frames: Path, environment: Mapping[str, str]) -> float:
    """The least processor time of a few runs in one process."""
    found = subprocess.run(
        [sys.executable, "-m", "benchmarks.runners.steady", str(frames), str(TIMES), *arguments],
        check=True, capture_output=True, cwd=ROOT, env={**os.environ, **environment},
    )  # fmt: skip
    return float(found.stdout)


def once(arguments: tuple[str, ...], frames: Path) -> None:
    """A run of the command in a process of its own."""
    with frames.open("rb") as stream:
        command = [sys.executable, "-m", "payloads", *arguments]
        subprocess.run(command, stdin=stream, stdout=subprocess.DEVNULL, check=True, cwd=ROOT)


def ways(known: Path) -> dict[str, dict[str, tuple[str, ...]]]:
    """What is measured, by what it is compared with: the first of its group."""
    verify, decode = ("payloads", "verify", "--state", str(known)), ("payloads", "decode", "--json")
    return {
        "script": {
            "a script of `json` and eth-abi": ("script",),
            "`decode --json --no-signers`": (*decode, "--no-signers", *ALONE),
        },
        "script with signers": {
            "the script, with coincurve": ("script", "signers"),
            "`decode --json`": (*decode, *ALONE),
            "`recover --json`": ("payloads", "recover", "--json", *ALONE),
            "`inspect --json`": ("payloads", "inspect", "--json", *ALONE),
        },
        "recoveries": {
            "six recoveries by libsecp256k1": ("script", "recoveries"),
            "`verify --json`": (*verify, "--json", *ALONE),
            "`verify --brief`": (*verify, "--brief", *ALONE),
        },
    }


def measured(folder: Path) -> page.Table:
    lines = [frame(raw) + "\n" for raw in reports(FRAMES)]
    few, many = folder / "few.jsonl", folder / "many.jsonl"
    few.write_text("".join(lines))
    many.write_text("".join(lines * (MANY // FRAMES)))
    known = folder / "state.json"
    known.write_text(json.dumps(state().to_dict()))
    run, environments = page.Run(), [WITHOUT, *([{}] if has_simd() else [])]
    found: Found = {}
    for group in ways(known).values():
        first, *_ = group
        best = {(name, at): float("inf") for name in group for at in range(len(environments))}
        # The first is a script, which knows nothing of payloads-simd.
        best = {key: took for key, took in best.items() if key != (first, 1)}
        for _ in range(ROUNDS):
            for name, at in best:
                took = seconds(group[name], few, environments[at]) * 1e6 / FRAMES
                best[name, at] = min(best[name, at], took)
        for (name, _), took in best.items():
            found.setdefault(name, []).append((took, best[first, 0] / took))
    facts = f"the least of {ROUNDS} interleaved rounds, in processor time, `--jobs 1`"
    return table(found, run.how(facts, recover_many_by()), on_all_cores(many))


# For each environment: µs a frame, and how many times as fast that is as the first of its group.
Found = dict[str, list[tuple[float, float]]]


def table(found: Found, how: str, all_cores: str) -> page.Table:
    several = max(map(len, found.values())) > 1
    head = ["commands, frames of six signatures", "µs a frame", "times as fast"]
    head += ["µs with payloads-simd", "times as fast"] if several else []
    rows = []
    for name, times in found.items():
        cells = [cell for took, ratio in times for cell in (f"{took:.0f}", f"{ratio:.2f}")]
        rows.append([name, *cells, *[""] * (len(head) - 1 - len(cells))])
    notes = []
    for name, least in GOALS.items():
        ratio = found[name][0][1]
        word = "met" if ratio >= least else "**missed**"
        notes.append(f"{name} at least {least:.2f} times as fast: {word}, {ratio:.2f}")
    notes.append(f"`decode --json` on all cores, times as fast as on one: {all_cores}")
    return page.Table(head, rows, how, notes)


def on_all_cores(frames: Path) -> str:
    """How much sooner all cores are done, the start of a process included."""
    decode = ("decode", "--json")
    found = cores.gain(partial(once, (*decode, *ALONE), frames), partial(once, decode, frames))
    return found.said


def main() -> None:
    options = page.parser("commands", __doc__).parse_args()
    with TemporaryDirectory() as folder:
        page.finish({"commands": measured(Path(folder))}, options.save)


if __name__ == "__main__":
    main()
