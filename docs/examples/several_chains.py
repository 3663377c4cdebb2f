"""Several chains: the same report to the proxy of each, with the state of each.

    export PAYLOADS_CHAINLINK_KEY=… PAYLOADS_CHAINLINK_SECRET=…
    python -m docs.examples.several_chains ACCOUNT FEED ENDPOINT RPC_URL=PROXY RPC_URL=PROXY …

ACCOUNT is an account of every node. It pays in LINK, which it has allowed the reward managers to
take. A chain that cannot be asked, or refuses, does not keep the others waiting.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack

from web3 import Web3

from payloads import PayloadError
from payloads.chain import LiveState, States, build_transaction, send_guarded
from payloads.chainlink import FullReport
from payloads.live import reports


def send(nodes: list[Web3], states: States, report: FullReport) -> list[str]:
    """What became of the report on each chain."""
    outcomes = []
    for w3, state in zip(nodes, states, strict=True):
        transaction = build_transaction(report, state, pay="link")
        try:
            # Of all states, that of the node's chain and of `to` is taken.
            sent = send_guarded(w3, transaction, states)
        except PayloadError as problem:  # refused, or the node does not answer; nothing was sent
            outcomes.append(f"chain {state.chain_id}: {problem}")
        else:
            outcomes.append(f"chain {state.chain_id}: sent {sent.hash.to_0x_hex()}")
    return outcomes


def main(account: str, feed: str, endpoint: str, *chains: str) -> None:
    pairs = [chain.rpartition("=")[::2] for chain in chains]
    nodes = [Web3(Web3.HTTPProvider(url)) for url, _ in pairs]
    with ExitStack() as stack:
        live = [
            stack.enter_context(LiveState(url, proxy, subscriber=account)) for url, proxy in pairs
        ]
        print(*send(nodes, States(live), reports.latest(feed, endpoint=endpoint)), sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
