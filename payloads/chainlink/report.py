"""Chainlink Data Streams payloads: the signed `fullReport`, and the report inside it.

`decode` takes a `fullReport` apart as a verifier contract would (`AS_CONTRACT`), or more strictly
(`CANONICAL`), and reads the report with the schema that its own feed ID names. `decode_envelope`
stops before the report, which the contracts never look into. `decode_report` reads a bare,
unsigned report. All raise `Malformed` for bad bytes and `Misuse` for an unknown schema name.

Nothing decoded here is verified: `recover` finds the signers, and `judge` says whether a contract
would accept them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Annotated, Any, NamedTuple

from hexbytes import HexBytes

from payloads.abi.fields import (
    PACKED,
    READING,
    WORD,
    Record,
    Source,
    Table,
    field,
    hexed,
)
from payloads.abi.solidity import Argument, Departure, Part, departures
from payloads.abi.solidity import decode as abi_decode
from payloads.abi.solidity import encode as abi_encode
from payloads.abi.strictness import AS_CONTRACT, Profile
from payloads.abi.units import COUNT, DIGEST
from payloads.chainlink.schemas import (
    COMMON_HEAD,
    PUBLISHED_TABLES,
    SCHEMAS,
    Report,
    ReportHead,
    schema_named,
)
from payloads.crypto import keccak256
from payloads.errors import Malformed, Misuse, elide
from payloads.inputs import to_bytes

# The outer tuple, as the verifier contracts decode it.
FULL_REPORT = (
    Argument("context", "bytes32[3]"),
    Argument("report_blob", "bytes"),
    Argument("rs", "bytes32[]"),
    Argument("ss", "bytes32[]"),
    Argument("raw_vs", "bytes32"),
)
_HEAD_SIZE = 7 * WORD


class Context(Record, frozen=True, gc=False):
    """The three words of context, all of them signed."""

    config_digest: Annotated[HexBytes, field("bytes32", DIGEST, "Which signer set and f apply")]
    context_padding: Annotated[bytes, field("bytes27", DIGEST, "Unused, but signed")]
    epoch: Annotated[int, field("uint32", COUNT, "Epoch (newer: high bytes of the sequence)")]
    round: Annotated[int, field("uint8", COUNT, "Round (newer: low byte of the sequence)")]
    extra_hash: Annotated[bytes, field("bytes32", DIGEST, "Zero, or DON id << 32 | 1")]


CONTEXT = Table.of(Context, PACKED)


class UnknownReport(Record, frozen=True):
    """A report that no known schema fits: its words, and a common head if they allow one.

    `head` is how every known schema but the first would read the first six words. It is a reading,
    not a fact, and `why` says how it came to this.
    """

    schema_version: int | None
    head: ReportHead | None
    words: tuple[HexBytes, ...]
    tail: HexBytes
    why: str

    @property
    def schema_label(self) -> str:
        """What to call it."""
        version = self.schema_version
        return "unknown schema" if version is None else f"unknown schema 0x{version:04x}"

    def encode(self) -> bytes:
        """The bytes it was read from."""
        return b"".join(self.words) + self.tail


AnyReport = Report | UnknownReport


class FullReport(Record, frozen=True, gc=False):
    """A decoded `fullReport`. Not verified: see `recover` and `judge`.

    `raw_vs` past the number of signatures is neither signed nor checked.
    """

    config_digest: HexBytes
    context_padding: bytes
    epoch: int
    round: int
    extra_hash: bytes
    report_blob: bytes
    rs: tuple[bytes, ...]
    ss: tuple[bytes, ...]
    raw_vs: bytes
    report: AnyReport
    # How the blob was read, where that is not plain from its version.
    guess: str = ""
    # The bytes as received; empty for a payload that was put together here.
    raw: bytes = b""

    def __repr__(self) -> str:
        count = len(self.rs)
        digest = elide("0x" + self.config_digest.hex(), 23)
        return f"FullReport({self.report!r}, config_digest={digest}, {count} signatures)"

    @property
    def context(self) -> tuple[bytes, bytes, bytes]:
        """The three signed words of context."""
        packed = _context(self)
        return packed[:32], packed[32:64], packed[64:]

    @property
    def sequence(self) -> int:
        """Epoch and round as one number, which is what newer networks put there."""
        return self.epoch << 8 | self.round

    @property
    def don_id(self) -> int | None:
        """The network's number, where the extra hash has the form `id << 32 | 1`."""
        return don_id(self.extra_hash)

    @property
    def schema_version(self) -> int | None:
        return self.report.schema_version

    @property
    def schema_label(self) -> str:
        """The schema's name and title, or that it is not known."""
        return self.report.schema_label

    @property
    def report_hash(self) -> HexBytes:
        return hexed(keccak256(self.report_blob))

    @property
    def signed_bytes(self) -> HexBytes:
        """What the signing digest is the hash of: the report's hash, then the context."""
        return hexed(keccak256(self.report_blob) + _context(self))

    @property
    def signing_digest(self) -> HexBytes:
        """What every signature signs. There is no EIP-191 prefix."""
        return hexed(keccak256(self.signed_bytes))

    @property
    def departures(self) -> list[Departure]:
        """Where `raw` differs from what an honest encoder would have written; empty if nowhere."""
        if not self.raw:
            return []
        found = [] if canonical_parts(self.raw) else departures(self.parts, self.raw)
        return sorted([*found, *_beyond_abi(self)], key=lambda departure: departure.offset)

    @property
    def parts(self) -> list[Part]:
        """Where in its bytes each field stands, as the decoder reads them."""
        trace: list[Part] = []
        abi_decode(FULL_REPORT, self.raw or self.encode(), trace=trace)
        return trace

    def offset_of(self, path: str) -> int:
        """Where a field's value stands: `rs[0]`, `report_blob`, `raw_vs`, `rs.length`, …"""
        for part in self.parts:
            if part.path == path and part.role in ("value", "length"):
                return part.offset
        raise Misuse("no such field in this payload", field=path)

    def encode(self) -> bytes:
        """The ABI bytes. What was decoded encodes to the bytes it came from, canonical or not."""
        values = (self.context, self.report_blob, self.rs, self.ss, self.raw_vs)
        canonical = abi_encode(FULL_REPORT, values)
        if not self.raw or canonical == self.raw:
            return canonical
        parts = self.parts
        return _encode_over(self, parts) if departures(parts, self.raw) else canonical


def don_id(extra_hash: bytes) -> int | None:
    """The network's number in an extra hash of the form `id << 32 | 1`."""
    value = int.from_bytes(extra_hash, "big")
    return value >> 32 if value & 0xFFFFFFFF == 1 and value < 2**64 else None


_CONTEXT = struct.Struct(">" + "".join(CONTEXT.source().codes))


def _context(payload: FullReport) -> bytes:
    """The signed words of context, joined. `CONTEXT` says what is wrong with values that misfit."""
    digest, padding, extra = payload.config_digest, payload.context_padding, payload.extra_hash
    try:
        if (len(digest), len(padding), len(extra)) == (WORD, 27, WORD):
            return _CONTEXT.pack(digest, padding, payload.epoch, payload.round, extra)
    except (TypeError, struct.error):
        pass
    return CONTEXT.pack(payload)


def _encode_over(payload: FullReport, parts: list[Part]) -> bytes:
    """The fields written where the received bytes, which no encoder made, had them."""
    values = {"context": CONTEXT.pack(payload), "raw_vs": payload.raw_vs}
    values["report_blob"] = payload.report_blob
    for name in ("rs", "ss"):
        values |= {f"{name}[{i}]": word for i, word in enumerate(getattr(payload, name))}
    over = bytearray(payload.raw)
    for part in parts:
        if part.role != "value":
            continue
        value = values.pop(part.path, b"")
        if len(value) != part.length:
            raise _resized(part.path, part.length, len(value))
        over[part.offset : part.end] = value
    if values:
        raise _resized(next(iter(values)), 0, WORD)
    return bytes(over)


def _resized(path: str, expected: int, found: int) -> Misuse:
    return Misuse(
        "a payload in a layout of its own keeps its sizes (clear `raw` for the canonical layout)",
        field=path,
        expected=f"{expected} bytes",
        found=str(found),
    )


def _beyond_abi(payload: FullReport) -> Iterator[Departure]:
    """What the ABI allows and no honest encoder would do with this tuple."""
    rs, ss = len(payload.rs), len(payload.ss)
    if rs != ss:
        detail = f"{rs} r values but {ss} s values"
        yield Departure("count-mismatch", payload.offset_of("ss.length"), WORD, "ss", detail)
    if rs > WORD:
        detail = f"{rs} signatures, but raw_vs has room for {WORD}"
        yield Departure("count-mismatch", payload.offset_of("rs.length"), WORD, "rs", detail)
    if (spare := payload.raw_vs[rs:]).strip(b"\0"):
        detail = f"bytes for no signature, neither signed nor checked: 0x{spare.hex()}"
        at = payload.offset_of("raw_vs") + rs
        yield Departure("unsigned-bytes", at, len(spare), "raw_vs", detail)
    if isinstance(payload.report, Report):
        size = payload.report.schema.size
        if spare := payload.report_blob[size:]:
            detail = f"{len(spare)} bytes after the report's last field"
            at = payload.offset_of("report_blob") + size
            yield Departure("report-trailing", at, len(spare), "report", detail)


# --- reading --------------------------------------------------------------------------------------

_FIRST_TAIL = _HEAD_SIZE + WORD
_LENGTH = slice(_HEAD_SIZE, _FIRST_TAIL)
# Where the words of rs begin in the answer of a shape's reader.
_RS = 5
_VERSION = slice(_FIRST_TAIL, _FIRST_TAIL + 2)
# More signatures than a contract could ever take go the general way.
_MOST_SHAPED = 64

Words = tuple[bytes, ...]
Reader = Callable[[bytes], tuple[Any, ...]]
# How to take a canonical payload apart without its report. A reader of all its words, where in the
# answer the count of ss stands, and what the payload must have: its offsets, the padding of the
# blob with the count of rs behind it, and that count again before the ss.
Shape = tuple[Reader, int, bytes, bytes, bytes]
# How to take a canonical payload apart with its report.
WholeReader = Callable[[bytes], "FullReport | None"]
# The tuple that contracts decode, the words of context joined.
Parts = tuple[bytes, bytes, Words, Words, bytes]
# The fields of a FullReport up to `raw_vs`.
Fields = tuple[HexBytes, bytes, int, int, bytes, bytes, Words, Words, bytes]


@lru_cache(maxsize=1024)
def _shape(size: int, length: bytes) -> Shape | None:
    """The canonical encoding of this size with a report of this length, if any."""
    blob = int.from_bytes(length, "big")
    padding = -blob % WORD
    count, rest = divmod(size - _FIRST_TAIL - blob - padding - 2 * WORD, 2 * WORD)
    if len(length) < WORD or rest or not 0 <= count <= _MOST_SHAPED:
        return None
    second = _FIRST_TAIL + blob + padding
    third = second + WORD + WORD * count
    heads = b"".join(offset.to_bytes(WORD, "big") for offset in (_HEAD_SIZE, second, third))
    words = "32s" * count
    read = struct.Struct(f">96s96s32s32x{blob}s{padding + WORD}s{words}32s{words}").unpack
    counted = count.to_bytes(WORD, "big")
    return read, _RS + count, heads, bytes(padding) + counted, counted


def canonical_parts(raw: bytes) -> Parts | None:
    """The tuple in the layout that encoders write, checked word by word; None for any other."""
    if (shape := _shape(len(raw), raw[_LENGTH])) is None:
        return None
    read, middle, heads, between, counted = shape
    found = read(raw)
    context, offsets, raw_vs, blob, gap = found[:_RS]
    if offsets != heads or gap != between or found[middle] != counted:
        return None
    return context, blob, found[_RS:middle], found[middle + 1 :], raw_vs


def split_canonical(raw: bytes) -> Fields | None:
    """The fields of the layout that encoders write; None for any other."""
    if (parts := canonical_parts(raw)) is None:
        return None
    context, blob, rs, ss, raw_vs = parts
    return (*_context_fields(context), blob, rs, ss, raw_vs)


def _context_fields(context: bytes) -> tuple[HexBytes, bytes, int, int, bytes]:
    head: Context = CONTEXT.read(context)
    return head.config_digest, head.context_padding, head.epoch, head.round, head.extra_hash


class WholeSource(NamedTuple):
    """The pieces of code that takes a canonical payload apart, report and all."""

    # The first lines of a function of `raw`, which returns None where it is in doubt; its names.
    code: str
    scope: dict[str, Any]
    context: Source
    report: Source
    rs: list[str]
    ss: list[str]


def whole_source(size: int, length: bytes, table: Table | None) -> WholeSource | None:
    """For payloads of this size, with a report of this length and table, if there are any.

    Of the other fields, `vs` is the word of raw_vs, and `blob` the bytes of the report.
    """
    shape = _shape(size, length)
    if shape is None or table is None or table.size != int.from_bytes(length, "big"):
        return None
    _, _, heads, between, counted = shape
    context, report = CONTEXT.source("c"), table.source("f")
    rs, ss = (_numbered(name, int.from_bytes(counted, "big")) for name in "rs")
    words = "32s" * len(rs)
    layout = (*context.codes, "96s32s32x", *report.codes, f"{len(between)}s{words}32s{words}")
    names = (*context.names, "heads", "vs", *report.names, "between", *rs, "counted", *ss, "")
    code = f"""
    {", ".join(names)} = unpack(raw)
    if heads != HEADS or between != BETWEEN or counted != COUNTED:
        return None
    {"; ".join(report.steps) or "pass"}
    if {report.doubt}:
        return None
    blob = raw[{_FIRST_TAIL}:{_FIRST_TAIL + table.size}]
"""
    scope: dict[str, Any] = {
        **READING,
        "unpack": struct.Struct(">" + "".join(layout)).unpack,
        "HEADS": heads,
        "BETWEEN": between,
        "COUNTED": counted,
    }
    return WholeSource(code, scope, context, report, rs, ss)


@lru_cache(maxsize=1024)
def _whole(size: int, length: bytes, table: Table | None) -> WholeReader | None:
    """A reader of canonical payloads of this size, with a report of this length and table.

    It is generated code, as the tables' own readers are, and takes both apart at once. Where it is
    in doubt it answers None.
    """
    if table is None or (source := whole_source(size, length, table)) is None:
        return None
    code = f"""
def read(raw):
    {source.code}
    return FullReport(
        {source.context.arguments(CONTEXT)}, blob,
        ({", ".join((*source.rs, ""))}), ({", ".join((*source.ss, ""))}), vs,
        Report({source.report.arguments(table)}), "", raw,
    )
"""
    scope = source.scope | {"Report": table.make, "FullReport": FullReport}
    exec(code, scope)
    read: WholeReader = scope["read"]
    return read


def usual_shape(raw: bytes) -> tuple[int, bytes, Table | None]:
    """The size, the length and the table that `whole_source` takes, as the bytes have them."""
    return len(raw), raw[_LENGTH], PUBLISHED_TABLES.get(raw[_VERSION])


def _numbered(name: str, count: int) -> list[str]:
    return [f"{name}{index}" for index in range(count)]


def _split_general(raw: bytes) -> tuple[Fields, int]:
    """Any layout that solc takes, and where its report stands."""
    trace: list[Part] = []
    context, blob, rs, ss, raw_vs = abi_decode(FULL_REPORT, raw, trace=trace)
    blobs = (part for part in trace if part.path == "report_blob" and part.role == "value")
    at = next((part.offset for part in blobs), 0)
    return (*_context_fields(b"".join(context)), blob, rs, ss, raw_vs), at


def read_report(blob: bytes, name: str | int | None = None) -> tuple[AnyReport, str]:
    """The report, and how its schema was found where its version does not say it plainly.

    `Malformed` if the schema that is published for the version, or named, does not fit."""
    named = None if name is None else schema_named(name)
    schema = named or SCHEMAS.get(blob[:2])
    if schema is None:
        return _read_unversioned(blob)
    if not schema.inferred and not named:
        return schema.table.read(blob), ""
    try:
        return schema.table.read(blob), "named by the caller" if named else schema.inferred
    except Malformed as error:
        if named:
            raise
        return unknown_report(blob, f"{schema.inferred}; it does not fit: {error}"), ""


def _read_unversioned(blob: bytes) -> tuple[AnyReport, str]:
    """Legacy v1 feed IDs carry no version, so the shape is the only hint; else it is unknown."""
    first = schema_named(1)
    version = int.from_bytes(blob[:2], "big")
    if len(blob) == first.size:
        try:
            report: AnyReport = first.table.read(blob)
        except Malformed:
            pass
        else:
            return (
                report,
                f"guessed from its shape: version 0x{version:04x} is none, as in legacy v1",
            )
    return unknown_report(blob, f"no known schema has version 0x{version:04x}"), ""


def unknown_report(blob: bytes, why: str) -> UnknownReport:
    """A report that no schema is known to fit, and why."""
    whole = len(blob) // WORD * WORD
    words = tuple(hexed(blob[at : at + WORD]) for at in range(0, whole, WORD))
    try:
        head = COMMON_HEAD.read(blob)
    except Malformed:
        head = None
    version = int.from_bytes(blob[:2], "big") if len(blob) >= 2 else None
    return UnknownReport(version, head, words, hexed(blob[whole:]), why)


Input = str | bytes | bytearray | memoryview


def decode(
    value: Input, *, profile: Profile = AS_CONTRACT, schema: str | int | None = None
) -> FullReport:
    """A `fullReport`, from hex or bytes, with its report read by the schema its feed ID names.

    `schema` names the schema instead, for legacy v1 feed IDs, which carry no version.
    """
    raw = to_bytes(value)
    payload = None
    if schema is None:
        if (read := _whole(*usual_shape(raw))) is not None:
            payload = read(raw)
    if payload is None:
        payload = decode_in_parts(raw, schema)
    if profile is not AS_CONTRACT:
        profile.require(payload)
    return payload


def decode_in_parts(raw: bytes, schema: str | int | None) -> FullReport:
    """The same for any layout: the payload is taken apart first, and then its report."""
    fields, at = split_canonical(raw), _FIRST_TAIL
    if fields is None:
        fields, at = _split_general(raw)
    try:
        report, guess = read_report(fields[5], schema)
    except Malformed as error:
        raise error.shifted(at, "report") from None
    return FullReport(*fields, report, guess, raw)


def decode_envelope(value: Input, *, profile: Profile = AS_CONTRACT) -> FullReport:
    """As `decode`, but the report may be any bytes, as it may for the contracts.

    Where no schema fits, `report` is an `UnknownReport` that says why.
    """
    raw = to_bytes(value)
    fields = split_canonical(raw) or _split_general(raw)[0]
    try:
        report, guess = read_report(fields[5])
    except Malformed as error:
        report, guess = unknown_report(fields[5], str(error)), ""
    payload = FullReport(*fields, report, guess, raw)
    profile.require(payload)
    return payload


class BareReport(Record, frozen=True, gc=False):
    """An unsigned report on its own, as verifier contracts return it."""

    report: AnyReport
    guess: str = ""
    raw: bytes = b""

    @property
    def schema_version(self) -> int | None:
        return self.report.schema_version

    @property
    def schema_label(self) -> str:
        """The schema's name and title, or that it is not known."""
        return self.report.schema_label

    @property
    def departures(self) -> list[Departure]:
        """Bytes after the last field; contracts that decode a report ignore them."""
        if isinstance(self.report, UnknownReport):
            return []
        size = self.report.schema.size
        spare = len(self.raw) - size
        detail = f"{spare} bytes after the report's last field"
        return [Departure("trailing", size, spare, "report", detail)] if spare > 0 else []

    def encode(self) -> bytes:
        """The bytes it was read from."""
        fields = self.report.encode()
        return fields + self.raw[len(fields) :]


def decode_report(
    value: Input, *, profile: Profile = AS_CONTRACT, schema: str | int | None = None
) -> BareReport:
    """A bare, unsigned report blob, by the schema its feed ID (or the caller) names."""
    raw = to_bytes(value, name="report")
    report, guess = read_report(raw, schema)
    bare = BareReport(report, guess, raw)
    profile.require(bare)
    return bare
