"""What the strategies know of each system, in a table: a third system is one line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from payloads.chainlink.state import GENERATIONS
from payloads.stork.state import STORK, STORK_MULTISIGNER
from payloads.strategies.chainlink import calls as chainlink_calls
from payloads.strategies.chainlink.signed import oracle_networks
from payloads.strategies.chainlink.states import chainlink_state, fees_of
from payloads.strategies.stork import calls as stork_calls
from payloads.strategies.stork.signed import stork_signers
from payloads.strategies.stork.states import stork_state
from payloads.testing.chainlink.damage import LABELS as CHAINLINK_LABELS
from payloads.testing.damage import Labels
from payloads.testing.networks import InsecureTestNetwork, InsecureTestStorkSigner
from payloads.testing.stork.damage import LABELS as STORK_LABELS
from payloads.testing.submission import Submission
from payloads.verdicts.state import State

Network = InsecureTestNetwork | InsecureTestStorkSigner


@dataclass(frozen=True, kw_only=True)
class SystemStrategies:
    """The strategies of a system. `signs` is the type of what signs for its contracts."""

    name: str
    generations: tuple[str, ...]
    labels: Labels
    signs: type[Any]
    networks: Callable[[], st.SearchStrategy[Any]]
    # Of a generation, a network, a kind of fees or None, and what the state must have. These two
    # draw, and are no strategies: a new strategy for each state and network would cost more.
    draw_state: Callable[[st.DrawFn, str, Any, str | None, str], Any]
    # The kinds of fees that the contracts of a generation can have.
    fees: Callable[[str], tuple[str, ...]]
    # A call of a state's contract, signed by a network, with the label of this name.
    draw_submission: Callable[[st.DrawFn, Any, Any, str], Submission]
    # The addresses that may sign, of a network and by a state.
    addresses: Callable[[Any], tuple[str, ...]]
    trusted: Callable[[Any], set[bytes]]
    # The module and the class of a keeper's world, imported when a machine is asked for.
    world: str


def _chainlink_trusted(state: Any) -> set[bytes]:
    return {bytes(signer) for config in state.in_force for signer in config.signers}


SYSTEMS = (
    SystemStrategies(
        name="chainlink",
        generations=GENERATIONS,
        labels=CHAINLINK_LABELS,
        signs=InsecureTestNetwork,
        networks=oracle_networks,
        draw_state=chainlink_state,
        fees=fees_of,
        draw_submission=chainlink_calls.submission,
        addresses=lambda network: network.signers,
        trusted=_chainlink_trusted,
        world="payloads.strategies.chainlink.world:ChainlinkWorld",
    ),
    SystemStrategies(
        name="stork",
        generations=(STORK, STORK_MULTISIGNER),
        labels=STORK_LABELS,
        signs=InsecureTestStorkSigner,
        networks=stork_signers,
        draw_state=stork_state,
        fees=lambda generation: (),
        draw_submission=stork_calls.submission,
        addresses=lambda signer: (signer.address,),
        trusted=lambda state: set(state.trusted),
        world="payloads.strategies.stork.world:StorkWorld",
    ),
)
ALL_GENERATIONS = tuple(one for system in SYSTEMS for one in system.generations)


def system_of(generation: str) -> SystemStrategies:
    """The system whose contract that is."""
    return next(system for system in SYSTEMS if generation in system.generations)


def labels_of(system: str) -> Labels:
    """The labels of a system, by its name."""
    return next(one.labels for one in SYSTEMS if one.name == system)


def trusts(state: State, network: Network) -> bool:
    """Whether the state's contract takes what the network signs."""
    system = system_of(state.contract)
    if not isinstance(network, system.signs):
        return False
    mine = {bytes.fromhex(address[2:]) for address in system.addresses(network)}
    return mine <= system.trusted(state)
