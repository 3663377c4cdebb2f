"""Node.js scripts that are talked to in lines of JSON, and the npm packages they need.

The packages land in `<repo>/.cache/interop/` (`PAYLOADS_INTEROP_CACHE` moves it), pinned by
`package.json`; nothing of the vendors' is kept in this repository.

A script is asked `{"id": 1, "do": "listFeeds", "args": []}` and answers `{"id": 1, "result": …}` or
`{"id": 1, "error": {"name": …, "message": …}}`; what it says unasked is `{"event": …}`. Its input's
end is its own.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["Failed", "NodeError", "Script", "packages"]

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("PAYLOADS_INTEROP_CACHE") or HERE.parents[1] / ".cache" / "interop")

# Scripts off: nothing that is installed needs to run anything, so nothing may.
INSTALL = ("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock")
INSTALL_SECONDS = 600

Event = dict[str, Any]


class NodeError(RuntimeError):
    """Node.js, npm or a script of ours did not do what it should."""


class Failed(Exception):
    """What was asked for threw an error: this one, in the words of the other side."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error['name']}: {error['message']}")
        self.name: str = error["name"]
        self.message: str = error["message"]
        self.status: int | None = error.get("status")
        # Of each connection that failed: the error it ended with.
        self.connections: list[str] = error.get("connections", [])


def packages() -> Path:
    """The directory with `node_modules`, installed if it is not."""
    wanted = (HERE / "package.json").read_bytes()
    # Written last, so an install that was cut short is done again.
    done = CACHE / "installed.json"
    if done.exists() and done.read_bytes() == wanted:
        return CACHE
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            raise NodeError(f"{tool} is not on the PATH: this lane needs Node.js 20+ and npm")
    CACHE.mkdir(parents=True, exist_ok=True)
    (CACHE / "package.json").write_bytes(wanted)
    print("interop: installing the vendor's SDK and ws", file=sys.stderr, flush=True)
    made = subprocess.run(
        INSTALL, cwd=CACHE, timeout=INSTALL_SECONDS, capture_output=True, text=True, check=False
    )
    if made.returncode:
        raise NodeError(f"npm install exited {made.returncode}:\n{made.stdout}{made.stderr}")
    done.write_bytes(wanted)
    return CACHE


class Script:
    """A running script. `events` are what it said unasked so far; wait for them with `until`."""

    def __init__(self, path: Path, installed: Path) -> None:
        # A proxy is not for loopback, and nothing else is ever talked to.
        environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        self._process = subprocess.Popen(
            ["node", str(path), str(installed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=environment,
        )
        self.events: list[Event] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._asked = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def ask(self, what: str, *args: Any, seconds: float = 20) -> Any:
        """What it answers; `Failed` where it threw."""
        assert self._process.stdin is not None
        self._asked += 1
        line = json.dumps({"id": self._asked, "do": what, "args": args})
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        ends = time.monotonic() + seconds
        while True:
            said = self._next(ends, f"no answer to {what}")
            if said.get("id") == self._asked:
                if "error" in said:
                    raise Failed(said["error"])
                return said.get("result")

    def until(self, enough: Callable[[], Any], seconds: float = 20) -> None:
        """Read on until that is so; it is asked anew after every event."""
        ends = time.monotonic() + seconds
        while not enough():
            self._next(ends, "what is waited for did not happen")

    def of(self, kind: str) -> list[Event]:
        """The events of a kind so far."""
        return [event for event in self.events if event["event"] == kind]

    def _next(self, ends: float, otherwise: str) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=max(0.0, ends - time.monotonic()))
        except queue.Empty:
            raise NodeError(f"{otherwise}; so far: {self._summary()}") from None
        if line is None:
            raise NodeError(f"the script ended with {self._process.wait(5)}: {self._summary()}")
        said: dict[str, Any] = json.loads(line)
        if "event" in said:
            self.events.append(said)
        return said

    def _summary(self) -> str:
        kinds = [event["event"] for event in self.events]
        return ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)) or "none"

    def end(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._process.stdout.close()
