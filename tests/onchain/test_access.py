"""The published access controllers in the EVM, which look at the sender and at `tx.origin`.

Each generation is asked by accounts, and through a contract. The verdict is its answer.
"""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode

from payloads.chainlink.calldata import encode_calldata
from payloads.chainlink.state import ChainlinkState
from payloads.chainlink.verifier import judge_calldata
from payloads.testing import InsecureTestNetwork
from payloads.testing.onchain.encoding import selector
from payloads.verdicts.state import State
from tests.onchain.build import ensure_artifacts
from tests.onchain.deployed import report
from tests.onchain.worlds import RealChainlink, World

pytestmark = pytest.mark.onchain

NOW = 1_800_000_000
READ, WRITE = "SimpleReadAccessController", "SimpleWriteAccessController"
KEEPER, OTHER, OWNER = ("0x" + pair * 20 for pair in ("b1", "b2", "b3"))
NETWORK = InsecureTestNetwork("access", 4, 1)
PULL = "pull(bytes,bytes)"


def _world(generation: str) -> World:
    config = {"signers": [each.lower() for each in NETWORK.signers], "f": 1, "active": True}
    if generation == "v0.4.0":
        config["activation_time"] = 1_000
    else:
        config["config_digest"] = "0x" + NETWORK.config_digest.hex()
    payload_feed = "0x" + report(NOW).feed_id.hex()
    if generation == "v0.3.0":
        config["feed_id"] = payload_feed
    return {"contract": generation, "now": NOW, "subscriber": KEEPER, "configs": [config]}


@pytest.mark.parametrize("generation", ["v0.3.0", "v0.4.0", "v0.5.0", "v0.5.1"])
@pytest.mark.parametrize("controller", [READ, WRITE])
def test_the_sender_and_the_origin(generation: str, controller: str) -> None:
    world = _world(generation)
    real = RealChainlink(world)
    book = real.chain.deploy(ensure_artifacts()[controller]["bytecode"])
    guarded = real.verifier if generation == "v0.4.0" else real.proxy
    real.send(guarded, "setAccessController(address)", book)
    consumer = real.chain.deploy(
        ensure_artifacts()["Consumer"]["bytecode"], encode(["address"], [real.proxy])
    )
    payload = NETWORK.sign(report(NOW)).encode()
    direct = encode_calldata(payload)
    through = selector(PULL) + encode(["bytes", "bytes"], [payload, b""])
    seen = set()
    for listed in ((), (KEEPER,), (consumer,), (OTHER, consumer)):
        for user in (KEEPER, OTHER, consumer):
            change = "addAccess" if user in listed else "removeAccess"
            real.send(book, f"{change}(address)", user)
        for enabled in (True, False):
            switch = "enable" if enabled else "disable"
            real.chain.transact(book, selector(f"{switch}AccessCheck()"))
            access: dict[str, Any] = {"allowed": list(listed) if enabled else None}
            access["admits_origins"] = controller == READ
            state = State.from_dict({**world, "access_controller": access})
            assert isinstance(state, ChainlinkState)
            for sender, origin in ((KEEPER, KEEPER), (OTHER, OTHER), (consumer, KEEPER)):
                to, data = (real.proxy, direct) if sender == origin else (consumer, through)
                outcome = real.chain.call(to, data, sender=origin)
                verdict = judge_calldata(direct, state, sender=sender, origin=origin)
                case = (listed, enabled, sender == origin)
                assert verdict.accepted is outcome.ok, (case, verdict.explanation)
                assert outcome.ok or verdict.revert_data == outcome.data
                seen.add((sender == origin, outcome.ok))
    assert len(seen) == (4 if controller == WRITE else 3)
