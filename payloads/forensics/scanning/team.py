"""Workers beside this process: each is led by a thread, and takes the next part when it is free.

`Team.takes` says whether one is free for a part; if not, this process works on the part itself.
No part waits for a worker that has not started yet, so a scan is never slower than without any.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from typing import Any

from payloads.errors import Refused
from payloads.forensics.scanning.work import Done, Task
from payloads.forensics.scanning.workers import Worker, WorkerEnded

# A part at which so many workers ended is not tried again.
_MOST_ENDS = 3


class Team(AbstractContextManager["Team"]):
    """Workers, `most` at a time; `begun` is what each is told at first. The scan may go on without
    them."""

    def __init__(self, most: int, *begun: Any) -> None:
        self._most, self._begun = most, begun
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[Done | BaseException] = queue.SimpleQueue()
        self._leads: list[_Lead] = []
        # Tasks that were handed over, and whose results were not taken yet.
        self._open = 0

    def __exit__(self, *error: object) -> None:
        """End all workers, also in the middle of a part."""
        for each in self._leads:
            each.stop()
        for _ in self._leads:
            self._tasks.put(None)

    @property
    def works(self) -> bool:
        """Whether there is a result to come."""
        return self._open > 0

    def grow(self, worth: Callable[[], int]) -> None:
        """Begin workers, as many as are worth it or as many as may be."""
        if len(self._leads) >= self._most:
            return  # what they are worth takes a look at all parts that are done
        count = min(worth(), self._most)
        while len(self._leads) < count:
            lead = _Lead(self._tasks, self._results, self._begun)
            self._leads.append(lead)
            threading.Thread(target=lead.run, daemon=True).start()

    def takes(self, task: Task) -> bool:
        """Hand a task over, if a worker is free or will be next."""
        started = sum(each.started for each in self._leads)
        if self._tasks.qsize() >= started:
            return False
        self._tasks.put(task)
        self._open += 1
        return True

    def given_back(self) -> Task | None:
        """A task that was handed over, and that no worker has begun."""
        with suppress(queue.Empty):
            task = self._tasks.get_nowait()
            self._open -= 1
            return task
        return None

    def results(self, wait: float = 0) -> Iterator[Done]:
        """The results that are there, perhaps after a while; an error of a worker is raised."""
        while self._open:
            try:
                found = self._results.get(timeout=wait) if wait else self._results.get_nowait()
            except queue.Empty:
                return
            if isinstance(found, BaseException):
                raise found
            wait = 0
            self._open -= 1
            yield found


class _Lead:
    """Leads a worker through tasks; begins another worker if it ends."""

    def __init__(
        self, tasks: queue.SimpleQueue[Any], results: queue.SimpleQueue[Any], begun: Any
    ) -> None:
        self._tasks, self._results, self._begun = tasks, results, begun
        self._worker: Worker | None = None
        self._stopped = False
        self.started = False

    def run(self) -> None:
        try:
            self._start()
            while (task := self._tasks.get()) is not None and not self._stopped:
                self._results.put(self._do(task))
        except BaseException as error:
            if not self._stopped:
                self._results.put(error)
        finally:
            self.started = False
            if self._worker is not None:
                self._worker.end()

    def _start(self) -> None:
        self._worker = Worker(*self._begun)
        with suppress(WorkerEnded):  # another one is begun with the first task
            self._worker.wait()
        self.started = True

    def _do(self, task: Task) -> Any:
        for _ in range(_MOST_ENDS):
            if self._worker is None or self._worker.ended:
                self._worker = Worker(*self._begun)
            try:
                return self._worker.do(task)
            except WorkerEnded as error:
                why = str(error)
                if self._stopped:
                    raise
        raise Refused(
            "the process that works on a part ends each time",
            field=f"{task.path}, part {task.part.number}",
            expected="more memory, or fewer jobs", found=why,
        )  # fmt: skip

    def stop(self) -> None:
        """End the worker, also in the middle of a part."""
        self._stopped = True
        if self._worker is not None:
            self._worker.end()
