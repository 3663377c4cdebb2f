"""How a venue's objects are read: a record's annotations say what its fields hold.

    class Candle(Record, frozen=True):
        open: Annotated[Decimal, "o"]
        final: Annotated[bool | None, "F"] = None
        rest: dict[str, Any] = field(default_factory=dict)

A text in an annotation is the venue's name for the field, where that is another one. Numbers are
taken as JSON numbers and as decimal strings, truth as true or 1. Absent and null fields take their
defaults, and what belongs to no field goes into `rest`, if the record has one.

`Reading.read` raises `Malformed`, with the path of the first wrong value, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from payloads.abi.fields import Record
from payloads.errors import Malformed, elide
from payloads.venues.common.json_text import exact_decimal

# The value of a type; None for what is none.
Parse = Callable[[Any], Any]
_Reader = Callable[[Any], Any]


def whole(value: Any) -> int | None:
    """An integer, given as JSON number or as decimal string."""
    if type(value) is int:
        return value
    number = exact_decimal(value)
    # Its exponent is at most three digits, so this is a number that fits in memory.
    return int(number) if number is not None and number == number.to_integral_value() else None


def flag(value: Any) -> bool | None:
    """Truth, which some pages and clients have as 0 and 1."""
    return bool(value) if type(value) in (bool, int) and value in (0, 1) else None


_SCALARS: dict[Any, Parse] = {
    str: lambda value: value if isinstance(value, str) else None,
    bool: flag,
    int: whole,
    Decimal: exact_decimal,
}


class _Wrong(Exception):
    """A value that is none; its path grows on the way out, and costs nothing before."""

    def __init__(self, reason: str, found: str | None = None) -> None:
        self.reason, self.found = reason, found
        self.path = ""

    def below(self, part: str) -> _Wrong:
        dot = "." if self.path and self.path[0] != "[" else ""
        self.path = part + dot + self.path
        return self


def _not(expected: str, value: Any) -> _Wrong:
    return _Wrong(
        f"not {expected}", elide(value if isinstance(value, str) else type(value).__name__)
    )


class Reading:
    """Reads records whose fields are of the usual types, of these others, or records themselves."""

    def __init__(self, scalars: Mapping[Any, Parse] | None = None) -> None:
        self._scalars = {**_SCALARS, **(scalars or {})}
        self._readers: dict[Any, _Reader] = {}

    def read(self, kind: Any, content: Any, path: str = "") -> Any:
        """The value of this type from JSON; `path` is what it is called in the error."""
        try:
            return self._reader(kind)(content)
        except _Wrong as wrong:
            where = wrong.below(path).path if path else wrong.path
            raise Malformed(wrong.reason, field=where or "message", found=wrong.found) from None

    def _reader(self, kind: Any) -> _Reader:
        if kind not in self._readers:
            self._readers[kind] = self._made(kind)
        return self._readers[kind]

    def _made(self, kind: Any) -> _Reader:
        if NoneType in get_args(kind):
            kind = next(one for one in get_args(kind) if one is not NoneType)
        if kind in self._scalars:
            return _scalar(self._scalars[kind])
        if get_origin(kind) is tuple:
            return _rows(self._reader(get_args(kind)[0]))
        return _record(kind, self._plan(kind))

    def _plan(self, kind: type[Record]) -> dict[str, tuple[str, _Reader]]:
        """For each of the venue's names the field's own, and its reader."""
        hints = get_type_hints(kind, include_extras=True)
        plan = {}
        for name in kind.__struct_fields__:
            if name == "rest":
                continue
            named = get_origin(hints[name]) is Annotated
            inner, wire = get_args(hints[name])[:2] if named else (hints[name], name)
            plan[wire] = (name, self._reader(inner))
        return plan


def _scalar(parse: Parse) -> _Reader:
    def read(value: Any) -> Any:
        if (found := parse(value)) is None:
            raise _not("what this field holds", value)
        return found

    return read


def _rows(reader: _Reader) -> _Reader:
    def read(value: Any) -> tuple[Any, ...]:
        if value is None:  # a list of nothing, as some servers write it
            return ()
        if not isinstance(value, list):
            raise _not("a list", value)
        rows = []
        for row in value:
            try:
                rows.append(reader(row))
            except _Wrong as wrong:
                raise wrong.below(f"[{len(rows)}]") from None
        return tuple(rows)

    return read


def _record(kind: type[Record], plan: dict[str, tuple[str, _Reader]]) -> _Reader:
    fields = kind.__struct_fields__
    required = fields[: len(fields) - len(kind.__struct_defaults__)]
    missing = {name: wire for wire, (name, _) in plan.items() if name in required}
    steps = [(wire, name, reader) for wire, (name, reader) in plan.items()]
    keeps_rest = "rest" in fields

    def read(content: Any) -> Record:
        if not isinstance(content, dict):
            raise _not("an object", content)
        values: dict[str, Any] = {}
        for wire, name, reader in steps:
            if (given := content.get(wire)) is not None:
                try:
                    values[name] = reader(given)
                except _Wrong as wrong:
                    raise wrong.below(wire) from None
        for name, wire in missing.items():
            if name not in values:
                raise _Wrong("missing").below(wire)
        if keeps_rest and len(values) < len(content):
            values["rest"] = {key: value for key, value in content.items() if key not in plan}
        return kind(**values)

    return read
