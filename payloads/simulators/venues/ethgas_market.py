"""The content of the ETHGas simulator: synthetic markets, books, trades and orders.

`EthgasMarket.payload` is the payload of a channel's next update, and `answer` that of a query, with
the keys and the types of the venue's own examples. Slots follow the clock, twelve seconds each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from payloads.crypto import keccak256
from payloads.simulators.market import Walk
from payloads.venues.common.session import SECOND
from payloads.venues.ethgas.protocol import MARKET_TYPES, Channel

_MILLISECOND = 10**6
_SLOT = 12
# Mainnet's first slot.
_GENESIS = 1_606_824_023
_PREFIX = {"inclusionPreconf": "ETH-PC", "wholeBlock": "ETH-WB"}
# Market numbers are the slot's behind the type's own million millions.
_MARKET_IDS = {"inclusionPreconf": 1, "wholeBlock": 2}
_GAS = 36_000_000
_ACCOUNT, _USER = 2049, 53
# The first price of a unit of gas, in wei.
_PRICE = 50_000_000
# What an update is due to, where the venue says.
ACTIONS = {"preconfMarketUpdate": "NewEpoch", "blockBuilderUpdate": "MarketExpiry"}
# The channel whose payload answers a query, alone or in a list.
_AS_ONE = {
    "preconfMarkets": "preconfMarketUpdate",
    "orderBook": "orderBookUpdate",
    "inclusionPreconfTopSales": "inclusionPreconfSaleUpdate",
    "currentBlockBuilder": "blockBuilderUpdate",
    "preconfBundles": "preconfBundleUpdate",
}
_AS_MANY = {
    "orderBooks": "orderBookUpdate",
    "recentTrades": "recentTradeUpdate",
    "candlesticks": "candlestickUpdate",
    "openOrders": "accountOrderUpdate",
    "accountPositions": "accountPositionUpdate",
}
_MANY = 2


class EthgasMarket:
    """Prices that wander, by the simulator's clock (nanoseconds). `address` is the test account."""

    def __init__(self, seed: int, clock: Callable[[], int], address: str) -> None:
        self._seed, self._clock, self._address = seed, clock, address
        self._walk = Walk(f"{seed} ethgas", _PRICE, 2_000)

    @property
    def milliseconds(self) -> int:
        return self._clock() // _MILLISECOND

    @property
    def slot(self) -> int:
        return max(0, self._clock() // SECOND - _GENESIS) // _SLOT

    def instrument(self, market: str | None) -> str:
        """What is traded now: two slots ahead."""
        return f"{_PREFIX.get(market or '', 'ETH-PC')}-{self.slot + 2}"

    def payload(self, channel: Channel, number: int) -> Any:
        """The payload of a channel's update, the `number`th on its connection."""
        self._walk.step()
        market = channel.market_type or MARKET_TYPES[0]
        return getattr(self, f"_{channel.name}")(market, number)

    def answer(self, asked: Mapping[str, Any]) -> dict[str, Any] | None:
        """The reply to a query without its type; None if there is no such query."""
        kind, market = asked.get("queryType"), asked.get("marketType", MARKET_TYPES[0])
        if market not in MARKET_TYPES or not isinstance(kind, str):
            return None
        if kind == "currentSlot":
            return {"P": self._current_slot()}
        if kind in _AS_ONE:
            return {"P": self._of(_AS_ONE[kind], market, 1)}
        if kind not in _AS_MANY:
            return None
        rows = [self._of(_AS_MANY[kind], market, 1 + number) for number in range(_MANY)]
        more = {"recentTrades": {"l": asked.get("limit", 100)}, "openOrders": {"a": _ACCOUNT}}
        return {"s": self.instrument(market), "P": rows} | more.get(kind, {})

    def _of(self, name: str, market: str, number: int) -> Any:
        return self.payload(Channel(name, market), number)

    # --- numbers ---

    def _price(self, offset_ppm: int = 0) -> str:
        """A price in ETH, as a decimal string."""
        wei = self._walk.value + self._walk.value * offset_ppm // 10**6
        return f"0.{wei:018d}"

    def _gas(self, unit: int = 10**6) -> str:
        return str(self._walk.size(unit))

    def _levels(self, sign: int) -> list[dict[str, str]]:
        return [
            {"p": self._price(sign * 500 * level), "q": self._gas(10**7)} for level in range(1, 6)
        ]

    def _market_id(self, market: str) -> int:
        return _MARKET_IDS[market] * 10**12 + self.slot + 2

    def _key(self, name: str) -> str:
        """48 bytes in hex, as public keys of builders are."""
        digits = keccak256(f"{self._seed} {name}".encode()).hex()
        return "0x" + digits + digits[:32]

    # --- public ---

    def _preconfMarketUpdate(self, market: str, _: int) -> Any:
        begin = (_GENESIS + (self.slot + 2) * _SLOT) * 1000
        now = self.milliseconds
        return {
            "m": self._market_id(market), "T": market, "s": self.slot + 2,
            "i": self.instrument(market), "n": f"Synthetic market of slot #{self.slot + 2}",
            "M": begin - 4_000, "f": begin + 768_000, "b": begin, "a": begin - 2_000,
            "q": "1", "mQ": "1", "MQ": str(_GAS), "PS": "0.00000000001", "mP": "0.00000000001",
            "MP": "0.00001", "p": self._price(), "PC": 1.5, "d": False, "BB": self._price(-500),
            "BA": self._price(500), "o": self._price(), "C": "3.99996", "A": _GAS, "r": 0, "S": 0,
            "e": 1, "c": now, "u": now, "tp": _GAS,
        }  # fmt: skip

    def _candlestickUpdate(self, market: str, number: int) -> Any:
        price, now = self._price(), self.milliseconds
        return {
            "I": self.instrument(market), "m": self._market_id(market), "t": now - now % 1_000,
            "i": 1_000, "o": price, "h": self._price(300), "l": self._price(-300), "c": price,
            "v": self._gas(10**7), "F": number % 2 == 0,
        }  # fmt: skip

    def _recentTradeUpdate(self, market: str, number: int) -> Any:
        buy = self._walk.dice.random() < 0.5
        return {
            "i": self.instrument(market), "p": self._price(), "q": self._gas(), "s": buy,
            "d": self.milliseconds, "t": number,
        }  # fmt: skip

    def _orderBookUpdate(self, market: str, _: int) -> Any:
        sides = {"a": self._levels(1), "b": self._levels(-1)}
        return {**sides, "I": self.instrument(market), "t": self.milliseconds}

    def _tickerUpdate(self, _: str, number: int) -> Any:
        price = self._price()
        return {
            "d": number % 2 == 0, "p": price, "b": self._price(-500), "a": self._price(500),
            "M": price, "A": _GAS, "g": 0, "P": 1.0, "u": self.milliseconds,
        }  # fmt: skip

    def _inclusionPreconfSaleUpdate(self, _: str, __: int) -> Any:
        sale = {"p": self._price(), "q": self._gas()}
        return {"s": self.slot + 2, "g": sale["q"], "S": [sale]}

    def _blockBuilderUpdate(self, _: str, number: int) -> Any:
        keys = {"p": self._key(f"builder {number % 5}"), "f": self._key("fallback")}
        return {"s": self.slot + 2, **keys}

    def _current_slot(self) -> Any:
        now = self.milliseconds
        left = _SLOT * 1000 - (now - _GENESIS * 1000) % (_SLOT * 1000)
        return {"t": now, "s": self.slot, "r": left}

    # --- what an account sees ---

    def _accountOrderUpdate(self, market: str, number: int) -> Any:
        now, buy = self.milliseconds, number % 2 == 0
        return {
            "o": number, "c": f"test-{number}", "a": _ACCOUNT, "C": _USER, "t": 2,
            "i": self.instrument(market), "m": self._market_id(market), "p": self._price(),
            "q": self._gas(), "F": "0", "fp": "0", "f": "0", "s": buy, "P": False, "S": 1,
            "d": now, "u": now,
        }  # fmt: skip

    def _accountTransactionUpdate(self, market: str, number: int) -> Any:
        return {
            "t": number, "i": self.instrument(market), "o": number, "a": _ACCOUNT,
            "s": number % 2 == 0, "p": self._price(), "q": self._gas(), "f": "0.0000011240748",
            "d": self.milliseconds,
        }  # fmt: skip

    def _accountPositionUpdate(self, market: str, number: int) -> Any:
        now, quantity = self.milliseconds, str(number)
        return {
            "a": _ACCOUNT, "s": self.slot + 2, "m": _MARKET_IDS[market], "q": quantity, "l": "0",
            "p": self._price(), "e": False, "b": False, "c": now, "u": now, "A": quantity,
        }  # fmt: skip

    def _preconfBundleUpdate(self, _: str, number: int) -> Any:
        raw = b"payloads: no transaction, number %d" % number
        transaction = {"r": False, "tx": "0x" + raw.hex(), "h": "0x" + keccak256(raw).hex()}
        bundle = {"u": f"00000000-0000-4000-8000-{number:012x}", "B": 1, "o": 1}
        bundle |= {"txs": [transaction], "p": self._price()}
        return {"s": self.slot + 2, "e": 1_260_000, "bu": [bundle], "r": self._address}
