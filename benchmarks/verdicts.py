"""`python -m benchmarks.verdicts`: `judge_many` against the loop over `judge`, in one run.

`payloads.judge_many` and `judge_stream`, which take payloads of all systems, are measured beside
`chainlink.judge_many`.

The loop recovers by libsecp256k1, one signature after the other, as it does without payloads-simd.
All rows are for reports of six signatures; rounds take turns, and a figure is the fastest of its
rounds. Two cores are measured in windows in which the second one proves to be free. With `--save`,
docs/performance.md shows the table.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from time import process_time
from typing import Any

import msgspec

import payloads
from benchmarks import cores, page
from payloads import chainlink, crypto
from payloads.chainlink.schemas import SCHEMAS
from payloads.crypto import CURVE_ORDER
from payloads.testing import InsecureTestNetwork
from payloads.verdicts.state import State
from tests.recover_vectors import with_factors, word

ROUNDS, REPORTS, GOAL, GOAL_OF_TWO = 15, 192, 7, 1.9
# So many are judged on two cores: nothing is recovered beside the first and the last of them.
MANY = 1_000, 4_000
FRESH = "fresh: no signature twice"
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


def fresh(count: int) -> list[bytes]:
    return [bytes(report(number).raw) for number in range(count)]


def inputs() -> dict[str, list[bytes]]:
    subsets = [bytes(report(number // 8, number % 8).raw) for number in range(REPORTS)]
    return {
        FRESH: fresh(REPORTS),
        "no payload twice, each report by eight sets of signers": subsets,
        "each payload four times": fresh(REPORTS // 4) * 4,
        "hostile: every signature flagged": [hostile(number) for number in range(REPORTS)],
    }


def microseconds(work: Callable[[list[bytes]], object], raws: list[bytes]) -> float:
    begun = process_time()
    work(raws)
    return (process_time() - begun) * 1e6 / len(raws)


def loop(raws: list[bytes]) -> list[bool]:
    os.environ["PAYLOADS_RECOVER"] = "libsecp256k1"
    found = [chainlink.judge(raw, STATE).accepted for raw in raws]
    del os.environ["PAYLOADS_RECOVER"]
    return found


def measured() -> page.Table:
    """Every input on one core, and fresh reports on two."""
    run, found, given = page.Run(), {}, inputs()
    for name, raws in given.items():
        expected = loop(raws)
        ways = {"loop": loop, "one": bulk(1), "any": of_any, "stream": stream}
        best = dict.fromkeys(ways, float("inf"))
        for _ in range(ROUNDS):
            for way, work in ways.items():
                best[way] = min(best[way], microseconds(work, raws))
        assert [each.accepted for each in chainlink.judge_many(raws, STATE)] == expected
        found[name] = best
    many = fresh(max(MANY))
    two = cores.goals(
        lambda count, workers: bulk(workers)(many[:count]), MANY, GOAL_OF_TWO, "fresh reports"
    )
    return table(found, two, run)


def bulk(workers: int) -> Callable[[list[bytes]], object]:
    return lambda raws: chainlink.judge_many(raws, STATE, workers=workers)


def of_any(raws: list[bytes]) -> object:
    return payloads.judge_many(raws, STATE, workers=1)


def stream(raws: list[bytes]) -> object:
    return list(payloads.judge_stream(raws, STATE, workers=1))


def met(best: Mapping[str, float], way: str) -> str:
    ratio = best["loop"] / best[way]
    return f"{'met' if ratio >= GOAL else '**missed**'}, {ratio:.1f}"


def table(
    found: Mapping[str, Mapping[str, float]], two: Sequence[str], run: page.Run
) -> page.Table:
    ways = {"one": "times the loop", "any": "`payloads.judge_many`", "stream": "`judge_stream`"}
    rows = [
        [name, *(f"{best['loop'] / best[way]:.1f}" for way in ways),
         f"{best['one']:.1f}", f"{best['loop']:.0f}"]
        for name, best in found.items()
    ]  # fmt: skip
    columns = [
        f"{REPORTS} reports of six signatures",
        *ways.values(),
        "µs a report",
        "the loop, µs",
    ]
    fastest_of = f"the fastest of {ROUNDS} rounds, in processor time"
    how = run.how(fastest_of, crypto.recover_many_by())
    names = {"one": "`chainlink.judge_many`", "any": ways["any"], "stream": ways["stream"]}
    notes = [
        f"at least {GOAL} times for fresh reports, {name}: {met(found[FRESH], way)}"
        for way, name in names.items()
    ]
    return page.Table(columns, rows, how, [*notes, *two])


def main() -> None:
    options = page.parser("verdicts", __doc__).parse_args()
    page.finish({"judge-many": measured()}, options.save)


if __name__ == "__main__":
    main()
