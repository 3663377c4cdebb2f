"""asyncio: reports as they come, over a websocket to the venue and another one to the node.

    export PAYLOADS_CHAINLINK_KEY=… PAYLOADS_CHAINLINK_SECRET=…
    python -m docs.examples.with_asyncio RPC_URL WS_RPC_URL PROXY ACCOUNT FEED [ENDPOINT [COUNT]]

ACCOUNT is an account of the node, and pays natively. COUNT is how many transactions are sent;
without it, there is no end.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from web3 import AsyncWeb3, WebSocketProvider

from payloads import Refused
from payloads.chain import LiveState, Policy, Sent, aio, build_transaction
from payloads.live import connect
from payloads.venues import Data, Session, session

POLICY = Policy(max_fee=10**16)


async def send(w3: Any, live: LiveState, report: bytes) -> Sent | None:
    try:
        transaction = build_transaction(report, live.state, pay="native")
        return await aio.send_guarded(w3, transaction, live, POLICY)
    except Refused as refusal:  # nothing was sent
        print(refusal)
        return None


async def keep(ws_rpc: str, live: LiveState, source: Session, count: str) -> None:
    """Send each report that passes, until there are `count`."""
    done = 0
    async with AsyncWeb3(WebSocketProvider(ws_rpc)) as w3, connect(source) as connection:
        async for event in connection.events():
            if isinstance(event, Data) and event.payload is not None:
                if sent := await send(w3, live, event.payload):
                    print("sent", sent.hash.to_0x_hex())
                    done += 1
                if str(done) == count:
                    return


def main(
    rpc: str, ws_rpc: str, proxy: str, account: str, feed: str, endpoint: str = "", count: str = ""
) -> None:
    source = session("chainlink", [feed], endpoint=endpoint)
    assert isinstance(source, Session)
    with LiveState(rpc, proxy, subscriber=account) as live:  # a thread of its own keeps it new
        asyncio.run(keep(ws_rpc, live, source, count))


if __name__ == "__main__":
    main(*sys.argv[1:])
