"""States of Stork Fast contracts of both generations that accept what a test signer signs."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from payloads.stork.state import MAX_SIGNERS, STORK_MULTISIGNER, StorkState
from payloads.strategies.calls import choice
from payloads.strategies.made import made_state
from payloads.strategies.stork.signed import stork_signers
from payloads.testing.networks import InsecureTestStorkSigner, stork_signer_of

_FEES = (0, 1, 10**15, 2**128)


def stork_state(
    draw: st.DrawFn,
    generation: str,
    signer: InsecureTestStorkSigner | None,
    fees: str | None,
    need: str,
) -> StorkState:
    """A state of a generation. `need` is `fee` where the state must have a fee."""
    signs = signer or draw(stork_signers())
    keys: dict[str, Any] = {"fee": draw(choice(_FEES[need == "fee" :]))}
    if generation == STORK_MULTISIGNER:
        names = [f"another {index}" for index in range(draw(st.integers(0, MAX_SIGNERS - 1)))]
        keys["others"] = [stork_signer_of(name).address for name in names]
    found: StorkState = made_state(signs, generation, keys)
    return found
