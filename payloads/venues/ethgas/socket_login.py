"""Logging in on an ETHGas socket: when, with which token, and what a refusal means.

    NO_LOGIN ──> WANTED ──> ASKED ──> LOGGED_IN ──> RENEWING ──> LOGGED_IN
                   ^          │           │             │
                   └──────────┴───────────┴─────────────┘ no answer, a refusal that may pass,
                                                          or the end of the token

OUT follows any of them after a logout or a refusal for good, until the connection is closed. The
tokens are `EthgasLogin`'s; the state is that of the login on this connection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from payloads.venues.common.redactor import Redactor, Secret
from payloads.venues.common.session import (
    NO_ANSWER,
    NOT_ASKED,
    SECOND,
    Authenticated,
    Event,
    Missing,
    Rejected,
)
from payloads.venues.common.timers import Timeout
from payloads.venues.ethgas.auth import EthgasLogin
from payloads.venues.ethgas.codes import FORBIDDEN, RATE_LIMITED, meaning
from payloads.venues.ethgas.protocol import Dialect

LOGIN_WITHIN = 15 * SECOND
RATE_PAUSE = 30 * SECOND
# A login that fails with a new token will fail with the next token too.
MOST_FAILURES = 2


class LoginState(Enum):
    """How far the login on a connection has come."""

    NO_LOGIN = "no login"
    WANTED = "wanted"
    ASKED = "asked"
    LOGGED_IN = "logged in"
    RENEWING = "renewing"
    OUT = "out"


NO_LOGIN, WANTED, ASKED, LOGGED_IN, RENEWING, OUT = LoginState
# The states that may follow each state, besides NO_LOGIN.
TRANSITIONS: dict[LoginState, frozenset[LoginState]] = {
    NO_LOGIN: frozenset({WANTED}),
    WANTED: frozenset({ASKED, LOGGED_IN, OUT}),
    ASKED: frozenset({LOGGED_IN, WANTED, OUT}),
    LOGGED_IN: frozenset({RENEWING, WANTED, OUT}),
    RENEWING: frozenset({LOGGED_IN, WANTED, OUT}),
    OUT: frozenset(),
}


def _meaning(code: int) -> str:
    """A refused login's code in words. The general table has 1 for success; a login has 0."""
    return "not the code of a login that is accepted, which is 0" if code == 1 else meaning(code)


class SocketLogin:
    """The login on one connection. `gave_up` says why there will be none, if so."""

    def __init__(
        self,
        login: EthgasLogin | None,
        dialect: Dialect,
        redactor: Redactor,
        send: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self._login, self._dialect, self._redactor, self._send = login, dialect, redactor, send
        self.state = NO_LOGIN
        self._sent_token: Secret | None = None
        # Whether a login was accepted on this connection.
        self.was_in = False
        self.answer = Timeout(LOGIN_WITHIN)
        self.pause = Timeout(RATE_PAUSE)
        self._failures = 0
        self.gave_up = ""
        # Over all connections: when a login was asked for first, and whether one was accepted.
        self._asked_at = 0
        self._came = False

    @property
    def authenticated(self) -> bool:
        """Whether the venue accepted a login on this connection."""
        return self.state in (LOGGED_IN, RENEWING)

    @property
    def missing(self) -> dict[str, Missing]:
        """The login, if none has been accepted so far, on any connection."""
        if self._login is None or self._came or self.gave_up:
            return {}
        return {"login": Missing(NO_ANSWER if self._asked_at else NOT_ASKED, self._asked_at)}

    @property
    def asking(self) -> bool:
        """Whether an answer is due."""
        return self.state in (ASKED, RENEWING)

    @property
    def inside(self) -> bool:
        """Whether what is private can be asked for now."""
        return self.state is LOGGED_IN

    @property
    def ahead(self) -> bool:
        """Whether a login is still to come."""
        return self.state is WANTED

    def opened(self) -> None:
        self.closed()
        if self._login:
            self._move(WANTED)

    def closed(self) -> None:
        """Forget what belonged to the connection."""
        self.state, self._sent_token, self.gave_up = NO_LOGIN, None, ""
        self.was_in = False
        self.answer.stop()
        self.pause.stop()

    # --- towards a login --------------------------------------------------------------------------

    def late(self, now: int) -> list[Event]:
        """The events for a login without an answer."""
        self.pause.expired(now)
        if not self.answer.expired(now):
            return []
        self._sent_token = None
        self._move(WANTED)
        self.pause.start(now)
        return [Rejected(NO_ANSWER, "", "no answer to the login", "login")]

    def step(self, now: int, may: bool) -> list[Event]:
        """Renew the token if that is due, and send it if it is new and there `may` be a login."""
        if self._login is None:
            return []
        events = self._login.step(now)
        if may and self.state in (WANTED, LOGGED_IN) and self.pause.deadline is None:
            events += self._log_in(self._login, now)
        return events

    def _log_in(self, login: EthgasLogin, now: int) -> list[Event]:
        token = login.token(now)
        if token is None and not login.can_renew:
            self._move(OUT)
            words = login.stopped or "the token has expired, and nothing can renew it"
            self.gave_up = words
            return [Rejected("no token", "", words, "login")]
        if token is None or token == self._sent_token:
            return []
        self._redactor.add(token)
        self._send(self._dialect.login(token.reveal()))
        self._sent_token = token
        self._asked_at = self._asked_at or now
        self.answer.start(now)
        # A renewed token does not interrupt what the old one has opened.
        self._move(RENEWING if self.state is LOGGED_IN else ASKED)
        return []

    def leave(self) -> bool:
        """Log out, if that means anything now; what is private ends with it."""
        if self.state is not LOGGED_IN:
            return False
        self._send(self._dialect.logout())
        self._move(OUT)
        return True

    # --- answers ----------------------------------------------------------------------------------

    def accepted(self, detail: str) -> list[Event]:
        self._failures, self.gave_up = 0, ""
        self.was_in = self._came = True
        self._move(LOGGED_IN)
        self.answer.stop()
        return [Authenticated(detail)]

    def refused(self, code: int, message: str, now: int) -> list[Event]:
        """The login was refused; the code decides whether the session logs in again."""
        self.answer.stop()
        self._sent_token = None
        self._failures += 1
        if code in RATE_LIMITED:
            self._move(WANTED)
            self.pause.start(now)
        elif code in FORBIDDEN or self._failures > MOST_FAILURES or self._login is None:
            self._move(OUT)
            self.gave_up = f"{code}: {_meaning(code)}"
        else:
            # Whatever the code says: 1001 alone has two meanings, and a new token settles it.
            self._move(WANTED)
            self._login.expire()
        return [Rejected(str(code), message, _meaning(code), "login")]

    def expired(self) -> bool:
        """The venue says that the token has ended; whether a login has ended with it."""
        if self._login is None or not (self.authenticated or self.asking):
            return False
        self._sent_token = None
        self._move(WANTED)
        self.answer.stop()
        self._login.expire()
        return True

    def dial_refused(self) -> bool:
        """The venue refused the token in the upgrade's header; whether to dial with another."""
        if self._login is None:
            return False
        self._failures += 1
        self._login.expire()  # the next dial goes without it, and a new one is fetched
        return self._failures <= MOST_FAILURES

    def _move(self, state: LoginState) -> None:
        """A server may say anything at any time: what the table does not have changes nothing."""
        if state in TRANSITIONS[self.state]:
            self.state = state
