"""A Ray cluster that works on a scan: the parts of its inputs, and the search for findings.

    with Cluster("auto") as cluster:
        forensics.scan(["captures/"], out="found", cluster=cluster)
        forensics.find("found", cluster=cluster)

A task is a call of the plain function that a process of one machine calls, too. The inputs and the
folder of the scan lie on a filesystem that all machines have under the same path. docs/forensics.md
says what goes over the network. It needs the extra `ray`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from payloads._version import __version__
from payloads.errors import Misuse, PayloadError, Refused, elide, not_installed

# A task whose worker or machine ended is done again so often.
_MOST_RETRIES = 3
# Tasks that are handed to the cluster before a result is there: a worker never waits for its next.
_AHEAD = 2
# Seconds without a result after which the cluster is asked whether it starts a worker at all, and
# seconds for its answer.
_PATIENCE = 60


class Cluster(AbstractContextManager["Cluster"]):
    """A connection to a cluster; Ray finds its address as `ray.init` says.

    `local` begins a cluster on this machine with `jobs` workers, which ends with the connection.
    Otherwise `jobs` is how many tasks may run at a time: all cores of the cluster, if not given.
    """

    def __init__(self, address: str = "auto", jobs: int | None = None) -> None:
        if jobs is not None and jobs < 1:
            raise Misuse("no such number of workers", field="jobs", expected="1 or more")
        self._ray: Any = _ray()
        self._jobs = jobs
        self._connected = not self._ray.is_initialized()
        if self._connected:
            self._connect(address)

    def _connect(self, address: str) -> None:
        options: dict[str, Any] = {"num_cpus": self._jobs} if address == "local" else {}
        if address == "local":
            # Otherwise Ray waits here for its first workers, without end where none can start, and
            # holds the interpreter's lock: not even Ctrl-C ends that. `results` has a bound.
            os.environ.setdefault("RAY_prestart_worker_first_driver", "0")
        try:
            self._ray.init(
                address, include_dashboard=False if address == "local" else None,
                log_to_driver=False, logging_level="error", **options,
            )  # fmt: skip
        except Exception as error:  # Ray has no class of its own for all that goes wrong here
            self._ray.shutdown()
            raise Misuse(
                "no cluster is reached", field="ray", found=elide(str(error), 200),
                expected="local, auto, or HOST:PORT of a running cluster",
            ) from None  # fmt: skip

    def close(self) -> None:
        """Leave the cluster; one that was begun here ends."""
        if self._connected:
            self._ray.shutdown()

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def workers(self) -> int:
        """The tasks that may run at a time."""
        cores = max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        return cores if self._jobs is None else min(self._jobs, cores)

    @property
    def _most(self) -> int:
        """The tasks that are handed over: more than may run, where the cluster's cores are the
        bound."""
        cores = int(self._ray.cluster_resources().get("CPU", 1))
        return self.workers * _AHEAD if self.workers == cores else self.workers

    def results(
        self, function: Callable[..., Any], tasks: Iterable[Any], folder: Path, *shared: Any
    ) -> Iterator[Any]:
        """The results of `function(task, *shared)`, each when it is there.

        Tasks are made no faster than they are done. None stands for a while without a result.
        `Refused` if the cluster has no result for long, and starts no worker either.
        """
        ray = self._ray
        self._check_answers()
        remote = ray.remote(_answer).options(
            num_cpus=1, max_retries=_MOST_RETRIES, name=f"payloads.{function.__name__}"
        )
        # What is the same for all tasks is sent to each machine once.
        common = ray.put((__version__, str(folder), function, shared))
        waiting: list[Any] = []
        source = iter(tasks)
        more, most, answered = True, self._most, time.monotonic()
        try:
            while more or waiting:
                while more and len(waiting) < most:
                    task = next(source, None)
                    if task is None:
                        more = False
                    else:
                        waiting.append(remote.remote(common, task))
                ready, waiting = ray.wait(waiting, timeout=0.5) if waiting else ([], waiting)
                if ready:
                    answered = time.monotonic()
                elif time.monotonic() - answered > _PATIENCE:
                    self._check_answers()
                    answered = time.monotonic()
                else:
                    yield None
                for each in ready:
                    yield self._result(each)
        finally:
            for each in waiting:
                ray.cancel(each, force=True)

    def _check_answers(self) -> None:
        """Refuse a cluster that starts no worker: Ray would wait for it without end.

        The question takes no core of the cluster, so it need not wait for other work.
        """
        asked = self._ray.remote(_here).options(num_cpus=0, name="payloads.here").remote()
        ready, _ = self._ray.wait([asked], timeout=_PATIENCE)
        if not ready:
            self._ray.cancel(asked, force=True)
            raise Refused(
                "the cluster does not answer", field="ray",
                expected=f"a worker that begins within {_PATIENCE} seconds",
                found="none; the logs of its machines say why (/tmp/ray/session_latest/logs)",
            )  # fmt: skip
        self._result(asked)

    def _result(self, reference: Any) -> Any:
        try:
            kind, result = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            lines = str(error).strip().splitlines() or [""]
            raise Refused(
                "a task of the cluster ends each time", field="ray",
                expected="payloads on all its machines, and memory for each task",
                found=elide(f"{type(error).__name__}: {lines[-1]}", 200),
            ) from None  # fmt: skip
        if kind == "error":
            raise result
        return result


def _ray() -> Any:
    # Otherwise Ray tells its makers that it is used.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise not_installed("ray", "ray") from None
    return ray


def _here() -> tuple[str, None]:
    """The answer of a worker that has begun."""
    return "done", None


def _answer(common: tuple[str, str, Callable[..., Any], tuple[Any, ...]], task: Any) -> Any:
    """A task's result or error, on a worker."""
    version, folder, function, shared = common
    try:
        if version != __version__:
            raise Misuse("a machine of the cluster has another version", field="payloads",
                         expected=version, found=__version__)  # fmt: skip
        if not os.path.isdir(folder):
            raise Misuse("a machine of the cluster does not see the folder of the scan",
                         field=folder, expected="a shared filesystem")  # fmt: skip
        return "done", function(task, *shared)
    except (PayloadError, OSError) as error:
        return "error", error
