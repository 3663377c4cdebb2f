"""The published access controllers in the EVM, which look at the sender and at `tx.origin`.

Each generation is asked by accounts, and through a contract. The verdict is its answer.
"""

from __future__ import annotations

import pytest
from eth_abi.abi import encode

from payloads.chainlink.calldata import encode_calldata
from payloads.chainlink.state import ChainlinkState
from payloads.chainlink.verifier import judge_calldata
from payloads.testing import InsecureTestNetwork
from payloads.verdicts.state import State
from tests.onchain.build import ensure_artifacts
from tests.onchain.deployed import report
from tests.onchain.oracle import selector
from tests.onchain.worlds import RealChainlink, World

pytestmark = pytest.mark.onchain

NOW = 1_800_000_000
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
    return World(contract=generation, now=NOW, subscriber=KEEPER, configs=[config])


@pytest.mark.parametrize("generation", ["v0.3.0", "v0.4.0", "v0.5.0", "v0.5.1"])
@pytest.mark.parametrize("controller", ["Guestbook", "Guestlist"])
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
            access = {"allowed": list(listed) if enabled else None}
            record = world | {
                "access_controller": access | {"admits_origins": controller == "Guestbook"},
            }
            state = State.from_dict(dict(record))
            assert isinstance(state, ChainlinkState)
            for sender, origin in ((KEEPER, KEEPER), (OTHER, OTHER), (consumer, KEEPER)):
                to, data = (real.proxy, direct) if sender == origin else (consumer, through)
                outcome = real.chain.call(to, data, sender=origin)
                verdict = judge_calldata(direct, state, sender=sender, origin=origin)
                case = (listed, enabled, sender == origin)
                assert verdict.accepted is outcome.ok, (case, verdict.explanation)
                assert outcome.ok or verdict.revert_data == outcome.data
                seen.add((sender == origin, outcome.ok))
    assert len(seen) == (4 if controller == "Guestlist" else 3)
