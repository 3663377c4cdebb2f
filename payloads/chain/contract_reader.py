"""Contracts read at one block: getters, events with their times, and notes on the way."""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import Any

from payloads.chain.contract_events import Event, calldata, topics_of
from payloads.chain.history import TimedEvent
from payloads.chain.rpc import Log, Node, Reverts, Unavailable
from payloads.crypto import checksum, keccak256
from payloads.errors import Misuse


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
    ) -> None:
        self.node, self.number, self.notes = node, number, list[str]()
        self._since, self._progress = since, progress

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
        try:
            before = self.node.code(address, self._since - 1) if self._since > 0 else b""
        except Unavailable:
            before = b""  # not known; storage is compared with the events later
        if before:
            raise Misuse(
                "the contract was deployed before this block",
                field="since", expected="the block of its deployment, or an earlier one",
                found=f"{self._since}, where {checksum(address)} has code already",
            )  # fmt: skip
        return self._since

    def deployed(self, address: bytes) -> int:
        """The first block that has the contract, by halving; 0 where the node has no archive."""
        low, high = 0, self.number
        try:
            while low < high:
                middle = (low + high) // 2
                if self.node.code(address, middle):
                    high = middle
                else:
                    low = middle + 1
        except Unavailable:
            self.notes.append("the node has no archive")
            return 0
        return low

    def events(
        self,
        addresses: Sequence[bytes],
        kinds: Sequence[Event],
        first: int,
        what: str,
        *indexed: str | None,
    ) -> list[TimedEvent]:
        """The events of these kinds and contracts, in order. `indexed`: wanted values of topics."""
        if not addresses:
            return []
        by_topic = {event.topic: event for event in kinds}
        progress = None if self._progress is None else partial(self._progress, what)
        topics: list[Any] = [topics_of(kinds), *indexed]
        logs = self.node.logs(addresses, topics, first, self.number, progress)
        return [self._timed(log, by_topic) for log in logs]

    def _timed(self, log: Log, by_topic: dict[bytes, Event]) -> TimedEvent:
        event = by_topic.get(log.topics[0] if log.topics else b"")
        if event is None:
            raise Unavailable("a log that was not asked for", field="eth_getLogs")
        time = self.node.block(log.block).time
        values = event.read(log)
        return TimedEvent(
            time, log.block, log.index, log.address, event.name, values, log.transaction
        )
