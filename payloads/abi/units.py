"""What the integers in a payload count, and how to say a value of each in words.

A unit never changes a value: it only describes it. Prices keep their integer form everywhere,
because a payload does not say how many decimals its stream carries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from functools import lru_cache

# The first second of the year 10000: beyond it a timestamp has no ISO 8601 form.
_YEAR_10000 = 253_402_300_800


@dataclass(frozen=True, slots=True)
class Unit:
    """A name and a way to say a value in words; `say` answers "" where there is nothing to add."""

    name: str
    say: Callable[[int], str] = lambda _: ""
    is_price: bool = False


def scaled(value: int, decimals: int) -> str:
    """`value / 10**decimals`, exactly, without an exponent and without trailing zeros."""
    with localcontext(prec=200):
        number = Decimal(value).scaleb(-decimals)
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _instant(per_second: int) -> Callable[[int], str]:
    digits = len(str(per_second)) - 1

    @lru_cache(256)  # payloads of one moment have the same times
    def say(value: int) -> str:
        seconds, rest = divmod(value, per_second)
        if seconds >= _YEAR_10000:
            return "beyond the year 9999"
        stamp = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
        return f"{stamp}{f'.{rest:0{digits}d}' if digits else ''} UTC"

    return say


def _nav_date(value: int) -> str:
    """Documented as nanoseconds, but a published sample counts milliseconds: go by magnitude."""
    if value < 10**11:
        return f"{_instant(1)(value)} if these are seconds"
    if value < 10**14:
        return f"{_instant(1000)(value)} if these are milliseconds"
    return f"{_instant(10**9)(value)} if these are nanoseconds"


def _codes(names: Mapping[int, str]) -> Callable[[int], str]:
    return lambda value: names.get(value, "not a documented code")


def _tokens(symbol: str) -> Callable[[int], str]:
    return lambda value: f"{scaled(value, 18)} {symbol}"


NONE = Unit("")
IDENTIFIER = Unit("id")
DIGEST = Unit("digest")
COUNT = Unit("count")
BLOCK = Unit("block")
SECONDS = Unit("s", _instant(1))
MILLISECONDS = Unit("ms", _instant(1000))
NANOSECONDS = Unit("ns", _instant(10**9))
NAV_DATE = Unit("ns or ms", _nav_date)
WEI = Unit("wei", _tokens("native"))
JUELS = Unit("juels", _tokens("LINK"))
PRICE = Unit("price", is_price=True)
RATE = Unit("rate", is_price=True)
VOLUME = Unit("volume")
MULTIPLIER = Unit("multiplier", lambda value: f"{scaled(value, 18)} at 18 decimals")
STORK_VALUE = Unit("1e-18", lambda value: scaled(value, 18))
MARKET_STATUS = Unit("code", _codes({0: "unknown", 1: "closed", 2: "open"}))
MARKET_STATUS_V11 = Unit(
    "code",
    _codes(
        {
            0: "unknown",
            1: "pre-market",
            2: "regular hours",
            3: "post-market",
            4: "overnight",
            5: "closed",
        }
    ),
)
RIPCORD = Unit(
    "code", _codes({0: "normal", 1: "paused: the provider stopped reporting, do not use the value"})
)
STORK_MARKET_STATUS = Unit(
    "code",
    _codes({0: "closed", 1: "regular", 2: "extended", 3: "after hours", 255: "none (24/7 asset)"}),
)
