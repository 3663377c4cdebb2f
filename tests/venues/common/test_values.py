"""Values in messages: what a reader takes, and where it says that it takes none."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import pytest

from payloads.abi.fields import Record
from payloads.errors import Malformed
from payloads.json_records import Reading
from payloads.venues.common.values import Levels, levels

VENUES = Path(__file__).parents[3] / "payloads" / "venues"


class Book(Record, frozen=True):
    rows: Annotated[Levels, levels(0, 1)] = ()
    named: Annotated[Levels, levels("p", "q")] = ()


def test_levels_are_rows_or_objects() -> None:
    book = Reading().read(Book, {"rows": [["1", 2, "more"]], "named": [{"p": 3, "q": "0.4"}]})
    assert book.rows == ((Decimal(1), Decimal(2)),)
    assert book.named == ((Decimal(3), Decimal("0.4")),)


@pytest.mark.parametrize("row", [None, 1, "12", ["1"], ["1", "x"], {"p": 1, "q": 2}, {0: 1, 1: 2}])
def test_the_row_that_is_no_level_is_named(row: Any) -> None:
    with pytest.raises(Malformed) as caught:
        Reading().read(Book, {"rows": [["1", "2"], row]})
    assert caught.value.field == "rows[1]"


@pytest.mark.parametrize("row", [[1, 2], "pq", {"p": 1}, {"p": 1, "q": None}])
def test_the_object_that_is_no_level_is_named(row: Any) -> None:
    with pytest.raises(Malformed) as caught:
        Reading().read(Book, {"named": [row]})
    assert caught.value.field == "named[0]"


def test_the_largest_venue_stays_readable() -> None:
    # What the simulator checks is in `server.py`.
    files = [path for path in (VENUES / "qfex").glob("*.py") if path.name != "server.py"]
    assert sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files) < 1_800
