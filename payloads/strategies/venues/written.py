"""Records of venues with the JSON that they are read from, by the annotations of the records.

A record that is described for a session has its strategy at once.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec.structs
from hypothesis import strategies as st

from payloads.abi.fields import Record
from payloads.venues.common.values import Levels, time_of

# A value, and the JSON that is read as that value.
Written = tuple[Any, Any]
# How a venue writes a level of a book.
WriteLevel = Callable[[str, str], Any]

TEXTS = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-_ ", max_size=12)
_WHOLE = st.integers(-(2**63), 2**63 - 1)
_SCALES = st.integers(0, 18)
_SECONDS = st.integers(0, 4_102_444_800 - 1)
_NANOSECONDS = st.sampled_from((0, 1, 10**9 - 1, 500_000_000))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PRESENT = st.integers(0, 2**32 - 1)


def _decimal(drawn: tuple[int, int]) -> Written:
    number = Decimal(drawn[0]).scaleb(-drawn[1])
    return number, format(number, "f")


def _time(drawn: tuple[int, int]) -> Written:
    seconds, rest = drawn
    text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    return seconds * 10**9 + rest, f"{text}.{rest:09}Z"


def _same(value: Any) -> Written:
    return value, value


_DECIMALS = st.tuples(_WHOLE, _SCALES).map(_decimal)
_TIMES = st.tuples(_SECONDS, _NANOSECONDS).map(_time)
_SCALARS: dict[Any, st.SearchStrategy[Written]] = {
    str: TEXTS.map(_same),
    int: _WHOLE.map(_same),
    bool: st.booleans().map(_same),
    Decimal: _DECIMALS,
}
_SIZES = st.tuples(st.integers(0, 10**12), st.integers(0, 10**12))


@cache
def _levels(write: WriteLevel) -> st.SearchStrategy[Written]:
    def side(rows: list[tuple[int, int]]) -> Written:
        found = tuple((Decimal(price), Decimal(size)) for price, size in rows)
        return found, [write(str(price), str(size)) for price, size in rows]

    return st.lists(_SIZES, max_size=3).map(side)


def _bare(hint: Any) -> tuple[Any, Any]:
    """The type of a field without `None`, and what its annotation says besides."""
    note = None
    if get_origin(hint) is Annotated:
        hint, note = get_args(hint)
    if get_origin(hint) in (Union, UnionType):
        (hint,) = (one for one in get_args(hint) if one is not NoneType)
    if get_origin(hint) is Annotated:
        hint, note = get_args(hint)
    return hint, note


@cache
def written(hint: Any, write: WriteLevel) -> st.SearchStrategy[Written]:
    """Values of an annotation, each with its JSON."""
    kind, note = _bare(hint)
    if note is time_of:
        return _TIMES
    if kind == Levels:
        return _levels(write)
    if get_origin(kind) is tuple:
        items = st.lists(written(get_args(kind)[0], write), max_size=2)
        return items.map(lambda pairs: (tuple(one for one, _ in pairs), [two for _, two in pairs]))
    if isinstance(kind, type) and issubclass(kind, Record):
        return _records(kind, write)
    return _SCALARS[kind]


@st.composite
def _drawn(draw: st.DrawFn, kind: type[Record], fields: list[Any]) -> Written:
    values: dict[str, Any] = {}
    content: dict[str, Any] = {}
    present = draw(_PRESENT)
    for index, (name, key, is_needed, strategy) in enumerate(fields):
        # One draw decides which fields the message has: none of them is the simplest.
        if is_needed or present >> index & 1:
            values[name], content[key] = draw(strategy)
    return kind(**values), content


@cache
def _records(kind: type[Record], write: WriteLevel) -> st.SearchStrategy[Written]:
    hints = get_type_hints(kind, include_extras=True)
    fields = []
    for field in msgspec.structs.fields(kind):
        if field.name != "rest":
            note = _bare(hints[field.name])[1]
            key = note if isinstance(note, str) else field.name
            strategy = written(hints[field.name], write)
            fields.append((field.name, key, field.required, strategy))
    return _drawn(kind, fields)
