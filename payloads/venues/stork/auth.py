"""Stork's credential: a token in a header."""

from __future__ import annotations

from payloads.venues.common.endpoints import header_value
from payloads.venues.common.redactor import Secret

SECRET_HEADERS = ("Authorization",)


def check_token(token: Secret) -> None:
    """A token is sent behind `Basic` as it is; base64 of it, or a second `Basic`, gets a 401."""
    header_value(token.reveal(), "token")


def authorization(token: Secret) -> tuple[tuple[str, str], ...]:
    return (("Authorization", f"Basic {token.reveal()}"),)
