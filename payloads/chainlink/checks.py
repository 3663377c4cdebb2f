"""The checks of the three generations, each once, in the order in which the contracts make them.

Each is a `Step` of the engine in `payloads.verdicts.checks`, with a `Call` or one of its `Item`s as
its subject. `stages` strings them together for a call.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from payloads.abi.fields import WORDS, Table, Wide
from payloads.abi.solidity import decode
from payloads.chainlink.call import QUOTE, Call, Item
from payloads.chainlink.errors import (
    ACCESS_FORBIDDEN,
    BAD_VERIFICATION,
    DIGEST_INACTIVE_V3,
    DIGEST_INACTIVE_V5,
    EXPIRED_REPORT,
    INACTIVE_FEED,
    INCORRECT_SIGNATURE_COUNT,
    INVALID_DEPOSIT,
    INVALID_QUOTE,
    MISMATCHED_SIGNATURES,
    NO_SIGNERS,
    VERIFIER_NOT_FOUND,
)
from payloads.chainlink.fees import Charge, charge
from payloads.chainlink.payment import FORGOTTEN
from payloads.chainlink.schemas import COMMON_HEAD
from payloads.chainlink.state import V03, V04, ChainlinkState
from payloads.crypto import checksum
from payloads.errors import panic
from payloads.verdicts.checks import Stage, Step, Stop

BAD = BAD_VERIFICATION.data()
OVERFLOW, OUT_OF_BOUNDS = panic(0x11), panic(0x32)
VERSION_1 = b"\x00\x01"
# `v + 27` is checked uint8 arithmetic.
MOST_V = 255 - 27
TIMES = Table("Times", COMMON_HEAD.fields[:3], WORDS)


def _hex(raw: bytes | None) -> str:
    return "nothing" if raw is None else "0x" + raw.hex()


# --- before anything else -------------------------------------------------------------------------


def _no_value(call: Call) -> None:
    if call.value:
        raise Stop(b"", "a view takes no value")


def _elements(call: Call) -> None:
    for item in call.items:
        _element(item)


def _element(item: Item) -> None:
    if item.fault is not None:
        raise item.fault


def _access(call: Call) -> None:
    controller = call.state.access_controller
    if controller is None or controller.admits(call.sender or b"", call.origin):
        return
    why = "the access controller does not list the sender"
    if controller.admits_origins:
        why += ", which did not sign the transaction itself"
    raise Stop(ACCESS_FORBIDDEN.data(), why)


NO_VALUE = Step(
    "value",
    "a view is not payable",
    _no_value,
    lambda call: {"value": call.value},
)
ELEMENTS = Step(
    "elements",
    "every element of the bytes[] must lie in the calldata",
    _elements,
    lambda call: {"payloads": len(call.items)},
    blames=lambda call: next(item.index for item in call.items if item.fault is not None),
)
ELEMENT = Step(
    "element",
    "this element of the bytes[] must lie in the calldata",
    _element,
    lambda item: {"bytes": len(item.raw)},
)
ACCESS = Step(
    "access",
    "the access controller must admit the sender",
    _access,
    lambda call: {
        "sender": call.sender and checksum(call.sender),
        "origin": call.origin and checksum(call.origin),
        "controlled": call.state.access_controller is not None,
    },
)


# --- the fee manager ------------------------------------------------------------------------------


def _fee_pair(item: Item) -> None:
    if item.report is None:  # v0.4.0's verifier has decoded it before
        item.decode_pair(item.call.free_in_fee_manager)
    assert item.report is not None
    item.feed_id = item.report[:32].ljust(32, b"\0")


def _pays_nothing(item: Item) -> bool:
    return item.feed_id is not None and item.feed_id[:2] == VERSION_1


def _fee_token(item: Item) -> None:
    if _pays_nothing(item):
        item.quote = b""
    elif not item.call.parameter_payload:
        raise Stop(b"", FORGOTTEN)
    else:
        item.quote = decode(QUOTE, item.call.parameter_payload)[0].to_bytes(20, "big")


def _fee_quote(item: Item) -> None:
    fees = item.call.state.charges
    assert fees is not None
    if not _pays_nothing(item) and item.quote not in (fees.link, fees.native):
        raise Stop(INVALID_QUOTE.data(), "the token is neither LINK nor wrapped native")
    item.token = item.quote


def _fee_head(item: Item) -> None:
    if _pays_nothing(item):
        item.head = ()
    else:
        assert item.report is not None
        item.head = COMMON_HEAD.read(item.report).values


def _fee_expiry(item: Item) -> None:
    now, expires_at = item.call.now, _expires_at(item)
    assert now is not None
    if expires_at is not None and expires_at < now:
        raise Stop(EXPIRED_REPORT.data(), f"expired {now - expires_at} s before the block's time")


def _expires_at(item: Item) -> int | None:
    return item.head[5] if item.head else None


def _fee_charge(item: Item) -> None:
    """Find out what the payload costs. This never reverts."""
    call, cost = item.call, 0
    if item.head:
        found = _charge(item)
        item.charge, cost = found, found.fee
        if not found.in_link:
            call.native_total += cost
    # The pair, two assets and what the arithmetic leaves; an entry in the bill if there is one.
    up = -(-len(item.report or b"") // 32) * 32
    call.earlier += 0x60 + 32 + up + 0x180 + (0x80 if cost else 0)


def _charge(item: Item) -> Charge:
    assert item.head is not None
    assert item.token is not None
    assert item.feed_id is not None
    native_fee, link_fee = item.head[3], item.head[4]
    call = item.call
    return charge(call.state, item.feed_id, item.token, call.sender, native_fee, link_fee)


def _deposit(call: Call) -> None:
    if call.value and call.native_total > call.value:
        short = call.native_total - call.value
        raise Stop(INVALID_DEPOSIT.data(), f"{short} wei short of the fee")


_FEE_STEPS = (
    Step(
        "fee decoding",
        "abi.decode of (bytes32[3], bytes) must succeed in the fee manager",
        _fee_pair,
        lambda item: {"bytes": len(item.raw)},
    ),
    Step(
        "fee token",
        "the parameter payload must be an address (version 1 needs none)",
        _fee_token,
        lambda item: {"parameter_payload": _hex(item.call.parameter_payload)},
        ("feed_id",),
    ),
    Step(
        "quote",
        "the token must be LINK or wrapped native (version 1 pays nothing)",
        _fee_quote,
        lambda item: {"token": checksum(item.quote) if item.quote else None},
        ("quote",),
    ),
    Step(
        "fee fields",
        "the report must begin with six clean words (version 1 is not looked at)",
        _fee_head,
        lambda item: {"report_bytes": len(item.report or b"")},
        ("feed_id",),
    ),
    Step(
        "expiry",
        "expires_at must not be before the block's time (version 1 never expires)",
        _fee_expiry,
        lambda item: {"expires_at": _expires_at(item), "now": item.call.now},
        ("head",),
    ),
    Step(
        "fee",
        "the fee follows from the report, the surcharge and the discount",
        _fee_charge,
        lambda item: {} if item.charge is None else item.charge.to_dict(),
        ("head", "token"),
    ),
)
DEPOSIT = Step(
    "deposit",
    "value, where any is sent, must cover the native fees",
    _deposit,
    lambda call: {"value": Wide(call.value), "native_fees": Wide(call.native_total)},
)


# --- finding the config ---------------------------------------------------------------------------


def _registered(item: Item) -> None:
    digest = item.config_digest
    if digest not in item.call.state.registered:
        raise Stop(VERIFIER_NOT_FOUND.data(digest), "the proxy has no verifier for this digest")


def _decoding(item: Item) -> None:
    if not item.whole:
        item.decode(item.call.free)


def _feed(item: Item) -> bytes:
    assert item.report is not None
    return item.report[:32].ljust(32, b"\0")


def _feed_active(item: Item) -> None:
    if (feed := _feed(item)) in item.call.state.inactive_feeds:
        raise Stop(INACTIVE_FEED.data(feed), "the feed was deactivated")


def _config_v3(item: Item) -> None:
    feed, digest = _feed(item), item.context[:32]
    item.config = config = item.call.state.by_key.get(feed + digest)
    if config is None or not config.active:
        raise Stop(DIGEST_INACTIVE_V3.data(feed, digest), _why_no_config(item))


def _config_v5(item: Item) -> None:
    digest = item.context[:32]
    item.config = config = item.call.state.by_key.get(digest)
    if config is None or not config.active:
        raise Stop(DIGEST_INACTIVE_V5.data(digest), _why_no_config(item))


def _why_no_config(item: Item) -> str:
    if item.config is not None:
        return "the config was deactivated"
    digest = item.context[:32]
    known = item.call.state.in_force
    feeds = [_hex(config.feed_id) for config in known if config.config_digest == digest]
    if feeds:
        return f"this digest belongs to another feed: {', '.join(feeds)}"
    return "no config has this digest"


REGISTERED = Step(
    "verifier",
    "the proxy must have a verifier for the payload's first word",
    _registered,
    lambda item: {"config_digest": _hex(item.config_digest)},
)
DECODING = Step(
    "decoding",
    "abi.decode of (bytes32[3], bytes, bytes32[], bytes32[], bytes32) must succeed",
    _decoding,
    lambda item: {"bytes": len(item.raw)},
)
FEED_ACTIVE = Step(
    "feed",
    "the feed must not be deactivated",
    _feed_active,
    lambda item: {"feed_id": _hex(_feed(item))},
    ("report",),
)
CONFIG_V3 = Step(
    "config",
    "the config of this feed and digest must be active",
    _config_v3,
    lambda item: {"feed_id": _hex(_feed(item)), "config_digest": _hex(item.context[:32])},
    ("report",),
)
CONFIG_V5 = Step(
    "config",
    "the config of this digest must be active",
    _config_v5,
    lambda item: {"config_digest": _hex(item.context[:32])},
    ("report",),
)


# --- signatures, v0.3.0 and v0.5.0 ----------------------------------------------------------------


def _count(item: Item) -> None:
    assert item.config is not None
    found, wanted = len(item.rs), item.config.f + 1
    if found != wanted:
        data = INCORRECT_SIGNATURE_COUNT.data(found, wanted)
        raise Stop(data, f"{found} signatures, and exactly {wanted} are taken")


def _equal_counts(item: Item) -> None:
    rs, ss = len(item.rs), len(item.ss)
    if rs != ss:
        raise Stop(MISMATCHED_SIGNATURES.data(rs, ss), f"{rs} r but {ss} s")


def _addresses(item: Item) -> list[Any]:
    return [signer and checksum(signer) for signer in item.signers or ()]


def overflows(v: int) -> bool:
    """Whether `v + 27` is more than a uint8 holds."""
    return v > MOST_V


def _signatures(item: Item) -> None:
    assert item.config is not None
    members = item.config.members
    known = item.call.signers.known(item.signatures())
    if all(map(members.__contains__, known)):
        item.signers = known  # type: ignore[assignment]
        return
    digest, recover = item.hash(), item.call.signers.recover
    signers: list[bytes | None] = []
    for r, s, v in zip(item.rs, item.ss, item.vs, strict=False):
        if v > 1 and overflows(v):
            raise Stop(OVERFLOW, f"signature {len(signers)}: v is {v}, and 27 more is no uint8")
        signer = recover(digest, r, s, v)
        if signer not in members:
            raise Stop(BAD, f"signature {len(signers)} is not by a signer of the config")
        signers.append(signer)
    item.signers = signers


def _distinct(item: Item) -> None:
    signers = item.signers or ()
    if len(set(signers)) == len(signers):
        return
    signers = [signer for signer in signers if signer is not None]
    if len(set(signers)) != len(signers):
        raise Stop(BAD, "a signer signed twice")


COUNT = Step(
    "signature count",
    "there must be exactly f + 1 signatures",
    _count,
    lambda item: {"rs": len(item.rs), "f": item.config.f},
    ("whole", "config"),
)
EQUAL_COUNTS = Step(
    "rs and ss",
    "there must be as many r as s",
    _equal_counts,
    lambda item: {"rs": len(item.rs), "ss": len(item.ss)},
    ("whole",),
)
SIGNATURES = Step(
    "signatures",
    "every signature must be by a signer of the config",
    _signatures,
    lambda item: {"digest": _hex(item.hash()), "signatures": len(item.rs)},
    ("whole", "config"),
    signatures=Item.asked,
)
DISTINCT = Step(
    "distinct signers",
    "no signer may sign twice",
    _distinct,
    lambda item: {"signers": _addresses(item)},
    ("signers",),
)


# --- signatures, v0.4.0 ---------------------------------------------------------------------------


def _any_signature(item: Item) -> None:
    if not item.rs:
        raise Stop(NO_SIGNERS.data(), "there is no signature")


def _recover_all(item: Item) -> None:
    known = item.call.signers.known(item.signatures())
    if False not in known and len(known) == len(item.rs):
        item.signers = known  # type: ignore[assignment]
        return
    digest, recover = item.hash(), item.call.signers.recover
    signers: list[bytes | None] = []
    for index, (r, s) in enumerate(zip(item.rs, item.ss, strict=False)):
        if index >= len(item.vs):
            raise Stop(OUT_OF_BOUNDS, "raw_vs has no byte for signature 32")
        v = item.vs[index]
        if v > 1 and overflows(v):
            raise Stop(OVERFLOW, f"signature {index}: v is {v}, and 27 more is no uint8")
        signers.append(recover(digest, r, s, v))
    item.signers = signers


def _distinct_addresses(item: Item) -> None:
    # Signatures that recover no address all count as by address zero.
    if len(set(item.signers or ())) != len(item.signers or ()):
        raise Stop(
            BAD, "an address comes out twice (a signature without a signer counts as address zero)"
        )


def _times(item: Item) -> None:
    assert item.report is not None
    item.observed = TIMES.read(item.report)[2]


def _config_v4(item: Item) -> None:
    assert item.observed is not None
    item.config = config = item.call.state.config_for_time(item.observed)
    if config is None:
        raise Stop(BAD, "no config applied as early as the observations")
    if not config.active:
        raise Stop(BAD, "the config that applies was deactivated")


def _enough(item: Item) -> None:
    assert item.config is not None
    if len(item.rs) <= item.config.f:
        raise Stop(BAD, f"{len(item.rs)} signatures, and at least {item.config.f + 1} are needed")


def _all_members(item: Item) -> None:
    assert item.config is not None
    members = item.config.members
    for index, signer in enumerate(item.signers or ()):
        if signer not in members:
            raise Stop(BAD, f"signature {index} is not by a signer of the config")
    _spend(item)


def _spend(item: Item) -> None:
    """Count the memory that verifying a payload uses up, for the next payload of a bulk call."""
    assert item.report is not None
    count, up = len(item.rs), -(-len(item.report) // 32) * 32
    decoded = 0x60 + 32 + up + 2 * (32 + 32 * count)
    digest, signers, configs = 160, 32 + 32 * count, 0x180
    # Each recovery leaves a word, and each look-up of a signer 76 bytes, which are not rounded up.
    item.call.free += decoded + digest + signers + configs + count * (32 + 76)


ANY_SIGNATURE = Step(
    "signature count",
    "there must be a signature",
    _any_signature,
    lambda item: {"rs": len(item.rs)},
    ("whole",),
)
RECOVER_ALL = Step(
    "recovery",
    "v must be at most 228, and there may be 32 signatures at most",
    _recover_all,
    lambda item: {"digest": _hex(item.hash()), "raw_vs": _hex(item.vs)},
    ("whole",),
    signatures=Item.asked,
)
DISTINCT_ADDRESSES = Step(
    "distinct signers",
    "no address may come out twice",
    _distinct_addresses,
    lambda item: {"signers": _addresses(item)},
    ("signers",),
)
OBSERVED = Step(
    "timestamps",
    "abi.decode of (bytes32, uint32, uint32) from the report must succeed",
    _times,
    lambda item: {"report_bytes": len(item.report or b"")},
    ("report",),
)
CONFIG_V4 = Step(
    "config",
    "the newest config that applied at the observations must exist and be active",
    _config_v4,
    lambda item: {
        "observations_timestamp": item.observed,
        "activation_times": [config.activation_time for config in item.call.state.in_force],
    },
    ("observed",),
)
ENOUGH = Step(
    "enough signatures",
    "there must be more than f signatures",
    _enough,
    lambda item: {"rs": len(item.rs), "f": item.config.f},
    ("whole", "config"),
)
MEMBERS = Step(
    "signatures",
    "every signature must be by a signer of the config",
    _all_members,
    lambda item: {"digest": _hex(item.hash()), "signatures": len(item.rs)},
    ("config", "signers"),
)


# --- in order -------------------------------------------------------------------------------------

_V3 = (REGISTERED, DECODING, FEED_ACTIVE, CONFIG_V3, COUNT, EQUAL_COUNTS, SIGNATURES, DISTINCT)
_V4 = (
    DECODING, EQUAL_COUNTS, ANY_SIGNATURE, RECOVER_ALL, DISTINCT_ADDRESSES, OBSERVED, CONFIG_V4,
    ENOUGH, MEMBERS,
)  # fmt: skip
_V5 = (REGISTERED, DECODING, CONFIG_V5, COUNT, EQUAL_COUNTS, SIGNATURES, DISTINCT)


@lru_cache(maxsize=64)
def _stages(
    contract: str, fees: bool, no_op: bool, faulty: bool, is_view: bool
) -> tuple[Stage, ...]:
    """The stages in order. `faulty`: elements of a `bytes[]` lie outside the calldata."""
    whole = (Stage((ELEMENTS,), each=False),) if faulty else ()
    access = Stage((ACCESS,), each=False)
    if contract == V04:
        # The proxy hands the array on, so it reads all of it before the verifier asks anything.
        billing = (Stage(_FEE_STEPS, hidden_as=BAD), Stage((DEPOSIT,), False, BAD))
        return (*whole, access, Stage(_V4), *(billing if fees else ()))
    steps = _V3 if contract == V03 else _V5
    if is_view:
        access = Stage((NO_VALUE, ACCESS), each=False)
    elif fees or no_op:
        # So does this proxy to the fee manager, which may have no terms.
        terms = (Stage(_FEE_STEPS), Stage((DEPOSIT,), each=False)) if fees else ()
        return (access, *whole, *terms, Stage(steps))
    return (access, Stage((ELEMENT, *steps) if faulty else steps))


def stages(call: Call) -> tuple[Stage, ...]:
    """The stages of a call."""
    state: ChainlinkState = call.state
    faulty = call.bulk and any(item.fault is not None for item in call.items)
    fees = state.charges is not None
    no_op = state.fee_manager is not None and not fees
    return _stages(state.contract, fees, no_op, faulty, call.is_view)
