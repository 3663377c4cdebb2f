"""Who a session is on QFEX's trade socket, over all its connections.

`Login` makes what each dial and each login needs, and says whether to dial again: credentials that
the venue has refused are not tried twice, but tokens that renew themselves are renewed first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from payloads.errors import Misuse
from payloads.venues.common.endpoints import header_value
from payloads.venues.common.redactor import Redactor
from payloads.venues.common.session import Closed, Dial, Event, Reply, Request, Retry
from payloads.venues.qfex.auth import KEY_IN, HmacKey, Jwt, auth_message, check_nonce, dial_as
from payloads.venues.qfex.oauth import OAuth
from payloads.venues.qfex.requests import check_known

Credentials = HmacKey | Jwt | OAuth


class Login:
    """Credentials, what they make, and what the venue thinks of them.

    Everything secret in it is taken out by `redactor`.
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
        check_known("key_in", (key_in,), KEY_IN)
        self._nonces, self._key_in, self._redactor = nonces, key_in, redactor
        self._account = None if account_id is None else header_value(account_id, "account_id")
        self._drawn: deque[str] = deque(maxlen=256)
        self.renew(credentials)

    def renew(self, credentials: Credentials) -> None:
        """Use these from the next connection on."""
        self._credentials, self.refused = credentials, False
        if isinstance(credentials, OAuth):
            credentials.hide_in(self._redactor)
        elif isinstance(credentials, Jwt):
            self._redactor.add(credentials.token)
        else:
            # Public by name only: wherever else it goes, in a query or a header, it is hidden.
            self._redactor.add(credentials.public_key)
            self._redactor.add(credentials.secret)

    # --- what it makes ----------------------------------------------------------------------------

    def ready(self, now: int) -> bool:
        """Whether there is something to dial with, or nothing on its way."""
        return self._oauth is None or self._oauth.ready(now)

    def dial(self, url: str, now: int) -> Dial:
        """The upgrade."""
        dial = dial_as(self._held(), url, self._key_in, self._nonce, now)
        self._redactor.add(dict(dial.headers).get("x-qfex-hmac-signature"))
        return dial

    def message(self, now: int) -> dict[str, Any]:
        """The message that authenticates a connection."""
        held = self._held()
        nonce = "" if isinstance(held, Jwt) else self._nonce()
        message = auth_message(held, nonce, now, self._account)
        self._redactor.add(message["params"].get("hmac", {}).get("signature"))
        return message

    def _held(self) -> HmacKey | Jwt:
        if not isinstance(self._credentials, OAuth):
            return self._credentials
        # An old one may still do, by the venue's clock; no answer says more than a refusal.
        if (token := self._credentials.latest) is None:
            raise Misuse(
                "no token yet", expected="the requests of take_requests, and their replies"
            )
        return token

    def _nonce(self) -> str:
        nonce = check_nonce(self._nonces())
        if nonce in self._drawn:
            raise Misuse("a nonce given twice", field="nonce", expected="unique for 15 minutes")
        self._drawn.append(nonce)
        return nonce

    # --- what the venue thinks of it --------------------------------------------------------------

    def accepted(self) -> None:
        self.refused = False
        if self._oauth:
            self._oauth.accepted()

    def after_upgrade(self, status: int, retry: Retry) -> Retry:
        """Whether to dial again after an upgrade that was answered with a status."""
        if status == 401 and self._oauth:
            return self._after_refusal(self._oauth, retry.why)
        return retry

    def after_close(self, retry: Retry, refused: bool, now: int) -> Retry:
        """Whether to dial again after a connection; `refused` if the venue closed it to say no."""
        refused = refused or self.refused
        if self._oauth:
            self._oauth.step(now)
            retry = self._after_refusal(self._oauth, retry.why) if refused else retry
        elif isinstance(self._credentials, Jwt) and self._credentials.expired(now):
            retry = Retry(False, f"the JWT has expired: renew it first ({retry.why})")
        elif refused:
            retry = Retry(False, f"the venue does not accept the credentials ({retry.why})")
        self.refused = self.refused and not retry.again
        return retry

    def _after_refusal(self, oauth: OAuth, why: str) -> Retry:
        """A token that was refused is renewed once before the next dial."""
        again = oauth.refused()
        return Retry(
            again, f"the token was refused: renewing it ({why})" if again else oauth.stopped
        )

    # --- tokens that renew themselves -------------------------------------------------------------

    @property
    def _oauth(self) -> OAuth | None:
        return self._credentials if isinstance(self._credentials, OAuth) else None

    def due(self, now: int) -> int | None:
        """When `step` has something to do."""
        return self._oauth.due(now) if self._oauth else None

    def step(self, now: int) -> None:
        """Time has passed: ask for a token if one is wanted."""
        if self._oauth:
            self._oauth.step(now)

    def take_requests(self) -> list[Request]:
        return self._oauth.take_requests() if self._oauth else []

    def replied(self, reply: Reply, now: int, *, is_open: bool) -> list[Event]:
        """The answer to a request. Without a token there is no dialling, which ends as one does."""
        if not self._oauth:
            return []
        events = self._oauth.replied(reply, now)
        if events and not is_open and self._oauth.token(now) is None:
            events.append(Closed(1006, "", self._without_token(self._oauth, now)))
        return events

    def _without_token(self, oauth: OAuth, now: int) -> Retry:
        oauth.ask()
        if oauth.stopped:
            return Retry(False, oauth.stopped)
        return Retry(True, "no token yet", oauth.pause(now))
