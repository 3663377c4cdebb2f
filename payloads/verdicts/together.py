"""Judgements side by side: what they ask for is recovered in one call, then each looks it up.

A `Judgement` is a verdict in the making. It pauses with the signatures that it needs next, and ends
with its verdict. `finish` makes one verdict, `judge_together` many. Where no batches are recovered,
threads do the work: nearly all the time is then spent in libsecp256k1, which runs without the
interpreter's lock.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from payloads.crypto import recovers_in_batches
from payloads.verdicts.signers import Signature, Signers
from payloads.verdicts.verdict import Verdict

T = TypeVar("T", bound=Hashable)
V = TypeVar("V")

Judgement = Generator[Iterable[Signature], None, Verdict]
Asking = Generator[Iterable[Signature], None, V]

# Payloads whose signatures are recovered in one call: batches hardly gain beyond their size.
_TOGETHER = 256
# Below this many payloads a thread, starting it costs more than it saves.
_WORTH_A_THREAD = 16


def finish(judgement: Asking[V], signers: Signers) -> V:
    """The verdict, with the signers of each pause recovered together."""
    try:
        while True:
            signers.learn(next(judgement))
    except StopIteration as end:
        verdict: V = end.value
        return verdict


def begun(judgement: Asking[V]) -> tuple[Iterable[Signature], Asking[V]]:
    """The signatures that a judgement asks for first, and the judgement from there on."""
    try:
        return next(judgement), judgement
    except StopIteration as end:
        return (), _ended(end.value)


def _ended(verdict: V) -> Asking[V]:
    yield from ()
    return verdict


def judge_together(
    start: Callable[[T], Asking[V]],
    given: Sequence[T],
    signers: Signers,
    workers: int | None = None,
    start_all: Callable[[Sequence[T]], Sequence[Asking[V]]] | None = None,
) -> list[V]:
    """The verdicts, in order; what is equal is judged once.

    `workers`: threads, as many as cores if not given. `start_all` starts a whole batch at once,
    where a system has a faster way to do that.
    """
    distinct = list(dict.fromkeys(given))
    if recovers_in_batches():
        started = start_all or (lambda batch: [start(each) for each in batch])
        found = list(_in_batches(started, distinct, signers, workers))
    else:
        found = _in_threads(lambda each: finish(start(each), signers), distinct, workers)
    verdict_of = dict(zip(distinct, found, strict=True))
    return [verdict_of[each] for each in given]


def _in_batches(
    start_all: Callable[[Sequence[T]], Sequence[Asking[V]]],
    given: Sequence[T],
    signers: Signers,
    workers: int | None,
) -> Iterator[V]:
    for at in range(0, len(given), _TOGETHER):
        going = dict(enumerate(start_all(given[at : at + _TOGETHER])))
        verdicts: dict[int, V] = {}
        while going:
            asked: list[Signature] = []
            for number, judgement in going.items():
                try:
                    asked += next(judgement)
                except StopIteration as end:
                    verdicts[number] = end.value
            signers.learn(asked, workers)
            going = {
                number: judgement for number, judgement in going.items() if number not in verdicts
            }
        yield from (verdicts[number] for number in range(len(verdicts)))


def _in_threads(judge: Callable[[T], V], given: Sequence[T], workers: int | None) -> list[V]:
    workers = min(workers or os.cpu_count() or 1, max(1, len(given) // _WORTH_A_THREAD))
    if workers == 1:
        return [judge(each) for each in given]
    # Several pieces a thread, so that one slow piece does not leave the others waiting.
    size = -(-len(given) // (4 * workers))
    pieces = [given[at : at + size] for at in range(0, len(given), size)]
    with ThreadPoolExecutor(workers) as pool:
        judged = pool.map(lambda piece: [judge(each) for each in piece], pieces)
        return [verdict for piece in judged for verdict in piece]
