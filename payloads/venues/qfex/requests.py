"""The messages that a client may send on QFEX's trade socket, one record each.

    session.request(AddOrder("AAPL-USD", "BUY", "LIMIT", "GTC", quantity="0.1", price="150.50"))

The annotations of a record are its table: a field has the venue's name for the parameter, its type
says what the parameter may be, and a field with a default may be left out. The checks, the JSON,
the simulator's reader and the documentation come from it. To describe another message, write a
class and name it in `REQUESTS`. A record that the venue would not take is `Misuse` when it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import (
    Annotated,
    Any,
    ClassVar,
    NamedTuple,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec

from payloads.abi.fields import Record
from payloads.errors import Misuse, elide
from payloads.venues.common.pending import Timeouts
from payloads.venues.common.session import SECOND, Rejected, exact_decimal
from payloads.venues.qfex.codes import identity

# --- what a parameter may be ----------------------------------------------------------------------


class Rule(NamedTuple):
    """What a parameter may be, in words, and its value as it is sent; None for a wrong value."""

    expected: str
    to_send: Callable[[Any], Any]


def _instance(kind: type, expected: str) -> Rule:
    return Rule(expected, lambda value: value if isinstance(value, kind) else None)


def _choice(*words: str) -> Rule:
    return Rule(" or ".join(words), lambda value: value if value in words else None)


def _number(value: Any) -> Any:
    number = exact_decimal(value)
    whole = number is not None and number == number.to_integral_value()
    return int(number) if number is not None and whole else number


def _count(least: int) -> Rule:
    def to_send(value: Any) -> Any:
        number = _number(value)
        return number if isinstance(number, int) and number >= least else None

    return Rule(f"a whole number from {least}", to_send)


def _channels(value: Any) -> Any:
    fits = isinstance(value, list | tuple) and value and all(one in TRADE_CHANNELS for one in value)
    return list(value) if fits else None


TRADE_CHANNELS = ("order_responses", "stop_orders", "positions", "balances", "fills")
Channels = Annotated[tuple[str, ...], Rule("a list of " + " or ".join(TRADE_CHANNELS), _channels)]
Text = Annotated[str, _instance(str, "text")]
Flag = Annotated[bool, _instance(bool, "true or false")]
Side = Annotated[str, _choice("BUY", "SELL")]
OrderType = Annotated[str, _choice("LIMIT", "MARKET", "ALO")]
TimeInForce = Annotated[str, _choice("GTC", "IOC", "FOK")]
IdType = Annotated[str, _choice("order_id", "client_order_id", "twap_id", "client_twap_id")]
# A decimal string is as exact as a `Decimal`; a float is refused.
Number = Annotated[Decimal | int | str, Rule("a Decimal, an integer or a decimal string", _number)]
Count = Annotated[int, _count(0)]


# --- the messages ---------------------------------------------------------------------------------


class Request(Record, frozen=True):
    """A message to the trade socket. `name` is its type there, `answer` the key of the reply."""

    name: ClassVar[str]
    answer: ClassVar[str] = "ack"

    def __post_init__(self) -> None:
        for name, (rule, required) in table(type(self)).items():
            value = getattr(self, name)
            if (required or value is not None) and rule.to_send(value) is None:
                raise self._needs(name)

    def _needs(self, name: str) -> Misuse:
        expected = table(type(self))[name][0].expected
        return Misuse(f"{self.name} needs {name}", field=name, expected=expected)

    @property
    def params(self) -> dict[str, Any]:
        """The parameters as they are sent."""
        return {
            name: rule.to_send(getattr(self, name))
            for name, (rule, _) in table(type(self)).items()
            if getattr(self, name) is not None
        }


@cache
def table(kind: type[Request]) -> dict[str, tuple[Rule, bool]]:
    """A request's parameters: the rule of each, and whether it is required."""
    fields, hints = kind.__struct_fields__, get_type_hints(kind, include_extras=True)
    optional = fields[len(fields) - len(kind.__struct_defaults__) :]
    rules = {}
    for name in fields:
        (rule,) = (
            part.__metadata__[0]
            for part in (hints[name], *get_args(hints[name]))
            if get_origin(part) is Annotated
        )
        rules[name] = (rule, name not in optional)
    return rules


class Unchecked(Record, frozen=True):
    """A message that is sent as it is, with a name or parameters unknown to this library."""

    name: str
    params: Mapping[str, Any] = {}

    @property
    def answer(self) -> str:
        return REQUESTS[self.name].answer if self.name in REQUESTS else ""


class Subscribe(Request, frozen=True):
    name, answer = "subscribe", "subscribed"
    channels: Channels


class Unsubscribe(Request, frozen=True):
    name, answer = "unsubscribe", "unsubscribed"
    channels: Channels


class AddOrder(Request, frozen=True):
    """A new order. `price` belongs to LIMIT and ALO; `take_profit` and `stop_loss` are prices."""

    name, answer = "add_order", "order_response"
    symbol: Text
    side: Side
    order_type: OrderType
    order_time_in_force: TimeInForce
    quantity: Number
    price: Number | None = None
    take_profit: Number | None = None
    stop_loss: Number | None = None
    client_order_id: Text | None = None
    reduce_only: Flag | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.price is None and self.order_type != "MARKET":
            raise self._needs("price")


class ModifyOrder(Request, frozen=True):
    name, answer = "modify_order", "order_response"
    symbol: Text
    order_id: Text
    side: Side
    order_type: OrderType
    price: Number | None = None
    quantity: Number | None = None
    take_profit: Number | None = None
    stop_loss: Number | None = None


class CancelOrder(Request, frozen=True):
    """`order_id` is an id of the kind that `cancel_order_id_type` names."""

    name, answer = "cancel_order", "order_response"
    symbol: Text
    order_id: Text
    cancel_order_id_type: IdType


class CancelAllOrders(Request, frozen=True):
    name = "cancel_all_orders"


class GetOrder(Request, frozen=True):
    """`order_id` is the venue's id or the client's."""

    name, answer = "get_order", "order_response"
    order_id: Text
    symbol: Text


class GetUserOrders(Request, frozen=True):
    """Open orders."""

    name, answer = "get_user_orders", "all_orders_response"
    limit: Count | None = None
    offset: Count | None = None
    symbol: Text | None = None


class GetUserTrades(Request, frozen=True):
    """The account's trades; `start_ts` and `end_ts` are in seconds, inclusive."""

    name, answer = "get_user_trades", "user_trades_response"
    limit: Count | None = None
    offset: Count | None = None
    order_id: Text | None = None
    start_ts: Count | None = None
    end_ts: Count | None = None


class ClosePosition(Request, frozen=True):
    name, answer = "close_position", "order_response"
    symbol: Text
    client_order_id: Text | None = None


class AddTwap(Request, frozen=True):
    """An order that is placed in parts over time."""

    name, answer = "add_twap", "twap_response"
    symbol: Text
    side: Side
    total_quantity: Number
    num_orders: Annotated[int, _count(2)]
    order_interval_secs: Annotated[int, _count(30)]
    reduce_only: Flag
    client_twap_id: Text | None = None


class CancelStopOrder(Request, frozen=True):
    name = "cancel_stop_order"
    stop_order_id: Text


class ModifyStopOrder(Request, frozen=True):
    name = "modify_stop_order"
    stop_order_id: Text
    symbol: Text
    price: Number
    quantity: Number


class SetUserLeverage(Request, frozen=True):
    name = "set_user_leverage"
    symbol: Text
    leverage: Number


class GetUserLeverage(Request, frozen=True):
    name, answer = "get_user_leverage", "user_leverage_response"
    limit: Count | None = None
    offset: Count | None = None


class GetAvailableLeverageLevels(Request, frozen=True):
    name, answer = "get_available_leverage_levels", "available_leverage_levels_response"
    limit: Count | None = None
    offset: Count | None = None


class CancelOnDisconnect(Request, frozen=True):
    """Whether the venue cancels orders when this connection is lost."""

    name = "cancel_on_disconnect"
    cancel_on_disconnect: Flag


REQUESTS: dict[str, type[Request]] = {
    kind.name: kind
    for kind in (
        Subscribe, Unsubscribe, AddOrder, ModifyOrder, CancelOrder, CancelAllOrders, GetOrder,
        GetUserOrders, GetUserTrades, ClosePosition, AddTwap, CancelStopOrder, ModifyStopOrder,
        SetUserLeverage, GetUserLeverage, GetAvailableLeverageLevels, CancelOnDisconnect,
    )
}  # fmt: skip


# --- both ways ------------------------------------------------------------------------------------


def request_of(name: str, params: Mapping[str, Any]) -> Request:
    """The record of a message, as the venue reads it: parameters unknown to it are ignored."""
    if name not in REQUESTS:
        raise Misuse("no such message", field="type", expected=", ".join(REQUESTS))
    kind, given = REQUESTS[name], {}
    for parameter, (_, required) in table(kind).items():
        if required or params.get(parameter) is not None:
            given[parameter] = params.get(parameter)
    return kind(**given)


_encoder = msgspec.json.Encoder(decimal_format="number")


def encode(request: Request | Unchecked) -> str:
    """The message as it is sent. Numbers are exact."""
    params = dict(request.params)
    for name, value in params.items():
        if isinstance(value, float):
            raise Misuse(
                "a float", field=name, expected="a Decimal, an integer or a decimal string"
            )
    try:
        return _encoder.encode({"type": request.name, "params": params}).decode()
    except (OverflowError, TypeError, ValueError) as error:
        raise Misuse("not JSON", field=request.name, found=elide(str(error))) from None


# --- requests without a reply ---------------------------------------------------------------------

# As the venue's own client waits.
ANSWER_WITHIN = 10 * SECOND
# Answered once for each channel.
_BY_CHANNEL = ("subscribe", "unsubscribe")


@dataclass(frozen=True, eq=False)  # two that say the same are two
class _Sent:
    name: str
    answer: str
    ids: Mapping[str, str]
    by_itself: bool

    @property
    def about(self) -> str:
        return " ".join((self.name, *list(self.ids.values())[:1]))

    def agrees(self, ids: Mapping[str, str]) -> bool:
        """Whether a reply with these ids can be the answer: no id of both is another."""
        if self.name == "get_order" and ids:  # which takes an id of either kind
            return self.ids.get("order_id") in (None, *ids.values())
        return all(ids.get(name, value) == value for name, value in self.ids.items())


class Pending:
    """The requests that wait for a reply. Replies have no number: ids and keys must do."""

    def __init__(self) -> None:
        self.timeouts = Timeouts[_Sent](ANSWER_WITHIN)

    def sent(self, request: Request | Unchecked, by_itself: bool) -> None:
        """A request went out; `by_itself` if the session makes it on every connection."""
        if request.name in _BY_CHANNEL:
            for channel in request.params.get("channels", ()):
                sent = _Sent(request.name, request.answer, {"channel": channel}, True)
                self.timeouts.add(sent)
        elif request.answer and "twap" not in str(request.params.get("cancel_order_id_type")):
            # The reply to the cancelling of a TWAP is not documented.
            ids = identity(request.name, request.params)
            self.timeouts.add(_Sent(request.name, request.answer, ids, by_itself))

    def answered(self, answer: str, ids: Mapping[str, str], name: str = "") -> None:
        """A reply came: it belongs to the oldest request that it fits."""
        for sent in self.timeouts:
            if sent.answer == answer and name in ("", sent.name) and sent.agrees(ids):
                self.timeouts.discard(sent)
                return

    def failed(self, name: str, params: Mapping[str, Any]) -> None:
        """An error came. An error that names no message is taken for the oldest request's."""
        together = name in _BY_CHANNEL  # all of the message's channels at once
        ids = {} if together else identity(name, params)
        for sent in self.timeouts:
            if name in ("", sent.name) and sent.agrees(ids):
                self.timeouts.discard(sent)
                if not together:
                    return

    def late(self, now: int) -> list[Rejected]:
        """The requests whose time is over."""
        words = "no answer within 10 s: what became of it is not known"
        return [Rejected("timeout", "", words, sent.about) for sent in self.timeouts.ripe(now)]

    def lost(self) -> list[Rejected]:
        """The requests that the lost connection leaves without a reply, except those that the
        session makes again by itself."""
        words = "no answer before the connection went: what became of it is not known"
        lost = [sent for sent in self.timeouts if not sent.by_itself]
        self.timeouts.clear()
        return [Rejected("lost", "", words, sent.about) for sent in lost]
