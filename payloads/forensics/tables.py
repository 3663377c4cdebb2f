"""The tables of a scan: their Arrow schemas, with the meaning of each column as metadata.

`docs/tables.md` is made from them:

    python -m payloads.forensics.tables docs/tables.md

Readers may rely on names, types and meanings as long as `TABLES_REVISION` is the same. A new column
does not change it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from payloads.arrays.types import table_schema

TABLES_REVISION = 1

# A frame's number is its input's, moved left by so much, and the offset of its record in it.
OFFSET_BITS = 44
# A connection's number is moved left by so much likewise.
CONNECTION_BITS = 32
# Inputs of one scan: what is left of 63 bits.
MOST_INPUTS = 2 ** (63 - OFFSET_BITS)

TIME = pa.timestamp("ns", "UTC")
# The widest decimal that DuckDB, Polars and most databases have.
NUMBER = pa.decimal128(38, 0)
_ROWS = pa.list_(pa.struct([pa.field("frame", pa.int64()), pa.field("index", pa.int16())]))


def _column(name: str, kind: pa.DataType, meaning: str, nullable: bool = True) -> pa.Field:
    return pa.field(name, kind, nullable=nullable, metadata={"meaning": meaning})


# --- columns of several tables --------------------------------------------------------------------

_FRAME = _column(
    "frame", pa.int64(),
    f"number of the frame: the input's number times 2^{OFFSET_BITS}, plus the byte at which the "
    "record begins in the decompressed input (its ordinal, where a kind of file has no offsets)",
    nullable=False,
)  # fmt: skip
_INDEX = _column(
    "index", pa.int16(), "place of the payload among those of its frame, from 0", nullable=False
)
_AT = _column("at", TIME, "when the frame was received or sent; null where the file does not say")
_VENUE = _column("venue", pa.string(), "venue of the frame; null where nothing says it")
_CONNECTION = _column(
    "connection", pa.int64(),
    f"number of the connection, unique in the scan: the number of the capture's first input times "
    f"2^{CONNECTION_BITS}, plus the connection's number in the capture",
    nullable=False,
)  # fmt: skip
_DIRECTION = _column("direction", pa.string(), "`in` (received) or `out` (sent)")
_SYSTEM = _column("system", pa.string(), "system of the payload: `chainlink` or `stork`")
_ERROR = (
    _column("error", pa.string(), "why it could not be read; null where it could"),
    _column("error_offset", pa.int64(), "byte at which the error is, where that is known"),
    _column("error_field", pa.string(), "field that the error is about"),
)

# --- the tables -----------------------------------------------------------------------------------

INPUTS = table_schema(
    "inputs",
    (
        _column("input", pa.int32(), "number of the input, from 0", nullable=False),
        _column("path", pa.string(), "path as it was given or found", nullable=False),
        _column("bytes", pa.int64(), "bytes of the file as it lies on disk"),
        _column("sha256", pa.string(), "hash of the file as it lies on disk"),
        _column("kind", pa.string(), "kind of file: `capture`, `har`, `mitmproxy`, …"),
        _column("venue", pa.string(), "venue that the file names"),
        _column("capture", pa.string(), "identifier of the capture; null for other kinds"),
        _column("part", pa.int32(), "number of this part of the capture, from 1"),
        _column("created", TIME, "when the capture was begun"),
        _column("frames", pa.int64(), "rows of `frames` that are from this input"),
        _column("complete", pa.bool_(), "whether a capture has its end record; null for others"),
        _column("read", pa.bool_(), "whether the input could be read to its end", nullable=False),
        _column("problems", pa.list_(pa.string()), "what is wrong with the file, as sentences"),
    ),
    title="A row for each input of the scan.",
)

FRAMES = table_schema(
    "frames",
    (
        _FRAME,
        _column("input", pa.int32(), "number of the input", nullable=False),
        _column("line", pa.int64(), "line of the record in its file, where the file has lines"),
        _column("offset", pa.int64(), "byte of the record in the decompressed file"),
        _AT,
        _VENUE,
        _CONNECTION,
        _DIRECTION,
        _column("opcode", pa.string(), "`text`, `binary`, `ping`, `pong` or `close`"),
        _column("size", pa.int32(), "bytes of the message"),
        _column("redacted", pa.bool_(), "whether a credential was taken out of it", nullable=False),
        _column(
            "kind", pa.string(),
            "`signed` (has payloads), `message`, `control` (ping, pong, close), `incident` (of the "
            "capture), `unread` (could not be read)",
            nullable=False,
        ),
        _column("what", pa.string(), "kind of the incident, or type of the message"),
        _column("detail", pa.string(), "the incident's detail, as JSON"),
        _column("payloads", pa.int32(), "rows of `payloads` for this frame", nullable=False),
        *_ERROR,
    ),
    title="A row for each record of an input: frames, incidents, and what could not be read.",
)  # fmt: skip

PAYLOADS = table_schema(
    "payloads",
    (
        _FRAME,
        _INDEX,
        _column("path", pa.string(), "place of the payload in the frame", nullable=False),
        _AT,
        _VENUE,
        _CONNECTION,
        _DIRECTION,
        _column("provenance", pa.string(), "evidence by which the payload was recognised"),
        _SYSTEM,
        _column("form", pa.string(), "form of the payload: `full_report`, `signed_ecdsa`, …"),
        _column("schema", pa.string(), "report schema (`v3`), or layout of Stork (`plain`)"),
        _column("feed", pa.string(), "feed id; null for Stork, whose assets are in `prices`"),
        _column("network", pa.string(), "config digest; null for Stork"),
        _column("observed", TIME, "time of the observations"),
        _column("valid_from", TIME, "time from which the report is valid"),
        _column("expires", TIME, "time at which the report expires"),
        _column("sequence", pa.int64(), "Chainlink's epoch times 256, plus the round"),
        _column("signed_hash", pa.string(), "digest that the signers signed"),
        _column("payload_hash", pa.string(), "SHA-256 of the payload"),
        _column("canonical", pa.bool_(), "whether an honest encoder would write these bytes"),
        _column("departures", pa.string(), "kinds of differences from that, with commas"),
        _column("unsigned_bytes", pa.int32(), "bytes that no signature covers"),
        _column("contradiction", pa.string(), "what the frame says otherwise than the payload"),
        _column("guess", pa.string(), "how the layout was guessed; null where it was not"),
        _column("signatures", pa.int16(), "signatures in the payload"),
        _column("size", pa.int32(), "bytes of the payload"),
        _column("last_seen", TIME, "time of the last valid price that the report gives"),
        _column("raw", pa.binary(), "the payload; null where the frame holds no bytes of it"),
        *_ERROR,
    ),
    title="A row for each payload, those that do not decode included.",
)

PRICES = table_schema(
    "prices",
    (
        _FRAME,
        _INDEX,
        _AT,
        _VENUE,
        _CONNECTION,
        _SYSTEM,
        _column("feed", pa.string(), "feed id, or Stork's taxonomy and asset (`1/7`)"),
        _column("field", pa.string(), "`benchmark_price`, `bid`, `value`, …", nullable=False),
        _column("value", NUMBER, "value as signed, not scaled; null beyond 38 digits"),
        _column("wide", pa.string(), "value in decimal digits, where it has more than 38"),
        _column("observed", TIME, "time of the observations"),
        _column("received", TIME, "same as `at`"),
        _column("latency_ns", pa.int64(), "nanoseconds from observation to receipt"),
        _column("valid_from", TIME, "time from which the report is valid"),
        _column("expires", TIME, "time at which the report expires"),
        _column("passed", pa.bool_(), "whether the contract accepts the payload; null if unjudged"),
    ),
    title="A row for each price in a payload.",
)

SIGNATURES = table_schema(
    "signatures",
    (
        _FRAME,
        _INDEX,
        _column("position", pa.int16(), "place of the signature in the payload", nullable=False),
        _AT,
        _VENUE,
        _CONNECTION,
        _SYSTEM,
        _column("feed", pa.string(), "feed id; null for Stork"),
        _column("signer", pa.string(), "address that signed; null where there is none"),
        _column("v", pa.int16(), "recovery id as the payload has it"),
        _column("high_s", pa.bool_(), "whether s is in the upper half, which ecrecover takes"),
        _column("why", pa.string(), "why there is no signer"),
        _column("signed_hash", pa.string(), "digest that was signed"),
        _column("network", pa.string(), "config digest that the payload names; null for Stork"),
        _column(
            "member", pa.string(),
            "digest of the config that lists the signer, in the state that the payload was judged "
            "by (its contract's address for Stork); null where no config does",
        ),
    ),
    title="A row for each signature.",
)  # fmt: skip

VERDICTS = table_schema(
    "verdicts",
    (
        _FRAME,
        _INDEX,
        _column("now", TIME, "block time that the payload was judged at"),
        _column("state", pa.string(), "file of the state, or its name"),
        _column("accepted", pa.bool_(), "whether the call does not revert"),
        _column("passed", pa.bool_(), "whether a caller may use the payload"),
        _column("verdict", pa.string(), "name of the verdict, as `payloads.judge` has it"),
        _column("error", pa.string(), "the contract's error"),
        _column("revert_data", pa.binary(), "what the contract returns with it"),
        _column("problem", pa.string(), "why there is no verdict; null where there is one"),
    ),
    title="A row for each payload, if a state was given.",
)

EVENTS = table_schema(
    "events",
    (
        _FRAME,
        _column("index", pa.int16(), "place of the event among those of its frame", nullable=False),
        _AT,
        _VENUE,
        _CONNECTION,
        _DIRECTION,
        _column("type", pa.string(), "class of the record or event: `Book`, `Trade`, …",
                nullable=False),
        _column("instrument", pa.string(), "instrument, market or symbol"),
        _column("side", pa.string(), "`buy` or `sell`, as the venue says it"),
        _column("price", pa.string(), "price, exactly as the venue wrote it"),
        _column("size", pa.string(), "quantity, exactly as the venue wrote it"),
        _column("sequence", pa.int64(), "number of the message, where the venue counts"),
        _column("order_id", pa.string(), "identifier of the order"),
        _column("data", pa.string(), "the whole record, as JSON"),
    ),
    title="A row for each message of a venue that signs nothing, as a typed record.",
)  # fmt: skip

FINDINGS = table_schema(
    "findings",
    (
        _column("code", pa.string(), "stable code of the rule", nullable=False),
        _column("revision", pa.int16(), "revision of the rule", nullable=False),
        _column("severity", pa.string(), "`info`, `warning` or `danger`", nullable=False),
        _column("group", pa.string(),
                "`payload`, `signature`, `time`, `price`, `stream` or `file`", nullable=False),
        _SYSTEM,
        _column("feed", pa.string(), "feed that it is about"),
        _column("signer", pa.string(), "signer that it is about"),
        _column("connection", pa.int64(), "connection that it is about"),
        _column("began", TIME, "time of the first occurrence"),
        _column("ended", TIME, "time of the last occurrence"),
        _column("count", pa.int64(), "occurrences", nullable=False),
        _column("sentence", pa.string(), "the finding in words", nullable=False),
        _column("rows", _ROWS, "the first occurrences, at most 20"),
        _column("evidence", pa.string(), "numbers behind it, as JSON"),
        _column("fingerprint", pa.string(), "same for the same finding in other files",
                nullable=False),
        _column("suppressed", pa.bool_(), "whether the policy suppresses it", nullable=False),
        _column("known", pa.bool_(), "whether the baseline has it", nullable=False),
    ),
    title="A row for each finding.",
)  # fmt: skip

# The tables that a scan writes part by part, and those that are made of all parts.
MAPPED: Mapping[str, pa.Schema] = {
    "frames": FRAMES,
    "payloads": PAYLOADS,
    "prices": PRICES,
    "signatures": SIGNATURES,
    "verdicts": VERDICTS,
    "events": EVENTS,
}
TABLES: Mapping[str, pa.Schema] = {"inputs": INPUTS, **MAPPED, "findings": FINDINGS}


def empty(table: str) -> pa.RecordBatch:
    """A batch of the table without rows."""
    return pa.RecordBatch.from_pylist([], schema=TABLES[table])


def batch_of_rows(rows: Sequence[dict[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
    """A batch of rows. What UTF-8 cannot hold, as in a name of a file, is written with escapes."""
    try:
        return pa.RecordBatch.from_pylist(rows, schema=schema)
    except UnicodeEncodeError:
        return pa.RecordBatch.from_pylist(_escaped(rows), schema=schema)


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {key: _escaped(each) for key, each in value.items()}
    return [_escaped(each) for each in value] if isinstance(value, list | tuple) else value


def batch_of(table: str, columns: Mapping[str, pa.Array], count: int) -> pa.RecordBatch:
    """A batch of the table from its columns; a column that is not given is null."""
    arrays = [
        columns[field.name] if field.name in columns else pa.nulls(count, field.type)
        for field in TABLES[table]
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=TABLES[table])


# --- the page -------------------------------------------------------------------------------------

_HEAD = f"""\
# The tables of a scan

Made from the schemas by `make docs`: do not edit. This is revision {TABLES_REVISION}.

`payloads scan` writes a folder. Each table but the first and the last is a folder of Parquet files,
one for each part of an input (`frames/00000-00000.parquet`: the number of the input, then of the
part). Read them all at once: `frames/*.parquet` in DuckDB, or the folder in pyarrow, Polars and
pandas. The others are `inputs.parquet` and `findings.parquet`. `scan.json` has the version of the
tool, the options, the inputs with their hashes, the number of rows in each table, and whether the
scan is `complete`.

- Tables are joined by `frame`, or by `frame` and `index`.
- Times are in nanoseconds, in UTC. A time that is not known is null, and so is a time after 2262.
- Addresses, digests and hashes are text: `0x` and lower-case hex.
- The numbers in a table do not depend on how inputs were cut into parts, nor on the number of
  processes.
"""


def page() -> str:
    """The page about the tables, as Markdown."""
    return "\n".join([_HEAD, *map(_section, TABLES)])


def _section(name: str) -> str:
    schema = TABLES[name]
    rows = "\n".join(_rows(schema))
    title = schema.metadata[b"title"].decode()
    return f"## `{name}`\n\n{title}\n\n| column | type | meaning |\n|---|---|---|\n{rows}\n"


def _rows(schema: pa.Schema) -> Iterator[str]:
    for field in schema:
        kind = str(field.type).replace("timestamp[ns, tz=UTC]", "timestamp[ns, UTC]")
        null = ", or null" if field.nullable else ""
        meaning = field.metadata[b"meaning"].decode()
        yield f"| `{field.name}` | {kind}{null} | {meaning} |"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
