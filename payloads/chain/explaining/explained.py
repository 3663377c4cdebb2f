"""The records of an explained transaction: its calls, their payloads, and the whole in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hexbytes import HexBytes

from payloads import systems
from payloads.abi.fields import Record, jsonable
from payloads.chain.explaining.receipt_events import ContractEvent
from payloads.chain.guarding.consumer import in_words
from payloads.crypto import checksum
from payloads.errors import PayloadError
from payloads.recognise import Decoded, decode, to_dict
from payloads.verdicts.contract_errors import Revert
from payloads.verdicts.state import State
from payloads.verdicts.verdict import Verdict
from payloads.verdicts.words import instant


def feeds_of(system: str, raw: bytes) -> tuple[bytes | int, ...]:
    """The feeds of a payload; () if it is broken."""
    try:
        return systems.named(system).feeds(raw)
    except PayloadError:
        return ()


class ExplainedPayload(Record, frozen=True):
    """A payload of a call, and the verdict on it alone. `offset` is in the call's calldata."""

    offset: int
    raw: HexBytes
    system: str
    form: str
    verdict: Verdict

    @property
    def decoded(self) -> Decoded:
        """The payload, decoded; `Malformed` if it is broken."""
        return decode(self.raw, form=self.form)

    @property
    def feeds(self) -> tuple[str, ...]:
        """The feed ids (Stork: the numbers of the assets); () if it is broken."""
        found = feeds_of(self.system, self.raw)
        return tuple("0x" + feed.hex() if isinstance(feed, bytes) else str(feed) for feed in found)

    def to_dict(self) -> dict[str, Any]:
        """The payload as `payloads decode --json` prints it, with its place and its verdict."""
        try:
            record = to_dict(self.decoded)
        except PayloadError as error:
            record = {"error": error.to_dict()}
        place = {"offset": self.offset, "raw": "0x" + self.raw.hex(), "feeds": list(self.feeds)}
        return record | place | {"verdict": self.verdict.to_dict()}


class ExplainedCall(Record, frozen=True):
    """A call of the contract: how it was made, the verdict, and what the chain decided.

    `seen` is false where the call was not seen: a contract was called, the node traces nothing, and
    a payload of the calldata is judged as if it was handed on. `succeeded` and `revert` are the
    chain's decision, as far as it is known. `agrees` is whether the verdict says the same.
    """

    contract: HexBytes
    sender: HexBytes
    function: str
    value: int
    seen: bool
    payloads: tuple[ExplainedPayload, ...]
    verdict: Verdict
    succeeded: bool | None
    revert: Revert | None
    agrees: bool | None

    def to_dict(self) -> dict[str, Any]:
        """The call as JSON has it."""
        return {
            "contract": checksum(self.contract),
            "sender": checksum(self.sender),
            "function": self.function,
            "value": str(self.value),
            "seen": self.seen,
            "payloads": [payload.to_dict() for payload in self.payloads],
            "verdict": self.verdict.to_dict(),
            "succeeded": self.succeeded,
            "revert": None if self.revert is None else self.revert.to_json(),
            "agrees": self.agrees,
        }


class Explained(Record, frozen=True):
    """A transaction, the calls of the contract in it, and what the chain decided.

    `to` is the contract itself, or (`through`) a contract in between. `revert` is what the
    transaction reverted with, where that is known. `notes` are facts that a reader must know to
    trust the rest.
    """

    hash: str
    block_number: int
    block_hash: str
    time: int
    index: int
    sender: HexBytes
    to: HexBytes
    through: bool
    value: int
    gas: int
    gas_used: int
    succeeded: bool
    revert: Revert | None
    state: State
    calls: tuple[ExplainedCall, ...]
    events: tuple[ContractEvent, ...]
    notes: tuple[str, ...]

    @property
    def agrees(self) -> bool | None:
        """Whether the verdicts say what the chain did; None where that is not known."""
        found = [call.agrees for call in self.calls]
        return False if False in found else None if None in found else True

    @property
    def accepted(self) -> bool:
        """Whether the transaction succeeded, all its calls pass, and nothing disagrees."""
        passed = all(call.verdict.accepted for call in self.calls)
        return self.succeeded and passed and self.agrees is not False

    @property
    def conclusion(self) -> str:
        """The whole in one sentence."""
        refused = [call for call in self.calls if not call.verdict.accepted]
        how = "succeeded" if self.succeeded else f"reverted ({self._error})"
        if self.agrees is False:
            verdict = self.calls[0].verdict if not refused else refused[0].verdict
            return f"the chain and the verdict DISAGREE: the transaction {how}, the verdict is " + (
                verdict.refusal if not verdict.accepted else "accepted"
            )
        if refused:
            word = "the contract refuses it" if refused[0].seen else "the contract would refuse it"
            answer = refused[0].verdict.refusal
            if self.agrees:
                return f"{word}: {answer}, as the chain decided; the transaction {how}"
            return f"{word}: {answer}; the transaction {how}"
        if self.agrees:
            return f"the contract accepts it, as the chain decided; the transaction {how}"
        return f"the contract would accept it; the transaction {how}"

    @property
    def _error(self) -> str:
        return "why is not known" if self.revert is None else in_words(self.revert.data)

    @property
    def lines(self) -> tuple[str, ...]:
        """The facts in sentences, the conclusion first."""
        return tuple(_lines(self))

    def to_dict(self) -> dict[str, Any]:
        """All of it, as the command line prints it with `--json`."""
        record = {
            "conclusion": self.conclusion,
            "accepted": self.accepted,
            "agrees": self.agrees,
            "hash": self.hash,
            "block": {"number": self.block_number, "hash": self.block_hash, "time": self.time},
            "index": self.index,
            "from": checksum(self.sender),
            "to": checksum(self.to),
            "through": self.through,
            "value": str(self.value),
            "gas": self.gas,
            "gas_used": self.gas_used,
            "succeeded": self.succeeded,
            "revert": None if self.revert is None else self.revert.to_json(),
            "state": self.state.described(),
            "calls": [call.to_dict() for call in self.calls],
            "events": [event.to_dict() for event in self.events],
            "notes": list(self.notes),
        }
        found: dict[str, Any] = jsonable(record)
        return found


def _lines(found: Explained) -> Iterator[str]:
    yield found.conclusion
    yield (
        f"transaction {found.hash}, number {found.index} of block {found.block_number} "
        f"({instant(found.time)})"
    )
    yield f"from {checksum(found.sender)} to {checksum(found.to)}, with {found.value} wei"
    yield f"gas used: {found.gas_used:,} of {found.gas:,}"
    for call in found.calls:
        yield from _call_lines(call)
    for event in found.events:
        yield f"event {event}"
    for note in found.notes:
        yield f"note: {note}"


def _call_lines(call: ExplainedCall) -> Iterator[str]:
    contract, sender = checksum(call.contract), checksum(call.sender)
    if call.seen:
        yield f"{sender} called {call.function} of {contract}, with {call.value} wei"
    else:
        yield f"{sender} is taken to have called {call.function} of {contract}"
    for payload in call.payloads:
        alone = f"; alone it is: {payload.verdict.name}" if len(call.payloads) > 1 else ""
        yield f"  payload at byte {payload.offset}: {_payload_words(payload)}{alone}"
    yield f"  the verdict: {call.verdict.sentence}"
    yield f"  the chain: {_decision(call)}"


def _payload_words(payload: ExplainedPayload) -> str:
    try:
        value = payload.decoded.value
    except PayloadError as error:
        return f"{len(payload.raw)} bytes of {payload.system}, broken: {error}"
    system = systems.named(payload.system)
    times = (
        f"{row.name} {row.said}"
        for row in system.rows(value, None)
        if row.name in ("observations_timestamp", "expires_at", "timestamp_ns")
    )
    feeds = ", ".join(payload.feeds[:8]) + (" …" if len(payload.feeds) > 8 else "")
    return "; ".join((system.title(value), f"feed {feeds}", *times))


def _decision(call: ExplainedCall) -> str:
    if call.succeeded is None:
        return "not known: the call was not seen"
    if call.succeeded:
        return "the call succeeded"
    if call.revert is None:
        return "the call reverted"
    return f"the call reverted with {in_words(call.revert.data)}"
