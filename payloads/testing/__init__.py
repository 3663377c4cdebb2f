"""Oracles for tests: keys that are no secret, signing real payload formats.

INSECURE BY DESIGN. Every private key here follows from a public seed, so nothing that these sign is
worth anything. They exist for tests, simulators and strategies; they cannot hold a real key.

    network = InsecureTestNetwork()
    payload = network.sign(report)               # a `FullReport`
    state = network.state("v0.5.1", fees=True)   # the state of a contract that accepts it
    wrapped(payload)                             # its frame, REST reply and calldata
    cost(payload, state)                         # fee, value and gas of the call
    damaged(payload, "bit-flip", by=network)     # the same call, broken, and its verdict
    deployed(state).verify(payload)              # the real contracts' answer, in an EVM

`InsecureTestStorkSigner` does the same for Stork Fast. A `SettableClock` is the time of states,
simulators and the guard. Nothing here needs Hypothesis: `payloads.strategies` draws such values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from payloads._late import late

if TYPE_CHECKING:
    from payloads.testing.clock import ClockNode, SettableClock
    from payloads.testing.costs import Cost, cost
    from payloads.testing.damaging import damaged
    from payloads.testing.networks import (
        LINK,
        NATIVE,
        SUBSCRIBER,
        InsecureTestNetwork,
        InsecureTestStorkSigner,
        signed_insecurely,
    )
    from payloads.testing.onchain.contract import CallOutcome, DeployedContract, deployed
    from payloads.testing.submission import Submission
    from payloads.testing.wrapping import Wrapped, wrapped

__all__ = [
    "LINK", "NATIVE", "SUBSCRIBER", "CallOutcome", "ClockNode", "Cost", "DeployedContract",
    "InsecureTestNetwork", "InsecureTestStorkSigner", "SettableClock", "Submission", "Wrapped",
    "cost", "damaged", "deployed", "signed_insecurely", "wrapped",
]  # fmt: skip

_MODULES = {
    "damaged": "damaging",
    **dict.fromkeys(("ClockNode", "SettableClock"), "clock"),
    **dict.fromkeys(("Cost", "cost"), "costs"),
    **dict.fromkeys(("LINK", "NATIVE", "SUBSCRIBER", "InsecureTestNetwork"), "networks"),
    **dict.fromkeys(("InsecureTestStorkSigner", "signed_insecurely"), "networks"),
    **dict.fromkeys(("CallOutcome", "DeployedContract", "deployed"), "onchain.contract"),
    **dict.fromkeys(("Wrapped", "wrapped"), "wrapping"),
    "Submission": "submission",
}

__getattr__, __dir__ = late(__name__, _MODULES)
