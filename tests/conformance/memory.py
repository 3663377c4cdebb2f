"""Cases of the limits of memory: from which length on a contract panics instead of reverting.

A length is allocated before the end is looked at, so the free memory pointer decides. Where it
stands is written in `tests/onchain/README.md`, and executable in `tests.onchain.rules`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.conformance.building import (
    EMPTY,
    PANIC_MEMORY,
    V03,
    V04,
    V05,
    V051,
    File,
    Outcome,
    call,
    everywhere,
    hexed,
    report,
    several,
    signed,
    with_word,
    word_at,
)
from tests.onchain import rules

VERIFY_BULK = "verifyBulk(bytes[],bytes)"
OLD = (V03, V05, V051)
# Where the offset of each tail stands in a payload.
TAILS = {"report": 96, "rs": 128, "ss": 160}
SIGNATURES = 2


def _limit(tail: str, free: int) -> int:
    """The longest length whose allocation goes well, where decoding begins at `free`."""
    free += rules.CONTEXT
    if tail != "report":
        free += 32 + rules.up(len(report()))
    if tail == "ss":
        free += 32 + 32 * SIGNATURES
    # 32 + up(length), or 32 + 32 * length, of which nothing may pass 2^64 - 1.
    room = rules.U64 - free - 32
    return room // 32 * 32 if tail == "report" else room // 32


def _lengths(tail: str, *frees: int) -> Iterator[tuple[int, str]]:
    """The lengths on both sides of each limit."""
    for limit in sorted({_limit(tail, free) for free in frees}):
        yield (
            limit,
            f"the length of {tail} is 2^{64 if tail == 'report' else 59} - "
            + str(2 ** (64 if tail == "report" else 59) - limit),
        )
        yield limit + 1, f"the length of {tail} is one more"


def _with_length(tail: str, length: int, raw: bytes) -> bytes:
    return with_word(raw, word_at(raw, TAILS[tail]), length)


def _answer(tail: str, length: int, free: int) -> Outcome:
    """What the decoder reverts with: an allocation that fails, or a length past the end."""
    return PANIC_MEMORY if length > _limit(tail, free) else EMPTY


def _verify(file: File, token: bytes) -> None:
    """`verify` under an access controller, and under a fee manager."""
    raw, plain = signed().raw, rules.FIRST_FREE
    access = rules.free_in_verifier(V04, access_controller=True)
    billing = rules.free_in_fee_manager()
    for tail in TAILS:
        for length, words in _lengths(tail, plain, access):
            v4: dict[str, Any] = {"v4": _answer(tail, length, access)}
            file.payload(
                "MemoryAccess",
                f"verify, access controller: {words}",
                _with_length(tail, length, raw),
                several(
                    everywhere(_answer(tail, length, plain)),
                    everywhere(_answer(tail, length, plain), state="access", **v4),
                ),
            )
        # The fee manager reads the report, and the verifier reads it again with the rest.
        for length, words in _lengths(tail, plain, billing):
            first = billing if tail == "report" else plain
            v4 = {"v4": _answer(tail, length, plain)}
            file.payload("MemoryFees", f"verify, fee manager: {words}",
                         _with_length(tail, length, raw),
                         several(everywhere(_answer(tail, length, plain)),
                                 everywhere(_answer(tail, length, first), state="fees",
                                            parameter=token, **v4)))  # fmt: skip


def _bulk(file: File, flags: str, comment: str, raws: list[bytes], calls: list[Any]) -> None:
    file.add(flags, comment, form="bulk", input=tuple(map(hexed, raws)), result="valid",
             calls=tuple(calls))  # fmt: skip


def _bulk_of_v4(file: File) -> None:
    """v0.4.0 verifies all payloads in one call, and its memory grows from one to the next."""
    raw = signed().raw
    used = rules.used_by_v4(len(report()), SIGNATURES)
    for place in (0, 1):
        free = {
            has: rules.free_in_verifier(V04, access_controller=has, bulk=2, earlier=(used,) * place)
            for has in (False, True)
        }
        for tail in TAILS:
            for length, words in _lengths(tail, *free.values()):
                raws = [raw, raw]
                raws[place] = _with_length(tail, length, raw)
                terms: dict[str, Any] = {"function": VERIFY_BULK}
                calls = [
                    call(V04, _answer(tail, length, free[False]), **terms),
                    call(V04, _answer(tail, length, free[True]), state="access", **terms),
                    # A call of the verifier for each payload: the limit is that of `verify`.
                    *(call(old, _answer(tail, length, rules.FIRST_FREE), **terms) for old in OLD),
                ]
                _bulk(file, "MemoryBulk", f"payload {place + 1} of 2: {words}", raws, calls)


def _bulk_of_fees(file: File, token: bytes) -> None:
    """The fee manager bills all payloads in one call, and its memory grows likewise."""
    for fee in (0, 1_000):
        raw = signed(report(link_fee=fee)).raw
        used = rules.used_by_fee(len(report()), fee)
        for place in (0, 1):
            free = rules.free_in_fee_manager(bulk=2, earlier=(used,) * place)
            for length, words in _lengths("report", free):
                raws = [raw, raw]
                raws[place] = _with_length("report", length, raw)
                calls = [
                    call(old, _answer("report", length, free), state="fees", parameter=token,
                         function=VERIFY_BULK)
                    for old in OLD
                ]  # fmt: skip
                _bulk(
                    file,
                    "MemoryFees Bulk",
                    f"payload {place + 1} of 2, each of a fee of {fee}: {words}",
                    raws,
                    calls,
                )


def add_memory(file: File, token: bytes) -> None:
    """All limits. `token` is the parameter that names the token to pay in."""
    _verify(file, token)
    _bulk_of_v4(file)
    _bulk_of_fees(file, token)
