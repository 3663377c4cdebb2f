"""States of the contracts of every generation, whose signers' keys everyone knows."""

from __future__ import annotations

import json
from functools import cache, lru_cache
from typing import Any

from hypothesis import strategies as st

from payloads.chainlink.state import GENERATIONS, NO_OP, SCALE, V03, V04, V05, V051, ChainlinkState
from payloads.crypto import keccak256
from payloads.stork.state import MAX_SIGNERS, STORK, STORK_MULTISIGNER, StorkState
from payloads.strategies.arguments import check_choice, check_type, wrong
from payloads.strategies.reports import feed_ids
from payloads.strategies.signed import oracle_networks, stork_signer_of, stork_signers
from payloads.testing import SUBSCRIBER, InsecureTestNetwork, InsecureTestStorkSigner
from payloads.verdicts.state import State

CHAINLINK = GENERATIONS
STORK_GENERATIONS = (STORK, STORK_MULTISIGNER)
ALL_GENERATIONS = (*CHAINLINK, *STORK_GENERATIONS)
FEES = ("none", "charging", *NO_OP)
_WITH_NO_OP = (V05, V051)
# Shares of `SCALE`: the ends, a third that does not divide, and one unit beside each end.
SHARES = (0, 10**17, SCALE // 3, SCALE - 1, 1, SCALE)
# The times that a config of v0.4.0 applies from, before every report that is made here.
ACTIVATIONS = (0, 1, 1_500_000_000)
Network = InsecureTestNetwork | InsecureTestStorkSigner


def retired_digest(network: InsecureTestNetwork) -> bytes:
    """The digest of the config that a state has besides, and that was deactivated."""
    return network.config_digest[:2] + keccak256(b"retired" + network.config_digest)[2:]


@lru_cache(maxsize=4096)
def _made(network: Network, generation: str, keys: str) -> State:
    """A state by its keys as JSON. Examples repeat, and to read one takes a millisecond."""
    return network.state(generation, **json.loads(keys))


def _state(network: Network, generation: str, keys: dict[str, Any]) -> State:
    return _made(network, generation, json.dumps(keys))


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
        keys["configs"] = [_config(signs) | {"activation_time": draw(st.sampled_from(applies))}]
    elif need in ("retired", "deactivated") or draw(st.booleans()):
        keys |= _more_configs(signs, generation, feeds[0], need == "deactivated")
    found = _state(signs, generation, keys)
    assert isinstance(found, ChainlinkState)
    return found


def _config(network: InsecureTestNetwork) -> dict[str, Any]:
    return {"signers": list(network.signers), "f": network.f}


def _more_configs(
    network: InsecureTestNetwork, generation: str, feed: str, deactivated: bool
) -> dict[str, Any]:
    """Keys for the network's config and an older one; and for a feed that was deactivated."""
    mine = _config(network) | {"config_digest": "0x" + network.config_digest.hex()}
    old = mine | {"config_digest": "0x" + retired_digest(network).hex(), "active": False}
    if generation != V03:
        return {"configs": [old, mine]}
    both = [config | {"feed_id": feed} for config in (old, mine)]
    if not deactivated:
        return {"configs": both}
    gone = feed[:6] + "dd" * 30
    return {"configs": [*both, mine | {"feed_id": gone}], "deactivated_feeds": [gone]}


@cache
def stork_states(
    signer: InsecureTestStorkSigner | None, generation: str, need: str = ""
) -> st.SearchStrategy[StorkState]:
    """States of a generation. `need` is `fee` where there must be one."""
    return _stork_states(signer, generation, need)


@st.composite
def _stork_states(
    draw: st.DrawFn, signer: InsecureTestStorkSigner | None, generation: str, need: str
) -> StorkState:
    signs = signer or draw(stork_signers())
    keys: dict[str, Any] = {"fee": draw(st.sampled_from((0, 1, 10**15, 2**128)[need == "fee" :]))}
    if generation == STORK_MULTISIGNER:
        names = [f"another {index}" for index in range(draw(st.integers(0, MAX_SIGNERS - 1)))]
        keys["others"] = [stork_signer_of(name).address for name in names]
    found = _state(signs, generation, keys)
    assert isinstance(found, StorkState)
    return found


def generations_for(
    function: str, network: Network | None, generation: str | None
) -> tuple[str, ...]:
    """The generations that the arguments of a strategy allow."""
    check_choice(function, "generation", generation, ALL_GENERATIONS)
    check_type(function, "network", network, InsecureTestNetwork, InsecureTestStorkSigner)
    known: tuple[str, ...] = ALL_GENERATIONS
    if isinstance(network, InsecureTestNetwork):
        known = CHAINLINK
    elif network is not None:
        known = STORK_GENERATIONS
    check_choice(function, "generation", generation, known)
    return known if generation is None else (generation,)


def states_of(
    generation: str, network: Any, fees: str | None = None, need: str = ""
) -> st.SearchStrategy[Any]:
    """States of a generation of either system."""
    if generation in CHAINLINK:
        return chainlink_states(network, generation, fees, need)
    return stork_states(network, generation, need)


def chain_states(
    *,
    network: Network | None = None,
    generation: str | None = None,
    fees: str | None = None,
) -> st.SearchStrategy[State]:
    """States of contracts that accept what a network signs (or a Stork signer).

    `generation` is one of `v0.3.0`, `v0.4.0`, `v0.5.0`, `v0.5.1`, `stork-fast-1.0.0` and
    `stork-fast-1.0.0-multisigner`. `fees` is `none`, `charging`, or the type of a fee manager that
    does nothing. An access controller, if there is one, admits the subscriber.
    """
    known = generations_for("chain_states", network, generation)
    check_choice("chain_states", "fees", fees, FEES)
    fitting = [one for one in known if fees is None or (one in CHAINLINK and fees in fees_of(one))]
    if not fitting:
        raise wrong("chain_states", "fees", fees, f"none, or another generation than {generation}")
    return st.one_of([states_of(one, network, fees) for one in fitting])
