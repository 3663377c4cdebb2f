"""The messages that a client may send on QFEX's trade socket, one record each.

    session.request(AddOrder("AAPL-USD", "BUY", "LIMIT", "GTC", quantity="0.1", price="150.50"))

The annotations of a record are its table: a field has the venue's name for the parameter, its type
says what the parameter may be, and a field with a default may be left out. The checks, the JSON,
the simulator's reader and the documentation come from it. To describe another message, write a
class and name it in `REQUESTS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, ClassVar

import msgspec

from payloads.abi.fields import Record
from payloads.errors import Misuse, elide
from payloads.json_records import EXACT, Reading, Wrong, integer
from payloads.venues.common.values import OneOf, exact_number

# --- what a parameter may be ----------------------------------------------------------------------


TRADE_CHANNELS = ("order_responses", "stop_orders", "positions", "balances", "fills")
Channel = Annotated[str, OneOf(*TRADE_CHANNELS)]
Side = Annotated[str, OneOf("BUY", "SELL")]
OrderType = Annotated[str, OneOf("LIMIT", "MARKET", "ALO", "TAKE_PROFIT", "STOP_LOSS")]
TimeInForce = Annotated[str, OneOf("GTC", "IOC", "FOK")]
IdType = Annotated[str, OneOf("order_id", "client_order_id", "twap_id", "client_twap_id")]
Number = Annotated[Decimal | int | str, exact_number]
Count = Annotated[int, integer(0, 2**31)]
OrderCount = Annotated[int, integer(2, 2**31)]
IntervalSeconds = Annotated[int, integer(30, 2**31)]

# --- the messages ---------------------------------------------------------------------------------


class Request(Record, frozen=True):
    """A message to the trade socket. `name` is its type there, `answer` the key of the reply."""

    name: ClassVar[str]
    answer: ClassVar[str] = "ack"

    @property
    def params(self) -> Mapping[str, Any]:
        """The parameters as they are sent; `Misuse` if the venue would not take them."""
        given = msgspec.structs.asdict(request_of(self.name, msgspec.structs.asdict(self)))
        return {name: value for name, value in given.items() if value is not None}


class Unchecked(Record, frozen=True):
    """A message that is sent as it is, with a name or parameters unknown to this library."""

    name: str
    params: Mapping[str, Any] = {}

    @property
    def answer(self) -> str:
        return REQUESTS[self.name].answer if self.name in REQUESTS else ""


class Subscribe(Request, frozen=True):
    name, answer = "subscribe", "subscribed"
    channels: tuple[Channel, ...]

    def check(self) -> None:
        if not self.channels:
            raise Wrong("no channels", path="channels", expected=" or ".join(TRADE_CHANNELS))


class Unsubscribe(Subscribe, frozen=True):
    name, answer = "unsubscribe", "unsubscribed"


class AddOrder(Request, frozen=True):
    """A new order. Only MARKET has no `price`; `take_profit` and `stop_loss` are prices, too."""

    name, answer = "add_order", "order_response"
    symbol: str
    side: Side
    order_type: OrderType
    order_time_in_force: TimeInForce
    quantity: Number
    price: Number | None = None
    take_profit: Number | None = None
    stop_loss: Number | None = None
    client_order_id: str | None = None
    reduce_only: bool | None = None

    def check(self) -> None:
        if self.price is None and self.order_type != "MARKET":
            raise Wrong("missing", path="price", expected=f"the price of a {self.order_type} order")


class ModifyOrder(Request, frozen=True):
    name, answer = "modify_order", "order_response"
    symbol: str
    order_id: str
    side: Side
    order_type: OrderType
    price: Number | None = None
    quantity: Number | None = None
    take_profit: Number | None = None
    stop_loss: Number | None = None


class CancelOrder(Request, frozen=True):
    """`order_id` is an id of the kind that `cancel_order_id_type` names."""

    name, answer = "cancel_order", "order_response"
    symbol: str
    order_id: str
    cancel_order_id_type: IdType


class CancelAllOrders(Request, frozen=True):
    name = "cancel_all_orders"


class GetOrder(Request, frozen=True):
    """`order_id` is the venue's id or the client's."""

    name, answer = "get_order", "order_response"
    order_id: str
    symbol: str


class _Page(Request, frozen=True):
    limit: Count | None = None
    offset: Count | None = None


class GetUserOrders(_Page, frozen=True):
    """Open orders."""

    name, answer = "get_user_orders", "all_orders_response"
    symbol: str | None = None


class GetUserTrades(_Page, frozen=True):
    """The account's trades; `start_ts` and `end_ts` are in seconds, inclusive."""

    name, answer = "get_user_trades", "user_trades_response"
    order_id: str | None = None
    start_ts: Count | None = None
    end_ts: Count | None = None


class ClosePosition(Request, frozen=True):
    name, answer = "close_position", "order_response"
    symbol: str
    client_order_id: str | None = None


class AddTwap(Request, frozen=True):
    """An order that is placed in parts over time."""

    name, answer = "add_twap", "twap_response"
    symbol: str
    side: Side
    total_quantity: Number
    num_orders: OrderCount
    order_interval_secs: IntervalSeconds
    reduce_only: bool
    client_twap_id: str | None = None


class CancelStopOrder(Request, frozen=True):
    name = "cancel_stop_order"
    stop_order_id: str


class ModifyStopOrder(Request, frozen=True):
    name = "modify_stop_order"
    stop_order_id: str
    symbol: str
    price: Number
    quantity: Number


class SetUserLeverage(Request, frozen=True):
    name = "set_user_leverage"
    symbol: str
    leverage: Number


class GetUserLeverage(_Page, frozen=True):
    name, answer = "get_user_leverage", "user_leverage_response"


class GetAvailableLeverageLevels(_Page, frozen=True):
    name, answer = "get_available_leverage_levels", "available_leverage_levels_response"


class CancelOnDisconnect(Request, frozen=True):
    """Whether the venue cancels orders when this connection is lost."""

    name = "cancel_on_disconnect"
    cancel_on_disconnect: bool


REQUESTS: dict[str, type[Request]] = {
    kind.name: kind
    for kind in (
        Subscribe, Unsubscribe, AddOrder, ModifyOrder, CancelOrder, CancelAllOrders, GetOrder,
        GetUserOrders, GetUserTrades, ClosePosition, AddTwap, CancelStopOrder, ModifyStopOrder,
        SetUserLeverage, GetUserLeverage, GetAvailableLeverageLevels, CancelOnDisconnect,
    )
}  # fmt: skip


checked = Reading(base=EXACT, error=Misuse).read
_encoder = msgspec.json.Encoder(decimal_format="number")


def request_of(name: str, params: Mapping[str, Any]) -> Request:
    """The record of a message, `Misuse` unless the venue would take it. As at the venue, parameters
    that are not known are ignored."""
    if name not in REQUESTS:
        raise Misuse("no such message", field="type", expected=", ".join(REQUESTS))
    request: Request = checked(REQUESTS[name], params)
    return request


def encode(request: Request | Unchecked) -> str:
    """The message as it is sent. Numbers are exact."""
    params = dict(request.params)
    if floats := [name for name, value in params.items() if isinstance(value, float)]:
        raise Misuse("a float", field=floats[0], expected="a Decimal or an integer")
    try:
        return _encoder.encode({"type": request.name, "params": params}).decode()
    except (OverflowError, TypeError, ValueError) as error:
        raise Misuse("not JSON", field=request.name, found=elide(str(error))) from None
