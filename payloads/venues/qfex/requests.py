"""The messages that a client may send on QFEX's trade socket, one record each.

    session.request(AddOrder("AAPL-USD", "BUY", "LIMIT", "GTC", quantity="0.1", price="150.50"))

The annotations of a record are its table: a field has the venue's name for the parameter, its type
says what the parameter may be, and a field with a default may be left out. The checks, the JSON,
the simulator's reader and the documentation come from it. To describe another message, write a
class and name it in `REQUESTS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, ClassVar

import msgspec

from payloads.abi.fields import Record
from payloads.errors import Misuse, elide
from payloads.json_records import EXACT, Parse, Reading, Wrong, exact_decimal, found_in, integer
from payloads.venues.common.pending import Timeouts
from payloads.venues.common.session import LOST, NO_ANSWER, SECOND, Rejected
from payloads.venues.qfex.codes import identity

# --- what a parameter may be ----------------------------------------------------------------------


def _choice(*words: str) -> Parse:
    def parse(value: Any) -> str:
        if not isinstance(value, str) or value not in words:
            raise Wrong("not known", expected=" or ".join(words), found=found_in(value))
        return value

    return parse


def _number(value: Any) -> Any:
    number = exact_decimal(value)
    if number is None:
        expected = "a Decimal, an integer or a decimal string"
        raise Wrong("not an exact number", expected=expected, found=found_in(value))
    return int(number) if number == number.to_integral_value() else number


TRADE_CHANNELS = ("order_responses", "stop_orders", "positions", "balances", "fills")
Channel = Annotated[str, _choice(*TRADE_CHANNELS)]
Side = Annotated[str, _choice("BUY", "SELL")]
OrderType = Annotated[str, _choice("LIMIT", "MARKET", "ALO")]
TimeInForce = Annotated[str, _choice("GTC", "IOC", "FOK")]
IdType = Annotated[str, _choice("order_id", "client_order_id", "twap_id", "client_twap_id")]
Number = Annotated[Decimal | int | str, _number]
Count = Annotated[int, integer(0, 2**31)]

# --- the messages ---------------------------------------------------------------------------------


class Request(Record, frozen=True):
    """A message to the trade socket. `name` is its type there, `answer` the key of the reply."""

    name: ClassVar[str]
    answer: ClassVar[str] = "ack"

    @property
    def params(self) -> Mapping[str, Any]:
        """The parameters as they are sent; `Misuse` if the venue would not take them."""
        names = self.__struct_fields__
        checked = request_of(self.name, {name: getattr(self, name) for name in names})
        given = {name: getattr(checked, name) for name in names}
        return {name: value for name, value in given.items() if value is not None}


class Unchecked(Record, frozen=True):
    """A message that is sent as it is, with a name or parameters unknown to this library."""

    name: str
    params: Mapping[str, Any] = {}

    @property
    def answer(self) -> str:
        return REQUESTS[self.name].answer if self.name in REQUESTS else ""


class _OfChannels(Request, frozen=True):
    channels: tuple[Channel, ...]

    def check(self) -> None:
        if not self.channels:
            raise Wrong("no channels", path="channels", expected=" or ".join(TRADE_CHANNELS))


class Subscribe(_OfChannels, frozen=True):
    name, answer = "subscribe", "subscribed"


class Unsubscribe(_OfChannels, frozen=True):
    name, answer = "unsubscribe", "unsubscribed"


class AddOrder(Request, frozen=True):
    """A new order. `price` belongs to LIMIT and ALO; `take_profit` and `stop_loss` are prices."""

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


class GetUserOrders(Request, frozen=True):
    """Open orders."""

    name, answer = "get_user_orders", "all_orders_response"
    limit: Count | None = None
    offset: Count | None = None
    symbol: str | None = None


class GetUserTrades(Request, frozen=True):
    """The account's trades; `start_ts` and `end_ts` are in seconds, inclusive."""

    name, answer = "get_user_trades", "user_trades_response"
    limit: Count | None = None
    offset: Count | None = None
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
    num_orders: Annotated[int, integer(2, 2**31)]
    order_interval_secs: Annotated[int, integer(30, 2**31)]
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
    cancel_on_disconnect: bool


REQUESTS: dict[str, type[Request]] = {
    kind.name: kind
    for kind in (
        Subscribe, Unsubscribe, AddOrder, ModifyOrder, CancelOrder, CancelAllOrders, GetOrder,
        GetUserOrders, GetUserTrades, ClosePosition, AddTwap, CancelStopOrder, ModifyStopOrder,
        SetUserLeverage, GetUserLeverage, GetAvailableLeverageLevels, CancelOnDisconnect,
    )
}  # fmt: skip


_read = Reading(base=EXACT, error=Misuse).read
_encoder = msgspec.json.Encoder(decimal_format="number")


def request_of(name: str, params: Mapping[str, Any]) -> Request:
    """The record of a message, `Misuse` unless the venue would take it. As at the venue, parameters
    that are not known are ignored."""
    if name not in REQUESTS:
        raise Misuse("no such message", field="type", expected=", ".join(REQUESTS))
    request: Request = _read(REQUESTS[name], params)
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
        params = request.params
        if request.name in _BY_CHANNEL:
            for channel in params.get("channels", ()):
                sent = _Sent(request.name, request.answer, {"channel": channel}, True)
                self.timeouts.add(sent)
        elif request.answer and "twap" not in str(params.get("cancel_order_id_type")):
            # The reply to the cancelling of a TWAP is not documented.
            ids = identity(request.name, params)
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
        return [Rejected(NO_ANSWER, "", words, sent.about) for sent in self.timeouts.expired(now)]

    def lost(self) -> list[Rejected]:
        """The requests that the lost connection leaves without a reply, except those that the
        session makes again by itself."""
        words = "no answer before the connection went: what became of it is not known"
        lost = [sent for sent in self.timeouts if not sent.by_itself]
        self.timeouts.stop()
        return [Rejected(LOST, "", words, sent.about) for sent in lost]
