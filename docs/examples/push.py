"""Push: stream the reports of several feeds, judge each, and verify them in one call.

    export PAYLOADS_CHAINLINK_KEY=… PAYLOADS_CHAINLINK_SECRET=…
    python -m docs.examples.push RPC_URL PROXY ACCOUNT FEED,FEED,… [ENDPOINT [COUNT]]

ACCOUNT is an account of the node that lets the reward manager take its LINK. The end is after COUNT
transactions, or never.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

from web3 import Web3

from payloads import Refused, State, judge
from payloads.chain import LiveState, Sent, build_transaction, send_guarded
from payloads.live import stream
from payloads.venues import Data, Session, SessionGroup, session


def batches(state: LiveState, source: Session | SessionGroup, size: int) -> Iterator[list[bytes]]:
    """The newest accepted report of each feed, whenever there is one of every feed."""
    newest: dict[str, bytes] = {}
    for delivery in stream(source):
        for event in delivery.events:
            if isinstance(event, Data) and event.payload is not None:
                if judge(event.payload, state.state, pay="link", now=int(time.time())):
                    newest[event.channel] = event.payload
        if len(newest) == size:
            yield list(newest.values())
            newest.clear()


def send(w3: Web3, state: State, reports: list[bytes]) -> Sent | None:
    try:
        return send_guarded(w3, build_transaction(reports, state, pay="link"), state)
    except Refused as refusal:  # nothing was sent
        print(refusal)
        return None


def main(
    rpc: str, proxy: str, account: str, feeds: str, endpoint: str = "", count: str = ""
) -> None:
    w3, wanted = Web3(Web3.HTTPProvider(rpc)), feeds.split(",")
    source = session("chainlink", wanted, endpoint=endpoint)
    with LiveState(rpc, proxy, subscriber=account) as live:  # a thread keeps it new
        for number, reports in enumerate(batches(live, source, len(wanted)), 1):
            if sent := send(w3, live.state, reports):
                print("sent", sent.hash.to_0x_hex())
            if str(number) == count:
                return


if __name__ == "__main__":
    main(*sys.argv[1:])
