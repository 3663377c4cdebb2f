"""Processes that work on parts: each reads tasks from its standard input until that ends.

So a worker ends with the process that began it, however that ends. It keeps the settings of the
scan and its states, and nothing of a part.

    python -m payloads.forensics.scanning.workers
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from payloads.errors import PayloadError

_LENGTH = struct.Struct("<Q")
# The C library keeps what a block took for the next, instead of asking the system page by page.
_KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "1073741824", "MALLOC_TRIM_THRESHOLD_": "2147483648"}


class WorkerEnded(Exception):
    """The process has ended without an answer: it was killed, or had no memory left."""


class Worker:
    """A process that works on one task at a time."""

    def __init__(self, *settings: Any) -> None:
        folder = str(Path(__file__).parents[3])
        paths = [folder, *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_KEEP_MEMORY | os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin, self._process.stdout
        self._begun = settings
        self._started = self.ended = False

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait(self) -> None:
        """Wait until it can take a task at once."""
        with self._alive():
            if not self._started:
                _send(self._in, self._begun)
                _receive(self._out)
                self._started = True

    def do(self, task: Any) -> Any:
        """The result of a task; an error of it is raised here."""
        self.wait()
        with self._alive():
            _send(self._in, task)
            kind, result = _receive(self._out)
        if kind == "error":
            raise result
        return result

    @contextlib.contextmanager
    def _alive(self) -> Iterator[None]:
        """`WorkerEnded` if the process ends meanwhile."""
        try:
            yield
        except (OSError, EOFError, ValueError):  # of a pipe that `end` has closed, too
            self.end()
            raise WorkerEnded(f"status {self._process.returncode}") from None

    def end(self) -> None:
        """End the process, also in the middle of a task."""
        self.ended = True
        self._process.kill()
        self._process.wait()
        for stream in (self._in, self._out):
            with contextlib.suppress(OSError):  # what was to be written is of no use any more
                stream.close()


def _send(stream: IO[bytes], value: Any) -> None:
    data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    stream.write(_LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def _receive(stream: IO[bytes]) -> Any:
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    (size,) = _LENGTH.unpack(head)
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return pickle.loads(data)


def _leave_out(name: str) -> None:
    """Have a package not found: pyarrow looks for pandas, whose import takes half of the start."""

    class Finder:
        @staticmethod
        def find_spec(wanted: str, *_: Any) -> None:
            if wanted == name:
                raise ModuleNotFoundError(f"not of use here: {name}", name=name)

    sys.meta_path.insert(0, Finder())


def main() -> None:
    """Work on tasks until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that began this one is told
    tasks, results = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever is printed must not get among the results
    _leave_out("pandas")
    import pyarrow as pa

    from payloads.forensics.scanning.work import work

    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    try:
        settings = _receive(tasks)
        _send(results, ("started", None))
        while True:
            task = _receive(tasks)
            try:
                answer: Any = ("done", work(task, *settings))
            except (PayloadError, OSError) as error:
                answer = ("error", error)
            _send(results, answer)
    except (EOFError, BrokenPipeError):
        return


if __name__ == "__main__":
    main()
