"""Stork: stream signed updates, and send each that the contract would take.

    export PAYLOADS_STORK_TOKEN=…
    python -m docs.examples.stork RPC_URL CONTRACT ACCOUNT ASSET,ASSET,… [ENDPOINT [COUNT]]

ACCOUNT is an account of the node. It ends after COUNT transactions, or never.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from web3 import Web3

from payloads import Refused
from payloads.chain import LiveState, Policy, build_transaction, send_guarded
from payloads.live import stream
from payloads.venues import Data, Session, SessionGroup, session

POLICY = Policy(refuse=("danger", "stork-overpaid"), max_fee=10**15)


def updates(source: Session | SessionGroup) -> Iterator[bytes]:
    """The signed updates as they come."""
    for delivery in stream(source):
        for event in delivery.events:
            if isinstance(event, Data) and event.payload is not None:
                yield event.payload


def keep(w3: Web3, live: LiveState, update: bytes, account: str) -> bool:
    """Send an update, unless the contract would revert or return false."""
    try:
        transaction = build_transaction(update, live.state, pay="native", sender=account)
        sent = send_guarded(w3, transaction, live, POLICY)
    except Refused as refusal:  # nothing was sent
        print(refusal)
        return False
    print("sent", sent.hash.to_0x_hex())
    return True


def main(
    rpc: str, contract: str, account: str, assets: str, endpoint: str = "", count: str = ""
) -> None:
    w3 = Web3(Web3.HTTPProvider(rpc))
    source = session("stork", assets.split(","), endpoint=endpoint)
    with LiveState(rpc, contract) as live:  # a thread keeps it new
        done = 0
        for update in updates(source):
            done += keep(w3, live, update, account)
            if str(done) == count:
                return


if __name__ == "__main__":
    main(*sys.argv[1:])
