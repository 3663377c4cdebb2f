"""Items shared among processes: what each prints comes out in the order of the items.

A process is a fork of the command, so it has all that the command knows. It is given some items,
and answers with what they printed and counted. Batches go round among the processes, so the oldest
answer is always that of the process whose turn it is, and no more than a batch for each is in
memory. Few items are done here: that is sooner than a process has begun.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from payloads.cli import terminal
from payloads.cli.sources import Item
from payloads.errors import Misuse, PayloadError, Refused

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

# What goes to a process at once, and what is done here before there are any processes.
_BATCH_ITEMS, _BATCH_SIZE = 128, 2**19
_FEW_SIZE = 2**20
# For an item without a payload: its objects cost, too.
_OVERHEAD = 500


class Counting(Protocol):
    """What counts the items of a command."""

    done: int
    failed: int
    others: Counter[str]


class Answer(NamedTuple):
    """What some items printed (text, whether to standard error), and what they added."""

    printed: list[tuple[str, bool]]
    done: int
    failed: int
    others: Counter[str]
    error: PayloadError | None


def can_share() -> bool:
    """Whether processes may be forked here: not on Windows, and not beside threads."""
    return hasattr(os, "fork") and threading.active_count() == 1


def cores() -> int:
    """The processors that this process may use."""
    known = getattr(os, "sched_getaffinity", None)
    return len(known(0)) if known is not None else os.cpu_count() or 1


class Shares(AbstractContextManager["Shares"]):
    """Items that wait, and processes that work on others. `do` works on some items."""

    def __init__(self, do: Callable[[Sequence[Item]], None], counts: Counting, jobs: int) -> None:
        self._do, self._counts, self._jobs = do, counts, jobs
        self._items: list[Item] = []
        self._size, self._few = 0, _FEW_SIZE
        self._team: list[_Fork] = []
        # The processes that work, the one that was asked first at the beginning.
        self._asked: list[_Fork] = []
        self._answering = False

    def __exit__(self, *_: object) -> None:
        for fork in self._team:
            fork.end()

    def take(self, item: Item) -> None:
        """Take an item; it is done when enough of them wait, or at `work`."""
        self._items.append(item)
        self._size += len(item.value) + _OVERHEAD
        if len(self._items) >= _BATCH_ITEMS or self._size >= _BATCH_SIZE:
            self._begin()

    def work(self) -> None:
        """Do everything that waits, and print all answers."""
        if self._answering:
            return
        if self._items:
            self._begin()
        while self._asked:
            self._answer()

    def _begin(self) -> None:
        items, self._items = self._items, []
        self._few, self._size = self._few - self._size, 0
        if not self._team and (self._few >= 0 or not can_share()):
            self._do(items)
            return
        if not self._team:
            terminal.flush()  # what is printed already must not be printed by a fork, too
            # One more than there are cores: one waits while its answer is printed.
            for _ in range(self._jobs + 1):
                self._team.append(_Fork(self._do, self._counts, self._team))
        if len(self._asked) == len(self._team):
            self._answer()
        fork = next(each for each in self._team if each not in self._asked)
        fork.ask(items)
        self._asked.append(fork)

    def _answer(self) -> None:
        """Print the oldest answer."""
        answer = self._asked.pop(0).answer()
        self._answering = True
        try:
            for text, err in answer.printed:
                terminal.printed(text, err=err)
        finally:
            self._answering = False
        self._counts.done += answer.done
        self._counts.failed += answer.failed
        self._counts.others += answer.others
        if answer.error is not None:
            self._asked.clear()  # nothing after it is printed
            raise answer.error


class _Fork:
    """A process that works on one batch at a time."""

    def __init__(
        self, do: Callable[[Sequence[Item]], None], counts: Counting, others: list[_Fork]
    ) -> None:
        import multiprocessing

        context: Any = multiprocessing.get_context("fork")
        self._connection, theirs = context.Pipe()
        # A process that keeps its own and others' ends open would not see the command end.
        unused = [self._connection, *(fork._connection for fork in others)]
        self._process = context.Process(
            target=_serve, args=(theirs, unused, do, counts), daemon=True
        )
        self._process.start()
        theirs.close()

    def ask(self, items: list[Item]) -> None:
        try:
            self._connection.send(items)
        except OSError:
            raise self._ended() from None

    def answer(self) -> Answer:
        try:
            found: Answer | Exception = self._connection.recv()
        except (EOFError, OSError):
            raise self._ended() from None
        if isinstance(found, Exception):
            raise found
        return found

    def _ended(self) -> Refused:
        self._process.join(5)
        return Refused(
            "a process that works on payloads has ended", field="--jobs", expected="--jobs 1",
            found=f"status {self._process.exitcode}",
        )  # fmt: skip

    def end(self) -> None:
        """End the process, also in the middle of a batch."""
        self._process.kill()
        self._process.join()
        self._connection.close()


def _serve(
    own: Connection,
    unused: list[Connection],
    do: Callable[[Sequence[Item]], None],
    counts: Counting,
) -> None:
    """Answer batches until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command itself is told
    for each in unused:
        each.close()
    while True:
        try:
            items = own.recv()
        except (EOFError, OSError):
            return
        own.send(_answered(items, do, counts))


def _answered(
    items: list[Item], do: Callable[[Sequence[Item]], None], counts: Counting
) -> Answer | Exception:
    counts.done = counts.failed = 0
    counts.others = Counter()
    error: PayloadError | None = None
    with terminal.keeping() as printed:
        try:
            do(items)
        except Misuse as problem:  # what came before it is printed first
            error = problem
        except Exception as problem:
            return problem
    return Answer(_joined(printed), counts.done, counts.failed, counts.others, error)


def _joined(printed: list[tuple[str, bool]]) -> list[tuple[str, bool]]:
    """Lines to the same stream as one text: that is less to send."""
    runs = groupby(printed, key=lambda each: each[1])
    return [("\n".join([text for text, _ in run]), err) for err, run in runs]
