"""Who signed many payloads: a row for each signature."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from payloads import systems
from payloads.arrays import rows as inputs
from payloads.arrays.reader import Columns, Signed, Signers
from payloads.arrays.records import Mask, Matrix, bytes_of, fixed, numbers
from payloads.columns.decoding import leaves
from payloads.columns.fast import Positions, offer
from payloads.columns.schemas import SIGNATURES
from payloads.crypto import CURVE_ORDER, Workers
from payloads.recognise import checked_form, is_signed
from payloads.signatures import Recovered, recovered

_HALF_ORDER = CURVE_ORDER // 2
# So many signatures are recovered together: batches hardly gain beyond their size.
_TOGETHER = 512


def recover(
    payloads: Any,
    *,
    column: str = "payload",
    form: str | None = None,
    workers: int | None = None,
) -> pa.RecordBatch:
    """Every signature of many payloads, with the signer as ecrecover returns it.

    The rows are those of `payloads.recover`. A payload that does not decode has none here: `decode`
    says why. As many as `workers` threads recover signatures, as many as cores if not given.
    """
    rows = inputs.read(payloads, column)
    form = checked_form(form)
    found: list[tuple[Positions, Signed]] = []
    recovering = Recovering(workers)

    def take(_: str, reader: Columns, positions: Positions, matrix: Matrix) -> Iterator[Positions]:
        for signed in reader.signed(matrix, True):
            found.append((positions[signed.rows], signed))
            recovering.add(signed)
            yield signed.rows

    left = offer(rows, take, form=form)
    batches = [
        _batch(places, signed, signers)
        for (places, signed), signers in zip(found, recovering.signers(), strict=True)
    ]
    singles = [
        row
        for index in np.flatnonzero(left).tolist()
        for row in _singles(index, rows.item(index), form)
    ]
    if singles or not batches:
        batches.append(pa.RecordBatch.from_pylist(singles, schema=SIGNATURES))
    whole = batches[0] if len(batches) == 1 else pa.concat_batches(batches)
    order = whole["row"].to_numpy()
    if (order[1:] >= order[:-1]).all():
        return whole
    return whole.take(pa.array(np.argsort(order, kind="stable")))


def digests(payloads: Any, *, column: str = "payload", form: str | None = None) -> pa.Array:
    """What the signers of each payload signed: 32 bytes for each, without recovering anything.

    It is null where an input is not exactly one signed payload.
    """
    rows = inputs.read(payloads, column)
    form = checked_form(form)
    words = np.zeros((len(rows), 32), np.uint8)

    def take(_: str, reader: Columns, positions: Positions, matrix: Matrix) -> Iterator[Positions]:
        for signed in reader.signed(matrix, True):
            words[positions[signed.rows]] = signed.digests
            yield signed.rows

    left = offer(rows, take, form=form)
    if not left.any():
        return fixed(words)
    found = fixed(words).to_pylist()
    for index in np.flatnonzero(left).tolist():
        found[index] = _digest(rows.item(index), form)
    return pa.array(found, pa.binary(32))


def _digest(item: Any, form: str | None) -> bytes | None:
    found = leaves(item, form)
    if len(found) != 1 or found[0].error is not None or not is_signed(found[0].value):
        return None
    return bytes(found[0].value.signing_digest)


class Recovering:
    """The signers of one group of payloads after the other, recovered while the caller goes on.

    Small groups are recovered together, because few signatures at once cost more each.
    """

    def __init__(self, workers: int | None) -> None:
        self._workers = Workers(workers)
        self._waiting: list[Signed] = []
        self._begun: list[Callable[[], Iterator[Signers]]] = []

    def add(self, signed: Signed) -> None:
        """Begin to recover these, if they are many."""
        self._waiting.append(signed)
        if sum(map(_size, self._waiting)) >= _TOGETHER:
            self._begin()

    def add_known(self, signers: Signers) -> None:
        """Have these in their place."""
        self._begin()
        self._begun.append(lambda: iter([signers]))

    def signers(self) -> Iterator[Signers]:
        """The signers of each group in turn."""
        self._begin()
        for found in self._begun:
            yield from found()

    def _begin(self) -> None:
        if self._waiting:
            found, self._waiting = self._waiting, []
            self._begun.append(_recover(found, self._workers))


def _size(signed: Signed) -> int:
    return len(signed.rows) * signed.count


def _recover(found: Sequence[Signed], workers: Workers) -> Callable[[], Iterator[Signers]]:
    """Begin to recover all signatures of these groups. The result waits for their signers."""
    digests = _joined([np.repeat(each.digests, each.count, axis=0) for each in found])
    rs, ss, vs = (_joined([getattr(each, name) for each in found]) for name in ("rs", "ss", "vs"))
    begun = workers.recover_packed(digests, rs, ss, vs)
    ends = np.cumsum([len(each.vs) for each in found])[:-1]

    def signers() -> Iterator[Signers]:
        addresses, valid = begun()
        whole = np.frombuffer(addresses, np.uint8).reshape(-1, 20)
        is_valid = np.frombuffer(valid, np.uint8) == 1
        return map(Signers, np.split(whole, ends), np.split(is_valid, ends))

    return signers


def _joined(columns: list[NDArray[np.uint8]]) -> memoryview:
    """The bytes of all columns, one after the other."""
    return (columns[0] if len(columns) == 1 else np.concatenate(columns)).data


class KnownSignatures:
    """The signers in a batch of `recover`, to be looked up by the place of the payload.

    `certain` says that the batch has what the same systems read in the same payloads: no digest is
    made again to compare it.
    """

    def __init__(self, batch: pa.RecordBatch, certain: bool = False) -> None:
        self._certain = certain
        rows = batch["row"].to_numpy()
        self._rows, self._single = rows, batch["path"].is_null().to_numpy(zero_copy_only=False)
        self._digests = bytes_of(batch["digest"], 32)
        self._rs, self._ss = bytes_of(batch["r"], 32), bytes_of(batch["s"], 32)
        self._vs = batch["v"].to_numpy()
        self._addresses = bytes_of(batch["signer"], 20)
        self._found = batch["signer"].is_valid().to_numpy(zero_copy_only=False)

    def of(self, places: Positions, signed: Signed) -> Signers | None:
        """The signers of these signatures; None unless the batch has exactly all of them."""
        starts = np.searchsorted(self._rows, places)
        ends = np.searchsorted(self._rows, places, "right")
        if not (ends - starts == signed.count).all():
            return None
        index = (starts[:, None] + np.arange(signed.count)).reshape(-1)
        same = (
            self._single[index].all()
            and (self._certain or self._have_digests(index, signed))
            and (self._rs[index] == signed.rs).all()
            and (self._ss[index] == signed.ss).all()
            and (self._vs[index] == signed.vs).all()
        )
        return Signers(self._addresses[index], self._found[index]) if same else None

    def _have_digests(self, index: Positions, signed: Signed) -> bool:
        digests = np.repeat(signed.digests, signed.count, axis=0)
        return bool((self._digests[index] == digests).all())


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
