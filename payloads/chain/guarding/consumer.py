"""A transaction through a contract of your own, which hands signed payloads on to the verifier.

Every payload in its calldata is judged as if the consumer handed it on alone and paid for it. What
the consumer really does with a payload is not in the calldata, so each verdict carries the finding
`through-consumer`. A node that runs the whole transaction knows: its answer is compared with the
verdict, and a disagreement about the verifier's part is the finding `node-disagrees`, a danger.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from functools import partial

import msgspec.structs
from hexbytes import HexBytes

from payloads.abi.fields import Record, hexed
from payloads.chain.rpc import Node, Reverts
from payloads.embedding import Embedded, embedded
from payloads.errors import Misuse, elide, shown
from payloads.system import System, Terms
from payloads.verdicts.checks import Bill, Check, Explanation, Finding, Hazard
from payloads.verdicts.contract_errors import ContractError, read_revert
from payloads.verdicts.signers import Signers
from payloads.verdicts.state import ZERO, State
from payloads.verdicts.verdict import Accepted, Verdict

_BY_BYTES = "payloads are found by their bytes; no ABI of the consumer is known"
_BY_RUN = "eth_call of the whole transaction at the newest block"

HAZARDS = {
    hazard.code: hazard
    for hazard in (
        Hazard(
            "through-consumer",
            "note",
            "a contract of your own is called: not known is which of its payloads it hands to the "
            "verifier, by which function, with what parameter payload and value, and whether it "
            "reverts for its own reasons",
            _BY_BYTES,
        ),
        Hazard(
            "other-system",
            "note",
            "the calldata has payloads of another system, which this state cannot judge",
            _BY_BYTES,
        ),
        Hazard(
            "node-disagrees",
            "danger",
            "the node's run of the transaction contradicts the verdict about the verifier's part",
            _BY_RUN,
        ),
        Hazard(
            "run-reverts",
            "danger",
            "the node's run of the transaction reverts for a reason that the verdict does not know",
            _BY_RUN,
        ),
    )
}
# What `require(…, "a reason")` reverts with.
_REASON = ContractError("Error", ("string",), hexed(bytes.fromhex("08c379a0")))


class Handover(Record, frozen=True):
    """The payloads that a transaction hands to a consumer: `payloads` are of the state's system,
    `others` are not. `origin` is the account that signs, if the transaction says it."""

    system: System
    state: State
    consumer: bytes
    origin: bytes | None
    payloads: tuple[Embedded, ...]
    others: tuple[Embedded, ...]

    def judge(self, now: int, signers: Signers) -> Verdict:
        """One verdict on all payloads: that on the first which is refused, if any is."""
        verdicts = [self._judge(each.raw, now, signers, *self._paid()) for each in self.payloads]
        return _together(verdicts, tuple(self._notes()))

    def _judge(
        self, raw: bytes, now: int, signers: Signers, parameter: bytes, value: int
    ) -> Verdict:
        function = self.system.calldata_functions[0]
        arguments = (raw, parameter)[: len(function.arguments)]
        # A contract signs no transaction, so that a consumer is never the origin.
        origin = self.origin or ZERO
        terms = Terms(value=value, sender=self.consumer, origin=origin, now=now, signers=signers)
        return self.system.judge_calldata(function.calldata(*arguments), self.state, terms)

    def _paid(self) -> tuple[bytes, int]:
        """A payment that is not refused: LINK, or the fee that every call costs."""
        charges = getattr(self.state, "charges", None)
        return b"" if charges is None else _word(charges.link), self.state.flat_fee or 0

    def is_of_payment(self, data: bytes, now: int) -> bool:
        """Whether the verifier reverts with these bytes for a payment, or a refund, that fails."""
        if read_revert(data).error in self.system.refund_errors:
            return True
        signers = Signers()
        return any(
            self._judge(each.raw, now, signers, *paid).revert_data == data
            for each, paid in itertools.product(self.payloads, self._wrong_payments())
        )

    def _wrong_payments(self) -> Iterator[tuple[bytes, int]]:
        yield b"", 0
        if (charges := getattr(self.state, "charges", None)) is not None:
            yield _word(ZERO), 0
            yield _word(charges.native), 1

    def _notes(self) -> Iterator[Finding]:
        places = ", ".join(str(each.offset) for each in self.payloads)
        paid = "; each is judged as paid in LINK" if self._paid()[0] else ""
        yield HAZARDS["through-consumer"].found(f"payloads at byte {places}{paid}")
        if self.others:
            found = ", ".join(f"{each.system} at byte {each.offset}" for each in self.others)
            yield HAZARDS["other-system"].found(found)


def handover(
    system: System, state: State, consumer: bytes, origin: bytes | None, data: bytes
) -> Handover:
    """What this calldata hands to the consumer; `Misuse` if no payload is in it."""
    found = embedded(data, signers=getattr(state, "trusted", ()))
    own = tuple(each for each in found if each.system == system.name)
    others = tuple(each for each in found if each.system != system.name)
    if not own:
        raise Misuse(
            "the transaction carries no payload that this state can judge",
            field="data", expected=system.payloads,
            found=", ".join(dict.fromkeys(each.system for each in others)) or "no payload",
        )  # fmt: skip
    return Handover(system, state, consumer, origin, own, others)


def _word(token: bytes) -> bytes:
    return bytes(token).rjust(32, b"\0")


# --- several verdicts as one ----------------------------------------------------------------------


def _together(verdicts: Sequence[Verdict], notes: tuple[Finding, ...]) -> Verdict:
    refused = next((each for each in verdicts if not each.accepted), None)
    explain, find = partial(_explain, verdicts, notes), partial(_find, verdicts, notes)
    any_ = verdicts[0]
    if refused is None:
        returned = tuple(each.returned for each in verdicts)
        return Accepted(returned, None, any_.state, any_.now, explain, find)
    facts = (refused.returned, refused.revert_data, refused.state, refused.now)
    return type(refused)(*facts, explain, find)


def _explain(verdicts: Sequence[Verdict], notes: tuple[Finding, ...]) -> Explanation:
    found: list[Check] = []
    decided = False
    for index, verdict in enumerate(verdicts):
        for check in verdict.checks:
            decides = check.decided and not decided
            found.append(msgspec.structs.replace(check, payload=index, decided=decides))
        decided = decided or not verdict.accepted
    return msgspec.structs.replace(_find(verdicts, notes), checks=tuple(found))


def _find(verdicts: Sequence[Verdict], notes: tuple[Finding, ...]) -> Explanation:
    findings = list(notes)
    amounts: dict[HexBytes, int] = {}
    for index, verdict in enumerate(verdicts):
        findings += [msgspec.structs.replace(each, payload=index) for each in verdict.findings]
        for bill in verdict.bills:
            amounts[bill.token] = amounts.get(bill.token, 0) + bill.amount
    bills = tuple(Bill(token, amount) for token, amount in amounts.items())
    ends = [each.good_until for each in verdicts if each.good_until is not None]
    return Explanation((), tuple(findings), bills, min(ends, default=None))


# --- the node's run -------------------------------------------------------------------------------


def run(
    node: Node, to: bytes, data: bytes, number: int, sender: bytes | None, value: int
) -> bytes | None:
    """The revert data of the whole transaction, run on a block; None where it passes."""
    try:
        node.call(to, data, number, sender, value)
    except Reverts as reverts:
        return reverts.data
    return None


def compare(verdict: Verdict, reverted: bytes | None, handed: Handover | None) -> Finding | None:
    """The danger in a run that did not go as the verdict on the newest block's time says.

    `handed` is None where the transaction goes straight to the verifier.
    """
    if reverted is None:
        passes = verdict.accepted or (handed is None and verdict.revert_data is None)
        return None if passes else _disagrees(f"it passes, though the verdict is {verdict.refusal}")
    said = in_words(reverted)
    if not verdict.accepted:
        if handed is None and verdict.revert_data != reverted:
            return _disagrees(f"it reverts with {said}, and the verdict is {verdict.refusal}")
        return None
    if handed is not None and handed.is_of_payment(reverted, int(verdict.now or 0)):
        return HAZARDS["run-reverts"].found(
            f"{said}, as for a payment or a refund that is not taken"
        )
    if read_revert(reverted).error in (None, "Panic"):
        return HAZARDS["run-reverts"].found(said)
    return _disagrees(f"it reverts with {said}, though the verdict is {verdict.name}")


def passes_all_the_same() -> Finding:
    """The alarm of a run that passes though something was found to stop the transaction."""
    return _disagrees("it passes, though the payment was found to be impossible")


def in_words(data: bytes) -> str:
    """Revert data in words, also of a contract that no system knows."""
    known = read_revert(data)
    if known.error is not None or not data:
        return known.name
    text = _REASON.read(data) if data[:4] == _REASON.selector else None
    return shown(text[0]) if text else f"{known.name} {elide('0x' + data.hex(), 74)}"


def _disagrees(detail: str) -> Finding:
    return HAZARDS["node-disagrees"].found(detail)
