"""All that would stop a transaction, looked for before it is sent.

    checked = preflight(w3, transaction, state)
    if checked:
        w3.eth.send_transaction(transaction)
    for problem in checked.problems:
        print(problem)

The guard says what the contract would do. A transaction also fails for want of ether, of a token or
an allowance, for its nonce or its gas limit, or because a refund cannot be delivered. The problems
stand in the order in which each would stop the transaction. What the node does not answer is a
problem, too: `not-known`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from payloads.abi.fields import Record
from payloads.chain.guarding import transaction_fields as fields
from payloads.chain.guarding.consumer import compare, passes_all_the_same, run
from payloads.chain.guarding.funds import FUNDS, Funds
from payloads.chain.guarding.guard import (
    CAREFUL,
    Judged,
    Way,
    broken_rules,
    check_chain,
    chosen_state,
    find_way,
    judge_twice,
    read_clock,
)
from payloads.chain.guarding.policy import Policy
from payloads.chain.guarding.problem import Problem, Problems
from payloads.chain.guarding.transaction_fields import Transaction
from payloads.chain.reading.states import Source
from payloads.chain.rpc import Node, connect
from payloads.errors import Misuse
from payloads.verdicts.checks import Check, Finding
from payloads.verdicts.verdict import Verdict

T = TypeVar("T")

# Fields of a transaction that may be missing.
_NUMBERS = ("gas", "nonce", "maxFeePerGas", "gasPrice")
# What every transaction costs, and each byte of its calldata.
_BASE_GAS, _ZERO_GAS, _BYTE_GAS = 21_000, 4, 16
# The field of the transaction that a check of the contract is about, if not its data.
_FIELDS = {"access": "from", "deposit": "value", "value": "value", "fee": "value"}
_CODES = {
    "chainId": "chain", "w3": "chain", "state.chain_id": "chain", "to": "target",
    "sender": "sender", "state.proxy": "target", "states": "target", "from": "sender",
}  # fmt: skip


class Preflight(Record, frozen=True):
    """What was found about a transaction. It is true where nothing stops it and all is known.

    `verdict` is None where the transaction cannot be judged; the problems say why.
    """

    verdict: Verdict | None
    problems: tuple[Problem, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing stops the transaction, and nothing about that is unknown."""
        return not any(problem.severity in ("danger", "warning") for problem in self.problems)

    def __bool__(self) -> bool:
        return self.ok

    @property
    def unknown(self) -> tuple[Problem, ...]:
        """What the node did not answer."""
        return tuple(problem for problem in self.problems if problem.severity == "warning")

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings on the call."""
        return () if self.verdict is None else self.verdict.findings

    def to_dict(self) -> dict[str, Any]:
        """The whole of it as JSON has it."""
        verdict = None if self.verdict is None else self.verdict.to_dict()
        problems = [problem.to_dict() for problem in self.problems]
        return {"ok": self.ok, "verdict": verdict, "problems": problems}

    def __repr__(self) -> str:
        codes = ", ".join(problem.code for problem in self.problems) or "ok"
        return f"Preflight({codes})"

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems)) or "nothing stops the transaction"


def preflight(
    w3: Any, transaction: Transaction, state: Source, policy: Policy = CAREFUL
) -> Preflight:
    """All that would stop the transaction, in order. It sends nothing.

    `Misuse` is only raised for arguments that are no node, no state and no policy.
    """
    inspection = _Inspection(connect(w3, by="preflight"), transaction, policy)
    verdict = inspection.of(state)
    return Preflight(verdict, tuple(inspection.problems.found))


class _Inspection:
    """A preflight while it is made."""

    def __init__(self, node: Node, transaction: Transaction, policy: Policy) -> None:
        self._node, self._transaction, self._policy = node, transaction, policy
        self.problems = Problems()
        self._numbers: dict[str, int | None] = {}

    def of(self, source: Source) -> Verdict | None:
        """The verdict, and on the way all problems."""
        way = self._way(source)
        if way is None:
            return None
        node, policy = self._node, self._policy
        clock = self.problems.asked("the newest block", lambda: read_clock(node, policy))
        if clock is None:
            return None
        judged = self._tried("the verdict", lambda: judge_twice(way, clock))
        if judged is None:
            return None
        for error in broken_rules(policy, judged, way):
            self.problems.add_error(f"policy-{error.field}", error)
        self._account(way, clock.number)
        funds = Funds(node, way, clock.number, self.problems)
        self._contract(way, judged.verdict, funds)
        alarm = self._run(way, judged, funds)
        self._gas(way)
        verdict = judged.verdict
        return verdict if alarm is None else verdict.with_findings([alarm])

    # --- what can be judged -------------------------------------------------------------------

    def _way(self, source: Source) -> Way | None:
        """The way to the contract; None where it cannot be judged, or is on another chain."""
        node, transaction, policy = self._node, self._transaction, self._policy
        state = self._tried("the state", lambda: chosen_state(node, transaction, source, policy))
        if state is None:
            return None
        self._tried("the chain of the node", lambda: check_chain(node, transaction, state))
        elsewhere = self.problems.has("chain")
        way = self._tried("the contract", lambda: find_way(transaction, state, policy))
        numbers = self._tried("the transaction", self._read_numbers)
        if elsewhere or numbers is None:
            return None
        self._numbers = numbers
        return way

    def _read_numbers(self) -> dict[str, int | None]:
        return {name: fields.optional(self._transaction, name) for name in _NUMBERS}

    def _tried(self, what: str, call: Callable[[], T]) -> T | None:
        """What the guard's own check returns; None, and a problem, where it says misuse."""
        try:
            return self.problems.asked(what, call)
        except Misuse as error:
            if error.field in ("state", "policy"):
                raise
            self.problems.add_error(_CODES.get(error.field or "", "transaction"), error)
            return None

    # --- before the contract ------------------------------------------------------------------

    def _account(self, way: Way, number: int) -> None:
        """The nonce, the gas limit and the ether, which decide before anything is run."""
        problems, node = self.problems, self._node
        if way.origin is None:
            what = "the account that signs, and so its nonce and its ether"
            problems.not_known(what, "from", "the transaction has no `from`")
        else:
            self._nonce(way.origin)
        gas = self._numbers["gas"]
        if gas is not None:
            most = problems.asked("the gas limit of a block", lambda: node.gas_limit(number))
            if most is not None and gas > most:
                problems.add("gas-above-block", "no block has room for so much gas", "gas",
                             f"at most {most}", gas)  # fmt: skip
        if gas is not None and gas < (least := _least_gas(way.data)):
            problems.add("gas-below-minimum", "less gas than any transaction with this data costs",
                         "gas", f"at least {least}", gas)  # fmt: skip
        if way.origin is not None:
            self._ether(way, way.origin, gas)

    def _nonce(self, account: bytes) -> None:
        nonce = self._numbers["nonce"]
        if nonce is None:  # the node takes the next nonce
            return
        problems, node = self.problems, self._node
        used = problems.asked("the account's nonce", lambda: node.nonce(account, "latest"))
        if used is None:
            return
        if nonce < used:
            problems.add("nonce-used", "a transaction with this nonce is in the chain already",
                         "nonce", f"at least {used}", nonce)  # fmt: skip
        elif nonce > used:
            coming = problems.asked("pending nonces", lambda: node.nonce(account, "pending"))
            if coming is not None and nonce > coming:
                problems.add("nonce-gap", "it waits until the nonces before it are used",
                             "nonce", coming, nonce)  # fmt: skip

    def _ether(self, way: Way, account: bytes, gas: int | None) -> None:
        problems, node = self.problems, self._node
        balance = problems.asked("the account's ether", lambda: node.balance(account))
        if balance is None:
            return
        price = self._price() if gas else 0
        cost = way.value + (gas or 0) * (price or 0)
        if cost > balance:
            said = f"{cost} wei (value {way.value}, gas {gas or 0} at {price or 0})"
            problems.add("ether", "the account has too little ether for value and gas", "value",
                         said, f"{balance} wei")  # fmt: skip

    def _price(self) -> int | None:
        for name in ("maxFeePerGas", "gasPrice"):
            if (price := self._numbers[name]) is not None:
                return price
        return self.problems.asked("the gas price", self._node.gas_price)

    # --- in the contract ----------------------------------------------------------------------

    def _contract(self, way: Way, verdict: Verdict, funds: Funds) -> None:
        """The checks that fail, with tokens and refund where the contract comes to them."""
        failed = [] if verdict.accepted else list(_failed(verdict))
        split = _until_paid(verdict) if failed else 0
        for place, check in failed:
            if place < split:
                self._refused(check)
        if way.handed is None:
            funds.look(verdict)
        for place, check in failed:
            if place >= split:
                self._refused(check)

    def _refused(self, check: Check) -> None:
        which = "" if check.payload is None else f"payload {check.payload}: "
        outcome = f"the contract would revert with {check.revert}"
        sentence = which + (outcome if check.revert else "the contract would return false")
        field = _FIELDS.get(check.name, "data")
        code = check.name.replace(" ", "-")
        self.problems.add(code, sentence, field, check.rule, check.detail)

    def _run(self, way: Way, judged: Judged, funds: Funds) -> Finding | None:
        """Let the node run the transaction. The alarm, if the run contradicts what was found."""
        problems, verdict, number = self.problems, judged.at_newest, judged.clock.number
        if problems.has("ether"):  # the node would refuse to run it
            return None
        sender = way.origin or way.sender
        ran = problems.asked(
            "how the node runs the transaction",
            lambda: (run(self._node, way.to, way.data, number, sender, way.value),),
        )
        if ran is None:
            return None
        (reverted,) = ran
        lacking = problems.has(*FUNDS)
        if lacking and reverted is not None:
            return None
        alarm = passes_all_the_same() if lacking else compare(verdict, reverted, way.handed)
        if alarm is not None:
            problems.add(alarm.code, f"{alarm.sentence}: {alarm.detail}", "data")
            if way.handed is not None and reverted is not None:
                funds.hint(verdict)
        return alarm

    def _gas(self, way: Way) -> None:
        """The gas limit against what is needed, which only a transaction that passes tells."""
        gas, problems = self._numbers["gas"], self.problems
        if gas is None:
            return
        if any(each.severity == "danger" for each in problems.found):
            return
        sender = way.origin or way.sender
        needed = problems.asked(
            "the gas that the transaction needs",
            lambda: self._node.gas_needed(way.to, way.data, sender, way.value),
        )
        if needed is not None and gas < needed:
            problems.add("gas-low", "the gas limit is too low", "gas", f"at least {needed}", gas)


def _least_gas(data: bytes) -> int:
    zeros = data.count(0)
    return _BASE_GAS + _ZERO_GAS * zeros + _BYTE_GAS * (len(data) - zeros)


def _failed(verdict: Verdict) -> Iterator[tuple[int, Check]]:
    """The checks that the chain would stop at, one behind the other, with their places."""
    found = [
        (place, check)
        for place, check in enumerate(verdict.checks)
        if check.passed is False and check.revert
    ]
    yield from found or list(enumerate(verdict.problems[:1]))


def _until_paid(verdict: Verdict) -> int:
    """The place behind the last check before fees are taken; with no fee, before all checks."""
    names = [check.name for check in verdict.checks]
    for name in ("deposit", "access"):
        if name in names:
            return len(names) - names[::-1].index(name)
    return 0
