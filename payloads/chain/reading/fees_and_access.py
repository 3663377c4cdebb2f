"""Fee managers and access controllers: those in use, their settings, and the earlier ones.

A proxy may have had several of either. Each is followed through its own events; what holds at the
block is compared with getters.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from payloads.chain.reading.contract_events import ACCESS, FEE_MANAGERS, FEES, calldata
from payloads.chain.reading.contract_reader import ContractReader, in_order
from payloads.chain.reading.history import (
    AccessList,
    FeeHistory,
    History,
    NoOpFees,
    TimedEvent,
    Uses,
    hex_text,
    replay_settings,
    replay_uses,
)
from payloads.chain.rpc import Reverts, Unavailable
from payloads.chainlink.state import NO_OP, V03, V04
from payloads.crypto import checksum, keccak256
from payloads.errors import Misuse, shown
from payloads.signatures import address_bytes
from payloads.verdicts.state import ZERO

# What the code of an account that delegates begins with; an address follows.
DELEGATION = bytes.fromhex("ef0100")
# An address that no list names: a contract that admits it admits everybody.
STRANGER = keccak256(b"payloads: an address that nobody has")[-20:]


def _uses(
    reader: ContractReader, owner: bytes, getter: str, name: str, events: Sequence[TimedEvent]
) -> Uses:
    """The contracts that `owner` used, by the events called `name`."""
    present = reader.address(owner, getter)
    if present is None:
        raise Unavailable(f"{checksum(owner)} does not answer {getter}", field=getter)
    return replay_uses((event for event in events if event.address == owner), name, present)


def _addresses(uses: Uses) -> list[bytes]:
    return list(dict.fromkeys(address for _, address in uses if address != ZERO))


# --- fee managers ---------------------------------------------------------------------------------


def fees(
    reader: ContractReader,
    owner: bytes,
    generation: str,
    subscriber: bytes | None,
    events: Sequence[TimedEvent],
    history: History,
) -> dict[str, Any] | None:
    """The fee manager in use as `State` has it; earlier settings go into `history`.

    `owner` is the contract that has it.
    """
    uses = _uses(reader, owner, "s_feeManager()", "FeeManagerSet", events)
    present = uses[-1][1]
    managers = {each: _manager(reader, each, owner, present) for each in _addresses(uses)}
    charging = [each for each, fees in managers.items() if isinstance(fees, FeeHistory)]
    read = in_order(*(_fee_events(reader, each, subscriber) for each in charging))
    replay_settings(read, "fee_manager", uses, managers, history)
    manager = managers.get(present)
    if manager is None:
        return None
    if isinstance(manager, FeeHistory):
        _check_fees(reader, manager, generation)
    return manager.to_json()


def _manager(
    reader: ContractReader, address: bytes, owner: bytes, present: bytes
) -> FeeHistory | NoOpFees:
    version = reader.version(address)
    link, native = (_token(reader, address, name) for name in ("i_linkAddress", "i_nativeAddress"))
    if version in NO_OP:
        return NoOpFees(address, version, link, native)
    if (generation := FEE_MANAGERS.get(version or "")) is None:
        raise Unavailable(
            "an unknown fee manager, of which no terms are known; if it does what a known type "
            "does, write a state by hand with that type",
            field=checksum(address), expected=" or ".join((*FEE_MANAGERS, *NO_OP)),
            found=f"typeAndVersion {shown(version)}",
        )  # fmt: skip
    if link is None or native is None:
        raise Unavailable("the fee manager does not name its tokens", field=checksum(address))
    serves = owner if address != present else _served(reader, address, owner, generation)
    if serves != owner:
        raise Unavailable(
            "the fee manager serves another contract: every call would revert",
            field=checksum(address), expected=checksum(owner), found=checksum(serves or ZERO),
        )  # fmt: skip
    return FeeHistory(address, link, native, generation != V03)


def _token(reader: ContractReader, address: bytes, name: str) -> bytes | None:
    """The address of a token, which a fee manager has for good."""

    def ask() -> str | None:
        found = reader.address(address, name + "()")
        return None if found is None else hex_text(found)

    found = reader.known((name, address), str, ask)
    return None if found is None else address_bytes(found, name)


def _served(reader: ContractReader, address: bytes, owner: bytes, generation: str) -> bytes | None:
    """The contract that may call the fee manager."""
    if generation == V04:
        return reader.address(address, "s_verifierAddressList(address)", owner)
    return reader.address(address, "i_proxyAddress()")


def _fee_events(
    reader: ContractReader, address: bytes, subscriber: bytes | None
) -> list[TimedEvent]:
    first = reader.deployed(address)
    if subscriber is None:
        return reader.events([address], FEES, first, "the fee manager's events")
    discounts, surcharges = FEES
    topic = "0x" + subscriber.rjust(32, b"\0").hex()
    own = reader.events([address], (discounts,), first, "the subscriber's discounts", topic)
    return in_order(own, reader.events([address], (surcharges,), first, "the surcharges"))


def _check_fees(reader: ContractReader, manager: FeeHistory, generation: str) -> None:
    """Compare what the events say with the getters."""
    address, surcharge = manager.address, manager.surcharge
    if not reader.known(
        ("surcharge", address, surcharge),
        bool,
        lambda: reader.word(address, "s_nativeSurcharge()") == surcharge,
    ):
        raise _disagreement("the surcharge")
    for (subscriber, feed, token), by_event in list(manager.discounts.items()):
        place = manager.places[subscriber, feed, token]
        found = reader.known(
            ("discounts", address, subscriber, feed, token, *place),
            tuple,
            partial(_ask_discounts, reader, manager, subscriber, feed, token),
        )
        if found is None or by_event not in (found[:1] if feed else found):
            raise _disagreement(f"a discount of {checksum(subscriber)}")
        if feed is None:
            # The event of a discount for feed zero looks the same.
            all_feeds, feed_zero = found
            manager.discounts[subscriber, None, token] = all_feeds
            if feed_zero:
                manager.discounts[subscriber, bytes(32), token] = feed_zero
    granted = [key for key, discount in manager.discounts.items() if discount]
    if generation == V03 and any(feed is None for _, feed, _ in granted):
        raise Unavailable(
            "a fee manager with discounts for all feeds in front of a v0.3.0 verifier",
            field=checksum(manager.address), expected="FeeManager 2.0.0",
        )  # fmt: skip


def _ask_discounts(
    reader: ContractReader, manager: FeeHistory, subscriber: bytes, feed: bytes | None, token: bytes
) -> tuple[int, int]:
    """The discount for a feed, and 0; or the discounts for all feeds and for feed zero."""
    if feed is not None:
        return _of_feed(reader, manager, subscriber, feed, token), 0
    getter = "s_globalDiscounts(address,address)"
    all_feeds = reader.word(manager.address, getter, subscriber, token) or 0
    return all_feeds, _of_feed(reader, manager, subscriber, bytes(32), token)


def _of_feed(
    reader: ContractReader, manager: FeeHistory, subscriber: bytes, feed: bytes, token: bytes
) -> int:
    getter = "s_subscriberDiscounts(address,bytes32,address)"
    return reader.word(manager.address, getter, subscriber, feed, token) or 0


def _disagreement(what: str) -> Unavailable:
    return Unavailable(
        f"events and getters disagree about {what}",
        field="eth_getLogs",
        expected="a node that returns all logs, from the fee manager's deployment on",
    )


# --- the subscriber -------------------------------------------------------------------------------


def caller(reader: ContractReader, subscriber: bytes | None) -> dict[str, Any]:
    """The subscriber as `State` has it."""
    if subscriber is None:
        return {}
    record: dict[str, Any] = {"subscriber": "0x" + subscriber.hex()}
    return record | ({"subscriber_is_contract": True} if is_contract(reader, subscriber) else {})


# --- access controllers ---------------------------------------------------------------------------


def access(
    reader: ContractReader,
    owner: bytes,
    subscriber: bytes | None,
    events: Sequence[TimedEvent],
    history: History,
) -> dict[str, Any] | None:
    """The access controller in use as `State` has it; earlier lists go into `history`."""
    uses = _uses(reader, owner, "s_accessController()", "AccessControllerSet", events)
    lists: dict[bytes, AccessList] = {}
    events_of_lists = []
    for address in _addresses(uses):
        published = _is_published(reader, address)
        if not published and subscriber is None:
            _check_replaced(reader, address, uses)
            continue
        if published:
            lists[address], found = _published(reader, address)
        else:
            lists[address], found = _unknown(reader, address, owner, subscriber)
        events_of_lists.append(found)
    replay_settings(in_order(*events_of_lists), "access_controller", uses, lists, history)
    current = lists.get(uses[-1][1])
    if current is None:
        return None
    for user in current.listed:
        question = ("admits", current.address, current.enabled, user)
        admits = partial(_admits_user, reader, current.address, owner, user)
        if not reader.known(question, bool, admits):
            raise _disagreement(f"the access of {checksum(user)}")
    return current.to_json()


def _is_published(reader: ContractReader, address: bytes) -> bool:
    """Whether the controller is of a published kind, which says what it does in events."""

    def ask() -> bool:
        return reader.word(address, "checkEnabled()") is not None

    return bool(reader.known(("published", address), bool, ask))


def _admits_user(reader: ContractReader, address: bytes, owner: bytes, user: bytes) -> bool:
    return _admits(reader, address, _origin(reader, owner, user), user)


def _published(reader: ContractReader, address: bytes) -> tuple[AccessList, list[TimedEvent]]:
    """SimpleWriteAccessController, or ...Read..., which also admits every origin."""
    first = reader.deployed_at(address)
    asks = partial(_admits_origins, reader, address, first)
    origins = reader.known(("origins", address), bool, asks) or False
    found = AccessList(address, origins)
    what = "the access controller's events"
    return found, reader.events([address], ACCESS, first or 0, what)


def _admits_origins(reader: ContractReader, address: bytes, first: int | None) -> bool | None:
    """Whether a stranger is admitted as the origin, while access is controlled."""
    if reader.word(address, "checkEnabled()"):
        return _admits(reader, address, STRANGER, STRANGER)
    if first is None:
        return None
    try:
        # Switched off by now; it was on when the contract was deployed.
        return _admits(reader, address, STRANGER, STRANGER, first)
    except Unavailable:
        return None


def _check_replaced(reader: ContractReader, address: bytes, uses: Uses) -> None:
    """`Misuse` for a controller in use that can only be asked about an address, if none is given.

    That it admits one address says nothing about others. Only the past lacks an earlier address.
    """
    if address == uses[-1][1]:
        raise Misuse(
            "an access controller of an unknown kind, which can only be asked about an address",
            field="subscriber", expected="the address that will call",
        )  # fmt: skip
    reader.notes.append(
        f"the past leaves out access controller {checksum(address)}, which is of an unknown kind"
    )


def _unknown(
    reader: ContractReader, address: bytes, owner: bytes, subscriber: bytes | None
) -> tuple[AccessList, list[TimedEvent]]:
    """Any other contract: it can only be asked about an address, at some blocks."""
    assert subscriber is not None
    found = AccessList(address)
    reader.notes.append("the access controller was asked about the subscriber alone")
    origin = _origin(reader, owner, subscriber)

    def admitted(block: int) -> bool:
        return _admits(reader, address, origin, subscriber, block)

    def admitted_first() -> bool | None:
        try:
            return None if low is None else admitted(low)
        except Unavailable:
            return None

    low, after = reader.deployed_at(address), admitted(reader.number)
    asked = (address, subscriber, origin)
    before = reader.known(("admitted first", *asked), bool, admitted_first)
    if before is None or before == after:
        if after:
            found.listed[subscriber] = None
        return found, []
    if before:
        found.listed[subscriber] = None

    def switched() -> int:
        first, last = low or 0, reader.number
        while last - first > 1:
            middle = (first + last) // 2
            first, last = (middle, last) if admitted(middle) == before else (first, middle)
        return last

    block = reader.known(("switched", *asked, after), int, switched) or reader.number
    name = "AddedAccess" if after else "RemovedAccess"
    time = reader.block(block).time
    return found, [TimedEvent(time, block, 0, address, name, {"user": subscriber})]


def _origin(reader: ContractReader, owner: bytes, user: bytes) -> bytes:
    """The origin that the controller sees: an account that calls is its own."""
    return owner if is_contract(reader, user) else user


def is_contract(reader: ContractReader, user: bytes) -> bool:
    """Whether the address has code; the code that an account delegates to (EIP-7702) is not its."""
    code = reader.node.code(user, reader.number)
    return bool(code) and not (code.startswith(DELEGATION) and len(code) == len(DELEGATION) + 20)


def _admits(
    reader: ContractReader, address: bytes, origin: bytes, user: bytes, block: int | None = None
) -> bool:
    """`hasAccess(user, "")`, asked as `origin`, which is then both sender and origin."""
    data = calldata("hasAccess(address,bytes)", user, 0x40, 0)
    try:
        return any(reader.node.call(address, data, block or reader.number, origin))
    except Reverts:
        return False
