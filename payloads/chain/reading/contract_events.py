"""The events and getters of the deployed contracts that say what their state is.

Each event is described once, as Solidity declares it; its topic and its reader follow from that.
`read` raises `Unavailable` for a log that does not fit its own event, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from payloads.abi.fields import Record
from payloads.chain.rpc import Log, Unavailable
from payloads.chainlink.state import V03, V04, V05
from payloads.crypto import keccak256
from payloads.errors import Misuse, shown


class Event(Record, frozen=True):
    """An event: its name, and for each argument name, type, and whether it is a topic."""

    name: str
    arguments: tuple[tuple[str, str, bool], ...]
    topic: bytes

    @classmethod
    def of(cls, name: str, *declared: str) -> Event:
        """`declared`: `type name` or `type indexed name` for each argument."""
        parts = [argument.split() for argument in declared]
        arguments = tuple((part[-1], part[0], part[1] == "indexed") for part in parts)
        signature = f"{name}({','.join(type_ for _, type_, _ in arguments)})"
        return cls(name, arguments, keccak256(signature.encode()))

    def read(self, log: Log) -> dict[str, Any]:
        """The arguments by name; addresses and words as bytes."""
        from eth_abi.abi import decode  # comes with web3
        from eth_abi.exceptions import DecodingError

        # A topic does not say which arguments are indexed, and a sister contract may index none.
        none_indexed = len(log.topics) == 1
        in_data = [
            (name, type_) for name, type_, indexed in self.arguments if none_indexed or not indexed
        ]
        in_topics = [
            (name, type_) for name, type_, indexed in self.arguments if indexed and not none_indexed
        ]
        try:
            values = decode([type_ for _, type_ in in_data], log.data)
            topics = [
                decode([type_], topic)[0]
                for (_, type_), topic in zip(in_topics, log.topics[1:], strict=True)
            ]
        except (DecodingError, ValueError, ArithmeticError):  # an OverflowError is one
            problem = f"a log does not fit {self.name}"
        else:
            names = [name for name, _ in (*in_data, *in_topics)]
            types = [type_ for _, type_ in (*in_data, *in_topics)]
            return dict(zip(names, map(_plain, types, (*values, *topics)), strict=True))
        raise Unavailable(problem, field="eth_getLogs", found=f"block {log.block}")

    # --- in a file --------------------------------------------------------------------------------

    def to_row(self, arguments: dict[str, Any]) -> list[Any]:
        """The arguments that a state follows from, in order, as JSON has them."""
        return [_as_json(arguments[name]) for name, _, _ in self._used]

    def from_row(self, row: Sequence[Any]) -> dict[str, Any]:
        """The arguments by name; `Misuse` for a row that no event of this kind left."""
        try:
            return {
                name: _from_json(type_, value)
                for (name, type_, _), value in zip(self._used, row, strict=True)
            }
        except (AttributeError, TypeError, ValueError):
            problem = f"not the arguments of {self.name}"
        raise Misuse(problem, field="live.events", found=shown(row))

    @property
    def _used(self) -> list[tuple[str, str, bool]]:
        return [argument for argument in self.arguments if argument[0] not in _UNUSED]


# Arguments that no state follows from. Some are long.
_UNUSED = frozenset(
    ("previous", "count", "transmitters", "onchain", "version", "offchain", "recipients")
)
_SIZES = {"address": 20, "bytes24": 24, "bytes32": 32}


def _as_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return ["0x" + each.hex() for each in value] if isinstance(value, tuple) else value


def _from_json(type_: str, value: Any) -> Any:
    if type_.endswith("[]"):
        return tuple(_from_json(type_[:-2], each) for each in value)
    if type_ in _SIZES:
        raw = bytes.fromhex(value.removeprefix("0x"))
        if len(raw) != _SIZES[type_]:
            raise ValueError(type_)
        return raw
    if type(value) is not (bool if type_ == "bool" else int):
        raise TypeError(type_)
    return value


def _plain(type_: str, value: Any) -> Any:
    if type_ == "address":
        return bytes.fromhex(value[2:])
    if type_ == "address[]":
        return tuple(bytes.fromhex(address[2:]) for address in value)
    return value


def topics_of(events: Iterable[Event]) -> list[str]:
    """The first topics of these events, as eth_getLogs takes them."""
    return ["0x" + event.topic.hex() for event in events]


@cache
def _selector(signature: str) -> bytes:
    return keccak256(signature.encode())[:4]


def calldata(signature: str, *words: bytes | int) -> bytes:
    """The calldata of a getter whose arguments are words."""
    data = _selector(signature)
    for word in words:
        raw = word.to_bytes(32, "big") if isinstance(word, int) else word
        data += raw.rjust(32, b"\0")
    return data


# The answers of `typeAndVersion`. Both older proxies give the same; their verifiers differ.
PROXIES = {
    "VerifierProxy 2.0.0": (V03, V05),
    "VerifierProxy 2.0.1": (V03, V05),
    "DestinationVerifierProxy 0.4.0": (V04,),
}
VERIFIERS = {
    "Verifier 1.2.0": V03,
    "DestinationVerifier 0.4.0": V04,
    "Verifier 2.0.0": V05,
    "Verifier 2.0.1": V05,
}
# The contracts with the views: both must have them. A state calls that v0.5.1.
WITH_VIEWS = frozenset({"VerifierProxy 2.0.1", "Verifier 2.0.1"})
FEE_MANAGERS = {
    "FeeManager 2.0.0": V03,
    "DestinationFeeManager 0.4.0": V04,
    "FeeManager 2.1.0": V05,
}

_SWITCHED = (
    Event.of("FeeManagerSet", "address old", "address new"),
    Event.of("AccessControllerSet", "address old", "address new"),
)
PROXY = (
    *_SWITCHED,
    Event.of("VerifierInitialized", "address verifier"),
    Event.of("VerifierSet", "bytes32 old", "bytes32 digest", "address verifier"),
    Event.of("VerifierUnset", "bytes32 digest", "address verifier"),
)
VERIFIER_EVENTS = {
    V03: (
        Event.of(
            "ConfigSet",
            "bytes32 indexed feed_id", "uint32 previous", "bytes32 digest", "uint64 count",
            "address[] signers", "bytes32[] transmitters", "uint8 f", "bytes onchain",
            "uint64 version", "bytes offchain",
        ),
        Event.of("ConfigDeactivated", "bytes32 indexed feed_id", "bytes32 digest"),
        Event.of("ConfigActivated", "bytes32 indexed feed_id", "bytes32 digest"),
        Event.of("FeedDeactivated", "bytes32 indexed feed_id"),
        Event.of("FeedActivated", "bytes32 indexed feed_id"),
    ),
    V04: (
        *_SWITCHED,
        Event.of(
            "ConfigSet",
            "bytes24 indexed don_config_id", "address[] signers", "uint8 f",
            "(address,uint64)[] recipients", "uint16 index",
        ),
        Event.of("ConfigActivated", "bytes24 don_config_id", "bool active"),
        Event.of("ConfigRemoved", "bytes24 don_config_id"),
    ),
    V05: (
        Event.of("ConfigSet", "bytes32 indexed digest", "address[] signers", "uint8 f"),
        Event.of("ConfigUpdated", "bytes32 indexed digest", "address[] old", "address[] signers"),
        Event.of("ConfigDeactivated", "bytes32 indexed digest"),
        Event.of("ConfigActivated", "bytes32 indexed digest"),
    ),
}  # fmt: skip
FEES = (
    Event.of(
        "SubscriberDiscountUpdated",
        "address indexed subscriber", "bytes32 indexed feed_id", "address token", "uint64 discount",
    ),
    Event.of("NativeSurchargeUpdated", "uint64 surcharge"),
)  # fmt: skip
ACCESS = (
    Event.of("AddedAccess", "address user"),
    Event.of("RemovedAccess", "address user"),
    Event.of("CheckAccessEnabled"),
    Event.of("CheckAccessDisabled"),
)
