"""JSON objects read by a record's annotations: values, defaults, and errors that say where."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, ClassVar

import pytest
from hexbytes import HexBytes
from msgspec import field

from payloads.abi.fields import Field, Record
from payloads.abi.fields import field as row
from payloads.errors import Malformed, Misuse
from payloads.json_records import EXACT, Reading, Wrong, exact_decimal, hex_bytes, integer


class Level(Record, frozen=True):
    price: Annotated[Decimal, "p"]
    count: int | None = None


class Book(Record, frozen=True):
    name: str
    levels: tuple[Level, ...] = ()
    final: Annotated[bool | None, "F"] = None
    rest: dict[str, Any] = field(default_factory=dict)


class Ended(Record, frozen=True):
    SHORT_FORM: ClassVar[str] = "id"

    id: Annotated[HexBytes, hex_bytes(2)]
    at: Annotated[int, integer(0, 9)] | None = None

    def check(self) -> None:
        if self.at == 7:
            raise Wrong("never at seven", path="at")


class Many(Record, frozen=True, kw_only=True):
    ended: tuple[Ended, ...] = ()
    sure: bool = False
    needed: int


LENIENT = Reading()
STRICT = Reading(base=EXACT, error=Misuse, closed=True)


def test_keys_defaults_and_the_rest() -> None:
    content = {"name": "b", "levels": [{"p": "1.50", "count": "3"}], "F": 1, "x": None, "y": [2]}
    found = LENIENT.read(Book, content)
    assert found == Book("b", (Level(Decimal("1.50"), 3),), True, {"x": None, "y": [2]})
    assert LENIENT.read(Book, {"name": "b", "levels": None, "F": None}) == Book("b")


@pytest.mark.parametrize(
    ("content", "path"),
    [
        ([], "P"),
        ({}, "P.name"),
        ({"name": 5}, "P.name"),
        ({"name": "b", "levels": {}}, "P.levels"),
        ({"name": "b", "levels": [{"p": 1}, {"p": "1_0"}]}, "P.levels[1].p"),
        ({"name": "b", "levels": [{"p": 1, "count": 1.5}]}, "P.levels[0].count"),
        ({"name": "b", "F": 2}, "P.F"),
    ],
)
def test_a_wrong_value_is_malformed_and_has_a_path(content: Any, path: str) -> None:
    with pytest.raises(Malformed) as caught:
        LENIENT.read(Book, content, "P")
    assert caught.value.field == path
    with pytest.raises(Malformed) as caught:
        LENIENT.read(Book, content)
    assert caught.value.field == (path[2:] or "message")


def test_exact_reading() -> None:
    content = {"ended": ["0x0102", {"id": "0304", "at": "9"}], "sure": True, "needed": "-5"}
    found = STRICT.read(Many, content)
    first, second = Ended(HexBytes("0x0102")), Ended(HexBytes("0x0304"), 9)
    assert found == Many(ended=(first, second), sure=True, needed=-5)


@pytest.mark.parametrize(
    ("change", "path", "expected"),
    [
        ({"sure": 1}, "sure", None),
        ({"needed": "1e3"}, "needed", "an integer"),
        ({"needed": True}, "needed", "an integer"),
        ({"needed": None}, "needed", None),
        ({"other": 1}, "other", None),
        ({"ended": ["0x01"]}, "ended[0]", "2 bytes"),
        ({"ended": ["0x0g"]}, "ended[0]", "a hex digit"),
        ({"ended": [5]}, "ended[0]", "hex text"),
        ({"ended": [{"id": "0x0102", "at": 10}]}, "ended[0].at", "an integer from 0 to 9"),
        ({"ended": [{"id": "0x0102", "at": 7}]}, "ended[0].at", None),
        ({"ended": [{"id": "0x0102", "when": 7}]}, "ended[0].when", None),
    ],
)
def test_exact_reading_is_misuse_where_it_fails(
    change: dict[str, Any], path: str, expected: str | None
) -> None:
    with pytest.raises(Misuse) as caught:
        STRICT.read(Many, {"needed": 1, **change})
    assert (caught.value.field, caught.value.expected) == (path, expected)


def test_the_rows_of_a_table() -> None:
    rows: list[Field] = [
        Field("id", row("bytes2").type, hexed=True),
        Field("price", row("int192").type),
        Field("bid", row("int192").type, none=0),
    ]
    reading = Reading(base=EXACT, error=Misuse)
    found = reading.fields(rows, {"id": "0x0102", "price": "-5", "more": 1})
    assert found == {"id": b"\1\2", "price": -5, "bid": None}
    assert isinstance(found["id"], HexBytes)
    with pytest.raises(Misuse) as caught:
        reading.fields(rows, {"id": "0x0102", "price": 1.5}, "assets[3]")
    assert caught.value.field == "assets[3].price"


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (5, "5"), ("1.50", "1.50"), ("-1e3", "-1e3"), (Decimal("1.1"), "1.1"),
        (True, None), (1.5, None), ("1_0", None), ("NaN", None), ("1e1000", None), ("٣", None),
    ],
)  # fmt: skip
def test_exact_decimals(value: Any, number: str | None) -> None:
    assert exact_decimal(value) == (None if number is None else Decimal(number))


def test_an_error_does_not_show_what_an_object_holds() -> None:
    with pytest.raises(Malformed) as caught:
        LENIENT.read(Level, {"p": {"secret": "hunter2"}})
    assert "hunter2" not in str(caught.value)
    assert caught.value.found == "dict"
