"""ETHGas' protocol as data: its channels, and the two dialects it has had.

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
# The public channels that are silent as long as nothing is bought or sold. So are all that are
# private.
OF_TRADES = frozenset({"recentTradeUpdate", "inclusionPreconfSaleUpdate"})
PRIVATE_QUERIES = frozenset({"openOrders", "accountPositions", "preconfBundles"})


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
    def may_be_silent(self) -> bool:
        """Whether an acknowledgement may be all that comes for a long time."""
        return self.private or self.name in OF_TRADES

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
