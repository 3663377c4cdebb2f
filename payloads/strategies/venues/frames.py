"""The messages of the five venues, each with what it says."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from hypothesis import strategies as st

from payloads.strategies.arguments import check_choice, check_type, wrong
from payloads.strategies.systems import Network
from payloads.strategies.venues.ethgas_frames import ethgas_frames
from payloads.strategies.venues.finery_frames import finery_frames
from payloads.strategies.venues.message import VenueFrame
from payloads.strategies.venues.qfex_frames import qfex_frames, qfex_trade_frames
from payloads.strategies.venues.signed_frames import chainlink_frames, stork_frames
from payloads.testing.networks import InsecureTestNetwork, InsecureTestStorkSigner

ByKind = dict[str, st.SearchStrategy[VenueFrame]]

FRAMES: dict[str, Callable[[Any], ByKind]] = {
    "chainlink": chainlink_frames,
    "stork": stork_frames,
    "finery": lambda _: finery_frames(),
    "ethgas": lambda _: ethgas_frames(),
    "qfex": lambda _: qfex_frames(),
    "qfex-trade": lambda _: qfex_trade_frames(),
}
_SIGN: dict[str, type[Any]] = {"chainlink": InsecureTestNetwork, "stork": InsecureTestStorkSigner}


@cache
def kinds(venue: str) -> ByKind:
    """The messages of a venue by their kind."""
    return FRAMES[venue](None)


def frames(
    *, venue: str | None = None, kind: str | None = None, network: Network | None = None
) -> st.SearchStrategy[VenueFrame]:
    """Messages that a venue sends, or any venue; each says what is in it.

    There are all kinds of messages that our sessions know: data, answers to subscriptions and
    logins, errors; `kind` names one of them. With a `network` (a Stork signer for Stork) there are
    only the payloads that it signs. The others are written from the records that are read of them.
    """
    check_choice("frames", "venue", venue, FRAMES)
    check_type("frames", "network", network, InsecureTestNetwork, InsecureTestStorkSigner)
    names = [name for name in FRAMES if network is None or _signs(name, network)]
    if venue is not None and venue not in names:
        raise wrong("frames", "network", network, f"none, or what signs for {venue}")
    if kind is not None and venue is None:
        raise wrong("frames", "venue", venue, "the venue whose kind of message it is")
    if venue is None:
        return st.one_of([_of_venue(name, network) for name in names])
    check_choice("frames", "kind", kind, FRAMES[venue](network))
    return _of_venue(venue, network) if kind is None else FRAMES[venue](network)[kind]


@cache
def _of_venue(venue: str, network: Any) -> st.SearchStrategy[VenueFrame]:
    return st.one_of([*FRAMES[venue](network).values()])


def _signs(venue: str, network: Network) -> bool:
    return venue in _SIGN and isinstance(network, _SIGN[venue])
