"""Processor time of a script or a command over a file, in a process that has it all imported.

`python -m benchmarks.runners.steady FILE TIMES script [signers|recoveries]`, or `payloads …` with a
command's arguments. The first of so many times over the file, which imports, is not counted. The
least time is printed.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from benchmarks.runners import script
from payloads.cli.main import main as payloads


def once(path: str, run: Callable[[], object]) -> float:
    """The processor time with a file as standard input."""
    with open(path, "rb") as stream:
        os.dup2(stream.fileno(), 0)
    sys.stdin = os.fdopen(0, closefd=False)
    began = time.process_time()
    run()
    sys.stdout.flush()
    return time.process_time() - began


def main(path: str, times: int, name: str, *arguments: str) -> None:
    out = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if name == "script":
        found = [once(path, lambda: script.main(*(arguments or ("",)))) for _ in range(times + 1)]
    else:
        found = [
            once(path, lambda: payloads(arguments, standalone_mode=False)) for _ in range(times + 1)
        ]
    os.write(out, f"{min(found[1:])}\n".encode())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
