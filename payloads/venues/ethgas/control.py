"""What ETHGas says about a connection itself, in either dialect, as records.

`control_of(content)` is None for a message of another kind, and raises `Malformed` for a broken
message of these kinds.
"""

from __future__ import annotations

from typing import Any

from payloads.abi.fields import Record
from payloads.errors import Malformed
from payloads.venues.ethgas.protocol import Channel
from payloads.venues.ethgas.updates import short_text


class LoggedIn(Record, frozen=True):
    """The login was accepted."""

    detail: str


class LoginRefused(Record, frozen=True):
    code: int
    message: str


class Refusal(Record, frozen=True):
    """Something was refused; what, the message does not say."""

    code: int
    message: str


class TokenExpired(Record, frozen=True):
    """The draft's notice that a token has ended; the official protocol has none."""

    message: str


class Acknowledged(Record, frozen=True):
    """A subscription is in force, or over (`verb`). Each channel has its own."""

    verb: str
    channel: Channel


Control = LoggedIn | LoginRefused | Refusal | TokenExpired | Acknowledged


def control_of(content: dict[str, Any]) -> Control | None:
    """What a message says about the connection, if it does."""
    if isinstance(content.get("event"), str):
        return _official(content["event"], content)
    if isinstance(content.get("cmd"), str):
        return _draft(content["cmd"], content)
    return None


def _official(event: str, content: dict[str, Any]) -> Control | None:
    if event in ("login", "error"):
        code, message = _code(content.get("code")), short_text(content.get("msg"))
        if event == "error":
            return Refusal(code, message)
        # The general table has 1 for success, but here it is 0.
        return LoginRefused(code, message) if code else LoggedIn(short_text(content.get("connId")))
    return _acknowledged(event, content.get("arg"))


def _draft(cmd: str, content: dict[str, Any]) -> Control | None:
    data, error = content.get("data"), content.get("error")
    named = data if isinstance(data, dict) else {}
    if cmd == "token_expired":
        return TokenExpired(short_text(named.get("message")))
    if isinstance(error, dict) and cmd in ("login", "error"):
        code, message = _code(error.get("code")), short_text(error.get("message"))
        return LoginRefused(code, message) if cmd == "login" else Refusal(code, message)
    if cmd == "login" and content.get("status") == "success":
        return LoggedIn(short_text(named.get("userId")))
    return _acknowledged(cmd, content) if content.get("status") in (None, "success") else None


def _acknowledged(verb: str, argument: Any) -> Acknowledged | None:
    if verb not in ("subscribe", "unsubscribe"):
        return None
    if not isinstance(argument, dict) or not isinstance(argument.get("channel"), str):
        raise Malformed("an acknowledgement of nothing", field="arg", expected="a channel")
    market = argument.get("marketType")
    named = Channel(argument["channel"], market if isinstance(market, str) else None)
    return Acknowledged(verb, named)


def _code(value: Any) -> int:
    if type(value) is not int:
        raise Malformed("not a code", field="code", expected="an integer")
    return value
