"""Examples a second of every strategy, and how often each label of damage is drawn.

And in how many runs of 200 examples a test of an imaginary keeper finds each planted bug.

python -m benchmarks.strategies [--examples 2000] [--runs 30]
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from typing import Any

from hypothesis import strategies as st

from payloads import strategies
from payloads.strategies.examples import batch
from payloads.strategies.venues.frames import FRAMES
from payloads.testing import InsecureTestNetwork
from tests.test_fuzzed_keeper import BUGS, Keeper, fails, seeded

NETWORK = InsecureTestNetwork()
STRATEGIES: dict[str, st.SearchStrategy[Any]] = {
    "feed_ids": strategies.feed_ids(),
    "reports": strategies.reports(),
    "oracle_networks": strategies.oracle_networks(),
    "full_reports": strategies.full_reports(),
    "stork_signers": strategies.stork_signers(),
    "assets": strategies.assets(),
    "stork_updates": strategies.stork_updates(),
    "chain_states": strategies.chain_states(),
    "submissions": strategies.submissions(),
    "submissions(state=)": strategies.submissions(state=NETWORK.state(fees=True), network=NETWORK),
    "damages": strategies.damages(),
    "calldata": strategies.calldata(),
    "consumer_calldata": strategies.consumer_calldata(),
    **{f"frames({venue})": strategies.frames(venue=venue) for venue in FRAMES},
    "rest_replies": strategies.rest_replies(),
    "rest_replies(damaged)": strategies.rest_replies(damaged=True),
    "captures": strategies.captures(),
}


def drawn(strategy: st.SearchStrategy[Any], examples: int) -> tuple[list[Any], float]:
    """Examples, and the seconds of CPU that they took."""
    begun = time.process_time()
    found = batch(strategy, 1, examples)
    return found, time.process_time() - begun


# Hypothesis changes no example of a run's first ten into others: those are drawn independently.
_RUN = 10


def labels_drawn(count: int) -> Counter[str]:
    """How often each label is drawn, in so many independent draws."""
    strategy, found = strategies.submissions(), Counter[str]()
    for number in range(count):
        found.update(one.damage for one in batch(strategy, number, _RUN))
        if found.total() >= count:
            break
    return found


def bugs_found(runs: int) -> Counter[str]:
    """In how many runs, each with a seed of its own, each planted bug is found."""
    return Counter(
        bug for bug, which in BUGS.items() for number in range(runs)
        if fails(Keeper(bug), which, seeded(number))
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--examples", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=30)
    arguments = parser.parse_args()
    count = arguments.examples
    for name, strategy in STRATEGIES.items():
        found, seconds = drawn(strategy, count)
        print(f"{name:22} {len(found) / seconds:8,.0f} examples a second")
    labels = labels_drawn(5 * count)
    print(f"\nof {labels.total():,} submissions:")
    for label, often in labels.most_common():
        print(f"{label:22} {100 * often / labels.total():6.2f} %")
    print(f"\nfound within 200 examples, of {arguments.runs} runs:")
    found_in = bugs_found(arguments.runs)
    for bug in BUGS:
        print(f"{bug:30} {found_in[bug]:4}")


if __name__ == "__main__":
    main()
