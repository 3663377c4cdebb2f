"""Payloads, calls and states that are made up for fixtures/explanations.txt.

Each differs from the first of its kind in one respect, so that the text shows what that respect
changes. The keys are everybody's, so the text is the same each time it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any, TypeVar

import msgspec.structs

from payloads import State, chainlink, stork
from payloads.chainlink.calldata import VERIFY, VERIFY_BULK
from payloads.chainlink.payment import parameter
from payloads.chainlink.schemas import SCHEMAS
from payloads.chainlink.state import GENERATIONS
from payloads.crypto import CURVE_ORDER
from payloads.errors import PayloadError
from payloads.stork.update import Asset
from payloads.testing import InsecureTestNetwork, InsecureTestStorkSigner
from tests.test_limits import (
    LINK,
    NATIVE,
    NETWORK,
    NOW,
    SIGNER,
    chainlink_state,
    full_report,
    stork_state,
    update,
)

T = TypeVar("T")
CALLER, OTHER = "0x" + "bb" * 20, "0x" + "cc" * 20
FEED = chainlink.decode(full_report()).report_blob[:32]
ELSEWHERE = InsecureTestNetwork("elsewhere")
WORDS = (0, 1, 31, 32, 33, 2**32, 2**64 - 1, 2**64, 2**255, 2**256 - 32, 2**256 - 1)


def listed(make: Callable[[], Iterator[T]]) -> Callable[[], tuple[T, ...]]:
    """The same function, whose items are made once."""
    return cache(lambda: tuple(make()))


def error_lines(error: PayloadError) -> Iterator[str]:
    """Each fact that an error carries."""
    revert = None if error.revert_data is None else error.revert_data.hex()
    yield f"  {type(error).__name__}: {error.reason} | at {error.offset} in {error.field}"
    yield f"  expected {error.expected} | found {error.found} | revert {revert}"


# --- Chainlink: states ----------------------------------------------------------------------------


def _fees(**changes: Any) -> dict[str, Any]:
    record: dict[str, Any] = chainlink_state().to_dict()["fee_manager"]
    return record | changes


def _configs(generation: str, **changes: Any) -> list[dict[str, Any]]:
    (config,) = chainlink_state(generation).to_dict()["configs"]
    return [config | changes]


def _discount(token: str, percent: int, feed: str | None, **who: Any) -> dict[str, Any]:
    return {"feed_id": feed, "token": token, "discount": str(percent * 10**16), **who}


@listed
def chainlink_states() -> Iterator[tuple[str, Any]]:
    """The states of each generation."""
    for generation in GENERATIONS:
        for name, changes in _changes(generation):
            yield f"{generation} {name}", chainlink_state(generation, **changes)


def _changes(generation: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "with fees", {}
    yield "without fees", {"fee_manager": None}
    yield "of a contract", {"subscriber_is_contract": True, "fee_manager": None}
    for name, access in (
        ("for all", {"allowed": None}),
        ("for no one", {"allowed": [], "address": OTHER}),
        ("for one", {"allowed": [CALLER]}),
        ("for one and who signs", {"allowed": [OTHER], "admits_origins": True}),
    ):
        yield name, {"fee_manager": None, "access_controller": access}
    yield "for a contract", {
        "access_controller": {"allowed": [], "admits_origins": True},
        "subscriber_is_contract": True, "fee_manager": None,
    }  # fmt: skip
    if generation in ("v0.5.0", "v0.5.1"):
        yield "no-op", {"fee_manager": {"type": "NoOpFeeManager " + generation[1:]}}
    mine = "0x" + FEED.hex()
    discounts = [_discount("native", 10, mine), _discount("link", 100, mine),
                 _discount("native", 25, mine, subscriber=OTHER)]  # fmt: skip
    if generation != "v0.3.0":
        discounts += [_discount("native", 50, None, subscriber=OTHER), _discount("link", 7, None)]
    yield "discounts", {"fee_manager": _fees(discounts=discounts, address=OTHER)}
    named = [_discount("link", 20, mine, subscriber=CALLER)]
    yield "discounts by name", {"fee_manager": _fees(discounts=named)}
    both = [_discount("link", 30, mine), *named]
    yield "discounts of both kinds", {"fee_manager": _fees(discounts=both)}
    if generation != "v0.3.0":
        everywhere = [
            _discount("native", 33, None),
            _discount("native", 50, None, subscriber=OTHER),
        ]
        yield "global discounts", {"fee_manager": _fees(discounts=everywhere)}
    yield "surcharge", {"fee_manager": _fees(native_surcharge=str(7 * 10**15))}
    yield "old", {"now": None, "fetched_at": NOW - 86_401, "source": "a test", "block_number": 0,
                  "chain_id": 5, "network": "testnet", "world": "made", "proxy": LINK,
                  "fee_manager": None}  # fmt: skip
    yield "a day old", {"now": None, "fetched_at": NOW - 86_400, "fee_manager": None}
    yield "of no age", {"now": None, "fee_manager": None}
    yield "newer", {"fetched_at": NOW + 1, "fee_manager": None}
    yield "deactivated", {"fee_manager": None, "configs": _configs(generation, active=False)}
    yield "removed", {"fee_manager": None, "configs": _configs(generation, removed_at=NOW - 7)}
    past = {"set_at": NOW - 50, "switched": [{"at": NOW - 40, "active": False},
                                             {"at": NOW - 30, "active": True}]}  # fmt: skip
    yield "switched", {"fee_manager": None, "configs": _configs(generation, **past)}
    yield "of others", {"fee_manager": None, "configs": _others(generation)}
    yield "of two", {"fee_manager": None,
                     "configs": [*_configs(generation), *_others(generation)]}  # fmt: skip
    if generation == "v0.3.0":
        feeds = [mine, {"id": "0x" + "11" * 32, "at": NOW - 3}]
        yield "deactivated feed", {"fee_manager": None, "deactivated_feeds": feeds}
        elsewhere = {"feed_id": "0x0003" + "11" * 30}
        yield "another feed", {"fee_manager": None, "configs": _configs(generation, **elsewhere)}
    if generation != "v0.4.0":
        gone = [{"id": "0x" + NETWORK.config_digest.hex(), "at": NOW - 2}, "0x" + "22" * 32]
        yield "unset", {"fee_manager": None, "unset_digests": gone}
    if generation == "v0.4.0":
        later = {"activation_time": NOW + 1}
        yield "too late", {"fee_manager": None, "configs": _configs(generation, **later)}


def _others(generation: str) -> list[dict[str, Any]]:
    """A config of other signers, and with one of ours among them."""
    changes: dict[str, Any] = {"signers": [*ELSEWHERE.signers[1:], NETWORK.signers[3]]}
    if generation == "v0.4.0":
        changes["activation_time"] = 7
    else:
        changes["config_digest"] = "0x" + ELSEWHERE.config_digest.hex()
    return _configs(generation, **changes)


# --- Chainlink: payloads --------------------------------------------------------------------------


def _swapped(raw: bytes, at: int, new: bytes) -> bytes:
    return raw[:at] + new + raw[at + len(new) :]


def _resigned(blob: bytes, **how: Any) -> bytes:
    return NETWORK.sign(blob, **how).encode()


def _high(raw: bytes) -> bytes:
    """The same signatures, the first with a high s and the other recovery id."""
    payload = chainlink.decode_envelope(raw)
    s = (CURVE_ORDER - int.from_bytes(payload.ss[0], "big")).to_bytes(32, "big")
    vs = bytes([1 - payload.raw_vs[0]]) + payload.raw_vs[1:]
    return msgspec.structs.replace(payload, ss=(s, *payload.ss[1:]), raw_vs=vs, raw=b"").encode()


@listed
def chainlink_payloads() -> Iterator[tuple[str, bytes]]:
    """A good payload, and what may be wrong with it."""
    good = full_report()
    blob = chainlink.decode(good).report_blob
    yield "good", good
    yield "expired", full_report(expires=NOW - 1)
    yield "free", full_report(native=0, link=0)
    yield "too few", _resigned(blob, by=range(5))
    yield "too many", _resigned(blob, by=range(7))
    yield "none", _resigned(blob, by=())
    yield "twice", _resigned(blob, by=[0, 1, 2, 3, 4, 0])
    yield "32", _resigned(blob, by=[index % 16 for index in range(32)])
    yield "33", _resigned(blob, by=[index % 16 for index in range(33)])
    yield "by others", ELSEWHERE.sign(blob).encode()
    pretender = InsecureTestNetwork("elsewhere", config_digest=NETWORK.config_digest)
    yield "by others under the digest", pretender.sign(blob).encode()
    yield "epoch", _resigned(blob, epoch=7, round=3, context_padding=b"\1" * 27)
    yield "high s", _high(good)
    for v in (1, 2, 27, 28, 228, 229, 255):
        yield f"first v {v}", _swapped(good, 192, bytes([v]))
        yield f"last v {v}", _swapped(good, 197, bytes([v]))
    yield "spare v", _swapped(good, 198, b"\7")
    yield "bad r", _swapped(good, 224 + 32 + len(blob) + 32, bytes(32))
    yield "longer", _resigned(blob + b"\1" * 33)
    yield "short report", _resigned(blob[:95])
    yield "32 bytes of report", _resigned(blob[:32])
    yield "no report", _resigned(b"")
    yield "dirty word", _resigned(_swapped(blob, 32, b"\1"))
    yield "other feed", _resigned(_swapped(blob, 2, b"\x77"))
    yield "unknown schema", _resigned(b"\0\x7f" + blob[2:])
    yield "unknown schema, longer", _resigned(b"\0\x7f" + blob[2:] + b"\1" * 41)
    yield "version 1", _resigned(b"\0\1" + blob[2:])
    payload = chainlink.decode(good)
    fewer = msgspec.structs.replace(payload, ss=payload.ss[:-1], raw=b"")
    yield "an s less", fewer.encode()
    yield "cut", good[:-1]
    yield "half", good[: len(good) // 2]
    yield "trailing", good + b"\1" * 5
    yield "gap", _gap(good)
    yield "empty", b""
    yield "unpadded", _resigned(blob + b"\1")[:-31] if len(blob) % 32 else good[:-32]


def _gap(good: bytes) -> bytes:
    """A word that nothing reads before the report."""
    offsets = (int.from_bytes(good[at : at + 32], "big") + 32 for at in (96, 128, 160))
    head = good[:96] + b"".join(offset.to_bytes(32, "big") for offset in offsets)
    return head + good[192:224] + b"\5" * 32 + good[224:]


@listed
def of_each_schema() -> Iterator[tuple[str, bytes]]:
    """A report of each schema with small numbers, and with prices that a consumer must not take."""
    for schema in SCHEMAS.values():
        names = [row.name for row in schema.table.fields]
        for name, first in (("small", 3), ("large", 2**31 - 1), ("zero", 0)):
            values: dict[str, Any] = {}
            for number, row in enumerate(schema.table.fields):
                if row.type.kind == "bytes":
                    values[row.name] = schema.prefix.ljust(row.type.size, b"\7")
                else:
                    most = 2 ** (8 * row.type.size - row.type.signed) - 1
                    values[row.name] = min(most, first * (number + 1))
            if name == "small" and "ripcord" in names:
                values["ripcord"] = 1
            yield f"{schema.key} {name}", _resigned(schema.record(**values).encode())
            if name == "small":
                high = {key: 50 for key in names if key.startswith(("bid", "best_bid"))}
                months = {key: 12 for key in names if key == "contract_month"}
                changed = schema.record(**values | high | months)
                yield f"{schema.key} crossed", _resigned(changed.encode())


def damaged_words() -> Iterator[tuple[str, bytes]]:
    """A word of a payload that is an offset or a length, with each value that may matter."""
    good = _resigned(b"\0\3" + b"\5" * 38, by=[0, 1])
    lengths = [int.from_bytes(good[at : at + 32], "big") for at in (96, 128, 160)]
    for at in (96, 128, 160, *lengths):
        ends = range(len(good) - 33, len(good) + 2)
        for value in sorted({*WORDS, len(good) - 64, *ends[:2], *ends[-3:], len(good) - 32}):
            name = f"word {at} is {hex(value)}"
            yield name, _swapped(good, at, value.to_bytes(32, "big"))


def damaged_calls() -> Iterator[tuple[str, bytes]]:
    """The same of the calldata of `verify` and of `verifyBulk`."""
    raw = b"\1" * 40
    one = VERIFY.calldata(raw, parameter(LINK, None))
    many = VERIFY_BULK.calldata([raw, raw[:33], b""], parameter(LINK, None))
    for name, call in (("verify", one), ("verifyBulk", many)):
        size = len(call)
        for at in range(4, size - 31, 32):
            for value in sorted({*WORDS, size - 4, size - 36, size - 35, size - 68, size - 100}):
                yield (
                    f"{name} word {at} is {hex(value)}",
                    _swapped(call, at, value.to_bytes(32, "big")),
                )
        for cut in (3, 4, 35, 67, 68, 99, 100, size - 33, size - 32, size - 1):
            yield f"{name} cut at {cut}", call[:cut]


# --- Stork ----------------------------------------------------------------------------------------


@listed
def stork_states() -> Iterator[tuple[str, Any]]:
    """Both generations."""
    yield "stork", stork_state()
    yield "stork with a fee", stork_state(verification_fee="7", now=NOW)
    yield "stork with a large fee", stork_state(verification_fee=str(15 * 10**17), now=NOW)
    yield "stork uninitialised", stork_state(signer="0x" + "00" * 20, owner=OTHER)
    yield "stork of another", stork_state(signer=OTHER, deployed_as="a test", now=NOW - 5)
    for name, signers in (
        ("none", []),
        ("one", [SIGNER.address]),
        ("two", [OTHER, SIGNER.address]),
        ("others", [CALLER, OTHER]),
    ):
        record = {"contract": "stork-fast-1.0.0-multisigner", "signers": signers}
        yield f"stork of {name}", State.from_dict(record)
    past = {"initial_signers": [OTHER], "then": [["addSignerAddress", SIGNER.address],
                                                 ["removeSignerAddress", OTHER]]}  # fmt: skip
    yield (
        "stork of one with a past",
        State.from_dict(
            {
                "contract": "stork-fast-1.0.0-multisigner",
                "signers": [SIGNER.address],
                "history": past,
            }
        ),
    )


@listed
def stork_payloads() -> Iterator[tuple[str, bytes]]:
    """A good update, and what may be wrong with it."""
    good = update(2)
    yield "good", good
    yield "of no assets", update(0)
    yield "twice the same", _stork([7, 7])
    yield "many twice", _stork([index % 11 for index in range(24)])
    yield "ten twice", _stork([index % 10 for index in range(20)])
    yield "by another", InsecureTestStorkSigner("other").sign([], timestamp_ns=NOW * 10**9).encode()
    for v in (0, 1, 2, 27, 28, 228, 229, 255):
        yield f"v {v}", _swapped(good, 64, bytes([v]))
    s = (CURVE_ORDER - int.from_bytes(good[32:64], "big")).to_bytes(32, "big")
    yield "high s", good[:32] + s + bytes([1 - good[64]]) + good[65:]
    yield "high s, same v", good[:32] + s + good[64:]
    yield "r and s exchanged", good[32:64] + good[:32] + good[64:]
    yield "reversed", good[:32][::-1] + good[32:64][::-1] + good[64:]
    yield "no signature", bytes(65) + good[65:]
    for size in (0, 64, 65, 66, 67, 68, 69, 74, 75, 76, 92, 93, len(good) - 1):
        yield f"cut at {size}", good[:size]
    yield "a byte more", good + b"\1"
    future = SIGNER.sign([Asset(1, 5)], timestamp_ns=(NOW + 1) * 10**9)
    yield "from the future", future.encode()
    for mask in range(4):
        asset = Asset(3, 5 if mask & 1 else None, mask if mask & 2 else None)
        signed = SIGNER.sign([asset, asset], timestamp_ns=NOW * 10**9, mask=mask).encode()
        yield f"mask {mask}", signed
        yield f"mask {mask} and a byte", signed + b"\1"
        yield f"mask {mask} cut", signed[:-1]
    yield "no status", SIGNER.sign([Asset(3, 5, None)], timestamp_ns=NOW, mask=3).encode()
    for size in (66, 67, 68, 69, 78, 79):
        yield f"mask 3 cut at {size}", signed[:size]
    yield "old version", _swapped(signed, 66, b"\1")
    yield "mask 4", _swapped(signed, 68, b"\4")


def _stork(ids: list[int]) -> bytes:
    signed = SIGNER.sign([Asset(id_, index) for index, id_ in enumerate(ids)],
                         timestamp_ns=NOW * 10**9)  # fmt: skip
    return signed.encode()


# --- JSON -----------------------------------------------------------------------------------------

ODD: tuple[Any, ...] = (None, -1, 2**64, 1.5, "x", "0x1", "", [], [1], {}, True)


def json_objects() -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """The functions that read objects, and an object for each."""
    report = chainlink.decode(full_report())
    yield "full_report", chainlink.from_dict, chainlink.to_dict(report, signers=False)
    bare = chainlink.to_dict(chainlink.decode_report(report.report_blob))
    yield "report", chainlink.from_dict, bare
    unknown = chainlink.decode(_resigned(b"\0\x7f" + report.report_blob[2:] + b"\1"))
    yield "unknown", chainlink.from_dict, chainlink.to_dict(unknown, signers=False)
    for mask in (None, 3):
        signed = SIGNER.sign([Asset(3, 5, None if mask is None else 1)],
                             timestamp_ns=NOW, mask=mask)  # fmt: skip
        yield f"update {mask}", stork.from_dict, stork.to_dict(signed, signers=False)
    states = dict((*chainlink_states(), *stork_states()))
    for name in (
        "v0.3.0 deactivated feed", "v0.3.0 discounts", "v0.4.0 for one", "v0.4.0 switched",
        "v0.5.0 unset", "v0.5.0 old", "v0.5.1 no-op", "stork with a fee",
        "stork of one with a past",
    ):  # fmt: skip
        yield f"state {name}", State.from_dict, states[name].to_dict()


def changed(record: Any) -> Iterator[tuple[str, Any]]:
    """The object without each of its keys, with a key too many, and with odd values."""
    if isinstance(record, list):
        for index, item in enumerate(record[:2]):
            yield f"[{index}] twice", [*record, item]
            for name, other in changed(item):
                yield f"[{index}]{name}", [*record[:index], other, *record[index + 1 :]]
    elif isinstance(record, dict):
        yield " with odd", record | {"odd": 1}
        for key, value in record.items():
            yield f" without {key}", {name: each for name, each in record.items() if name != key}
            for name, other in changed(value):
                yield f".{key}{name}", record | {key: other}
    for odd in ODD:
        yield f" as {odd!r}", odd


# --- bytes around payloads ------------------------------------------------------------------------


def surroundings() -> Iterator[tuple[str, bytes]]:
    """Calldata of other contracts, with payloads in several places."""
    for name, raw in (("report", full_report()), ("update", update(3))):
        padded = raw + bytes(-len(raw) % 32)
        size = len(raw).to_bytes(32, "big")
        call = b"\xab\xcd\xef\1" + (32).to_bytes(32, "big")
        yield f"{name} as an argument", call + size + padded
        yield f"{name} twice", call + size + padded + size + padded
        yield f"{name} packed", b"\7" * 5 + raw + b"\7" * 5
        yield f"{name} at the start", raw
        yield f"{name} behind another", raw + raw
        for more in (-1, 1, 31, 32, len(padded) + 1):
            other = (len(raw) + more).to_bytes(32, "big")
            yield f"{name} with a length {more} more", call + other + padded
            yield f"{name} with a length {more} more, and bytes", call + other + padded + b"\7" * 64
        for at in (0, 96, 128, 160, 224, 65, 67, 73):
            for value in (b"\0" * 12, b"\1", b"\xff", b"\0\0\0"):
                bad = _swapped(padded, at, value)
                yield f"{name} with {value.hex()} at {at}", call + size + bad
                yield f"{name} with {value.hex()} at {at}, packed", b"\7" * 40 + bad


# --- calls ----------------------------------------------------------------------------------------


def calls() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Judgements to make, by name."""
    yield from _paid()
    yield from _of_payloads()
    yield from _faulty()
    yield from _views()
    for name, state in stork_states():
        for what, raw in stork_payloads():
            for call in ("verifySignedECDSAPayload", "verifyAndDeserializeSignedECDSAPayload"):
                for value in (0, 7, 8) if what == "good" else (0,):
                    how: dict[str, Any] = {"call": call, "value": value, "now": NOW}
                    yield f"{name}, {what}, {how}", partial(stork.judge, raw, state, **how)


def _paid() -> Iterator[tuple[str, Callable[[], Any]]]:
    """A good payload in every state, by each sender, paid in each way."""
    for name, state in chainlink_states():
        for how in (
            *({"pay": pay} for pay in (None, "link", "native", "wrapped", NATIVE, OTHER)),
            {"sender": OTHER, "pay": "native"},
            {"sender": OTHER, "origin": CALLER, "pay": "link"},
            {"value": 5, "pay": "native", "now": NOW + 61},
            {"value": 2000, "pay": "native", "now": NOW - 2},
        ):
            given: dict[str, Any] = {"now": NOW} | how
            yield f"{name}, {how}", partial(chainlink.judge, full_report(), state, **given)


def _of_payloads() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Every payload alone and between others."""
    good = full_report()
    how: dict[str, Any] = {"pay": "link", "now": NOW}
    for name, state in chainlink_states():
        if name.endswith(("with fees", "without fees", "of two")):
            for what, raw in chainlink_payloads():
                yield f"{name}, {what}", partial(chainlink.judge, raw, state, **how)
        if name.endswith("with fees"):
            for what, raw in chainlink_payloads():
                several = [good, raw, raw, good]
                bulk = partial(chainlink.judge_bulk, several, state, **how)
                yield f"{name}, {what} in bulk", bulk
        if name in ("v0.4.0 without fees", "v0.5.0 with fees"):
            for what, raw in of_each_schema():
                yield f"{name}, {what}", partial(chainlink.judge, raw, state, **how)


def _faulty() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Bulk calls of which an element cannot be read, and calls that end early."""
    good = full_report()
    call = VERIFY_BULK.calldata([good, good[:300], good], parameter(LINK, None))
    starts = 4 + 64 + 32
    calls = [("all there", call)]
    for index in (0, 2):
        for offset in (len(call) - starts - 32, len(call) - starts - 31, 2**255, 2**256 - 32):
            word = offset.to_bytes(32, "big")
            calls.append(
                (f"element {index} at {hex(offset)}", _swapped(call, starts + 32 * index, word))
            )
    one = VERIFY.calldata(good, b"")
    calls += [(f"verify cut at {size}", one[:size]) for size in (3, 4, 36, 37, 67, 68, 99, 100)]
    for name, state in chainlink_states():
        if name.endswith(("with fees", "without fees", "no-op", "for no one", "for all")):
            for what, raw in calls:
                how: dict[str, Any] = {"now": NOW, "value": 5}
                yield f"{name}, {what}", partial(chainlink.judge_calldata, raw, state, **how)


def _views() -> Iterator[tuple[str, Callable[[], Any]]]:
    states = dict(chainlink_states())
    for name in ("v0.5.1 with fees", "v0.5.1 for no one", "v0.5.1 no-op", "v0.5.0 with fees"):
        for what, raw in chainlink_payloads()[:8]:
            yield f"{name}, {what}, a view", partial(chainlink.judge, raw, states[name], view=True)
