"""Proof of the harness: every recorded call, made again on the contracts as built here.

Chainlink's are the published contracts. Stork's is `StorkModel.sol`, our restatement, which the
recorded outcomes of the vendor's contract are the only witness for.
"""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import decode

from payloads.testing.onchain.encoding import keccak256
from payloads.testing.onchain.evm import Outcome
from tests.onchain import recorded
from tests.onchain.worlds import RealChainlink, StorkWorld

pytestmark = [
    pytest.mark.onchain,
    pytest.mark.skipif(recorded.find() is None, reason=f"no {recorded.NAME} found"),
]


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def _replay_chainlink(built: RealChainlink, case: dict[str, Any]) -> dict[str, Any]:
    quote = _bytes(case["parameter_payload"])
    outcome = built.verify(_bytes(case["payload"]), quote, int(case["value"]))
    if not outcome.ok:
        return _reverted(outcome)
    return {"status": "return", "report_keccak": f"0x{keccak256(outcome.data).hex()}"}


def _replay_stork(built: StorkWorld, case: dict[str, Any]) -> dict[str, Any]:
    deserialize = case["call"] == "verifyAndDeserializeSignedECDSAPayload"
    ask = built.deserialize if deserialize else built.verify
    outcome = ask(_bytes(case["payload"]), int(case["value"]))
    if not outcome.ok:
        return _reverted(outcome)
    if not deserialize:
        return {"status": "return", "verified": bool(int.from_bytes(outcome.data, "big"))}
    (assets,) = decode(["(uint16,uint64,int192)[]"], outcome.data)
    return {"status": "return", "assets": [[i, at, str(value)] for i, at, value in assets]}


def _reverted(outcome: Outcome) -> dict[str, Any]:
    return {"status": "revert", "data": f"0x{outcome.data.hex()}"}


def _expected(case: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in case["outcome"].items() if key != "name"}


@pytest.mark.parametrize("generation", ["v0.3.0", "v0.4.0", "v0.5.0"])
def test_chainlink_gives_what_was_recorded(generation: str) -> None:
    replayed = 0
    for world, cases in recorded.cases():
        if world["contract"] != generation:
            continue
        built = RealChainlink(world)
        for case in cases:
            assert _replay_chainlink(built, case) == _expected(case), case["id"]
        replayed += len(cases)
    assert replayed == 600


def test_stork_model_gives_what_was_recorded() -> None:
    replayed = 0
    for world, cases in recorded.cases():
        if not world["contract"].startswith("stork-fast"):
            continue
        built = StorkWorld(world)
        for case in cases:
            assert _replay_stork(built, case) == _expected(case), case["id"]
        replayed += len(cases)
    assert replayed == 500


def test_the_model_with_several_signers_gives_what_was_recorded() -> None:
    """Payloads, raw calls, getters and the owner's calls; but upgrades and a change of owner."""
    replayed = 0
    for world, rows in recorded.cases("stork-multisigner-outcomes.jsonl.gz"):
        built = StorkWorld(world)
        for row in rows:
            if row["kind"] == "case":
                assert _replay_stork(built, row) == _expected(row), row["id"]
            elif row["kind"] == "calldata" and row["call"] not in NOT_MODELLED:
                if world["deployed_as"] == "implementation" and "admin" in row["mutations"]:
                    continue  # the model has no implementation apart from a proxy
                outcome = built.raw(_bytes(row["calldata"]), int(row["value"]), row["sender"])
                status = "return" if outcome.ok else "revert"
                said = {"status": status, "data": f"0x{outcome.data.hex()}"}
                assert said == _expected(row), row["id"]
            else:
                continue
            replayed += 1
    assert replayed > 500


NOT_MODELLED = (
    "upgradeToAndCall(address,bytes)", "transferOwnership(address)", "renounceOwnership()",
    "acceptOwnership()", "proxiableUUID()", "UPGRADE_INTERFACE_VERSION()",
)  # fmt: skip


def test_order_of_calls_does_not_matter() -> None:
    """Each call starts from the same state, so a case gives the same alone and after others."""
    world, cases = next(iter(recorded.cases()))
    built = RealChainlink(world)
    forth = [_replay_chainlink(built, case) for case in cases]
    back = [_replay_chainlink(built, case) for case in reversed(cases)]
    assert forth == back[::-1]
