"""What Finery's side checks: for a simulator, and for a user's own tests.

Every check answers the venue's own code (0 is ok) and changes nothing but the nonces and bindings
it is there to remember. How the venue words the body of a refused upgrade is not published, nor
which HTTP status it has; `refusal` makes one that `FinerySession` and a person can read.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from payloads.errors import Malformed, Misuse
from payloads.venues.common.http_words import Headers, header
from payloads.venues.common.json_text import parse_json
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import SECOND
from payloads.venues.finery.auth import MILLISECOND
from payloads.venues.finery.codes import CODES
from payloads.venues.finery.feeds import (
    BY_CURRENCY,
    LETTERS,
    Binding,
    FeedId,
    Selection,
    feed_id_of,
    sent_id,
)

# The tolerance behind "bad timestamp" is not published.
CLOCK_TOLERANCE = 60 * SECOND
NONCE_WINDOW = 120 * SECOND
NOT_AUTHORISED, BAD_NONCE, BAD_TIMESTAMP, BAD_PARAMETER, BAD_SIGNATURE = 3, 6, 7, 9, 14
ALREADY_BOUND, NOT_BOUND, BAD_FEED, BAD_FEED_ID = 100, 101, 102, 103


class Gate:
    """Checks upgrades, and remembers the nonces of each key.

    `increasing` is the older and stricter rule; otherwise a nonce must be unique for two minutes.
    """

    def __init__(self, keys: Mapping[str, Secret], *, increasing: bool = True) -> None:
        self._keys = dict(keys)
        self._increasing = increasing
        self._nonces: dict[str, dict[int, int]] = {key: {} for key in keys}

    def withdraw(self, key: str) -> None:
        """From now on the key is unknown."""
        self._keys.pop(key, None)

    def check(self, headers: Headers, now: int) -> int:
        """0, or the code that the upgrade is refused with."""
        return self._check(headers, header(headers, "EFX-Content"), "", now)

    def check_rest(self, headers: Headers, method: str, body: str, now: int) -> int:
        """The same for a method called over HTTP, whose body holds nonce and timestamp."""
        return self._check(headers, body, method, now)

    def _check(self, headers: Headers, content: str, method: str, now: int) -> int:
        key, signature = header(headers, "EFX-Key"), header(headers, "EFX-Sign")
        secret = self._keys.get(key)
        if not key or not signature or not content or secret is None:
            return NOT_AUTHORISED
        if not _signed(secret, method + content, signature):
            return BAD_SIGNATURE
        try:
            stamp = parse_json(content)
        except Malformed:
            return BAD_PARAMETER
        nonce, timestamp = _whole(stamp, "nonce"), _whole(stamp, "timestamp")
        if nonce is None or timestamp is None:
            return BAD_NONCE if nonce is None else BAD_TIMESTAMP
        if abs(timestamp * MILLISECOND - now) > CLOCK_TOLERANCE:
            return BAD_TIMESTAMP
        return 0 if self._fresh(key, nonce, now) else BAD_NONCE

    def _fresh(self, key: str, nonce: int, now: int) -> bool:
        seen = self._nonces[key]
        if nonce in seen or (self._increasing and seen and nonce < max(seen)):
            return False
        if not self._increasing:
            for old in [nonce for nonce, when in seen.items() if now - when > NONCE_WINDOW]:
                del seen[old]
        else:
            seen.clear()
        seen[nonce] = now
        return True


def _whole(stamp: Any, name: str) -> int | None:
    value = stamp.get(name) if isinstance(stamp, dict) else None
    return value if type(value) is int and 0 <= value < 2**64 else None


def _signed(secret: Secret, text: str, signature: str) -> bool:
    try:
        given = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return False
    code = hmac.new(secret.reveal().encode(), text.encode("utf-8", "surrogatepass"), hashlib.sha384)
    return hmac.compare_digest(code.digest(), given)


class Connection:
    """Checks what one client sends, and remembers what it has bound.

    `clients` are the numbers of the accounts for which a master account may ask.
    """

    def __init__(
        self,
        instruments: Iterable[int | str],
        currencies: Iterable[int | str],
        clients: Iterable[int] = (),
    ) -> None:
        self._instruments, self._currencies = frozenset(instruments), frozenset(currencies)
        self._clients = frozenset({None, *clients})
        self.bound: set[Binding] = set()

    def check(self, message: Any) -> tuple[str, Binding | None, int]:
        """The kind of a message (bind, unbind, request, ping), what it names, and a code."""
        event = message.get("event") if isinstance(message, dict) else None
        if event in ("bind", "unbind"):
            binding, code = self._binding(message)
            if binding is None or code:
                return event, binding, code
            return event, binding, self._apply(event, binding)
        if event == "request":
            return event, None, _check_request(message)
        return ("ping", None, 0) if event == "ping" else ("", None, BAD_PARAMETER)

    def _binding(self, message: dict[str, Any]) -> tuple[Binding | None, int]:
        feed, feed_id = message.get("feed"), message.get("feedId")
        if not isinstance(feed, str) or feed not in LETTERS:
            return None, BAD_FEED
        try:
            named = None if feed_id is None else feed_id_of(feed_id)
            if feed == "MD" and not isinstance(named, Selection):
                return None, BAD_FEED_ID
            binding = Binding.of(feed, named)
        except (Malformed, Misuse):
            return None, BAD_FEED_ID
        return binding, 0 if named is None or self._known(feed, named) else BAD_FEED_ID

    def _known(self, feed: str, feed_id: FeedId) -> bool:
        if isinstance(feed_id, Selection):
            return feed_id.instrument in self._instruments and feed_id.client_id in self._clients
        return feed_id in (self._currencies if feed in BY_CURRENCY else self._instruments)

    def _apply(self, event: str, binding: Binding) -> int:
        there = binding in self.bound
        if event == "bind":
            self.bound.add(binding)
            return ALREADY_BOUND if there else 0
        self.bound.discard(binding)
        return 0 if there else NOT_BOUND


def _check_request(message: dict[str, Any]) -> int:
    fits = (
        type(message.get("reqId")) is int
        and isinstance(message.get("method"), str)
        and isinstance(message.get("content"), dict)  # `{}` where there is nothing to pass
    )
    return 0 if fits else BAD_PARAMETER


# --- what it says ---------------------------------------------------------------------------------


def refusal(code: int) -> tuple[int, bytes]:
    """The HTTP status and body of a refused upgrade."""
    return 401, msgspec.json.encode({"error": code, "message": CODES.get(code, "unknown")})


def status_frame(code: int) -> str:
    """The state of the gateway's link to the exchange."""
    return f'["X",0,"Z",{code}]'


def bound_frame(feed: str, feed_id: FeedId, code: int) -> str:
    """The answer to a bind or unbind that failed, or (with code 0) to an unbind that did not."""
    return msgspec.json.encode([feed, sent_id(feed_id), "Z" if code else "U", code]).decode()
