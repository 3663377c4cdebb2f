"""Finery's error codes in words, what to do about them, and where in a message they are.

`meaning(code)` and `advice(code)` answer for any integer, `code_in(body)` for any bytes. `code_of`
raises `Malformed` for what is no code.
"""

from __future__ import annotations

import re
from typing import Any

from payloads.errors import Malformed
from payloads.venues.common.json_text import parse_json

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
    6: "each nonce must be larger than all before it: another program with this key may be ahead",
    7: "set the clock",
    13: "stop: sign the agreement first",
    14: "stop: check the secret; the very string sent must be the one signed",
    100: "nothing to do",
    101: "nothing to do",
}
# Codes that may pass after a pause, and codes that never pass with the same credentials.
TRANSIENT = frozenset({2, 10, 104})
FATAL = frozenset({3, 5, 7, 8, 11, 12, 13, 14, 15, 120, 121})


def advice(code: int) -> str:
    """What to do about a code; "" where the code itself says it."""
    return _ADVICE.get(code, "reconnect or bind again after a pause" if code in TRANSIENT else "")


def meaning(code: int) -> str:
    """A code in words, with advice where there is some."""
    words = CODES.get(code) or next((text for span, text in _RANGES if code in span), "")
    return "; ".join(filter(None, (words or "a code that is not documented", advice(code))))


# --- in messages ----------------------------------------------------------------------------------

_CODE_WORDS = re.compile(r"(?:error|code)\D{0,8}(\d{1,3})\b", re.IGNORECASE)


def code_of(data: Any) -> int:
    """A code, bare or (as one client sees it) alone in a list."""
    value = data[0] if isinstance(data, list) and len(data) == 1 else data
    if type(value) is not int:
        raise Malformed("not a code", expected="an integer", found=type(value).__name__)
    return value


def code_in(body: bytes) -> int | None:
    """The error code in the body of a refused upgrade, whose form is not published."""
    text = body[:4096].decode("utf-8", "replace").strip()
    try:
        found = parse_json(text)
        if isinstance(found, dict):
            found = found.get("error", found.get("code"))
        return code_of(found) if type(found) is not str else code_of(parse_json(found))
    except Malformed:
        match = _CODE_WORDS.search(text)
        return int(match[1]) if match else None
