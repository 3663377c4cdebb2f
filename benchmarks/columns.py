"""`python -m benchmarks.columns`: many payloads at once, against eth-abi and against one by one.

All ways are measured in one run, in rounds that take turns. A figure is the least processor time of
its rounds, since a busy neighbour can only make it longer; ratios are to the first row of a table.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from importlib import import_module
from time import process_time
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.runners.python_rivals import BODY, OUTER
from payloads import State, chainlink, columns, stork
from payloads.chainlink.schemas import SCHEMAS
from payloads.crypto import recover_many_by
from payloads.testing import InsecureTestNetwork, InsecureTestStorkSigner

ROUNDS = 15
# What each way works on in a round: the slow ones on fewer.
MANY, FEW = 10_000, 200
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


def state() -> Any:
    config = {
        "config_digest": "0x" + NETWORK.config_digest.hex(),
        "signers": list(NETWORK.signers),
        "f": 5,
    }
    return State.from_dict({"contract": "v0.5.0", "now": 1_700_000_000, "configs": [config]})


def table(title: str, ways: dict[str, tuple[int, Work]]) -> None:
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(ROUNDS):
        for name, (count, work) in ways.items():
            begun = process_time()
            work()
            best[name] = min(best[name], (process_time() - begun) * 1e6 / count)
    first = next(iter(best.values()))
    print(f"\n{title}\n\n| how | µs each | times the first |\n|---|---:|---:|")
    for name, time in best.items():
        print(f"| {name} | {time:.3g} | {first / time:.3g} |", flush=True)


def main() -> None:
    abi = import_module("eth_abi").decode
    print(f"signers by {recover_many_by()}; batches of {MANY:,}")
    raws = reports(1_000) * (MANY // 1_000)
    texts = ["0x" + raw.hex() for raw in raws]
    array, fixed = pa.array(raws, pa.binary()), pa.array(raws, pa.binary(len(raws[0])))

    def by_eth_abi() -> None:
        for text in texts[:FEW]:
            abi(BODY, abi(OUTER, bytes.fromhex(text[2:]))[1])

    tables = columns.decode(array)["chainlink_v3"]
    table(
        "Reports: schema 3, six signatures, 992 bytes",
        {
            "eth-abi, one by one, from hex": (FEW, by_eth_abi),
            "chainlink.decode, one by one, from hex": (
                FEW,
                lambda: [chainlink.decode(text) for text in texts[:FEW]],
            ),
            "columns.decode, from a list of hex": (MANY, lambda: columns.decode(texts)),
            "columns.decode, from a list of bytes": (MANY, lambda: columns.decode(raws)),
            "columns.decode, from an Arrow array of bytes": (MANY, lambda: columns.decode(array)),
            "columns.decode, from one of a fixed size": (MANY, lambda: columns.decode(fixed)),
            "a copy of the bytes": (MANY, lambda: np.frombuffer(fixed.buffers()[1], "u1").copy()),
            "columns.encode": (MANY, lambda: columns.encode(tables)),
        },
    )
    stork_raws = updates(200) * (MANY // 1_000)
    stork_array, form = pa.array(stork_raws, pa.binary()), "signed_ecdsa"
    count = len(stork_raws)
    table(
        "Updates: 100 assets, 1,875 bytes",
        {
            "stork.decode, one by one": (
                FEW,
                lambda: [stork.decode(raw) for raw in stork_raws[:FEW]],
            ),
            "columns.decode, from a list of bytes": (count, lambda: columns.decode(stork_raws)),
            "columns.decode, recognised": (count, lambda: columns.decode(stork_array)),
            "columns.decode, form named": (
                count,
                lambda: columns.decode(stork_array, form=form),
            ),
        },
    )
    known, some, fresh = state(), raws[:FEW], raws[:1_000]
    forged = [raw[:-1] + bytes([raw[-1] ^ 1]) for raw in fresh]
    table(
        "Verdicts on reports of six signatures, one thread",
        {
            "chainlink.judge, one by one": (
                FEW,
                lambda: [chainlink.judge(raw, known) for raw in some],
            ),
            "chainlink.judge_many": (
                len(fresh),
                lambda: chainlink.judge_many(fresh, known, workers=1),
            ),
            "columns.judge": (len(fresh), lambda: columns.judge(fresh, known, workers=1)),
            "columns.judge, all refused": (
                len(forged),
                lambda: columns.judge(forged, known, workers=1),
            ),
        },
    )


if __name__ == "__main__":
    main()
