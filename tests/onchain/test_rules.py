"""`rules.py` (what the library is modelled on) against the real decoder and the real contracts."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from random import Random

import pytest
from eth_abi.abi import encode

from payloads.testing.onchain.encoding import selector
from payloads.testing.onchain.evm import Outcome
from tests.onchain import recorded, rules
from tests.onchain.mutate import calldata_mutations, mutate, mutate_calldata, mutations
from tests.onchain.oracle import (
    FORWARD_BULK,
    STORK_DESERIALIZE,
    STORK_VERIFY,
    VERIFY,
    VERIFY_BULK,
    DecoderOracle,
)
from tests.onchain.worlds import RealChainlink, World

pytestmark = pytest.mark.onchain

FULL = ["bytes32[3]", "bytes", "bytes32[]", "bytes32[]", "bytes32"]
RANDOM_CASES = 5_000

_HEAD = ("bytes32", "uint32", "uint32", "uint192", "uint192", "uint32")
_I = "int192"
STATIC: dict[str, tuple[str, ...]] = {
    "quote": ("address",),
    "head": _HEAD,
    "times": ("bytes32", "uint32", "uint32"),
    "schema1": (*("bytes32", "uint32", _I, _I, _I, "uint64", "bytes32", "uint64", "uint64"),),
    "schema2": (*_HEAD, _I),
    "schema3": (*_HEAD, _I, _I, _I),
    "schema4": (*_HEAD, _I, "uint32"),
    "schema5": (*_HEAD, _I, "uint32", "uint32"),
    "schema6": (*_HEAD, _I, _I, _I, _I, _I),
    "schema7": (*_HEAD, _I),
    "schema8": (*_HEAD, "uint64", _I, "uint32"),
    "schema9": (*_HEAD, _I, "uint64", _I, "uint32"),
    "schema10": (*_HEAD, "uint64", _I, "uint32", _I, _I, "uint32", _I),
    "schema11": (*_HEAD, _I, "uint64", _I, _I, _I, _I, _I, "uint32"),
    "schema12": (*_HEAD, _I, _I, "uint64", "uint32"),
    "schema13": (*_HEAD, _I, _I, "uint64", "uint64", _I),
    "schemaHighFrequency": (
        *("bytes32", "uint64", "uint64", "uint192", "uint192", "uint64", _I, _I, _I),
    ),
}


@cache
def _oracle() -> DecoderOracle:
    return DecoderOracle()


def _predict(rule: Callable[..., bytes], *args: object) -> Outcome:
    try:
        return Outcome(True, rule(*args))
    except rules.Refused as refused:
        return Outcome(False, refused.data)


def _payload(signatures: int, report: bytes, digest: bytes = b"\x11" * 32) -> bytes:
    rs, ss = [b"r" * 32] * signatures, [b"s" * 32] * signatures
    return encode(FULL, [[digest, b"\x22" * 32, b"\x33" * 32], report, rs, ss, b"v" * 32])


def _full(blob: bytes) -> bytes:
    context, report, rs, ss, vs = rules.full(blob)
    return encode(FULL, [_words(context), report, _words(rs), _words(ss), vs])


def _pair(blob: bytes) -> bytes:
    context, report = rules.pair(blob)
    return encode(FULL[:2], [_words(context), report])


def _words(blob: bytes) -> list[bytes]:
    return [blob[at : at + 32] for at in range(0, len(blob), 32)]


@pytest.mark.parametrize(
    ("signatures", "size"), [(6, 288), (1, 0), (2, 33), (0, 0), (0, 31), (31, 448)]
)
def test_memory_decoding(signatures: int, size: int) -> None:
    rng = Random(signatures * 1000 + size)
    base = _payload(signatures, rng.randbytes(size))
    blobs = [*mutations(base, rng), *(mutate(base, rng) for _ in range(RANDOM_CASES))]
    for blob in blobs:
        assert _oracle().decode("full", blob) == _predict(_full, blob), blob.hex()
        assert _oracle().decode("pair", blob) == _predict(_pair, blob), blob.hex()


@pytest.mark.parametrize("function", STATIC)
def test_static_decoding(function: str) -> None:
    rng, types = Random(function), STATIC[function]
    for _ in range(3):
        base = b"".join(_random_word(name, rng) for name in types)
        assert _oracle().decode(function, base) == Outcome(True, base)
        for blob in mutations(base, rng):
            expected = _predict(rules.static, blob, types)
            assert _oracle().decode(function, blob) == expected, blob.hex()


def _random_word(name: str, rng: Random) -> bytes:
    bits = int(name.removeprefix("u").removeprefix("int")) if "int" in name else 160
    if name == "bytes32":
        return rng.randbytes(32)
    value = rng.getrandbits(bits)
    if name.startswith("int"):
        value -= 2 ** (bits - 1)
    return (value % 2**256).to_bytes(32, "big")


def _verify(calldata: bytes) -> bytes:
    return encode(["bytes", "bytes"], rules.verify_args(calldata))


def _bulk(calldata: bytes) -> bytes:
    base, count, parameter = rules.bulk_args(calldata)
    payloads = [rules.element(calldata, base, index) for index in range(count)]
    return encode(["bytes[]", "bytes"], [payloads, parameter])


def _stork(calldata: bytes) -> bytes:
    return encode(["bytes"], [rules.stork_args(calldata)])


_THREE = [b"abc", b"", b"x" * 70]


@pytest.mark.parametrize(
    ("signature", "rule", "args"),
    [
        (VERIFY, _verify, [_payload(1, b"x" * 33), b"q" * 32]),
        (VERIFY, _verify, [b"", b""]),
        (VERIFY_BULK, _bulk, [_THREE, b"q" * 32]),
        (VERIFY_BULK, _bulk, [[], b"q"]),
        (VERIFY_BULK, _bulk, [[b"a"], b""]),
        (FORWARD_BULK, _bulk, [_THREE, b"q" * 32]),
        (FORWARD_BULK, _bulk, [[b"1", b"2"], b""]),
        (STORK_VERIFY, _stork, [b"z" * 93]),
        (STORK_DESERIALIZE, _stork, [b"z" * 75]),
    ],
)
def test_calldata_decoding(
    signature: str, rule: Callable[[bytes], bytes], args: list[object]
) -> None:
    rng = Random(signature)
    types = signature[signature.index("(") + 1 : -1].split(",")
    base = selector(signature) + encode(types, args)
    calls = [*calldata_mutations(base, rng)]
    calls += [mutate_calldata(base, rng) for _ in range(RANDOM_CASES)]
    for calldata in calls:
        outcome = _oracle().raw(calldata)
        if calldata[:4] == base[:4]:
            assert outcome == _predict(rule, calldata), calldata.hex()
        else:
            # No such function, or no selector at all: there is no fallback.
            assert outcome == Outcome(False, b"")


# From here on: the published contracts.


def _world(generation: str, fee: bool) -> World:
    name = f"{generation}-{'fee' if fee else 'nofee'}-0"
    for world, _ in recorded.cases():
        if world["world"] == name:
            return world  # as read from JSON
    raise LookupError(name)


def _digest(world: World) -> bytes:
    # v0.4.0 never reads it.
    return bytes.fromhex(world["configs"][0].get("config_digest", "0x" + "11" * 32)[2:])


needs_worlds = pytest.mark.skipif(recorded.find() is None, reason=f"no {recorded.NAME} found")


def _limit(call: Callable[[int], Outcome], unit: int) -> int:
    """The least length (in units) that is a Panic, all below it being plain reverts."""
    low, high = (2**64 - 2**17) // unit, 2**64 // unit
    assert call(low) == Outcome(False, b"")
    while high - low > 1:
        middle = (low + high) // 2
        outcome = call(middle)
        assert outcome.data in (b"", rules.PANIC_MEMORY)
        low, high = (low, middle) if outcome.data else (middle, high)
    return high


def _predicted_limit(blob: Callable[[int], bytes], free: int, unit: int) -> int:
    return _limit(lambda length: _predict(_full_from, blob(length), free), unit)


def _full_from(blob: bytes, free: int) -> bytes:
    return b"".join(rules.full(blob, free))


def _long_report(digest: bytes) -> Callable[[int], bytes]:
    def blob(length: int) -> bytes:
        return _rewritten(_payload(0, b"", digest), 224, length)

    return blob


def _long_rs(digest: bytes, report: int) -> Callable[[int], bytes]:
    base = _payload(0, bytes(report), digest)
    at = int.from_bytes(base[128:160], "big")
    return lambda length: _rewritten(base, at, length)


def _long_ss(digest: bytes, report: int, signatures: int) -> Callable[[int], bytes]:
    base = _payload(signatures, bytes(report), digest)
    at = int.from_bytes(base[160:192], "big")
    return lambda length: _rewritten(base, at, length)


def _rewritten(blob: bytes, at: int, value: int) -> bytes:
    return blob[:at] + value.to_bytes(32, "big") + blob[at + 32 :]


@needs_worlds
@pytest.mark.parametrize("allowed", [None, True])
@pytest.mark.parametrize("bulk", [0, 1, 3])
@pytest.mark.parametrize("generation", ["v0.3.0", "v0.4.0", "v0.5.0"])
def test_memory_limit_of_verifiers(generation: str, bulk: int, allowed: bool | None) -> None:
    """For the first payload of a call."""
    world = _world(generation, fee=False)
    built, digest = RealChainlink(world, allowed=allowed), _digest(world)
    free = rules.free_in_verifier(generation, access_controller=bool(allowed), bulk=bulk)

    def ask(payload: bytes) -> Outcome:
        return built.verify_bulk([payload] * bulk) if bulk else built.verify(payload)

    for blob, unit in (
        (_long_report(digest), 1),
        (_long_rs(digest, 0), 32),
        (_long_rs(digest, 33), 32),
        (_long_ss(digest, 0, 0), 32),
        (_long_ss(digest, 288, 6), 32),
    ):
        limit = _limit(lambda length: ask(blob(length)), unit)  # noqa: B023
        assert limit == _predicted_limit(blob, free, unit)


@needs_worlds
def test_memory_limit_in_bulk_v4() -> None:
    """For a payload that comes after others, which have been verified by then."""
    checked, rng = 0, Random(4)
    for world, cases in recorded.cases():
        if world["contract"] != "v0.4.0" or world["fee_manager"]:
            continue
        good = [_hex(case["payload"]) for case in cases if case["outcome"]["status"] == "return"]
        if not good:
            continue
        built = RealChainlink(world)
        before = [rng.choice(good) for _ in range(rng.randrange(1, 5))]
        used = tuple(rules.used_by_v4(*_sizes(payload)) for payload in before)
        free = rules.free_in_verifier(
            "v0.4.0", access_controller=False, bulk=len(before) + 1, earlier=used
        )
        for blob, unit in ((_long_report(bytes(32)), 1), (_long_rs(bytes(32), 7), 32)):
            limit = _limit(lambda length: built.verify_bulk([*before, blob(length)]), unit)  # noqa: B023
            assert limit == _predicted_limit(blob, free, unit)
            checked += 1
    assert checked > 10


def _sizes(payload: bytes) -> tuple[int, int]:
    _, report, rs, _, _ = rules.full(payload)
    return len(report), len(rs) // 32


def _hex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def _report(version: int, size: int, native_fee: int, link_fee: int) -> bytes:
    head = encode(
        _HEAD, [version.to_bytes(2, "big") + bytes(30), 1, 1, native_fee, link_fee, 2**32 - 1]
    )
    return head.ljust(size, b"\0") if version != 1 else head[:2].ljust(size, b"\0")


@needs_worlds
@pytest.mark.parametrize("quote", ["link", "native"])
@pytest.mark.parametrize("generation", ["v0.3.0", "v0.5.0"])
def test_memory_limit_of_fee_managers(generation: str, quote: str) -> None:
    world = _world(generation, fee=True)
    built, blob = RealChainlink(world), _long_report(_digest(world))
    assert world["fee_manager"]
    parameter = _hex(world["fee_manager"][quote]).rjust(32, b"\0")
    limit = _limit(lambda length: built.verify(blob(length), parameter), 1)
    assert limit == _predicted_limit(blob, rules.free_in_fee_manager(), 1)
    for reports in (
        [],
        [(1, 2, 0, 0)],
        [(3, 288, 0, 0), (1, 288, 0, 0)],
        [(3, 288, 100, 0), (3, 193, 0, 100), (3, 192, 100, 100)],
    ):
        before = [_payload(0, _report(*report)) for report in reports]
        used = tuple(
            rules.used_by_fee(size, native if quote == "native" else link)
            for _, size, native, link in reports
        )
        free = rules.free_in_fee_manager(bulk=len(before) + 1, earlier=used)
        limit = _limit(lambda length: built.verify_bulk([*before, blob(length)], parameter), 1)  # noqa: B023
        assert limit == _predicted_limit(blob, free, 1)


@needs_worlds
@pytest.mark.parametrize("fee", [False, True])
@pytest.mark.parametrize("generation", ["v0.3.0", "v0.4.0", "v0.5.0"])
def test_calldata_of_proxies(generation: str, fee: bool) -> None:
    """A bent call of a real proxy gives what the honest call with the same arguments gives."""
    world, cases = _accepting_world(generation, fee)
    built, rng = RealChainlink(world), Random(generation)
    payloads = [_hex(case["payload"]) for case in cases]
    parameter = _hex(cases[0]["parameter_payload"])
    one = selector(VERIFY) + encode(["bytes", "bytes"], [payloads[0], parameter])
    many = selector(VERIFY_BULK) + encode(["bytes[]", "bytes"], [payloads[:3], parameter])
    value = 10**18 if fee else 0
    for base, honest in ((one, _honest_verify), (many, _honest_bulk)):
        for _ in range(RANDOM_CASES // 5):
            calldata = _bend_head(base, rng)
            if calldata[:4] == base[:4]:
                assert built.raw(calldata, value) == honest(built, calldata, fee, value), (
                    calldata.hex()
                )


def _accepting_world(generation: str, fee: bool) -> tuple[World, list[dict[str, str]]]:
    for world, cases in recorded.cases():
        if world["contract"] != generation or bool(world["fee_manager"]) != fee:
            continue
        good = [case for case in cases if case["outcome"]["status"] == "return"]
        if len(good) >= 3:
            return world, good
    raise LookupError(generation)


def _bend_head(base: bytes, rng: Random) -> bytes:
    """Mutate the first words, where the arguments' offsets are, more often than the payloads."""
    if rng.random() < 0.3:
        return mutate_calldata(base, rng)
    head = 4 + 32 * rng.randrange(1, 8)
    bent = mutate(base[4:head], rng)
    return base[:4] + (bent + base[head:] if rng.random() < 0.5 else bent + base[4 + len(bent) :])


def _honest_verify(built: RealChainlink, calldata: bytes, fee: bool, value: int) -> Outcome:
    try:
        payload, parameter = rules.verify_args(calldata)
    except rules.Refused as refused:
        return Outcome(False, refused.data)
    args = encode(["bytes", "bytes"], [payload, parameter])
    return built.raw(selector(VERIFY) + args, value)


def _honest_bulk(built: RealChainlink, calldata: bytes, fee: bool, value: int) -> Outcome:
    """Passed on whole (v0.4.0, or to a fee manager), a bad element fails the call at once; else
    only when its turn comes, so that an earlier element's own failure is what one sees."""
    payloads: list[bytes] = []
    failed: Outcome | None = None
    try:
        base, count, parameter = rules.bulk_args(calldata)
    except rules.Refused as refused:
        return Outcome(False, refused.data)
    try:
        for index in range(count):
            payloads.append(rules.element(calldata, base, index))
    except rules.Refused as refused:
        failed = Outcome(False, refused.data)
    passed_on = fee or built.generation == "v0.4.0"
    if failed and passed_on:
        return failed
    outcome = built.verify_bulk(payloads, parameter, value)
    return failed if failed and outcome.ok else outcome


@needs_worlds
@pytest.mark.parametrize("fee", [False, True])
@pytest.mark.parametrize("generation", ["v0.3.0", "v0.4.0", "v0.5.0"])
def test_what_comes_before_the_access_controller(generation: str, fee: bool) -> None:
    built = RealChainlink(_world(generation, fee), allowed=False)
    forbidden = Outcome(False, selector("AccessForbidden()"))
    empty = Outcome(False, b"")
    many = selector(VERIFY_BULK) + encode(["bytes[]", "bytes"], [[b"a", b"b"], b""])
    assert built.raw(many) == forbidden
    # The arguments do; the elements only where v0.4.0's proxy passes them on.
    assert built.raw(_rewritten(many, 4, len(many))) == empty
    bad_element = _rewritten(many, 4 + 4 * 32, len(many))
    assert built.raw(bad_element) == (empty if generation == "v0.4.0" else forbidden)
