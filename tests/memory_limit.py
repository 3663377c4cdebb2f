"""The memory that a call takes beyond its start, measured in a process of its own.

    run_limited(bombs, "https://…")    # `bombs` is a function of a module, its arguments are text

The function is called in a fresh interpreter that has imported its module already, so imports do
not count. Its peak may be `MOST` above that. Where the system can say no (Linux), an allocation far
beyond the bound fails there, and does not take the machine with it. `run_limited` returns what the
function printed.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# No hostile peer, node or file takes the process beyond this.
MOST = 256 * 10**6
# Memory is reserved that is never used (stacks, arenas), so the hard limit is higher.
_HARD = 4 * MOST
_STATUS = Path("/proc/self/status")
_MARK = "peak beyond the start: "

needs_measure = pytest.mark.skipif(not _STATUS.exists(), reason="reads /proc/self/status")


def run_limited(function: Callable[..., Any], *arguments: str, most: int = MOST) -> str:
    """Call a module's function with text in a process of its own, within `most` bytes."""
    command = [sys.executable, "-m", __name__, function.__module__, function.__qualname__]
    run = subprocess.run(
        [*command, *arguments], cwd=Path(__file__).parent.parent, capture_output=True, text=True,
        check=False, timeout=120,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    printed, _, peak = run.stdout.rpartition(_MARK)
    assert int(peak) <= most, f"{int(peak) / 1e6:.0f} MB beyond the start"
    return printed


def _kilobytes(name: str) -> int:
    """A line of the process's status. `getrusage` would begin with the parent's peak."""
    lines = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
    return int(lines[name].split()[0])


def _limit() -> None:
    import resource

    most = 1024 * _kilobytes("VmSize") + _HARD
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _main(module: str, function: str, *arguments: str) -> None:
    call = getattr(importlib.import_module(module), function)
    start = _kilobytes("VmRSS")
    _limit()
    call(*arguments)
    sys.stdout.flush()
    print(f"{_MARK}{1024 * (_kilobytes('VmHWM') - start)}")


if __name__ == "__main__":
    _main(*sys.argv[1:])
