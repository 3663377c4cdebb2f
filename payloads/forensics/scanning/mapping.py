"""Items to tables: decoded, recovered, judged. Plain functions of batches, which keep nothing.

    mapping.decode(items)                  # rows of `payloads`
    mapping.prices(items)                  # rows of `prices`
    mapping.recover(items)                 # rows of `signatures`
    mapping.judge(items, "states/")        # rows of `verdicts`
    mapping.tables(items, "states/")       # all of them, each step made once

`items` are a batch of `items.ITEMS`: those of a part that was read, or `items_of(payloads)`. The
functions can be called from Ray, Dask, Spark, Polars or DuckDB. Everything is decoded and judged by
`payloads.columns`, and so as `payloads.decode` and `payloads.judge` do.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from payloads import columns, systems
from payloads.arrays.reader import FACTS
from payloads.arrays.records import bytes_of
from payloads.arrays.types import hex_texts, spread
from payloads.forensics.scanning.items import batch, concat
from payloads.forensics.scanning.judging import judged, members
from payloads.forensics.scanning.native import hex_words, sha256_many
from payloads.forensics.scanning.states import StateBook
from payloads.forensics.tables import NUMBER, PAYLOADS, PRICES, SIGNATURES, VERDICTS
from payloads.inputs import hex_text
from payloads.system import Claims, Options

Rows = NDArray[np.int64]
_SECOND = 10**9
# Departures from the canonical encoding that add bytes without a signature over them.
_UNSIGNED = ("unsigned-bytes", "gap", "trailing")
_PLACE = ("frame", "index", "at", "venue", "connection", "system")


def decode(items: pa.RecordBatch) -> pa.RecordBatch:
    """A row of `payloads` for each item."""
    return tables(items, recovers=False)["payloads"]


def prices(items: pa.RecordBatch) -> pa.RecordBatch:
    """A row of `prices` for each price in the items."""
    return tables(items, recovers=False)["prices"]


def recover(items: pa.RecordBatch) -> pa.RecordBatch:
    """A row of `signatures` for each signature in the items."""
    return tables(items)["signatures"]


def judge(items: pa.RecordBatch, states: Any, *, now: int | None = None) -> pa.RecordBatch:
    """Rows of `verdicts` for the items. `states` and `now` are as for `tables`."""
    return tables(items, states, now=now)["verdicts"]


def tables(
    items: pa.RecordBatch, states: Any = None, *, now: int | None = None, recovers: bool = True
) -> dict[str, pa.RecordBatch]:
    """All tables of the items by name.

    `states` are a state, several, or the path of a file or folder; without any there are no
    verdicts. A payload is judged at the time of its frame, or at `now` (unix seconds). Without
    `recovers` no signer is recovered, unless there are states.
    """
    book = StateBook.of(states)
    found = _Found(items)
    signatures = found.recovered() if recovers or book else None
    payloads = found.payloads(signatures)
    verdicts, held = judged(items, payloads, book, now, signatures, found.agree(payloads))
    passed = _passed(verdicts, len(items)) if book else None
    return {
        "payloads": payloads,
        "prices": found.prices(payloads, passed),
        "signatures": _signatures(items, payloads, signatures, members(signatures, payloads, held)),
        "verdicts": _verdicts(items, verdicts),
    }


class _Found:
    """The items decoded: what all systems state of them, their prices, and errors."""

    def __init__(self, items: pa.RecordBatch) -> None:
        self.items = items
        self._groups = list(_groups(items))
        decoded = [(rows, columns.decode(given, form=form)) for rows, given, form in self._groups]
        self._facts = _renumbered([(rows, columns.facts(each)) for rows, each in decoded], FACTS)
        self._prices = _renumbered(
            [(rows, columns.prices(each)) for rows, each in decoded], columns.PRICES
        )
        errors = [(rows, each["errors"]) for rows, each in decoded]
        self._errors = _renumbered(errors, columns.ERRORS)

    def recovered(self) -> pa.RecordBatch:
        """The batch of `columns.recover`, whose rows are those of the items."""
        found = [
            (rows, columns.recover(given, form=form, workers=1))
            for rows, given, form in self._groups
        ]
        return _renumbered(found, columns.SIGNATURES)

    def payloads(self, signatures: pa.RecordBatch | None) -> pa.RecordBatch:
        """The rows of `payloads`."""
        items, count = self.items, len(self.items)
        facts = _spread(self._facts, count)
        found = {name: facts[name] for name in FACTS.names if name in PAYLOADS.names}
        found |= {name: items[name] for name in items.schema.names if name in PAYLOADS.names}
        found["system"] = pc.coalesce(items["system"], facts["system"])
        found["size"] = pc.binary_length(items["raw"])
        found["payload_hash"] = _hashes(items["raw"])
        found["signed_hash"] = self._digests(signatures)
        found |= self._errors_of(items)
        found |= self._oddities(facts)
        return batch(PAYLOADS, found, count)

    def agree(self, payloads: pa.RecordBatch) -> bool:
        """Whether all payloads are of the systems that decoded them, whatever their frames say."""
        facts = _spread(self._facts, len(self.items))
        return bool(pc.all(pc.equal(payloads["system"], facts["system"])).as_py())

    def _digests(self, signatures: pa.RecordBatch | None) -> pa.Array:
        """What was signed, as text: from the signatures, where they were recovered."""
        count = len(self.items)
        words = pa.nulls(count, pa.binary(32))
        if signatures is not None and len(signatures):
            rows = signatures["row"].to_numpy()
            first = np.flatnonzero(np.diff(rows, prepend=-1))
            words = _placed(signatures["digest"].take(pa.array(first)), rows[first], count)
        missing = words.is_null().to_numpy(zero_copy_only=False)
        for rows, given, form in self._groups:
            if missing[rows].any():
                found = columns.digests(given, form=form)
                words = pc.coalesce(words, _placed(found, rows, count))
        return _hex_column(words)

    def _errors_of(self, items: pa.RecordBatch) -> dict[str, pa.Array]:
        errors = _spread(self._errors, len(items))
        return {
            "error": pc.coalesce(items["error"], errors["error"]),
            "error_offset": pc.coalesce(items["error_offset"], errors["offset"]),
            "error_field": pc.coalesce(items["error_field"], errors["field"]),
        }

    def _oddities(self, facts: pa.RecordBatch) -> dict[str, Any]:
        """Departures from the canonical encoding, and contradictions with the frame."""
        items, count = self.items, len(self.items)
        decoded = _mask(facts["row"].is_valid()) & _mask(items["raw"].is_valid())
        kept = _mask(facts["raw"].is_valid()) | (_filled(facts["unsigned"], 0) != 0)
        canonical = decoded & ~kept
        odd = (decoded & kept) | self._contradicted(facts)
        unsigned = np.zeros(count, np.int32)
        departures: list[str | None] = [None] * count
        contradictions: list[str | None] = [None] * count
        for row in np.flatnonzero(odd).tolist():
            value, claims = self._single(row)
            found = list(value.departures)
            canonical[row] = not found
            unsigned[row] = sum(each.length for each in found if each.kind in _UNSIGNED)
            departures[row] = ",".join(dict.fromkeys(each.kind for each in found)) or None
            contradictions[row] = _contradiction(items["system"][row].as_py(), value, claims)
        return {
            "canonical": pa.array(canonical, mask=~decoded),
            "unsigned_bytes": pa.array(unsigned, mask=~decoded),
            "departures": pa.array(departures, pa.string()) if odd.any() else None,
            "contradiction": pa.array(contradictions, pa.string()) if odd.any() else None,
        }

    def _contradicted(self, facts: pa.RecordBatch) -> NDArray[np.bool_]:
        """Which payloads may say something else than their frames."""
        items = self.items
        found = _mask(items["claims"].is_valid())
        feeds = pc.and_(items["claimed_feed"].is_valid(), facts["schema"].is_valid())
        claimed = pc.utf8_lower(items["claimed_feed"])
        found |= _mask(feeds) & ~_filled(pc.equal(claimed, facts["feed"]), False)
        for name in ("valid_from", "observed"):
            claimed = items[f"claimed_{name}"]
            if claimed.null_count < len(claimed):
                signed = pc.divide(facts[name].cast(pa.int64()), _SECOND)
                equal = _filled(pc.equal(claimed, signed), False)
                found |= _mask(claimed.is_valid()) & ~equal
        return found & _mask(facts["row"].is_valid()) & _mask(items["raw"].is_valid())

    def _single(self, row: int) -> tuple[Any, Claims]:
        item = {name: self.items[name][row].as_py() for name in self.items.schema.names}
        system = systems.named(item["system"] or systems.of_form(item["form"]).name)
        value = system.decode(item["raw"], item["form"], Options())
        return value, tuple(_claims(system, item))

    def prices(self, payloads: pa.RecordBatch, passed: pa.Array | None) -> pa.RecordBatch:
        """The rows of `prices`."""
        found, rows = self._prices, self._prices["row"]
        narrow = columns.narrow(found)["value"].cast(NUMBER)
        place = {name: spread(payloads[name], rows) for name in (*_PLACE, "valid_from", "expires")}
        latency = pc.subtract(place["at"].cast(pa.int64()), found["observed"].cast(pa.int64()))
        return batch(
            PRICES,
            {name: found[name] for name in ("feed", "field", "observed")} | place | {
                "system": found["system"], "value": narrow, "wide": _wide(found["value"], narrow),
                "received": place["at"], "latency_ns": latency,
                "passed": None if passed is None else spread(passed, rows),
            },
            len(found),
        )  # fmt: skip


def _groups(items: pa.RecordBatch) -> Iterator[tuple[Rows, Any, str | None]]:
    """The items that are decoded together: their rows, their payloads, and the form of all."""
    open_ = _mask(items["error"].is_null())
    has_raw = _mask(items["raw"].is_valid())
    forms = items["form"].dictionary_encode()
    codes = _filled(forms.indices, -1)
    for code, form in enumerate(forms.dictionary.to_pylist()):
        rows = np.flatnonzero(open_ & has_raw & (codes == code))
        if len(rows):
            raws = items["raw"] if len(rows) == len(items) else items["raw"].take(pa.array(rows))
            yield rows, _as_bytes(raws), form
    rows = np.flatnonzero(open_ & has_raw & (codes == -1))
    if len(rows):
        yield rows, _as_bytes(items["raw"].take(pa.array(rows))), None
    rows = np.flatnonzero(open_ & ~has_raw)
    if len(rows):
        yield rows, items["message"].take(pa.array(rows)).to_pylist(), None


def _as_bytes(raws: pa.Array) -> Any:
    """Payloads as bytes; in hex, if one of them would be taken for hex."""
    first = np.frombuffer(raws.buffers()[2] or b"", np.uint8)
    starts = np.frombuffer(raws.buffers()[1], np.int64, len(raws) + 1, 8 * raws.offset)
    filled = starts[1:] > starts[:-1]
    begins = starts[:-1][filled]
    suspects = np.flatnonzero(filled)[_may_be_hex(first, begins)]
    for row in suspects.tolist():
        raw = raws[row].as_py()
        if hex_text(raw) is not raw:
            return ["0x" + each.hex() for each in raws.to_pylist()]
    return raws


def _may_be_hex(data: NDArray[np.uint8], begins: Rows) -> NDArray[np.bool_]:
    """Which of these bytes may be hex behind 0x, perhaps with white space in front."""
    first = data[begins]
    found = _SPACE[first] | (first == ord("0"))
    # Most bytes that begin so are no text: it goes on with more white space, 0, or the x of 0x.
    suspects = np.flatnonzero(found)
    found[suspects] = _FOLLOWS[data[np.minimum(begins[suspects] + 1, len(data) - 1)]]
    return np.asarray(found)


_SPACE = np.isin(np.arange(256), list(b" \t\n\r\v\f"))
_FOLLOWS = _SPACE | np.isin(np.arange(256), list(b"0xX"))


# --- columns --------------------------------------------------------------------------------------


def _renumbered(found: list[tuple[Rows, pa.RecordBatch]], schema: pa.Schema) -> pa.RecordBatch:
    """A batch whose `row` is the item's, of batches whose `row` is a place among some rows."""
    batches = []
    for rows, each in found:
        if len(found) > 1 or (len(rows) and rows[-1] != len(rows) - 1):
            numbers = pa.array(rows[each["row"].to_numpy()])
            each = each.set_column(0, schema.field(0), numbers)
        batches.append(each)
    whole = concat(schema, batches)
    order = whole["row"].to_numpy()
    if (order[1:] >= order[:-1]).all():
        return whole
    return whole.take(pa.array(np.argsort(order, kind="stable")))


def _spread(found: pa.RecordBatch, count: int) -> pa.RecordBatch:
    """One row for each item: null where there is none."""
    rows = found["row"].to_numpy()
    if len(rows) == count and (rows == np.arange(count)).all():
        return found
    places = np.full(count, -1, np.int64)
    places[rows] = np.arange(len(rows))
    taken = pa.array(places, mask=places < 0)
    fields = [field.with_nullable(True) for field in found.schema]
    arrays = [column.take(taken) for column in found.columns]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def _placed(values: pa.Array, rows: Rows, count: int) -> pa.Array:
    if len(rows) == count and (rows == np.arange(count)).all():
        return values
    places = np.full(count, -1, np.int64)
    places[rows] = np.arange(len(rows))
    return values.take(pa.array(places, mask=places < 0))


def _mask(array: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(array.to_numpy(zero_copy_only=False), np.bool_)


def _filled(array: pa.Array, value: Any) -> NDArray[Any]:
    return np.asarray(array.fill_null(value).to_numpy(zero_copy_only=False))


def _hashes(raws: pa.Array) -> pa.Array:
    """The hash of each payload, as text."""
    offsets = np.frombuffer(raws.buffers()[1] or bytes(8), np.int64)
    ends = offsets[raws.offset : raws.offset + len(raws) + 1]
    digests = sha256_many(raws.buffers()[2] or b"", ends)
    valid = None
    if raws.null_count:
        valid = pa.py_buffer(np.packbits(_mask(raws.is_valid()), bitorder="little"))
    buffers = [valid, pa.py_buffer(digests)]
    return _hex_column(pa.Array.from_buffers(pa.binary(32), len(raws), buffers))


def _hex_column(words: pa.Array) -> pa.Array:
    """Byte strings of one length as text: 0x and hex."""
    size = words.type.byte_width
    text = hex_words(bytes_of(words, size))
    offsets = np.arange(len(words) + 1, dtype=np.int32) * np.int32(2 + 2 * size)
    buffers = [pa.py_buffer(offsets), pa.py_buffer(text)]
    valid = None
    if words.null_count:
        bits = np.packbits(_mask(words.is_valid()), bitorder="little")
        valid = pa.py_buffer(bits)
    return pa.Array.from_buffers(pa.string(), len(words), [valid, *buffers])


def _wide(values: pa.Array, narrow: pa.Array) -> pa.Array | None:
    lost = _mask(pc.and_(values.is_valid(), narrow.is_null()))
    if not lost.any():
        return None
    found = [
        str(value) if gone else None for value, gone in zip(values.to_pylist(), lost, strict=True)
    ]
    return pa.array(found, pa.string())


# --- what frames say ------------------------------------------------------------------------------


def _claims(system: Any, item: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    if item["claims"] is not None:
        yield from json.loads(item["claims"]).items()
        return
    reader = system.columns()
    for name, fact in ({} if reader is None else reader.claims).items():
        if (value := item[f"claimed_{fact}"]) is not None:
            yield name, value


def _contradiction(system: str | None, value: Any, claims: Claims) -> str | None:
    if not claims or system is None:
        return None
    notes = systems.named(system).notes(value, claims)
    found = [note.message for note in notes if note.code == "frame-contradicts-payload"]
    return "; ".join(found) or None


# --- signatures and verdicts ----------------------------------------------------------------------


def _signatures(
    items: pa.RecordBatch,
    payloads: pa.RecordBatch,
    found: pa.RecordBatch | None,
    member: pa.Array | None,
) -> pa.RecordBatch:
    if found is None:
        return batch(SIGNATURES, {}, 0)
    rows = found["row"]
    place = {
        name: payloads[name].take(rows) for name in (*_PLACE, "feed", "network", "signed_hash")
    }
    return batch(
        SIGNATURES,
        place | {
            "position": found["index"], "signer": hex_texts(found["signer"]), "v": found["v"],
            "high_s": found["high_s"], "why": found["why"], "member": member,
        },
        len(found),
    )  # fmt: skip


def _verdicts(items: pa.RecordBatch, found: pa.RecordBatch) -> pa.RecordBatch:
    rows = found["row"]
    place = {name: items[name].take(rows) for name in ("frame", "index")}
    given = {name: found[name] for name in found.schema.names if name in VERDICTS.names}
    return batch(VERDICTS, place | given, len(found))


def _passed(verdicts: pa.RecordBatch, count: int) -> pa.Array:
    """Whether every contract that judged a payload lets it pass; null where none did."""
    rows = verdicts["row"].to_numpy()
    has = _mask(verdicts["passed"].is_valid())
    good = _filled(verdicts["passed"], True)
    found, judged_ = np.ones(count, np.bool_), np.zeros(count, np.bool_)
    judged_[rows[has]] = True
    found[rows[~good]] = False
    return pa.array(found, mask=~judged_)
