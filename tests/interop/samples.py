"""The printed samples of the venues' documentation, taken out of a folder beside this repository.

None of their text is kept here: `blocks` finds the code in a page by its language. The folder is
`../shared/seeds`, seen from the repository; `PAYLOADS_INTEROP_SEEDS` names another. A test is
skipped, and says why, where the folder or a tool is not there.
"""

from __future__ import annotations

import os
import queue
import re
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.interop.node import CACHE

ROOT = Path(__file__).resolve().parents[2]
SEEDS = Path(os.environ.get("PAYLOADS_INTEROP_SEEDS") or ROOT.parent / "shared" / "seeds")
_FENCE = re.compile(r"^( *)```([a-z]*)[^\n]*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)

PYTHON_CLIENT = "websocket-client==1.9.0"
GO_CLIENT = "github.com/gorilla/websocket@v1.5.3"


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page in one language, as printed."""
    found = sorted(SEEDS.glob(f"{page}-*.md"))
    if not found:
        pytest.skip(f"the printed samples are not there: no {page}-*.md in ../shared/seeds")
    text = found[0].read_text()
    return [textwrap.dedent(m[3]) for m in _FENCE.finditer(text) if m[2] == language]


def block(page: str, language: str, *marks: str) -> str:
    """The code block of a page that has all of these words."""
    (found,) = [text for text in blocks(page, language) if all(mark in text for mark in marks)]
    return found


def changed(sample: str, **hosts_and_keys: tuple[str, str]) -> str:
    """The sample with other hosts and keys; each of them stands in it."""
    for name, (old, new) in hosts_and_keys.items():
        assert old in sample, f"the sample has no such {name}"
        sample = sample.replace(old, new)
    return sample


class Running:
    """A program that runs a sample; `lines` is what it has printed so far, errors included."""

    def __init__(self, command: list[str], cwd: Path, more: Mapping[str, str]) -> None:
        # A proxy is not for loopback, and nothing else is ever talked to.
        here = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        self._process = subprocess.Popen(
            command,
            cwd=cwd,
            env=here | more,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
        )
        self.lines: list[str] = []
        self._queue: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._queue.put(line)
        self._queue.put(None)

    def write(self, line: str) -> None:
        """Type a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def until(self, *words: str, seconds: float = 30) -> str:
        """The next line with all of these words."""
        ends = time.monotonic() + seconds
        while True:
            try:
                line = self._queue.get(timeout=max(0.0, ends - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                raise AssertionError(f"no line with {words}, but {''.join(self.lines[-40:])}")
            self.lines.append(line)
            if all(word in line for word in words):
                return line

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()


@contextmanager
def running(*command: str, cwd: Path, **more: str) -> Iterator[Running]:
    """Run a program; it ends with the block."""
    program = Running([*command], cwd, more)
    try:
        yield program
    finally:
        program.end()


def needs(tool: str) -> str:
    """The path of a tool; the test is skipped without it."""
    found = shutil.which(tool)
    if found is None:
        pytest.skip(f"{tool} is not on the PATH")
    return found


def python_client() -> Path:
    """The folder with the Python package that the samples import, installed if it is not."""
    target: Path = CACHE / PYTHON_CLIENT.replace("==", "-")
    if not (target / "websocket" / "__init__.py").exists():
        print("interop: installing", PYTHON_CLIENT, file=sys.stderr, flush=True)
        only = ["--no-deps", "--only-binary", ":all:", "--disable-pip-version-check", "--quiet"]
        install = [sys.executable, "-m", "pip", "install", *only, "--target", str(target)]
        subprocess.run([*install, PYTHON_CLIENT], check=True, timeout=300)
    return target


def go_program(source: str, folder: Path) -> Path:
    """A Go program built from its source, with the module that the samples import."""
    go = needs("go")
    (folder / "main.go").write_text(source)
    cache = CACHE / "go"
    environment = os.environ | {
        "GOMODCACHE": str(cache / "modules"), "GOCACHE": str(cache / "build"),
        "GOFLAGS": "-modcacherw",
    }  # fmt: skip
    for words in (["mod", "init", "sample"], ["get", GO_CLIENT], ["build", "-o", "sample", "."]):
        made = subprocess.run(
            [go, *words], cwd=folder, env=environment, timeout=300, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        assert made.returncode == 0, f"go {words}: {made.stderr}"
    return folder / "sample"
