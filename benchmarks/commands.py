"""`python -m benchmarks.commands`: `decode --json` and `verify --json` against a short script.

Every way reads the same frames of Chainlink's, six signatures each, from a file. A figure is the
processor time of the whole process beyond that for ten frames, so that starting does not count; it
is the least of several rounds in which all ways take turns.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.columns import reports, state
from benchmarks.kits import ROOT
from payloads.crypto import recover_many_by

ROUNDS, FRAMES, FEW = 5, 1_500, 10
SCRIPT = ("-m", "benchmarks.runners.script")
COMMAND = ("-m", "payloads")
WITHOUT = {"PAYLOADS_RECOVER": "libsecp256k1"}


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


def seconds(arguments: tuple[str, ...], frames: Path, environment: dict[str, str]) -> float:
    """The processor time of a process."""
    with frames.open("rb") as stream:
        child = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=stream,
            stdout=subprocess.DEVNULL,
            cwd=ROOT,
            env=os.environ | environment,
        )
        _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, arguments
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    with TemporaryDirectory() as folder:
        measure(Path(folder))


def measure(folder: Path) -> None:
    lines = [frame(raw) + "\n" for raw in reports(FRAMES)]
    many, few = folder / "many.jsonl", folder / "few.jsonl"
    many.write_text("".join(lines))
    few.write_text("".join(lines[:FEW]))
    known = folder / "state.json"
    known.write_text(json.dumps(state().to_dict()))
    verify = (*COMMAND, "verify", "--state", str(known))
    tables: dict[str, dict[str, tuple[tuple[str, ...], dict[str, str]]]] = {
        "without signers": {
            "the script": (SCRIPT, {}),
            "decode --json --no-signers": ((*COMMAND, "decode", "--json", "--no-signers"), {}),
        },
        "with signers": {
            "the script": ((*SCRIPT, "signers"), {}),
            "decode --json": ((*COMMAND, "decode", "--json"), {}),
            "decode --json, by libsecp256k1": ((*COMMAND, "decode", "--json"), WITHOUT),
        },
        "verdicts": {
            "six recoveries by libsecp256k1": ((*SCRIPT, "recoveries"), WITHOUT),
            "verify --json": ((*verify, "--json"), {}),
            "verify --json, by libsecp256k1": ((*verify, "--json"), WITHOUT),
            "verify --brief": ((*verify, "--brief"), {}),
            "verify --brief, by libsecp256k1": ((*verify, "--brief"), WITHOUT),
        },
    }
    print(f"recover_many runs {recover_many_by()}")
    for title, ways in tables.items():
        best = dict.fromkeys(ways, float("inf"))
        start = dict.fromkeys(ways, float("inf"))
        for _ in range(ROUNDS):
            for name, (arguments, environment) in ways.items():
                start[name] = min(start[name], seconds(arguments, few, environment))
                best[name] = min(best[name], seconds(arguments, many, environment))
        each = {name: (best[name] - start[name]) * 1e6 / (FRAMES - FEW) for name in ways}
        first = next(iter(each.values()))
        print(f"\n| {title} | µs a frame | times as fast as the first |\n|---|---:|---:|")
        for name, time in each.items():
            print(f"| {name} | {time:.0f} | {first / time:.2f} |", flush=True)


if __name__ == "__main__":
    main()
