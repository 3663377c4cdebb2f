"""The states of the contracts that the corpus calls, as state files have them."""

from __future__ import annotations

from typing import Any

from payloads.crypto import keccak256
from payloads.testing import (
    LINK,
    NATIVE,
    SUBSCRIBER,
    InsecureTestNetwork,
    InsecureTestStorkSigner,
)
from tests.conformance import building as b

# As the damage `retired-config` makes it.
RETIRED = b.NETWORK.config_digest[:2] + keccak256(b"retired" + b.NETWORK.config_digest)[2:]
UNSET = b"\x00\x09" + b"unset".ljust(30, b"\0")
OTHER_FEED = b"\x00\x03" + b"another feed".ljust(30, b"\0")
GONE_FEED = b"\x00\x03" + b"a feed that is gone".ljust(30, b"\0")
# Configs of v0.4.0: who may sign from when on. The last one is inactive.
LATER = b.OBSERVED + 1_000
INACTIVE_FROM = b.OBSERVED + 2_000
SECOND = InsecureTestNetwork("conformance second", 7, 2)
# 31 signers: as many as a config can have.
LARGE = InsecureTestNetwork("conformance large", 31, 10)
SURCHARGE = 10**17
DISCOUNT_OF_FEED, DISCOUNT_OF_ALL = 10**18 // 2, 10**18 // 3
FEE_TERMS = {"link": LINK, "native": NATIVE, "native_surcharge": str(SURCHARGE), "discounts": []}
STORK, STORK_MANY = "stork-fast-1.0.0", "stork-fast-1.0.0-multisigner"
STORK_FEE = 1_000
STORK_SIGNER = InsecureTestStorkSigner("conformance")
STORK_OTHERS = tuple(InsecureTestStorkSigner(f"conformance {index}") for index in range(7))


def _config(network: InsecureTestNetwork = b.NETWORK, **keys: Any) -> dict[str, Any]:
    signers = [address.lower() for address in network.signers]
    return {"signers": signers, "f": network.f, "active": True} | keys


def _configs(generation: str, *feeds: bytes) -> list[dict[str, Any]]:
    digest = b.hexed(b.NETWORK.config_digest)
    if generation == b.V04:
        return [_config(activation_time=0)]
    if generation != b.V03:
        return [_config(config_digest=digest)]
    return [_config(config_digest=digest, feed_id=b.hexed(feed)) for feed in feeds]


def _state(generation: str, **keys: Any) -> dict[str, Any]:
    return {
        "contract": generation,
        "subscriber": SUBSCRIBER,
        "configs": _configs(generation, b.FEED, b.FEED_V1),
        "fee_manager": None,
    } | keys


def _discounts(generation: str) -> dict[str, Any]:
    """Half for one feed in native; a third for all feeds, which v0.3.0 does not have."""
    of_feed = {"feed_id": b.hexed(b.FEED), "token": "native", "discount": str(DISCOUNT_OF_FEED)}
    found: list[dict[str, Any]] = [of_feed]
    if generation != b.V03:
        found += [
            {"feed_id": None, "token": token, "discount": str(DISCOUNT_OF_ALL)}
            for token in ("native", "link")
        ]
    return FEE_TERMS | {"discounts": found}


def _past(generation: str) -> dict[str, Any]:
    """Besides the config: one that was deactivated, and one that the proxy no longer knows."""
    feed: dict[str, Any] = {"feed_id": b.hexed(b.FEED)} if generation == b.V03 else {}
    found = _configs(generation, b.FEED, b.FEED_V1)
    found.append(_config(config_digest=b.hexed(RETIRED), **feed) | {"active": False})
    found.append(_config(config_digest=b.hexed(UNSET), **feed))
    keys: dict[str, Any] = {"configs": found, "unset_digests": [b.hexed(UNSET)]}
    if generation == b.V03:
        gone = _config(config_digest=b.hexed(b.NETWORK.config_digest), feed_id=b.hexed(GONE_FEED))
        keys |= {"configs": [*found, gone], "deactivated_feeds": [b.hexed(GONE_FEED)]}
    return keys


def _large(generation: str) -> dict[str, Any]:
    digest = b.hexed(LARGE.config_digest)
    keys: dict[str, Any] = {"config_digest": digest}
    if generation == b.V03:
        keys["feed_id"] = b.hexed(b.FEED)
    if generation == b.V04:
        keys = {"activation_time": 0}
    return {"configs": [_config(LARGE, **keys)]}


def _of_generation(generation: str) -> dict[str, dict[str, Any]]:
    made = {
        "": _state(generation),
        "fees": _state(generation, fee_manager=FEE_TERMS),
        "discounts": _state(generation, fee_manager=_discounts(generation)),
        "access": _state(generation, access_controller={"allowed": [SUBSCRIBER]}),
        "large": _state(generation, **_large(generation)),
    }
    if generation != b.V04:
        made["past"] = _state(generation, **_past(generation))
    else:
        made["activation"] = _state(generation, configs=[
            _config(activation_time=b.OBSERVED - 1_000),
            _config(SECOND, activation_time=LATER),
            _config(b.STRANGERS, activation_time=INACTIVE_FROM) | {"active": False},
        ])  # fmt: skip
    if generation in (b.V05, b.V051):
        for version in ("0.5.0", "0.5.1"):
            no_op = {"type": f"NoOpFeeManager {version}", "link": LINK, "native": NATIVE}
            made[f"no-op {version}"] = _state(generation, fee_manager=no_op)
    return made


def _of_stork() -> dict[str, dict[str, Any]]:
    one = {"contract": STORK, "signer": STORK_SIGNER.address.lower(), "verification_fee": "0"}
    signers = [each.address.lower() for each in (*STORK_OTHERS, STORK_SIGNER)]
    many = {"contract": STORK_MANY, "signers": signers, "verification_fee": "0"}
    zero = "0x" + "00" * 20
    return {
        STORK: one,
        f"{STORK} fee": one | {"verification_fee": str(STORK_FEE)},
        f"{STORK} uninitialised": one | {"signer": zero},
        STORK_MANY: many,
        f"{STORK_MANY} fee": many | {"verification_fee": str(STORK_FEE)},
        f"{STORK_MANY} uninitialised": many | {"signers": []},
    }


STATES: dict[str, dict[str, Any]] = {
    f"{generation} {name}".strip(): {
        "world": f"conformance {generation} {name}".strip(), "source": "the conformance corpus"
    } | state
    for generation in b.GENERATIONS
    for name, state in _of_generation(generation).items()
} | _of_stork()  # fmt: skip
