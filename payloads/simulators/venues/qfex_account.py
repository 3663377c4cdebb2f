"""One account on the simulated QFEX: its orders, and what the trade socket says of them.

A limit order rests until it is cancelled; a market order is filled at once at the mark price.
`Account.handle` answers every message of the trade socket, and each answer says who gets it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from payloads.crypto import keccak256

Params = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """An answer: for the asking connection or for all of the account's connections.

    If it has a channel, it is for the connections that have subscribed to it.
    """

    message: Params
    channel: str = ""
    for_all: bool = False


def rfc3339(now: int) -> str:
    """A time as the venue writes it: with nanoseconds."""
    seconds, rest = divmod(now, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


_DEPOSIT = 100_000
_LEVERAGE = 20
_SIDES = {"BUY": 1, "SELL": -1}
_OPPOSITE = {"BUY": "SELL", "SELL": "BUY"}
_EXITS = {"take_profit": "TAKE_PROFIT", "stop_loss": "STOP_LOSS"}


class Account:
    """`mark` returns the price of a symbol, None for an unknown symbol. `symbol` is known."""

    def __init__(self, name: str, symbol: str, mark: Callable[[str], Decimal | None]) -> None:
        self._name, self._symbol, self._mark = name, symbol, mark
        self._count = self._now = 0
        self._user = self._id("user")
        self.orders: dict[str, Params] = {}
        self._stops: dict[str, Params] = {}
        self._twaps: dict[str, Params] = {}
        self._trades: list[Params] = []
        self._positions: dict[str, Decimal] = {}
        self._leverage: dict[str, Any] = {}

    def handle(self, kind: str, params: Params, now: int) -> list[Answer]:
        """The answers to a message."""
        self._now = now
        answers: list[Answer] = getattr(self, f"_{kind}")(params)
        return answers

    def cancel_all(self, now: int) -> list[Answer]:
        """Cancel-on-disconnect."""
        self._now = now
        return [self._order(order, "CANCELLED") for order in self._emptied(self.orders)]

    def positions(self) -> list[Params]:
        """The messages of the positions channel: one for each traded symbol."""
        return [
            {"position_response": self._position(symbol, quantity)}
            for symbol, quantity in (self._positions or {self._symbol: Decimal(0)}).items()
        ]

    def balance(self) -> Params:
        """The message of the balances channel."""
        fields = ("realised_pnl", "unrealised_pnl", "order_margin", "position_margin",
                  "net_funding", "fees")  # fmt: skip
        balance = {"id": self._user, "user_id": self._user, "deposit": _DEPOSIT}
        return {
            "balance_response": balance | dict.fromkeys(fields, 0) | {"available_balance": _DEPOSIT}
        }

    # --- orders -----------------------------------------------------------------------------------

    def _add_order(self, params: Params) -> list[Answer]:
        order = {
            "order_id": self._id("order"), "symbol": params["symbol"], "side": params["side"],
            "type": params["order_type"], "time_in_force": params["order_time_in_force"],
            "price": params.get("price", 0), "quantity": params["quantity"],
            "quantity_remaining": params["quantity"], "user_id": self._user,
            "client_order_id": params.get("client_order_id", ""),
            "take_profit": params.get("take_profit", 0), "stop_loss": params.get("stop_loss", 0),
        }  # fmt: skip
        mark = self._mark(order["symbol"])
        if mark is None:
            return [self._order(order, "BAD_SYMBOL")]
        placed = [self._order(order, "ACK"), *self._exits(order)]
        if order["type"] == "MARKET":
            return [*placed, *self._filled(order, mark)]
        if order["time_in_force"] != "GTC":  # there is no order to trade with
            return [*placed, self._order(order, "CANCELLED")]
        self.orders[order["order_id"]] = order
        return placed

    def _filled(self, order: Params, mark: Decimal) -> list[Answer]:
        quantity = Decimal(str(order["quantity"]))
        trade = {
            "trade_id": self._id("trade"), "order_id": order["order_id"],
            "symbol": order["symbol"], "side": order["side"], "price": mark,
            "quantity": quantity, "fee": 0, "order_type": order["type"],
            "tif": order["time_in_force"], "client_order_id": order["client_order_id"],
            "aggressor_side": order["side"],
        }  # fmt: skip
        self._trades.append(trade | {"timestamp": self._seconds()})
        signed = quantity * _SIDES[order["side"]]
        self._positions[order["symbol"]] = self._positions.get(order["symbol"], Decimal(0)) + signed
        fill = trade | {
            "user_id": self._user, "order_price": order["price"], "remaining_quantity": 0,
            "realised_pnl": 0, "execution_type": "T", "timestamp": self._seconds(),
        }  # fmt: skip
        done = order | {"price": mark, "quantity_remaining": 0}
        answer = self._order(done, "FILLED", trade_id=trade["trade_id"])
        return [answer, Answer({"fill_response": fill}, "fills", True)]

    def _modify_order(self, params: Params) -> list[Answer]:
        if (order := self.orders.get(params["order_id"])) is None:
            return [self._missing(params, "CANNOT_MODIFY_NO_SUCH_ORDER")]
        names = ("price", "quantity", *_EXITS)
        order |= {name: params[name] for name in names if params.get(name) is not None}
        order["quantity_remaining"] = order["quantity"]
        return [self._order(order, "MODIFIED")]

    def _cancel_order(self, params: Params) -> list[Answer]:
        if "twap" in params["cancel_order_id_type"]:
            twap = self._found(self._twaps, params["cancel_order_id_type"], params["order_id"])
            if twap is None:
                return [self._missing(params, "NO_SUCH_ORDER")]
            del self._twaps[twap["twap_id"]]
            return [self._twap(twap, "CANCELLED")]
        order = self._found(self.orders, params["cancel_order_id_type"], params["order_id"])
        if order is None:
            return [self._missing(params, "NO_SUCH_ORDER")]
        del self.orders[order["order_id"]]
        return [self._order(order, "CANCELLED")]

    def _cancel_all_orders(self, params: Params) -> list[Answer]:
        return [self._ack("cancel_all_orders", params), *self.cancel_all(self._now)]

    def _get_order(self, params: Params) -> list[Answer]:
        for name in ("order_id", "client_order_id"):
            if (order := self._found(self.orders, name, params["order_id"])) is not None:
                return [Answer({"order_response": self._said(order, "ACK")}, "order_responses")]
        return [self._missing(params, "NO_SUCH_ORDER")]

    def _get_user_orders(self, params: Params) -> list[Answer]:
        stops = [
            self._said(
                {"order_id": stop["stop_order_id"], "symbol": stop["symbol"],
                 "side": stop["direction"], "type": stop["stop_order_type"],
                 "price": stop["price"], "quantity": stop["quantity"]}, "ACK",
            ) for stop in self._stops.values()
        ]  # fmt: skip
        orders = [*(self._said(order, "ACK") for order in self.orders.values()), *stops]
        asked = params.get("symbol")
        found = [order for order in orders if asked in (None, order["symbol"])]
        page = found[params.get("offset", 0) :][: params.get("limit", 1000)]
        return [Answer({"all_orders_response": {"orders": page, "twaps": [*self._twaps.values()]}})]

    def _get_user_trades(self, params: Params) -> list[Answer]:
        asked = params.get("order_id")
        first, last = params.get("start_ts", 0), params.get("end_ts", 2**40)
        found = [
            trade for trade in self._trades
            if asked in (None, trade["order_id"]) and first <= trade["timestamp"] <= last
        ]  # fmt: skip
        page = found[params.get("offset", 0) :][: params.get("limit", 1000)]
        return [Answer({"user_trades_response": page})]

    def _close_position(self, params: Params) -> list[Answer]:
        held = self._positions.get(params["symbol"], Decimal(0))
        if not held:
            order = {"order_id": None, "symbol": params["symbol"]}
            return [self._order(order, "REJECTED_FAILED_TO_PROCESS")]
        return self._add_order(
            params | {"side": "SELL" if held > 0 else "BUY", "order_type": "MARKET",
                      "order_time_in_force": "IOC", "quantity": abs(held)}
        )  # fmt: skip

    # --- stop orders, TWAPs, leverage -------------------------------------------------------------

    def _exits(self, order: Params) -> list[Answer]:
        """The stop orders that an order brings with it."""
        answer = []
        for name, kind in _EXITS.items():
            if not order[name]:
                continue
            stop = {
                "stop_order_id": self._id("stop order"), "user_id": self._user,
                "symbol": order["symbol"], "price": order[name], "quantity": order["quantity"],
                "direction": _OPPOSITE[order["side"]], "stop_order_type": kind,
                "client_order_id": order["client_order_id"],
            }  # fmt: skip
            self._stops[stop["stop_order_id"]] = stop
            answer.append(self._stop(stop))
        return answer

    def _modify_stop_order(self, params: Params) -> list[Answer]:
        if (stop := self._stops.get(params["stop_order_id"])) is None:
            return [self._no_stop("modify_stop_order", params)]
        stop |= {"price": params["price"], "quantity": params["quantity"]}
        return [self._ack("modify_stop_order", params), self._stop(stop)]

    def _cancel_stop_order(self, params: Params) -> list[Answer]:
        if self._stops.pop(params["stop_order_id"], None) is None:
            return [self._no_stop("cancel_stop_order", params)]
        return [self._ack("cancel_stop_order", params)]

    def _no_stop(self, kind: str, params: Params) -> Answer:
        message = {"type": kind, "params": params}
        error = {"error_code": "InvalidOrder", "message": "no such stop order"}
        return Answer({"err": error | {"incoming_message": message}})

    def _add_twap(self, params: Params) -> list[Answer]:
        copied = ("symbol", "side", "total_quantity", "order_interval_secs", "reduce_only")
        twap = {name: params[name] for name in copied} | {
            "twap_id": self._id("twap"), "client_twap_id": params.get("client_twap_id"),
            "user_id": self._user, "filled_quantity": 0, "average_fill_price": 0,
            "total_num_orders": params["num_orders"], "created_at": self._seconds(),
        }  # fmt: skip
        self._twaps[twap["twap_id"]] = twap
        return [self._twap(twap, "PENDING")]

    def _set_user_leverage(self, params: Params) -> list[Answer]:
        self._leverage[params["symbol"]] = params["leverage"]
        return [self._ack("set_user_leverage", params)]

    def _get_user_leverage(self, params: Params) -> list[Answer]:
        set_ = [self._levels(symbol, value) for symbol, value in self._leverage.items()]
        return [Answer({"user_leverage_response": set_})]

    def _get_available_leverage_levels(self, params: Params) -> list[Answer]:
        levels = [self._levels(self._symbol, value) for value in (5, 10, _LEVERAGE)]
        return [Answer({"available_leverage_levels_response": levels})]

    # --- how things are said ----------------------------------------------------------------------

    def _said(self, order: Params, status: str, **more: Any) -> Params:
        answer = {**order, "status": status, "trade_id": None, **more}
        return answer | {"update_time": self._seconds()}

    def _order(self, order: Params, status: str, **more: Any) -> Answer:
        answer = {"order_response": self._said(order, status, **more)}
        return Answer(answer, "order_responses", for_all=True)

    def _missing(self, params: Params, status: str) -> Answer:
        asked = {name: params[name] for name in ("order_id", "symbol")}
        return Answer({"order_response": self._said(asked, status)}, "order_responses")

    def _stop(self, stop: Params) -> Answer:
        answer = {"stop_order_response": stop | {"update_time": rfc3339(self._now)}}
        return Answer(answer, "stop_orders", for_all=True)

    def _twap(self, twap: Params, status: str) -> Answer:
        twap["status"], twap["updated_at"] = status, self._seconds()
        return Answer({"twap_response": dict(twap)})

    def _ack(self, kind: str, params: Params) -> Answer:
        return Answer({"ack": {"incoming_message": {"type": kind, "params": params}}})

    def _position(self, symbol: str, quantity: Decimal) -> Params:
        fields = ("margin_alloc", "realised_pnl", "unrealised_pnl", "net_funding", "open_orders",
                  "open_quantity")  # fmt: skip
        price = self._mark(symbol) if quantity else 0
        return {
            "id": self._user, "symbol": symbol, "position": quantity, "average_price": price or 0,
            "leverage": self._leverage.get(symbol, _LEVERAGE), "initial_margin": Decimal("0.05"),
            "maintenance_margin": Decimal("0.025"), **dict.fromkeys(fields, 0),
        }  # fmt: skip

    def _levels(self, symbol: str, leverage: Any) -> Params:
        margin = Decimal(1) / Decimal(str(leverage))
        return {
            "id": self._user, "symbol": symbol, "leverage": str(leverage),
            "initial_margin": margin, "maintenance_margin": margin / 2, "max_notional": 1_000_000,
        }  # fmt: skip

    def _found(self, where: dict[str, Params], name: str, value: str) -> Params | None:
        return next((each for each in where.values() if each.get(name) == value), None)

    def _emptied(self, orders: dict[str, Params]) -> list[Params]:
        gone = [*orders.values()]
        orders.clear()
        return gone

    def _seconds(self) -> Decimal:
        """Now, in seconds with a fraction."""
        return Decimal(self._now // 10**7).scaleb(-2)

    def _id(self, what: str) -> str:
        self._count += 1
        return str(UUID(bytes=keccak256(f"{self._name} {what} {self._count}".encode())[:16]))
