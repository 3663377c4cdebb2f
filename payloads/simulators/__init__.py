"""The venues on loopback, for tests: no network, and credentials that are worth nothing.

    async with simulators.chainlink(rate=20, misbehave="cut@100") as venue:
        venue.url, venue.credentials       # what any client connects with
        venue.session()                    # a session of this library, ready to be driven

    with simulators.start("stork", bad_share=0.1) as venue:     # without asyncio: in a thread
        venue.state()                      # what verifies the signed payloads

A simulator checks credentials and messages as its venue does, streams synthetic data (the same for
the same seed), and misbehaves when told to (see `payloads.simulators.faults`). It knows the
protocol of a venue, not its market: prices are made up, and orders are never matched.

The simulators are those of the catalogue `payloads.venues.VENUES`, which is read at each call. Each
is imported when it is first asked for. The server is built on the sans-I/O part of `websockets`
(the extra `live`). Wrong use raises `Misuse`; a port that cannot be had raises `OSError`.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, cast, overload

from payloads import venues as catalogue
from payloads.errors import Misuse, shown
from payloads.simulators.base import Simulator
from payloads.simulators.faults import CORRUPTIONS, KINDS, Plan, Rule
from payloads.simulators.options import Counters, Made, Sent
from payloads.simulators.threaded import threaded

if TYPE_CHECKING:
    from payloads.simulators.venues.chainlink import ChainlinkSimulator
    from payloads.simulators.venues.ethgas import EthgasSimulator
    from payloads.simulators.venues.finery import FinerySimulator
    from payloads.simulators.venues.qfex import QfexSimulator
    from payloads.simulators.venues.stork import StorkSimulator

    chainlink = ChainlinkSimulator
    stork = StorkSimulator
    finery = FinerySimulator
    ethgas = EthgasSimulator
    qfex = QfexSimulator

__all__ = [
    "CORRUPTIONS", "KINDS", "ChainlinkSimulator", "Counters", "EthgasSimulator", "FinerySimulator",
    "Made", "Plan", "QfexSimulator", "Rule", "Sent", "Simulator", "StorkSimulator", "chainlink",
    "class_of", "ethgas", "finery", "make", "names", "qfex", "start", "stork",
]  # fmt: skip


def names() -> tuple[str, ...]:
    """The venues of the catalogue that have a simulator."""
    return tuple(name for name, venue in catalogue.VENUES.items() if venue.simulator)


def class_of(venue: str) -> type[Simulator]:
    """The simulator's class by its venue's name."""
    if venue not in names():
        known = ", ".join(names())
        raise Misuse("no such venue", field="venue", expected=known, found=shown(venue))
    module, _, name = catalogue.VENUES[venue].simulator.partition(":")
    return cast(type[Simulator], getattr(import_module(module), name))


def make(venue: str, **options: Any) -> Simulator:
    """A simulator by its venue's name, for `async with`."""
    return class_of(venue)(**options)


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
    return threaded(make(venue, **options))


def __getattr__(name: str) -> Any:
    """A simulator's class, by its own name or by its venue's."""
    for venue in names():
        if name in (venue, catalogue.VENUES[venue].simulator.rpartition(":")[2]):
            return class_of(venue)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
