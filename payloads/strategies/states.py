"""States of the contracts of every generation, whose signers' keys everyone knows."""

from __future__ import annotations

from hypothesis import strategies as st

from payloads.strategies.arguments import check_choice, check_type, wrong
from payloads.strategies.chainlink.states import FEES
from payloads.strategies.systems import ALL_GENERATIONS, SYSTEMS, Network, system_of
from payloads.testing.networks import InsecureTestNetwork, InsecureTestStorkSigner
from payloads.verdicts.state import State


def generations_for(
    function: str, network: Network | None, generation: str | None
) -> tuple[str, ...]:
    """The generations that the arguments of a strategy allow."""
    check_choice(function, "generation", generation, ALL_GENERATIONS)
    check_type(function, "network", network, InsecureTestNetwork, InsecureTestStorkSigner)
    known = ALL_GENERATIONS
    if network is not None:
        known = next(one.generations for one in SYSTEMS if isinstance(network, one.signs))
    check_choice(function, "generation", generation, known)
    return known if generation is None else (generation,)


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
    fitting = [one for one in known if fees is None or fees in system_of(one).fees(one)]
    if not fitting:
        raise wrong("chain_states", "fees", fees, f"none, or another generation than {generation}")
    return st.one_of([_states(one, network, fees) for one in fitting])


@st.composite
def _states(draw: st.DrawFn, generation: str, network: Network | None, fees: str | None) -> State:
    state: State = system_of(generation).draw_state(draw, generation, network, fees, "")
    return state
