"""A signed payload in everything that carries it: the frame, the REST reply, the calldata."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hexbytes import HexBytes

from payloads.abi.fields import Record, hexed
from payloads.chainlink.calldata import VERIFY as VERIFY_REPORT
from payloads.chainlink.payment import parameter
from payloads.chainlink.report import decode_envelope
from payloads.errors import Misuse
from payloads.judging import given
from payloads.stork.calldata import VERIFY as VERIFY_UPDATE
from payloads.testing.chainlink.draft import claimed
from payloads.testing.chainlink.draft import frame_of as report_frame
from payloads.testing.stork.draft import frame_of as update_frame
from payloads.verdicts.state import State


class Wrapped(Record, frozen=True):
    """A payload with the message in which its venue sends it, and the calldata to verify it.

    `rest_reply` is the body in which the venue's REST service gives it: None where it has none.
    """

    payload: HexBytes
    frame: str
    rest_reply: str | None
    calldata: HexBytes


def wrapped(payload: Any, state: State | None = None, *, pay: str | None = None) -> Wrapped:
    """A payload, signed or damaged, in its frame, its REST reply and its calldata.

    `pay` is the way of paying, as `payloads.judge` has it; `link` and `native` want the state,
    which names their tokens.
    """
    (item,) = given(payload)
    system = item.system or item.perhaps
    if system not in _WRAPPERS:
        expected = "a payload of " + " or ".join(_WRAPPERS)
        raise Misuse("not recognised as a payload", field="payload", expected=expected)
    return _WRAPPERS[system](item.raw, state, pay)


def _report(raw: bytes, state: Any, pay: str | None) -> Wrapped:
    if pay is not None and state is None:
        raise Misuse("the tokens are the state's", field="pay", expected="a state")
    read = decode_envelope(raw)
    frame = report_frame(raw, bytes(read.report_blob[:32]), claimed(read.report, 0))
    call = VERIFY_REPORT.calldata(raw, parameter(pay, state) if pay else b"")
    return Wrapped(hexed(raw), frame, frame, hexed(call))


def _update(raw: bytes, state: Any, pay: str | None) -> Wrapped:
    return Wrapped(hexed(raw), update_frame(raw), None, hexed(VERIFY_UPDATE.calldata(raw)))


_WRAPPERS: dict[str, Callable[[bytes, Any, str | None], Wrapped]] = {
    "chainlink": _report,
    "stork": _update,
}
