"""Finery's rows as records: positions, orders, deals, limits, settlements.

`rows_of(feed, action, data)` answers records for the rows it knows, `Described` for others that
come with names of their own, and `Unread`, with the reason, for everything else; it never raises.
Rows get longer over time, so they are read by index, and what is behind the known fields is `rest`.

Prices, sizes and volumes are integers of 1e-8, times are milliseconds since 1970, both as the
venue sends them; `exact` gives the decimal. The columns are those of the pages of the feeds; where
a row has had another form before, that is read as well.
"""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Annotated, Any, get_type_hints

import msgspec
from msgspec import field

from payloads.abi.fields import Record
from payloads.errors import Malformed, elide
from payloads.json_records import Reading

# --- units ----------------------------------------------------------------------------------------

SIDES = ("bid", "ask")
ORDER_TYPES = ("limit", "postOnly", "limitIOC", "limitFOK", "marketIOC", "marketFOK")
CANCEL_REASONS = (
    "none, or filled",
    "by the client",
    "could not rest in the book",
    "self-trade prevention",
    "cancel on disconnect",
)
# Enough for any number that fits in 16 MiB of JSON to be refused, and any real one to be exact.
_CONTEXT = Context(prec=1100)


def exact(units: int) -> Decimal:
    """The decimal of an amount, whose unit on the wire is 1e-8."""
    return Decimal(units).scaleb(-8, _CONTEXT)


def _word(words: tuple[str, ...], index: int) -> str:
    return words[index] if 0 <= index < len(words) else f"unknown ({elide(str(index))})"


# --- rows -----------------------------------------------------------------------------------------

Flag = bool | int


class Described(Record, frozen=True):
    """A row that the venue sends with names of its own, as it does where its tuples had grown."""

    kind: str
    named: dict[str, Any]


class Unread(Record, frozen=True):
    """A row that is not what this library knows it to be, with the reason."""

    values: Any
    why: str


class Currency(Record, frozen=True):
    name: str
    id: int
    balance_step: int
    usd_price: int
    rest: tuple[Any, ...] = ()


class Instrument(Record, frozen=True):
    name: str
    id: int
    asset: str
    balance: str
    rest: tuple[Any, ...] = ()


class Position(Record, frozen=True):
    currency: str
    value: int
    counterparty_id: int
    # Not in feed P.
    max_reachable: int | None = None
    min_reachable: int | None = None
    rest: tuple[Any, ...] = ()


class OrderHead(Record, frozen=True):
    """What orders and deals begin with."""

    instrument: str
    type: int
    side: int
    cancel_reason: int
    order_id: int
    client_order_id: int
    price: int
    initial_size: int
    size_left: int
    created_at: int

    @property
    def type_word(self) -> str:
        return _word(ORDER_TYPES, self.type)

    @property
    def side_word(self) -> str:
        return _word(SIDES, self.side)

    @property
    def cancel_reason_word(self) -> str:
        return _word(CANCEL_REASONS, self.cancel_reason)


class Order(OrderHead, frozen=True):
    by_size_or_volume: Flag | None = None
    rest: tuple[Any, ...] = ()


class Deal(OrderHead, frozen=True):
    deal_moment: int
    deal_id: int
    aggressor_side: int
    deal_price: int
    deal_size: int
    deal_volume: int
    deal_delta: int
    counterparty_id: int
    by_volume: Flag | None = None
    taker_order_owner_id: int | None = None
    linked_deal_id: int | None = None
    deal_type: int | None = None
    maker_order_owner_id: int | None = None
    liquidity_source: Any = None
    rest: tuple[Any, ...] = ()


class SettlementHead(Record, frozen=True):
    """What settlement orders and their deals begin with."""

    id: int
    currency1: str
    currency2: str
    size1: int
    size2: int
    created_at: int
    counterparty_id: int


class SettlementOrder(SettlementHead, frozen=True):
    network1: Any = None
    network2: Any = None
    rest: tuple[Any, ...] = ()


class SettlementDeal(SettlementHead, frozen=True):
    # Older rows are without the networks.
    network1: Any
    network2: Any
    settlement_moment: int
    settlement_id: int
    rest: tuple[Any, ...] = ()


class Settlement(Record, frozen=True):
    """A row of feed S with names, as its page has them now: an order, and its deal with an id."""

    id: Annotated[int, "settlementOrderId"]
    counterparty_id: Annotated[int | None, "counterpartyId"] = None
    client_id: Annotated[int | None, "clientId"] = None
    currency1: str | None = None
    size1: int | None = None
    network1: str | None = None
    currency2: str | None = None
    size2: int | None = None
    network2: str | None = None
    comment: str | None = None
    flags: int | None = None
    created_at: Annotated[int | None, "createdAt"] = None
    settlement_id: Annotated[int | None, "settlementId"] = None
    # So spelled by the venue.
    committed_at: Annotated[int | None, "commitedAt"] = None
    rest: dict[str, Any] = field(default_factory=dict)


class Limit(Record, frozen=True):
    currency: str
    net: int
    gross: int
    net_used: int
    gross_used: int
    flags: int
    counterparty_id: int | None = None
    taker_markup: int | None = None
    rest: tuple[Any, ...] = ()


class SettlementRequest(Record, frozen=True):
    """Feed R. `incoming` says whose request it is: the counterparty's, or one's own."""

    counterparty_id: int
    currency: str
    flags: int
    amount: int
    comment: str
    expires_at: int
    network: str | None = None
    request_id: int | None = None
    created_at: int | None = None
    rest: tuple[Any, ...] = ()
    incoming: bool | None = None


class SettlementTransaction(Record, frozen=True):
    """Feed N. `incoming` says which way it goes."""

    counterparty_id: int
    currency: str
    amount: int
    settlement_order_id: int
    comment: str
    created_at: int
    tx_id: str
    sent_at: int
    flags: int
    transaction_moment: int
    transaction_id: int
    network_fee: int
    network: str | None = None
    rest: tuple[Any, ...] = ()
    incoming: bool | None = None


_KINDS: dict[Any, tuple[type, ...]] = {
    str: (str,),
    int: (int,),
    Flag | None: (int, bool, type(None)),
    int | None: (int, type(None)),
    str | None: (str, type(None)),
}
_CLASSES: tuple[type[Record], ...] = (
    Currency, Instrument, Position, Order, Deal, SettlementOrder, SettlementDeal, Limit,
    SettlementRequest, SettlementTransaction,
)  # fmt: skip


def _plan(row: type[Record]) -> tuple[int, list[tuple[str, tuple[type, ...] | None]]]:
    """How many fields a row must have, and each field's name with the types it may be of."""
    hints = get_type_hints(row)
    fields = [name for name in row.__struct_fields__ if name not in ("rest", "incoming")]
    needed = len(row.__struct_fields__) - len(row.__struct_defaults__)
    return needed, [(name, _KINDS.get(hints[name])) for name in fields]


_PLANS: dict[type[Record], tuple[int, list[tuple[str, tuple[type, ...] | None]]]] = {
    row: _plan(row) for row in _CLASSES
}


def _row(kind: type[Record], values: Any) -> Record:
    if isinstance(values, dict):
        return _named(kind, values)
    if not isinstance(values, list):
        return Unread(values, f"not a row of a {kind.__name__}")
    if kind is SettlementDeal:
        values = _with_networks(values)
    needed, fields = _PLANS[kind]
    if len(values) < needed:
        return Unread(tuple(values), f"{len(values)} values, a {kind.__name__} has {needed}")
    for (name, types), value in zip(fields, values, strict=False):
        # By identity, because True is an int to isinstance.
        if types and type(value) not in types:
            return Unread(tuple(values), f"{kind.__name__}.{name} is a {type(value).__name__}")
    known = values[: len(fields)]
    filled = known + [None] * (len(fields) - len(known))
    return kind(*filled, tuple(values[len(fields) :]))


_read = Reading().read


def _named(kind: type[Record], values: dict[str, Any]) -> Record:
    """A row with names of its own, which are known of settlements only."""
    if not issubclass(kind, SettlementHead):
        return Described(kind.__name__, values)
    try:
        found: Record = _read(Settlement, values)
    except Malformed as error:
        return Unread(values, str(error))
    return found


def _with_networks(values: list[Any]) -> list[Any]:
    """A settlement's row with places for its networks, which older settlements do not have."""
    older = len(values) >= 9 and type(values[7]) is type(values[8]) is int
    return [*values[:7], None, None, *values[7:]] if older else values


_ROWS: dict[str, type[Record]] = {
    "C": Currency,
    "I": Instrument,
    "K": Position,
    "O": Order,
    "S": SettlementOrder,
    "G": Limit,
    "L": Limit,
    "M": Limit,
}
_DEALS: dict[str, type[Record]] = {"O": Deal, "S": SettlementDeal}
# Snapshots of more than one kind of row: which kind stands at which index.
_MIXED: dict[str, dict[int, type[Record]]] = {
    "I": {0: Currency, 1: Instrument},
    "P": {1: Position, 2: Order, 3: SettlementOrder},
}
# What comes as a list of incoming and one of outgoing rows.
_BOTH_WAYS: dict[str, type[Record]] = {"R": SettlementRequest, "N": SettlementTransaction}


def rows_of(feed: str, action: str, data: Any) -> tuple[Record, ...]:
    """The rows of a frame, in order; empty for feeds whose rows are not described."""
    if action == "S" and isinstance(data, list) and data and type(data[0]) is int and feed in "KN":
        data = data[1] if feed == "K" and len(data) == 2 else data[1:]  # a number goes ahead
    if feed in _BOTH_WAYS:
        return _both_ways(_BOTH_WAYS[feed], data)
    if action == "S" and feed in _MIXED:
        return _mixed(_MIXED[feed], data)
    kind = (_DEALS if action == "D" else _ROWS).get(feed)
    return () if kind is None else _rows(kind, data)


def _both_ways(kind: type[Record], data: Any) -> tuple[Record, ...]:
    if not isinstance(data, list) or len(data) < 2 or not all(isinstance(x, list) for x in data):
        return (Unread(data, "not a list of incoming and one of outgoing rows"),)
    sides = ((True, data[0]), (False, data[1]))
    return tuple(_directed(_row(kind, values), way) for way, side in sides for values in side)


def _directed(row: Record, incoming: bool) -> Record:
    if isinstance(row, Described | Unread):
        return row
    return msgspec.structs.replace(row, incoming=incoming)


def _mixed(kinds: dict[int, type[Record]], data: Any) -> tuple[Record, ...]:
    if not isinstance(data, list):
        return (Unread(data, "not a list"),)
    parts = ((kind, data[index]) for index, kind in kinds.items() if index < len(data))
    return tuple(row for kind, rows in parts for row in _rows(kind, rows))


def _rows(kind: type[Record], data: Any) -> tuple[Record, ...]:
    # One changed row comes bare from some feeds and in a list from others.
    several = isinstance(data, list) and (not data or isinstance(data[0], list | dict))
    return tuple(_row(kind, values) for values in (data if several else [data]))
