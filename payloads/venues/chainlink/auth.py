"""Endpoints, credentials and signatures of Chainlink Data Streams.

Every request, the websocket's upgrade included, carries three headers: the API key, the time in
milliseconds, and an HMAC-SHA256 over

    METHOD, path with its query byte for byte as sent, SHA-256 of the body, API key, milliseconds

with single spaces between. The service takes timestamps within 5 seconds of its own clock, so a
request is signed when it is made and its headers are never used again. Nothing here raises but
`Misuse`, for what the caller gives; no message shows a credential.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from msgspec.structs import force_setattr

from payloads.abi.fields import Record
from payloads.errors import Misuse
from payloads.venues.chainlink.reports import FEED_ID
from payloads.venues.common.endpoints import address, check_base, header_value
from payloads.venues.common.redactor import Redactor, Secret

KEY = "Authorization"
TIMESTAMP = "X-Authorization-Timestamp"
SIGNATURE = "X-Authorization-Signature-SHA256"
ORIGIN = "X-Cll-Origin"
AVAILABLE_ORIGINS = "X-Cll-Available-Origins"
SECRET_HEADERS = (KEY, SIGNATURE)

WS_PATH = "/api/v1/ws"
# Between feed IDs. The service takes both; what is signed must be what is sent.
LITERAL, ENCODED = ",", "%2C"
COMMAS = (LITERAL, ENCODED)


class Endpoint(Record, frozen=True):
    """The websocket and the REST service of a network, as base URLs."""

    ws: str
    rest: str

    def __post_init__(self) -> None:
        # Without a slash at the end, so that a path can follow.
        force_setattr(self, "ws", check_base(self.ws, ("wss", "ws"), "ws"))
        force_setattr(self, "rest", check_base(self.rest, ("https", "http"), "rest"))

    @classmethod
    def of(cls, endpoint: str, rest: str = "") -> Endpoint:
        """An endpoint by its name, or by the websocket's URL.

        Without `rest`, the REST service of a URL is on the same host.
        """
        if endpoint in ENDPOINTS:
            return ENDPOINTS[endpoint]
        ws = address(endpoint, {name: network.ws for name, network in ENDPOINTS.items()})
        return cls(ws, rest or "http" + ws.removeprefix("ws"))

    @property
    def ws_over_http(self) -> str:
        """The websocket's host for plain HTTP, where `HEAD /` goes."""
        return "http" + self.ws.removeprefix("ws")


MAINNET = Endpoint("wss://ws.dataengine.chain.link", "https://api.dataengine.chain.link")
TESTNET = Endpoint(
    "wss://ws.testnet-dataengine.chain.link", "https://api.testnet-dataengine.chain.link"
)
ENDPOINTS = {"mainnet": MAINNET, "testnet": TESTNET}


class ChainlinkCredentials(Record, frozen=True):
    """An API key (a UUID) and its secret."""

    key: Secret
    secret: Secret

    def __post_init__(self) -> None:
        header_value(self.key.reveal(), "key")
        header_value(self.secret.reveal(), "secret")

    @classmethod
    def of(cls, key: str, secret: str) -> ChainlinkCredentials:
        return cls(Secret(key), Secret(secret))

    @property
    def redactor(self) -> Redactor:
        return Redactor(self.key, self.secret)


# --- signing --------------------------------------------------------------------------------------


def string_to_sign(method: str, path: str, key: str, timestamp_ms: int, body: bytes = b"") -> str:
    """The text that is signed. It holds the API key."""
    return f"{method} {path} {hashlib.sha256(body).hexdigest()} {key} {timestamp_ms}"


def sign(
    credentials: ChainlinkCredentials, method: str, path: str, timestamp_ms: int, body: bytes = b""
) -> str:
    """The signature, in lower-case hex."""
    text = string_to_sign(method, path, credentials.key.reveal(), timestamp_ms, body)
    return hmac.new(credentials.secret.reveal().encode(), text.encode(), "sha256").hexdigest()


def signed_headers(
    credentials: ChainlinkCredentials, method: str, path: str, now: int, body: bytes = b""
) -> tuple[tuple[str, str], ...]:
    """The three headers of a request made at `now` (nanoseconds)."""
    milliseconds = now // 10**6
    return (
        (KEY, credentials.key.reveal()),
        (TIMESTAMP, str(milliseconds)),
        (SIGNATURE, sign(credentials, method, path, milliseconds, body)),
    )


def feed_ids(feeds: Iterable[str]) -> tuple[str, ...]:
    """Feed IDs in lower case, each once, in the order given; `Misuse` for any other text."""
    if isinstance(feeds, str):
        feeds = (feeds,)
    found: dict[str, None] = {}
    for feed in feeds:
        if not isinstance(feed, str) or not FEED_ID.fullmatch(feed):
            expected = "0x and 64 hex digits"
            raise Misuse("not a feed ID", field="feeds", expected=expected, found=repr(feed)[:80])
        found[feed.lower()] = None
    if not found:
        raise Misuse("no feed to ask for", field="feeds", expected="at least one feed ID")
    return tuple(found)
