"""The cost of a call that verifies a payload: fee, value and gas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from payloads.abi.fields import Record
from payloads.chainlink.calldata import VERIFY_VIEW
from payloads.chainlink.quotes import quote
from payloads.errors import Misuse, shown
from payloads.judging import given
from payloads.systems import of_state
from payloads.verdicts.state import State


class Cost(Record, frozen=True):
    """The cost of a call, if the contract accepts it.

    `fee` is in the token that is paid with, `value` is the wei to send along, and `gas` is to be
    expected from cold state: None where it was not measured.
    """

    fee: int
    value: int
    gas: int | None


def cost(
    payload: Any,
    state: State,
    *,
    pay: str | None = "native",
    sender: str | bytes | None = None,
    now: int | None = None,
    function: str | None = None,
) -> Cost:
    """The cost of verifying a payload with the state's contract, paid in this way."""
    (raw,) = (item.raw for item in given(payload))
    return _COSTS[of_state(state).name](raw, state, pay, sender, now, function)


def _chainlink(
    raw: bytes,
    state: Any,
    pay: str | None,
    sender: str | bytes | None,
    now: int | None,
    function: str | None,
) -> Cost:
    found = quote(raw, state, pay=pay, sender=sender, now=now)
    if function == VERIFY_VIEW.name:
        return Cost(0, 0, found.gas.get("view"))
    charge = None if found.free or pay is None else found.charge(pay)
    return Cost(0 if charge is None else charge.fee, found.value if pay == "native" else 0,
                _gas(found.gas, pay))  # fmt: skip


def _gas(gas: dict[str, int | None], pay: str | None) -> int | None:
    return next((gas[name] for name in (pay, "free", "no-op") if name in gas), None)


def _stork(raw: bytes, state: Any, pay: str | None, *_: Any) -> Cost:
    if pay not in (None, "native"):
        raise Misuse("no such way of paying", field="pay", expected="native", found=shown(pay))
    return Cost(state.verification_fee, state.verification_fee, None)


_COSTS: dict[str, Callable[..., Cost]] = {"chainlink": _chainlink, "stork": _stork}
