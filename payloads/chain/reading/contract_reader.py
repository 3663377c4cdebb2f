"""Contracts read at one block: getters, events with their times, and notes on the way.

With a `Memory` of an earlier reading, `known` asks nothing that was answered then, and `events`
reads what came later. Both collect what the next reading may know.
"""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import Any, TypeVar

from payloads.chain.reading.contract_events import Event, calldata, topics_of
from payloads.chain.reading.history import TimedEvent
from payloads.chain.reading.memory import Answer, Memory, Row, key_of
from payloads.chain.rpc import Block, Log, Node, Reverts, Silent, Unavailable
from payloads.crypto import checksum, keccak256
from payloads.errors import Misuse, shown

Known = TypeVar("Known", bound=Answer)

# What `_deployed` finds where the node does not know, or answers that there was nothing.
_NO_ARCHIVE, _EMPTY = -1, -2
_WORDS = {
    _NO_ARCHIVE: "the node has no archive",
    _EMPTY: "the node has no archive, and answers that old blocks have no code; "
    "all blocks were read, or those from since=",
}
# Blocks, and transactions of each, in which a sender is looked for.
_BLOCKS, _PLACES = 4, 3


def in_order(*events: Sequence[TimedEvent]) -> list[TimedEvent]:
    """Events of several contracts in the order in which they happened."""
    return sorted(chain.from_iterable(events), key=lambda event: (event.block, event.index))


class ContractReader:
    """The contracts that a node knows, at block `number`. `notes` are for the state's `source`."""

    def __init__(
        self,
        node: Node,
        number: int,
        since: int | None = None,
        progress: Callable[[str, int, int, int], None] | None = None,
        memory: Memory | None = None,
    ) -> None:
        self.node, self.number = node, number
        self.notes: list[str] = []
        self._since, self._progress, self.memory = since, progress, memory
        self._blocks: dict[int, Block] = {}
        # For the memory of the next reading: answers, and rows of events by contract and query.
        self.answers: dict[str, tuple[Answer, int]] = {}
        self.rows: dict[str, list[Row]] = {}
        # Events that the memory did not have.
        self.new_events: list[TimedEvent] = []

    def known(
        self, question: tuple[Any, ...], kind: type[Known], ask: Callable[[], Known | None]
    ) -> Known | None:
        """The answer to a question that is answered alike as long as the past stays the same.

        None is an answer that is not known yet, and is asked for again.
        """
        key = key_of(*question)
        if key not in self.answers:
            before = None if self.memory is None else self.memory.answers.get(key)
            if before is None:
                answer = ask()
                before = None if answer is None else (answer, self.number)
            if before is None:
                return None
            self.answers[key] = before
        found = self.answers[key][0]
        if type(found) is not kind:  # the file of a live state may hold anything
            raise Misuse("not the answer to this question", field="live.answers", found=key)
        return found

    def block(self, number: int) -> Block:
        """A block by number, asked once in a reading: the next one may find it replaced."""
        if number not in self._blocks:
            self._blocks[number] = self.node.block_again(number)
        return self._blocks[number]

    # --- getters ----------------------------------------------------------------------------------

    def ask(self, to: bytes, signature: str, *words: bytes | int) -> bytes | None:
        """The data that a getter returns; None where it reverts or is missing."""
        try:
            found = self.node.call(to, calldata(signature, *words), self.number)
        except Reverts:
            return None
        return found or None

    def word(self, to: bytes, signature: str, *words: bytes | int) -> int | None:
        found = self.ask(to, signature, *words)
        return None if found is None or len(found) != 32 else int.from_bytes(found, "big")

    def address(self, to: bytes, signature: str, *words: bytes | int) -> bytes | None:
        found = self.word(to, signature, *words)
        return None if found is None or found >= 2**160 else found.to_bytes(20, "big")

    def text(self, to: bytes, signature: str) -> str | None:
        found = self.ask(to, signature)
        if found is None or len(found) < 64:
            return None
        length = int.from_bytes(found[32:64], "big")
        return found[64 : 64 + min(length, 200)].decode(errors="replace")

    def version(self, address: bytes) -> str | None:
        """The `typeAndVersion` of a contract that cannot be upgraded."""
        return self.known(
            ("typeAndVersion", address), str, lambda: self.text(address, "typeAndVersion()")
        )

    def arguments(self, transaction: str, to: bytes, signature: str) -> bytes | None:
        """The arguments of a transaction sent to this contract and function; None for any other."""
        try:
            found = self.node.transaction(transaction) or {}
        except Unavailable:
            return None
        data = str(found.get("input") or found.get("data") or "0x")
        if str(found.get("to")).lower() != "0x" + to.hex():
            return None
        try:
            raw = unhexlify(data.removeprefix("0x"))
        except ValueError:
            return None
        return raw[4:] if raw[:4] == keccak256(signature.encode())[:4] else None

    # --- events -----------------------------------------------------------------------------------

    def first(self, address: bytes) -> int:
        """The block to read events from: that of the contract's deployment, or one before it."""
        if self._since is None:
            return self.deployed(address)
        since = self._since
        question = ("code before", address, since)
        if self.known(question, bool, lambda: self._code_before(address, since)):
            raise Misuse(
                "the contract was deployed before this block",
                field="since", expected="the block of its deployment, or an earlier block",
                found=f"{since}, where {checksum(address)} has code already",
            )  # fmt: skip
        return since

    def _code_before(self, address: bytes, number: int) -> bool:
        try:
            return number > 0 and bool(self.node.code(address, number - 1))
        except Unavailable:
            return False  # not known; storage is compared with the events later

    def deployed(self, address: bytes) -> int:
        """The first block that has the contract; 0 where the node has no archive."""
        return self.deployed_at(address) or 0

    def deployed_at(self, address: bytes) -> int | None:
        """The first block that has the contract, by halving; None where the node does not know."""
        found = self.known(("deployed", address), int, lambda: self._deployed(address))
        if found is None or found < 0:
            self._note(_WORDS.get(found or _NO_ARCHIVE, _WORDS[_NO_ARCHIVE]))
            return None
        return found

    def _deployed(self, address: bytes) -> int:
        low, high = 0, self.number
        try:
            while low < high:
                middle = (low + high) // 2
                if self.node.code(address, middle):
                    high = middle
                else:
                    low = middle + 1
        except Silent:
            raise  # it may have an archive
        except Unavailable:
            return _NO_ARCHIVE
        return low if low == 0 or self._has_state(low - 1) else _EMPTY

    def _has_state(self, number: int) -> bool:
        """Whether the node has the state of a block, and does not answer that all is empty.

        An account that sent a transaction there had sent before, by its nonce: it cannot be new.
        """
        try:
            for block in range(number, max(number - _BLOCKS, -1), -1):
                for index in range(_PLACES):
                    if (found := self.node.sender(block, index)) is None:
                        break
                    sender, nonce = found
                    if nonce > 0:  # the nonce of a chain's own transactions may be always 0
                        return self.node.nonce(sender, block) > 0
        except Unavailable:
            pass  # a node without these methods
        return True

    def _note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)

    def events(
        self,
        addresses: Sequence[bytes],
        kinds: Sequence[Event],
        first: int,
        what: str,
        *indexed: str | None,
    ) -> list[TimedEvent]:
        """The events of these kinds and contracts, in order. `indexed`: wanted values of topics."""
        query = _Query(kinds, indexed, what)
        remembered, starts = self._remembered(addresses, query, first)
        found = [
            event for start, together in starts.items()
            for event in self._read(together, query, start)
        ]  # fmt: skip
        self.new_events += found
        events = in_order(remembered, found)
        if self.memory is not None:
            for address in addresses:
                self.rows[query.key(address)] = [
                    query.row(event) for event in events if event.address == address
                ]
        return events

    def _remembered(
        self, addresses: Sequence[bytes], query: _Query, first: int
    ) -> tuple[list[TimedEvent], dict[int, list[bytes]]]:
        """The events that the memory has, and the contracts by the block to go on from."""
        memory, remembered = self.memory, list[TimedEvent]()
        starts: dict[int, list[bytes]] = {}
        rows = {} if memory is None else memory.events
        some = any(query.key(address) in rows for address in addresses)
        for address in addresses:
            start = first
            if memory is not None and (known := rows.get(query.key(address))) is not None:
                remembered += [query.event(address, row) for row in known]
                start = max(first, memory.settled + 1)
            elif some:
                # New beside others: it has no events from before its own deployment.
                start = max(first, self.deployed(address))
            starts.setdefault(start, []).append(address)
        return remembered, starts

    def _read(self, addresses: Sequence[bytes], query: _Query, first: int) -> list[TimedEvent]:
        progress = None if self._progress is None else partial(self._progress, query.what)
        logs = self.node.logs(addresses, query.topics, first, self.number, progress)
        return [self._timed(log, query) for log in logs]

    def _timed(self, log: Log, query: _Query) -> TimedEvent:
        event = query.by_topic.get(log.topics[0] if log.topics else b"")
        if event is None:
            raise Unavailable("a log that was not asked for", field="eth_getLogs")
        time = self.block(log.block).time
        values = event.read(log)
        return TimedEvent(
            time, log.block, log.index, log.address, event.name, values, log.transaction
        )


class _Query:
    """The kinds of events that are wanted, and the wanted values of their topics."""

    def __init__(self, kinds: Sequence[Event], indexed: Sequence[str | None], what: str) -> None:
        self.what = what
        self.topics: list[Any] = [topics_of(kinds), *indexed]
        self.by_topic = {event.topic: event for event in kinds}
        self._by_name = {event.name: event for event in kinds}
        # The names of all kinds would be long; a contract is asked for few different sets.
        self._name = key_of(keccak256("".join(self.topics[0]).encode())[:4], *indexed)

    def key(self, address: bytes) -> str:
        return key_of(address, self._name)

    def row(self, event: TimedEvent) -> Row:
        values = self._by_name[event.name].to_row(event.arguments)
        return event.time, event.block, event.index, event.name, event.transaction, values

    def event(self, address: bytes, row: Row) -> TimedEvent:
        time, block, index, name, transaction, values = row
        kind = self._by_name.get(name)
        if kind is None:
            raise Misuse("not an event of this contract", field="live.events", found=shown(name))
        arguments = kind.from_row(values)
        return TimedEvent(time, block, index, address, name, arguments, transaction)
