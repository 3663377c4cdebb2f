"""The errors of the verifier proxies, verifiers and fee managers, as the contracts declare them."""

from __future__ import annotations

from payloads.verdicts.contract_errors import ContractError

BAD_VERIFICATION = ContractError.of("BadVerification")
INCORRECT_SIGNATURE_COUNT = ContractError.of("IncorrectSignatureCount", "uint256", "uint256")
MISMATCHED_SIGNATURES = ContractError.of("MismatchedSignatures", "uint256", "uint256")
NO_SIGNERS = ContractError.of("NoSigners")
VERIFIER_NOT_FOUND = ContractError.of("VerifierNotFound", "bytes32")
DIGEST_INACTIVE_V3 = ContractError.of("DigestInactive", "bytes32", "bytes32")
DIGEST_INACTIVE_V5 = ContractError.of("DigestInactive", "bytes32")
INACTIVE_FEED = ContractError.of("InactiveFeed", "bytes32")
ACCESS_FORBIDDEN = ContractError.of("AccessForbidden")
EXPIRED_REPORT = ContractError.of("ExpiredReport")
INVALID_QUOTE = ContractError.of("InvalidQuote")
INVALID_DEPOSIT = ContractError.of("InvalidDeposit")
# A caller that does not take back value: of FeeManager 2.1.0, and of fee managers that do nothing.
INVALID_RECEIVING_ADDRESS = ContractError.of("InvalidReceivingAddress")
REFUND_FAILED = ContractError.of("RefundFailed")

# Of the mock that the vendor publishes for tests, `MockVerifierProxy` of chainlink-local, alone.
_MOCK = "only chainlink-local's mock has this error: this proxy is the mock, not a deployed one"
FEE_MANAGER_REQUIRED = ContractError.of("FeeManagerRequired", "string", note=_MOCK)
FEE_MANAGER_NOT_EXPECTED = ContractError.of("FeeManagerNotExpected", "string", note=_MOCK)
VERIFIER_NOT_FOUND_MOCK = ContractError.of("VerifierNotFound", note=_MOCK)

NAMES = frozenset(error.name for error in list(globals().values()) if type(error) is ContractError)
