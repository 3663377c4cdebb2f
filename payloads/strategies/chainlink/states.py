"""States of verifier proxies of every generation that accept what a test network signs."""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import strategies as st

from payloads.chainlink.state import NO_OP, SCALE, V03, V04, V05, V051, ChainlinkState
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


@cache
def _terms(feeds: tuple[str, ...], everywhere: bool) -> st.SearchStrategy[dict[str, Any]]:
    """The terms of a fee manager that charges. v0.3.0 has no discount for all feeds."""
    discount = st.fixed_dictionaries(
        {
            "feed_id": st.sampled_from((*feeds, None) if everywhere else feeds),
            "token": st.sampled_from(("link", "native")),
            "discount": st.sampled_from(SHARES),
        }
    )
    return st.fixed_dictionaries(
        {
            "native_surcharge": st.sampled_from(SHARES),
            "discounts": st.lists(discount, max_size=2),
        }
    )


@cache
def chainlink_states(
    network: InsecureTestNetwork | None, generation: str, fees: str | None, need: str = ""
) -> st.SearchStrategy[ChainlinkState]:
    """States of a generation. `need` is what they must have: see `Label.needs`."""
    return _chainlink_states(network, generation, fees, need)


@st.composite
def _chainlink_states(
    draw: st.DrawFn,
    network: InsecureTestNetwork | None,
    generation: str,
    fees: str | None,
    need: str,
) -> ChainlinkState:
    signs = network or draw(oracle_networks())
    keys: dict[str, Any] = {}
    feeds = ("0x" + bytes(draw(feed_ids())).hex(),)
    kind = "charging" if need == "fees" else fees or draw(st.sampled_from(fees_of(generation)))
    if kind == "charging":
        keys["fees"] = draw(_terms(feeds, generation != V03))
    elif kind != "none":
        keys["fees"] = kind
    if need == "access" or draw(st.booleans()):
        keys["allowed"] = [SUBSCRIBER]
    if generation == V03:
        keys["feeds"] = feeds
    if generation == V04:
        applies = ACTIVATIONS[1:] if need == "activation" else ACTIVATIONS
        keys["configs"] = [config_of(signs) | {"activation_time": draw(st.sampled_from(applies))}]
    elif need in ("retired", "deactivated") or draw(st.booleans()):
        keys |= keys_with_past(signs, generation, feeds[0], need == "deactivated")
    found: ChainlinkState = made_state(signs, generation, keys)
    return found
