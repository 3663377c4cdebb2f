"""What ETHGas' channels send, as records: `read_update` makes an `Update` of a message.

Order books and trades are read, with numbers as `Decimal`; the payloads of all other channels stay
the venue's own objects, whose keys are single letters. `Malformed` is raised, with the path of the
first wrong value, for a book or a trade that is none.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from payloads.errors import Malformed, elide
from payloads.fields import Record
from payloads.venues.session import exact_decimal

__all__ = ["Book", "Level", "Trade", "Update", "read_update", "short_text"]

Level = tuple[Decimal, Decimal]


class Book(Record, frozen=True):
    """An order book, which replaces the one before. It is not said that it always is whole."""

    instrument: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    time: int | None = None


class Trade(Record, frozen=True):
    """A trade. `index` counts on this connection only; `time` is in milliseconds."""

    instrument: str
    price: Decimal
    quantity: Decimal
    buy: bool | None
    time: int | None
    index: int | None


class Update(Record, frozen=True):
    """A message of a channel: when it was sent (milliseconds), about what, and its payload."""

    channel: str
    time: int | None
    symbol: str
    action: str
    payload: Any


# --- reading --------------------------------------------------------------------------------------


def short_text(value: Any) -> str:
    """Text of a bounded length; "" for anything else."""
    return elide(value, 300) if isinstance(value, str) else ""


def _decimal(value: Any, path: str) -> Decimal:
    """A decimal string (or, should it change, number), within what any market needs."""
    number = exact_decimal(value)
    if number is None:
        raise Malformed("not a number", field=path, expected="a decimal string")
    return number


def _entry(source: dict[str, Any], key: str, path: str) -> Decimal:
    return _decimal(source.get(key), f"{path}.{key}")


def _levels(rows: Any, path: str) -> tuple[Level, ...]:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Malformed("not a side of a book", field=path, expected="a list of levels")
    pairs = ((row, f"{path}[{index}]") for index, row in enumerate(rows))
    return tuple((_entry(row, "p", where), _entry(row, "q", where)) for row, where in pairs)


def _read_book(payload: Any) -> Book:
    if not isinstance(payload, dict):
        raise Malformed("not a book", field="P", expected="an object")
    time = payload.get("t")
    bids, asks = (_levels(payload.get(side, []), f"P.{side}") for side in "ba")
    return Book(short_text(payload.get("I")), bids, asks, time if type(time) is int else None)


def _read_trades(payload: Any) -> tuple[Trade, ...]:
    """One trade, or a list of them."""
    rows = payload if isinstance(payload, list) else [payload]
    if not all(isinstance(row, dict) for row in rows):
        raise Malformed("not a trade", field="P", expected="an object")
    return tuple(_read_trade(row, f"P[{index}]") for index, row in enumerate(rows))


def _read_trade(row: dict[str, Any], path: str) -> Trade:
    # `t` is the index on this connection, as the documentation has it, and `d` the time.
    buy, index, time = row.get("s"), row.get("t"), row.get("d")
    return Trade(
        short_text(row.get("i")),
        _entry(row, "p", path),
        _entry(row, "q", path),
        buy if isinstance(buy, bool) else None,
        time if type(time) is int else None,
        index if type(index) is int else None,
    )


_READERS = {"orderBookUpdate": _read_book, "recentTradeUpdate": _read_trades}


def read_update(content: dict[str, Any]) -> Update:
    """The update of a message that has its channel's name under `e`."""
    name, payload, time = content["e"], content.get("P"), content.get("E")
    read = _READERS.get(name)
    return Update(
        name,
        time if type(time) is int else None,
        short_text(content.get("s")),
        short_text(content.get("a")),
        read(payload) if read else payload,
    )
