"""The calldata of a case's call, as a contract gets it."""

from __future__ import annotations

from eth_abi.abi import encode

from payloads.conformance import Call, Case
from payloads.crypto import keccak256


def calldata(case: Case, call: Call) -> bytes:
    """The function's selector, and its arguments as an honest encoder writes them."""
    if case.form == "calldata":
        return case.raw
    types = call.function.partition("(")[2].rstrip(")").split(",")
    first = case.raw if types[0] == "bytes" else [bytes.fromhex(each[2:]) for each in case.input]
    values = [first, bytes.fromhex(call.parameter[2:])][: len(types)]
    return keccak256(call.function.encode())[:4] + bytes(encode(types, values))
