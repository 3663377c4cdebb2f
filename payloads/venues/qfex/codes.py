"""QFEX's words: endpoints, error codes and order statuses, and refusals of every form.

Nothing here raises for what a server sends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from payloads.errors import Malformed, elide
from payloads.venues.common.json_text import parse_json
from payloads.venues.common.session import SECOND, Rejected

MDS_ENDPOINTS = {"mainnet": "wss://mds.qfex.com", "uat": "wss://mds.qfex.io"}
TRADE_ENDPOINTS = {"mainnet": "wss://trade.qfex.com", "uat": "wss://trade.qfex.io"}
AUTH_WITHIN = 60 * SECOND

ERRORS = {
    "RateLimited": "too many messages: try again after the pause that the message names",
    "ServerError": "the server failed: try again later",
    "AlreadyAuthenticated": "authenticated already: nothing to do",
    "AlreadySubscribedToLeaderboard": "subscribed already: nothing to do",
    "InvalidJSONFormat": "not JSON as the venue wants it: do not send it again",
    "InvalidParameter": "a parameter is not valid: do not send it again",
    "InvalidOrder": "the order is not valid: do not send it again",
    "PermissionDenied": "permission denied: stop",
    "KycRequired": "the account's identity is not verified: stop",
    "TncRequired": "the terms are not accepted: stop",
}
RETRYABLE = frozenset({"RateLimited", "ServerError"})
BENIGN = frozenset({"AlreadyAuthenticated", "AlreadySubscribedToLeaderboard"})

ORDER_STATUS = {
    "ACK": "on the book",
    "FILLED": "filled, perhaps in part: see quantity_remaining",
    "MODIFIED": "modified",
    "CANCELLED": "cancelled",
    "CANCELLED_STP": "cancelled by self-trade prevention",
    "REJECTED": "rejected",
    "NO_SUCH_ORDER": "no such order",
    "INVALID_ORDER_TYPE": "not an order type",
    "BAD_SYMBOL": "no such symbol",
    "PRICE_LESS_THAN_MIN_PRICE": "price below the minimum",
    "PRICE_GREATER_THAN_MAX_PRICE": "price above the maximum",
    "CANNOT_MODIFY_PARTIAL_FILL": "partly filled, so it cannot be modified",
    "FAILED_MARGIN_CHECK": "not enough margin",
    "INVALID_TICK_SIZE_PRECISION_PRICE": "price is not a multiple of the tick",
    "INVALID_TICK_SIZE_PRECISION_QUANTITY": "quantity is not a multiple of the step",
    "QUANTITY_LESS_THAN_MIN_QUANTITY": "quantity below the minimum",
    "QUANTITY_GREATER_THAN_MAX_QUANTITY": "quantity above the maximum",
    "INVALID_TIME_IN_FORCE": "not a time in force",
    "REJECTED_WOULD_BREACH_MAX_NOTIONAL": "would breach the largest notional",
    "CANNOT_MODIFY_NO_SUCH_ORDER": "no such order to modify",
    "REJECTED_MARKET_CLOSED": "the market is closed",
    "REJECTED_FAILED_TO_PROCESS": "could not be processed",
    "INVALID_TAKEPROFIT_PRICE": "not a take-profit price",
    "INVALID_STOPLOSS_PRICE": "not a stop-loss price",
    "RATE_LIMITED": "rate limited",
    "REJECTED_TOO_MANY_OPEN_ORDERS": "too many open orders",
    "REJECTED_OPEN_INTEREST_LIMIT": "would breach the open interest limit",
}


def meaning(code: str) -> str:
    """An error code in words, with whether to try again."""
    return ERRORS.get(code, "a code that is not documented")


# --- refusals -------------------------------------------------------------------------------------


def error_of(content: Mapping[str, Any]) -> tuple[Rejected, str, Mapping[str, Any]]:
    """An error in any of the forms that it has had, and what it is about as `echoed` has it."""
    inner = content.get("err", content.get("error", content))
    fields = inner if isinstance(inner, dict) else {"message": inner}
    code, message = fields.get("error_code", fields.get("code")), fields.get("message")
    code = code if isinstance(code, str) else "unknown"
    words = elide(message, 300) if isinstance(message, str) else ""
    kind, params = echoed(fields)
    about = " ".join((kind, *ids_of(params)[:1])).strip()
    return Rejected(elide(code, 80), words, meaning(code), elide(about, 160)), kind, params


def echoed(content: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The type and parameters of the message that this is about; "" if it does not say.

    An echoed login holds a signature or a token, so its parameters are left out.
    """
    message = content.get("incoming_message")
    if isinstance(message, str):
        try:
            message = parse_json(message)
        except Malformed:
            return "", {}
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return "", {}
    params = message.get("params")
    given = params if isinstance(params, dict) and message["type"] != "auth" else {}
    return message["type"], given


_IDS = "client_order_id", "order_id", "stop_order_id", "client_twap_id", "twap_id"


def ids_of(params: Any) -> tuple[str, ...]:
    """The ids that a message or its reply gives: all that there is to correlate by."""
    found = [params.get(name) for name in _IDS] if isinstance(params, dict) else []
    return tuple(value for value in found if value and isinstance(value, str))
