"""How JSON objects are read: a record's annotations say what its fields hold.

    class Candle(Record, frozen=True):
        open: Annotated[Decimal, "o"]
        final: Annotated[bool | None, "F"] = None
        maker: Annotated[HexBytes | None, hex_bytes(20)] = None
        rest: dict[str, Any] = msgspec.field(default_factory=dict)

A text in an annotation is the key in JSON, where that is not the field's name. A function in an
annotation reads the value; so does a row of a field table. Absent and null fields take their
defaults. Keys that belong to no field go into `rest`, if the record has it.

A record may have two things more. `SHORT_FORM` (a `ClassVar`) names the field whose value may stand
for the whole object. The method `check` raises `Wrong` for values that contradict each other.

There are two sets of scalars. `LENIENT` is for what servers send: numbers as JSON numbers or as
decimal strings, truth as true or 1. `EXACT` is for our own files: integers as JSON numbers or as
decimal digits, truth as true or false.

`Reading.read` raises its `error` (`Malformed` or `Misuse`), with the path of the first wrong value,
and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec.structs
from hexbytes import HexBytes

from payloads.abi.fields import Field, Record, hexed
from payloads.errors import Malformed, Misuse, PayloadError, shown
from payloads.inputs import to_bytes

# The value of a type. None, `Wrong` or a `PayloadError` refuses it.
Parse = Callable[[Any], Any]
_Reader = Callable[[Any], Any]


class Wrong(Exception):
    """A value that is refused. Its path grows on the way out, and costs nothing before."""

    def __init__(
        self,
        reason: str,
        *,
        path: str = "",
        expected: str | None = None,
        found: str | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason, self.path, self.expected, self.found = reason, path, expected, found

    def below(self, part: str) -> Wrong:
        """The same, seen from the object or list in which the value stands."""
        dot = "." if self.path and self.path[0] != "[" else ""
        self.path = part + dot + self.path
        return self


def found_in(value: Any) -> str:
    """A refused value for an error: scalars as they are, and of anything else the type alone."""
    if value is None or isinstance(value, str | bytes | bool | int | float):
        return shown(value)
    return type(value).__name__


def _not(what: str, value: Any) -> Wrong:
    return Wrong(f"not {what}", found=found_in(value))


# --- scalars --------------------------------------------------------------------------------------

# What a decimal string may be: no underscores, infinities or digits of other scripts, which
# `Decimal` would take, and an exponent that no later arithmetic can stumble over.
_DECIMAL = re.compile(r"[+-]?[0-9]{1,400}(\.[0-9]{0,400})?([eE][+-]?[0-9]{1,3})?", re.ASCII)
# A uint256 has 78 digits.
_INTEGER = re.compile(r"-?[0-9]{1,79}", re.ASCII)
# Without an upper bound.
_NO_LIMIT = 2**4096


def exact_decimal(value: Any) -> Decimal | None:
    """A number given as JSON number or as decimal string; None if it is none."""
    if type(value) is int or isinstance(value, Decimal):
        value = str(value)
    return Decimal(value) if isinstance(value, str) and _DECIMAL.fullmatch(value) else None


def whole(value: Any) -> int | None:
    """An integer given as JSON number or as decimal string; None if it is none."""
    if type(value) is int:
        return value
    number = exact_decimal(value)
    # Its exponent is at most three digits, so this is a number that fits in memory.
    return int(number) if number is not None and number == number.to_integral_value() else None


def _truth(value: Any) -> bool | None:
    """Truth, which some pages and clients have as 0 and 1."""
    return bool(value) if type(value) in (bool, int) and value in (0, 1) else None


def integer(low: int = -_NO_LIMIT, high: int = _NO_LIMIT) -> Parse:
    """The reader of an integer between these two, given as number or as decimal digits."""
    bits = high.bit_length()
    top = f"2^{bits} - 1" if bits > 32 and high == 2**bits - 1 else str(high)
    expected = "an integer" if high == _NO_LIMIT else f"an integer from {low} to {top}"

    def parse(value: Any) -> int:
        number = int(value) if isinstance(value, str) and _INTEGER.fullmatch(value) else value
        if type(number) is not int or not low <= number <= high:
            raise Wrong("does not fit", expected=expected, found=found_in(value))
        return number

    return parse


def check_object(value: Any, name: str = "record") -> None:
    """`Misuse` for what a caller gives in the place of a JSON object."""
    if not isinstance(value, dict):
        found = type(value).__name__
        raise Misuse("not an object", field=name, expected="a dict", found=found)


def hex_bytes(size: int | None = None) -> Parse:
    """The reader of hex text (or bytes) of this size, or of any."""

    def parse(value: Any) -> HexBytes:
        if not isinstance(value, str | bytes):
            raise Wrong("not hex", expected="hex text", found=found_in(value))
        raw = b"" if value in ("", "0x", "0X", b"") else to_bytes(value)
        if size is not None and len(raw) != size:
            raise Wrong("wrong length", expected=f"{size} bytes", found=f"{len(raw)} bytes")
        return hexed(raw)

    return parse


LENIENT: Mapping[Any, Parse] = {
    Any: lambda value: value,
    str: lambda value: value if isinstance(value, str) else None,
    bool: _truth,
    int: whole,
    Decimal: exact_decimal,
}
EXACT: Mapping[Any, Parse] = {
    Any: LENIENT[Any],
    str: LENIENT[str],
    bool: lambda value: value if isinstance(value, bool) else None,
    int: integer(),
    HexBytes: hex_bytes(),
}
_NAMES = {str: "text", bool: "true or false", int: "an integer", Decimal: "a number"}


# --- records --------------------------------------------------------------------------------------


class Reading:
    """Reads records whose fields are of these scalars, of tuples, or records themselves.

    `scalars` are added to `base`. `closed`: an object may have no key that is no field.
    """

    def __init__(
        self,
        scalars: Mapping[Any, Parse] | None = None,
        *,
        base: Mapping[Any, Parse] = LENIENT,
        error: type[PayloadError] = Malformed,
        closed: bool = False,
    ) -> None:
        self._scalars = {**base, **(scalars or {})}
        self._error, self._closed = error, closed
        self._readers: dict[Any, _Reader] = {}

    def read(self, kind: Any, content: Any, path: str = "") -> Any:
        """The value of this type from JSON; `path` is what it is called in the error."""
        return self._named(self._reader(kind), content, path)

    def fields(self, rows: Iterable[Field], content: Any, path: str = "") -> dict[str, Any]:
        """The values of a table's rows from an object with their names as keys."""
        plan = {row.name: (row.name, _scalar(_row(row))) for row in rows}
        optional = {row.name: None for row in rows if row.none is not None}
        required = {name: name for name in plan if name not in optional}
        values = self._named(_object(plan, required), content, path)
        return {**optional, **values}

    def _named(self, reader: _Reader, content: Any, path: str) -> Any:
        try:
            return reader(content)
        except Wrong as wrong:
            where = wrong.below(path).path if path else wrong.path
            raise self._error(
                wrong.reason,
                field=where or "message",
                expected=wrong.expected,
                found=wrong.found,
            ) from None

    def _reader(self, kind: Any) -> _Reader:
        if kind not in self._readers:
            self._readers[kind] = self._made(kind)
        return self._readers[kind]

    def _made(self, kind: Any) -> _Reader:
        if NoneType in get_args(kind):
            kind = next(arg for arg in get_args(kind) if arg is not NoneType)
        if kind in self._scalars:
            return _scalar(self._scalars[kind], _NAMES.get(kind, "what this field holds"))
        if get_origin(kind) is Annotated:
            inner, *notes = get_args(kind)
            for note in notes:
                if isinstance(note, Field):
                    return _scalar(_row(note))
                if callable(note):
                    return _scalar(note)
            return self._reader(inner)
        if get_origin(kind) is tuple:
            return _list(self._reader(get_args(kind)[0]))
        return self._record(kind)

    def _record(self, kind: type[Record]) -> _Reader:
        plan = self._plan(kind)
        required = {
            field.name for field in msgspec.structs.fields(kind) if field.required
        }  # not by their order: fields by keyword alone stand anywhere
        missing = {name: key for key, (name, _) in plan.items() if name in required}
        read_object = _object(plan, missing)
        keeps_rest, closed = "rest" in kind.__struct_fields__, self._closed
        check: Callable[[Any], None] | None = getattr(kind, "check", None)
        short: str | None = getattr(kind, "SHORT_FORM", None)

        def read(content: Any) -> Record:
            if short is not None and not isinstance(content, dict):
                return kind(**{plan[short][0]: plan[short][1](content)})
            values = read_object(content)
            if (keeps_rest or closed) and len(values) < len(content):
                rest = {key: value for key, value in content.items() if key not in plan}
                if keeps_rest:
                    values["rest"] = rest
                elif rest:
                    raise Wrong("unknown key", path=str(next(iter(rest))))
            record = kind(**values)
            if check is not None:
                check(record)
            return record

        return read

    def _plan(self, kind: type[Record]) -> dict[str, tuple[str, _Reader]]:
        """For each key in JSON the field's name, and its reader."""
        hints = get_type_hints(kind, include_extras=True)
        plan = {}
        for name in kind.__struct_fields__:
            if name == "rest":
                continue
            notes = get_args(hints[name]) if get_origin(hints[name]) is Annotated else ()
            key = next((note for note in notes if isinstance(note, str)), name)
            plan[key] = (name, self._reader(hints[name]))
        return plan


def _row(row: Field) -> Parse:
    """The reader of a table's row. Whether an integer fits its type is for the encoder to say."""
    if row.type.kind != "bytes":
        return integer()
    read = hex_bytes(row.type.size)
    return lambda value: row.value(bytes(read(value)))


def _scalar(parse: Parse, name: str = "what this field holds") -> _Reader:
    def read(value: Any) -> Any:
        try:
            found = parse(value)
        except PayloadError as error:
            raise Wrong(error.reason, expected=error.expected, found=error.found) from None
        if found is None:
            raise _not(name, value)
        return found

    return read


def _list(reader: _Reader) -> _Reader:
    def read(value: Any) -> tuple[Any, ...]:
        if value is None:  # a list of nothing, as some servers write it
            return ()
        if not isinstance(value, list | tuple):
            raise _not("a list", value)
        items: list[Any] = []
        for item in value:
            try:
                items.append(reader(item))
            except Wrong as wrong:
                raise wrong.below(f"[{len(items)}]") from None
        return tuple(items)

    return read


def _object(plan: Mapping[str, tuple[str, _Reader]], missing: Mapping[str, str]) -> _Reader:
    """The reader of an object's values by field name. `missing`: the keys of required fields."""
    steps = [(key, name, reader) for key, (name, reader) in plan.items()]

    def read(content: Any) -> dict[str, Any]:
        if not isinstance(content, dict):
            raise _not("an object", content)
        values: dict[str, Any] = {}
        for key, name, reader in steps:
            if (given := content.get(key)) is not None:
                try:
                    values[name] = reader(given)
                except Wrong as wrong:
                    raise wrong.below(key) from None
        for name, key in missing.items():
            if name not in values:
                raise Wrong("missing", path=key)
        return values

    return read
