"""`python -m benchmarks.all --save`: all benchmarks, one after the other, and the page from them.

Each runs in a process of its own, and its output goes to a file in .cache/bench/all/. A line says
when it begins and how long it took. A failure ends none of the others, nor does a benchmark without
an end: it is ended after half an hour. The last line names what failed, and the status is then 1.
It takes about 25 minutes, of which the soaks take eight.

The groups of `python -m benchmarks` are measured without payloads-simd, where it is installed, and
the guards once more with it. `--python NAME=PYTHON` runs one of them by another Python, as the
cluster where Ray is in an environment of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from benchmarks import page
from benchmarks.kits import CACHE, ROOT, WITHOUT

OUTPUT = CACHE / "all"
MOST_MINUTES = 30


@dataclass(frozen=True)
class Step:
    """A benchmark, and the packages without which it cannot run."""

    name: str
    arguments: tuple[str, ...]
    needs: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    # Whether it has tables on the page.
    saves: bool = True


STEPS = (
    Step("many", ("benchmarks.many",)),
    Step("verdicts", ("benchmarks.verdicts",)),
    Step("columns", ("benchmarks.columns",), ("pyarrow",)),
    Step("main", ("benchmarks",), environment=WITHOUT),
    Step("guards", ("benchmarks", "--only", "guard"), ("payloads_simd",)),
    Step("scan", ("benchmarks.scan",), ("duckdb",)),
    Step("commands", ("benchmarks.commands",)),
    Step("cluster", ("benchmarks.cluster",), ("ray",)),
    Step("soak", ("benchmarks.soak",)),
    Step("soak-stork", ("benchmarks.soak", "--venue", "stork")),
    Step("strategies", ("benchmarks.strategies",), saves=False),
)


def say(line: str) -> None:
    print(f"{datetime.now():%H:%M:%S}  {line}", flush=True)


def has(python: str, needs: Sequence[str]) -> bool:
    """Whether an environment has these packages."""
    code = "import sys, importlib.util as u; sys.exit(not all(map(u.find_spec, sys.argv[1:])))"
    return subprocess.run([python, "-c", code, *needs], check=False).returncode == 0


def run(step: Step, python: str, save: bool) -> str:
    """How it ended: "" if all went well."""
    if not has(python, step.needs):
        return f"not run: {' and '.join(step.needs)} not in the environment"
    path = OUTPUT / f"{step.name}.txt"
    command = [python, "-m", *step.arguments, *(["--save"] if save and step.saves else [])]
    try:
        with path.open("wb") as output:
            done = subprocess.run(
                command, cwd=ROOT, env={**os.environ, **step.environment}, check=False,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                timeout=MOST_MINUTES * 60,
            )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"ended after {MOST_MINUTES} minutes: see {path}"
    return f"failed with status {done.returncode}: see {path}" if done.returncode else ""


def run_all(steps: Sequence[Step], pythons: Mapping[str, str], save: bool) -> list[str]:
    """The names of those that did not run to their end."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    begun, failed = time.monotonic(), []
    for number, step in enumerate(steps, 1):
        load = os.getloadavg()[0]
        say(f"{number} of {len(steps)}: {step.name} ... (a load of {load:.1f})")
        at = time.monotonic()
        ending = run(step, pythons.get(step.name, sys.executable), save)
        say(f"    {ending or 'done'}, {time.monotonic() - at:.0f} s")
        failed += [step.name] if ending else []
    said = f"not done: {', '.join(failed)}" if failed else "all done"
    say(f"{said}, {(time.monotonic() - begun) / 60:.0f} minutes")
    return failed


def main(argv: Sequence[str] | None = None) -> int:
    names = [step.name for step in STEPS]
    parser = page.parser("all", __doc__)
    parser.add_argument("--only", choices=names, action="append", help="one; may be repeated")
    parser.add_argument("--python", metavar="NAME=PYTHON", action="append", default=[])
    options = parser.parse_args(argv)
    pythons = dict(each.split("=", 1) for each in options.python if "=" in each)
    if set(pythons) - set(names) or len(pythons) < len(options.python):
        parser.error(f"--python wants NAME=PYTHON, with a NAME of {', '.join(names)}")
    # Each step runs elsewhere, so that a path must not depend on where this began.
    pythons = {name: str(Path(python).absolute()) for name, python in pythons.items()}
    steps = [step for step in STEPS if options.only is None or step.name in options.only]
    return 1 if run_all(steps, pythons, options.save) else 0


if __name__ == "__main__":
    sys.exit(main())
