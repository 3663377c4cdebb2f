"""A verdict for each of many payloads, on all cores, in order; equal bytes are judged once.

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


def judge_in_parallel(
    judge: Callable[[bytes], Verdict], payloads: Sequence[bytes], workers: int | None = None
) -> list[Verdict]:
    """The verdicts, in the payloads' order. `workers`: threads, as many as cores if not given."""
    distinct = list(dict.fromkeys(payloads))
    workers = min(workers or os.cpu_count() or 1, max(1, len(distinct) // _WORTH_A_THREAD))
    if workers == 1:
        verdicts = [judge(payload) for payload in distinct]
    else:
        verdicts = _in_threads(judge, distinct, workers)
    verdict_of = dict(zip(distinct, verdicts, strict=True))
    return [verdict_of[payload] for payload in payloads]


def _in_threads(
    judge: Callable[[bytes], Verdict], payloads: Sequence[bytes], workers: int
) -> list[Verdict]:
    # Several pieces a thread, so that one slow piece does not leave the others waiting.
    size = -(-len(payloads) // (4 * workers))
    pieces = [payloads[at : at + size] for at in range(0, len(payloads), size)]
    with ThreadPoolExecutor(workers) as pool:
        judged = pool.map(lambda piece: [judge(payload) for payload in piece], pieces)
        return [verdict for piece in judged for verdict in piece]
