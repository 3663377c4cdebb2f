"""`python -m benchmarks.verdicts`: `judge_many` against the loop over `judge`, in one run.

The loop recovers by libsecp256k1, one signature after the other, as it does without payloads-simd.
All rows are for reports of six signatures; rounds take turns, and a figure is the fastest of its
rounds. Two cores are spoken of only if a second core proves to be free.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any

import msgspec

from payloads import chainlink, crypto
from payloads.chainlink.schemas import SCHEMAS
from payloads.crypto import CURVE_ORDER
from payloads.testing import InsecureTestNetwork
from payloads.verdicts.state import State
from tests.recover_vectors import with_factors, word

ROUNDS, REPORTS = 15, 192
NETWORK = InsecureTestNetwork("benchmark")
STATE: Any = State.from_dict({
    "contract": "v0.5.0",
    "configs": [{
        "config_digest": "0x" + NETWORK.config_digest.hex(), "signers": list(NETWORK.signers),
        "f": NETWORK.f, "active": True,
    }],
})  # fmt: skip
# payloads-simd's loop over R ends at u2 R + OFFSET G, and adds u1 G - OFFSET G to it.
OFFSET = int.from_bytes(b"payloads: the loop's first point", "big") << 126
SPIN = "import time\na=time.perf_counter()\nsum(range(6_000_000))\nprint(time.perf_counter()-a)"


def report(number: int, by: int = 0) -> Any:
    schema = SCHEMAS[b"\x00\x03"]
    values = {row.name: number for row in schema.table.fields if row.name != "feed_id"}
    record = schema.record(feed_id=schema.prefix + bytes(30), **values)
    return NETWORK.sign(record, by=[(by + step) % NETWORK.size for step in range(6)])


def hostile(number: int) -> bytes:
    """A report whose signatures all end where the fast formulas do not hold."""
    signed = report(number)
    z = int.from_bytes(signed.signing_digest, "big")
    rs, ss, vs = [], [], []
    for k in range(2, 8):
        _, r, _, v = with_factors(1, 1, k * 1000 + number)
        u1 = -z * pow(r, -1, CURVE_ORDER)
        s = (u1 - 2 * OFFSET) * pow(k * 1000 + number, -1, CURVE_ORDER) * r % CURVE_ORDER
        rs.append(word(r))
        ss.append(word(s))
        vs.append(v)
    changes: dict[str, Any] = {
        "rs": tuple(rs),
        "ss": tuple(ss),
        "raw_vs": bytes(vs).ljust(32, b"\0"),
    }
    return bytes(msgspec.structs.replace(signed, **changes).encode())


def inputs() -> dict[str, list[bytes]]:
    fresh = [bytes(report(number).raw) for number in range(REPORTS)]
    subsets = [bytes(report(number // 8, number % 8).raw) for number in range(REPORTS)]
    return {
        "fresh: no signature twice": fresh,
        "no payload twice, each report by eight sets of signers": subsets,
        "each payload four times": (fresh[: REPORTS // 4]) * 4,
        "hostile: every signature flagged": [hostile(number) for number in range(REPORTS)],
    }


def microseconds(work: Callable[[list[bytes]], object], payloads: list[bytes]) -> float:
    begun = perf_counter()
    work(payloads)
    return (perf_counter() - begun) * 1e6 / len(payloads)


def loop(payloads: list[bytes]) -> list[bool]:
    os.environ["PAYLOADS_RECOVER"] = "libsecp256k1"
    found = [chainlink.judge(payload, STATE).accepted for payload in payloads]
    del os.environ["PAYLOADS_RECOVER"]
    return found


def cores() -> float:
    """How much of two cores there is, by two processes at once and one alone."""

    def together(count: int) -> float:
        command = [sys.executable, "-c", SPIN]
        running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(count)]
        return max(float(each.communicate()[0]) for each in running)

    return 2 * min(together(1) for _ in range(5)) / min(together(2) for _ in range(5))


def main() -> None:
    free = cores()
    ways = {"one core": 1}
    if free >= 1.9:
        ways["two cores"] = 2
    print(f"recover_many runs {crypto.recover_many_by()}; two processes had {free:.2f} cores\n")
    print("| reports of six signatures | cores | µs a report | µs, loop | times the loop |")
    print("|---|---|---|---|---|")
    for name, payloads in inputs().items():
        expected = loop(payloads)
        alone, best = float("inf"), dict.fromkeys(ways, float("inf"))
        for _ in range(ROUNDS):
            alone = min(alone, microseconds(loop, payloads))
            for way, workers in ways.items():
                many = lambda raws, n=workers: chainlink.judge_many(raws, STATE, workers=n)  # noqa: E731
                best[way] = min(best[way], microseconds(many, payloads))
        assert [each.accepted for each in chainlink.judge_many(payloads, STATE)] == expected
        for way, time in best.items():
            print(f"| {name} | {way} | {time:.1f} | {alone:.0f} | {alone / time:.1f} |", flush=True)


if __name__ == "__main__":
    main()
