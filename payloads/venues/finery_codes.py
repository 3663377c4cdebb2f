"""What Finery's numbers and rows mean: error codes in words, and its tuples as records.

`meaning(code)` and `advice(code)` answer for any integer. `rows_of(feed, action, data)` answers
records for the rows it knows and `Unread`, with the reason, for everything else; it never raises.
Rows get longer over time, so they are read by index and what is behind the known fields is `rest`.

Prices, sizes and volumes are integers of 1e-8, times are milliseconds since 1970, both as the
venue sends them; `exact` gives the decimal. The rows' fields are not in any public page of the
venue, but in the code of its clients.
"""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Any, get_type_hints

from payloads.errors import elide
from payloads.fields import Record

__all__ = [
    "CANCEL_REASONS", "CODES", "FATAL", "ORDER_TYPES", "SIDES", "TRANSIENT", "Currency", "Deal",
    "Instrument", "Limit", "Order", "Position", "SettlementDeal", "SettlementOrder", "Unread",
    "advice", "exact", "meaning", "rows_of",
]  # fmt: skip

# --- error codes ----------------------------------------------------------------------------------

CODES = {
    0: "ok",
    1: "not implemented",
    2: "not connected",
    3: "not authorised",
    4: "already authorised",
    5: "bad password",
    6: "bad nonce",
    7: "bad timestamp",
    8: "method unavailable",
    9: "bad parameter",
    10: "internal error",
    11: "bad MFA code",
    12: "MFA is off",
    13: "the agreement is not signed",
    14: "bad signature",
    15: "the link has expired",
    20: "currency: bad flags",
    21: "currency: bad price",
    22: "currency: bad step",
    23: "currency: bad name",
    24: "currency: a field that cannot change",
    25: "currency: a field that cannot change",
    26: "currency unknown",
    27: "currency: cannot be removed",
    30: "instrument: bad flags",
    31: "instrument: bad name",
    32: "instrument: a field that cannot change",
    33: "instrument: a field that cannot change",
    34: "instrument unknown",
    35: "instrument: cannot be removed",
    36: "instrument forbidden",
    53: "limit unknown",
    60: "settlement order: bad flags",
    61: "settlement order: bad size",
    62: "settlement order: bad comment",
    63: "settlement order: both parties are the same",
    64: "settlement order unknown",
    65: "settlement order: comes from a transaction",
    70: "order: bad size",
    71: "order: bad price",
    72: "order: bad flags",
    73: "order: type not allowed",
    74: "order: clientOrderId already in use",
    75: "order: post-only would take",
    76: "order: immediate-or-cancel found nothing to match",
    77: "order: fill-or-kill found too little liquidity",
    78: "order: would trade with oneself",
    79: "order: exceeds limits",
    80: "cancel: no such order",
    81: "order: either size or volume, not both",
    82: "order: volume is not for makers",
    83: "order: bad volume",
    84: "trading is off",
    85: "no open positions",
    90: "modify: leaves no size",
    91: "modify: side does not match",
    100: "feed already bound",
    101: "feed not bound",
    102: "bad feed name",
    103: "bad feed id",
    104: "the feed's database is out of sync",
    110: "a required field is missing",
    111: "a field is invalid",
    120: "too many API keys",
    121: "API key unknown",
}
_RANGES = (
    (range(40, 47), "client: a field, unknown or duplicate"),
    (range(50, 56), "limit: a bad field"),
    (range(112, 115), "user or password"),
    (range(130, 136), "settlement request"),
    (range(140, 145), "settlement transaction"),
    (range(160, 168), "a limit would be breached (global or counterparty, net or gross)"),
)
_ADVICE = {
    3: "stop: the key has no access",
    6: "retry once with a fresh nonce; each one must be larger than all before it",
    7: "set the clock",
    13: "stop: sign the agreement first",
    14: "stop: check the secret; the very string sent must be the one signed",
    100: "nothing to do",
    101: "nothing to do",
}
# Worth another try after a pause, and never worth one with the same credentials.
TRANSIENT = frozenset({2, 10, 104})
FATAL = frozenset({3, 5, 7, 8, 11, 12, 13, 14, 15, 120, 121})


def advice(code: int) -> str:
    """What to do about a code; "" where the code itself says it."""
    return _ADVICE.get(code, "reconnect or bind again after a pause" if code in TRANSIENT else "")


def meaning(code: int) -> str:
    """A code in words, with advice where there is some."""
    words = CODES.get(code) or next((text for span, text in _RANGES if code in span), "")
    return "; ".join(filter(None, (words or "a code that is not documented", advice(code))))


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
    max_reachable: int
    min_reachable: int
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
    counterparty_subaccount_id: int | None = None
    linked_deal_id: int | None = None
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
    settlement_moment: int
    settlement_id: int
    rest: tuple[Any, ...] = ()


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


_KINDS: dict[Any, tuple[type, ...]] = {
    str: (str,),
    int: (int,),
    Flag | None: (int, bool, type(None)),
    int | None: (int, type(None)),
}
_CLASSES: tuple[type[Record], ...] = (
    Currency, Instrument, Position, Order, Deal, SettlementOrder, SettlementDeal, Limit,
)  # fmt: skip


def _plan(row: type[Record]) -> tuple[int, list[tuple[str, tuple[type, ...] | None]]]:
    """How many fields a row must have, and each field's name with the types it may be of."""
    hints = get_type_hints(row)
    fields = [name for name in row.__struct_fields__ if name != "rest"]
    needed = len(row.__struct_fields__) - len(row.__struct_defaults__)
    return needed, [(name, _KINDS.get(hints[name])) for name in fields]


_PLANS: dict[type[Record], tuple[int, list[tuple[str, tuple[type, ...] | None]]]] = {
    row: _plan(row) for row in _CLASSES
}


def _row(kind: type[Record], values: Any) -> Record:
    needed, fields = _PLANS[kind]
    if not isinstance(values, list):
        return Unread(values, f"not a row of a {kind.__name__}")
    if len(values) < needed:
        return Unread(tuple(values), f"{len(values)} values, a {kind.__name__} has {needed}")
    for (name, types), value in zip(fields, values, strict=False):
        # By identity, because True is an int to isinstance.
        if types and type(value) not in types:
            return Unread(tuple(values), f"{kind.__name__}.{name} is a {type(value).__name__}")
    known = values[: len(fields)]
    filled = known + [None] * (len(fields) - len(known))
    return kind(*filled, tuple(values[len(fields) :]))


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


def rows_of(feed: str, action: str, data: Any) -> tuple[Record, ...]:
    """The rows of a frame, in order; empty for feeds whose rows nobody has described."""
    if action == "S" and feed in _MIXED:
        return _mixed(_MIXED[feed], data)
    kind = (_DEALS if action == "D" else _ROWS).get(feed)
    return () if kind is None else _rows(kind, data)


def _mixed(kinds: dict[int, type[Record]], data: Any) -> tuple[Record, ...]:
    if not isinstance(data, list):
        return (Unread(data, "not a list"),)
    parts = ((kind, data[index]) for index, kind in kinds.items() if index < len(data))
    return tuple(row for kind, rows in parts for row in _rows(kind, rows))


def _rows(kind: type[Record], data: Any) -> tuple[Record, ...]:
    # One changed row comes bare from some feeds and in a list from others.
    several = isinstance(data, list) and (not data or isinstance(data[0], list))
    return tuple(_row(kind, values) for values in (data if several else [data]))
