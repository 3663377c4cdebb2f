"""Whether the caller of a proxy can pay its fee manager, and take back what is left over.

The fee managers charge on their own: LINK is moved by the reward manager and wrapped native by the
fee manager, each by the caller's allowance. Value beyond the fee is sent back to the caller.
"""

from __future__ import annotations

from payloads.chain.guarding.guard import Way
from payloads.chain.guarding.problem import Problems
from payloads.chain.reading.contract_reader import ContractReader
from payloads.chain.rpc import Node, Reverts
from payloads.chainlink.state import V03, V04, FeeManager
from payloads.crypto import checksum
from payloads.verdicts.checks import Bill
from payloads.verdicts.verdict import Verdict

# The codes of the problems that are found here.
FUNDS = ("allowance", "balance", "refund")
# A transfer as these generations make it: the stipend, beside what every transaction costs.
_STIPEND = 21_000 + 2_300


class Funds:
    """The tokens, allowances and refund of a transaction."""

    def __init__(self, node: Node, way: Way, number: int, problems: Problems) -> None:
        self._node, self._way, self._number, self._problems = node, way, number, problems
        self._reader = ContractReader(node, number)

    @property
    def _fees(self) -> FeeManager | None:
        found: FeeManager | None = getattr(self._way.state, "fee_manager", None)
        return found

    def look(self, verdict: Verdict) -> None:
        """Problems with the payment of a call straight to the proxy."""
        fees, way = self._fees, self._way
        if fees is None or way.is_view:
            return
        for bill in verdict.bills:
            if bill.token == fees.link or not way.value:
                self._token(bill, fees, "danger")
        by_value = sum(bill.amount for bill in verdict.bills if bill.token == fees.native)
        if way.value > by_value:
            self._refund(way.value - by_value, "danger")

    def hint(self, verdict: Verdict) -> None:
        """Notes on why a consumer may revert, which pays in a way that is not known."""
        fees = self._fees
        if fees is not None and not fees.is_no_op:
            for bill in verdict.bills:
                self._token(bill, fees, "note")
        if fees is not None and self._way.value:
            self._refund(1, "note")

    # --- tokens -------------------------------------------------------------------------------

    def _token(self, bill: Bill, fees: FeeManager, severity: str) -> None:
        in_link, sender = bill.token == fees.link, self._way.sender
        name = "LINK" if in_link else "wrapped native"
        if sender is None:
            why = "neither the transaction nor the state says who calls"
            self._problems.not_known(f"whether {name} can be paid", "from", why)
            return
        if (spender := self._spender(fees, in_link)) is not None:
            manager = "the reward manager" if in_link else "the fee manager"
            allowed = self._amount(
                f"the allowance for {manager}", bill.token, "allowance(address,address)",
                sender, spender,
            )  # fmt: skip
            if allowed is not None and allowed < bill.amount:
                who = f"{manager} {checksum(spender)}"
                self._problems.add(
                    "allowance", f"{who} may take too little {name} from {checksum(sender)}",
                    "from", f"at least {bill.amount}", allowed, severity,
                )  # fmt: skip
        what = f"the balance of {name}"
        held = self._amount(what, bill.token, "balanceOf(address)", sender)
        if held is not None and held < bill.amount:
            self._problems.add(
                "balance", f"{checksum(sender)} has too little {name}",
                "from", f"at least {bill.amount}", held, severity,
            )  # fmt: skip

    def _spender(self, fees: FeeManager, in_link: bool) -> bytes | None:
        """The contract that takes the token."""
        if fees.address is None:
            why = "the state does not say which contract the fee manager is"
            self._problems.not_known("the allowance for the fee", "from", why)
            return None
        manager = bytes(fees.address)
        if not in_link:
            return manager
        what = "which contract takes LINK"
        found = self._problems.asked(
            what, lambda: (self._reader.address(manager, "i_rewardManager()"),)
        )
        if found is not None and found[0] is None:
            self._problems.not_known(what, "from", "the fee manager does not name it")
        return None if found is None else found[0]

    def _amount(self, what: str, token: bytes, getter: str, *words: bytes) -> int | None:
        found = self._problems.asked(what, lambda: (self._reader.word(token, getter, *words),))
        if found is not None and found[0] is None:
            self._problems.not_known(what, "from", f"{checksum(token)} does not say it")
        return None if found is None else found[0]

    # --- the refund ---------------------------------------------------------------------------

    def _refund(self, change: int, severity: str) -> None:
        """Whether the caller takes ether, if it has code that could refuse it."""
        sender, way = self._way.sender, self._way
        if sender is None:
            why = "neither the transaction nor the state says who calls"
            self._problems.not_known("whether a refund can be taken", "from", why)
            return
        code = self._problems.asked(
            "the caller's code", lambda: self._node.code(sender, self._number)
        )
        if not code:
            return
        gas = _STIPEND if way.state.contract in (V03, V04) else None
        payer = way.origin or sender
        taken = self._problems.asked(
            "whether the caller takes a refund", lambda: self._takes(sender, payer, change, gas)
        )
        if taken is False:
            self._problems.add(
                "refund", f"{checksum(sender)} cannot take back the value beyond the fee",
                "value", f"{change} wei less, or a caller that takes ether",
                "its code refuses it", severity,
            )  # fmt: skip

    def _takes(self, sender: bytes, payer: bytes, change: int, gas: int | None) -> bool:
        try:
            self._node.call(sender, b"", self._number, payer, change, gas)
        except Reverts:
            return False
        return True
