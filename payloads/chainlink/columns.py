"""Reports in columns: a table for each schema, and the fast way for many `fullReport`s at once.

The fast way takes the layout that encoders write. It proves every offset, length and padding on
whole columns, as `report.decode` does on a single payload.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from payloads.abi.calldata import Function, function_named
from payloads.abi.fields import WORD, Field, Table
from payloads.abi.solidity import decode, encode
from payloads.arrays.apart import START, Alike, Payloads, Shape, is_available
from payloads.arrays.reader import Columns, Piece, Signed, Signers
from payloads.arrays.records import (
    Mask,
    Matrix,
    bytes_of,
    clean,
    columns_of,
    equal,
    every,
    fixed,
    keccak_rows,
    lists,
    numbers,
    packed,
    put,
)
from payloads.arrays.rows import alike
from payloads.arrays.types import (
    PLACE,
    PRICES,
    arrow_field,
    column_names,
    column_value,
    hex_texts,
    nanoseconds,
    spread,
    table_of,
    table_schema,
)
from payloads.chainlink.call import QUOTE
from payloads.chainlink.calldata import FUNCTIONS, VERIFY, VERIFY_VIEW
from payloads.chainlink.checks import TIMES, VERSION_1
from payloads.chainlink.frames import EVIDENCE, NAME, snappy_evidence
from payloads.chainlink.payment import parameter
from payloads.chainlink.report import (
    CONTEXT,
    FULL_REPORT,
    BareReport,
    FullReport,
    UnknownReport,
    decode_envelope,
)
from payloads.chainlink.schemas import COMMON_HEAD, SCHEMAS, Schema
from payloads.chainlink.state import V03, V04, V051, ChainlinkState, Config
from payloads.crypto import recover
from payloads.errors import Malformed
from payloads.inputs import MAX_PAYLOAD_BYTES
from payloads.signatures import address_bytes

_HEAD = 7 * WORD
_BLOB = _HEAD + WORD
_CONTEXT = 3 * WORD
_VS = 6 * WORD
# Contracts read a byte of `raw_vs` for each signature, and there are 32.
_MOST_SIGNATURES = WORD
UNKNOWN = "chainlink_unknown"

_WORDS = pa.list_(pa.binary(WORD))
_ENVELOPE = tuple(arrow_field(row) for row in CONTEXT.fields)
_SIGNATURES = (pa.field("rs", _WORDS), pa.field("ss", _WORDS), pa.field("raw_vs", pa.binary(WORD)))
_TAKEN = [column.name for column in (*PLACE, *_ENVELOPE, *_SIGNATURES)]
_NOT_KNOWN = (pa.field("schema_version", pa.uint16()), pa.field("report_blob", pa.large_binary()))

_UNKNOWN = table_schema(UNKNOWN, (*PLACE, *_ENVELOPE, *_NOT_KNOWN, *_SIGNATURES))


# --- tables ---------------------------------------------------------------------------------------


def _name(schema: Schema) -> str:
    return "chainlink_" + schema.key.replace("-", "_")


def tables() -> dict[str, pa.Schema]:
    """The tables: of each report schema, and of reports that no schema fits."""
    return {**dict(map(_table, SCHEMAS.values())), UNKNOWN: _UNKNOWN}


# The tables that were made already with their names, each with the schema that it is of.
_MADE: dict[str, tuple[Schema, tuple[str, pa.Schema]]] = {}


def _table(schema: Schema) -> tuple[str, pa.Schema]:
    """The name of the schema's table, and its columns."""
    made = _MADE.get(schema.key)
    if made is None or made[0] is not schema:
        name, names = _name(schema), _names(schema.table)
        fields = [arrow_field(row, names[row.name]) for row in schema.table.fields]
        columns = (*PLACE, *_ENVELOPE, *fields, *_SIGNATURES)
        made = schema, (name, table_schema(name, columns, title=schema.title))
        _MADE[schema.key] = made
    return made[1]


@lru_cache(256)
def _names(table: Table) -> dict[str, str]:
    return column_names(table.fields, _TAKEN)


# --- the fast way ---------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Envelope:
    """Rows of one canonical shape: their bytes, the length of the report and the signatures."""

    rows: NDArray[np.int64]
    matrix: Matrix
    blob: int
    count: int
    first_r: int
    first_s: int


def _envelopes(matrix: Matrix) -> Iterator[Envelope]:
    """The rows in the layout that encoders write, by the length of their reports."""
    if not _size_fits(matrix.shape[1]):
        return
    for blob, rows in alike(numbers(matrix, _BLOB - 8, 8)):
        count = _signatures_in(matrix.shape[1], blob)
        if count is None:
            continue
        part = matrix if len(rows) == len(matrix) else matrix[rows]
        good = every(len(part))
        for at, wanted in _constants(blob, count):
            good &= equal(part, at, wanted)
        rows, part = _only(good, rows, part)
        if len(rows):
            second, third = _arrays_at(blob, count)
            yield Envelope(rows, part, blob, count, second + WORD, third + WORD)


def _size_fits(size: int) -> bool:
    return size >= _BLOB + 2 * WORD and size % WORD == 0


def _signatures_in(size: int, blob: int) -> int | None:
    """How many signatures a payload of this size has beside such a report; None if none fits."""
    count, rest = divmod(size - _BLOB - blob - -blob % WORD - 2 * WORD, 2 * WORD)
    return None if rest or count < 0 else count


def _arrays_at(blob: int, count: int) -> tuple[int, int]:
    """Where `rs` and `ss` begin, with their lengths."""
    second = _BLOB + blob + -blob % WORD
    return second, second + WORD + WORD * count


def _constants(blob: int, count: int) -> Iterator[tuple[int, bytes]]:
    """The bytes that every canonical payload of this shape has, and where: offsets and lengths."""
    second, third = _arrays_at(blob, count)
    yield _CONTEXT, b"".join(map(_word, (_HEAD, second, third)))
    yield _HEAD, _word(blob)
    yield _BLOB + blob, bytes(-blob % WORD) + _word(count)
    yield third, _word(count)


def _word(number: int) -> bytes:
    return number.to_bytes(WORD, "big")


def _only(good: Mask, rows: Any, matrix: Matrix) -> tuple[Any, Matrix]:
    return (rows, matrix) if good.all() else (rows[good], matrix[good])


def _by_schema(envelope: Envelope) -> Iterator[tuple[Schema, Envelope]]:
    """The rows whose report is a clean record of the schema that it names."""
    if envelope.blob < 2:
        return
    for prefix, places in alike(numbers(envelope.matrix, _BLOB, 2)):
        schema = SCHEMAS.get(prefix.to_bytes(2, "big"))
        if schema is None or schema.size != envelope.blob:
            continue
        rows, matrix = envelope.rows, envelope.matrix
        if len(places) < len(rows):
            rows, matrix = rows[places], matrix[places]
        rows, matrix = _only(clean(matrix, _BLOB, schema.table), rows, matrix)
        if len(rows):
            shape = (envelope.count, envelope.first_r, envelope.first_s)
            yield schema, Envelope(rows, matrix, envelope.blob, *shape)


def read(matrix: Matrix) -> Iterator[Piece]:
    """The tables' rows in payloads of one size."""
    if (like_first := whole(Alike(matrix), None)) is not None:
        yield like_first
        return
    for envelope in _envelopes(matrix):
        for schema, found in _by_schema(envelope):
            yield Piece(_name(schema), found.rows, _columns(schema, found))


def whole(alike: Alike, only: frozenset[str] | None) -> Piece | None:
    """All rows as one piece, if all have the schema and the number of signatures of the first."""
    first, payloads = alike.payload(0), alike.payloads
    if not is_available() or not _size_fits(len(first)):
        return None
    prefix, blob = first[_BLOB : _BLOB + 2], int.from_bytes(first[_BLOB - WORD : _BLOB], "big")
    schema = SCHEMAS.get(prefix)
    count = _signatures_in(len(first), blob)
    if schema is None or schema.size != blob or not count:
        return None
    shape, start = _shape(schema.table, prefix, count), first[:START]
    # Nearly always, all begin with the digest of one config. That is known for nothing, then.
    if (found := shape.columns(payloads, only, start)) is not None:
        alike.start = start
    elif alike.begins is not None and not alike.start:
        found = shape.columns(payloads, only)
    if found is None:
        return None
    columns = _finished(schema, count, payloads, *found)
    return Piece(_name(schema), np.arange(len(payloads)), columns)


def _columns(schema: Schema, envelope: Envelope) -> dict[str, pa.Array]:
    matrix, count = envelope.matrix, envelope.count
    columns, _ = columns_of(matrix, 0, CONTEXT)
    fields, lost = columns_of(matrix, _BLOB, schema.table)
    names = _names(schema.table)
    columns |= {names[name]: array for name, array in fields.items()}
    for name, first in (("rs", envelope.first_r), ("ss", envelope.first_s)):
        columns[name] = fixed(matrix[:, first : first + WORD * count])
    columns["raw_vs"] = fixed(matrix[:, _VS : _VS + WORD])
    return _finished(schema, count, matrix, columns, lost)


@lru_cache(256)
def _shape(table: Table, prefix: bytes, count: int) -> Shape:
    """Canonical payloads with a report of this table and so many signatures."""
    blob = table.size
    second, third = _arrays_at(blob, count)
    shape = Shape(third + WORD + WORD * count)
    shape.add_table(0, CONTEXT, {})
    shape.add_table(_BLOB, table, _names(table))
    for at, wanted in _constants(blob, count):
        shape.demand(at, wanted)
    shape.demand(_BLOB, prefix)
    words = pa.binary(WORD * count)
    shape.add("rs", second + WORD, words)
    shape.add("ss", third + WORD, words)
    shape.add("raw_vs", _VS, pa.binary(WORD))
    return shape


def _finished(
    schema: Schema, count: int, payloads: Payloads, columns: dict[str, pa.Array], lost: Mask | None
) -> dict[str, pa.Array]:
    """The columns with signatures as lists, and with what a row has beside its fields."""
    total = len(payloads)
    for name in {"rs", "ss"} & columns.keys():
        words = pa.Array.from_buffers(pa.binary(WORD), total * count, columns[name].buffers())
        columns[name] = lists(words, count, total)
    if schema.inferred:
        columns["guess"] = pa.repeat(schema.inferred, total)
    if lost is not None:
        raws = [bytes(row) if gone else None for row, gone in zip(payloads, lost, strict=True)]
        columns["raw"] = pa.array(raws, pa.large_binary())
    return columns


# --- one by one -----------------------------------------------------------------------------------


def row(value: FullReport | BareReport, raw: bytes) -> tuple[str, dict[str, Any]]:
    """The table of a decoded payload, and a value for each column."""
    report = value.report
    found: dict[str, Any] = {"guess": value.guess or None}
    if isinstance(value, FullReport):
        found |= _values(CONTEXT, value, {})
        found |= {"rs": value.rs, "ss": value.ss, "raw_vs": value.raw_vs}
    if isinstance(report, UnknownReport):
        blob = value.report_blob if isinstance(value, FullReport) else raw
        found |= {"schema_version": report.schema_version, "report_blob": blob}
        return UNKNOWN, found | {"guess": report.why, "raw": raw}
    values = _values(report.schema.table, report, _names(report.schema.table))
    if None in values.values() or _rebuilt(value) != raw:
        found["raw"] = raw
    return _name(report.schema), found | values


def _values(table: Table, record: Any, names: dict[str, str]) -> dict[str, Any]:
    rows: tuple[Field, ...] = table.fields
    return {
        names.get(row.name, row.name): column_value(row, getattr(record, row.name)) for row in rows
    }


def _rebuilt(value: FullReport | BareReport) -> bytes:
    """The payload that an encoder would write from the columns."""
    report = value.report.encode()
    if isinstance(value, BareReport):
        return report
    return encode(FULL_REPORT, (value.context, report, value.rs, value.ss, value.raw_vs))


# --- back to bytes --------------------------------------------------------------------------------


def encode_rows(batch: pa.RecordBatch) -> list[bytes | None]:
    """The payload of each row, from its columns."""
    schema = _schema_of(batch)
    if schema is None:
        return [None] * len(batch)
    head = _written(batch, CONTEXT, {})
    reports = _written(batch, schema.table, _names(schema.table))
    signed = batch["raw_vs"].is_valid().to_pylist()
    raw_vs = bytes_of(batch["raw_vs"], WORD)
    rs, ss = _joined_words(batch["rs"]), _joined_words(batch["ss"])
    found: list[bytes | None] = []
    for index, is_signed in enumerate(signed):
        report = reports[index].tobytes()
        if not is_signed:
            found.append(report)
            continue
        size = _BLOB + len(report) + -len(report) % WORD
        offsets = (_HEAD, size, size + len(rs[index]))
        parts = (head[index].tobytes(), *map(_word, offsets), raw_vs[index].tobytes())
        tail = (_word(len(report)), report, bytes(-len(report) % WORD), rs[index], ss[index])
        found.append(b"".join((*parts, *tail)))
    return found


def _written(batch: pa.RecordBatch, table: Table, names: dict[str, str]) -> Matrix:
    matrix = np.zeros((len(batch), table.size), np.uint8)
    put(matrix, 0, table, {row.name: batch[names.get(row.name, row.name)] for row in table.fields})
    return matrix


def _joined_words(lists_: pa.ListArray) -> list[bytes]:
    """The length and the words of each list, as the ABI writes them."""
    words = bytes_of(lists_.values, WORD).tobytes()
    ends = lists_.offsets.to_pylist()
    return [_word(end - begin) + words[WORD * begin : WORD * end] for begin, end in pairwise(ends)]


# --- prices ---------------------------------------------------------------------------------------


def _schema_of(batch: pa.RecordBatch) -> Schema | None:
    """The report schema of a table's batch; None for the reports that no schema fits."""
    name = table_of(batch.schema)
    return next((known for known in SCHEMAS.values() if _name(known) == name), None)


def prices(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """A row for each price: the fields with the unit of a price, except those of 256 bits."""
    if (schema := _schema_of(batch)) is None:
        return
    names, total = _names(schema.table), len(batch)
    values = {
        row.name: batch[names[row.name]].cast(PRICES.field("value").type)
        for row in schema.table.fields
        if row.unit.is_price and not pa.types.is_fixed_size_binary(batch[names[row.name]].type)
    }
    if not values or not total:
        return
    # The prices of a report stand together.
    count = len(values)
    places = pa.array(np.repeat(np.arange(total), count))
    turns = pa.array(np.tile(np.arange(count), total))
    apart = pa.array(np.arange(count * total).reshape(count, total).T.ravel())
    columns = [
        spread(batch["row"], places),
        spread(batch["path"], places),
        pa.repeat(NAME, len(places)),
        spread(hex_texts(batch[names["feed_id"]]), places),
        spread(pa.array(list(values), pa.string()), turns),
        spread(pa.concat_arrays(list(values.values())), apart),
        spread(nanoseconds(batch[names["observations_timestamp"]]), places),
    ]
    yield pa.RecordBatch.from_arrays(columns, schema=PRICES)


# --- facts ----------------------------------------------------------------------------------------

# The statements of a frame about its payload, and the facts that they are about.
CLAIMS = {"feedID": "feed", "validFromTimestamp": "valid_from", "observationsTimestamp": "observed"}
_TIMES_OF = {
    "observed": "observations_timestamp",
    "valid_from": "valid_from_timestamp",
    "expires": "expires_at",
    "last_seen": "last_seen_timestamp_ns",
}


def facts(batch: pa.RecordBatch) -> dict[str, pa.Array]:
    """The feed, the times and the sequence of each report."""
    schema, known = _schema_of(batch), set(batch.schema.names)
    is_signed = batch["raw_vs"].is_valid()
    sequence = pc.add(
        pc.multiply(batch["epoch"].cast(pa.int64()), 256), batch["round"].cast(pa.int64())
    )
    found = {
        "network": hex_texts(batch["config_digest"]),
        "sequence": sequence,
        "signatures": pc.list_value_length(batch["rs"]).cast(pa.int16()),
        "unsigned": _spare_bytes(batch).cast(pa.int32()),
    }
    found["signatures"] = pc.if_else(is_signed, found["signatures"], pa.scalar(0, pa.int16()))
    if schema is None:
        versions = batch["schema_version"].cast(pa.string())
        return found | {"schema": pc.binary_join_element_wise("v", versions, "")}
    found["schema"] = pa.repeat(schema.key, len(batch))
    found["feed"] = hex_texts(batch[_names(schema.table)["feed_id"]])
    for name, field in _TIMES_OF.items():
        if field in known and pa.types.is_timestamp(batch[field].type):
            found[name] = nanoseconds(batch[field])
    return found


def _spare_bytes(batch: pa.RecordBatch) -> pa.Array:
    """How many bytes of `raw_vs` are for no signature, and are not zero."""
    vs = bytes_of(batch["raw_vs"], WORD)
    counts = pc.list_value_length(batch["rs"]).fill_null(0).to_numpy(zero_copy_only=False)
    if not vs[:, counts.min(initial=WORD) :].any():  # as nearly always
        return pa.repeat(pa.scalar(0, pa.int32()), len(batch))
    spare = np.arange(WORD)[None, :] >= counts[:, None]
    return pa.array(((vs != 0) & spare).sum(axis=1))


# --- signatures -----------------------------------------------------------------------------------


def signed(matrix: Matrix, decodes: bool) -> Iterator[Signed]:
    """The signatures of canonical payloads: of those that decode, or of all that contracts read."""
    for envelope in _envelopes(matrix):
        if not 0 < envelope.count <= _MOST_SIGNATURES:
            continue
        for found in (e for _, e in _by_schema(envelope)) if decodes else (envelope,):
            yield _signed(found)


def _signed(envelope: Envelope) -> Signed:
    places = (envelope.first_r, envelope.first_s, _VS)
    hashed = partial(_digests, envelope)
    return Signed(envelope.rows, envelope.count, hashed, envelope.matrix, places, envelope)


def _digests(envelope: Envelope) -> Matrix:
    matrix = envelope.matrix
    hashes = keccak_rows(matrix[:, _BLOB : _BLOB + envelope.blob])
    return keccak_rows(np.hstack([hashes, matrix[:, :_CONTEXT]]))


def signers(raw: bytes) -> list[bytes | None] | None:
    """The signer of each signature as a contract reads the payload."""
    try:
        found = decode_envelope(raw)
    except Malformed:
        return None
    digest = found.signing_digest
    words = zip(found.rs, found.ss, found.raw_vs, strict=False)
    return [recover(digest, r, s, v) for r, s, v in words]


# --- verdicts -------------------------------------------------------------------------------------


def accepted(
    signed: Signed,
    signers: Signers,
    state: ChainlinkState,
    terms: Any,
    now: NDArray[np.int64] | None,
) -> Mask:
    """Which rows `verify` accepts for certain (or its view); all others are for the engine."""
    nothing = ~every(len(signed.rows))
    function = function_named(FUNCTIONS, terms.function)
    if not _call_passes(function, state, terms):
        return nothing
    good = every(len(signed.rows))
    if state.charges is not None and function is VERIFY:
        good &= _pays(signed, state, terms, now)
    if good.any():
        good &= _configs_pass(signed, signers, state)
    return good


def _call_passes(function: Function, state: ChainlinkState, terms: Any) -> bool:
    """Whether what is said of the call, and not of a payload, stops no payload."""
    if function not in (VERIFY, VERIFY_VIEW):
        return False
    if function is VERIFY_VIEW and (state.contract != V051 or terms.value):
        return False
    controller = state.access_controller
    sender = state.subscriber if terms.sender is None else address_bytes(terms.sender, "sender")
    return controller is None or controller.admits(sender or b"", None)


def _pays(signed: Signed, state: ChainlinkState, terms: Any, now: Any) -> Mask:
    """Which rows the fee manager lets pass: a known token, not expired, and nothing to give back.

    Without value there is no deposit to check, and `native` sends the fee itself. A report of the
    first schema pays nothing and never expires.
    """
    envelope: Envelope = signed.facts
    fees, nothing = state.charges, ~every(len(signed.rows))
    if now is None or envelope.blob < COMMON_HEAD.size or fees is None:
        return nothing
    if terms.value or (terms.pay == "native" and terms.value is not None):
        return nothing
    try:
        token = decode(QUOTE, parameter(terms.pay, state))[0].to_bytes(20, "big")
    except Malformed:
        return nothing
    if token not in (fees.link, fees.native):
        return nothing
    at = _BLOB + COMMON_HEAD.offsets[-1] + WORD - 4
    good = clean(envelope.matrix, _BLOB, COMMON_HEAD)
    good &= numbers(envelope.matrix, at, 4).astype(np.int64) >= now
    return good | equal(envelope.matrix, _BLOB, VERSION_1)


def _configs_pass(signed: Signed, signers: Signers, state: ChainlinkState) -> Mask:
    """Which rows are signed as the config asks that applies to them."""
    good = ~every(len(signed.rows))
    keys = _keys(signed.facts, state)
    if keys.count(keys[0]) == len(keys):  # nearly always
        order, places = {keys[0]: 0}, np.zeros(len(keys), np.int64)
    else:
        order = {key: index for index, key in enumerate(dict.fromkeys(keys))}
        places = np.fromiter(map(order.__getitem__, keys), np.int64, len(keys))
    known = {key: _config(key, state) for key in order}
    for config in {id(each): each for each in known.values() if each is not None}.values():
        count = signed.count
        enough = count > config.f if state.contract == V04 else count == config.f + 1
        if config.active and enough:
            mine = [order[key] for key, found in known.items() if found is config]
            good |= np.isin(places, mine) & _members(signers, count, config)
    return good


def _keys(envelope: Envelope, state: ChainlinkState) -> list[bytes]:
    """What each row's config is found by; b"" where the engine must look."""
    matrix, contract = envelope.matrix, state.contract
    if contract == V04:
        if envelope.blob < 3 * WORD:
            return [b""] * len(matrix)
        plain, times = clean(matrix, _BLOB, TIMES), _each(matrix, _BLOB + 3 * WORD - 4, 4)
        return [time if good else b"" for time, good in zip(times, plain, strict=True)]
    digests = _each(matrix, 0, WORD)
    if contract != V03:
        return digests
    if envelope.blob < WORD:
        return [b""] * len(matrix)
    feeds = _each(matrix, _BLOB, WORD)
    return [feed + digest for feed, digest in zip(feeds, digests, strict=True)]


def _each(matrix: Matrix, at: int, size: int) -> list[bytes]:
    """The bytes that stand there in each row."""
    found: list[bytes] = packed(matrix[:, at : at + size]).view(f"V{size}")[:, 0].tolist()
    return found


def _config(key: bytes, state: ChainlinkState) -> Config | None:
    if not key:
        return None
    if state.contract == V04:
        return state.config_for_time(int.from_bytes(key, "big"))
    if key[-WORD:] not in state.registered:
        return None
    if state.contract == V03 and key[:WORD] in state.inactive_feeds:
        return None
    return state.by_key.get(key)


def _members(signers: Signers, count: int, config: Config) -> Mask:
    """Which rows are signed by members of the config, all of them different."""
    # Five numbers each: the first finds the only member that it may be.
    members = np.frombuffer(b"".join(config.members), np.uint32).reshape(-1, 5)
    order = np.argsort(members[:, 0])
    members, addresses = members[order], signers.addresses.view(np.uint32)
    index = np.searchsorted(members[:, 0], addresses[:, 0])
    index[index == len(members)] = 0
    good = signers.found
    for at in range(5):
        good = good & (addresses[:, at] == members[index, at])
    # There are 31 at most. Of bits that differ, the sum is what has all of them.
    bits = np.left_shift(np.int64(1), index).reshape(-1, count)
    distinct = bits.sum(axis=1) == np.bitwise_or.reduce(bits, axis=1)
    return np.asarray(good.reshape(-1, count).all(axis=1) & distinct)


def member(state: ChainlinkState, signer: str, network: str) -> str | None:
    """The digest of a config that lists the signer: of this network's, if it does."""
    address = bytes.fromhex(signer[2:])
    found = [config for config in state.configs if address in map(bytes, config.members)]
    digests = ["0x" + bytes(each.config_digest or b"").hex() for each in found]
    return network if network in digests else next(iter(digests), None)


# --- recognising ----------------------------------------------------------------------------------

# Evidence of no more than this is found in too many bytes to be looked for in arrays.
_LOOSE = max(each.strength for each in EVIDENCE if each.form == "report" and each.doubtful)


# Bytes in which snappy has its size, a short literal, and the beginning of what follows.
_LOOKED_AT = 72


def may_be(alike: Alike, strength: int) -> Mask:
    """Which rows may have stronger evidence than that for one of Chainlink's forms.

    All of it but snappy's wants the fourth word's first 28 bytes to be zero, or the exact size of a
    report.
    """
    heads, size = alike.heads, alike.size
    if heads is None or size < _LOOKED_AT or strength < _LOOSE:
        return every(len(alike))
    if any(size == each.size for each in SCHEMAS.values()):
        return every(len(alike))
    found = ~every(len(alike))
    # A payload without signatures, the shortest of them, has five words before its report.
    if size >= 5 * WORD:
        rows = np.flatnonzero(numbers(heads, 96, 8) == 0)
        found[rows] = ~heads[rows, 104:124].any(axis=1)
    for index in _may_be_snappy(heads, size):
        found[index] = found[index] or bool(snappy_evidence(alike.payload(index)))
    return found


def _may_be_snappy(heads: Matrix, size: int) -> list[int]:
    """Which rows begin with a size that fits, and then as raw snappy may begin."""
    least, most = size * 3 // 4, min(MAX_PAYLOAD_BYTES, 22 * size)
    first = numbers(heads, 0, 8)
    found: list[int] = []
    for length in range(1, 6):
        if 1 << 7 * length <= least or most < 1 << 7 * (length - 1):
            continue
        # All bytes of the size but its last have their highest bit.
        highest = int.from_bytes(b"\x80" * length, "big") << 8 * (8 - length)
        on = highest - (0x80 << 8 * (8 - length))
        rows = np.flatnonzero(first & np.uint64(highest) == np.uint64(on))
        sizes = np.zeros(len(rows), np.int64)
        for index in range(length):
            sizes |= (heads[rows, index] & 127).astype(np.int64) << (7 * index)
        rows = rows[(least < sizes) & (sizes <= most)]
        found += rows[_begin_well(heads, rows, length)].tolist()
    return found


def _begin_well(heads: Matrix, rows: NDArray[np.int64], at: int) -> Mask:
    """Which rows have a literal there, and after it no copy from beyond its bytes."""
    first = heads[rows, at]
    good = first & 3 == 0
    sure = np.flatnonzero(good & (first < 60 << 2))  # of others the length is further on
    rows, second = rows[sure], at + 2 + (first[sure] >> 2).astype(np.int64)
    tag, high = heads[rows, second], heads[rows, second + 2]
    kind = tag & 3
    good[sure] = (kind == 0) | np.where(kind == 1, tag < 1 << 5, high == 0)
    return np.asarray(good)


COLUMNS = Columns(
    form="full_report",
    strength=80,
    recognised=lambda alike: every(len(alike)),
    may_be=may_be,
    tables=tables,
    read=read,
    whole=whole,
    row=row,
    encode=encode_rows,
    prices=prices,
    signed=signed,
    accepted=accepted,
    facts=facts,
    member=member,
    claims=CLAIMS,
    signers=signers,
)
