"""The cost of a verification before it is sent: fee and reward in either token, to the wei.

`quote` answers for one payload, `quote_bulk` for all payloads of one `verifyBulk`. Both read the
report only: they say what is charged if the call is otherwise accepted, which `judge` decides.
`Malformed` is raised where a fee manager could not read the report, `Misuse` for an unknown token.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Annotated, Any

from hexbytes import HexBytes

from payloads.abi.fields import Digits, Record, field, hexed, jsonable
from payloads.abi.solidity import decode
from payloads.chainlink.call import PAIR, split
from payloads.chainlink.checks import VERSION_1
from payloads.chainlink.fees import Charge, charge
from payloads.chainlink.frames import Payload, raw_of
from payloads.chainlink.gas import PAID, expected_gas
from payloads.chainlink.payment import WAYS, Pay, parameter
from payloads.chainlink.schemas import COMMON_HEAD
from payloads.chainlink.state import BY_SUBSCRIPTION, V051, ChainlinkState
from payloads.errors import Malformed, Misuse, shown
from payloads.signatures import address_bytes
from payloads.verdicts.calls import state_and_time


class Quote(Record, frozen=True):
    """The cost of a report. `link` and `native` are None where it is free: `free` says why.

    `expires_in` counts from the time judged at to the last second of acceptance; negative when the
    report has expired. `gas` is to be expected from cold state, by the way of paying (see `gas`);
    None where unmeasured.
    """

    feed_id: HexBytes
    link: Charge | None
    native: Charge | None
    surcharge: Annotated[int, field("uint256")]
    expires_at: int | None
    expires_in: int | None
    signatures: int
    gas: dict[str, int | None]
    free: str = ""
    pay: str | None = None

    def charge(self, pay: str) -> Charge | None:
        """The charge if it is paid in this way: `link`, `native` or `wrapped`."""
        if pay not in WAYS:
            raise Misuse("no such way of paying", field="pay", expected=" or ".join(WAYS),
                         found=shown(pay))  # fmt: skip
        return self.link if pay == "link" else self.native

    @property
    def value(self) -> int:
        """The wei to send along. It is the native fee where no way of paying was asked for."""
        return 0 if self.native is None or self.pay not in (None, "native") else self.native.fee

    def to_dict(self) -> dict[str, Any]:
        """The quote as the command line prints it with `--json`."""
        record: dict[str, Any] = jsonable(self)
        for name in ("link", "native"):
            if (found := self.charge(name)) is not None:
                record[name] = jsonable(found.to_dict())
        return record | {"value": Digits(self.value)}


class BulkQuote(Record, frozen=True):
    """The cost of the payloads of one call together. All are paid in the same token."""

    quotes: tuple[Quote, ...]

    def _charges(self, pay: str) -> Iterator[Charge]:
        for quote in self.quotes:
            if (charge := quote.charge(pay)) is not None:
                yield charge

    @property
    def link(self) -> int:
        """The fee in juels of LINK."""
        return sum(charge.fee for charge in self._charges("link"))

    @property
    def native(self) -> int:
        """The fee in wei of the native token."""
        return sum(charge.fee for charge in self._charges("native"))

    @property
    def value(self) -> int:
        """The wei to send along. It is the native fee where no way of paying was asked for."""
        return sum(quote.value for quote in self.quotes)

    def reward(self, pay: str = "link") -> int:
        """The reward in juels, when it is paid in that way."""
        return sum(charge.reward for charge in self._charges(pay))

    @property
    def expires_in(self) -> int | None:
        """Seconds until the first of the reports expires."""
        times = [quote.expires_in for quote in self.quotes if quote.expires_in is not None]
        return min(times) if times else None

    def to_dict(self) -> dict[str, Any]:
        """The quote as the command line prints it with `--json`."""
        sums = {"link": self.link, "native": self.native, "value": self.value}
        sums["reward"] = self.reward("link")
        totals = {name: Digits(total) for name, total in sums.items()}
        quotes = [quote.to_dict() for quote in self.quotes]
        return {"quotes": quotes, **totals, "expires_in": self.expires_in}


def quote(
    payload: Payload,
    state: ChainlinkState,
    *,
    pay: Pay | None = None,
    sender: str | bytes | None = None,
    now: int | None = None,
    at: int | None = None,
) -> Quote:
    """Fee and reward for one payload, under the state's surcharge and the sender's discounts.

    `pay` is the way of paying (see `payment`). Without it the quote has both tokens.
    """
    state, now = state_and_time(state, ChainlinkState, now, at)
    way = None if pay is None else _way(pay, state)
    raw = raw_of(payload)
    parts = split(raw)
    report = parts[1] if parts is not None else decode(PAIR, raw)[1]
    signatures = len(parts[2]) if parts is not None else 0
    feed_id = report[:32].ljust(32, b"\0")
    subscriber = state.subscriber if sender is None else address_bytes(sender, "sender")
    free = _why_free(feed_id, state)
    head = _head(report, free)
    charges = None if free else _charges(state, feed_id, subscriber, head)
    expires_at = head[5] if head else None
    return Quote(
        feed_id=hexed(feed_id),
        link=charges and charges[0],
        native=charges and charges[1],
        surcharge=state.charges.native_surcharge if state.charges and not free else 0,
        expires_at=expires_at,
        expires_in=None if now is None or expires_at is None else expires_at - now,
        signatures=signatures,
        gas=_gas(state, signatures),
        free=free,
        pay=way,
    )


def _way(pay: Pay, state: ChainlinkState) -> str:
    """The word for this way of paying; the address of wrapped native is paid by allowance."""
    if pay in WAYS:
        return str(pay)
    fees, named = state.charges, parameter(pay, state)
    for way in ("link", "wrapped") if fees is not None else ():
        if named == parameter(way, state):
            return way
    raise Misuse(
        "the fee manager takes LINK and wrapped native only" if fees is not None
        else "no fee manager charges: no token is taken",
        field="pay", expected=" or ".join(WAYS), found=shown(pay),
    )  # fmt: skip


def native_fee(
    payloads: Iterable[bytes | Malformed], state: ChainlinkState, sender: bytes | None
) -> int:
    """The native fee of a call; payloads for which the call reverts anyway count as nothing."""
    total = 0
    for payload in payloads if state.charges is not None else ():
        with suppress(Malformed):
            if not isinstance(payload, Malformed):
                total += quote(payload, state, sender=sender).value
    return total


def _why_free(feed_id: bytes, state: ChainlinkState) -> str:
    if state.fee_manager is None:
        return "no fee manager is set"
    if state.charges is None:
        return BY_SUBSCRIPTION
    return "version 1 reports pay nothing" if feed_id[:2] == VERSION_1 else ""


def _head(report: bytes, free: str) -> tuple[Any, ...] | None:
    """The six fields; None where the report is free and they cannot be read."""
    try:
        return None if report[:2] == VERSION_1 else COMMON_HEAD.read(report).values
    except Malformed:
        if free:
            return None
        raise


def _charges(
    state: ChainlinkState, feed_id: bytes, subscriber: bytes | None, head: tuple[Any, ...] | None
) -> tuple[Charge, Charge]:
    fees = state.charges
    assert fees is not None
    assert fees.link is not None
    assert fees.native is not None
    assert head is not None
    native_fee, link_fee = head[3], head[4]
    link, native = (
        charge(state, feed_id, bytes(token), subscriber, native_fee, link_fee)
        for token in (fees.link, fees.native)
    )
    return link, native


def _gas(state: ChainlinkState, signatures: int) -> dict[str, int | None]:
    if state.charges is not None:
        ways: tuple[str, ...] = PAID
    else:
        ways = ("free",) if state.fee_manager is None else ("no-op",)
    if state.contract == V051:
        ways += ("view",)
    return {way: expected_gas(state.contract, signatures, way) for way in ways}


def quote_bulk(
    payloads: Iterable[Payload],
    state: ChainlinkState,
    *,
    pay: Pay | None = None,
    sender: str | bytes | None = None,
    now: int | None = None,
    at: int | None = None,
) -> BulkQuote:
    """The quotes of all payloads of one `verifyBulk`, and their totals."""
    return BulkQuote(
        tuple(quote(payload, state, pay=pay, sender=sender, now=now, at=at) for payload in payloads)
    )
