"""What the strategies promise is what the contracts do: every label, every generation.

`PAYLOADS_LANE` multiplies the number of examples, 15 of each label.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from payloads.chainlink.state import GENERATIONS
from payloads.stork.state import STORK, STORK_MULTISIGNER
from payloads.strategies import Submission, damages, labels_of, submissions
from payloads.testing import deployed

pytestmark = pytest.mark.onchain

EXAMPLES = 15 * int(os.environ.get("PAYLOADS_LANE", "1"))
_QUICK = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate),
)


def _agrees(made: Submission) -> None:
    outcome = deployed(made.state).submit(made)
    assert outcome.agrees(made), (made.damage, made.state.contract, made.verdict, outcome)


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
            _agrees(made)
            held[made.damage] += 1

        run()
    assert min(held.values()) > EXAMPLES / 2


@pytest.mark.parametrize("generation", ALL)
def test_every_drawn_damage_is_answered_as_it_promises(generation: str) -> None:
    @seed(20261130)
    @settings(_QUICK, max_examples=10 * EXAMPLES)
    @given(damages(generation=generation))
    def run(made: Submission) -> None:
        _agrees(made)

    run()
