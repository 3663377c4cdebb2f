"""Fuzz one target, or all of them, each in a process of its own.

    python -m tests.fuzz                       # every target, 20 seconds each
    python -m tests.fuzz decode --time 600     # one target, ten minutes

Wants atheris (`pip install atheris`), which finds its way by the branches that an input takes. An
input that breaks a target is kept in `.cache/fuzz/`; move it to `tests/fuzz/found/TARGET/` with a
line in the README there, and it is tried by every `make test`.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys

from tests.fuzz.targets import ROOT, TARGETS, seeds

CACHE = ROOT / ".cache" / "fuzz"
# For one input: seconds, and megabytes of the whole process.
LONGEST, LARGEST = 10, 1024


def main() -> int:
    """Run the targets; the exit code is 1 if any breaks, 0 if none does or atheris is missing."""
    parser = argparse.ArgumentParser(description="Fuzz the entries that hostile bytes reach.")
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], metavar="TARGET")
    parser.add_argument("--time", type=int, default=20, help="seconds for each target")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print("fuzzing is skipped: atheris is not installed here", file=sys.stderr)
        return 0
    if given.inside:
        return _fuzz(given.inside, given.time)
    broken = [name for name in given.targets or TARGETS if not _run(name, given.time)]
    print(f"{len(broken)} targets broken{': ' if broken else ''}{', '.join(broken)}")
    return 1 if broken else 0


def _run(name: str, seconds: int) -> bool:
    """One target in a process of its own: a crash of the interpreter is a finding, too."""
    folder = CACHE / name
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(name)):
        (folder / "corpus" / f"seed-{number}").write_bytes(seed)
    command = [sys.executable, "-m", "tests.fuzz", "--inside", name, "--time", str(seconds)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    said = run.stderr.splitlines()
    counts = [line for line in said if "exec/s" in line or "Done" in line]
    print(
        f"{name:14} {'held' if run.returncode == 0 else 'BROKEN'}  {counts[-1] if counts else ''}"
    )
    if run.returncode:
        print(*said[-25:], sep="\n")
    return run.returncode == 0


def _fuzz(name: str, seconds: int) -> int:
    import atheris

    folder = CACHE / name
    with atheris.instrument_imports(include=["payloads"]):
        _reimport()
        from tests.fuzz import targets
    arguments = [
        sys.argv[0], f"-max_total_time={seconds}", f"-timeout={LONGEST}",
        f"-rss_limit_mb={LARGEST}", f"-artifact_prefix={folder}/", "-max_len=65536",
        str(folder / "corpus"),
    ]  # fmt: skip
    atheris.Setup(arguments, targets.TARGETS[name])
    atheris.Fuzz()
    return 0


def _reimport() -> None:
    """What was imported before it could be instrumented is imported anew."""
    for name in [name for name in sys.modules if name.split(".")[0] == "payloads"]:
        del sys.modules[name]
    sys.modules.pop("tests.fuzz.targets", None)


if __name__ == "__main__":
    sys.exit(main())
