"""`python -m benchmarks.many`: `crypto.recover_many` against the loop over libsecp256k1.

All rows are measured in one run, in rounds that take turns; a figure is the fastest of its rounds.
With payloads-simd, `cargo run --release --example bench` in native/ has the crate's own figures.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from time import perf_counter

from payloads.crypto import recover_many, recover_many_by, recover_packed, sign

ROUNDS = 9
BATCHES = (1, 4, 16, 64, 1024)
SIGNATURES = 1024


def columns() -> tuple[list[bytes], list[bytes], list[bytes], list[int]]:
    source = random.Random(1)
    digests = [source.randbytes(32) for _ in range(SIGNATURES)]
    signed = [sign(source.randbytes(32), digest) for digest in digests]
    return digests, [r for r, _, _ in signed], [s for _, s, _ in signed], [v for *_, v in signed]


def microseconds(work: Callable[[int, int], object], batch: int) -> float:
    begun = perf_counter()
    for at in range(0, SIGNATURES, batch):
        work(at, at + batch)
    return (perf_counter() - begun) * 1e6 / SIGNATURES


def main() -> None:
    digests, rs, ss, vs = columns()
    joined = [b"".join(column) for column in (digests, rs, ss)]

    def lists(workers: int, implementation: str | None) -> Callable[[int, int], object]:
        return lambda a, b: recover_many(
            digests[a:b], rs[a:b], ss[a:b], vs[a:b], workers=workers, implementation=implementation
        )

    def packed(a: int, b: int) -> object:
        z, r, s = (column[32 * a : 32 * b] for column in joined)
        return recover_packed(z, r, s, bytes(vs[a:b]), workers=1)

    ways: dict[str, Callable[[int, int], object]] = {
        "libsecp256k1, one by one": lists(1, "libsecp256k1"),
        "recover_many, one thread": lists(1, None),
        "recover_packed, one thread": packed,
    }
    if (os.cpu_count() or 1) > 1:
        ways["recover_many, two threads"] = lists(2, None)
    print(f"recover_many runs {recover_many_by()}\n")
    print("| batch | how | µs a signature | times the loop |\n|---|---|---|---|")
    for batch in BATCHES:
        best = dict.fromkeys(ways, float("inf"))
        for _ in range(ROUNDS):
            for name, work in ways.items():
                best[name] = min(best[name], microseconds(work, batch))
        loop = best["libsecp256k1, one by one"]
        for name, time in best.items():
            print(f"| {batch} | {name} | {time:.2f} | {loop / time:.1f} |", flush=True)


if __name__ == "__main__":
    main()
