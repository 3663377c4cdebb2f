"""Rows of signatures from standard input: payloads-simd must answer what coincurve's library does.

    cargo run --release --example damaged -- 1 1000 | python native/against_coincurve.py 1000

The argument says how many rows there must be. A row is 97 bytes: digest, r, s and v. coincurve
carries a libsecp256k1 of its own, and is called through its public interface. The exit status is 1
if there is any difference, or rows are missing.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import payloads_simd
from coincurve import PublicKey
from tiny_keccak import keccak256

ROW, BATCH = 97, 1024
LOCK = Lock()


def by_coincurve(row: bytes) -> bytes | None:
    if row[96] > 1:  # ecrecover knows no others, libsecp256k1 does
        return None
    try:
        key = PublicKey.from_signature_and_message(row[32:], row[:32], hasher=None)
    except ValueError:
        return None
    return keccak256(key.format(compressed=False)[1:])[12:]


def read() -> list[bytes]:
    with LOCK:
        raw = sys.stdin.buffer.read(ROW * BATCH)
    return [raw[at : at + ROW] for at in range(0, len(raw), ROW)]


def compare(rows: list[bytes]) -> tuple[int, int, list[str]]:
    """How many were compared, how many of them had an address, and the rows that differ."""
    columns = [[row[at : at + 32] for row in rows] for at in (0, 32, 64)]
    vs = bytes(row[96] for row in rows)
    wanted = list(map(by_coincurve, rows))
    # The portable lanes are slow: they take the first rows of each batch.
    shares = {"vector": len(rows), "portable": len(rows) // 10}
    if "want of" in payloads_simd.instructions():
        shares = {"portable": len(rows)}
    differ = set()
    for lanes, share in shares.items():
        first = [column[:share] for column in columns]
        found = payloads_simd.Workers(1).recover_many(*first, vs[:share], lanes).get()
        pairs = zip(rows, found, wanted, strict=False)
        differ |= {row.hex() for row, ours, theirs in pairs if ours != theirs}
    return len(rows), len(rows) - wanted.count(None), sorted(differ)


def work(_: int) -> Counter[str]:
    tally: Counter[str] = Counter()
    while rows := read():
        compared, addresses, differ = compare(rows)
        tally += Counter(compared=compared, addresses=addresses, differences=len(differ))
        for row in differ[:10]:
            print("differs:", row)
    return tally


def main() -> int:
    cores = os.cpu_count() or 1
    with ThreadPoolExecutor(cores) as threads:
        tally = sum(threads.map(work, range(cores)), Counter())
    print(
        f"coincurve: {tally['compared']} compared, {tally['addresses']} with an address, "
        f"{tally['differences']} differences"
    )
    return 1 if tally["differences"] or tally["compared"] != int(sys.argv[1]) else 0


if __name__ == "__main__":
    sys.exit(main())
