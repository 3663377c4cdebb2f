"""The five venues on loopback, for tests: no network, and credentials that are worth nothing.

    async with simulators.chainlink(rate=20, misbehave="cut@100") as venue:
        venue.url, venue.credentials       # what any client connects with
        venue.session()                    # a session of this library, ready to be driven

    with simulators.start("stork", bad_share=0.1) as venue:     # without asyncio: in a thread
        venue.state()                      # what verifies the signed payloads

A simulator checks credentials and messages as its venue does, streams synthetic data (the same for
the same seed), and misbehaves as it is told to (see `misbehaviour`). It knows how a venue speaks,
not what it is worth: prices are made up, and orders meet nobody.

The server is built on the sans-I/O part of `websockets` (the extra `live`). Everything that a user
gets wrong is `Misuse`; `OSError` comes out where a port cannot be had.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Literal, overload

from payloads.errors import Misuse, shown
from payloads.simulators.base import Simulator
from payloads.simulators.faults import CORRUPTIONS, KINDS, Plan, Rule
from payloads.simulators.options import Counters, Made, Sent
from payloads.simulators.threaded import running
from payloads.simulators.venues.chainlink import ChainlinkSimulator
from payloads.simulators.venues.ethgas import EthgasSimulator
from payloads.simulators.venues.finery import FinerySimulator
from payloads.simulators.venues.qfex import QfexSimulator
from payloads.simulators.venues.stork import StorkSimulator

__all__ = [
    "CORRUPTIONS", "KINDS", "VENUES", "ChainlinkSimulator", "Counters", "EthgasSimulator",
    "FinerySimulator", "Made", "Plan", "QfexSimulator", "Rule", "Sent", "Simulator",
    "StorkSimulator", "chainlink", "ethgas", "finery", "make", "qfex", "start", "stork",
]  # fmt: skip

chainlink = ChainlinkSimulator
stork = StorkSimulator
finery = FinerySimulator
ethgas = EthgasSimulator
qfex = QfexSimulator

VENUES: dict[str, type[Simulator]] = {
    one.venue: one for one in (chainlink, stork, finery, ethgas, qfex)
}


def make(venue: str, **options: Any) -> Simulator:
    """A simulator by its venue's name, for `async with`."""
    if venue not in VENUES:
        known = ", ".join(VENUES)
        raise Misuse("no such venue", field="venue", expected=known, found=shown(venue))
    return VENUES[venue](**options)


@overload
def start(
    venue: Literal["chainlink"], **options: Any
) -> AbstractContextManager[ChainlinkSimulator]: ...
@overload
def start(venue: Literal["stork"], **options: Any) -> AbstractContextManager[StorkSimulator]: ...
@overload
def start(venue: Literal["finery"], **options: Any) -> AbstractContextManager[FinerySimulator]: ...
@overload
def start(venue: Literal["ethgas"], **options: Any) -> AbstractContextManager[EthgasSimulator]: ...
@overload
def start(venue: Literal["qfex"], **options: Any) -> AbstractContextManager[QfexSimulator]: ...
@overload
def start(venue: str, **options: Any) -> AbstractContextManager[Simulator]: ...


def start(venue: str, **options: Any) -> AbstractContextManager[Any]:
    """A simulator served from a thread of its own, for `with`."""
    return running(make(venue, **options))
