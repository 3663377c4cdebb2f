"""Who signed many payloads: a row for each signature."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from payloads import systems
from payloads.arrays import rows as inputs
from payloads.arrays.reader import Columns, Signed, Signers
from payloads.arrays.records import Mask, Matrix, fixed, numbers
from payloads.columns.decoding import leaves
from payloads.columns.fast import Positions, offer
from payloads.columns.schemas import SIGNATURES
from payloads.crypto import CURVE_ORDER, recover_packed
from payloads.recognise import checked_form, is_signed
from payloads.signatures import Recovered, recovered

_HALF_ORDER = CURVE_ORDER // 2


def recover(
    payloads: Any,
    *,
    column: str = "payload",
    form: str | None = None,
    workers: int | None = None,
) -> pa.RecordBatch:
    """Every signature of many payloads, with the signer as ecrecover returns it.

    The rows are those of `payloads.recover`. A payload that does not decode has none here: `decode`
    says why. All signatures are recovered in one call, `workers` threads at a time.
    """
    rows = inputs.read(payloads, column)
    form = checked_form(form)
    found: list[tuple[Positions, Signed]] = []

    def take(_: str, reader: Columns, positions: Positions, matrix: Matrix) -> Iterator[Positions]:
        for signed in reader.signed(matrix, True):
            found.append((positions[signed.rows], signed))
            yield signed.rows

    left = offer(rows, take, form=form)
    batches = [
        _batch(places, signed, signers)
        for (places, signed), signers in zip(
            found, recover_all([signed for _, signed in found], workers), strict=True
        )
    ]
    singles = [
        row
        for index in np.flatnonzero(left).tolist()
        for row in _singles(index, rows.item(index), form)
    ]
    if singles or not batches:
        batches.append(pa.RecordBatch.from_pylist(singles, schema=SIGNATURES))
    whole = batches[0] if len(batches) == 1 else pa.concat_batches(batches)
    return whole.take(pa.array(np.argsort(whole["row"].to_numpy(), kind="stable")))


def recover_all(found: list[Signed], workers: int | None) -> list[Signers]:
    """The signers of all signatures, recovered in one call."""
    if not found:
        return []
    digests = b"".join([np.repeat(each.digests, each.count, axis=0).tobytes() for each in found])
    rs, ss, vs = (
        b"".join([getattr(each, name).tobytes() for each in found]) for name in ("rs", "ss", "vs")
    )
    addresses, valid = recover_packed(digests, rs, ss, vs, workers=workers)
    whole = np.frombuffer(addresses, np.uint8).reshape(-1, 20)
    is_valid = np.frombuffer(valid, np.uint8) == 1
    ends = np.cumsum([len(each.vs) for each in found])[:-1]
    pairs = zip(np.split(whole, ends), np.split(is_valid, ends), strict=True)
    return [Signers(*pair) for pair in pairs]


def addresses_of(signers: Signers) -> pa.Array:
    """The addresses as a column; null where a signature recovers none."""
    array = fixed(signers.addresses)
    if signers.found.all():
        return array
    validity = pa.py_buffer(np.packbits(signers.found, bitorder="little"))
    return pa.Array.from_buffers(array.type, len(array), [validity, array.buffers()[1]])


def _batch(places: Positions, signed: Signed, signers: Signers) -> pa.RecordBatch:
    total, count = len(places), signed.count
    index = np.tile(np.arange(count, dtype=np.int32), total)
    digests = np.repeat(signed.digests, count, axis=0)
    columns = [
        pa.array(np.repeat(places, count)),
        pa.nulls(total * count, pa.string()),
        pa.array(index),
        addresses_of(signers),
        *map(fixed, (signed.rs, signed.ss)),
        pa.array(signed.vs),
        fixed(digests),
        pa.array(_high(signed.ss)),
        pa.array(_whys(signed, signers, digests), pa.string()),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SIGNATURES)


def _high(ss: Matrix) -> Mask:
    """Which s are above half the curve's order: the first eight bytes that differ decide."""
    above = np.zeros(len(ss), np.bool_)
    equal = ~above
    for at in range(0, 32, 8):
        words = numbers(ss, at, 8)
        half = np.uint64(_HALF_ORDER >> (192 - 8 * at) & (2**64 - 1))
        above |= equal & (words > half)
        equal &= words == half
    return above


def _whys(signed: Signed, signers: Signers, digests: Matrix) -> Any:
    """Why a signature has no signer, for those that have none."""
    if signers.found.all():
        return pa.nulls(len(signers.found), pa.string())
    found: list[str | None] = [None] * len(signers.found)
    for index in np.flatnonzero(~signers.found):
        digest, r, s = (bytes(words[index]) for words in (digests, signed.rs, signed.ss))
        found[index] = recovered(0, digest, r, s, int(signed.vs[index])).why
    return found


def _singles(index: int, item: Any, form: str | None) -> Iterator[dict[str, Any]]:
    for leaf in leaves(item, form):
        if leaf.error is None and is_signed(leaf.value):
            place = {"row": index, "path": leaf.path or None}
            for signature in systems.named(leaf.system).recover(leaf.value):
                yield place | _signature(signature)


def _signature(found: Recovered) -> dict[str, Any]:
    return {
        "index": found.index,
        "signer": None if found.address is None else found.raw_address,
        "r": found.r,
        "s": found.s,
        "v": found.v,
        "digest": found.digest,
        "high_s": found.high_s,
        "why": found.why or None,
    }
