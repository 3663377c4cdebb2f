"""Who we are to QFEX's trade socket: an HMAC key or a JWT, where it goes, and the auth message.

The signature is over a nonce and the time, made anew for each use; the account is not signed. For
tokens that renew themselves see `payloads.venues.qfex.oauth`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from payloads.errors import Misuse
from payloads.venues.common.endpoints import header_value
from payloads.venues.common.jwt import jwt_expiry
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import SECOND, Dial

# Where the public key (or the JWT) goes besides the message: as the documentation has it, as the
# venue's own client does, or nowhere.
KEY_IN = ("query", "headers", "none")
_NONCE = re.compile(r"[0-9a-fA-F]{1,100}")


class HmacKey:
    """An API key: its public half, and the secret that signs."""

    def __init__(self, public_key: str, secret: Secret) -> None:
        self.public_key, self.secret = header_value(public_key, "public_key"), secret

    def __repr__(self) -> str:
        return "HmacKey(…)"


class Jwt:
    """A token of the venue's OAuth that you renew yourself before reconnecting: `session.renew`."""

    def __init__(self, token: Secret) -> None:
        header_value(token.reveal(), "jwt")
        self.token = token

    def __repr__(self) -> str:
        return "Jwt(…)"

    def expired(self, now: int) -> bool:
        """Whether the token says of itself that it is over."""
        expires = jwt_expiry(self.token.reveal())
        return expires is not None and now >= expires


def sign(secret: Secret, nonce: str, unix_ts: int) -> str:
    """The HMAC-SHA256, in hex, of `nonce:unix_ts` with the time in seconds."""
    text = f"{nonce}:{unix_ts}".encode()
    return hmac.new(secret.reveal().encode(), text, hashlib.sha256).hexdigest()


def check_nonce(nonce: str) -> str:
    """`nonce`, if the venue would take it."""
    if not isinstance(nonce, str) or not _NONCE.fullmatch(nonce):
        raise Misuse("not a nonce", field="nonce", expected="1 to 100 hex digits")
    return nonce


def auth_params(key: HmacKey, nonce: str, now: int) -> dict[str, Any]:
    """What proves that we have the key, at this moment."""
    seconds = now // SECOND
    return {
        "public_key": key.public_key,
        "nonce": check_nonce(nonce),
        "unix_ts": seconds,
        "signature": sign(key.secret, nonce, seconds),
    }


def auth_message(
    credentials: HmacKey | Jwt, nonce: str, now: int, account_id: str | None = None
) -> dict[str, Any]:
    """The message that authenticates; `account_id` names a subaccount, else it is the primary."""
    params: dict[str, Any]
    if isinstance(credentials, Jwt):
        params = {"jwt": credentials.token.reveal()}
    else:
        params = {"hmac": auth_params(credentials, nonce, now)}
    if account_id is not None:
        params["account_id"] = account_id
    return {"type": "auth", "params": params}


_HEADERS = {
    "public_key": "x-qfex-public-key",
    "signature": "x-qfex-hmac-signature",
    "nonce": "x-qfex-nonce",
    "unix_ts": "x-qfex-timestamp",
}
_SECRET_HEADERS = ("Authorization", "x-qfex-public-key", "x-qfex-hmac-signature")


def dial_as(
    credentials: HmacKey | Jwt, url: str, key_in: str, nonces: Callable[[], str], now: int
) -> Dial:
    """The upgrade, with the key where `key_in` wants it."""
    if key_in == "none":
        return Dial(url)
    if isinstance(credentials, Jwt):
        token = credentials.token.reveal()
        query, headers = f"jwt={quote(token, safe='')}", [("Authorization", f"Bearer {token}")]
    else:
        query, headers = f"api_key={quote(credentials.public_key, safe='')}", []
    if key_in == "query":
        return Dial(f"{url}/?{query}", secret_parameters=("jwt", "api_key"))
    if isinstance(credentials, HmacKey):
        params = auth_params(credentials, nonces(), now)
        headers = [(header, str(params[name])) for name, header in _HEADERS.items()]
    return Dial(url, tuple(headers), _SECRET_HEADERS)
