"""Field tables, and everything that is derived from them.

A record is described once, as a class whose annotations are its table:

    class ReportV7(ReportHead, frozen=True):
        exchange_rate: Annotated[int, field("int192", PRICE, "Redemption rate")]

`Table.of(cls, WORDS)` reads that description, and from it come the decoder, the encoder, the
annotated view, the JSON form and the reference page. Nothing else in the package knows a layout.

Two packings exist: `WORDS` (ABI: every field fills 32 bytes, high bits must be clean) and `PACKED`
(big-endian, each field its own width). Reading raises `Malformed` with the byte offset of the first
wrong byte, writing raises `Misuse` when a value does not fit; nothing else escapes.
"""

from __future__ import annotations

import operator
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
import msgspec.structs
from hexbytes import HexBytes

from payloads.abi.units import NONE, Unit
from payloads.errors import Malformed, Misuse, elide, shown

WORD = 32
# JSON readers that keep numbers in a double lose digits of integers with more bits.
_SAFE_BITS = 53


@dataclass(frozen=True, slots=True)
class AbiType:
    """A static Solidity type: `uint32`, `int192`, `bytes32` and their like."""

    name: str
    kind: str
    size: int

    @classmethod
    def parse(cls, name: str) -> AbiType:
        kind = name.rstrip("0123456789")
        width = int(name[len(kind) :] or 0)
        size, odd = (width, 0) if kind == "bytes" else divmod(width, 8)
        if kind not in ("uint", "int", "bytes") or odd or not 1 <= size <= WORD:
            raise Misuse("not a static ABI type this library knows", field=name)
        return cls(name, kind, size)

    @property
    def signed(self) -> bool:
        return self.kind == "int"

    @property
    def wide(self) -> bool:
        """Whether it has integers beyond 2^53, which JSON has as strings then, large or small."""
        return self.kind != "bytes" and 8 * self.size - self.signed > _SAFE_BITS

    def value(self, raw: bytes) -> Any:
        """The value of exactly `size` bytes."""
        if self.kind == "bytes":
            return raw
        return int.from_bytes(raw, "big", signed=self.signed)

    def padding(self, raw: bytes) -> bytes:
        """What must stand beside `raw` in a clean ABI word."""
        negative = self.signed and raw[0] >= 0x80
        return (b"\xff" if negative else b"\x00") * (WORD - self.size)

    def bytes_of(self, value: Any, path: str) -> bytes:
        """Exactly `size` bytes for a value; `Misuse` if it does not fit."""
        try:
            if self.kind != "bytes":
                # Not int(value), which would cut 1.5, nor bytes(value), which makes zeros of a 32.
                return operator.index(value).to_bytes(self.size, "big", signed=self.signed)
            if len(raw := bytes(memoryview(value))) == self.size:
                return raw
        except (OverflowError, TypeError, ValueError):
            pass
        raise Misuse(
            "value does not fit", field=path, expected=self.name, found=shown(value)
        ) from None


@dataclass(frozen=True, slots=True)
class Field:
    """One row of a table."""

    name: str
    type: AbiType
    unit: Unit = NONE
    meaning: str = ""
    # Readings of an absent optional field: what stands for None in the bytes.
    none: int | None = None
    # Whether the attribute is HexBytes: identifiers and digests are, other byte strings are not.
    hexed: bool = False

    def value(self, raw: bytes) -> Any:
        """The value of exactly the type's size in bytes, before `none` is looked at."""
        return hexed(raw) if self.hexed else self.type.value(raw)

    def json(self, value: Any) -> Any:
        """The JSON form of a value of this field."""
        return Digits(value) if self.type.wide and value is not None else jsonable(value)


def field(abi: str, unit: Unit = NONE, meaning: str = "", *, none: int | None = None) -> Field:
    """A row for use inside `Annotated[...]`; the attribute's name completes it."""
    return Field("", AbiType.parse(abi), unit, meaning, none)


class Record(msgspec.Struct, frozen=True):
    """Base of all decoded values: immutable, comparable; its `repr` elides and never raises.

    A record that can hold an exception can be part of a cycle: an exception holds its traceback,
    and so the variables of the functions that it came through. The garbage collector looks at
    records for that reason. Only those made by the million, of nothing but values, say `gc=False`.
    """

    def __repr__(self) -> str:
        parts = (f"{name}={_brief(getattr(self, name, None))}" for name in self.__struct_fields__)
        return f"{type(self).__name__}({', '.join(parts)})"

    def __str__(self) -> str:
        return repr(self)

    @property
    def values(self) -> tuple[Any, ...]:
        """The fields' values, in the table's order."""
        return msgspec.structs.astuple(self)


def _brief(value: Any) -> str:
    if isinstance(value, bytes):
        return elide("0x" + value.hex(), 23)
    if isinstance(value, tuple) and len(value) > 3:
        return f"<{len(value)} × {type(value[0]).__name__}>"
    return shown(value, 600 if isinstance(value, Record) else 120)


class Span(Record, frozen=True):
    """A byte range of a payload and what it says: one line of the annotated view."""

    offset: int
    path: str
    type: str
    raw: HexBytes
    value: Any = None
    unit: str = ""
    said: str = ""
    meaning: str = ""
    problem: str | None = None

    @property
    def end(self) -> int:
        return self.offset + len(self.raw)


def hexed(raw: bytes) -> HexBytes:
    """`raw` as HexBytes, past the constructor's conversions, which bytes do not need."""
    return bytes.__new__(HexBytes, raw)


# The same for identifiers and digests, which come again with every payload of a feed or a network.
# To look one up takes a third of the time, and all payloads share it.
hexed_again = lru_cache(maxsize=4096)(hexed)


class Wide(int):
    """An integer of a type that has integers beyond 2^53, where no field table says so."""


class Digits(str):
    """The JSON form of an integer that may be beyond 2^53. `with_numbers` knows it by its type."""

    __slots__ = ()


def json_object(pairs: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON object: see `jsonable`."""
    return {
        str(key): item if type(item) in _AS_IT_IS else jsonable(item) for key, item in pairs.items()
    }


def json_fields(record: Record) -> dict[str, Any]:
    """The fields of a record of a table, absent fields among them, in their JSON form."""
    wide = _wide_names(type(record))
    pairs = zip(record.__struct_fields__, record.values, strict=True)
    return {
        name: Digits(item) if name in wide and item is not None else jsonable(item)
        for name, item in pairs
    }


def jsonable(value: Any) -> Any:
    """The JSON form used everywhere: bytes as 0x-hex, integers by their types.

    The fields of a record that a table describes are strings where their type has integers beyond
    2^53, and so are `Wide` integers. All other integers are numbers. So a key has one JSON type,
    whatever its value.
    """
    return value if type(value) in _AS_IT_IS else _json_form(value.__class__)(value)


# Nearly all values have one of these types.
_AS_IT_IS = frozenset({bool, type(None), str, float, int, Digits})


@cache
def _json_form(kind: type) -> Callable[[Any], Any]:
    """The function that makes the JSON form of values of a type."""
    if issubclass(kind, bytes):
        return _hex
    if issubclass(kind, msgspec.Struct):
        return _json_fields_of(kind)
    if issubclass(kind, dict):
        return json_object
    if issubclass(kind, Wide):
        return Digits
    base = next((base for base in (int, str, float) if issubclass(kind, base)), None)
    return _json_list if base is None else base


def _hex(value: bytes) -> str:
    return "0x" + value.hex()


def _json_list(value: Iterable[Any]) -> list[Any]:
    return [item if type(item) in _AS_IT_IS else jsonable(item) for item in value]


def _json_fields_of(kind: type[msgspec.Struct]) -> Callable[[Any], dict[str, Any]]:
    """For records of a class: the fields that are not absent."""
    names, wide = kind.__struct_fields__, _wide_names(kind)

    def plain(record: Any) -> dict[str, Any]:
        return {
            name: item if type(item) in _AS_IT_IS else jsonable(item)
            for name, item in zip(names, msgspec.structs.astuple(record), strict=True)
            if item is not None
        }

    def with_wide(record: Any) -> dict[str, Any]:
        found = plain(record)
        return {name: Digits(item) if name in wide else item for name, item in found.items()}

    return with_wide if wide else plain


@cache
def _wide_names(record: type[Any]) -> frozenset[str]:
    return frozenset(row.name for row in _rows(record) if row.type.wide)


def with_numbers(record: Any) -> Any:
    """A JSON form with all integers as numbers, as `--numbers` prints it."""
    if isinstance(record, Digits):
        return int(record)
    if isinstance(record, dict):
        return {key: with_numbers(value) for key, value in record.items()}
    return [with_numbers(item) for item in record] if isinstance(record, list) else record


def is_wide(type_name: str) -> bool:
    """Whether JSON has the integers of an ABI type as strings."""
    return type_name.startswith(("int", "uint")) and AbiType.parse(type_name).wide


@dataclass(frozen=True, slots=True)
class Packing:
    """How fields follow one another in bytes."""

    name: str
    fill: bool

    def width(self, abi: AbiType) -> int:
        return WORD if self.fill else abi.size

    def value_at(self, abi: AbiType) -> int:
        """Where in its cell a value starts: ABI integers lie right, `bytesN` left."""
        return WORD - abi.size if self.fill and abi.kind != "bytes" else 0


WORDS = Packing("ABI words", fill=True)
PACKED = Packing("packed", fill=False)


class Table:
    """The compiled description of a fixed-size record.

    `read` is generated code, as in `collections.namedtuple`: one `struct` call takes the record
    apart, and a handful of comparisons prove that every word is clean. It is the hot path of
    everything, and a loop over the fields takes ten times as long. Where the comparisons prove
    nothing, because a word is dirty, a number negative or the bytes too few, that loop decides.
    """

    def __init__(
        self,
        name: str,
        fields: Sequence[Field],
        packing: Packing,
        make: Callable[..., Any] | None = None,
        absent: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.fields = tuple(fields)
        self.packing = packing
        self.absent = tuple(absent)
        self.make = make
        widths = [packing.width(f.type) for f in self.fields]
        self.offsets = tuple(sum(widths[:i]) for i in range(len(widths)))
        self.size = sum(widths)
        self.read: Callable[..., Any] = self._first_read
        self.read_many: Callable[..., Any] = self._first_read_many

    # Readers are generated when they are first wanted: importing the package generates none.

    def _first_read(self, data: bytes, at: int = 0, path: str = "") -> Any:
        self.read, self.read_many = _compile(self)
        return self.read(data, at, path)

    def _first_read_many(self, data: bytes) -> Any:
        self.read, self.read_many = _compile(self)
        return self.read_many(data)

    def source(self, prefix: str = "f") -> Source:
        """The pieces of the generated reader, for readers that take in more than this record."""
        return _source(self, prefix)

    @classmethod
    def of(cls, record: type[Any], packing: Packing, *, absent: Sequence[str] = ()) -> Table:
        """The table that a class's annotations describe; `absent` fields are read as None."""
        rows = [row for row in _rows(record) if row.name not in absent]
        return cls(record.__name__, rows, packing, record, absent)

    def pack(self, record: Any, path: str = "") -> bytes:
        """The bytes of a record (or of anything with the fields' names as attributes)."""
        return b"".join(self._cell(row, getattr(record, row.name), path) for row in self.fields)

    def _cell(self, row: Field, value: Any, path: str) -> bytes:
        raw = row.type.bytes_of(row.none if value is None else value, path + row.name)
        if not self.packing.fill:
            return raw
        padding = row.type.padding(raw)
        return raw + padding if row.type.kind == "bytes" else padding + raw

    def spans(self, data: bytes, at: int = 0, path: str = "") -> Iterator[Span]:
        """The annotated view of a record, up to and including the first field that is wrong."""
        for row, begin in zip(self.fields, self.offsets, strict=True):
            span = self._span(row, data, at + begin, path + row.name)
            yield span
            if span.problem:
                return

    def _span(self, row: Field, data: bytes, at: int, path: str) -> Span:
        raw = data[at : at + self.packing.width(row.type)]
        said = {"unit": row.unit.name, "meaning": row.meaning}
        try:
            value = self._check(row, data, at, path)
        except Malformed as error:
            return Span(at, path, row.type.name, hexed(raw), problem=str(error), **said)
        shown = row.unit.say(value) if isinstance(value, int) else ""
        return Span(at, path, row.type.name, hexed(raw), value, said=shown, **said)

    def read_slowly(self, data: bytes, at: int = 0, path: str = "") -> Any:
        """What `read` does where it is in doubt: each field in turn, up to the first bad byte."""
        values = dict.fromkeys(self.absent)
        for row, begin in zip(self.fields, self.offsets, strict=True):
            value = self._check(row, data, at + begin, path + row.name)
            values[row.name] = None if value == row.none else value
        return self.make(**values) if self.make else tuple(values.values())

    def _check(self, row: Field, data: bytes, at: int, path: str) -> Any:
        width, size, begin = self.packing.width(row.type), row.type.size, at
        if (left := max(0, len(data) - at)) < width:
            raise Malformed(
                "the bytes end inside this field",
                offset=min(at, len(data)),
                field=path,
                expected=f"{width} bytes",
                found=f"{left}",
                revert_data=b"" if self.packing.fill else None,
            )
        begin += self.packing.value_at(row.type)
        raw = data[begin : begin + size]
        if self.packing.fill:
            self._check_padding(row, data, at, begin, path)
        return row.value(raw)

    def _check_padding(self, row: Field, data: bytes, at: int, begin: int, path: str) -> None:
        size = row.type.size
        start = begin + size if row.type.kind == "bytes" else at
        found = data[start : start + WORD - size]
        wanted = row.type.padding(data[begin : begin + size])
        if found != wanted:
            dirty = next(i for i, (a, b) in enumerate(zip(found, wanted, strict=True)) if a != b)
            raise Malformed(
                f"dirty bits beside a {row.type.name}",
                offset=start + dirty,
                field=path,
                expected=f"{len(wanted)} bytes of 0x{wanted[0]:02x}",
                found="0x" + found.hex(),
                revert_data=b"",
            )

    def markdown(self) -> str:
        """The table as the reference page shows it."""
        head = "| offset | field | type | unit | meaning |\n|---:|---|---|---|---|"
        rows = (
            f"| {at} | `{row.name}` | {row.type.name} | {row.unit.name} | {_cell(row.meaning)} |"
            for row, at in zip(self.fields, self.offsets, strict=True)
        )
        return "\n".join([head, *rows])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _rows(record: type[Any]) -> Iterator[Field]:
    for name, hint in get_type_hints(record, include_extras=True).items():
        for extra in get_args(hint)[1:] if get_origin(hint) is Annotated else ():
            if isinstance(extra, Field):
                as_hex = get_args(hint)[0] is HexBytes
                yield replace(extra, name=name, hexed=as_hex)


# --- the generated reader -------------------------------------------------------------------------

_STRUCT_CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}


@dataclass(slots=True)
class Source:
    """Pieces of a reader: what `struct` takes apart, what must hold, what each field becomes.

    They are run with `READING` as their names.
    """

    codes: list[str]
    names: list[str]
    steps: list[str]
    # Names whose bits at and above a position must be zero, by that position.
    limits: dict[int, list[str]]
    results: dict[str, str]
    tests: list[str]

    def take(self, code: str, name: str) -> None:
        self.codes.append(code)
        self.names.append(name)

    def arguments(self, table: Table) -> str:
        """What the fields become, in the order in which the table's class takes them."""
        order = getattr(table.make, "__struct_fields__", None) or tuple(self.results)
        return ", ".join(self.results[name] for name in order)

    @property
    def doubt(self) -> str:
        """The condition under which the slow way must look: a dirty word, or a negative number."""
        ored = (f"({' | '.join(names)}) >> {bits}" for bits, names in self.limits.items())
        return " or ".join([*self.tests, *ored]) or "False"


# What the pieces of readers call.
READING = {"from_bytes": int.from_bytes, "hexed": hexed_again}


def _source(table: Table, prefix: str) -> Source:
    source = Source([], [], [], {}, dict.fromkeys(table.absent, "None"), [])
    for index, row in enumerate(table.fields):
        _emit(source, row, table.packing, f"{prefix}{index}")
    return source


def _compile(table: Table) -> tuple[Callable[..., Any], Callable[..., Any]]:
    source = table.source()
    layout = struct.Struct(">" + "".join(source.codes))
    results = source.arguments(table)
    names = ", ".join(source.names) + ","
    code = f"""
def read(data, at=0, path=""):
    if len(data) - at < {table.size}:
        return slowly(data, at, path)
    {names} = unpack_from(data, at)
    {"; ".join(source.steps) or "pass"}
    if {source.doubt}:
        return slowly(data, at, path)
    return make({results})
"""
    if table.packing is PACKED:  # nothing to check, so a run of records is one loop
        code += f"""
def read_many(data):
    return tuple([make({results}) for {names} in iter_unpack(data)])
"""
    scope: dict[str, Any] = {
        "unpack_from": layout.unpack_from,
        "iter_unpack": layout.iter_unpack,
        "slowly": table.read_slowly,
        "make": table.make or (lambda *values: values),
        **READING,
    }
    exec(code, scope)
    return scope["read"], scope.get("read_many", _one_at_a_time)


def _one_at_a_time(_: bytes) -> Any:
    raise Misuse("ABI words have checks, so their records are read one at a time")


def _emit(source: Source, row: Field, packing: Packing, name: str) -> None:
    emit = _emit_word if packing.fill else _emit_packed
    result = emit(source, row, name)
    if row.none is not None:
        result = f"(None if {result} == {row.none} else {result})"
    source.results[row.name] = result


def _emit_word(source: Source, row: Field, name: str) -> str:
    """An ABI word: checks that pass for every clean, non-negative value and doubt all others."""
    abi, padding = row.type, bytes(WORD - row.type.size)
    if abi.kind == "bytes":
        source.take(f"{abi.size}s{len(padding)}s" if padding else "32s", name)
        if padding:
            source.names.append(name + "p")
            source.tests.append(f"{name}p != {padding!r}")
        return f"hexed({name})" if row.hexed else name
    if abi.size in _STRUCT_CODES and not abi.signed:
        source.take(f"{len(padding)}s", name + "p")
        source.take(_STRUCT_CODES[abi.size], name)
        source.tests.append(f"{name}p != {padding!r}")
        return name
    source.take("32s", name + "r")
    source.steps.append(f"{name} = from_bytes({name}r)")
    source.limits.setdefault(8 * abi.size - abi.signed, []).append(name)
    return name


def _emit_packed(source: Source, row: Field, name: str) -> str:
    abi = row.type
    if abi.kind == "bytes":
        source.take(f"{abi.size}s", name)
        return f"hexed({name})" if row.hexed else name
    if abi.size in _STRUCT_CODES:
        code = _STRUCT_CODES[abi.size]
        source.take(code.lower() if abi.signed else code, name)
        return name
    if abi.size == 16:
        source.take("q" if abi.signed else "Q", name + "h")
        source.take("Q", name)
        return f"({name}h << 64 | {name})"
    source.take(f"{abi.size}s", name)
    return f"from_bytes({name}, 'big', signed={abi.signed})"
