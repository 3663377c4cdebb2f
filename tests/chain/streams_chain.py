"""A made-up chain with Chainlink's contracts v0.5.0 on it, as far as `fetch_state` asks them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from eth_abi.abi import decode, encode

from payloads.chain.reading.contract_events import ACCESS, FEES, PROXY, VERIFIER_EVENTS, Event
from payloads.chain.reading.fetch import STATES, mapped
from payloads.chainlink.state import V05
from tests.chain.stork_chain import ADDRESS, StorkChain
from tests.stork_contract import selector

VERIFIERS = [b"\x21" * 20, b"\x22" * 20]
MANAGERS = [b"\x31" * 20, b"\x32" * 20]
BOOK, LINK, NATIVE = b"\x41" * 20, b"\x1c" * 20, b"\x2d" * 20
KEEPER, OTHER = b"\xbb" * 20, b"\xcc" * 20
NOWHERE = bytes(20)
DIGESTS = [b"\x00\x06" + bytes([n]) * 30 for n in range(1, 5)]
FEED = b"\x00\x03" + b"\xaa" * 30
SIGNERS = [bytes([n]) * 20 for n in range(1, 20)]
_EVENTS = {event.name: event for event in (*PROXY, *VERIFIER_EVENTS[V05], *FEES, *ACCESS)}
_VERSIONS = {
    ADDRESS: "VerifierProxy 2.0.0",
    **dict.fromkeys(VERIFIERS, "Verifier 2.0.0"),
    **dict.fromkeys(MANAGERS, "FeeManager 2.1.0"),
}


@dataclass
class Contracts:
    """What the contracts have stored."""

    deployed: set[bytes] = field(default_factory=lambda: {ADDRESS})
    verifiers: dict[bytes, bytes] = field(default_factory=dict)
    # Signers, f and whether it is active, by verifier and digest.
    configs: dict[tuple[bytes, bytes], tuple[int, int, bool]] = field(default_factory=dict)
    fee_manager: bytes = NOWHERE
    access: bytes = NOWHERE
    surcharges: dict[bytes, int] = field(default_factory=dict)
    discounts: dict[tuple[bytes, bytes, bytes | None, bytes], int] = field(default_factory=dict)
    listed: set[bytes] = field(default_factory=set)
    enabled: bool = True


class StreamsChain(StorkChain):
    """Each change is a block."""

    def __init__(self) -> None:
        super().__init__()
        self.contract: Any = Contracts()
        self.blocks: list[Any] = [None, None, copy.deepcopy(self.contract)]
        self.pending: list[tuple[bytes, list[bytes], bytes]] = []

    # --- changing it ------------------------------------------------------------------------------

    def _emit(self, address: bytes, name: str, **values: Any) -> None:
        event: Event = _EVENTS[name]
        topics = [event.topic] + [
            encode([type_], [values[key]]) for key, type_, indexed in event.arguments if indexed
        ]
        rest = [(type_, values[key]) for key, type_, indexed in event.arguments if not indexed]
        data = encode([type_ for type_, _ in rest], [value for _, value in rest])
        self.pending.append((address, topics, data))

    def done(self) -> None:
        number = len(self.blocks)
        self.log_of += [(number, *log) for log in self.pending]  # type: ignore[misc]
        self.pending = []
        self.mine()

    def initialize_verifier(self, index: int) -> None:
        self.contract.deployed.add(VERIFIERS[index])
        self._emit(ADDRESS, "VerifierInitialized", verifier=VERIFIERS[index])
        self.done()

    def set_config(self, verifier: int, digest: int, count: int, f: int) -> None:
        """Set it, or update it where it is known; the proxy learns the verifier."""
        address, id_ = VERIFIERS[verifier], DIGESTS[digest]
        known = self.contract.configs.get((address, id_))
        signers = SIGNERS[:count]
        if known is None:
            self._emit(address, "ConfigSet", digest=id_, signers=signers, f=f)
            self._emit(ADDRESS, "VerifierSet", old=bytes(32), digest=id_, verifier=address)
            self.contract.verifiers[id_] = address
        else:
            old = SIGNERS[: known[0]]
            self._emit(address, "ConfigUpdated", digest=id_, old=old, signers=signers)
        self.contract.configs[address, id_] = (count, f, True)
        self.done()

    def switch(self, verifier: int, digest: int, active: bool) -> None:
        address, id_ = VERIFIERS[verifier], DIGESTS[digest]
        if (known := self.contract.configs.get((address, id_))) is None:
            return
        self.contract.configs[address, id_] = (known[0], known[1], active)
        self._emit(address, "ConfigActivated" if active else "ConfigDeactivated", digest=id_)
        self.done()

    def unset(self, digest: int) -> None:
        id_ = DIGESTS[digest]
        if (verifier := self.contract.verifiers.pop(id_, None)) is not None:
            self._emit(ADDRESS, "VerifierUnset", digest=id_, verifier=verifier)
            self.done()

    def set_fee_manager(self, address: bytes) -> None:
        old, self.contract.fee_manager = self.contract.fee_manager, address
        self.contract.deployed.add(address)
        self._emit(ADDRESS, "FeeManagerSet", old=old, new=address)
        self.done()

    def surcharge(self, manager: int, surcharge: int) -> None:
        self.contract.surcharges[MANAGERS[manager]] = surcharge
        self.contract.deployed.add(MANAGERS[manager])
        self._emit(MANAGERS[manager], "NativeSurchargeUpdated", surcharge=surcharge)
        self.done()

    def discount(
        self, manager: int, user: bytes, feed: bytes | None, token: bytes, discount: int
    ) -> None:
        address = MANAGERS[manager]
        self.contract.discounts[address, user, feed, token] = discount
        self.contract.deployed.add(address)
        told = {"subscriber": user, "feed_id": feed or bytes(32), "token": token}
        self._emit(address, "SubscriberDiscountUpdated", **told, discount=discount)
        self.done()

    def set_access(self, address: bytes) -> None:
        old, self.contract.access = self.contract.access, address
        self.contract.deployed.add(address)
        self._emit(ADDRESS, "AccessControllerSet", old=old, new=address)
        self.done()

    def guest(self, user: bytes, listed: bool) -> None:
        if (user in self.contract.listed) is listed:
            return
        (self.contract.listed.add if listed else self.contract.listed.discard)(user)
        self.contract.deployed.add(BOOK)
        self._emit(BOOK, "AddedAccess" if listed else "RemovedAccess", user=user)
        self.done()

    def check_access(self, enabled: bool) -> None:
        if self.contract.enabled is enabled:
            return
        self.contract.enabled = enabled
        self.contract.deployed.add(BOOK)
        self._emit(BOOK, "CheckAccessEnabled" if enabled else "CheckAccessDisabled")
        self.done()

    # --- asking -----------------------------------------------------------------------------------

    def eth_getCode(self, address: str, block: str) -> dict[str, Any]:
        known = self.blocks[int(block, 16)]
        there = known is not None and bytes.fromhex(address[2:]) in known.deployed
        return {"result": "0x60" if there else "0x"}

    def eth_getStorageAt(self, address: str, slot: str, block: str) -> dict[str, Any]:
        known, owner = self.blocks[int(block, 16)], bytes.fromhex(address[2:])
        for (verifier, digest), (count, f, active) in known.configs.items():
            if verifier == owner and mapped(STATES, digest) == int(slot, 16):
                word = bytes(25) + bytes([count, f, active]) + bytes(4)
                return {"result": "0x" + word.hex()}
        return {"result": "0x" + bytes(32).hex()}

    def eth_call(self, call: dict[str, str], block: str) -> dict[str, Any]:
        to, data = bytes.fromhex(call["to"][2:]), bytes.fromhex(call["data"][2:])
        known = self.blocks[int(block, 16)]
        if known is None or to not in known.deployed:
            return {"result": "0x"}
        answer = self._answers(known, to, data[4:]).get(data[:4])
        if answer is None:
            return {"error": {"code": 3, "message": "execution reverted"}}
        return {"result": "0x" + answer().hex()}

    def _answers(
        self, known: Contracts, to: bytes, arguments: bytes
    ) -> dict[bytes, Callable[[], bytes]]:
        def word(value: Any) -> bytes:
            return bytes(value).rjust(32, b"\0") if isinstance(value, bytes) else encode(
                ["uint256"], [int(value)]
            )  # fmt: skip

        def discounts(feed: bool) -> bytes:
            types = ["address", "bytes32", "address"] if feed else ["address", "address"]
            user, *between, token = decode(types, arguments)
            key = bytes.fromhex(user[2:]), bytes.fromhex(token[2:])
            id_ = between[0] if feed else None
            return word(known.discounts.get((to, key[0], id_, key[1]), 0))

        def has_access() -> bytes:
            return word(not known.enabled or arguments[12:32] in known.listed)

        def registered() -> bytes:
            return word(known.verifiers.get(arguments, NOWHERE))

        getters: dict[str, Callable[[], bytes]] = {}
        if to in _VERSIONS:
            getters["typeAndVersion()"] = lambda: encode(["string"], [_VERSIONS[to]])
        if to == ADDRESS:
            getters |= {
                "getVerifier(bytes32)": registered,
                "s_feeManager()": lambda: word(known.fee_manager),
                "s_accessController()": lambda: word(known.access),
            }
        elif to in MANAGERS:
            getters |= {
                "i_linkAddress()": lambda: word(LINK),
                "i_nativeAddress()": lambda: word(NATIVE),
                "i_proxyAddress()": lambda: word(ADDRESS),
                "s_nativeSurcharge()": lambda: word(known.surcharges.get(to, 0)),
                "s_globalDiscounts(address,address)": lambda: discounts(False),
                "s_subscriberDiscounts(address,bytes32,address)": lambda: discounts(True),
            }
        elif to == BOOK:
            getters |= {
                "checkEnabled()": lambda: word(known.enabled),
                "hasAccess(address,bytes)": has_access,
            }
        return {selector(signature): getter for signature, getter in getters.items()}

    def eth_getLogs(self, wanted: dict[str, Any]) -> dict[str, Any]:
        first, last = int(wanted["fromBlock"], 16), int(wanted["toBlock"], 16)
        addresses = {bytes.fromhex(each[2:]) for each in wanted["address"]}
        topics, *others = wanted["topics"]
        found = []
        for index, (number, address, logged, data) in enumerate(self.log_of):  # type: ignore[misc]
            fits = all(
                other is None or other == "0x" + topic.hex()
                for other, topic in zip(others, logged[1:], strict=False)
            )
            named = address in addresses and "0x" + logged[0].hex() in topics
            if first <= number <= last and named and fits:
                log = self._log(index, number, logged, data)
                found.append(log | {"address": "0x" + address.hex()})
        return {"result": found}


class LongChain(StreamsChain):
    """Many empty blocks after the last change, on a node that gives the logs of `most` at once."""

    def __init__(self, most: int, empty: int = 100_000_000) -> None:
        super().__init__()
        self.most, self.empty = most, empty
        self.initialize_verifier(0)
        self.set_config(0, 0, 4, 1)
        self.set_config(0, 1, 5, 1)
        self.set_fee_manager(MANAGERS[0])
        self.surcharge(0, 5)
        self.set_access(BOOK)
        self.guest(KEEPER, True)

    def _number(self, block: str) -> int:
        return min(int(block, 16), super().head)

    def eth_blockNumber(self) -> dict[str, Any]:
        return {"result": hex(super().head + self.empty)}

    def eth_getBlockByNumber(self, block: str, _: bool) -> dict[str, Any]:
        time, hash_ = hex(self.time(int(block, 16))), "0x" + f"{int(block, 16):064x}"
        return {"result": {"number": block, "timestamp": time, "hash": hash_}}

    def eth_getCode(self, address: str, block: str) -> dict[str, Any]:
        return super().eth_getCode(address, hex(self._number(block)))

    def eth_getStorageAt(self, address: str, slot: str, block: str) -> dict[str, Any]:
        return super().eth_getStorageAt(address, slot, hex(self._number(block)))

    def eth_call(self, call: dict[str, str], block: str) -> dict[str, Any]:
        return super().eth_call(call, hex(self._number(block)))

    def eth_getLogs(self, wanted: dict[str, Any]) -> dict[str, Any]:
        if int(wanted["toBlock"], 16) - int(wanted["fromBlock"], 16) >= self.most:
            return {"error": {"code": -32005, "message": "query exceeds max block range"}}
        return super().eth_getLogs(wanted)
