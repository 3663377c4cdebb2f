"""What ETHGas' side checks: for a simulator, and for a user's own tests.

`LoginDesk` is the REST API (`login`, `verify`, `refresh`, `logout`): parameters in, HTTP status and
answer out. `check_token` judges an access token, and `SocketDesk` the messages of one connection.
Nothing here does I/O; the clock, the source of nonces and the key that signs tokens are arguments.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from payloads.crypto import recover
from payloads.errors import Malformed, Misuse, PayloadError
from payloads.venues.common.json_text import parse_json
from payloads.venues.common.jwt import TOKEN_LIFETIME, check_token, make_token
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import SECOND
from payloads.venues.ethgas.eip712 import typed_data_digest
from payloads.venues.ethgas.protocol import OFFICIAL, PRIVATE_QUERIES, Channel, Dialect

SESSION_LIFETIME = 7 * 24 * 3600 * SECOND
# How long a login may take between its two requests; the venue does not say.
NONCE_LIFETIME = 300 * SECOND
PERMISSION_DENIED, VALIDATION_FAILED = 1000, 1001
LOGIN_FAILED, INVALID_CHANNEL = 1001, 1002


# --- REST -----------------------------------------------------------------------------------------

Answer = tuple[int, dict[str, Any]]


def login_data(nonce: str, chain_id: int = 32382) -> dict[str, Any]:
    """The typed data that a login signs."""
    text = "string"
    return {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": text},
                {"name": "version", "type": text},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            "data": [
                {"name": "hash", "type": text},
                {"name": "message", "type": text},
                {"name": "domain", "type": text},
            ],
        },
        "primaryType": "data",
        "domain": {
            "name": "ETHGas Login",
            "version": "1",
            "chainId": chain_id,
            "verifyingContract": "0x" + "0" * 40,
        },
        "message": {
            "hash": nonce,
            "message": "Please sign this message to verify account ownership",
            "domain": "ethgas.com",
        },
    }


class LoginDesk:
    """The REST API of logins. `nonces` gives text that has never been given before."""

    def __init__(
        self,
        key: Secret,
        nonces: Callable[[], str],
        *,
        allowed: frozenset[str] | None = None,
        lifetime: int = TOKEN_LIFETIME,
        flat: bool = False,
    ) -> None:
        self._key, self._nonces, self._flat = key, nonces, flat
        # Addresses in lower case; None for all addresses, as at the venue.
        self._allowed, self._lifetime = allowed, lifetime
        self._open: dict[str, tuple[str, int]] = {}
        self._sessions: dict[str, tuple[str, int]] = {}

    def change_key(self, key: Secret) -> None:
        """Access tokens are signed by another key from now on; refresh tokens stay valid."""
        self._key = key

    def tokens_of(self, address: str, now: int) -> dict[str, str]:
        """An access and a refresh token, as a login would give them."""
        refresh = self._begin_session(address.lower(), self._nonces(), now)
        access = make_token(self._key, address.lower(), now, self._lifetime)
        return {"access_token": access, "refresh_token": refresh}

    def login(self, form: Mapping[str, str], now: int) -> Answer:
        """The first step: something to sign."""
        address = form.get("addr", "").lower()
        if not re.fullmatch(r"0x[0-9a-f]{40}", address):
            return _denied(400, VALIDATION_FAILED, "addr")
        if self._allowed is not None and address not in self._allowed:
            return _denied(403, PERMISSION_DENIED, "account")
        nonce = self._nonces()
        self._open[nonce] = (address, now + NONCE_LIFETIME)
        message = msgspec.json.encode(login_data(nonce)).decode()
        return _given({"status": "verify", "eip712Message": message, "nonceHash": nonce})

    def verify(self, form: Mapping[str, str], now: int) -> Answer:
        """The second step: a signature for a token. A nonce is good for one attempt."""
        address, until = self._open.pop(form.get("nonceHash", ""), ("", 0))
        if not address or now >= until:
            return _denied(401, PERMISSION_DENIED, "nonceHash")
        if form.get("addr", "").lower() != address:
            return _denied(401, PERMISSION_DENIED, "addr")
        data = login_data(form["nonceHash"])
        if _signer(data, form.get("signature", "")) != address:
            return _denied(401, PERMISSION_DENIED, "signature")
        refresh = self._begin_session(address, form["nonceHash"], now)
        return _given({"user": {"address": address}, **self._tokens(address, refresh, now)})

    def _begin_session(self, address: str, nonce: str, now: int) -> str:
        """The refresh token of a new session."""
        key = self._key.reveal().encode()
        refresh = hmac.new(key, nonce.encode(), hashlib.sha256).hexdigest()
        self._sessions[refresh] = (address, now + SESSION_LIFETIME)
        return refresh

    def refresh(self, form: Mapping[str, str], cookies: Mapping[str, str], now: int) -> Answer:
        """A new access token, for the cookie (the venue) or the parameter (its other page)."""
        found = cookies.get("x_auth_refresh_token") or form.get("refreshToken", "")
        address, until = self._sessions.get(found, ("", 0))
        if not address or now >= until:
            return _denied(401, PERMISSION_DENIED, "refreshToken")
        return _given(self._tokens(address, found, now))

    def logout(self, cookies: Mapping[str, str]) -> Answer:
        """The end of a session."""
        self._sessions.pop(cookies.get("x_auth_refresh_token", ""), None)
        return _given({})

    def expire_sessions(self) -> None:
        """Forget every session: only a full login helps."""
        self._sessions.clear()

    def _tokens(self, address: str, refresh: str, now: int) -> dict[str, Any]:
        token = make_token(self._key, address, now, self._lifetime)
        if self._flat:
            seconds = self._lifetime // SECOND
            return {"accessToken": token, "refreshToken": refresh, "expiresIn": seconds}
        return {"accessToken": {"data": {}, "token": token}, "refreshToken": refresh}


def _given(data: dict[str, Any]) -> Answer:
    return 200, {"success": True, "data": data}


def _denied(status: int, code: int, about: str) -> Answer:
    return status, {"success": False, "errorCode": code, "message": f"refused: {about}"}


def _signer(data: dict[str, Any], signature: str) -> str:
    """The signer's address; "" for no valid signature."""
    if not re.fullmatch(r"0x[0-9a-fA-F]{130}", signature):
        return ""
    raw = bytes.fromhex(signature[2:])
    try:
        address = recover(typed_data_digest(data), raw[:32], raw[32:64], raw[64] - 27)
    except PayloadError:
        return ""
    return "" if address is None else "0x" + address.hex()


# --- the socket -----------------------------------------------------------------------------------


class SocketDesk:
    """Judges the messages of one connection, and answers in the dialect's own words."""

    def __init__(self, key: Secret, connection: str, dialect: Dialect = OFFICIAL) -> None:
        self._key, self._connection, self._dialect = key, connection, dialect
        self._token = ""
        self.subscribed: set[Channel] = set()

    @property
    def token(self) -> str:
        """The token of the last login; "" after a logout or the token's end."""
        return self._token

    def authenticated(self, now: int) -> bool:
        """Whether there has been a login, with a token that is still good."""
        return bool(self._token) and not check_token(self._key, self._token, now)

    def received(self, message: str, now: int) -> list[dict[str, Any] | str]:
        """The answers to a message; queries that are allowed are left to the caller."""
        if message == "ping":
            return ["pong"]
        try:
            content = parse_json(message)
        except Malformed:
            return [self._error(VALIDATION_FAILED, "not JSON")]
        if not isinstance(content, dict):
            return [self._error(VALIDATION_FAILED, "not an object")]
        if self._dialect is not OFFICIAL:
            return self._draft(content, now)
        verb, arguments = content.get("op"), content.get("args", [{}])
        if not isinstance(arguments, list) or not all(isinstance(a, dict) for a in arguments):
            return [self._error(VALIDATION_FAILED, "args")]
        return [
            answer
            for argument in arguments
            if (answer := self._one(verb, argument, now)) is not None
        ] or ([] if verb == "query" else [self._error(VALIDATION_FAILED, "args")])

    def _one(self, verb: Any, argument: dict[str, Any], now: int) -> dict[str, Any] | None:
        if verb == "login":
            return self._login(argument.get("accessToken"), now)
        if verb == "logout":
            self._token = ""
            return {"event": "logout", "code": 0, "msg": "", "connId": self._connection}
        if verb in ("subscribe", "unsubscribe"):
            return self._channel(verb, argument, now)
        if verb == "query":
            private = argument.get("queryType") in tuple(PRIVATE_QUERIES)
            denied = private and not self.authenticated(now)
            return self._error(PERMISSION_DENIED, "login first") if denied else None
        return self._error(VALIDATION_FAILED, "op")

    def _login(self, token: Any, now: int) -> dict[str, Any]:
        if why := check_token(self._key, token, now):
            return self._error(LOGIN_FAILED, why)
        self._token = token
        return {"event": "login", "code": 0, "msg": "", "connId": self._connection}

    def _channel(self, verb: str, argument: dict[str, Any], now: int) -> dict[str, Any]:
        try:
            channel = Channel.of(
                argument.get("channel", ""), argument.get("marketType"), argument.get("pricerOnly")
            )
        except (Misuse, TypeError):
            return self._error(INVALID_CHANNEL, "invalid channel")
        if channel.private and not self.authenticated(now):
            return self._error(PERMISSION_DENIED, "login first")
        (self.subscribed.add if verb == "subscribe" else self.subscribed.discard)(channel)
        return {"event": verb, "arg": channel.argument, "connId": self._connection}

    def _error(self, code: int, message: str) -> dict[str, Any]:
        if self._dialect is not OFFICIAL:
            return {"cmd": "error", "error": {"code": code, "message": message}}
        return {"event": "error", "code": code, "msg": message, "connId": self._connection}

    def _draft(self, content: dict[str, Any], now: int) -> list[dict[str, Any] | str]:
        cmd, data = content.get("cmd"), content.get("data")
        if cmd == "login":
            token = data.get("accessToken") if isinstance(data, dict) else None
            if check_token(self._key, token, now):
                error = {"code": 401, "message": "Invalid access token"}
                return [{"cmd": "login", "status": "error", "error": error}]
            self._token = str(token)
            user = {"userId": "user_1", "username": "test", "permissions": ["market_data"]}
            return [{"cmd": "login", "status": "success", "data": user}]
        if cmd in ("subscribe", "unsubscribe"):
            answer = self._channel(cmd, content, now)
            if "arg" not in answer:
                code = answer["error"]["code"]
                answer["error"]["code"] = 403 if code == PERMISSION_DENIED else code
                return [answer]
            return [{"cmd": cmd, "status": "success", **answer["arg"]}]
        return [self._error(VALIDATION_FAILED, "cmd")]

    def token_expired(self) -> dict[str, Any] | None:
        """The draft's notice that a token is over; the official protocol has none."""
        self._token = ""
        if self._dialect is OFFICIAL:
            return None
        return {"cmd": "token_expired", "data": {"message": "Access token has expired"}}
