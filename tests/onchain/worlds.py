"""The contracts of the package, set up as a line of recorded vectors with kind `world` describes.

    chain = RealChainlink(world)
    chain.verify(payload, parameter_payload, value)   # Outcome, data = the report returned

Calls are encoded and outcomes read without this library.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from eth_abi.abi import decode, encode

from payloads.chainlink.state import ChainlinkState
from payloads.stork.state import StorkState
from payloads.testing.onchain.chainlink import ChainlinkContracts
from payloads.testing.onchain.encoding import selector
from payloads.testing.onchain.evm import Outcome
from payloads.testing.onchain.stork import StorkContracts
from tests.onchain.build import ensure_artifacts
from tests.onchain.oracle import STORK_DESERIALIZE, STORK_VERIFY, VERIFY, VERIFY_BULK

World = Mapping[str, Any]


class RealChainlink(ChainlinkContracts):
    """One generation's contracts, and a subscriber who can pay.

    `allowed` sets an access controller that lets the subscriber through, or refuses it.
    """

    def __init__(self, world: World, *, allowed: bool | None = None) -> None:
        record = dict(world)
        if allowed is not None:
            listed = [world["subscriber"]] if allowed else []
            record["access_controller"] = {"allowed": listed}
        super().__init__(ChainlinkState.from_dict(record), ensure_artifacts())
        self.generation = self.state.contract
        self.chain.now = world["now"]
        self.fund(self.subscriber)

    def verify(self, payload: bytes, parameter_payload: bytes = b"", value: int = 0) -> Outcome:
        """Through the proxy. A successful outcome's data is the report the contract returned."""
        args = encode(["bytes", "bytes"], [payload, parameter_payload])
        outcome = self.raw(selector(VERIFY) + args, value)
        if not outcome.ok:
            return outcome
        (report,) = decode(["bytes"], outcome.data)
        return Outcome(True, report)

    def verify_bulk(
        self, payloads: list[bytes], parameter_payload: bytes = b"", value: int = 0
    ) -> Outcome:
        """Through the proxy. A successful outcome's data is for `reports`."""
        args = encode(["bytes[]", "bytes"], [payloads, parameter_payload])
        return self.raw(selector(VERIFY_BULK) + args, value)

    def raw(self, calldata: bytes, value: int = 0) -> Outcome:
        """Any call of the proxy by the subscriber; data is as returned."""
        return self.chain.call(self.proxy, calldata, sender=self.subscriber, value=value)


class StorkWorld(StorkContracts):
    """Our model of a generation of Stork Fast."""

    SENDER: Final = "0x" + "bb" * 20

    def __init__(self, world: World) -> None:
        super().__init__(StorkState.from_dict(dict(world)), ensure_artifacts())
        self.fund(self.SENDER)

    def verify(self, payload: bytes, value: int = 0) -> Outcome:
        return self.raw(selector(STORK_VERIFY) + encode(["bytes"], [payload]), value)

    def deserialize(self, payload: bytes, value: int = 0) -> Outcome:
        return self.raw(selector(STORK_DESERIALIZE) + encode(["bytes"], [payload]), value)

    def raw(self, calldata: bytes, value: int = 0, sender: str = SENDER) -> Outcome:
        return self.chain.call(self.address, calldata, sender=sender, value=value)


def reports(bulk: Outcome) -> list[bytes]:
    """The reports of a successful `verify_bulk`."""
    (found,) = decode(["bytes[]"], bulk.data)
    return list(found)
