"""Fees and rewards, exact to the wei, as the fee managers compute them.

`charge` is the arithmetic for one token. `quotes` has the cost of a payload in both.
"""

from __future__ import annotations

from typing import Any

from hexbytes import HexBytes

from payloads.abi.fields import Record, Wide, hexed
from payloads.chainlink.state import SCALE, V03, ChainlinkState
from payloads.crypto import checksum


class Charge(Record, frozen=True):
    """The cost of verifying a report in one token: `fee` in it, and `reward`, always in LINK.

    `base` is the fee that the report names, `surcharged` the same with the native surcharge, and
    `discount` the share of 1e18 taken off.
    """

    token: HexBytes
    in_link: bool
    base: int
    surcharged: int
    discount: int
    fee: int
    reward: int

    def to_dict(self) -> dict[str, Any]:
        return {
            "token": checksum(bytes(self.token)),
            "in": "link" if self.in_link else "native",
            "base": Wide(self.base),
            "surcharged": Wide(self.surcharged),
            "discount": Wide(self.discount),
            "fee": Wide(self.fee),
            "reward": Wide(self.reward),
        }


def _share(amount: int, share: int) -> int:
    """`amount * share / 1e18`, rounded up."""
    return -(-amount * share // SCALE)


def discount_of(
    state: ChainlinkState, feed_id: bytes, token: bytes, subscriber: bytes | None
) -> int:
    """The feed's discount, or (not in v0.3.0), where that is zero, the subscriber's global one."""
    fees = state.fee_manager
    assert fees is not None
    own = subscriber is None or subscriber == state.subscriber
    address = subscriber or b""
    discount = fees.discount(feed_id, token, address, own)
    if not discount and state.contract != V03:
        discount = fees.global_discount(token, address, own)
    return discount


def charge(
    state: ChainlinkState,
    feed_id: bytes,
    token: bytes,
    subscriber: bytes | None,
    native_fee: int,
    link_fee: int,
) -> Charge:
    """The charge for a report with these fees, in LINK or wrapped native (by its address)."""
    fees = state.fee_manager
    assert fees is not None
    discount = discount_of(state, feed_id, token, subscriber)
    reward = _share(link_fee, SCALE - discount)
    if token == fees.link:
        return Charge(hexed(token), True, link_fee, link_fee, discount, reward, reward)
    surcharged = _share(native_fee, SCALE + fees.native_surcharge)
    fee = _share(surcharged, SCALE - discount)
    return Charge(hexed(token), False, native_fee, surcharged, discount, fee, reward)
