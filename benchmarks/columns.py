"""`python -m benchmarks.columns`: many payloads at once, against eth-abi and against one by one.

All ways take turns in one run, those without payloads-simd in a process of their own. A figure is
the least processor time of its rounds, since a busy neighbour can only make it longer. A copy of
the payloads' bytes stands beside them: nothing that reads and writes memory takes less. With
`--save`, docs/performance.md shows the tables.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module
from time import process_time
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks import cores, page
from benchmarks.runners.python_rivals import BODY, OUTER
from payloads import State, chainlink, columns, stork
from payloads.chainlink.schemas import SCHEMAS
from payloads.crypto import has_simd, recover_many_by
from payloads.testing import InsecureTestNetwork, InsecureTestStorkSigner

ROUNDS = 20
# Each way works so often in its turn: the first time, the caches hold what other ways use. After so
# many seconds it matters no more.
WARM, LONG = 5, 0.05
# What each way works on in a round: the slow ones on fewer.
MANY, FEW, SMALL = 10_000, 200, 1_000
THREE = ["feed_id", "benchmark_price", "observations_timestamp"]
WITHOUT = "without payloads-simd"
# At most so many microseconds each.
GOALS = {"a list of hex": 1.5, "a list of bytes": 0.1, "an Arrow array of bytes": 0.1}
GOALS |= {"an Arrow array, form named": 1.0, "an Arrow array, recognised": 1.0}
GOAL_OF_VERDICTS, GOAL_OF_TWO = 9, 1.9
TWO_CORES = 1_000, 4_000
_CHILD = """\
import sys
sys.modules["payloads_simd"] = None
from benchmarks import columns
columns.serve()
"""
NETWORK = InsecureTestNetwork("benchmark")
SIGNER = InsecureTestStorkSigner("benchmark")
SIX = range(6)
Work = Callable[[], object]


def reports(count: int) -> list[bytes]:
    """Reports of schema 3, each by six signers."""
    feed, record = b"\x00\x03" + b"\x07" * 30, SCHEMAS[b"\x00\x03"].record
    price = random.Random(1)
    made = (
        record(feed, at, at, 10**14, 10**16, at + 86_400, *(price.getrandbits(80),) * 3)
        for at in range(1_700_000_000, 1_700_000_000 + count)
    )
    return [bytes(NETWORK.sign(report, by=SIX).encode()) for report in made]


def updates(count: int) -> list[bytes]:
    """Updates of a hundred assets."""
    number = random.Random(2)
    made = []
    for at in range(count):
        assets = [stork.Asset(index, number.getrandbits(90) - 2**89) for index in range(100)]
        made.append(SIGNER.sign(assets, timestamp_ns=1_700_000_000 * 10**9 + at).encode())
    return made


def copies(raws: list[bytes], count: int) -> list[bytes]:
    """So many payloads, each with memory of its own, as they would come from anywhere."""
    return [bytes(bytearray(raw)) for raw in raws * (count // len(raws))]


def state() -> Any:
    config = {
        "config_digest": "0x" + NETWORK.config_digest.hex(),
        "signers": list(NETWORK.signers),
        "f": 5,
    }
    return State.from_dict({"contract": "v0.5.0", "now": 1_700_000_000, "configs": [config]})


# How many payloads a way works on, and the work.
Ways = dict[str, tuple[int, Work]]


def of_reports() -> Ways:
    """Reports of schema 3 with six signatures: 992 bytes."""
    abi = import_module("eth_abi").decode
    raws = copies(reports(1_000), MANY)
    texts = ["0x" + raw.hex() for raw in raws]
    array, fixed = pa.array(raws, pa.binary()), pa.array(raws, pa.binary(len(raws[0])))
    flat, small = np.frombuffer(fixed.buffers()[1], np.uint8), raws[:SMALL]

    def by_eth_abi() -> None:
        for text in texts[:FEW]:
            abi(BODY, abi(OUTER, bytes.fromhex(text[2:]))[1])

    tables = columns.decode(array)["chainlink_v3"]
    three = partial(columns.decode, only=THREE)
    return {
        "eth-abi, one by one, hex": (FEW, by_eth_abi),
        "`chainlink.decode`, one by one, hex": (
            FEW,
            lambda: [chainlink.decode(text) for text in texts[:FEW]],
        ),
        "a list of hex": (MANY, lambda: columns.decode(texts)),
        "a list of bytes": (MANY, lambda: columns.decode(raws)),
        "a list of bytes, 1,000 of them": (SMALL, lambda: columns.decode(small)),
        "an Arrow array of bytes": (MANY, lambda: columns.decode(array)),
        "a list of bytes, three columns": (MANY, lambda: three(raws)),
        "an Arrow array of bytes, three columns": (MANY, lambda: three(array)),
        "tables back to bytes": (MANY, lambda: columns.encode(tables)),
        "(a copy of the bytes)": (MANY, flat.copy),
    }


def of_updates() -> Ways:
    """Updates of a hundred assets: 1,875 bytes."""
    raws = copies(updates(200), MANY // 5)
    array, form = pa.array(raws, pa.binary()), "signed_ecdsa"
    count, flat = len(raws), np.frombuffer(b"".join(raws), np.uint8)
    return {
        "`stork.decode`, one by one": (FEW, lambda: [stork.decode(raw) for raw in raws[:FEW]]),
        "a list of bytes, recognised": (count, lambda: columns.decode(raws)),
        "an Arrow array, recognised": (count, lambda: columns.decode(array)),
        "an Arrow array, form named": (count, lambda: columns.decode(array, form=form)),
        "(a copy of the bytes)": (count, flat.copy),
    }


def of_verdicts() -> Ways:
    """Verdicts on reports of six signatures."""
    known, fresh = state(), reports(1_000)
    forged = [raw[:-1] + bytes([raw[-1] ^ 1]) for raw in fresh]

    def loop() -> None:
        os.environ["PAYLOADS_RECOVER"] = "libsecp256k1"
        for raw in fresh[: FEW // 2]:
            chainlink.judge(raw, known)
        del os.environ["PAYLOADS_RECOVER"]

    return {
        "`chainlink.judge`, one by one, by libsecp256k1": (FEW // 2, loop),
        "`chainlink.judge_many`": (SMALL, lambda: chainlink.judge_many(fresh, known, workers=1)),
        "`columns.judge`": (SMALL, lambda: columns.judge(fresh, known, workers=1)),
        "`columns.judge`, all refused": (
            SMALL,
            lambda: columns.judge(forged, known, workers=1),
        ),
    }


KINDS: Mapping[str, Callable[[], Ways]] = {
    "columns-reports": of_reports,
    "columns-updates": of_updates,
    "columns-verdicts": of_verdicts,
}


def timed(count: int, work: Work) -> float:
    """Microseconds of processor time each: the least of a few times without a pause."""
    best, first = float("inf"), process_time()
    for _ in range(WARM):
        begun = process_time()
        work()
        ended = process_time()
        best = min(best, ended - begun)
        if ended - first > LONG:
            break
    return best * 1e6 / count


def serve() -> None:
    """Times a way for each line of input: a kind and a way's name, as JSON."""
    made: dict[str, Ways] = {}
    for line in sys.stdin:
        kind, name = json.loads(line)
        if kind not in made:
            made[kind] = KINDS[kind]()
        print(timed(*made[kind][name]), flush=True)


class Without:
    """A process without payloads-simd."""

    def __init__(self) -> None:
        pipe = subprocess.PIPE
        command = [sys.executable, "-c", _CHILD]
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)

    def timed(self, kind: str, name: str) -> float:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([kind, name]) + "\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())


def least(kind: str, rounds: int, without: Without | None) -> dict[str, list[float]]:
    """The least times of each way: here, and without payloads-simd if it is here."""
    ways = KINDS[kind]()
    best = {name: [float("inf")] * (1 if without is None else 2) for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            times = [timed(*way), *([] if without is None else [without.timed(kind, name)])]
            best[name] = [min(pair) for pair in zip(best[name], times, strict=True)]
    return best


_TITLES = {
    "columns-reports": f"reports of six signatures to tables, {MANY:,} at once, from",
    "columns-updates": f"updates of 100 assets to tables, {MANY // 5:,} at once, from",
    "columns-verdicts": f"verdicts on reports of six signatures, {SMALL:,} at once, one core",
}


def table(kind: str, best: Mapping[str, list[float]], how: str) -> page.Table:
    first = next(iter(best.values()))[0]
    heads = [_TITLES[kind], "µs each", "times as fast as the first"]
    several = len(next(iter(best.values()))) > 1
    heads += [f"µs each {WITHOUT}"] if several else []
    rows = [
        [name, f"{times[0]:.3g}", f"{first / times[0]:.3g}", *(f"{each:.3g}" for each in times[1:])]
        for name, times in best.items()
    ]
    return page.Table(heads, rows, how, list(goals(best)))


def goals(best: Mapping[str, list[float]]) -> Iterator[str]:
    for name, goal in GOALS.items():
        if name in best:
            found = best[name][0]
            word = "met" if found <= goal else "**missed**"
            yield f"at most {goal:g} µs from {name}: {word}, {found:.2f}"
    if (name := "`columns.judge`") in best:
        ratio = next(iter(best.values()))[0] / best[name][0]
        word = "met" if ratio >= GOAL_OF_VERDICTS else "**missed**"
        yield f"{name} at least {GOAL_OF_VERDICTS} times as fast as the loop: {word}, {ratio:.1f}"


def measured(rounds: int) -> dict[str, page.Table]:
    without = Without() if has_simd() else None
    found = {}
    for kind in KINDS:
        run = page.Run()
        best = least(kind, rounds, without)
        fastest_of = f"the least of {rounds} interleaved rounds, in processor time"
        found[kind] = table(kind, best, run.how(fastest_of, recover_many_by()))
    found["columns-verdicts"].notes.extend(on_two_cores())
    return found


def on_two_cores() -> list[str]:
    known, fresh = state(), reports(max(TWO_CORES))

    def judge(count: int, workers: int) -> object:
        return columns.judge(fresh[:count], known, workers=workers)

    return cores.goals(judge, TWO_CORES, GOAL_OF_TWO, "rows of `columns.judge`")


def main() -> None:
    parser = page.parser("columns", __doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    page.finish(measured(options.rounds), options.save)


if __name__ == "__main__":
    main()
