"""What a client may say on QFEX's trade socket: one table, and what follows from it.

`MESSAGES` has each message with its parameters, its weight and what answers it; from it come the
checks, the JSON, the rate budget, and what to wait for. To describe one more, name it there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any

import msgspec

from payloads.abi.fields import Record
from payloads.errors import Misuse, elide
from payloads.json_records import exact_decimal
from payloads.venues.common.pending import Timeouts
from payloads.venues.common.session import LOST, NO_ANSWER, SECOND, Rejected
from payloads.venues.qfex.codes import identity

TRADE_CHANNELS = ("order_responses", "stop_orders", "positions", "balances", "fills")

# --- the table ------------------------------------------------------------------------------------

_ORDER, _CHEAP = Decimal(1), Decimal("0.1")


class Kind(Record, frozen=True):
    """A message: parameters, weight, whose budget it is on, and the key of what answers it."""

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    weight: Decimal = _ORDER
    answer: str = ""
    cancels: bool = False


_EXITS = ("take_profit", "stop_loss")
_PAGE = ("limit", "offset")

MESSAGES: dict[str, Kind] = {
    "subscribe": Kind(("channels",), (), _CHEAP, "subscribed"),
    "unsubscribe": Kind(("channels",), (), _CHEAP, "unsubscribed"),
    "add_order": Kind(
        ("symbol", "side", "order_type", "order_time_in_force", "quantity"),
        ("price", *_EXITS, "client_order_id", "reduce_only"), _ORDER, "order_response",
    ),
    "modify_order": Kind(
        ("symbol", "order_id", "side", "order_type"), ("price", "quantity", *_EXITS),
        _ORDER, "order_response",
    ),
    "cancel_order": Kind(
        ("symbol", "order_id", "cancel_order_id_type"), (), _ORDER, "order_response", True
    ),
    "cancel_all_orders": Kind((), (), Decimal(2), "ack", True),
    "get_order": Kind(("order_id", "symbol"), (), Decimal(2), "order_response"),
    "get_user_orders": Kind((), (*_PAGE, "symbol"), Decimal(5), "all_orders_response"),
    "get_user_trades": Kind(
        (), (*_PAGE, "order_id", "start_ts", "end_ts"), Decimal("0.5"), "user_trades_response"
    ),
    "close_position": Kind(("symbol",), ("client_order_id",), _ORDER, "order_response"),
    "add_twap": Kind(
        ("symbol", "side", "total_quantity", "num_orders", "order_interval_secs", "reduce_only"),
        ("client_twap_id",), _ORDER, "twap_response",
    ),
    # Taken to be on the budget of cancels; the venue says only that there are two.
    "cancel_stop_order": Kind(("stop_order_id",), (), _ORDER, "ack", True),
    "modify_stop_order": Kind(("stop_order_id", "symbol", "price", "quantity"), (), _ORDER, "ack"),
    "set_user_leverage": Kind(("symbol", "leverage"), (), _CHEAP, "ack"),
    "get_user_leverage": Kind((), _PAGE, _CHEAP, "user_leverage_response"),
    "get_available_leverage_levels": Kind(
        (), _PAGE, _CHEAP, "available_leverage_levels_response"
    ),
    "cancel_on_disconnect": Kind(("cancel_on_disconnect",), (), _CHEAP, "ack"),
}  # fmt: skip
REQUIRED = {name: kind.required for name, kind in MESSAGES.items()}
WEIGHTS = {name: kind.weight for name, kind in MESSAGES.items()}
# What is not known here weighs as an order does.
_UNKNOWN = Kind()


def answer_of(kind: str) -> str:
    """The key of what answers a message; "" where none does."""
    return MESSAGES.get(kind, _UNKNOWN).answer


_CHOICES: dict[str, tuple[str, ...]] = {
    "side": ("BUY", "SELL"),
    "order_type": ("LIMIT", "MARKET", "ALO"),
    "order_time_in_force": ("GTC", "IOC", "FOK"),
    "cancel_order_id_type": ("order_id", "client_order_id", "twap_id", "client_twap_id"),
}
_NUMBERS = ("quantity", "price", *_EXITS, "total_quantity", "leverage")
# Whole numbers, and the least that the venue takes.
_COUNTS = {
    "num_orders": 2, "order_interval_secs": 30, "limit": 0, "offset": 0, "start_ts": 0, "end_ts": 0,
}  # fmt: skip
_FLAGS = ("reduce_only", "cancel_on_disconnect")


# --- checks ---------------------------------------------------------------------------------------


def check_known(field: str, given: Sequence[str], known: Iterable[str]) -> None:
    """`Misuse` unless there is at least one, and all are known."""
    known = tuple(known)
    if not given or any(one not in known for one in given):
        raise Misuse(f"no such {field}", field=field, expected=", ".join(known))


def _is_count(least: int) -> Callable[[Any], bool]:
    def check(value: Any) -> bool:
        number = exact_decimal(value)
        return number is not None and number == number.to_integral_value() and number >= least

    return check


def _are_channels(value: Any) -> bool:
    return (
        isinstance(value, list | tuple) and bool(value) and all(c in TRADE_CHANNELS for c in value)
    )


_CHECKS: dict[str, Callable[[Any], bool]] = {
    **{name: choices.__contains__ for name, choices in _CHOICES.items()},
    **dict.fromkeys(_NUMBERS, lambda value: exact_decimal(value) is not None),
    **{name: _is_count(least) for name, least in _COUNTS.items()},
    **dict.fromkeys(_FLAGS, lambda value: isinstance(value, bool)),
    "channels": _are_channels,
}


def missing_parameter(kind: str, params: Mapping[str, Any]) -> str:
    """The first parameter that is missing or is not what it may be; "" if none."""
    needed = [*MESSAGES[kind].required]
    if kind == "add_order" and params.get("order_type") in ("LIMIT", "ALO"):
        needed.append("price")
    for name in needed:
        if params.get(name) is None:
            return name
    for name in (*needed, *MESSAGES[kind].optional):
        value = params.get(name)
        fits = _CHECKS.get(name, lambda value: isinstance(value, str))
        if value is not None and not fits(value):
            return name
    return ""


def check_message(kind: str, params: Mapping[str, Any]) -> None:
    """`Misuse` unless the venue would take it. It ignores names it does not know; here they are
    refused, because a misspelt stop loss is an order without one."""
    if kind not in MESSAGES:
        raise Misuse("no such message", field="type", expected=", ".join(MESSAGES))
    known = MESSAGES[kind].required + MESSAGES[kind].optional
    if unknown := [name for name in params if name not in known]:
        expected = ", ".join(known) or "nothing"
        raise Misuse(f"{kind} does not take this", field=str(unknown[0]), expected=expected)
    if name := missing_parameter(kind, params):
        raise Misuse(f"{kind} needs {name}", field=name, expected=_expected(name))


def _expected(name: str) -> str:
    if name in _COUNTS:
        return f"a whole number from {_COUNTS[name]}"
    choices = TRADE_CHANNELS if name == "channels" else _CHOICES.get(name)
    if choices is None:
        choices = ("true", "false") if name in _FLAGS else ("a value that fits",)
    return " or ".join(choices)


_encoder = msgspec.json.Encoder(decimal_format="number")


def encode(kind: str, params: Mapping[str, Any]) -> str:
    """The message as it is sent: decimal strings become numbers, floats are refused."""
    numbers = {key: _as_number(key, value) for key, value in params.items()}
    try:
        return _encoder.encode({"type": kind, "params": numbers}).decode()
    except (OverflowError, TypeError, ValueError) as error:
        raise Misuse("not JSON", field=kind, found=elide(str(error))) from None


def _as_number(key: str, value: Any) -> Any:
    if isinstance(value, float):
        raise Misuse("a float", field=key, expected="a Decimal, an integer or a decimal string")
    if isinstance(value, bool) or not (key in _NUMBERS or key in _COUNTS):
        return value
    number = exact_decimal(value)
    if number is None:
        raise Misuse("not a number", field=key, found=elide(str(value)))
    return int(number) if number == number.to_integral_value() else number


# --- the budget -----------------------------------------------------------------------------------

BUDGET = Decimal(12_000)
WINDOW = 60 * SECOND
_MATH = Context(prec=28)


class RateBudget:
    """12,000 units of weight a minute, decaying exponentially; cancels have a budget of their own.

    The limit is the user's, over all connections: give every session of a user the same object.
    """

    def __init__(self, limit: Decimal = BUDGET) -> None:
        if not limit > max(WEIGHTS.values()):
            raise Misuse("a budget that some message never fits", field="limit", expected="over 5")
        self._limit = limit
        self._used: dict[bool, tuple[Decimal, int]] = {}
        # Until when the venue wants nothing more, by its own word.
        self._held: dict[bool, int] = {}

    def used(self, kind: str, now: int) -> Decimal:
        """What counts against a message of this kind at this moment."""
        level, at = self._used.get(_of(kind).cancels, (Decimal(0), now))
        # Beyond this nothing is left of it.
        age = Decimal(min(max(0, now - at), 100 * WINDOW))
        return _MATH.multiply(level, _MATH.exp(_MATH.divide(-age, Decimal(WINDOW))))

    def wait(self, kind: str, now: int) -> int:
        """The nanoseconds until a message of this kind may go; 0 for now."""
        held = max(0, self._held.get(_of(kind).cancels, now) - now)
        room = self._limit - _of(kind).weight
        if (level := self.used(kind, now)) <= room:
            return held
        decay = _MATH.multiply(_MATH.ln(_MATH.divide(level, room)), Decimal(WINDOW))
        return max(held, int(decay) + 1)

    def spend(self, kind: str, now: int) -> None:
        """Note that a message goes out."""
        bucket = _of(kind).cancels
        level = self.used(kind, now) + _of(kind).weight
        _, at = self._used.get(bucket, (Decimal(0), now))
        self._used[bucket] = level, max(at, now)

    def hold(self, kind: str, until: int) -> None:
        """The venue has refused one of these, and named a time to wait for."""
        bucket = _of(kind).cancels
        self._held[bucket] = max(until, self._held.get(bucket, until))


def _of(kind: str) -> Kind:
    return MESSAGES.get(kind, _UNKNOWN)


# --- what has not been answered -------------------------------------------------------------------

# As the venue's own client waits.
ANSWER_WITHIN = 10 * SECOND
# Answered once for each channel.
_BY_CHANNEL = ("subscribe", "unsubscribe")


@dataclass(frozen=True, eq=False)  # two that say the same are two
class _Sent:
    kind: str
    answer: str
    ids: Mapping[str, str]
    by_itself: bool

    @property
    def about(self) -> str:
        return " ".join((self.kind, *list(self.ids.values())[:1]))

    def agrees(self, ids: Mapping[str, str]) -> bool:
        """Whether a reply with these ids can be the answer: no id of both is another."""
        if self.kind == "get_order" and ids:  # which takes an id of either kind
            return self.ids.get("order_id") in (None, *ids.values())
        return all(ids.get(name, value) == value for name, value in self.ids.items())


class Pending:
    """The messages that wait for an answer. Replies have no number: ids and keys must do."""

    def __init__(self) -> None:
        self._waiting = self.timeouts = Timeouts[_Sent](ANSWER_WITHIN)

    def sent(self, kind: str, params: Mapping[str, Any], by_itself: bool = False) -> None:
        """A message went out; `by_itself` if every connection sends it."""
        answer = answer_of(kind)
        if kind in _BY_CHANNEL:
            for channel in params.get("channels", ()):
                self._waiting.add(_Sent(kind, answer, {"channel": channel}, True))
        elif answer and "twap" not in str(params.get("cancel_order_id_type")):
            # What answers the cancelling of a TWAP is not documented.
            ids = identity(kind, params)
            self._waiting.add(_Sent(kind, answer, ids, by_itself))

    def answered(self, answer: str, ids: Mapping[str, str], kind: str = "") -> None:
        """Something came that answers the first of those that it can be for."""
        for one in self._waiting:
            if one.answer == answer and kind in ("", one.kind) and one.agrees(ids):
                self._waiting.discard(one)
                return

    def failed(self, kind: str, params: Mapping[str, Any]) -> None:
        """An error came; one that does not say what for is taken for the oldest."""
        together = kind in _BY_CHANNEL  # all of the message's channels at once
        ids = {} if together else identity(kind, params)
        for one in self._waiting:
            if kind in ("", one.kind) and one.agrees(ids):
                self._waiting.discard(one)
                if not together:
                    return

    def late(self, now: int) -> list[Rejected]:
        """Those whose time is over."""
        words = "no answer within 10 s: what became of it is not known"
        return [Rejected(NO_ANSWER, "", words, one.about) for one in self._waiting.expired(now)]

    def lost(self) -> list[Rejected]:
        """The connection is gone, and no answer will come. What the next one is told and asked
        again by itself is not worth a word."""
        lost = [one for one in self._waiting if not one.by_itself]
        self._waiting.stop()
        words = "no answer before the connection went: what became of it is not known"
        return [Rejected(LOST, "", words, one.about) for one in lost]
