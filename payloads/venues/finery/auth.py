"""Finery's credentials: nonces, the signature (HMAC-SHA384), and methods called over HTTP.

What is signed is the very string that is sent, white space included, so it is written once and
passed on as it is. What the venue would not take is `Misuse`, which never shows a credential.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any

from payloads.errors import Misuse, elide
from payloads.venues.common.endpoints import address
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import Request

MILLISECOND = 10**6
ENDPOINTS = {
    "mainnet": "wss://trade.finerymarkets.com",
    "test": "wss://test.finerymarkets.com",
}


class NonceSequence:
    """Strictly increasing nonces, from the clock's nanoseconds.

    The sessions of a process share one for each key. Programs on other machines with the same key
    need not know of each other: a later nonce is larger on every machine. `last` is a nonce that
    was used with the key before, where it is larger than the clock.
    """

    def __init__(self, last: int = 0) -> None:
        if not 0 <= last < 2**64:
            raise Misuse("not a nonce", field="nonce", expected="0 to 2**64 - 1")
        self.last = last

    def next(self, now: int) -> int:
        """A nonce larger than all before: the clock's nanoseconds, if they are larger."""
        self.last = max(self.last + 1, now)
        if self.last >= 2**64:
            raise Misuse("the nonces have run out", field="nonce", expected="below 2**64")
        return self.last


def sign(secret: Secret, text: str) -> str:
    """The venue's signature of a text. The secret's own text is the key; it is not decoded."""
    code = hmac.new(secret.reveal().encode(), text.encode(), hashlib.sha384)
    return base64.b64encode(code.digest()).decode()


def signed_headers(
    key: str, secret: Secret, content: str, method: str = ""
) -> tuple[tuple[str, str], ...]:
    """The EFX headers for a content that is sent as this very string: white space counts.

    REST calls sign the method's name in front of their body, and have no `EFX-Content`.
    """
    head = ("EFX-Key", key), ("EFX-Sign", sign(secret, method + content))
    return head if method else (*head, ("EFX-Content", content))


def stamp(nonces: NonceSequence, now: int) -> dict[str, int]:
    """What makes a signature good for once: a nonce and the time."""
    return {"nonce": nonces.next(now), "timestamp": now // MILLISECOND}


def compact(message: Mapping[str, Any]) -> str:
    """A message as it is sent and, where that is wanted, signed."""
    try:
        return json.dumps(message, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Misuse("not JSON", field="content", found=elide(str(error))) from None


def rest_request(
    key: str,
    secret: Secret,
    method: str,
    content: Mapping[str, Any],
    *,
    nonces: NonceSequence,
    now: int,
    endpoint: str = "mainnet",
) -> Request:
    """The same methods over HTTP: `POST /api/<method>`, its body signed together with its name."""
    base = "http" + address(endpoint, ENDPOINTS).removeprefix("ws")
    body = compact({**stamp(nonces, now), **content})
    kind = ("Content-Type", "application/json")
    headers = (*signed_headers(key, secret, body, method), kind)
    return Request("POST", f"{base}/api/{check_method(method)}", headers, body.encode(), method)


def check_method(name: str) -> str:
    """A method's name, as it may stand in a path."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]{0,63}", name):
        raise Misuse("not a method's name", field="method", expected="letters and digits")
    return name
