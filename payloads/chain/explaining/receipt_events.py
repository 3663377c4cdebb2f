"""The events that a verification leaves in a receipt: reports, fees, discounts and tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from payloads.abi.fields import Record, Wide, jsonable
from payloads.chain.reading.contract_events import Event
from payloads.chain.rpc import Log, Unavailable
from payloads.crypto import checksum

REPORT_VERIFIED = Event.of("ReportVerified", "bytes32 indexed feed_id", "address requester")
_EVENTS = (
    REPORT_VERIFIED,
    Event.of(
        "DiscountApplied",
        "bytes32 indexed config_digest", "address indexed subscriber", "(address,uint256) fee",
        "(address,uint256) reward", "uint256 discount",
    ),
    Event.of("InsufficientLink", "(bytes32,uint192)[] rewards"),
    Event.of("FeePaid", "(bytes32,uint192)[] payments", "address payer"),
    Event.of("Transfer", "address indexed from", "address indexed to", "uint256 amount"),
)  # fmt: skip
_BY_TOPIC = {event.topic: event for event in _EVENTS}


class ContractEvent(Record, frozen=True):
    """An event of a receipt: the contract that emitted it, its name and its arguments."""

    address: bytes
    name: str
    arguments: dict[str, Any]

    def __str__(self) -> str:
        said = ", ".join(f"{name} {_said(value)}" for name, value in self.arguments.items())
        return f"{self.name} of {checksum(self.address)}: {said}"

    def to_dict(self) -> dict[str, Any]:
        """The event as JSON has it."""
        found = {"address": checksum(self.address), "name": self.name}
        return found | {"arguments": jsonable(self.arguments)}


def _said(value: Any) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return f"({', '.join(map(_said, value))})" if isinstance(value, tuple) else str(value)


def read_events(logs: Iterable[Log]) -> Iterator[ContractEvent]:
    """The events that are known among the logs; other contracts may emit anything."""
    for log in logs:
        event = _BY_TOPIC.get(log.topics[0]) if log.topics else None
        if event is None:
            continue
        try:
            arguments = event.read(log)
        except Unavailable:  # an event of the same name in another shape
            continue
        order = (name for name, _, _ in event.arguments)
        values = {name: _value(arguments[name]) for name in order}
        yield ContractEvent(log.address, event.name, values)


def _value(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return tuple(map(_value, value))
    if isinstance(value, str):  # an address inside a tuple
        return bytes.fromhex(value.removeprefix("0x"))
    return Wide(value) if type(value) is int else value
