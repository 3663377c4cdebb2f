"""ETHGas' codes in words. Some have several meanings on the venue's pages; all are given."""

from __future__ import annotations

CODES = {
    0: "success (of a login)",
    1: "success",
    2: "permission denied",
    99: "unexpected error",
    102: "INVALID_ACCOUNT",
    104: "TIMEOUT",
    107: "MINIMUM_QUANTITY_NOT_REACH",
    108: "NO_ORDER",
    109: "ORDER_DONE_OR_CANCELLED",
    110: "server could not parse",
    111: "server: order book",
    112: "server: database",
    113: "server: database connection",
    114: "MARKET_EXPIRED",
    115: "RATE_TRANSACTION_ERROR",
    120: "quantity is not a multiple of the step",
    122: "duplicate string",
    191: "auto-cancelled",
    192: "manually cancelled",
    401: "invalid token: renew it",
    403: "insufficient permissions",
    429: "rate limited: wait before trying again",
    500: "server error: try again later",
    503: "service unavailable: try again later",
    1000: "permission denied",
    1001: "validation failed, or (websocket page) authentication failed",
    1002: "operation failed, or (websocket page) invalid channel",
    1003: "rate limit (websocket page): wait before trying again",
    1004: "timeout (websocket page)",
    9999: "unexpected error",
    10000: "deposit: account",
    10001: "deposit: token",
    10010: "withdrawal: account",
    10011: "withdrawal: token",
    10012: "withdrawal: insufficient funds",
}
INVALID_TOKEN = frozenset({401})
RATE_LIMITED = frozenset({429, 1003})
FORBIDDEN = frozenset({2, 403, 1000})
# What is worth another try after a pause.
PASSING = RATE_LIMITED | {104, 111, 112, 113, 500, 503, 1004}
ORDER_STATUS = {
    0: "pending",
    1: "on book",
    10: "done",
    11: "cancelled manually",
    12: "cancelled automatically",
    13: "partially done",
    14: "expired",
    99: "error",
}
ORDER_TYPES = {1: "market", 2: "limit", 3: "fill or kill"}
MARKET_STATUS = {
    0: "not started",
    1: "open",
    2: "expired",
    3: "transactions are no longer taken",
    4: "final",
}


def meaning(code: int) -> str:
    """A code in words."""
    return CODES.get(code, "a code that is not documented")
