"""A thin typed layer over pyrevm: deploy, call, read the exact outcome.

`Chain.call` leaves no trace: its effects are rolled back. `Chain.transact` keeps them. A revert is
an `Outcome`; a call that did not come to an end (out of gas, invalid opcode) raises `Halted`,
because then the question put to the EVM was not answered.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

import pyrevm

from payloads.errors import Misuse, Refused

# A crafted call allocates gigabytes before 2^64 gas runs out.
GAS_CAP: Final = 2**31
DEPLOYER: Final = "0x" + "d0" * 20
# The latest block time that a contract can keep in 32 bits.
LATE: Final = 2**32 - 1
_RICH: Final = 2**200

# pyrevm hands revert data over only in the text of an exception.
_REVERT: Final = re.compile(r"Revert \{ gas_used: (\d+), output: 0x([0-9a-f]*) \}")
_HALT: Final = re.compile(r"Halt \{ reason: (.+), gas_used: \d+ \}")
# And the storage only in the text of its journal.
_ACCOUNT: Final = re.compile(
    r"(0x[0-9a-f]{40}): Account \{.*?storage: \{(.*?)\}, status:", re.DOTALL
)
_SLOT: Final = re.compile(r"(\d+): StorageSlot \{[^}]*present_value: (\d+)")


class Halted(Refused):
    """The EVM stopped without returning or reverting; `reason` is revm's word for it."""

    @property
    def out_of_gas(self) -> bool:
        return self.reason.startswith("OutOfGas")


@dataclass(frozen=True, slots=True)
class Outcome:
    """`data` is what the call returned, or, when not `ok`, the raw revert data.

    `gas` is that of the whole transaction, its calldata included.
    """

    ok: bool
    data: bytes
    gas: int = field(default=0, compare=False)


class Chain:
    """One EVM with nothing on it but what is deployed here."""

    def __init__(self, *, now: int = 1_700_000_000, chain_id: int = 1, gas: int = GAS_CAP) -> None:
        if not 0 < gas <= GAS_CAP:
            raise Misuse("not an amount of gas", field="gas", expected=f"at most {GAS_CAP}")
        self._gas, self._chain_id = gas, chain_id
        cfg = pyrevm.CfgEnv(chain_id=chain_id)
        env = pyrevm.Env(cfg=cfg, block=_block(now))
        self._evm = pyrevm.EVM(env=env, gas_limit=gas)
        self._now = now
        # What was written into storage, by account and slot: the database does not list it.
        self._stored: dict[tuple[str, int], int] = {}
        self.give(DEPLOYER, _RICH)

    @property
    def now(self) -> int:
        """block.timestamp of the calls to come."""
        return self._now

    @now.setter
    def now(self, timestamp: int) -> None:
        self._evm.set_block_env(_block(timestamp))
        self._now = timestamp

    def give(self, account: str, wei: int) -> None:
        """Set the ether balance of an account."""
        self._evm.set_balance(account, wei)

    def enrich(self, account: str) -> None:
        """Give an account more ether than any call costs."""
        self.give(account, _RICH)

    def deploy(self, bytecode: str, args: bytes = b"") -> str:
        """The address of a new contract; `args` are the ABI-encoded constructor arguments."""
        try:
            made: str = self._evm.deploy(DEPLOYER, bytes.fromhex(bytecode) + args)
        except RuntimeError as error:
            raise Misuse(f"the constructor failed: {_failure(error)}") from None
        return made

    def code(self, address: str) -> bytes:
        """The code that lies at an address."""
        return bytes(self._evm.get_code(address) or b"")

    def place(self, address: str, runtime: str) -> None:
        """Lay code at an address of our choosing, without running a constructor."""
        info = pyrevm.AccountInfo(code=bytes.fromhex(runtime))
        self._evm.insert_account_info(address, info)

    def store(self, address: str, slot: int, value: int) -> None:
        """Write one word of a contract's storage."""
        self._evm.insert_account_storage(address, slot, value)
        self._stored[address, slot] = value

    def load(self, address: str, slot: int) -> int:
        word: int = self._evm.storage(address, slot)
        return word

    def untouched(self) -> Chain:
        """A chain with the same accounts and storage, all of it cold.

        pyrevm never ends a transaction. So here calls find warm what set-up has touched, and cost
        less gas than in a block of their own.
        """
        fresh = Chain(now=self._now, chain_id=self._chain_id, gas=self._gas)
        # The journal has what calls have touched, in its latest state.
        for address, info in {**self._evm.db_accounts, **self._evm.journal_state}.items():
            fresh._evm.insert_account_info(address, info)
        stored = dict(self._stored)
        for address, slots in _ACCOUNT.findall(self._evm.journal_str):
            stored |= {(address, int(slot)): int(value) for slot, value in _SLOT.findall(slots)}
        for (address, slot), value in stored.items():
            # Only into an account that is not loaded does a slot go without being touched.
            before = fresh._evm.snapshot()
            fresh.store(address, slot, value)
            fresh._evm.revert(before)
        return fresh

    def call(self, to: str, calldata: bytes, *, sender: str = DEPLOYER, value: int = 0) -> Outcome:
        """What a call gives; its effects are rolled back."""
        # pyrevm never ends a transaction, so without this every call would see the last one's
        # state, warm slots included.
        before = self._evm.snapshot()
        try:
            return self._message(to, calldata, sender, value)
        finally:
            self._evm.revert(before)

    def transact(
        self, to: str, calldata: bytes, *, sender: str = DEPLOYER, value: int = 0
    ) -> bytes:
        """Run a call for its effects; it has to succeed."""
        outcome = self.keep(to, calldata, sender=sender, value=value)
        if not outcome.ok:
            raise Misuse("the call reverted", field="calldata", found="0x" + outcome.data.hex())
        return outcome.data

    def keep(self, to: str, calldata: bytes, *, sender: str = DEPLOYER, value: int = 0) -> Outcome:
        """What a call gives; its effects are kept."""
        return self._message(to, calldata, sender, value)

    def _message(self, to: str, calldata: bytes, sender: str, value: int) -> Outcome:
        try:
            returned = self._evm.message_call(
                sender, to, calldata=calldata, value=value, gas=self._gas
            )
        except RuntimeError as error:
            return _failure(error)
        result = self._evm.result
        return Outcome(True, bytes(returned), result.gas_used if result else 0)


def _block(timestamp: int) -> pyrevm.BlockEnv:
    return pyrevm.BlockEnv(number=1, timestamp=timestamp, gas_limit=GAS_CAP)


def _failure(error: RuntimeError) -> Outcome:
    text = str(error)
    reverted = _REVERT.fullmatch(text)
    if reverted:
        return Outcome(False, bytes.fromhex(reverted[2]), int(reverted[1]))
    halted = _HALT.fullmatch(text)
    # Anything else (a sender without the ether, say) never reached the EVM.
    raise Halted(halted[1] if halted else text) from error
