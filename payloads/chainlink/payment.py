"""The way of paying a fee manager: one word, `pay`, wherever a call is encoded, judged or quoted.

| `pay` | the token that the call names | ether sent |
|---|---|---|
| `link` | LINK, taken by allowance | none |
| `native` | wrapped native | the fee, unless `value` says otherwise |
| `wrapped` | wrapped native, taken by allowance | none |
| an address | that token: the contract reverts where it does not take it | `value` |

Bytes that are no address are the whole parameterPayload. The three words name no token where the
state has no fee manager that charges.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from payloads.errors import Misuse, shown
from payloads.signatures import address_bytes

if TYPE_CHECKING:
    from payloads.chainlink.state import ChainlinkState

Pay = str | bytes

WAYS = ("link", "native", "wrapped")
_EXPECTED = "link, native, wrapped, or the address of a token"
FORGOTTEN = (
    'no pay= given: the fee manager charges, and the call names no token; write pay="link", '
    'pay="native" or pay="wrapped" (in a shell --pay)'
)


def parameter(pay: Pay | None, state: ChainlinkState | None) -> bytes:
    """The parameterPayload of a call that pays in this way."""
    if pay is None:
        return b""
    if pay in WAYS:
        return _of_word(str(pay), state)
    if isinstance(pay, bytes) and len(pay) != 20:
        return bytes(pay)
    if isinstance(pay, bytes) or (isinstance(pay, str) and pay[:2] == "0x"):
        return bytes(12) + address_bytes(pay, "pay")
    raise Misuse("no such way of paying", field="pay", expected=_EXPECTED, found=shown(pay))


def _of_word(pay: str, state: ChainlinkState | None) -> bytes:
    if state is None:
        raise Misuse(
            "the tokens are in the state: a state is needed",
            field="pay", expected="state=, or the address of a token", found=pay,
        )  # fmt: skip
    if state.charges is None:
        return b""
    return bytes(12) + state.charges.token("link" if pay == "link" else "native")


def value_sent(pay: Pay | None, value: int | None, fee: Callable[[], int]) -> int:
    """The wei sent along. `fee` is asked only where the answer depends on the native fee."""
    if value is None:
        return fee() if pay == "native" else 0
    if pay == "wrapped" and value:
        raise Misuse("wrapped native is taken by allowance: no value is sent", field="value",
                     expected='0, or pay="native"', found=shown(value))  # fmt: skip
    if pay == "native" and value == 0 and (due := fee()):
        raise Misuse("without value the fee is taken in wrapped native", field="value",
                     expected=f'{due}, or pay="wrapped"', found="0")  # fmt: skip
    return value
