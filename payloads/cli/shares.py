"""Items shared among processes: what each prints comes out in the order of the items.

A process is a fork of the command, so it has all that the command knows, and begins within
milliseconds. Forks begin where this process has worked for longer than that already: each time it
has done so once more, there are twice as many processes, up to the number that is wanted.

Items wait in pieces. This process works, too: on one piece after the other, and after each it takes
the answers that are there and gives more to the forks that are free. What a fork is given at a time
becomes less towards the end, so that all end together. What is done before its turn is kept, up to
a bound. `forensics.scanning.team` does the like for a scan, whose parts take seconds and write
files: it has no order to keep, and its workers must not be forks, since a scan has threads.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import groupby
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from payloads.cli import terminal
from payloads.cli.sources import Item
from payloads.errors import Misuse, PayloadError, Refused

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

# A piece is a few milliseconds of work: so long a fork that is done waits for its next items.
_PIECE_ITEMS, _PIECE_SIZE = 32, 2**17
# For an item without a payload: its objects cost, too.
_OVERHEAD = 500
# Pieces that a fork is given at a time, and for each process those that wait for their turn.
_MOST_GIVEN, _MOST_KEPT = 8, 24
# Seconds of work after which a fork is worth its start.
_WORTH_A_FORK = 0.05

Do = Callable[[Sequence[Item]], None]
Printed = list[tuple[str, bool]]


class Counting(Protocol):
    """What counts the items of a command."""

    done: int
    failed: int
    others: Counter[str]


class Answer(NamedTuple):
    """What some items printed (text, whether to standard error), and what they added."""

    printed: Printed
    error: PayloadError | None = None
    done: int = 0
    failed: int = 0
    others: Mapping[str, int] = MappingProxyType({})


_NOTHING = Answer([])


class _Piece:
    """Some items, until they are done, and then their answer, until it is printed."""

    __slots__ = ("answer", "items")

    def __init__(self, items: list[Item]) -> None:
        self.items = items
        self.answer: Answer | None = None


def can_share() -> bool:
    """Whether processes may be forked here: not on Windows, and not beside threads."""
    return hasattr(os, "fork") and threading.active_count() == 1


def cores() -> int:
    """The processors that this process may use."""
    known = getattr(os, "sched_getaffinity", None)
    return len(known(0)) if known is not None else os.cpu_count() or 1


class Shares(AbstractContextManager["Shares"]):
    """Items that wait, and processes that work on them. `do` works on some items."""

    def __init__(self, do: Do, counts: Counting, jobs: int) -> None:
        self._do, self._counts, self._jobs = do, counts, jobs
        self._items: list[Item] = []
        self._size = 0
        # Pieces that are not printed, and those among them that wait for a process.
        self._pieces: deque[_Piece] = deque()
        self._ready: deque[_Piece] = deque()
        self._forks: list[_Fork] = []
        # Seconds that this process has worked since it began forks.
        self._worked = 0.0
        # Whether an item is being done, or its results are printed: neither begins another one.
        self._busy = False

    def __exit__(self, *_: object) -> None:
        for fork in self._forks:
            fork.end()

    def take(self, item: Item) -> None:
        """Take an item; it is done when enough of them wait, or at `work`."""
        self._items.append(item)
        self._size += len(item.value) + _OVERHEAD
        if len(self._items) < _PIECE_ITEMS and self._size < _PIECE_SIZE:
            return
        self._wait_in_line()
        if self._worked >= _WORTH_A_FORK:
            self._begin_forks()
        # While there are forks, so much is read ahead that each can be given its next items.
        ahead = _MOST_GIVEN * self._jobs if self._forks else 0
        while len(self._ready) > ahead:
            self._step()

    def work(self) -> None:
        """Do everything that waits, and print all answers."""
        if self._busy:
            return
        if self._items:
            self._wait_in_line()
        while self._pieces:
            self._step()

    def _wait_in_line(self) -> None:
        piece = _Piece(self._items)
        self._items, self._size = [], 0
        self._pieces.append(piece)
        self._ready.append(piece)

    def _begin_forks(self) -> None:
        """Begin as many processes as there are, of those that are still wanted."""
        self._worked = 0.0
        wanted = min(2 * len(self._forks) + 1, self._jobs - 1)
        if len(self._forks) >= wanted or not can_share():
            return
        self._busy = True
        terminal.flush()  # what is printed already must not be printed by a fork, too
        self._busy = False
        while len(self._forks) < wanted:
            self._forks.append(_Fork(self._do, self._counts, self._forks))

    def _step(self) -> None:
        """Give forks what they can take, work on a piece, and print whatever has its turn."""
        try:
            self._receive(0)
            self._give()
            kept = len(self._pieces) - len(self._ready)
            if self._ready and kept < _MOST_KEPT * self._jobs:
                self._work_on(self._ready.popleft())
            else:
                self._receive(None)
            self._print()
        except BaseException:  # nothing is done or printed after it
            self._pieces.clear()
            self._ready.clear()
            raise

    def _receive(self, wait: float | None) -> None:
        """Take the answers that are there; wait for one if there is no bound."""
        working = {fork.connection: fork for fork in self._forks if fork.piece is not None}
        if not working:
            return
        from multiprocessing.connection import wait as wait_for

        for connection in wait_for(list(working), wait):
            working[connection].take_answer()

    def _give(self) -> None:
        """Give the forks that are free the oldest pieces, and leave some for this process."""
        for fork in self._forks:
            if fork.piece is None and len(self._ready) > 1:
                count = min(_MOST_GIVEN, len(self._ready) // self._jobs or 1)
                first, *others = (self._ready.popleft() for _ in range(count))
                for each in others:  # they are answered with the first one
                    first.items += each.items
                    each.answer = _NOTHING
                fork.ask(first)

    def _work_on(self, piece: _Piece) -> None:
        began, self._busy = time.perf_counter(), True
        try:
            if self._pieces[0] is piece:
                self._do(piece.items)
                piece.answer = _NOTHING
            else:
                printed, error = _kept(self._do, piece.items)
                piece.answer = Answer(printed, error)
        finally:
            self._busy = False
        self._worked += time.perf_counter() - began

    def _print(self) -> None:
        """Print the answers whose turn it is."""
        while self._pieces and (answer := self._pieces[0].answer) is not None:
            self._pieces.popleft()
            self._busy = True
            try:
                for text, err in answer.printed:
                    terminal.printed(text, err=err)
            finally:
                self._busy = False
            self._counts.done += answer.done
            self._counts.failed += answer.failed
            self._counts.others.update(answer.others)
            if answer.error is not None:
                raise answer.error


class _Fork:
    """A process that works on one piece at a time."""

    def __init__(self, do: Do, counts: Counting, others: Sequence[_Fork]) -> None:
        import multiprocessing

        context: Any = multiprocessing.get_context("fork")
        self.connection, theirs = context.Pipe()
        self.piece: _Piece | None = None
        # A process that keeps its own and others' ends open would not see the command end.
        unused = [self.connection, *(fork.connection for fork in others)]
        self._process = context.Process(
            target=_serve, args=(theirs, unused, do, counts), daemon=True
        )
        self._process.start()
        theirs.close()

    def ask(self, piece: _Piece) -> None:
        self.piece = piece
        try:
            self.connection.send(piece.items)
        except OSError:
            raise self._ended() from None

    def take_answer(self) -> None:
        """Take the answer for the piece."""
        assert self.piece is not None
        try:
            found: Answer | Exception = self.connection.recv()
        except (EOFError, OSError):
            raise self._ended() from None
        if isinstance(found, Exception):
            raise found
        self.piece.answer, self.piece.items = found, []
        self.piece = None

    def _ended(self) -> Refused:
        self._process.join(5)
        return Refused(
            "a process that works on payloads has ended", field="--jobs", expected="--jobs 1",
            found=f"status {self._process.exitcode}",
        )  # fmt: skip

    def end(self) -> None:
        """End the process, also in the middle of a piece."""
        self._process.kill()
        self._process.join()
        self.connection.close()


def _serve(own: Connection, unused: list[Connection], do: Do, counts: Counting) -> None:
    """Answer pieces until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command itself is told
    for each in unused:
        each.close()
    try:
        while True:
            own.send(_answered(own.recv(), do, counts))
    except (EOFError, OSError):  # the command has ended
        return


def _answered(items: list[Item], do: Do, counts: Counting) -> Answer | Exception:
    counts.done = counts.failed = 0
    counts.others = Counter()
    try:
        printed, error = _kept(do, items)
    except Exception as problem:
        return problem
    return Answer(printed, error, counts.done, counts.failed, dict(counts.others))


def _kept(do: Do, items: Sequence[Item]) -> tuple[Printed, PayloadError | None]:
    """What some items print, and the error that ends the command behind that."""
    error: PayloadError | None = None
    with terminal.keeping() as printed:
        try:
            do(items)
        except Misuse as problem:
            error = problem
    return _joined(printed), error


def _joined(printed: Printed) -> Printed:
    """Lines to the same stream as one text: that is less to send."""
    runs = groupby(printed, key=lambda each: each[1])
    return [("\n".join([text for text, _ in run]), err) for err, run in runs]
