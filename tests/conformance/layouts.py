"""The layouts of reports, written down a second time: the corpus takes nothing from the library.

The on-chain lane holds each against a struct in Solidity (`Decoder.sol`).
"""

from __future__ import annotations

from typing import Any

from tests.onchain import rules

Layout = tuple[tuple[str, str], ...]


def _fields(text: str) -> Layout:
    pairs = (each.split() for each in text.split(","))
    return tuple((name, kind) for name, kind in pairs)


_HEAD = (
    "feed_id bytes32, valid_from_timestamp uint32, observations_timestamp uint32, "
    "native_fee uint192, link_fee uint192, expires_at uint32, "
)
_MILLISECONDS = _HEAD.replace("uint32", "uint64")
# By the first two bytes of the feed id: the name, and the fields with their types.
LAYOUTS: dict[bytes, tuple[str, Layout]] = {
    bytes.fromhex(prefix): (name, _fields(text))
    for prefix, name, text in (
        (
            "0001", "v1",
            "feed_id bytes32, observations_timestamp uint32, benchmark_price int192, bid int192, "
            "ask int192, current_block_num uint64, current_block_hash bytes32, "
            "valid_from_block_num uint64, current_block_timestamp uint64",
        ),
        ("0002", "v2", _HEAD + "benchmark_price int192"),
        ("0003", "v3", _HEAD + "benchmark_price int192, bid int192, ask int192"),
        ("1003", "v3-hf", _MILLISECONDS + "benchmark_price int192, bid int192, ask int192"),
        ("0004", "v4", _HEAD + "benchmark_price int192, market_status uint32"),
        ("0005", "v5", _HEAD + "rate int192, timestamp uint32, duration uint32"),
        (
            "0006", "v6",
            _HEAD + "price int192, price2 int192, price3 int192, price4 int192, price5 int192",
        ),
        ("0007", "v7", _HEAD + "exchange_rate int192"),
        (
            "0008", "v8",
            _HEAD + "last_update_timestamp uint64, mid_price int192, market_status uint32",
        ),
        ("0009", "v9", _HEAD + "nav_per_share int192, nav_date uint64, aum int192, ripcord uint32"),
        (
            "000a", "v10",
            _HEAD + "last_update_timestamp uint64, price int192, market_status uint32, "
            "current_multiplier int192, new_multiplier int192, activation_date_time uint32, "
            "tokenized_price int192",
        ),
        (
            "000b", "v11",
            _HEAD + "mid int192, last_seen_timestamp_ns uint64, bid int192, bid_volume int192, "
            "ask int192, ask_volume int192, last_traded_price int192, market_status uint32",
        ),
        (
            "000c", "v12",
            _HEAD + "nav_per_share int192, next_nav_per_share int192, nav_date uint64, "
            "ripcord uint32",
        ),
        (
            "000d", "v13",
            _HEAD + "best_ask int192, best_bid int192, ask_volume uint64, bid_volume uint64, "
            "last_traded_price int192",
        ),
        (
            "000e", "v14",
            _HEAD + "mid_price int192, bid_price int192, ask_price int192, expiry_time uint64, "
            "first_day_of_notice uint64, last_seen_timestamp_ns uint64, market_status uint32, "
            "contract_month uint32, goldman_roll_price int192, current_business_day uint32, "
            "interpolated_goldman_roll_price int192",
        ),
    )
}  # fmt: skip
# A reading, not a published fact: a decoder may refuse these.
INFERRED = (b"\x10\x03", b"\x00\x0e")
# Fields whose documented values are few. A decoder may refuse others, which the chain takes.
USUAL = {"market_status": 2, "ripcord": 0, "contract_month": 6}
DOCUMENTED = {
    ("v4", "market_status"): 2, ("v8", "market_status"): 2, ("v10", "market_status"): 2,
    ("v11", "market_status"): 5, ("v9", "ripcord"): 1, ("v12", "ripcord"): 1,
}  # fmt: skip
LEGACY = LAYOUTS[b"\x00\x01"]


def bits(kind: str) -> int:
    """How many bits an integer of this type has."""
    return int(kind.removeprefix("u").removeprefix("int"))


def limits(kind: str) -> tuple[int, int]:
    """The least and the greatest value of an integer type."""
    if kind.startswith("u"):
        return 0, 2 ** bits(kind) - 1
    half: int = 2 ** (bits(kind) - 1)
    return -half, half - 1


def word(value: int | bytes) -> bytes:
    """A value in 32 bytes."""
    if isinstance(value, bytes):
        return value.ljust(32, b"\0")
    return (value % 2**256).to_bytes(32, "big")


def write(layout: Layout, values: dict[str, Any]) -> bytes:
    """The words of a report."""
    return b"".join(word(values[name]) for name, _ in layout)


def read(named: tuple[str, Layout], blob: bytes) -> dict[str, Any]:
    """The fields as the corpus has them; `rules.Refused` where Solidity refuses."""
    name, layout = named
    words = rules.static(blob, tuple(kind for _, kind in layout))
    fields: dict[str, Any] = {"schema": name}
    for index, (field, kind) in enumerate(layout):
        fields[field] = _value(kind, words[32 * index : 32 * index + 32])
    return fields


def _value(kind: str, raw: bytes) -> str:
    if kind == "bytes32":
        return "0x" + raw.hex()
    return str(int.from_bytes(raw, "big", signed=kind.startswith("int")))
