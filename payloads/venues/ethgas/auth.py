"""ETHGas tokens: the REST login that is signed by EIP-712, and a token's life.

`EthgasLogin` says which HTTP requests to make and takes their answers; it holds the private key,
and never raises for anything that a server answers.

A server that may choose what a key signs could have it sign away what the key owns. So the login
signs only what can be nothing but a login: a domain with the venue's name and without a contract,
and a message that consists of text alone. Anything else is refused before it is hashed.

A token is renewed a margin before the `exp` of its JWT, by the refresh token, else by a new login.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

import msgspec

from payloads.crypto import address_of, checksum
from payloads.errors import Malformed, Misuse, PayloadError, Refused, elide
from payloads.venues.common.endpoints import header_value
from payloads.venues.common.http_words import said, status_code, wait_asked, worth_retrying
from payloads.venues.common.json_text import parse_json
from payloads.venues.common.jwt import jwt_expiry
from payloads.venues.common.redactor import Redactor, Secret
from payloads.venues.common.session import (
    NO_ANSWER,
    SECOND,
    Broken,
    Event,
    Rejected,
    Reply,
    Request,
)
from payloads.venues.common.timers import RetryTimer, Timeout
from payloads.venues.ethgas.eip712 import (
    DOMAIN,
    DOMAIN_FIELDS,
    not_typed_data,
    private_key_bytes,
    signature_of,
    struct_types,
    typed_data_digest,
)
from payloads.venues.ethgas.protocol import OFFICIAL, Dialect

# --- what a login may be --------------------------------------------------------------------------

LOGIN_NAME = "ETHGas Login"
_PLAIN_DOMAIN = frozenset(DOMAIN_FIELDS.items())


def check_login_data(data: Any, name: str = LOGIN_NAME) -> dict[str, Any]:
    """The typed data; `Refused` unless signing it can mean nothing but logging in."""
    if not isinstance(data, dict):
        raise not_typed_data("eip712Message", "an object", data)
    domain, types, primary = data.get("domain"), struct_types(data), data.get("primaryType")
    if not isinstance(domain, dict) or domain.get("name") != name:
        raise Refused("not a login: the domain has another name", expected=repr(name))
    if ("name", "string") not in types[DOMAIN] or not set(types[DOMAIN]) <= _PLAIN_DOMAIN:
        raise Refused("not a login: the domain's own type is another", field=f"types.{DOMAIN}")
    contract = domain.get("verifyingContract", "0x0")
    if not isinstance(contract, str) or not re.fullmatch(r"0x0{1,40}", contract):
        raise Refused("not a login: a contract would take this signature", field="domain")
    if not isinstance(primary, str) or primary == DOMAIN:
        raise not_typed_data("primaryType", "a type of this message", primary)
    fields = types.get(primary, [])
    if not fields or any(kind != "string" for _, kind in fields):
        raise Refused("not a login: a message of more than text", field=f"types.{elide(primary)}")
    return data


# --- tokens ---------------------------------------------------------------------------------------


class TokenRenewed(Event, frozen=True):
    """A new access token is in use. `by` is login or refresh; the times are nanoseconds."""

    by: str
    expires_at: int


_LIFETIME = 3600 * SECOND
# A session ends after 7 days, and then only a full login helps.
_SESSION = 7 * 24 * 3600 * SECOND
_MARGIN = 300 * SECOND
_ANSWER_WITHIN = 30 * SECOND
_PAUSE = 5 * SECOND
_LONGEST_PAUSE = 300 * SECOND
_MOST_COOKIES = 16
_COOKIE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,128})=([!#-+\--:<-\[\]-~]{0,4096})")
_REFRESH_COOKIE = "x_auth_refresh_token"


class EthgasLogin:
    """The tokens of one account. Give it a private key, or an access token of your own, or both.

    `endpoint` is where the REST API is: a name of the dialect's, its host, or the socket's URL.

    `deadline` says when to call `step`, which queues the request that is next, if one is; answers
    go to `replied`. `token` is the access token while it is valid.
    """

    def __init__(
        self,
        *,
        private_key: Secret | None = None,
        access_token: Secret | None = None,
        refresh_token: Secret | None = None,
        account_name: str | None = None,
        endpoint: str = "mainnet",
        margin: int = _MARGIN,
        login_name: str = LOGIN_NAME,
        dialect: Dialect = OFFICIAL,
    ) -> None:
        if private_key is None and access_token is None:
            raise Misuse("no credentials", field="private_key", expected="it, or an access token")
        self._base, self._dialect = dialect.rest_url(endpoint), dialect
        self._key, self._name, self._login_name = private_key, account_name, login_name
        self._address = checksum(address_of(private_key_bytes(private_key))) if private_key else ""
        self._margin = margin
        self.redactor = Redactor(private_key, access_token, refresh_token)
        if private_key:
            self.redactor.add(private_key.reveal().removeprefix("0x"))
        self._refresh, self._cookies = refresh_token, dict[str, Secret]()
        self._token: Secret | None = None
        self._expires = self._session_until = 0
        self._requests: list[Request] = []
        # The request that is under way, and when to give it up.
        self._waiting = ""
        self._answer = Timeout(_ANSWER_WITHIN)
        # Before it, no request is made.
        self._retry = RetryTimer(_PAUSE, _LONGEST_PAUSE)
        self._stopped = ""
        self._force_login = False
        if access_token:
            header_value(access_token.reveal(), "access_token")
            self._token, self._expires = access_token, jwt_expiry(access_token.reveal()) or 2**63

    def __repr__(self) -> str:
        return f"EthgasLogin({self._address or 'by token'})"

    @property
    def address(self) -> str:
        """The account's address, if there is a private key."""
        return self._address

    @property
    def stopped(self) -> str:
        """Why no token will come any more, if none will."""
        return self._stopped

    def token(self, now: int) -> Secret | None:
        """The access token, while it is valid."""
        return self._token if now < self._expires else None

    @property
    def can_renew(self) -> bool:
        return not self._stopped and bool(self._key or self._refresh)

    def expire(self) -> None:
        """The venue says that the token is not valid (any more)."""
        self._expires, self._force_login = 0, self._key is not None
        if not self.can_renew:
            self._stopped = self._stopped or "the token is not valid, and nothing can renew it"

    @property
    def deadline(self) -> int | None:
        """When `step` has something to do; 0 for as soon as possible."""
        if self._waiting:
            return self._answer.deadline
        if not self.can_renew:
            return None
        renewal = self._expires - self._margin if self._expires else 0
        return max(renewal, self._retry.deadline or 0)

    def start(self, now: int) -> None:
        """For a session's list of timers, in which this goes on over all connections."""

    def stop(self) -> None:
        """Likewise."""

    def step(self, now: int) -> list[Event]:
        """Time has passed: queue a login or a refresh if the token wants one."""
        events: list[Event] = []
        if self._answer.expired(now):
            events.append(Rejected(NO_ANSWER, "", "no answer from the REST API", self._waiting))
            self._later(now)
        due = self.deadline
        if due is not None and now >= due and not self._waiting:
            self._begin(now)
        return events

    def take_requests(self) -> list[Request]:
        taken, self._requests = self._requests, []
        return taken

    def _begin(self, now: int) -> None:
        by_login = self._force_login or now >= self._session_until
        if (self._refresh is None or by_login) and self._key:
            form = {"addr": self._address, **({"name": self._name} if self._name else {})}
            self._ask("login", form, now)
        elif self._refresh:
            self._ask("login/refresh", {"refreshToken": self._refresh.reveal()}, now)

    def _ask(self, what: str, form: dict[str, str], now: int) -> None:
        """Parameters go as a form: a query would appear in the logs of servers and proxies."""
        as_json = self._dialect.json_refresh and what == "login/refresh"
        kind = "application/json" if as_json else "application/x-www-form-urlencoded"
        headers = [("Content-Type", kind)]
        body = msgspec.json.encode(form) if as_json else urlencode(form).encode()
        if self._cookies:
            pairs = (f"{name}={value.reveal()}" for name, value in self._cookies.items())
            headers.append(("Cookie", "; ".join(pairs)))
        if self._token and what == "login/refresh":
            headers.append(("Authorization", f"Bearer {self._token.reveal()}"))
        url = f"{self._base}/api/v1/user/{what}"
        purpose = f"ethgas {what}"
        request = Request("POST", url, tuple(headers), body, purpose, secret_reply=True)
        self._requests.append(request)
        self._waiting = purpose
        self._answer.start(now)

    def _later(self, now: int, at_least: int = 0) -> None:
        """Nothing came of it: begin again after a pause that doubles."""
        self._answered()
        self._retry.failed(now, at_least)

    def _answered(self) -> None:
        self._waiting = ""
        self._answer.stop()

    # --- answers ----------------------------------------------------------------------------------

    def replied(self, reply: Reply, now: int) -> list[Event]:
        """The answer to a request of this login; answers to anything else are ignored."""
        if not self._waiting or reply.purpose != self._waiting:
            return []
        self._keep_cookies(reply)
        if reply.status // 100 != 2:
            return self._refused(reply, now)
        try:
            return self._accepted(reply, now)
        except PayloadError as error:
            self._later(now)
            if isinstance(error, Refused):  # a server that asks for this is not the venue
                self._stopped = str(error)
            # The answer itself may hold a token, so it is not passed on.
            return [Broken(error, f"({len(reply.body)} bytes in answer to {reply.purpose})")]

    def _keep_cookies(self, reply: Reply) -> None:
        for name, value in reply.headers:
            match = _COOKIE.match(value) if name.lower() == "set-cookie" else None
            room = len(self._cookies) < _MOST_COOKIES
            if match and match[2] and (match[1] in self._cookies or room):
                self._cookies[match[1]] = Secret(match[2])
                self.redactor.add(match[2])
        if found := self._cookies.get(_REFRESH_COOKIE):
            self._refresh = found

    def _refused(self, reply: Reply, now: int) -> list[Event]:
        words = {
            401: "the credentials are not valid",
            403: "permission denied",
            429: "rate limited",
        }
        meaning = words.get(reply.status, "the REST API refused")
        what = self._waiting
        if worth_retrying(reply.status):
            self._later(now, wait_asked(reply.headers, now))
        elif what == "ethgas login/refresh" and self._key:
            self._later(now)  # the session is over; log in again, at once
            self._retry.at(now)
            self._force_login = True
        else:
            self._answered()
            self._stopped = f"{what}: {status_code(reply.status)}, {meaning}"
        message = said(reply.body, self.redactor)
        return [Rejected(status_code(reply.status), message, meaning, what)]

    def _accepted(self, reply: Reply, now: int) -> list[Event]:
        content = parse_json(reply.body)
        if isinstance(content, dict) and content.get("success") is False:
            return self._refused(reply, now)
        inner = content.get("data", content) if isinstance(content, dict) else None
        if not isinstance(inner, dict):
            raise Malformed("not an answer of the login", field="data", expected="an object")
        if self._waiting == "ethgas login":
            self._verify(inner, now)
            return []
        by = "refresh" if self._waiting.endswith("refresh") else "login"
        self._keep_token(inner, by, now)
        return [TokenRenewed(by, self._expires)]

    def _verify(self, answer: dict[str, Any], now: int) -> None:
        """Sign what the server gave, if it is a login, and send the signature."""
        message, nonce = answer.get("eip712Message"), answer.get("nonceHash")
        if not isinstance(nonce, str) or not 0 < len(nonce) <= 256:
            raise Malformed("no login to sign", field="nonceHash", expected="text")
        given = parse_json(message) if isinstance(message, str) else message
        data = check_login_data(given, self._login_name)
        assert self._key is not None
        signature = signature_of(self._key, typed_data_digest(data))
        self.redactor.add(signature)
        form = {"addr": self._address, "nonceHash": nonce, "signature": signature}
        self._ask("login/verify", form, now)

    def _keep_token(self, answer: dict[str, Any], by: str, now: int) -> None:
        token = _text_in(answer, "accessToken")
        if token is None or not re.fullmatch(r"[!-~]{1,16384}", token):
            raise Malformed("no token", field="data.accessToken", expected="text, or {token}")
        expires = jwt_expiry(token) or now + _LIFETIME
        if expires <= now:
            expected = "one that lasts; this machine's clock may be ahead"
            raise Malformed(
                "a token that has expired already", field="data.accessToken", expected=expected
            )
        self.redactor.add(token)
        self._token, self._expires = Secret(token), expires
        if refresh := _text_in(answer, "refreshToken"):
            self._refresh = Secret(refresh)
            self.redactor.add(refresh)
        if by == "login":
            self._session_until = now + _SESSION
        self._answered()
        self._force_login = False
        # A token that is short-lived must not make us ask without a pause.
        self._retry.reset()
        self._retry.at(now + _PAUSE)


def _text_in(answer: dict[str, Any], name: str) -> str | None:
    """A token, which is text in one version of the API and `{token}` in another."""
    found = answer.get(name)
    found = found.get("token") if isinstance(found, dict) else found
    return found if isinstance(found, str) and found else None
