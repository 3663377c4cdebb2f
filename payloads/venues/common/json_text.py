"""JSON without floats: numbers are `int` or `Decimal`, exactly as they were written."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from payloads.errors import Malformed, elide
from payloads.inputs import check_nesting, check_values
from payloads.venues.common.redactor import Message

# No venue sends more in one message; it is the bound that the transport sets on frames as well.
MAX_MESSAGE_BYTES = 16 * 2**20

# A full book of ten thousand levels a side has sixty thousand.
MAX_MESSAGE_VALUES = 2**17


def _fraction(digits: str) -> Decimal:
    try:
        return Decimal(digits)
    except InvalidOperation:  # an exponent beyond what the decimal module can hold
        raise ValueError("a number out of all range") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


# Python and msgspec refuse to parse longer integers; no venue sends one.
_MOST_DIGITS = 4300


def _whole(digits: str) -> int | Decimal:
    return int(digits) if len(digits.lstrip("-")) <= _MOST_DIGITS else Decimal(digits)


_decode_fast = msgspec.json.Decoder(float_hook=_fraction).decode
_decoder = json.JSONDecoder(parse_float=_fraction, parse_int=_whole, parse_constant=_no_constant)


def _check_size(data: Message) -> None:
    if len(data) > MAX_MESSAGE_BYTES:
        limit = f"at most {MAX_MESSAGE_BYTES} bytes"
        raise Malformed("message too large", expected=limit, found=str(len(data)))
    check_values(data, MAX_MESSAGE_VALUES)


def parse_json(data: Message) -> Any:
    """The JSON of a message, with exact numbers; `Malformed` for what is not JSON."""
    if len(data) > MAX_MESSAGE_VALUES:  # a shorter message is within both bounds
        _check_size(data)
    check_nesting(data)
    try:
        return _decode_fast(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass  # the slow decoder takes a little more (lone surrogates), or says what is wrong
    try:
        text = data.decode() if isinstance(data, bytes) else data
        return _decoder.decode(text.strip())
    except (ValueError, RecursionError) as error:
        found = elide(str(error), 120)
        raise Malformed("not JSON", field="message", found=found) from None
