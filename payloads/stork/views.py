"""The annotated view of a signed update."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec.structs

from payloads.abi.annotate import View, complete
from payloads.abi.fields import Span
from payloads.abi.solidity import Part
from payloads.errors import Malformed, Misuse
from payloads.inputs import to_bytes
from payloads.stork.signers import recover
from payloads.stork.update import (
    ASSETS,
    BODIES,
    PLAIN,
    SIGNATURE,
    VALUE_BIT,
    VERSIONED,
    decode,
)


def view(payload: str | bytes, *, layout: str | None = None, why: str = "") -> View:
    """Every byte of a `signed_ecdsa` payload, up to the first bad byte."""
    raw = to_bytes(payload)
    error, said = None, ""
    try:
        signer = recover(decode(raw, layout=layout))[0]
        said = f"signed by {signer.address}" if signer.address else f"no signer: {signer.why}"
    except Malformed as malformed:
        error = malformed
    spans = complete(_spans(raw, layout or _likely(raw), said), raw, error)
    return View("signed_ecdsa", why, len(raw), spans, error)


def _likely(raw: bytes) -> str:
    return VERSIONED if raw[SIGNATURE.size : SIGNATURE.size + 1] == b"\xff" else PLAIN


def _spans(raw: bytes, layout: str, said: str) -> Iterator[Span]:
    head, mask = BODIES[layout], VALUE_BIT
    for span in [*SIGNATURE.spans(raw), *head.spans(raw, SIGNATURE.size)]:
        if span.path == "mask" and not span.problem:
            mask = span.value
        yield _saying(span, said) if span.path == "v" else span
        if span.problem:
            return
    at, index = SIGNATURE.size + head.size, 0
    # A record that is cut short is the error's to show.
    while (table := ASSETS.get(mask)) and at + table.size <= len(raw):
        yield from table.spans(raw, at, f"assets[{index}].")
        at, index = at + table.size, index + 1


def _saying(span: Span, said: str) -> Span:
    return msgspec.structs.replace(span, said=span.said or said)


def view_parameter(data: bytes, part: Part) -> Iterator[Span]:
    """Stork's functions have no parameter payload."""
    raise Misuse("Stork's functions have no parameter payload", field=part.path)
