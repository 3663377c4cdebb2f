"""Examples a second of every strategy, and how often each label of damage is drawn.

python -m benchmarks.strategies [--examples 2000]
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
    "captures": strategies.captures(),
}


def drawn(strategy: st.SearchStrategy[Any], examples: int) -> tuple[list[Any], float]:
    """Examples, and the seconds of CPU that they took."""
    begun = time.process_time()
    found = batch(strategy, 1, examples)
    return found, time.process_time() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--examples", type=int, default=2000)
    count = parser.parse_args().examples
    for name, strategy in STRATEGIES.items():
        found, seconds = drawn(strategy, count)
        print(f"{name:22} {len(found) / seconds:8,.0f} examples a second")
    found, _ = drawn(strategies.submissions(), 10 * count)
    labels = Counter(one.damage for one in found)
    print(f"\nof {len(found):,} submissions:")
    for label, often in labels.most_common():
        print(f"{label:22} {100 * often / len(found):6.2f} %")


if __name__ == "__main__":
    main()
