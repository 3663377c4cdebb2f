"""One judgement for each of many payloads, on all cores, in order, and the same bytes only once.

Threads do it: nearly all the time is spent recovering signatures, and libsecp256k1 runs without
the interpreter's lock.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from payloads.verdicts.verdict import Verdict

# Below this many payloads a thread, starting it costs more than it saves.
_WORTH_A_THREAD = 16


def judge_distinct(
    judge: Callable[[bytes], Verdict], raws: Sequence[bytes], workers: int | None = None
) -> list[Verdict]:
    """The verdicts on `raws`, in order. `workers`: threads, as many as cores if not given."""
    distinct = list(dict.fromkeys(raws))
    workers = min(workers or os.cpu_count() or 1, max(1, len(distinct) // _WORTH_A_THREAD))
    if workers == 1:
        verdicts = [judge(raw) for raw in distinct]
    else:
        verdicts = _in_threads(judge, distinct, workers)
    found = dict(zip(distinct, verdicts, strict=True))
    return [found[raw] for raw in raws]


def _in_threads(
    judge: Callable[[bytes], Verdict], raws: Sequence[bytes], workers: int
) -> list[Verdict]:
    # Several pieces a thread, so that one slow piece does not leave the others waiting.
    size = -(-len(raws) // (4 * workers))
    pieces = [raws[at : at + size] for at in range(0, len(raws), size)]
    with ThreadPoolExecutor(workers) as pool:
        done = pool.map(lambda piece: [judge(raw) for raw in piece], pieces)
        return [verdict for piece in done for verdict in piece]
