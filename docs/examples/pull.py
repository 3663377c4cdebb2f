"""Pull: ask for the latest report over REST, judge it, and send it.

    export PAYLOADS_CHAINLINK_KEY=… PAYLOADS_CHAINLINK_SECRET=…
    python -m docs.examples.pull RPC_URL PROXY ACCOUNT FEED [ENDPOINT]

ACCOUNT is an account of the node, and pays natively. For a key of your own, put
`SignAndSendRawMiddlewareBuilder` of web3.py into the onion.
"""

from __future__ import annotations

import sys

from web3 import Web3

from payloads import Refused, State
from payloads.chain import Policy, Sent, build_transaction, fetch_state, send_guarded
from payloads.live import reports

POLICY = Policy(max_fee=10**16)


def keep(w3: Web3, state: State, feed: str, endpoint: str = "mainnet") -> Sent:
    """Send the latest report of a feed; `Refused` if it would not pass."""
    report = reports.latest(feed, endpoint=endpoint)
    transaction = build_transaction(report, state, pay="native")
    return send_guarded(w3, transaction, state, POLICY)


def main(rpc: str, proxy: str, account: str, feed: str, endpoint: str = "mainnet") -> int:
    w3 = Web3(Web3.HTTPProvider(rpc))
    state = fetch_state(w3, proxy, subscriber=account)
    try:
        sent = keep(w3, state, feed, endpoint)
    except Refused as refusal:  # nothing was sent
        print(refusal)
        return 1
    print("sent", sent.hash.to_0x_hex(), *sent.findings)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
