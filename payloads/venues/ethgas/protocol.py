"""ETHGas' protocol as data: its channels, its codes in words, and the two dialects it has had.

`OFFICIAL` is what is documented today. `DRAFT` was published in 2025 and withdrawn: other hosts,
another envelope, and a refresh of tokens that takes JSON. A dialect makes messages and knows where
its sockets and its REST API are. What the venue does not have is `Misuse`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from payloads.abi.fields import Record
from payloads.errors import Misuse
from payloads.venues.common.endpoints import address

MARKET_TYPES = ("inclusionPreconf", "wholeBlock")
_MARKET, _PRICER = "marketType", "pricerOnly"
# An instrument's name begins with its market's.
MARKET_OF = {"ETH-PC": "inclusionPreconf", "ETH-WB": "wholeBlock"}
# Channels, and the arguments that each takes.
PUBLIC: dict[str, tuple[str, ...]] = {
    "preconfMarketUpdate": (_MARKET,),
    "candlestickUpdate": (_MARKET,),
    "recentTradeUpdate": (_MARKET,),
    "orderBookUpdate": (_MARKET,),
    "tickerUpdate": (_MARKET,),
    "inclusionPreconfSaleUpdate": (),
    "blockBuilderUpdate": (),
}
PRIVATE: dict[str, tuple[str, ...]] = {
    "accountOrderUpdate": (_MARKET, _PRICER),
    "accountTransactionUpdate": (_MARKET,),
    "accountPositionUpdate": (_MARKET, _PRICER),
    "preconfBundleUpdate": (),
}
PRIVATE_QUERIES = frozenset({"openOrders", "accountPositions", "preconfBundles"})

# --- codes in words -------------------------------------------------------------------------------

CODES = {
    0: "success (of a login)",
    1: "success",
    2: "permission denied",
    99: "unexpected error",
    102: "INVALID_ACCOUNT",
    104: "TIMEOUT",
    107: "MINIMUM_QUANTITY_NOT_REACH",
    108: "NO_ORDER",
    109: "ORDER_DONE_OR_CANCELLED",
    110: "server could not parse",
    111: "server: order book",
    112: "server: database",
    113: "server: database connection",
    114: "MARKET_EXPIRED",
    115: "RATE_TRANSACTION_ERROR",
    120: "quantity is not a multiple of the step",
    122: "duplicate string",
    191: "auto-cancelled",
    192: "manually cancelled",
    401: "invalid token: renew it",
    403: "insufficient permissions",
    429: "rate limited: wait before trying again",
    500: "server error: try again later",
    503: "service unavailable: try again later",
    1000: "permission denied",
    1001: "validation failed, or (websocket page) authentication failed",
    1002: "operation failed, or (websocket page) invalid channel",
    1003: "rate limit (websocket page): wait before trying again",
    1004: "timeout (websocket page)",
    9999: "unexpected error",
    10000: "deposit: account",
    10001: "deposit: token",
    10010: "withdrawal: account",
    10011: "withdrawal: token",
    10012: "withdrawal: insufficient funds",
}
INVALID_TOKEN = frozenset({401})
RATE_LIMITED = frozenset({429, 1003})
FORBIDDEN = frozenset({2, 403, 1000})
# What is worth another try after a pause.
PASSING = RATE_LIMITED | {104, 111, 112, 113, 500, 503, 1004}
ORDER_STATUS = {
    0: "pending",
    1: "on book",
    10: "done",
    11: "cancelled manually",
    12: "cancelled automatically",
    13: "partially done",
    14: "expired",
    99: "error",
}
ORDER_TYPES = {1: "market", 2: "limit", 3: "fill or kill"}
MARKET_STATUS = {
    0: "not started",
    1: "open",
    2: "expired",
    3: "transactions are no longer taken",
    4: "final",
}


def meaning(code: int) -> str:
    """A code in words."""
    return CODES.get(code, "a code that is not documented")


# --- channels and dialects ------------------------------------------------------------------------


class Channel(Record, frozen=True):
    """A channel with its arguments."""

    name: str
    market_type: str | None = None
    pricer_only: bool | None = None

    @classmethod
    def of(
        cls, name: str, market_type: str | None = None, pricer_only: bool | None = None
    ) -> Channel:
        """A channel that the venue has; `Misuse` otherwise."""
        takes = PUBLIC.get(name, PRIVATE.get(name)) if isinstance(name, str) else None
        if takes is None:
            known = ", ".join((*PUBLIC, *PRIVATE))
            raise Misuse("no such channel", field="channel", expected=known)
        wanted = MARKET_TYPES if _MARKET in takes else (None,)
        if market_type not in wanted:
            expected = " or ".join(MARKET_TYPES) if _MARKET in takes else "none"
            raise Misuse(f"{name} and its market type", field="market_type", expected=expected)
        if pricer_only is not None and _PRICER not in takes:
            raise Misuse(f"{name} takes no such argument", field="pricer_only")
        return cls(name, market_type, pricer_only)

    @classmethod
    def checked(cls, given: Channel | str) -> Channel:
        """A channel that is given as such, or by its label, `CHANNEL` or `CHANNEL:MARKET`."""
        if isinstance(given, str):
            name, _, market = given.partition(":")
            return cls.of(name, market or None)
        return cls.of(*given.values)

    @property
    def private(self) -> bool:
        return self.name in PRIVATE

    @property
    def label(self) -> str:
        return self.name if self.market_type is None else f"{self.name}:{self.market_type}"

    @property
    def argument(self) -> dict[str, Any]:
        """What stands for it in a message."""
        given = {"channel": self.name, _MARKET: self.market_type, _PRICER: self.pricer_only}
        return {key: value for key, value in given.items() if value is not None}


class Dialect(Record, frozen=True):
    """One of the two forms of the protocol. `endpoints` and `rest` are hosts by name."""

    name: str
    endpoints: dict[str, str]
    rest: dict[str, str]
    # What follows the host of a socket.
    path: str = ""
    # Whether a refresh of a token takes JSON, and not a form.
    json_refresh: bool = False

    def url(self, endpoint: str) -> str:
        """The socket's URL: of a name, or of a host with or without the path."""
        bare = endpoint.removesuffix(self.path) if self.path else endpoint
        return address(bare, self.endpoints) + self.path

    def rest_url(self, endpoint: str) -> str:
        """The REST API's base: of a name, of a host, or of the socket's URL."""
        bare = endpoint.removesuffix(self.path) if self.path else endpoint
        if bare.startswith(("ws://", "wss://")):
            bare = "http" + bare.removeprefix("ws")
        return address(bare, self.rest, ("https", "http"))

    def login(self, token: str) -> dict[str, Any]:
        """What logs in on the socket."""
        return self._message("login", {"accessToken": token})

    def logout(self) -> dict[str, Any]:
        """What ends a login; its arguments are not documented, so there are none."""
        return {self._verb: "logout"}

    def on_channels(self, verb: str, channels: Sequence[Channel]) -> list[dict[str, Any]]:
        """What subscribes or unsubscribes."""
        if self.name == "official":
            return [{"op": verb, "args": [channel.argument for channel in channels]}]
        return [{"cmd": verb, **channel.argument} for channel in channels]

    def query(self, query_type: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """What asks for something once."""
        if self.name != "official":
            raise Misuse("the draft has no queries", field="dialect", expected="official")
        return self._message("query", {"queryType": query_type, **arguments})

    @property
    def _verb(self) -> str:
        return "op" if self.name == "official" else "cmd"

    def _message(self, verb: str, argument: dict[str, Any]) -> dict[str, Any]:
        given = {"args": [argument]} if self.name == "official" else {"data": argument}
        return {self._verb: verb, **given}


OFFICIAL = Dialect(
    "official",
    {
        "mainnet": "wss://mainnet.app.ethgas.com",
        "hoodi": "wss://hoodi.app.ethgas.com",
        "testchain": "wss://testchain.app.ethgas.com",
    },
    {
        "mainnet": "https://mainnet.app.ethgas.com",
        "hoodi": "https://hoodi.app.ethgas.com",
        "testchain": "https://testchain.app.ethgas.com",
    },
    "/ws",
)
# Where the REST API of its test network was is not published.
DRAFT = Dialect(
    "draft",
    {"mainnet": "wss://ws.ethgas.com", "testnet": "wss://testnet-ws.ethgas.com"},
    {"mainnet": "https://api.ethgas.com"},
    json_refresh=True,
)
DIALECTS = {dialect.name: dialect for dialect in (OFFICIAL, DRAFT)}
