"""The JSON frames of Stork, and the evidence that bytes are a payload of this system.

A `signed_ecdsa` message is `{"type": "signed_ecdsa", "p": "0x…"}`. An `unsigned` message spells the
update out and carries no signature.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from payloads.crypto import CURVE_ORDER
from payloads.errors import Malformed, Misuse, shown
from payloads.inputs import to_bytes, unhex
from payloads.stork.update import (
    Input,
    SignedUpdate,
    UnsignedUpdate,
    decode_unsigned,
    fits_plain,
)
from payloads.system import (
    Claims,
    Evidence,
    Found,
    Note,
    Several,
    framed,
    undecoded,
)

NAME = "stork"
SIGNED, UNSIGNED = "signed_ecdsa", "unsigned"

# --- frames ---------------------------------------------------------------------------------------


def is_frame(message: dict[str, Any]) -> bool:
    """Whether a JSON object may be a frame of Stork, by its type."""
    return message.get("type") in (SIGNED, UNSIGNED)


def open_frame(message: dict[str, Any]) -> Found | Several | None:
    """The payload in a frame of Stork; None for another message."""
    kind = message.get("type")
    if kind == SIGNED:
        return Found(NAME, SIGNED, "a signed_ecdsa frame of Stork", payload_bytes(message))
    if kind == UNSIGNED:
        update = decode_unsigned(message)
        return Found(NAME, UNSIGNED, "an unsigned frame of Stork", value=update)
    return None


class _PlainFrame(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A frame with the members that the service is known to send, and no others."""

    type: Literal["signed_ecdsa"]
    p: str


_decode_plain = msgspec.json.Decoder(_PlainFrame).decode
# No usual payload has more.
_MOST_HEX = 2**16


def plain(frame: bytes | str) -> bytes | None:
    """The payload's bytes in such a frame, read in one pass; None for any other message."""
    try:
        text = _decode_plain(frame).p
        return unhex(text) or None if len(text) < _MOST_HEX else None
    except (msgspec.MsgspecError, ValueError):
        return None


def payload_bytes(message: dict[str, Any]) -> bytes:
    """The bytes of the payload in a `signed_ecdsa` frame."""
    text = message.get("p")
    if not isinstance(text, str):
        found = shown(text) if "p" in message else "nothing"
        raise Malformed("no payload", field="p", expected="a hex string", found=found)
    return to_bytes(text, name="p")


def notes(value: SignedUpdate | UnsignedUpdate, claims: Claims) -> Iterator[Note]:
    """Guesses: the layouts leave an encoder no choice, and a frame says nothing beside them."""
    if isinstance(value, SignedUpdate) and value.guess:
        yield Note("layout-inferred", value.guess)


# --- inputs of this package's functions -----------------------------------------------------------

Payload = SignedUpdate | Input | dict[str, Any]


def raw_of(payload: Payload, name: str = "payload") -> bytes:
    """The bytes of a payload in any form. No bytes at all are a bad payload."""
    if type(payload) is bytes and 0 < len(payload) < 2**16:
        return payload
    if isinstance(payload, SignedUpdate):
        return payload.encode()
    found = payload if isinstance(payload, UnsignedUpdate) else None
    if found is None and (frame := framed(payload, open_frame)) is not None:
        if frame.value is None:
            return frame.raw
        found = frame.value
    if found is not None:
        raise Misuse("not signed", field=name, expected="a signed payload")
    return undecoded(payload, name)


# --- bytes ----------------------------------------------------------------------------------------

# 2001 to 2100: a signed body with such a nanosecond timestamp in the right place is Stork's.
_PLAUSIBLE_NS = range(10**18, 4_102_444_800 * 10**9)


def _timely(raw: bytes, at: int) -> bool:
    return int.from_bytes(raw[at + 2 : at + 10], "big") in _PLAUSIBLE_NS


def _is_versioned(raw: bytes) -> bool:
    return raw[65:67] == b"\xff\x02"


def _is_calldata(raw: bytes) -> bool:
    """Whether this is a selector and words, an early one of which is a number or an address.

    A signature has no 12 zero bytes there, and calldata of other contracts may have Stork's size.
    """
    return len(raw) % 32 == 4 and any(not any(raw[at : at + 12]) for at in (4, 36))


def _recoverable(raw: bytes) -> bool:
    return raw[64:65] in (b"\x00", b"\x01")


def _of_its_time(raw: bytes) -> str:
    """A timestamp where Stork has it, and a size or a signature that fits, too."""
    versioned = _is_versioned(raw)
    timely = _timely(raw, 69 if versioned else 65) and not _is_calldata(raw)
    return _words(raw, versioned) if timely else ""


def _of_its_size(raw: bytes) -> str:
    """A recovery id where Stork has it, in a layout or a size of Stork's."""
    return _words(raw, _is_versioned(raw)) if _recoverable(raw) and not _is_calldata(raw) else ""


def _words(raw: bytes, versioned: bool) -> str:
    if versioned:
        return "a 65-byte signature, then 0xff02: the versioned layout"
    if fits_plain(raw):
        count = (len(raw) - 75) // 18
        return f"a 65-byte signature, a 10-byte head, and {count} x 18 bytes of assets"
    if _recoverable(raw) and _timely(raw, 65):
        return "a 65-byte signature and a nanosecond timestamp where Stork has it"
    return ""


# A run of zeros that no signature's r and s have, and every number and address in calldata has.
_ZEROS = bytes(8)
_HALF_ORDER = (CURVE_ORDER // 2).to_bytes(32, "big")


def plausible(raw: bytes) -> bool:
    """Whether bytes out of a longer stretch may be a signed update that a contract accepts."""
    at = 69 if _is_versioned(raw) else 65
    return (
        (at == 69 or fits_plain(raw))
        and _recoverable(raw)
        and _timely(raw, at)
        and any(raw[at + 3 : at + 10])
        and _ZEROS not in raw[:32]
        and _ZEROS not in raw[32:64]
        and raw[32:64] <= _HALF_ORDER
    )


EVIDENCE = (
    Evidence(40, SIGNED, _of_its_time),
    Evidence(35, SIGNED, _of_its_size, doubtful=True),
)
