"""Judgements side by side: what they ask for is recovered in one call, then each looks it up.

A `Judgement` is a verdict in the making. It pauses with the signatures that it needs next, and ends
with its verdict. `finish` makes one verdict, `judge_together` many. Where batches are recovered,
threads of payloads-simd do that. Elsewhere threads make the judgements one by one: nearly all the
time is then spent in libsecp256k1, which runs without the interpreter's lock, too.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from payloads.crypto import Workers, recovers_in_batches
from payloads.verdicts.signers import Asked, Learning, Signers
from payloads.verdicts.verdict import Verdict

T = TypeVar("T", bound=Hashable)
V = TypeVar("V")

Asking = Generator[Sequence[Asked], None, V]
Judgement = Asking[Verdict]

# Payloads whose signatures are recovered in one call: batches hardly gain beyond their size.
_TOGETHER = 256
# With several threads: so many batches, and so many payloads in each at least.
_BATCHES, _FEWEST = 16, 64
# Below this many payloads a thread, starting it costs more than it saves.
_WORTH_A_THREAD = 16


def finish(judgement: Asking[V], signers: Signers, workers: Workers | None = None) -> V:
    """The verdict, with the signers of each pause recovered together."""
    try:
        while True:
            signers.learn(next(judgement), workers)
    except StopIteration as end:
        verdict: V = end.value
        return verdict


def begun(judgement: Asking[V]) -> tuple[Sequence[Asked], Asking[V]]:
    """The signatures that a judgement asks for first, and the judgement from there on."""
    try:
        return next(judgement), judgement
    except StopIteration as end:
        return (), _nothing(end.value)


def _nothing(verdict: V) -> Asking[V]:
    yield from ()
    return verdict


def side_by_side(judgements: Sequence[Asking[V]]) -> Asking[list[V]]:
    """A judgement of all of these, which asks for what any of them asks for."""
    going = dict(enumerate(judgements))
    verdicts: dict[int, V] = {}
    while going:
        asked: list[Asked] = []
        for number, judgement in list(going.items()):
            try:
                asked += next(judgement)
            except StopIteration as end:
                verdicts[number] = end.value
                del going[number]
        yield asked
    return [verdicts[number] for number in range(len(verdicts))]


def judge_together(
    start: Callable[[T], Asking[V]],
    given: Sequence[T],
    signers: Signers,
    workers: int | None = None,
    start_all: Callable[[Sequence[T]], Asking[Sequence[V]]] | None = None,
) -> list[V]:
    """The verdicts, in order; what is equal is judged once.

    `workers`: threads, as many as cores if not given. `start_all` starts a whole batch at once,
    where a system has a faster way to do that.
    """
    distinct = list(dict.fromkeys(given))
    workers = min(workers or os.cpu_count() or 1, max(1, len(distinct) // _WORTH_A_THREAD))
    if recovers_in_batches():
        started = start_all or (lambda batch: side_by_side([start(each) for each in batch]))
        found = list(_in_batches(started, distinct, signers, workers))
    else:
        found = _in_threads(lambda each: finish(start(each), signers), distinct, workers)
    if len(distinct) == len(given):
        return found
    verdict_of = dict(zip(distinct, found, strict=True))
    return [verdict_of[each] for each in given]


def _in_batches(
    start_all: Callable[[Sequence[T]], Asking[Sequence[V]]],
    given: Sequence[T],
    signers: Signers,
    workers: int,
) -> Iterator[V]:
    """The verdicts of batch after batch. Other threads recover for the next batch meanwhile."""
    crew = Workers(workers)
    waiting: deque[tuple[Learning, Asking[Sequence[V]]]] = deque()
    for batch in _pieces(given, _together(len(given), workers)):
        asked, judgement = begun(start_all(batch))
        for learning, _ in waiting:
            if learning.of_any(asked):
                learning.end()  # to look them up instead of recovering them twice
        waiting.append((signers.begin(asked, crew), judgement))
        if workers == 1 or len(waiting) > 1:
            yield from _ended(*waiting.popleft(), signers, crew)
    for learning, judgement in waiting:
        yield from _ended(learning, judgement, signers, crew)


def _ended(learning: Learning, judgement: Asking[V], signers: Signers, crew: Workers) -> V:
    learning.end()
    return finish(judgement, signers, crew)


def _together(count: int, workers: int) -> int:
    """So many payloads in a batch. Nothing is recovered beside the first and the last batch."""
    if workers == 1:
        return _TOGETHER
    return min(max(count // _BATCHES, _FEWEST), _TOGETHER)


def _in_threads(judge: Callable[[T], V], given: Sequence[T], workers: int) -> list[V]:
    if workers == 1:
        return [judge(each) for each in given]
    with ThreadPoolExecutor(workers) as pool:
        pieces = _pieces(given, _share(given, workers))
        judged = pool.map(lambda piece: [judge(each) for each in piece], pieces)
        return [verdict for piece in judged for verdict in piece]


def _share(given: Sequence[T], workers: int) -> int:
    """The size of several pieces a thread, so that a slow one does not leave the others waiting."""
    return -(-len(given) // (4 * workers))


def _pieces(given: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for at in range(0, len(given), size):
        yield given[at : at + size]
