"""The errors of Stork Fast, as the contract declares them."""

from __future__ import annotations

from payloads.verdicts.contract_errors import ContractError

INSUFFICIENT_FEE = ContractError.of("InsufficientFee")
INVALID_PAYLOAD = ContractError.of("InvalidPayload")
INVALID_SIGNATURE = ContractError.of("InvalidSignature")
