"""Hypothesis-made worlds and calls for the differential lane: states, keys, damage at every level.

`chainlink(generation)` draws a world, who is admitted to it, and calls of it; `stork()` the same
for Stork. A call starts honest and is then damaged: in its signatures, context, report, encoding,
quote, value, clock and, for calldata, around it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from eth_abi.abi import encode
from hypothesis import strategies as st

from payloads.crypto import CURVE_ORDER, address_of, sign
from payloads.errors import elide
from payloads.testing.onchain.encoding import keccak256, selector
from tests.onchain.mutate import mutate, mutate_calldata
from tests.onchain.oracle import (
    STORK_DESERIALIZE,
    STORK_VERIFY,
    VERIFY,
    VERIFY_BULK,
    VERIFY_BULK_VIEW,
    VERIFY_VIEW,
)

NOW: Final = 1_700_000_000
SCALE: Final = 10**18
KEYS: Final = [(index + 1).to_bytes(32, "big") for index in range(40)]
SIGNERS: Final = [address_of(key) for key in KEYS]
SUBSCRIBER: Final = "0x" + "bb" * 20
LINK, NATIVE = "0x" + "1c" * 20, "0x" + "2d" * 20
DIGESTS: Final = [b"\0" + bytes([6 + 3 * (index % 2)]) + bytes([index]) * 30 for index in range(4)]
FEEDS: Final = [
    bytes([0, version]) + bytes([index]) * 30 for index, version in enumerate((1, 2, 3, 8, 11))
]
FULL: Final = ["bytes32[3]", "bytes", "bytes32[]", "bytes32[]", "bytes32"]


class World(dict[str, Any]):
    """A world in few words: Hypothesis prints the strategies it draws from, and their arguments."""

    def __repr__(self) -> str:
        fees = "with" if self.get("fee_manager") else "without"
        return f"{self['contract']}, {len(self.get('configs', ()))} configs, {fees} fees"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))


@dataclass(frozen=True)
class Case:
    """One call: its calldata, what it was made of, and when it is made."""

    calldata: bytes
    value: int
    now: int
    # What was encoded, where the calldata is an honest caller's.
    payloads: list[bytes] | None
    parameter: bytes = b""
    bulk: bool = False
    view: bool = False
    said: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        # Hypothesis prints what fails, and its seed makes it again: no need for all the bytes.
        calldata = elide(_hex(self.calldata), 60)
        return f"Case({calldata}, value={self.value}, now={self.now}, {self.said})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))


@dataclass(frozen=True)
class Example:
    """A world, whether its access controller (None: there is none) admits us, and calls of it."""

    world: World
    allowed: bool | None
    cases: list[Case]


def word(value: int) -> bytes:
    return (value % 2**256).to_bytes(32, "big")


def _hex(raw: bytes) -> str:
    return "0x" + raw.hex()


# --- worlds ---------------------------------------------------------------------------------------


@st.composite
def _config(draw: st.DrawFn, generation: str, index: int) -> dict[str, Any]:
    f = draw(st.integers(1, 10) if draw(st.integers(0, 3)) == 0 else st.integers(1, 3))
    count = draw(st.sampled_from(sorted({3 * f + 1, min(31, 3 * f + 3), 31})))
    start = draw(st.integers(0, 6))
    signers = [_hex(SIGNERS[(start + at) % len(SIGNERS)]) for at in range(count)]
    # Two configs in a row may not be the same set: the order of setting tells them apart here.
    signers[-1] = _hex(SIGNERS[(start + count + index) % len(SIGNERS)])
    made = {"signers": signers, "f": f, "active": draw(st.integers(0, 5)) != 0}
    if generation == "v0.4.0":
        return made | {"activation_time": NOW - 1000 + 400 * index}
    made["config_digest"] = _hex(DIGESTS[index])
    if generation == "v0.3.0":
        made["feed_id"] = _hex(draw(st.sampled_from(FEEDS)))
    return made


_SHARES = st.sampled_from((0, 1, 10**17, 3 * 10**17 + 7, SCALE - 1, SCALE))


@st.composite
def _fees(draw: st.DrawFn, generation: str) -> dict[str, Any]:
    feeds = st.sampled_from([_hex(feed) for feed in FEEDS])
    if generation != "v0.3.0":
        feeds = st.one_of(st.none(), feeds)
    discount = st.fixed_dictionaries(
        {
            "feed_id": feeds,
            "token": st.sampled_from(("link", "native")),
            "discount": _SHARES.map(str),
        }
    )
    return {
        "link": LINK,
        "native": NATIVE,
        "native_surcharge": str(draw(_SHARES)),
        "discounts": draw(st.lists(discount, max_size=5)),
    }


NO_OP: Final = ("NoOpFeeManager 0.5.0", "NoOpFeeManager 0.5.1")


@st.composite
def _fee_manager(draw: st.DrawFn, generation: str) -> dict[str, Any] | None:
    kinds = ("none", "charging")
    kind = draw(st.sampled_from((*kinds, *NO_OP) if generation in WITH_NO_OP else kinds))
    if kind in NO_OP:
        return {"type": kind, "link": LINK, "native": NATIVE}
    return draw(_fees(generation)) if kind == "charging" else None


# The generations whose proxies the no-op fee managers serve, and those with views.
WITH_NO_OP: Final = ("v0.5.0", "v0.5.1")
WITH_VIEWS: Final = ("v0.5.1",)


@st.composite
def world(draw: st.DrawFn, generation: str) -> World:
    count = draw(st.integers(0, 9))
    configs = [draw(_config(generation, index)) for index in range(min(3, 1 + count // 3))]
    configs = [] if count == 9 else configs
    made = World(
        contract=generation,
        now=NOW,
        subscriber=SUBSCRIBER,
        configs=configs,
        fee_manager=draw(_fee_manager(generation)),
    )
    if generation != "v0.4.0" and configs and draw(st.integers(0, 7)) == 0:
        made["unset_digests"] = [configs[0]["config_digest"]]
    if generation == "v0.3.0" and draw(st.integers(0, 7)) == 0:
        made["deactivated_feeds"] = [_hex(draw(st.sampled_from(FEEDS)))]
    return made


# --- payloads -------------------------------------------------------------------------------------

AMOUNTS: Final = (0, 1, 7, 10**17, 10**18 + 1, 2**192 - 1)
EXPIRIES: Final = (NOW, NOW + 1, NOW + 86400, NOW + 86401, 2**32 - 1)
TIMES: Final = (NOW - 2000, NOW - 1001, NOW - 1000, NOW - 601, NOW - 600, NOW - 200, NOW)


def _report(rng: Random, config: dict[str, Any] | None) -> bytes:
    feed = rng.choice(FEEDS)
    if config and "feed_id" in config and rng.random() < 0.9:
        feed = bytes.fromhex(config["feed_id"][2:])
    head = [*rng.choices(TIMES, k=2), *rng.choices(AMOUNTS, k=2), rng.choice(EXPIRIES)]
    return feed + b"".join(map(word, head)) + word(rng.randrange(4))


def _damage_report(report: bytes, rng: Random) -> bytes:
    damage = rng.choice(("cut", "dirty", "random", "empty", "long", "feed", "expired"))
    if damage == "cut":
        cuts = (0, 1, 2, 31, 32, 64, 95, 96, 128, 191, 192, 193)
        return report[: rng.choice(cuts)]
    if damage == "dirty":
        at = 32 * rng.randrange(6) + rng.randrange(32)
        return report[:at] + bytes([report[at] ^ 1 << rng.randrange(8)]) + report[at + 1 :]
    if damage == "random":
        return rng.randbytes(rng.randrange(300))
    if damage == "long":
        return report + rng.randbytes(rng.randrange(1, 100))
    if damage == "feed":
        return rng.randbytes(2) + report[2:]
    if damage == "expired":
        return report[:160] + word(NOW - 1) + report[192:]
    return b""


_SIGNATURE_DAMAGE = (
    "flip-v", "v-27", "v-28", "v-228", "v-229", "v-255", "v-2", "high-s", "neg-s", "r-0", "r-n",
    "r-max", "s-0", "s-n", "swap", "random", "outsider", "duplicate", "drop", "drop-r", "drop-s",
    "add", "few", "many", "permute", "spare-vs", "zeros",
)  # fmt: skip


def _damage_signatures(
    kind: str, rng: Random, digest: bytes, rs: list[bytes], ss: list[bytes], vs: list[int]
) -> None:
    whole = min(len(rs), len(ss), len(vs))
    if not whole and kind != "many":
        return
    at = rng.randrange(max(1, whole))
    if kind == "flip-v":
        vs[at] ^= 1
    elif kind in ("v-2", "v-27", "v-28", "v-228", "v-229", "v-255"):
        vs[at] = int(kind[2:])
    elif kind in ("high-s", "neg-s"):
        ss[at] = word(CURVE_ORDER - int.from_bytes(ss[at], "big"))
        vs[at] ^= kind == "high-s"
    elif kind in ("r-0", "r-n", "r-max"):
        rs[at] = word({"r-0": 0, "r-n": CURVE_ORDER, "r-max": -1}[kind])
    elif kind in ("s-0", "s-n"):
        ss[at] = word(0 if kind == "s-0" else CURVE_ORDER)
    elif kind == "swap":
        rs[at], ss[at] = ss[at], rs[at]
    elif kind == "random":
        rs[at] = rng.randbytes(32)
    elif kind in ("outsider", "add"):
        r, s, v = sign(KEYS[rng.randrange(len(KEYS))], digest)
        if kind == "add":
            vs[len(rs) : len(rs) + 1] = [v]
            rs.append(r)
            ss.append(s)
        else:
            rs[at], ss[at], vs[at] = r, s, v
    elif kind == "duplicate":
        other = rng.randrange(whole)
        rs[at], ss[at], vs[at] = rs[other], ss[other], vs[other]
    elif kind == "zeros":
        for one in {at, rng.randrange(whole)}:
            rs[one] = bytes(32)
    elif kind in ("drop", "drop-r", "drop-s"):
        if kind != "drop-s":
            del rs[at]
        if kind != "drop-r":
            del ss[at]
    elif kind == "few":
        keep = rng.randrange(len(rs))
        del rs[keep:], ss[keep:]
    elif kind == "many":
        count = rng.choice((31, 32, 33, 34))
        for key in KEYS[len(rs) : count]:
            r, s, v = sign(key, digest)
            vs[len(rs) : len(rs) + 1] = [v]
            rs.append(r)
            ss.append(s)
    elif kind == "permute":
        rs[:whole], ss[:whole] = rs[whole - 1 :: -1][:whole], ss[whole - 1 :: -1][:whole]
    elif kind == "spare-vs":
        # There is no room to spare behind 32 signatures.
        vs[len(rs) :] = rng.randbytes(max(0, 32 - len(vs[: len(rs)])))


# Where the offsets of the tails stand, and how many bytes their lengths count in.
_LENGTHS: Final = {"report": (96, 1), "rs": (128, 32), "ss": (160, 32)}


def _overlong(raw: bytes, tail: str, rng: Random) -> bytes:
    """A length near the most that can be allocated, which depends on what is allocated already."""
    at, unit = _LENGTHS[tail]
    start = int.from_bytes(raw[at : at + 32], "big")
    below = rng.choice((0x200, 0x600, 0x1800))
    return raw[:start] + word((2**64 - rng.randrange(below)) // unit) + raw[start + 32 :]


def payload(world_: World, rng: Random, levels: list[str]) -> tuple[bytes, list[str]]:
    """A `fullReport`, damaged at these levels, and what was done to it."""
    configs = world_["configs"]
    config = rng.choice(configs) if configs else None
    report = _report(rng, config)
    if "report" in levels:
        report = _damage_report(report, rng)
    known = config.get("config_digest") if config else None
    digest = bytes.fromhex(known[2:]) if known else b""
    if not digest or "digest" in levels:
        digest = rng.choice((*DIGESTS, bytes(32), rng.randbytes(32)))
    context = [digest, word(rng.getrandbits(40)), rng.choice((bytes(32), rng.randbytes(32)))]
    signed = keccak256(keccak256(report) + b"".join(context))
    rs, ss, vs = _signatures(world_["contract"], config, rng, signed)
    said = rng.choices(_SIGNATURE_DAMAGE, k=rng.choice((1, 1, 2))) if "signatures" in levels else []
    for kind in said:
        _damage_signatures(kind, rng, signed, rs, ss, vs)
    if "context" in levels:
        context[rng.randrange(3)] = rng.choice((*DIGESTS, rng.randbytes(32)))
    if "signed report" in levels:
        report = mutate(report, rng)
    raw = encode(FULL, [context, report, rs, ss, bytes(vs)[:32].ljust(32, b"\0")])
    if "length" in levels:
        raw = _overlong(raw, rng.choice(tuple(_LENGTHS)), rng)
    if "encoding" in levels:
        raw = mutate(raw, rng)
    if "cut" in levels:
        raw = raw[: rng.randrange(40)]
    return raw, said


def _signatures(
    generation: str, config: dict[str, Any] | None, rng: Random, signed: bytes
) -> tuple[list[bytes], list[bytes], list[int]]:
    """As many as are needed; in v0.4.0 sometimes more."""
    count = 1 + (config["f"] if config else 1)
    members = config["signers"] if config else [_hex(one) for one in SIGNERS[:4]]
    if generation == "v0.4.0" and rng.random() < 0.25:
        count = rng.randint(count, len(members))
    keys = [KEYS[SIGNERS.index(bytes.fromhex(one[2:]))] for one in rng.sample(members, count)]
    made = [sign(key, signed) for key in keys]
    return [one[0] for one in made], [one[1] for one in made], [one[2] for one in made]


# --- calls ----------------------------------------------------------------------------------------

# Where a call can be damaged. Most calls are damaged in one place, so that they get far.
LEVELS: Final = (
    "report", "digest", "signatures", "signatures", "signatures", "context", "signed report",
    "length", "encoding", "encoding", "cut", "parameter", "calldata", "clock", "value",
)  # fmt: skip


def _parameter(rng: Random, damaged: bool) -> bytes:
    token = bytes(12) + bytes.fromhex(rng.choice((LINK, NATIVE, NATIVE))[2:])
    if not damaged:
        return token
    kind = rng.choice(("other", "empty", "dirty", "short", "long", "mutated"))
    if kind == "dirty":
        return bytes([*token[:11], 1 << rng.randrange(8), *token[12:]])
    if kind == "other":
        return bytes(12) + rng.randbytes(20)
    if kind == "long":
        return token + rng.randbytes(rng.randrange(1, 64))
    if kind == "mutated":
        return mutate(token, rng)
    return b"" if kind == "empty" else token[: rng.randrange(32)]


@st.composite
def _case(draw: st.DrawFn, world_: World) -> Case:
    levels = draw(st.lists(st.sampled_from(LEVELS), max_size=2))
    bulk = draw(st.integers(0, 3)) == 0
    rng = draw(st.randoms(use_true_random=True))
    count = rng.choice((0, 1, 2, 3, 4)) if bulk else 1
    # In a bulk call only some payloads are damaged.
    hurt = [levels if not bulk or rng.random() < 0.5 else [] for _ in range(count)]
    made = [payload(world_, rng, one) for one in hurt]
    payloads, said = [raw for raw, _ in made], [one for _, words in made for one in words]
    parameter = _parameter(rng, "parameter" in levels)
    now = NOW + (rng.choice((1, -1, 86400, 86401)) if "clock" in levels else 0)
    value = rng.choice((0, 2**198))
    if "value" in levels or rng.random() < 0.3:
        # At the edge of the native fee, as another reading of the rules has it.
        value = max(0, native_fee(world_, payloads) + rng.randint(-1, 1))
    # The older proxies do not have the views, and must say so in their way.
    view = rng.random() < (0.5 if world_["contract"] in WITH_VIEWS else 0.02)
    if view:
        value = value if "value" in levels else 0
    calldata = _calldata(payloads, parameter, bulk, view)
    said = [*levels, *said]
    if "calldata" in levels:
        bent = mutate_calldata(calldata, rng) if rng.random() < 0.9 else mutate(calldata, rng)
        return Case(bent, value, now, None, said=said)
    parameter = b"" if view else parameter
    return Case(calldata, value, now, payloads, parameter, bulk, view, said)


def _calldata(payloads: list[bytes], parameter: bytes, bulk: bool, view: bool) -> bytes:
    first: Any = payloads if bulk else payloads[0]
    kind = "bytes[]" if bulk else "bytes"
    if view:
        return selector(VERIFY_BULK_VIEW if bulk else VERIFY_VIEW) + encode([kind], [first])
    return selector(VERIFY_BULK if bulk else VERIFY) + encode([kind, "bytes"], [first, parameter])


def native_fee(world_: World, payloads: list[bytes]) -> int:
    """What the call costs in native, from the rule and not from the library: to aim at the edge."""
    fees, total = world_["fee_manager"], 0
    if not fees or fees.get("type") in NO_OP:
        return 0
    for raw in payloads:
        report = raw[256:]
        if len(report) < 192 or report[:2] == b"\0\1":
            continue
        own = everywhere = 0
        for entry in fees["discounts"]:
            if entry["token"] != "native":
                continue
            if entry["feed_id"] is None:
                everywhere = int(entry["discount"])
            elif entry["feed_id"] == _hex(report[:32]):
                own = int(entry["discount"])
        base = int.from_bytes(report[96:128], "big")
        more = -(-base * (SCALE + int(fees["native_surcharge"])) // SCALE)
        total += -(-more * (SCALE - (own or everywhere)) // SCALE)
    return min(total, 2**198)


@st.composite
def chainlink(draw: st.DrawFn, generation: str, calls: int = 6) -> Example:
    made = draw(world(generation))
    allowed = draw(st.sampled_from((None,) * 5 + (True,) * 4 + (False,)))
    return Example(made, allowed, [draw(_case(made)) for _ in range(calls)])


# --- Stork ----------------------------------------------------------------------------------------


@st.composite
def stork(draw: st.DrawFn, several: bool = False, calls: int = 8) -> Example:
    """A case's `bulk` says that it is a call of the deserializing function."""
    fee = draw(st.sampled_from((0, 0, 1, 10**15)))
    made = World(contract="stork-fast-1.0.0", verification_fee=str(fee))
    if several:
        count = draw(st.sampled_from((0, 1, 1, 2, 3, 8)))
        made |= {"contract": "stork-fast-1.0.0-multisigner"}
        # The signer that most cases are signed by stands anywhere in the list, or is not in it.
        listed = draw(st.permutations(SIGNERS[: max(count, 3)]))[:count]
        made["signers"] = [_hex(signer) for signer in listed]
    else:
        made["signer"] = _hex(bytes(20) if draw(st.integers(0, 4)) == 0 else SIGNERS[0])
    return Example(made, None, [draw(_stork_case(fee)) for _ in range(calls)])


@st.composite
def _stork_case(draw: st.DrawFn, fee: int) -> Case:
    damage = draw(st.sampled_from(("none",) * 5 + ("cut", "extend", "mutate", "calldata", "value")))
    rng = draw(st.randoms(use_true_random=True))
    assets = b"".join(rng.randbytes(18) for _ in range(rng.randrange(5)))
    body = rng.choice((b"\0\1", b"\xff\x02")) + rng.randbytes(8) + assets
    r, s, v = sign(KEYS[rng.choice((0, 0, 0, 0, 1))], keccak256(body))
    rs, ss, vs = [r], [s], [v]
    said = rng.choices(_SIGNATURE_DAMAGE[:15], k=rng.choice((0, 0, 1, 2)))
    for kind in said:
        _damage_signatures(kind, rng, keccak256(body), rs, ss, vs)
    raw = rs[0] + ss[0] + bytes([vs[0]]) + body
    if damage == "cut":
        raw = raw[: rng.randrange(len(raw) + 1)]
    elif damage == "extend":
        raw += rng.randbytes(rng.choice((1, 17, 18, 19)))
    elif damage == "mutate":
        raw = mutate(raw, rng)
    value = max(0, fee + (rng.choice((-1, 1, 10**9)) if damage == "value" else 0))
    deserialize = draw(st.booleans())
    function = STORK_DESERIALIZE if deserialize else STORK_VERIFY
    calldata = selector(function) + encode(["bytes"], [raw])
    if damage == "calldata":
        return Case(mutate_calldata(calldata, rng), value, NOW, None, said=[*said, damage])
    return Case(calldata, value, NOW, [raw], b"", deserialize, said=[*said, damage])
