"""A contract that is set up in an EVM as a state says, and is called.

    contract = deployed(state)
    outcome = contract.verify(payload, pay="link")
    assert outcome.agrees(payloads.judge(payload, state, pay="link"))

The terms of a call are those of `payloads.judge`. A call leaves no trace: the next one finds the
contract as the state says. The caller has the ether, the tokens and the allowances that fees take.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from hexbytes import HexBytes

from payloads.abi.fields import Record, hexed
from payloads.errors import Misuse, not_installed
from payloads.inputs import to_bytes
from payloads.judging import given
from payloads.signatures import address_bytes
from payloads.systems import of_state
from payloads.testing.onchain.building import Artifact, BuildError, MissingTool, artifacts
from payloads.verdicts.calls import check_time, check_value
from payloads.verdicts.contract_errors import Answer, Revert, read_revert
from payloads.verdicts.state import State
from payloads.verdicts.verdict import Verdict

if TYPE_CHECKING:
    from payloads.testing.clock import SettableClock
    from payloads.testing.onchain.evm import Chain
    from payloads.testing.submission import Submission


class CallOutcome(Answer, Record, frozen=True, kw_only=True):
    """The answer of a contract to a call, in the words of a verdict.

    `returned` is the report (bytes), a tuple of reports for a bulk call; for Stork true or false,
    or the assets; the bare bytes for a function that verifies nothing. `revert_data` is None where
    the call returns. `gas_used` is that of a transaction with this call alone, from cold state.
    """

    accepted: bool
    returned: Any
    revert_data: HexBytes | None
    gas_used: int

    @property
    def revert(self) -> Revert | None:
        """The contract's error, read; None where the call returns."""
        return None if self.revert_data is None else read_revert(self.revert_data)

    def agrees(self, expected: Verdict | Submission) -> bool:
        """Whether a verdict, or what a submission promises, says the same of the call.

        Compared are whether the call is accepted, the revert data byte by byte, and what a verdict
        says is returned.
        """
        same = (expected.accepted, expected.revert_data) == (self.accepted, self.revert_data)
        if isinstance(expected, Verdict):
            return same and expected.returned == self.returned
        return same


class Contracts(Protocol):
    """The contracts of one system on a chain."""

    chain: Chain
    subscriber: str

    @property
    def address(self) -> str: ...
    def fund(self, account: str) -> None: ...
    def request(
        self, payloads: list[bytes], bulk: bool, function: str | None, pay: Any, value: int | None,
        sender: bytes,
    ) -> tuple[bytes, int]: ...  # fmt: skip
    def returned(self, calldata: bytes, data: bytes) -> Any: ...


class DeployedContract:
    """A contract in an EVM. `state` says how it is set up, and `address` where it lies.

    A call is made at `now`, or else at the time of the clock, or else of the state. It raises
    `Refused` where the EVM comes to no answer: out of gas, or more value than the sender has.
    """

    def __init__(self, state: State, contracts: Contracts, clock: SettableClock | None) -> None:
        self.state = state
        self._contracts, self._clock = contracts, clock
        self._funded: set[str] = set()

    def __repr__(self) -> str:
        return f"DeployedContract({self.state.contract} at {self.address})"

    @property
    def address(self) -> str:
        """The address to call: the state's `proxy`, if it names one."""
        return self._contracts.address

    def verify(
        self,
        payload: Any,
        *,
        function: str | None = None,
        pay: str | bytes | None = None,
        value: int | None = None,
        sender: str | bytes | None = None,
        now: int | None = None,
    ) -> CallOutcome:
        """The answer to a call with one payload, on the terms of `payloads.judge`.

        Bytes as `pay` that are no address are the whole parameterPayload.
        """
        raws = [_raw(payload)]
        return self._verify(raws, False, function, pay, value, sender, now)

    def verify_bulk(
        self,
        payloads: Iterable[Any],
        *,
        function: str | None = None,
        pay: str | bytes | None = None,
        value: int | None = None,
        sender: str | bytes | None = None,
        now: int | None = None,
    ) -> CallOutcome:
        """The answer to one `verifyBulk` (or `verifyBulkView`) with all payloads."""
        raws = [_raw(payload) for payload in payloads]
        return self._verify(raws, True, function, pay, value, sender, now)

    def _verify(
        self,
        raws: list[bytes],
        bulk: bool,
        function: str | None,
        pay: Any,
        value: int | None,
        sender: str | bytes | None,
        now: int | None,
    ) -> CallOutcome:
        caller = bytes.fromhex(self._account(sender)[2:])
        data, sent = self._contracts.request(raws, bulk, function, pay, value, caller)
        return self.call(data, value=sent, sender=caller, now=now)

    def submit(self, submission: Submission) -> CallOutcome:
        """The answer to a submission's call, on its terms and at its time.

        `Misuse` if it was made for another state: what it promises holds for its own.
        """
        theirs, ours = submission.state, self.state
        if theirs is not ours and theirs.deciding() != ours.deciding():
            raise Misuse("a submission for a contract in another state", field="submission",
                         expected=ours.described(), found=theirs.described())  # fmt: skip
        return self.call(submission.calldata, value=submission.value, sender=submission.sender,
                         now=submission.now)  # fmt: skip

    def call(
        self,
        calldata: str | bytes,
        *,
        to: str | None = None,
        value: int = 0,
        sender: str | bytes | None = None,
        now: int | None = None,
    ) -> CallOutcome:
        """The answer to any calldata, sent to the contract or to another address (`to`)."""
        data, caller = to_bytes(calldata) if calldata else b"", self._account(sender)
        target = self.address if to is None else self._account(to, "to")
        check_value(value)
        self.fund(caller)
        chain = self._untouched
        chain.now = self._time(now)
        outcome = chain.call(target, data, sender=caller, value=value)
        if not outcome.ok:
            return CallOutcome(accepted=False, returned=None, revert_data=hexed(outcome.data),
                               gas_used=outcome.gas)  # fmt: skip
        read = self._contracts.returned if target == self.address else _as_it_is
        returned = read(data, outcome.data)
        return CallOutcome(accepted=returned is not False, returned=returned, revert_data=None,
                           gas_used=outcome.gas)  # fmt: skip

    # --- more contracts ---------------------------------------------------------------------------

    def deploy(self, bytecode: str | bytes, arguments: bytes = b"") -> str:
        """The address of another contract, such as a keeper's own, on the same chain.

        `arguments` are those of its constructor, encoded.
        """
        made = self._contracts.chain.deploy(to_bytes(bytecode).hex(), arguments)
        self._changed()
        return made

    def send(self, calldata: str | bytes, *, to: str, sender: str | bytes | None = None) -> None:
        """A call whose effects stay, such as the set-up of a deployed contract."""
        caller = self._account(sender)
        self.fund(caller)
        self._contracts.chain.transact(self._account(to, "to"), to_bytes(calldata), sender=caller)
        self._changed()

    def fund(self, account: str) -> None:
        """Give an account, or a contract, ether, and the tokens and allowances that fees take."""
        account = self._account(account)
        if account not in self._funded:
            self._contracts.fund(account)
            self._funded.add(account)
            self._changed()

    # --- the terms of a call ----------------------------------------------------------------------

    @cached_property
    def _untouched(self) -> Chain:
        """The chain on which calls are made: a copy, in which set-up has warmed nothing."""
        return self._contracts.chain.untouched()

    def _changed(self) -> None:
        self.__dict__.pop("_untouched", None)

    def _account(self, account: str | bytes | None, name: str = "sender") -> str:
        if account is None:
            return self._contracts.subscriber
        return "0x" + address_bytes(account, name).hex()

    def _time(self, now: int | None) -> int:
        check_time(now, "now")
        if now is None:
            now = self.state.now if self._clock is None else self._clock.now
        if now is None:
            raise Misuse("the block of a call has a time", field="now", expected="unix seconds")
        return now


def _as_it_is(calldata: bytes, data: bytes) -> HexBytes:
    return hexed(data)


def _raw(payload: Any) -> bytes:
    """The bytes of one payload."""
    found = list(given(payload))
    if len(found) != 1 or found[0].is_call:
        expected = "one payload: verify_bulk takes several, and call takes calldata"
        raise Misuse("not one payload", field="payload", expected=expected)
    if found[0].error is not None:
        raise found[0].error
    return found[0].raw


def check_installed() -> None:
    """Refuse to go on without the packages of the extra `onchain`."""
    for package in ("pyrevm", "eth_abi"):
        name = package.replace("_", "-")
        try:
            import_module(package)
        except ModuleNotFoundError:
            missing = not_installed(name, "onchain")
            raise MissingTool(missing.reason, expected=missing.expected) from None
        except ImportError as error:
            raise BuildError(f"{name} is installed, but cannot be imported: {error}") from error


def deployed(
    state: State,
    *,
    clock: SettableClock | None = None,
    compiled: Mapping[str, Artifact] | None = None,
) -> DeployedContract:
    """The contract of a state, set up in an EVM: configs, fees, discounts, access control.

    Chainlink's contracts are the published ones, fetched and compiled when they are first needed
    (Node.js 18 or newer with npm); Stork's are models of ours. `clock` is the time of calls, and
    `compiled` the artifacts, by default those of `artifacts()`. `Misuse` where pyrevm is not
    installed, the contracts cannot be fetched or compiled, or no contract can be in this state.
    """
    name = of_state(state).name
    check_installed()
    from payloads.testing.onchain.chainlink import ChainlinkContracts
    from payloads.testing.onchain.stork import StorkContracts

    kinds: dict[str, Any] = {"chainlink": ChainlinkContracts, "stork": StorkContracts}
    if name not in kinds:
        raise Misuse("no contracts to deploy", field="state", expected=" or ".join(kinds),
                     found=name)  # fmt: skip
    found = artifacts() if compiled is None else compiled
    return DeployedContract(state, kinds[name](state, found), clock)
