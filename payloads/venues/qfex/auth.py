"""Authentication on QFEX's trade socket: an HMAC key, a JWT, or a function that returns a JWT.

A signature covers a nonce and the time, and is made anew for each use. The account is not signed.

A `TokenSource` is called once for each connection, on the event loop: it must not block. If it
fails, the session reports `Rejected` with the code "no token" and tries again later. If the venue
refuses its token, it is asked for another; the second refusal in a row ends the connection.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from msgspec.structs import replace

from payloads.errors import Misuse
from payloads.venues.common.endpoints import header_value
from payloads.venues.common.jwt import jwt_expired
from payloads.venues.common.redactor import Redactor, Secret
from payloads.venues.common.session import SECOND, Dial, Retry

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


# A `Secret` is a JWT, which the caller renews before it expires: `session.renew`.
Held = HmacKey | Secret
TokenSource = Callable[[], str | Secret]
Credentials = Held | TokenSource


def sign(secret: Secret, nonce: str, unix_ts: int) -> str:
    """The HMAC-SHA256, in hex, of `nonce:unix_ts` with the time in seconds."""
    text = f"{nonce}:{unix_ts}".encode()
    return hmac.new(secret.reveal().encode(), text, hashlib.sha256).hexdigest()


def check_nonce(nonce: str) -> str:
    """`nonce`, if the venue would take it."""
    if not isinstance(nonce, str) or not _NONCE.fullmatch(nonce):
        raise Misuse("not a nonce", field="nonce", expected="1 to 100 hex digits")
    return nonce


_HEADERS = {
    "x-qfex-public-key": "public_key",
    "x-qfex-hmac-signature": "signature",
    "x-qfex-nonce": "nonce",
    "x-qfex-timestamp": "unix_ts",
}
_SECRET_HEADERS = ("Authorization", "x-qfex-public-key", "x-qfex-hmac-signature")


class Login:
    """The credentials of a session, over all its connections.

    `refused` says that the venue has refused them, `no_token` why there is no token to dial with.
    `redactor` learns every secret.
    """

    def __init__(
        self,
        credentials: Credentials,
        nonces: Callable[[], str],
        *,
        account_id: str | None,
        key_in: str,
        redactor: Redactor,
    ) -> None:
        if key_in not in KEY_IN:
            raise Misuse("no such key_in", field="key_in", expected=", ".join(KEY_IN))
        self._nonces, self._key_in, self._redactor = nonces, key_in, redactor
        self._account = None if account_id is None else header_value(account_id, "account_id")
        self._drawn: deque[str] = deque(maxlen=256)
        self.renew(credentials)

    def renew(self, credentials: Credentials) -> None:
        """Use other credentials from the next connection on."""
        self.refused = self._refused_before = False
        self._source: TokenSource | None = None
        self._held: Held | None = None
        self.no_token = ""
        if isinstance(credentials, HmacKey):
            # Public by name only: wherever else it goes, in a query or a header, it is hidden.
            self._redactor.add(credentials.public_key)
            self._redactor.add(credentials.secret)
            self._held = credentials
        elif isinstance(credentials, Secret):
            self._held = self._jwt(credentials)
        elif callable(credentials):
            self._source, self.no_token = credentials, "no token yet"
        else:
            expected = "an HmacKey, a JWT as Secret, or a function that returns a JWT"
            raise Misuse("no such credentials", field="credentials", expected=expected)

    def dial(self, plain: Dial, now: int) -> Dial:
        """The upgrade, with the key where it is wanted. A token source is called here."""
        if self._source is not None:
            self._held = self._new_token(self._source, now)
        held = self._held
        if held is None or self._key_in == "none":
            return plain
        if self._key_in == "query":
            name = "jwt" if isinstance(held, Secret) else "api_key"
            key = held.reveal() if isinstance(held, Secret) else held.public_key
            query = f"/?{name}={quote(key, safe='')}"
            return replace(plain, url=plain.url + query, secret_parameters=(name,))
        if isinstance(held, Secret):
            headers = {"Authorization": f"Bearer {held.reveal()}"}
        else:
            proof = self._proof(held, now)
            headers = {header: str(proof[name]) for header, name in _HEADERS.items()}
        headers |= dict(plain.headers)
        return replace(plain, headers=tuple(headers.items()), secret_headers=_SECRET_HEADERS)

    def _jwt(self, token: Secret) -> Secret:
        self._redactor.add(token)
        header_value(token.reveal(), "jwt")
        return token

    def _new_token(self, source: TokenSource, now: int) -> Secret | None:
        try:
            token = source()
            token = self._jwt(token if isinstance(token, Secret) else Secret(token))
        except Exception as error:  # it is the caller's code: anything may come out of it
            # Its words are left out, because they may hold a credential.
            self.no_token = f"the token source failed: {type(error).__name__}"
            return None
        expired = jwt_expired(token, now)
        self.no_token = "the token source returned an expired token" if expired else ""
        return None if self.no_token else token

    def message(self, now: int) -> dict[str, Any] | None:
        """The message that authenticates a connection; None if there is no token."""
        if self._held is None:
            return None
        params: dict[str, Any] = {"account_id": self._account} if self._account else {}
        if isinstance(self._held, Secret):
            params = {"jwt": self._held.reveal()} | params
        else:
            params = {"hmac": self._proof(self._held, now)} | params
        return {"type": "auth", "params": params}

    def _proof(self, key: HmacKey, now: int) -> dict[str, Any]:
        """The parameters that prove possession of the key at this moment."""
        nonce, seconds = self._nonce(), now // SECOND
        signature = sign(key.secret, nonce, seconds)
        self._redactor.add(signature)
        proof = {"public_key": key.public_key, "nonce": nonce, "unix_ts": seconds}
        return {**proof, "signature": signature}

    def _nonce(self) -> str:
        nonce = check_nonce(self._nonces())
        if nonce in self._drawn:
            raise Misuse("a nonce given twice", field="nonce", expected="unique for 15 minutes")
        self._drawn.append(nonce)
        return nonce

    # --- what the venue says of it ----------------------------------------------------------------

    def accepted(self) -> None:
        self.refused = self._refused_before = False

    def after_upgrade(self, status: int, retry: Retry) -> Retry:
        """Whether to dial again after an upgrade that was answered with an HTTP status."""
        if self.no_token:
            return Retry(True, self.no_token, retry.at_least)
        return self._after_refusal(retry.why) if status == 401 and self._source else retry

    def after_close(self, retry: Retry, refused: bool, now: int) -> Retry:
        """Whether to dial again after a connection; `refused` if the venue closed it to say no."""
        fixed = self._held if self._source is None else None
        if isinstance(fixed, Secret) and jwt_expired(fixed, now):
            retry = Retry(False, f"the JWT has expired: renew it first ({retry.why})")
        elif refused or self.refused:
            retry = self._after_refusal(retry.why)
        self.refused = self.refused and not retry.again
        return retry

    def _after_refusal(self, why: str) -> Retry:
        """Credentials are not tried twice, but a token source may have a better token."""
        if self._source is None or self._refused_before:
            return Retry(False, f"the venue does not accept the credentials ({why})")
        self._refused_before = True
        return Retry(True, f"the token was refused: asking for another ({why})")
