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
from msgspec import Raw

from payloads.abi.fields import Record
from payloads.venues.common.values import Levels, time_of

# A value, and the JSON that is read as that value.
Written = tuple[Any, Any]


class Style(Record, frozen=True, eq=False):
    """How a venue writes: a level of a book, and whether `numbers` may be numbers or text alike."""

    level: Callable[[str, str], Any]
    numbers: bool = False


TEXTS = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-_ ", max_size=12)
_WHOLE = st.integers(-(2**63), 2**63 - 1)
_SCALES = st.integers(0, 18)
_SECONDS = st.integers(0, 4_102_444_800 - 1)
_NANOSECONDS = st.sampled_from((0, 1, 10**9 - 1, 500_000_000))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PRESENT = st.integers(0, 2**32 - 1)


def _decimal(number: int, scale: int, is_bare: bool) -> Written:
    value = Decimal(number).scaleb(-scale)
    text = format(value, "f")
    return value, Raw(text.encode()) if is_bare else text


def _whole(value: int, is_text: bool) -> Written:
    return value, str(value) if is_text else value


def _time(seconds: int, rest: int, is_bare: bool) -> Written:
    nanoseconds = seconds * 10**9 + rest
    if is_bare:
        return nanoseconds, Raw(f"{seconds}.{rest:09}".encode())
    text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    return nanoseconds, f"{text}.{rest:09}Z"


def _same(value: Any) -> Written:
    return value, value


_NO, _PERHAPS = st.just(False), st.booleans()


def _scalars(other: st.SearchStrategy[bool]) -> dict[Any, st.SearchStrategy[Written]]:
    """The scalars, `other` than in their first form or not."""
    return {
        str: TEXTS.map(_same),
        int: st.builds(_whole, _WHOLE, other),
        bool: st.booleans().map(_same),
        Decimal: st.builds(_decimal, _WHOLE, _SCALES, other),
        time_of: st.builds(_time, _SECONDS, _NANOSECONDS, other),
    }


# By whether numbers may be numbers or text alike.
_SCALARS = {False: _scalars(_NO), True: _scalars(_PERHAPS)}
_SIZES = st.tuples(st.integers(0, 10**12), st.integers(0, 10**12))


@cache
def _levels(style: Style) -> st.SearchStrategy[Written]:
    def side(rows: list[tuple[int, int]]) -> Written:
        found = tuple((Decimal(price), Decimal(size)) for price, size in rows)
        return found, [style.level(str(price), str(size)) for price, size in rows]

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
def written(hint: Any, style: Style) -> st.SearchStrategy[Written]:
    """Values of an annotation, each with its JSON."""
    kind, note = _bare(hint)
    if note is time_of:
        return _SCALARS[style.numbers][time_of]
    if kind == Levels:
        return _levels(style)
    if get_origin(kind) is tuple:
        items = st.lists(written(get_args(kind)[0], style), max_size=2)
        return items.map(lambda pairs: (tuple(one for one, _ in pairs), [two for _, two in pairs]))
    if isinstance(kind, type) and issubclass(kind, Record):
        return _records(kind, style)
    return _SCALARS[style.numbers][kind]


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
def _records(kind: type[Record], style: Style) -> st.SearchStrategy[Written]:
    hints = get_type_hints(kind, include_extras=True)
    fields = []
    for field in msgspec.structs.fields(kind):
        if field.name != "rest":
            note = _bare(hints[field.name])[1]
            key = note if isinstance(note, str) else field.name
            strategy = written(hints[field.name], style)
            fields.append((field.name, key, field.required, strategy))
    return _drawn(kind, fields)
