"""States of verifier proxies of every generation that accept what a test network signs."""

from __future__ import annotations

from itertools import product
from typing import Any

from hypothesis import strategies as st

from payloads.chainlink.state import NO_OP, SCALE, V03, V04, V05, V051, ChainlinkState
from payloads.strategies.calls import choice
from payloads.strategies.chainlink.reports import feed_ids
from payloads.strategies.chainlink.signed import oracle_networks
from payloads.strategies.made import made_state
from payloads.testing.networks import SUBSCRIBER, InsecureTestNetwork, config_of, keys_with_past

FEES = ("none", "charging", *NO_OP)
_WITH_NO_OP = (V05, V051)
# Shares of `SCALE`: the ends, a third that does not divide, and one unit beside each end.
SHARES = (0, 10**17, SCALE // 3, SCALE - 1, 1, SCALE)
# The times that a config of v0.4.0 applies from, before every report that is made here.
ACTIVATIONS = (0, 1, 1_500_000_000)


def fees_of(generation: str) -> tuple[str, ...]:
    """The kinds of fee managers that the contracts of a generation work with."""
    return FEES if generation in _WITH_NO_OP else FEES[:2]


# Whether a discount is for all feeds, its token, and its share.
_DISCOUNTS = tuple(product((False, True), ("link", "native"), SHARES))
_ANY_TERMS = st.tuples(choice(SHARES), st.lists(choice(_DISCOUNTS), max_size=2))
# v0.3.0 has no discount for all feeds.
_FEED_TERMS = st.tuples(
    choice(SHARES), st.lists(choice(tuple(one for one in _DISCOUNTS if not one[0])), max_size=2)
)


def _terms(drawn: tuple[int, list[tuple[bool, str, int]]], feed: str) -> dict[str, Any]:
    """The terms of a fee manager that charges."""
    surcharge, discounts = drawn
    listed = [
        {"feed_id": None if everywhere else feed, "token": token, "discount": share}
        for everywhere, token, share in discounts
    ]
    return {"native_surcharge": surcharge, "discounts": listed}


def chainlink_state(
    draw: st.DrawFn,
    generation: str,
    network: InsecureTestNetwork | None,
    fees: str | None,
    need: str,
) -> ChainlinkState:
    """A state of a generation. `need` is what it must have: see `Label.needs`."""
    signs = network or draw(oracle_networks())
    keys: dict[str, Any] = {}
    feeds = ("0x" + bytes(draw(feed_ids())).hex(),)
    kind = "charging" if need == "fees" else fees or draw(choice(fees_of(generation)))
    if kind == "charging":
        keys["fees"] = _terms(draw(_FEED_TERMS if generation == V03 else _ANY_TERMS), feeds[0])
    elif kind != "none":
        keys["fees"] = kind
    if need == "access" or draw(st.booleans()):
        keys["allowed"] = [SUBSCRIBER]
    if generation == V03:
        keys["feeds"] = feeds
    if generation == V04:
        applies = ACTIVATIONS[1:] if need == "activation" else ACTIVATIONS
        keys["configs"] = [config_of(signs) | {"activation_time": draw(choice(applies))}]
    elif need in ("retired", "deactivated") or draw(st.booleans()):
        keys |= keys_with_past(signs, generation, feeds[0], need == "deactivated")
    found: ChainlinkState = made_state(signs, generation, keys)
    return found
