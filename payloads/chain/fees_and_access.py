"""Fee managers and access controllers: what is in use, its settings, and what they were before.

A proxy may have had several of either. Each is followed through its own events; what holds at the
block is compared with getters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from payloads.chain.contract_events import ACCESS, FEE_MANAGERS, FEES, calldata
from payloads.chain.contract_reader import Reader, merged
from payloads.chain.history import (
    AccessList,
    FeeHistory,
    History,
    TimedEvent,
    replay_book,
    replay_switches,
)
from payloads.chain.rpc import Reverts, Unavailable
from payloads.chainlink.state import V03, V04
from payloads.crypto import checksum, keccak256
from payloads.errors import Misuse, elide

NOBODY = bytes(20)
# An address that no list names unless it lets everybody in.
STRANGER = keccak256(b"payloads: an address that nobody has")[-20:]


def _in_use(
    reader: Reader, owner: bytes, getter: str, name: str, events: Sequence[TimedEvent]
) -> list[tuple[int, bytes]]:
    """Which contract `owner` used from when."""
    present = reader.address(owner, getter)
    if present is None:
        raise Unavailable(f"{checksum(owner)} does not answer {getter}", field=getter)
    return replay_switches((one for one in events if one.address == owner), name, present)


def _addresses(switches: list[tuple[int, bytes]]) -> list[bytes]:
    return list(dict.fromkeys(address for _, address in switches if address != NOBODY))


# --- fee managers ---------------------------------------------------------------------------------


def fees(
    reader: Reader,
    owner: bytes,
    generation: str,
    who: bytes | None,
    events: Sequence[TimedEvent],
    past: History,
) -> dict[str, Any] | None:
    """The fee manager in use as `State` has it, and its past. `owner`: the contract that has it."""
    switches = _in_use(reader, owner, "s_feeManager()", "FeeManagerSet", events)
    books = {one: _book(reader, one, owner, generation) for one in _addresses(switches)}
    found = merged(*(_fee_events(reader, one, who) for one in books))
    replay_book(found, "fee_manager", switches, books, past)
    book = books.get(switches[-1][1])
    if book is None:
        return None
    _check_fees(reader, book, generation, who)
    return book.to_json()


def _book(reader: Reader, address: bytes, owner: bytes, generation: str) -> FeeHistory:
    said = reader.text(address, "typeAndVersion()")
    if (own := FEE_MANAGERS.get(said or "")) is None:
        raise Unavailable(
            "an unknown fee manager",
            field=checksum(address), expected=" or ".join(FEE_MANAGERS), found=elide(repr(said)),
        )  # fmt: skip
    link = reader.address(address, "i_linkAddress()")
    native = reader.address(address, "i_nativeAddress()")
    if link is None or native is None:
        raise Unavailable("the fee manager does not name its tokens", field=checksum(address))
    if own == V04:
        serves = reader.address(address, "s_verifierAddressList(address)", owner)
    else:
        serves = reader.address(address, "i_proxyAddress()")
    if serves != owner and address == reader.address(owner, "s_feeManager()"):
        raise Unavailable(
            "the fee manager serves another contract: every call would revert",
            field=checksum(address), expected=checksum(owner), found=checksum(serves or NOBODY),
        )  # fmt: skip
    return FeeHistory(address, link, native, own != V03)


def _fee_events(reader: Reader, address: bytes, who: bytes | None) -> list[TimedEvent]:
    first = reader.deployed(address)
    if who is None:
        return reader.events([address], FEES, first, "the fee manager's events")
    discounts, surcharges = FEES
    subscriber = "0x" + who.rjust(32, b"\0").hex()
    own = reader.events([address], (discounts,), first, "the subscriber's discounts", subscriber)
    return merged(own, reader.events([address], (surcharges,), first, "the surcharges"))


def _check_fees(reader: Reader, book: FeeHistory, generation: str, who: bytes | None) -> None:
    """What the events say, the getters must say too."""
    if reader.word(book.address, "s_nativeSurcharge()") != book.surcharge:
        raise _disagreement("the surcharge")
    for (subscriber, feed, token), said in list(book.discounts.items()):
        if feed is not None:
            if _of_feed(reader, book, subscriber, feed, token) != said:
                raise _disagreement(f"a discount of {checksum(subscriber)}")
            continue
        # The event of a discount for feed zero looks the same.
        every = reader.word(book.address, "s_globalDiscounts(address,address)", subscriber, token)
        zero = _of_feed(reader, book, subscriber, bytes(32), token)
        if said not in (every, zero):
            raise _disagreement(f"the discount of {checksum(subscriber)}")
        book.discounts[subscriber, None, token] = every or 0
        if zero:
            book.discounts[subscriber, bytes(32), token] = zero
    if generation == V03 and any(feed is None for _, feed, _ in _granted(book)):
        raise Unavailable(
            "a fee manager with discounts for all feeds in front of a v0.3.0 verifier",
            field=checksum(book.address), expected="FeeManager 2.0.0",
        )  # fmt: skip


def _granted(book: FeeHistory) -> list[tuple[bytes, bytes | None, bytes]]:
    return [key for key, discount in book.discounts.items() if discount]


def _of_feed(reader: Reader, book: FeeHistory, subscriber: bytes, feed: bytes, token: bytes) -> int:
    getter = "s_subscriberDiscounts(address,bytes32,address)"
    return reader.word(book.address, getter, subscriber, feed, token) or 0


def _disagreement(what: str) -> Unavailable:
    return Unavailable(
        f"events and getters disagree about {what}",
        field="eth_getLogs",
        expected="a node that returns all logs, from the fee manager's deployment on",
    )


# --- access controllers ---------------------------------------------------------------------------


def access(
    reader: Reader,
    owner: bytes,
    who: bytes | None,
    events: Sequence[TimedEvent],
    past: History,
) -> dict[str, Any] | None:
    """The access controller in use as `State` has it, and its past."""
    switches = _in_use(reader, owner, "s_accessController()", "AccessControllerSet", events)
    guests: dict[bytes, AccessList] = {}
    stories = []
    for address in _addresses(switches):
        published = reader.word(address, "checkEnabled()") is not None
        follow = _published if published else _unknown
        guests[address], story = follow(reader, address, owner, who)
        stories.append(story)
    replay_book(merged(*stories), "access_controller", switches, guests, past)
    book = guests.get(switches[-1][1])
    if book is None:
        return None
    for user in book.listed:
        if not _admits(reader, book.address, _origin(reader, owner, user), user):
            raise _disagreement(f"the access of {checksum(user)}")
    return book.to_json()


def _published(
    reader: Reader, address: bytes, owner: bytes, who: bytes | None
) -> tuple[AccessList, list[TimedEvent]]:
    """SimpleWriteAccessController, or ...Read..., which also admits whoever is the origin."""
    book = AccessList(address)
    first = reader.deployed(address)
    if _admits_origins(reader, address, first):
        reader.notes.append(
            "the access controller admits every account that sends its own transaction; "
            "of them the state lists the subscriber alone"
        )
        book.always = (who,) if who and _origin(reader, owner, who) == who else ()
    what = "the access controller's events"
    return book, reader.events([address], ACCESS, first, what)


def _admits_origins(reader: Reader, address: bytes, first: int) -> bool:
    """Whether a stranger is admitted as the origin, while access is controlled."""
    if reader.word(address, "checkEnabled()"):
        return _admits(reader, address, STRANGER, STRANGER)
    try:
        # Switched off by now; it was on when the contract was deployed.
        return _admits(reader, address, STRANGER, STRANGER, first)
    except Unavailable:
        return False


def _unknown(
    reader: Reader, address: bytes, owner: bytes, who: bytes | None
) -> tuple[AccessList, list[TimedEvent]]:
    """Any other contract: it can only be asked, about somebody, at some blocks."""
    book = AccessList(address)
    if who is None:
        if not _admits(reader, address, owner, STRANGER):
            raise Misuse(
                "the access controller is of an unknown kind: it can only be asked about somebody",
                field="subscriber", expected="the address that will call",
            )  # fmt: skip
        book.enabled = False
        return book, []
    reader.notes.append("the access controller was asked about the subscriber alone")
    origin = _origin(reader, owner, who)

    def admitted(block: int) -> bool:
        return _admits(reader, address, origin, who, block)

    low, high = reader.deployed(address), reader.number
    try:
        before, after = admitted(low), admitted(high)
    except Unavailable:
        before = after = admitted(high)
    if before:
        book.listed[who] = None
    if before == after:
        return book, []
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if admitted(middle) == before else (low, middle)
    name = "AddedAccess" if after else "RemovedAccess"
    time = reader.node.block(high).time
    return book, [TimedEvent(time, high, 0, address, name, {"user": who})]


def _origin(reader: Reader, owner: bytes, user: bytes) -> bytes:
    """Whom the controller sees as the origin: an account that calls is its own."""
    return owner if reader.node.code(user, reader.number) else user


def _admits(
    reader: Reader, address: bytes, origin: bytes, user: bytes, block: int | None = None
) -> bool:
    """`hasAccess(user, "")`, asked as `origin`, who is then both sender and origin."""
    data = calldata("hasAccess(address,bytes)", user, 0x40, 0)
    try:
        return any(reader.node.call(address, data, block or reader.number, origin))
    except Reverts:
        return False
