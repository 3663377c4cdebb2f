"""This library: `python -m benchmarks.runners.ours CASE`. The one file here that knows its API.

"Every field" is taken at its word: the clock runs until each field has been read off the object,
since a decoder that put the work off would otherwise look fast.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import payloads
from benchmarks.runners.loop import (
    INPUTS,
    Work,
    hexed,
    named,
    serve_work,
    signatures,
    unhex,
    words,
)
from payloads import chainlink
from payloads.crypto import BACKENDS, keccak256, recover

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


# By case: what does the work underneath, if not this library itself, and what makes the work.
CASES: dict[str, tuple[str, Callable[[], Work]]] = {
    "decode": ("", decode),
    "decode-any": ("", decode_any),
    "recover-one": ("recover", recover_one),
    "recover-six": ("recover", recover_six),
    "keccak": ("keccak256", keccak),
}

if __name__ == "__main__":
    backend, make = CASES[sys.argv[1]]
    over = f" over {BACKENDS[backend]}" if backend else ""
    serve_work(named("payloads") + over, make())
