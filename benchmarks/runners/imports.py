"""Start a fresh interpreter that imports a package: `python -m benchmarks.runners.imports …`.

`… STATEMENT [DISTRIBUTION]`: STATEMENT is what `python -c` is given, under the interpreter that
runs this; DISTRIBUTION is whose version is shown, the interpreter's own where there is none. One
piece of work is one process, from before it is started until it has ended.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence

from benchmarks.runners.loop import Work, named, serve_work

# Compiled code is kept, as it is wherever a package was installed: the first start writes it.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def start(statement: str) -> Work:
    def work(arguments: Sequence[str]) -> int:
        return subprocess.run(arguments, stdin=subprocess.DEVNULL, env=ENVIRONMENT).returncode

    def check(status: int) -> Mapping[str, str]:
        return {"exit status": str(status)}

    return work, [sys.executable, "-c", statement], check


if __name__ == "__main__":
    statement, *distribution = sys.argv[1:]
    python = f"{platform.python_implementation()} {platform.python_version()}"
    serve_work(named(*distribution) if distribution else python, start(statement))
