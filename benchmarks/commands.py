"""`python -m benchmarks.commands`: `decode --json` and `verify --json` against a short script.

Every way reads the same frames of Chainlink's, six signatures each, from a file. A figure is the
processor time of a core: the least of several runs in which all ways take turns, and without
starting. On all cores, it is the time on the clock.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import cores
from benchmarks.columns import reports, state
from benchmarks.kits import ROOT
from payloads.crypto import recover_many_by

ROUNDS, TIMES, FRAMES, MANY = 7, 3, 300, 6_000
ALONE = ("--jobs", "1")
WITHOUT = {"PAYLOADS_RECOVER": "libsecp256k1"}
Way = tuple[tuple[str, ...], dict[str, str]]


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


def seconds(way: Way, frames: Path) -> float:
    """The least processor time of a few runs in one process."""
    arguments, environment = way
    found = subprocess.run(
        [sys.executable, "-m", "benchmarks.runners.steady", str(frames), str(TIMES), *arguments],
        check=True, capture_output=True, cwd=ROOT, env=os.environ | environment,
    )  # fmt: skip
    return float(found.stdout)


def once(arguments: tuple[str, ...], frames: Path) -> None:
    """A run of the command in a process of its own."""
    with frames.open("rb") as stream:
        command = [sys.executable, "-m", "payloads", *arguments]
        subprocess.run(command, stdin=stream, stdout=subprocess.DEVNULL, check=True, cwd=ROOT)


def main() -> None:
    with TemporaryDirectory() as folder:
        measure(Path(folder))


def measure(folder: Path) -> None:
    lines = [frame(raw) + "\n" for raw in reports(FRAMES)]
    few, many = folder / "few.jsonl", folder / "many.jsonl"
    few.write_text("".join(lines))
    many.write_text("".join(lines * (MANY // FRAMES)))
    known = folder / "state.json"
    known.write_text(json.dumps(state().to_dict()))
    verify, decode = ("payloads", "verify", "--state", str(known)), ("payloads", "decode", "--json")
    tables: dict[str, dict[str, Way]] = {
        "without signers": {
            "the script": (("script",), {}),
            "decode --json --no-signers": ((*decode, "--no-signers", *ALONE), {}),
        },
        "with signers": {
            "the script": (("script", "signers"), {}),
            "decode --json": ((*decode, *ALONE), {}),
            "decode --json, by libsecp256k1": ((*decode, *ALONE), WITHOUT),
        },
        "verdicts": {
            "six recoveries by libsecp256k1": (("script", "recoveries"), WITHOUT),
            "verify --json": ((*verify, "--json", *ALONE), {}),
            "verify --json, by libsecp256k1": ((*verify, "--json", *ALONE), WITHOUT),
            "verify --brief": ((*verify, "--brief", *ALONE), {}),
            "verify --brief, by libsecp256k1": ((*verify, "--brief", *ALONE), WITHOUT),
        },
    }
    print(f"recover_many runs {recover_many_by()}; load {os.getloadavg()[0]:.1f}")
    for title, ways in tables.items():
        best = dict.fromkeys(ways, float("inf"))
        for _ in range(ROUNDS):
            for name, way in ways.items():
                best[name] = min(best[name], seconds(way, few) * 1e6 / FRAMES)
        first = next(iter(best.values()))
        print(f"\n| {title} | µs a frame | times as fast as the first |\n|---|---:|---:|")
        for name, took in best.items():
            print(f"| {name} | {took:.0f} | {first / took:.2f} |", flush=True)
    on_all_cores(decode[1:], many)


def on_all_cores(decode: tuple[str, ...], frames: Path) -> None:
    """How much sooner all cores are done, the start of a process included."""
    found = cores.gain(partial(once, (*decode, *ALONE), frames), partial(once, decode, frames))
    print(f"\ndecode --json on all cores, times as fast as on one: {found.said}")


if __name__ == "__main__":
    main()
