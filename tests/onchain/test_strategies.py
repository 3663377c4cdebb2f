"""What the strategies promise is what the contracts do: every label, every generation.

`PAYLOADS_LANE` multiplies the number of examples, 15 of each label.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from payloads.chainlink.state import GENERATIONS
from payloads.stork.state import STORK, STORK_MULTISIGNER
from payloads.strategies import Submission, damages, labels_of, submissions
from tests.onchain.evm import Outcome
from tests.onchain.worlds import RealChainlink, StorkWorld

pytestmark = pytest.mark.onchain

EXAMPLES = 15 * int(os.environ.get("PAYLOADS_LANE", "1"))
_QUICK = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate),
)


def _of_chainlink(made: Submission) -> Outcome:
    world: Any = made.state.to_dict() | {"now": made.now}
    built = RealChainlink(world, allowed=True if "access_controller" in world else None)
    built.chain.give(made.sender, 2**200)
    return built.chain.call(built.proxy, bytes(made.calldata), sender=made.sender, value=made.value)


def _of_stork(made: Submission) -> Outcome:
    return StorkWorld(made.state.to_dict()).raw(bytes(made.calldata), made.value)


def _agrees(made: Submission, outcome: Outcome) -> None:
    shown = (made.damage, made.state.contract, made.verdict, outcome)
    if made.revert_data is not None:
        assert (outcome.ok, outcome.data) == (False, made.revert_data), shown
        return
    assert outcome.ok, shown
    if made.function == "verifySignedECDSAPayload":
        assert bool(int.from_bytes(outcome.data, "big")) is made.accepted, shown
    else:
        assert made.accepted, shown


ALL = [*GENERATIONS, STORK, STORK_MULTISIGNER]


@pytest.mark.parametrize("generation", ALL)
def test_every_label_promises_what_the_contracts_do(generation: str) -> None:
    is_stork = generation in (STORK, STORK_MULTISIGNER)
    held: Counter[str] = Counter()

    for name in labels_of("stork" if is_stork else "chainlink").of(generation):

        @seed(20261130)
        @settings(_QUICK)
        @given(submissions(generation=generation, only=[name]))
        def run(made: Submission) -> None:
            _agrees(made, _of_stork(made) if is_stork else _of_chainlink(made))
            held[made.damage] += 1

        run()
    assert min(held.values()) > EXAMPLES / 2


@pytest.mark.parametrize("generation", ALL)
def test_every_drawn_damage_is_answered_as_it_promises(generation: str) -> None:
    is_stork = generation in (STORK, STORK_MULTISIGNER)

    @seed(20261130)
    @settings(_QUICK, max_examples=10 * EXAMPLES)
    @given(damages(generation=generation))
    def run(made: Submission) -> None:
        _agrees(made, _of_stork(made) if is_stork else _of_chainlink(made))

    run()
