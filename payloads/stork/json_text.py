"""The JSON text of usual updates in one pass, by generated code: the text of what `to_dict` gives.

Any update is usual whose layout is no guess, and any frame with nothing but its type and payload.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cache

from payloads.abi.fields import READING
from payloads.crypto import checksum, keccak256, recover
from payloads.stork.frames import plain
from payloads.stork.update import ASSETS, BODIES, PLAIN, SIGNATURE, VERSIONED, fits_plain

_BODY = SIGNATURE.size
_PLAIN_HEAD = struct.Struct(">HQ")
_VERSIONED_HEAD = struct.Struct(">HHQ")
_NO_ASSETS = {layout: _BODY + table.size for layout, table in BODIES.items()}


def text_of_frame(frame: str | bytes, signers: bool) -> str | None:
    """The JSON object of the update in a frame with the usual members."""
    raw = plain(frame)
    return None if raw is None else text_of(raw, signers)


def text_of(raw: bytes, signers: bool) -> str | None:
    """The JSON object of an update. None where it is not usual."""
    if raw[_BODY : _BODY + 1] != b"\xff":
        layout, mask, rest = PLAIN, 1, ""
        if not fits_plain(raw):
            return None
        taxonomy, time = _PLAIN_HEAD.unpack_from(raw, _BODY)
    else:
        layout, start = VERSIONED, _NO_ASSETS[VERSIONED]
        if len(raw) < start or raw[_BODY + 1] != 2 or fits_plain(raw):
            return None
        mask, taxonomy, time = _VERSIONED_HEAD.unpack_from(raw, _BODY + 2)
        if mask not in ASSETS or (len(raw) - start) % ASSETS[mask].size:
            return None
        rest = f',"mask":{mask}'
    r, s, v = raw[:32], raw[32:64], raw[64]
    digest = keccak256(raw[_BODY:])
    signed = ""
    if signers:
        signer = recover(digest, r, s, v)
        signed = ',"signers":[null]' if signer is None else f',"signers":["{checksum(signer)}"]'
    assets = ",".join(_assets(mask)(memoryview(raw)[_NO_ASSETS[layout] :]))
    return (
        f'{{"system":"stork","form":"signed_ecdsa","layout":"{layout}"{rest}'
        f',"taxonomy_id":{taxonomy},"timestamp_ns":"{time}"'
        f',"r":"0x{r.hex()}","s":"0x{s.hex()}","v":{v}'
        f',"signing_digest":"0x{digest.hex()}"{signed},"assets":[{assets}]}}'
    )


@cache
def _assets(mask: int) -> Callable[[memoryview], list[str]]:
    """A function that gives the text of each record: a member for each field that is there."""
    table = ASSETS[mask]
    source = table.source()
    pieces = []
    for row in table.fields:
        result = source.results[row.name]
        value = f'"{{{result}}}"' if row.type.wide else f"{{{result}}}"
        member = f',"{row.name}":{value}'
        pieces.append(f"(f'{member}' if {result} is not None else '')" if row.none is not None
                      else f"f'{member}'")  # fmt: skip
    text = " + ".join(pieces)
    scope = {**READING, "unpack": struct.Struct(">" + "".join(source.codes)).iter_unpack}
    names = ", ".join(source.names)
    code = f"def read(data):\n    return ['{{' + ({text})[1:] + '}}' for {names}, in unpack(data)]"
    exec(code, scope)
    read: Callable[[memoryview], list[str]] = scope["read"]  # type: ignore[assignment]
    return read
