"""Requests of a live state: the first reading of a long chain, and a step after it.

    python -m benchmarks.refresh              # 100 million blocks, logs of 10,000 at a time
    python -m benchmarks.refresh --check      # exit 1 when a step takes more than 20

The chain is made up and in memory (`tests/chain/streams_chain.py`): Chainlink v0.5.0 with a fee
manager and an access controller. Requests are counted, so the figures are the same on any machine.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable

from payloads.chain import LiveState, fetch_state
from tests.chain.stork_chain import ADDRESS
from tests.chain.streams_chain import KEEPER, LongChain

MOST = 20


def counted(chain: LongChain, act: Callable[[], object]) -> Counter[str]:
    """The requests that this takes, by method."""
    chain.asked.clear()
    act()
    return Counter(method for method, _ in chain.asked)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.refresh",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--blocks", type=int, default=100_000_000)
    parser.add_argument("--range", type=int, default=10_000, help="blocks of one eth_getLogs")
    parser.add_argument("--check", action="store_true", help="exit 1 when the goal is missed")
    options = parser.parse_args()
    chain = LongChain(options.range, options.blocks)
    live = LiveState(chain, ADDRESS, subscriber=KEEPER, max_age=None)
    first = counted(chain, live.refresh)
    chain.empty += 50
    step = counted(chain, live.refresh)
    whole = counted(chain, lambda: fetch_state(chain, ADDRESS, subscriber=KEEPER))
    idle = counted(chain, live.refresh)
    rows = {"fetch_state": whole, "LiveState, first": first, "a step, 50 blocks later": step,
            "a step, no block later": idle}  # fmt: skip
    print(f"{'':26}{'requests':>10}{'of them eth_getLogs':>22}")
    for name, requests in rows.items():
        print(f"{name:26}{requests.total():10,}{requests['eth_getLogs']:22,}")
    if step.total() > MOST:
        print(f"goal missed: a step takes at most {MOST} requests")
    return int(options.check and step.total() > MOST)


if __name__ == "__main__":
    raise SystemExit(main())
