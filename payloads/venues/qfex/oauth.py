"""Tokens for QFEX's trade socket by OAuth: got with a code (PKCE) or a refresh token, and renewed.

    verifier = secrets.token_urlsafe(32)
    print(authorize_url(client_id, redirect_uri, state, verifier))   # for a person's browser
    code = code_in(callback, state)                                  # where it was sent back to
    tokens = OAuth(client_id, code=Code(code, verifier, redirect_uri))

or, with the refresh token of an earlier login, `OAuth(client_id, refresh_token)`. Given to
`QfexTradeSession` instead of a `Jwt`, it asks for a token before the first dial, renews it a margin
before it ends, so that a reconnect never meets one that is over, and once more if the venue refuses
one. A refresh token is good once: keep the one that each `TokensRenewed` brings, or have it handed
to `keep` in the moment it comes.

Endpoints, grants and members are those of the venue's own client. That client renews at another
path, `/auth/v1/token?grant_type=refresh_token`; here both grants go to the documented token
endpoint, with the client's id, as the OAuth server behind it wants it. The lifetime is taken from
the token's own `exp`, else from `expires_in`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from payloads.abi.fields import Record
from payloads.errors import Malformed, Misuse, Refused, elide
from payloads.venues.common.endpoints import address
from payloads.venues.common.http_words import said, status_code, wait_asked, worth_retrying
from payloads.venues.common.json_text import parse_json
from payloads.venues.common.jwt import jwt_expiry
from payloads.venues.common.redactor import Redactor, Secret
from payloads.venues.common.session import SECOND, Broken, Event, Rejected, Reply, Request
from payloads.venues.qfex.auth import Jwt

OAUTH_ENDPOINTS = {"mainnet": "https://verify.qfex.com", "uat": "https://verify.qfex.io"}
AUTHORIZE, TOKEN = "/auth/v1/oauth/authorize", "/auth/v1/oauth/token"
PURPOSE = "qfex token"
# The venue's own client renews a minute ahead.
MARGIN = 60 * SECOND
_PAUSE = 5 * SECOND
_LONGEST_PAUSE = 300 * SECOND
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_TOKEN = re.compile(r"[!-~]{1,16384}")


def code_challenge(verifier: str) -> str:
    """The challenge of a PKCE verifier, by S256 (RFC 7636)."""
    if not _VERIFIER.fullmatch(verifier):
        expected = "43 to 128 letters, digits and -._~"
        raise Misuse("not a code verifier", field="verifier", expected=expected)
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def authorize_url(
    client_id: str, redirect_uri: str, state: str, verifier: str, *, endpoint: str = "mainnet"
) -> str:
    """Where a person logs in; the browser comes back to `redirect_uri` with a code."""
    query = {
        "client_id": client_id,
        "response_type": "code",
        "redirect_uri": redirect_uri,
        "state": state,
        "code_challenge": code_challenge(verifier),
        "code_challenge_method": "S256",
    }
    return f"{_base(endpoint)}{AUTHORIZE}?{urlencode(query)}"


def code_in(callback: str, state: str) -> Secret:
    """The code in the URL that the browser came back to; `Refused` if it is not for this login."""
    given = {name: values[0] for name, values in parse_qs(urlsplit(callback).query).items()}
    if not hmac.compare_digest(given.get("state", "").encode(), state.encode()):
        raise Refused("not the answer to this login", field="state", expected="the state it began")
    if "code" not in given:
        why = given.get("error_description") or given.get("error") or "no code"
        raise Refused(f"the login failed: {elide(why, 200)}", field="code")
    return Secret(given["code"])


def _base(endpoint: str) -> str:
    return address(endpoint, OAUTH_ENDPOINTS, ("https", "http"))


class Code(Record, frozen=True):
    """What a login gave, good for one exchange."""

    code: Secret
    verifier: Secret
    redirect_uri: str


class TokensRenewed(Event, frozen=True):
    """A new token is in use. Keep `refresh_token`: the one before it is no longer good.

    `expires_at` is in nanoseconds, None where nothing says it.
    """

    expires_at: int | None
    refresh_token: Secret | None


class OAuth:
    """The tokens of one login. A session drives it: requests out, answers in."""

    def __init__(
        self,
        client_id: str,
        refresh_token: Secret | None = None,
        *,
        code: Code | None = None,
        access_token: Secret | None = None,
        endpoint: str = "mainnet",
        margin: int = MARGIN,
        keep: Callable[[Secret], None] | None = None,
    ) -> None:
        if refresh_token is None and code is None:
            raise Misuse("nothing to get a token with", field="refresh_token",
                         expected="it, or a code")  # fmt: skip
        self._url = _base(endpoint) + TOKEN
        self._client_id, self._margin, self._keeps = client_id, margin, keep
        self._refresh, self._code = refresh_token, code
        self._redactor = Redactor()
        self._token = None if access_token is None else Jwt(access_token)
        self._expires = jwt_expiry(access_token.reveal()) if access_token else None
        self._renew_at = None if self._expires is None else self._expires - margin
        self._requests: list[Request] = []
        self._waiting = self._refused_once = False
        self._not_before, self._pause = 0, _PAUSE
        self._stopped = ""
        self.hide_in(self._redactor)
        if self._token is None:
            self.ask()

    def __repr__(self) -> str:
        return "OAuth(…)"

    def hide_in(self, redactor: Redactor) -> None:
        """Have every token and code, now and later, taken out by this redactor."""
        self._redactor = redactor
        held = [self._refresh, self._token.token if self._token else None]
        held += [self._code.code, self._code.verifier] if self._code else []
        for secret in held:
            redactor.add(secret)

    @property
    def stopped(self) -> str:
        """Why no token will come any more, if none will."""
        return self._stopped

    @property
    def latest(self) -> Jwt | None:
        """The access token, valid or not."""
        return self._token

    def token(self, now: int) -> Jwt | None:
        """The access token, while it is valid."""
        return self._token if self._expires is None or now < self._expires else None

    def ready(self, now: int) -> bool:
        """Whether the token is valid, or none is on its way."""
        return self.token(now) is not None or not self._waiting

    def pause(self, now: int) -> int:
        """How long to wait before the next request, after one that failed."""
        return max(0, self._not_before - now)

    def due(self, now: int) -> int | None:
        """When `step` has something to do."""
        if self._waiting or self._stopped:
            return None
        if self._token is None:
            return max(now, self._not_before)
        return None if self._renew_at is None else max(self._renew_at, self._not_before)

    def step(self, now: int) -> None:
        """Time has passed: ask for a token if one is wanted."""
        if (due := self.due(now)) is not None and now >= due:
            self.ask()

    def ask(self) -> None:
        """Queue the request for the next token."""
        if self._waiting or self._stopped:
            return
        if self._code is None and self._refresh is None:
            self._stopped = "the token is over, and there is no refresh token"
            return
        body = urlencode(self._form()).encode()
        headers = (("Content-Type", "application/x-www-form-urlencoded"),)
        self._requests = [Request("POST", self._url, headers, body, PURPOSE, secret_reply=True)]
        self._waiting = True

    def _form(self) -> dict[str, str]:
        if self._code is not None:
            return {
                "grant_type": "authorization_code",
                "code": self._code.code.reveal(),
                "code_verifier": self._code.verifier.reveal(),
                "redirect_uri": self._code.redirect_uri,
                "client_id": self._client_id,
            }
        assert self._refresh is not None
        token = self._refresh.reveal()
        return {
            "grant_type": "refresh_token",
            "refresh_token": token,
            "client_id": self._client_id,
        }

    def take_requests(self) -> list[Request]:
        taken, self._requests = self._requests, []
        return taken

    # --- what the venue made of a token -----------------------------------------------------------

    def accepted(self) -> None:
        """The venue took the token."""
        self._refused_once = False

    def refused(self) -> bool:
        """The venue did not take the token; whether there is a point in trying with a new one."""
        if self._refused_once:
            self._stopped = self._stopped or "the venue takes no token that it gave"
        self._refused_once = True
        self._token = self._expires = None
        self.ask()
        return not self._stopped

    # --- answers ----------------------------------------------------------------------------------

    def replied(self, reply: Reply, now: int) -> list[Event]:
        """The answer to a request of this login; answers to anything else are ignored."""
        if reply.purpose != PURPOSE or not self._waiting:
            return []
        self._waiting = False
        if reply.status // 100 != 2:
            return [self._failed(reply, now)]
        try:
            return [self._keep(parse_json(reply.body), now)]
        except Malformed as error:
            self._later(now)
            # The answer itself may hold a token, so it is not passed on.
            return [Broken(error, f"({len(reply.body)} bytes in answer to {reply.purpose})")]

    def _failed(self, reply: Reply, now: int) -> Rejected:
        body = self._redactor.clean(reply.body)
        code, words = _refusal(reply.status, body)
        if worth_retrying(reply.status):
            self._later(now, wait_asked(reply.headers, now))
            meaning = "no token for now: try again later"
        else:
            self._stopped = meaning = f"no token is given any more ({code}): log in again"
        message = words or said(body, self._redactor)
        return Rejected(code, elide(message, 300), meaning, "oauth")

    def _later(self, now: int, at_least: int = 0) -> None:
        self._not_before = now + max(at_least, self._pause)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def _keep(self, content: Any, now: int) -> TokensRenewed:
        given = content if isinstance(content, dict) else {}
        token, refresh = given.get("access_token"), given.get("refresh_token")
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise Malformed("no token", field="access_token", expected="text")
        lifetime = given.get("expires_in")
        expires = jwt_expiry(token)
        if expires is None and type(lifetime) is int and 0 < lifetime < 2**31:
            expires = now + lifetime * SECOND
        if expires is not None and expires <= now:
            raise Malformed("a token that has expired already", field="access_token")
        self._redactor.add(token)
        self._token, self._expires, self._code = Jwt(Secret(token)), expires, None
        if isinstance(refresh, str) and refresh:
            self._refresh = Secret(refresh)
            self._redactor.add(refresh)
            if self._keeps is not None:
                self._keeps(self._refresh)
        # One that lives hardly longer than the margin must not make us ask all the time.
        self._renew_at = None
        if expires is not None:
            self._renew_at = max(expires - self._margin, now + (expires - now) // 2)
        self._pause, self._not_before = _PAUSE, now
        return TokensRenewed(expires, self._refresh)


def _refusal(status: int, body: bytes) -> tuple[str, str]:
    """An OAuth error's code and words; the HTTP status where it has none."""
    try:
        content = parse_json(body)
    except Malformed:
        content = None
    fields = content if isinstance(content, dict) else {}
    code, words = fields.get("error"), fields.get("error_description")
    return (
        elide(code, 80) if isinstance(code, str) and code else status_code(status),
        words if isinstance(words, str) else "",
    )
