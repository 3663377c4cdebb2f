"""JSON web tokens: a client reads when a token ends; a simulator makes and checks tokens.

Venues sign their tokens with ES256, which a client cannot check. The tokens made here are signed
with HS256, and have the same form.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from decimal import Decimal
from typing import Any

import msgspec

from payloads.venues.common.json_text import parse_json
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import SECOND

TOKEN_LIFETIME = 3600 * SECOND


def jwt_expiry(token: str) -> int | None:
    """The `exp` of a JWT in nanoseconds; None for a JWT without it, and for other text."""
    parts = token.split(".")
    try:
        padded = parts[1] + "=" * (-len(parts[1]) % 4)
        claims = parse_json(base64.urlsafe_b64decode(padded.encode("ascii")))
    except (IndexError, ValueError):  # Malformed is one too
        return None
    expires = claims.get("exp") if isinstance(claims, dict) else None
    if isinstance(expires, Decimal) and expires.is_finite() and 0 <= expires < 2**40:
        expires = int(expires)
    if type(expires) is not int or not 0 <= expires < 2**40:
        return None
    return expires * SECOND


def jwt_expired(token: Secret, now: int) -> bool:
    """Whether the token's own `exp` has passed."""
    expires = jwt_expiry(token.reveal())
    return expires is not None and now >= expires


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _mac(key: Secret, text: str) -> str:
    code = hmac.new(key.reveal().encode(), text.encode("utf-8", "surrogatepass"), hashlib.sha256)
    return _b64(code.digest())


def make_token(key: Secret, subject: str, now: int, lifetime: int = TOKEN_LIFETIME) -> str:
    """A JWT with its subject and its end."""
    claims = {"sub": subject, "iat": now // SECOND, "exp": (now + lifetime) // SECOND}
    parts = ({"alg": "HS256", "typ": "JWT"}, claims)
    text = ".".join(_b64(msgspec.json.encode(part)) for part in parts)
    return f"{text}.{_mac(key, text)}"


def check_token(key: Secret, token: Any, now: int) -> str:
    """ "" for a valid token, else what is wrong with it."""
    if not isinstance(token, str) or token.count(".") != 2:
        return "no token"
    text, _, signature = token.rpartition(".")
    if not hmac.compare_digest(_mac(key, text).encode(), signature.encode("utf-8", "replace")):
        return "invalid token"
    expires = jwt_expiry(token)
    return "" if expires is not None and now < expires else "expired token"
