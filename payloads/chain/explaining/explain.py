"""A transaction explained after the fact: what it called, what the contract decided, and why.

    found = explain("https://…", "0x4f2a…")
    print(found.conclusion)
    found.agrees, found.calls[0].verdict.explanation

The contract is judged from its state after the block before the transaction's, at the time of the
transaction's own block. The verdict is held against what the chain did: the receipt, the revert
data, and the calls inside the transaction where the node traces (`debug_traceTransaction`).

A call through a contract of one's own is judged by its trace, exactly as it was made. Without a
trace, each payload in the calldata is judged as if the contract paid for it; how it pays is not
known then.

Raises `Misuse` for a hash that is no transaction's or a transaction without a payload, and
`Unavailable` for a pending transaction and for what a node does not answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from payloads import systems
from payloads.abi.calldata import decode_call
from payloads.abi.fields import Record, hexed
from payloads.chain.explaining.explained import Explained, ExplainedCall, ExplainedPayload, feeds_of
from payloads.chain.explaining.mined import Frame, Mined, frames, hash_text, mined, replayed
from payloads.chain.explaining.receipt_events import REPORT_VERIFIED, read_events
from payloads.chain.explaining.which_proxy import proxy_of
from payloads.chain.reading.changes import diff_states
from payloads.chain.reading.contract_reader import ContractReader
from payloads.chain.reading.fetch import Progress, read_state
from payloads.chain.reading.memory import Mark, Memory
from payloads.chain.rpc import Node, Unavailable, connect
from payloads.crypto import checksum
from payloads.embedding import embedded
from payloads.errors import Misuse, PayloadError, elide
from payloads.judging import Given, judge_given
from payloads.signatures import address_bytes
from payloads.system import Terms
from payloads.verdicts.contract_errors import Revert, read_revert
from payloads.verdicts.state import State
from payloads.verdicts.verdict import Verdict


def explain(
    w3: Any,
    hash_: str | bytes,
    *,
    proxy: str | bytes | None = None,
    state: State | None = None,
    progress: Progress | None = None,
) -> Explained:
    """The transaction with this hash, explained.

    `w3` is a URL, a `Web3` or a provider; the state at an older block needs an archive node.
    `proxy` is the contract behind a contract of one's own. `state` is used instead of reading one.
    """
    node, text = connect(w3, by="explain"), hash_text(hash_)
    given = None if proxy is None else address_bytes(proxy, "proxy")
    return _Explaining(node, mined(node, text), state, progress).explained(given)


class _Asked(Record, frozen=True):
    """A call of the contract, as it was made or (`seen` false) as it is taken to have been made."""

    contract: bytes
    sender: bytes
    data: bytes
    value: int
    seen: bool
    frame: Frame | None = None
    offset: int = 0
    system: str = ""


class _Explaining:
    """One transaction on one node."""

    def __init__(
        self, node: Node, sent: Mined, state: State | None, progress: Progress | None
    ) -> None:
        self.node, self.sent, self.given, self.progress = node, sent, state, progress
        self.frames = frames(node, sent.hash)
        self.events = tuple(read_events(sent.logs))
        self.notes: list[str] = []
        self.states: dict[tuple[bytes, bytes], tuple[State, State | None]] = {}
        self.revert = self._revert()

    def explained(self, proxy: bytes | None) -> Explained:
        sent = self.sent
        asked = self._asked(proxy)
        calls = tuple(map(self._call, asked))
        if not sent.succeeded:
            self._why_else(calls)
        return Explained(
            sent.hash,
            sent.block.number,
            sent.block.hash,
            sent.block.time,
            sent.index,
            hexed(sent.sender),
            hexed(sent.to),
            any(call.contract != sent.to for call in asked),
            sent.value,
            sent.gas,
            sent.gas_used,
            sent.succeeded,
            self.revert,
            calls[0].verdict.state,
            calls,
            self.events,
            tuple(dict.fromkeys(self.notes)),
        )

    def _revert(self) -> Revert | None:
        """What the transaction reverted with."""
        if self.sent.succeeded:
            return None
        if self.frames:
            return read_revert(self.frames[0].output)
        data = replayed(self.node, self.sent)
        if data is None:
            self.notes.append(
                "the same call on the block before does not revert, or cannot be made"
            )
            return None
        self.notes.append("the revert data is that of the same call on the block before")
        return read_revert(data)

    # --- the calls of the contract ----------------------------------------------------------------

    def _asked(self, proxy: bytes | None) -> list[_Asked]:
        sent = self.sent
        if systems.called(sent.data) is not None and proxy in (None, sent.to):
            top = self.frames[0] if self.frames else None
            return [_Asked(sent.to, sent.sender, sent.data, sent.value, True, top)]
        if self.frames is not None and (traced := self._traced(proxy)):
            return traced
        if proxy is None and self.given is not None:
            proxy = self.given.proxy
        found = embedded(sent.data, signers=self._signers(proxy)) if sent.data else ()
        if not found:
            raise Misuse(
                "no payload in the calldata" if self.frames is None
                else "no payload in the calldata, and no call of a contract that verifies",
                field="hash", expected="a transaction that verifies", found=sent.hash,
            )  # fmt: skip
        proxy = proxy or proxy_of(self.node, sent, [(one.system, one.raw) for one in found])
        if self.frames is not None:
            self.notes.append("the trace shows no call of the contract: no payload came to it")
        else:
            self.notes.append(
                "the node traces no calls: each payload is judged as if the contract in between "
                "handed it on and paid for it"
            )
        return [
            _Asked(proxy, sent.to, one.raw, 0, False, None, one.offset, one.system) for one in found
        ]

    def _signers(self, proxy: bytes | None) -> tuple[bytes, ...]:
        """The signers of the contract, by which a payload is found that is packed."""
        state = self.given
        if state is None and proxy is not None:
            state, _ = self._states(proxy, self.sent.to)
        return tuple(getattr(state, "trusted", ()))

    def _traced(self, proxy: bytes | None) -> list[_Asked]:
        """The calls of the contract that the trace shows, without those that it makes itself."""
        found: list[_Asked] = []
        for frame in self.frames or ():
            if frame.kind not in ("CALL", "STATICCALL") or systems.called(frame.data) is None:
                continue
            if proxy in (None, frame.to) and all(frame.sender != one.contract for one in found):
                found.append(_Asked(frame.to, frame.sender, frame.data, frame.value, True, frame))
        return found

    # --- judging ----------------------------------------------------------------------------------

    def _call(self, asked: _Asked) -> ExplainedCall:
        before, after = self._states(asked.contract, asked.sender)
        verdict = self._verdict(asked, before)
        succeeded, revert = self._decided(asked, verdict)
        agrees = self._agrees(verdict, succeeded, revert)
        if after is not None and agrees is not True:
            later = self._verdict(asked, after)
            if self._agrees(later, succeeded, revert):
                verdict, agrees = later, True
                self.notes.append("the change came before the transaction: the verdict follows it")
        return ExplainedCall(
            hexed(asked.contract),
            hexed(asked.sender),
            self._function(asked, verdict.state),
            asked.value,
            asked.seen,
            tuple(self._payloads(asked, verdict)),
            verdict,
            succeeded,
            revert,
            agrees,
        )

    def _function(self, asked: _Asked, state: State) -> str:
        called = systems.called(asked.data) if asked.seen else None
        function = systems.of_state(state).calldata_functions[0] if called is None else called[1]
        return function.name

    def _verdict(self, asked: _Asked, state: State) -> Verdict:
        who: dict[str, Any] = {"sender": asked.sender, "origin": self.sent.sender}
        now = self.sent.block.time
        if asked.seen:
            given = Given(asked.data, is_call=True)
            called = systems.called(asked.data)
            if called is not None:
                given = msgspec.structs.replace(given, system=called[0].name)
            return judge_given(given, state, Terms(value=asked.value, now=now, **who))
        way = systems.of_state(state).ways_to_pay[0]
        terms = Terms(pay=way, now=now, **who)
        return judge_given(Given(asked.data, asked.system), state, terms)

    def _payloads(self, asked: _Asked, verdict: Verdict) -> Iterator[ExplainedPayload]:
        system = systems.of_state(verdict.state)
        if not asked.seen:
            form = system.forms[0]
            yield ExplainedPayload(asked.offset, hexed(asked.data), system.name, form, verdict)
            return
        try:
            call = decode_call(system.calldata_functions, asked.data)
        except PayloadError:
            self.notes.append("the calldata does not decode: no payload can be shown")
            return
        named = dict(zip(call.paths, call.payloads, strict=True))
        places = {part.path: part.offset for part in call.parts if part.path in named}
        for path, raw in named.items():
            alone = verdict
            if call.function.takes_many:
                terms = Terms(
                    pay=call.parameter_payload or None, now=self.sent.block.time,
                    sender=asked.sender, origin=self.sent.sender,
                )  # fmt: skip
                alone = judge_given(Given(raw, system.name), verdict.state, terms)
            yield ExplainedPayload(
                places.get(path, 0), hexed(raw), system.name, system.forms[0], alone
            )

    def _decided(self, asked: _Asked, verdict: Verdict) -> tuple[bool | None, Revert | None]:
        """Whether the chain let the call pass, and what it reverted with, as far as is known."""
        if asked.frame is not None:
            failed = asked.frame.failed
            if asked.frame.undone and not failed:
                self.notes.append("the call passed and was undone: a call around it reverted")
            return not failed, read_revert(asked.frame.output) if failed else None
        if asked.seen:
            return self.sent.succeeded, self.revert
        if not self.sent.succeeded:
            # A contract that hands on the revert of the verifier says the verifier's own words.
            if self.revert is not None and self.revert.data == verdict.revert_data:
                return False, self.revert
            return None, None
        verified = {event.arguments["feed_id"] for event in self.events if event.name == _VERIFIED}
        if verified & set(feeds_of(asked.system, asked.data)):
            return True, None
        self.notes.append("no event says that the contract verified the payload")
        return None, None

    def _agrees(
        self, verdict: Verdict, succeeded: bool | None, revert: Revert | None
    ) -> bool | None:
        """Whether the chain did what the verdict says; None where that is not known."""
        if succeeded is None:
            return None
        if succeeded or verdict.revert_data is None:
            return succeeded and verdict.revert_data is None
        if revert is None or revert.data == verdict.revert_data:
            return True
        # The block before had another time: a call made again there may fail for another reason.
        return False if self.frames else None

    def _why_else(self, calls: tuple[ExplainedCall, ...]) -> None:
        if self.sent.gas_used * 64 >= self.sent.gas * 63:
            self.notes.append("nearly all of its gas was used: it may have run out of gas")
        elif any(call.agrees is False for call in calls):
            self.notes.append(
                "a verdict knows no balances, no allowances, no gas, and no refund that its "
                "receiver does not take: each can make a good call revert"
            )

    # --- states -----------------------------------------------------------------------------------

    def _states(self, contract: bytes, caller: bytes) -> tuple[State, State | None]:
        """The state before the block, and the state after it if the block changed the contract."""
        if self.given is not None:
            return self._given(self.given, contract, caller), None
        key = contract, caller
        if key not in self.states:
            self.states[key] = self._read(*key)
        return self.states[key]

    def _read(self, contract: bytes, caller: bytes) -> tuple[State, State | None]:
        node, number = self.node, self.sent.block.number
        reader = ContractReader(node, number - 1, None, self.progress)
        before = read_state(reader, contract, caller)
        mark = Mark(number - 1, reader.block(number - 1).hash)
        memory = Memory(subscriber=checksum(caller)).after(mark, mark, reader.rows, reader.answers)
        try:
            after = read_state(ContractReader(node, number, memory=memory), contract, caller)
        except Unavailable as error:
            self.notes.append(f"whether the block changed the contract is not known: {error}")
            return before, None
        changes = diff_states(before, after)
        if not changes:
            return before, None
        said = "; ".join(elide(str(change), 120) for change in changes[:3])
        more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
        self.notes.append(f"the block changed the contract: {said}{more}")
        return before, after

    def _given(self, state: State, contract: bytes, caller: bytes) -> State:
        block, chain = self.sent.block, self.node.chain_id()
        if state.chain_id not in (None, chain):
            raise Misuse(
                "the state is of another chain than the node's",
                field="state", expected=f"chain {chain}", found=f"chain {state.chain_id}",
            )  # fmt: skip
        if state.proxy not in (None, contract):
            raise Misuse(
                "the state is of another contract than the transaction calls",
                field="state", expected=checksum(contract),
                found=checksum(bytes(state.proxy or b"")),
            )  # fmt: skip
        subscriber = getattr(state, "subscriber", None)
        if subscriber not in (None, caller):
            self.notes.append(
                f"the state was read for {checksum(subscriber)}: discounts and access of "
                f"{checksum(caller)} are not in it"
            )
        if state.now is not None and state.now > block.time:
            self.notes.append("the state is newer than the block: it was taken back to its time")
            return state.at(block.time)
        self.notes.append("the state was given, and not read from the chain at that block")
        return state


_VERIFIED = REPORT_VERIFIED.name
