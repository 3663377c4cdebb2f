"""A payload as rows for people: the name of a field, its value, and the value in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from payloads.abi.fields import Table
from payloads.abi.units import Unit, scaled

# Units that say no more than the field's name does.
PLAIN_UNITS = ("", "byte", "count", "digest", "id", "price", "rate")


class Row(NamedTuple):
    """One line of a table."""

    name: str
    value: str
    said: str = ""


def field_rows(table: Table, record: Any, decimals: int | None) -> Iterator[Row]:
    """A row for each field that the record has."""
    for row in table.fields:
        value = getattr(record, row.name)
        if isinstance(value, bytes):
            yield Row(row.name, "0x" + value.hex())
        elif value is not None:
            yield Row(row.name, str(value), _said(row.unit, value, decimals))


def _said(unit: Unit, value: int, decimals: int | None) -> str:
    if unit.is_price and decimals is not None:
        return scaled(value, decimals)
    said = unit.say(value)
    return said if said or unit.name in PLAIN_UNITS else unit.name
