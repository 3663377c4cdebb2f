"""What a contract would do: `Accepted` or `Reverted`, and why.

A verdict is the chain's answer (`returned`, or `revert_data` with the contract's own error name,
selector and arguments). What stands beside it is ours: `checks` (every check in the contract's
order, with all that is wrong and not only the first) and `findings` (what a user must hear even
when the answer is "accepted"). Both are computed when first asked for: a verdict that is only asked
whether it is `accepted` costs no more than its signatures.

A verdict names the state it was reached with, and that state's age. Nothing here raises, but
`Verdict.settle`, which raises `ContractRefusal` for a call that would revert.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hexbytes import HexBytes

from payloads.abi.fields import Record, hexed, jsonable
from payloads.abi.solidity import Argument, encode
from payloads.crypto import keccak256
from payloads.errors import Refused
from payloads.verdicts.state import State

# --- the contracts' errors ------------------------------------------------------------------------


class ContractError(Record, frozen=True):
    """An error as a contract declares it."""

    name: str
    types: tuple[str, ...]
    selector: HexBytes

    @classmethod
    def of(cls, name: str, *types: str) -> ContractError:
        selector = keccak256(f"{name}({','.join(types)})".encode())[:4]
        return cls(name, types, hexed(selector))

    def data(self, *args: int | bytes) -> bytes:
        """The revert data with these arguments."""
        names = [Argument(str(index), type_) for index, type_ in enumerate(self.types)]
        return bytes(self.selector) + encode(names, args)

    def read(self, data: bytes) -> tuple[Any, ...] | None:
        """The arguments, if the data is as long as they are."""
        if len(data) != 4 + 32 * len(self.types):
            return None
        words = [data[at : at + 32] for at in range(4, len(data), 32)]
        pairs = zip(self.types, words, strict=True)
        return tuple(
            hexed(word) if type_ == "bytes32" else int.from_bytes(word, "big")
            for type_, word in pairs
        )


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
INSUFFICIENT_FEE = ContractError.of("InsufficientFee")
INVALID_PAYLOAD = ContractError.of("InvalidPayload")
INVALID_SIGNATURE = ContractError.of("InvalidSignature")
PANIC = ContractError.of("Panic", "uint256")

ERRORS: dict[bytes, ContractError] = {
    bytes(error.selector): error for error in list(vars().values()) if type(error) is ContractError
}
PANICS = {0x11: "arithmetic overflow", 0x32: "index out of bounds", 0x41: "memory allocation"}


class Revert(Record, frozen=True):
    """Revert data, read. `error` is None for a bare revert, and for data that nobody knows."""

    data: HexBytes
    error: str | None = None
    selector: HexBytes | None = None
    args: tuple[Any, ...] = ()

    @property
    def name(self) -> str:
        """The error in a few words."""
        if self.error == "Panic":
            code = self.args[0]
            return f"Panic(0x{code:02x}) {PANICS.get(code, '')}".rstrip()
        return self.error or ("unknown error" if self.data else "revert (empty)")


def read_revert(data: bytes) -> Revert:
    """The error that revert data spells."""
    error = ERRORS.get(data[:4])
    args = error.read(data) if error else None
    if error is None or args is None:
        return Revert(hexed(data), None, hexed(data[:4]) if len(data) >= 4 else None)
    return Revert(hexed(data), error.name, error.selector, args)


class Stop(Exception):
    """A contract's check that failed: the revert data, and why in words. Never leaves a `judge`."""

    def __init__(self, data: bytes, why: str = "") -> None:
        super().__init__(why)
        self.data = data
        self.why = why


# --- what stands beside the answer ----------------------------------------------------------------


class Check(Record, frozen=True):
    """One check that the contract makes: the rule, what it was applied to, and how it went.

    `passed` is None where the contract could not have asked, because something it needs is missing.
    `decided` marks the check that the chain stops at; `payload` is the index in a bulk call.
    """

    name: str
    rule: str
    inputs: dict[str, Any]
    passed: bool | None
    detail: str = ""
    revert: str = ""
    decided: bool = False
    payload: int | None = None

    def __str__(self) -> str:
        mark = {True: "ok  ", False: "FAIL", None: "-   "}[self.passed]
        which = "" if self.payload is None else f"payload {self.payload}: "
        detail = f": {self.detail}" if self.detail else ""
        revert = f" [{self.revert}{', decides' if self.decided else ''}]" if self.revert else ""
        return f"{mark} {which}{self.name}{detail}{revert}"


class Finding(Record, frozen=True):
    """Something a user must hear whatever the verdict; `code` is stable."""

    code: str
    severity: str
    sentence: str
    reference: str
    detail: str = ""
    payload: int | None = None

    def __str__(self) -> str:
        which = "" if self.payload is None else f" (payload {self.payload})"
        detail = f": {self.detail}" if self.detail else ""
        return f"{self.severity} {self.code}{which}: {self.sentence}{detail}"


class Hazard(Record, frozen=True):
    """A kind of finding. Severities: `danger`, `warning`, `note`."""

    code: str
    severity: str
    sentence: str
    reference: str

    def found(self, detail: str = "", payload: int | None = None) -> Finding:
        return Finding(self.code, self.severity, self.sentence, self.reference, detail, payload)


class Explanation(Record, frozen=True):
    """All that is known about why."""

    checks: tuple[Check, ...] = ()
    findings: tuple[Finding, ...] = ()


# --- the verdict ----------------------------------------------------------------------------------


class Verdict:
    """What a contract would do with a call. See `Accepted` and `Reverted`."""

    __slots__ = ("_explain", "_explanation", "_read", "now", "returned", "revert_data", "state")

    accepted = False

    def __init__(
        self,
        returned: Any,
        revert_data: bytes | None,
        state: State,
        now: int | None,
        explain: Callable[[], Explanation],
    ) -> None:
        self.returned = returned
        self.revert_data = revert_data
        self.state = state
        self.now = now
        self._explain = explain
        self._explanation: Explanation | None = None
        self._read: Revert | None = None

    @property
    def revert(self) -> Revert | None:
        """The contract's error, read; None where the call is accepted."""
        if self._read is None and self.revert_data is not None:
            self._read = read_revert(self.revert_data)
        return self._read

    @property
    def name(self) -> str:
        """`accepted`, or the contract's error in a few words."""
        return "accepted" if self.revert is None else self.revert.name

    @property
    def error(self) -> str | None:
        """The contract's name for its error: `BadVerification`, `Panic`, …"""
        return None if self.revert is None else self.revert.error

    @property
    def selector(self) -> HexBytes | None:
        """The first four bytes of the revert data."""
        return None if self.revert is None else self.revert.selector

    @property
    def args(self) -> tuple[Any, ...]:
        """The arguments of the error."""
        return () if self.revert is None else self.revert.args

    @property
    def age(self) -> int | None:
        """Seconds between the state and the moment that was judged; None where not known."""
        return self.state.age(self.now)

    @property
    def why(self) -> Explanation:
        """Checks and findings, computed once."""
        if self._explanation is None:
            self._explanation = self._explain()
        return self._explanation

    @property
    def checks(self) -> tuple[Check, ...]:
        """Every check that the contract makes, in its order."""
        return self.why.checks

    @property
    def problems(self) -> tuple[Check, ...]:
        """The checks that fail, those behind the deciding one included."""
        return tuple(check for check in self.checks if check.passed is False)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What a user must hear whatever the verdict."""
        return self.why.findings

    @property
    def explanation(self) -> str:
        """The verdict, what is wrong, and the findings, in lines for a person."""
        lines = [self.sentence, *map(str, self.problems), *map(str, self.findings)]
        return "\n".join(lines)

    @property
    def sentence(self) -> str:
        """The verdict, and the state it was reached with, in one line."""
        age = "age unknown" if self.age is None else f"{self.age} s old"
        return f"{self.name} (state: {self.state.described()}; {age})"

    def settle(self) -> Verdict:
        """This verdict if the call is accepted; else `ContractRefusal` with the same facts."""
        if self.accepted:
            return self
        first = next((check for check in self.checks if check.decided), None)
        raise ContractRefusal(
            f"the contract would revert: {self.name}",
            field=None if first is None else first.name,
            found=None if first is None else first.detail,
            revert_data=self.revert_data,
            verdict=self,
        )

    def to_dict(self) -> dict[str, Any]:
        """The verdict as the command line prints it with `--json`."""
        record: dict[str, Any] = {"accepted": self.accepted, "verdict": self.name}
        if self.revert is None:
            record["returned"] = self.returned
        else:
            facts = {"error": self.error, "selector": self.selector, "args": self.args}
            record["revert"] = {"data": self.revert.data, **facts}
        record["checks"] = self.checks
        record["findings"] = self.findings
        record["state"] = {
            "described": self.state.described(),
            "contract": self.state.contract,
            "source": self.state.source,
            "block_number": self.state.block_number,
            "fetched_at": self.state.fetched_at,
            "judged_at": self.now,
            "age": self.age,
        }
        found: dict[str, Any] = jsonable(record)
        return found

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name})"

    def __reduce__(self) -> tuple[Any, ...]:
        # With the explanation as data: what it would be computed from need not travel.
        facts = (self.returned, self.revert_data, self.state, self.now)
        return (_restored, (type(self), *facts, self.why))

    def _facts(self) -> tuple[Any, ...]:
        return (self.returned, self.revert_data, self.state, self.now)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Verdict) and self._facts() == other._facts()

    __hash__ = None  # type: ignore[assignment]  # states hold dicts


def _restored(
    cls: type[Verdict], returned: Any, data: bytes | None, state: State, now: int, why: Explanation
) -> Verdict:
    return cls(returned, data, state, now, lambda: why)


class Accepted(Verdict):
    """The call returns. `returned` is the report (bytes), a tuple of reports for a bulk call; for
    Stork whether the signature is right, or the stored assets. `revert_data` is None."""

    __slots__ = ()

    accepted = True


class Reverted(Verdict):
    """The call reverts with exactly `revert_data`. `returned` is None."""

    __slots__ = ()


class ContractRefusal(Refused):
    """`Refused`, by a contract: `verdict` has all the facts."""

    def __init__(self, reason: str, *, verdict: Verdict | None = None, **facts: Any) -> None:
        super().__init__(reason, **facts)
        self.verdict = verdict

    def to_dict(self) -> dict[str, Any]:
        """The error as the command line prints it with `--json`."""
        record = super().to_dict()
        if self.verdict is not None:
            record["verdict"] = self.verdict.to_dict()
        return record
