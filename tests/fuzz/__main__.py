"""Fuzz one target, or all of them, each in a process of its own, as many at once as cores.

    python -m tests.fuzz                       # every target, 20 seconds each
    python -m tests.fuzz decode --time 600     # one target, ten minutes

Wants atheris (`pip install atheris`), which finds its way by the branches that an input takes. An
input that breaks a target is kept in `.cache/fuzz/`; move it to `tests/fuzz/found/TARGET/` with a
line in the README there, and it is tried by every `make test`.

`--keep` writes the counts to `tests/fuzz/results.json`, from which docs/testing.md has them.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tests.fuzz.targets import ROOT, TARGETS, seeds

CACHE = ROOT / ".cache" / "fuzz"
RESULTS = ROOT / "tests" / "fuzz" / "results.json"
# For one input: seconds, and megabytes of the whole process.
LONGEST, LARGEST = 10, 1024


def main() -> int:
    """Run the targets; the exit code is 1 if any breaks, 0 if none does or atheris is missing."""
    parser = argparse.ArgumentParser(description="Fuzz the entries that hostile bytes reach.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--time", type=int, default=20, help="seconds for each target")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="targets at once; %(default)s"
    )
    parser.add_argument("--keep", action="store_true", help="keep the counts for docs/testing.md")
    given = parser.parse_args()
    if unknown := set(given.targets) - set(TARGETS):
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    if given.jobs < 1:
        parser.error("--jobs must be 1 or more")
    if importlib.util.find_spec("atheris") is None:
        print("fuzzing is skipped: atheris is not installed here", file=sys.stderr)
        return 0
    names = given.targets or [*TARGETS]
    with ThreadPoolExecutor(given.jobs) as pool:
        results = dict(zip(names, pool.map(partial(run, seconds=given.time), names), strict=True))
    broken = [name for name, result in results.items() if not result["held"]]
    if given.keep:
        kept = json.loads(RESULTS.read_text(encoding="utf-8")) | results
        RESULTS.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    print(f"{len(broken)} targets broken{': ' if broken else ''}{', '.join(broken)}")
    return 1 if broken else 0


def run(name: str, seconds: int) -> dict[str, int | bool]:
    """One target in a process of its own: a crash of the interpreter is a finding, too."""
    folder = CACHE / name
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(name)):
        (folder / "corpus" / f"seed-{number}").write_bytes(seed)
    command = [
        sys.executable, "-m", "tests.fuzz.inside", name, f"-max_total_time={seconds}",
        f"-timeout={LONGEST}", f"-rss_limit_mb={LARGEST}", f"-artifact_prefix={folder}/",
        "-max_len=65536", str(folder / "corpus"),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = [*done.stdout.splitlines(), *done.stderr.splitlines()]
    counts = [line for line in lines if line.startswith("Done ")]
    covered = re.findall(r"cov: (\d+)", "\n".join(lines))
    word = "held" if done.returncode == 0 else "BROKEN"
    said = [f"{name:14} {word:6}  {counts[-1] if counts else ''}"]
    # In one piece, because other targets run at the same time.
    print("\n".join(said + (lines[-30:] if done.returncode else [])), flush=True)
    counted = re.match(r"Done (\d+) runs in (\d+)", counts[-1]) if counts else None
    runs, took = map(int, counted.groups()) if counted else (0, seconds)
    branches = max(map(int, covered), default=0)
    return {"runs": runs, "seconds": took, "branches": branches, "held": done.returncode == 0}


if __name__ == "__main__":
    sys.exit(main())
