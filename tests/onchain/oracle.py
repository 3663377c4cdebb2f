"""solc's ABI decoder as a function: `DecoderOracle().decode("full", blob)`.

`Decoder.sol` says what each function decodes. A successful outcome's data is the canonical
encoding of the decoded values (already unwrapped from the `bytes` they were returned in).
"""

from __future__ import annotations

from typing import Final

from payloads.testing.onchain.encoding import selector
from payloads.testing.onchain.evm import Chain, Outcome
from tests.onchain.build import ensure_artifacts

SCHEMAS: Final = (*(f"schema{number}" for number in range(1, 14)), "schemaHighFrequency")
FUNCTIONS: Final = ("full", "pair", "quote", "head", "times", *SCHEMAS)

VERIFY: Final = "verify(bytes,bytes)"
VERIFY_BULK: Final = "verifyBulk(bytes[],bytes)"
VERIFY_VIEW: Final = "verifyView(bytes)"
VERIFY_BULK_VIEW: Final = "verifyBulkView(bytes[])"
FORWARD_BULK: Final = "forwardBulk(bytes[],bytes)"
STORK_VERIFY: Final = "verifySignedECDSAPayload(bytes)"
STORK_DESERIALIZE: Final = "verifyAndDeserializeSignedECDSAPayload(bytes)"


class DecoderOracle:
    """One deployed `Decoder`; every call starts from the same state."""

    def __init__(self) -> None:
        self._chain = Chain()
        self._decoder = self._chain.deploy(ensure_artifacts()["Decoder"]["bytecode"])
        # selector and the offset of the only argument
        self._heads = {
            name: selector(f"{name}(bytes)") + (32).to_bytes(32, "big") for name in FUNCTIONS
        }

    def decode(self, function: str, blob: bytes) -> Outcome:
        """abi.decode `blob` in memory as `function` of Decoder.sol does."""
        length = len(blob).to_bytes(32, "big")
        # No padding after the blob: were the decoder to read past it, it would read nothing.
        return self.raw(self._heads[function] + length + blob)

    def raw(self, calldata: bytes) -> Outcome:
        """Any calldata, selector included; a successful outcome is unwrapped as above."""
        outcome = self._chain.call(self._decoder, calldata)
        return Outcome(True, _unwrap(outcome.data)) if outcome.ok else outcome


def _unwrap(returned: bytes) -> bytes:
    """The content of a canonically encoded `(bytes)`."""
    length = int.from_bytes(returned[32:64], "big")
    return returned[64 : 64 + length]
