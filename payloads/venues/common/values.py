"""Values that several venues have in their messages, as readers for the annotations of a record.

See `payloads.json_records`, where such a reader belongs.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from typing import Any

from payloads.json_records import Parse, Wrong, exact_decimal, found_in
from payloads.venues.common.session import SECOND

# A price and a size.
Level = tuple[Decimal, Decimal]
Levels = tuple[Level, ...]


class OneOf:
    """Reads one of these words."""

    def __init__(self, *words: str) -> None:
        self.words = words

    def __call__(self, value: Any) -> str:
        if not isinstance(value, str) or value not in self.words:
            raise Wrong("not known", expected=" or ".join(self.words), found=found_in(value))
        return value


def exact_number(value: Any) -> Decimal | int:
    """A number that a caller gives, exactly as it is to be sent; an integer where it is whole."""
    number = exact_decimal(value)
    if number is None:
        expected = "a Decimal, an integer or a decimal string"
        raise Wrong("not an exact number", expected=expected, found=found_in(value))
    return int(number) if number == number.to_integral_value() else number


_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:)(\d\d)(?:\.(\d{1,18}))?([Zz]|[+-]\d\d:\d\d)", re.A
)
_MATH = Context(prec=28)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time_of(value: Any) -> int | None:
    """The nanoseconds of an RFC 3339 time (finer digits are cut off), or of seconds as a number."""
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        number = exact_decimal(value)
        return None if number is None or abs(number) > 2**40 else int(number.scaleb(9, _MATH))
    try:
        minute = datetime.fromisoformat(f"{match[1]}00{match[4]}".upper()) - _EPOCH
    except ValueError:
        return None
    seconds = int(match[2])  # 60 is a leap second, which datetime does not know
    fraction = int((match[3] or "0").ljust(9, "0")[:9])
    since = minute // timedelta(seconds=1) + seconds
    return since * SECOND + fraction if seconds <= 60 else None


def levels(price: int | str, size: int | str) -> Parse:
    """The reader of a book's side: `price` and `size` are indices of its rows, or their keys."""
    kind: type[Any] = list if isinstance(price, int) else dict

    def level(row: Any) -> Level | None:
        if not isinstance(row, kind):
            return None
        try:
            first, second = exact_decimal(row[price]), exact_decimal(row[size])
        except LookupError:
            return None
        return None if first is None or second is None else (first, second)

    def parse(value: Any) -> Levels:
        if not isinstance(value, list):
            raise Wrong("not a list", found=found_in(value))
        found: list[Level] = []
        for row in value:
            if (read := level(row)) is None:
                expected = "a price and a size"
                raise Wrong("not a level", path=f"[{len(found)}]", expected=expected)
            found.append(read)
        return tuple(found)

    return parse
