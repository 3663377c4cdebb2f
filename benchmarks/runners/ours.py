"""This library: `python -m benchmarks.runners.ours CASE`. The one file here that knows its API.

"Every field" is taken at its word: the clock runs until each field has been read off the object,
since a decoder that put the work off would otherwise look fast.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import payloads
from benchmarks.kits import cores
from benchmarks.runners.loop import (
    INPUTS,
    Work,
    fingerprint_of,
    hexed,
    many_reports,
    named,
    serve_work,
    signatures,
    unhex,
    words,
)
from payloads import chain, chainlink
from payloads.chain.rpc import Block, Node
from payloads.chainlink.state import V03, V04, V05, ChainlinkState
from payloads.crypto import BACKENDS, keccak256, recover
from payloads.testing import InsecureTestNetwork
from payloads.verdicts.verdict import Verdict

Fields = tuple[tuple[Any, ...], tuple[Any, ...]]
Signature = tuple[bytes, bytes, bytes, int]


def fields_of(p: Any) -> Fields:
    r = p.report
    outer = (p.config_digest, p.epoch, p.round, p.extra_hash, p.report_blob, p.rs, p.ss, p.raw_vs)
    return outer, (
        r.feed_id, r.valid_from_timestamp, r.observations_timestamp, r.native_fee, r.link_fee,
        r.expires_at, r.benchmark_price, r.bid, r.ask,
    )  # fmt: skip


OUTER = "config_digest", "epoch", "round", "extra_hash", "report_blob", "rs", "ss", "raw_vs"
BODY = (
    "feed_id", "valid_from_timestamp", "observations_timestamp", "native_fee", "link_fee",
    "expires_at", "benchmark_price", "bid", "ask",
)  # fmt: skip


def text(value: Any) -> str:
    if isinstance(value, bytes):
        return hexed(value)
    return str(value) if isinstance(value, int) else words(value)


def check_fields(found: Fields) -> Mapping[str, str]:
    pairs = zip(OUTER + BODY, found[0] + found[1], strict=True)
    return {name: text(value) for name, value in pairs}


def decode() -> Work:
    def work(report: str) -> Fields:
        return fields_of(chainlink.decode(report))

    return work, INPUTS["full_report"], check_fields


def decode_any() -> Work:
    def work(report: str) -> Fields:
        return fields_of(payloads.decode(report).value)

    return work, INPUTS["full_report"], check_fields


def recover_one() -> Work:
    def work(item: Signature) -> Any:
        digest, r, s, v = item
        return recover(digest, r, s, v)

    return work, signatures()[0], lambda address: {"0": hexed(address)}


def recover_six() -> Work:
    def work(items: list[Signature]) -> list[Any]:
        return [recover(digest, r, s, v) for digest, r, s, v in items]

    def check(found: list[Any]) -> Mapping[str, str]:
        return {str(index): hexed(address) for index, address in enumerate(found)}

    return work, signatures(), check


def keccak() -> Work:
    return keccak256, unhex(INPUTS["signed"]), lambda digest: {"digest": hexed(digest)}


# --- verdicts -------------------------------------------------------------------------------------

# Tokens are made up; so are ten of each state's sixteen signers, and they are known by their looks.
LINK, NATIVE = b"\x1c" * 20, b"\x2d" * 20
FEES = {
    "link": hexed(LINK),
    "native": hexed(NATIVE),
    "native_surcharge": 10**17,
    "discounts": [{"token": "link", "discount": 5 * 10**17}],
}


def state(contract: str, fees: bool, digest: str, signers: Sequence[str]) -> ChainlinkState:
    """What a chain knows that accepts the report: one config of sixteen, six must sign."""
    fields = INPUTS["fields"]
    named_by = {
        V03: {"feed_id": fields["feed_id"], "config_digest": digest},
        V04: {"activation_time": int(fields["observations_timestamp"])},
        V05: {"config_digest": digest},
    }
    return ChainlinkState.from_dict(
        {
            "contract": contract,
            "now": int(fields["observations_timestamp"]),
            "subscriber": hexed(b"\xbb" * 20),
            "configs": [{**named_by[contract], "signers": list(signers), "f": 5}],
            "fee_manager": FEES if fees else None,
        }
    )


def report_state(contract: str, fees: bool = False) -> ChainlinkState:
    known = INPUTS["signers"]
    made_up = [hexed(bytes(19) + bytes([number])) for number in range(1, 17 - len(known))]
    # The known ones at both ends: where a signer stands must not matter.
    signers = [*known[:3], *made_up, *known[3:]]
    return state(contract, fees, INPUTS["fields"]["config_digest"], signers)


def verdict(contract: str, fees: bool = False, text: bool = False) -> Work:
    """`accepted` is asked while the clock runs, and what the call returns is checked after it."""
    knows = report_state(contract, fees)
    pay = LINK if fees else None
    judge = chainlink.judge

    def work(payload: str | bytes) -> tuple[bool, Verdict]:
        found = judge(payload, knows, pay=pay)
        return found.accepted, found

    def check(found: tuple[bool, Verdict]) -> Mapping[str, str]:
        accepted, whole = found
        return {"accepted": str(accepted), "returned": hexed(whole.returned or b"")}

    payload = INPUTS["full_report"]
    return work, payload if text else unhex(payload), check


# --- the guard ------------------------------------------------------------------------------------

PROXY, KEEPER, CHAIN_ID = b"\x11" * 20, b"\xbb" * 20, 42161


class Answering(Node):
    """A node that answers at once: what is measured is everything else."""

    def __init__(self, now: int) -> None:
        super().__init__(None, "a node")
        self._newest = Block(200, "0x00", now)

    def chain_id(self) -> int:
        return CHAIN_ID

    def head(self) -> int:
        return self._newest.number

    def block_again(self, number: int) -> Block:
        return self._newest

    def block(self, number: int) -> Block:
        return Block(number, "0x00", self._newest.time - 6 * (self._newest.number - number))

    def balance(self, address: bytes) -> int:
        return 10**20

    def call(self, *given: Any, **named: Any) -> bytes:
        return b"\xff" * 32 if len(given[1]) != 4 else bytes(12) + PROXY


def guarding(ask: Callable[[Node, Any, ChainlinkState, bytes, int], Verdict | None]) -> Work:
    """The report in a transaction, paid in LINK at the time of its observations."""
    raw, now = unhex(INPUTS["full_report"]), int(INPUTS["fields"]["observations_timestamp"])
    manager = FEES | {"address": hexed(b"\xf1" * 20)}
    record = report_state(V05).to_dict() | {"fee_manager": manager}
    where = {"chain_id": CHAIN_ID, "proxy": hexed(PROXY), "subscriber": hexed(KEEPER)}
    knows = ChainlinkState.from_dict(record | where)
    data = chainlink.encode_calldata(raw, pay=LINK)
    transaction = {"from": hexed(KEEPER), "to": hexed(PROXY), "data": data}
    node = Answering(now)

    def work(payload: bytes) -> tuple[bool, Verdict]:
        found = ask(node, transaction, knows, payload, now)
        assert found is not None
        return found.accepted, found

    def check(found: tuple[bool, Verdict]) -> Mapping[str, str]:
        return {"accepted": str(found[0]), "returned": hexed(found[1].returned or b"")}

    return work, raw, check


def judged(node: Node, call: Any, knows: ChainlinkState, raw: bytes, now: int) -> Verdict:
    return payloads.judge(call["data"], knows, sender=KEEPER, now=now)


def guarded(node: Node, call: Any, knows: ChainlinkState, raw: bytes, now: int) -> Verdict:
    return chain.refuse_transaction(node, call, knows)


def inspected(node: Node, call: Any, knows: ChainlinkState, raw: bytes, now: int) -> Verdict | None:
    found = chain.preflight(node, call, knows)
    return found.verdict if found.ok else None


# --- many -----------------------------------------------------------------------------------------

# `accepted`, and what the call returns.
Outcome = tuple[bool, Any]
Bulk = tuple[list[bytes], ChainlinkState]


def bulk_input() -> Bulk:
    network = InsecureTestNetwork("benchmark")
    # Each report by six others of the sixteen, so that all of them are looked up.
    payloads = [
        network.sign(report, by=[(first + 3 * step) % network.size for step in range(6)]).raw
        for first, report in enumerate(many_reports())
    ]
    knows = state(V05, False, hexed(network.config_digest), network.signers)
    return [bytes(raw) for raw in payloads], knows


def bulk(judge: Callable[[Bulk], list[Outcome]]) -> Work:
    def check(found: list[Outcome]) -> Mapping[str, str]:
        return {
            "accepted": str(sum(accepted for accepted, _ in found)),
            "returned": fingerprint_of(returned or b"" for _, returned in found),
        }

    return judge, bulk_input(), check


def outcomes(verdicts: Iterable[Verdict]) -> list[Outcome]:
    return [(verdict.accepted, verdict.returned) for verdict in verdicts]


def all_cores(given: Bulk) -> list[Outcome]:
    return outcomes(chainlink.judge_many(*given))


def one_thread(given: Bulk) -> list[Outcome]:
    return outcomes(chainlink.judge_many(*given, workers=1))


def one_by_one(given: Bulk) -> list[Outcome]:
    raws, knows = given
    judge = chainlink.judge
    return outcomes([judge(raw, knows) for raw in raws])


def in_processes() -> Callable[[Bulk], list[Outcome]]:
    """`one_by_one` in a process for each core, which stay: what the cores have to give just now."""
    workers = cores()
    pool = ProcessPoolExecutor(workers)

    def judge(given: Bulk) -> list[Outcome]:
        raws, knows = given
        size = -(-len(raws) // workers)
        parts = [(raws[at : at + size], knows) for at in range(0, len(raws), size)]
        return [found for part in pool.map(one_by_one, parts) for found in part]

    return judge


# By case: what does the work underneath, if not this library itself, and what makes the work.
CASES: dict[str, tuple[str, Callable[[], Work]]] = {
    "decode": ("", decode),
    "decode-any": ("", decode_any),
    "recover-one": ("recover", recover_one),
    "recover-six": ("recover", recover_six),
    "keccak": ("keccak256", keccak),
    "verdict-v03": ("recover", lambda: verdict(V03)),
    "verdict-v04": ("recover", lambda: verdict(V04)),
    "verdict-v05": ("recover", lambda: verdict(V05)),
    "verdict-v05-fees": ("recover", lambda: verdict(V05, fees=True)),
    "verdict-v05-hex": ("recover", lambda: verdict(V05, text=True)),
    "guard-judge": ("recover", lambda: guarding(judged)),
    "guard": ("recover", lambda: guarding(guarded)),
    "guard-preflight": ("recover", lambda: guarding(inspected)),
    "bulk-many": ("recover", lambda: bulk(all_cores)),
    "bulk-one-thread": ("recover", lambda: bulk(one_thread)),
    "bulk-processes": ("recover", lambda: bulk(in_processes())),
    "bulk-loop": ("recover", lambda: bulk(one_by_one)),
}

if __name__ == "__main__":
    backend, make = CASES[sys.argv[1]]
    over = f" over {BACKENDS[backend]}" if backend else ""
    serve_work(named("payloads") + over, make())
