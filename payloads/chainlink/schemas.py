"""The report schemas of Chainlink Data Streams: a class each. A new schema is a new class here.

A class's annotations are its table (see `payloads.abi.fields`); `@schema` compiles and registers
it. Decoding, encoding, the annotated view, JSON, strategies and the reference page follow from
that.

The signed blob chooses its schema: the first two bytes of its feed ID are the version. Where the
version is no published fact but a reading (`inferred`), a blob that does not fit is shown as an
unknown report instead of being refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeVar

from hexbytes import HexBytes

from payloads.abi.fields import WORDS, Field, Record, Table, field
from payloads.abi.units import (
    BLOCK,
    COUNT,
    DIGEST,
    IDENTIFIER,
    JUELS,
    MARKET_STATUS,
    MARKET_STATUS_V11,
    MILLISECONDS,
    MULTIPLIER,
    NANOSECONDS,
    NAV_DATE,
    PRICE,
    RATE,
    RIPCORD,
    SECONDS,
    VOLUME,
    WEI,
)
from payloads.errors import Misuse, shown


@dataclass(frozen=True, slots=True)
class Schema:
    """A report layout: the version it is known by, and the table compiled from its class."""

    key: str
    version: int
    title: str
    prefix: bytes
    record: type[Report]
    table: Table
    # Why this layout is a reading rather than a published fact; empty where it is a fact.
    inferred: str = ""

    @property
    def size(self) -> int:
        return self.table.size


class Report(Record, frozen=True, gc=False):
    """What every decoded report is. `schema` says which layout it was read with."""

    schema: ClassVar[Schema]

    @property
    def schema_version(self) -> int:
        return self.schema.version

    @property
    def schema_label(self) -> str:
        """What to call it."""
        return f"schema {self.schema.key} ({self.schema.title})"

    @property
    def head(self) -> Report:
        """The fields that reports share, which are this report's own; see `UnknownReport.head`."""
        return self

    def encode(self) -> bytes:
        """The ABI words of this report."""
        return self.schema.table.pack(self)


# All schemas, by the first two bytes of the feed ID.
SCHEMAS: dict[bytes, Schema] = {}
# The tables of schemas whose layout is published: decoding looks here first.
PUBLISHED_TABLES: dict[bytes, Table] = {}

_R = TypeVar("_R", bound=type[Any])


def schema(
    version: int, title: str, *, key: str = "", prefix: bytes = b"", inferred: str = ""
) -> Callable[[_R], _R]:
    """Register a report class as the layout of a schema version."""

    def register(record: _R) -> _R:
        found = Schema(
            key or f"v{version}",
            version,
            title,
            prefix or version.to_bytes(2, "big"),
            record,
            Table.of(record, WORDS),
            inferred,
        )
        record.schema = found
        SCHEMAS[found.prefix] = found
        if not inferred:
            PUBLISHED_TABLES[found.prefix] = found.table
        return record

    return register


def schema_named(name: str | int) -> Schema:
    """A schema by its key (`v3`, `v3-hf`) or version number."""
    text = str(name).lower() if isinstance(name, str) or name in range(2**16) else ""
    wanted = f"v{text}" if text.isdigit() else text
    for known in SCHEMAS.values():
        if known.key == wanted:
            return known
    keys = ", ".join(known.key for known in SCHEMAS.values())
    raise Misuse("no such report schema", field="schema", expected=keys, found=shown(name))


# --- what the layouts share -----------------------------------------------------------------------

FeedId = Annotated[HexBytes, field("bytes32", IDENTIFIER, "Stream; its first 2 bytes: the schema")]
Int192 = "int192"


def _price(meaning: str) -> Field:
    return field(Int192, PRICE, meaning)


class ReportHead(Report, frozen=True):
    """The six fields that every schema but the first begins with."""

    feed_id: FeedId
    valid_from_timestamp: Annotated[int, field("uint32", SECONDS, "Earliest time of validity")]
    observations_timestamp: Annotated[int, field("uint32", SECONDS, "Latest time of validity")]
    native_fee: Annotated[int, field("uint192", WEI, "Cost to verify, paid in native token")]
    link_fee: Annotated[int, field("uint192", JUELS, "Cost to verify, paid in LINK")]
    expires_at: Annotated[int, field("uint32", SECONDS, "Last second at which it is accepted")]


COMMON_HEAD = Table.of(ReportHead, WORDS)


# --- the layouts ----------------------------------------------------------------------------------


@schema(1, "early crypto")
class ReportV1(Report, frozen=True):
    """The first schema: block numbers instead of fees and expiry."""

    feed_id: FeedId
    observations_timestamp: Annotated[int, field("uint32", SECONDS, "Time of the observations")]
    benchmark_price: Annotated[int, _price("Consensus price (8 decimals as published)")]
    bid: Annotated[int, _price("Consensus bid")]
    ask: Annotated[int, _price("Consensus ask")]
    current_block_num: Annotated[int, field("uint64", BLOCK, "Block seen by the observers")]
    current_block_hash: Annotated[HexBytes, field("bytes32", DIGEST, "Hash of that block")]
    valid_from_block_num: Annotated[int, field("uint64", BLOCK, "First block of validity")]
    current_block_timestamp: Annotated[int, field("uint64", SECONDS, "Time of the current block")]


@schema(2, "crypto basic")
class ReportV2(ReportHead, frozen=True):
    benchmark_price: Annotated[int, _price("Consensus price")]


@schema(3, "crypto advanced")
class ReportV3(ReportHead, frozen=True):
    benchmark_price: Annotated[int, _price("Consensus price")]
    bid: Annotated[int, _price("Simulated buy impact price at a set depth")]
    ask: Annotated[int, _price("Simulated sell impact price at a set depth")]


@schema(
    3,
    "crypto advanced, high frequency",
    key="v3-hf",
    prefix=b"\x10\x03",
    inferred="0x1003 is read as schema 3 with millisecond timestamps: one example is published, "
    "the rule for the leading digit is not",
)
class ReportV3HighFrequency(Report, frozen=True):
    feed_id: FeedId
    valid_from_timestamp: Annotated[int, field("uint64", MILLISECONDS, "Earliest validity")]
    observations_timestamp: Annotated[int, field("uint64", MILLISECONDS, "Latest validity")]
    native_fee: Annotated[int, field("uint192", WEI, "Cost to verify, paid in native token")]
    link_fee: Annotated[int, field("uint192", JUELS, "Cost to verify, paid in LINK")]
    expires_at: Annotated[int, field("uint64", MILLISECONDS, "Last moment of acceptance")]
    benchmark_price: Annotated[int, _price("Consensus price")]
    bid: Annotated[int, _price("Simulated buy impact price at a set depth")]
    ask: Annotated[int, _price("Simulated sell impact price at a set depth")]


@schema(4, "real-world asset (deprecated)")
class ReportV4(ReportHead, frozen=True):
    benchmark_price: Annotated[int, _price("Consensus price")]
    market_status: Annotated[int, field("uint32", MARKET_STATUS, "State of the market")]


@schema(5, "rate")
class ReportV5(ReportHead, frozen=True):
    rate: Annotated[int, field(Int192, RATE, "Interest or funding rate")]
    timestamp: Annotated[int, field("uint32", SECONDS, "When the rate was set")]
    duration: Annotated[int, field("uint32", COUNT, "Seconds that the rate covers")]


@schema(6, "multiple prices")
class ReportV6(ReportHead, frozen=True):
    price: Annotated[int, _price("First price")]
    price2: Annotated[int, _price("Second price")]
    price3: Annotated[int, _price("Third price")]
    price4: Annotated[int, _price("Fourth price")]
    price5: Annotated[int, _price("Fifth price")]


@schema(7, "redemption rate")
class ReportV7(ReportHead, frozen=True):
    exchange_rate: Annotated[int, field(Int192, RATE, "Redemption rate")]


@schema(8, "real-world asset standard")
class ReportV8(ReportHead, frozen=True):
    last_update_timestamp: Annotated[int, field("uint64", NANOSECONDS, "Last valid price update")]
    mid_price: Annotated[int, _price("Consensus mid price")]
    market_status: Annotated[int, field("uint32", MARKET_STATUS, "State of the market")]


@schema(9, "SmartData (net asset value)")
class ReportV9(ReportHead, frozen=True):
    nav_per_share: Annotated[int, _price("Net asset value of one share")]
    nav_date: Annotated[int, field("uint64", NAV_DATE, "When that value was published")]
    aum: Annotated[int, field(Int192, VOLUME, "Assets under management")]
    ripcord: Annotated[int, field("uint32", RIPCORD, "Whether the provider paused reporting")]


@schema(10, "tokenized equity")
class ReportV10(ReportHead, frozen=True):
    last_update_timestamp: Annotated[int, field("uint64", NANOSECONDS, "Last valid price update")]
    price: Annotated[int, _price("Last traded price of the equity")]
    market_status: Annotated[int, field("uint32", MARKET_STATUS, "State of the market")]
    current_multiplier: Annotated[int, field(Int192, MULTIPLIER, "Multiplier in force")]
    new_multiplier: Annotated[int, field(Int192, MULTIPLIER, "Multiplier after activation")]
    activation_date_time: Annotated[int, field("uint32", SECONDS, "When it comes into force")]
    tokenized_price: Annotated[int, _price("Price of the token, around the clock")]


@schema(11, "real-world asset advanced")
class ReportV11(ReportHead, frozen=True):
    mid: Annotated[int, _price("Consensus mid price")]
    last_seen_timestamp_ns: Annotated[int, field("uint64", NANOSECONDS, "Last valid price update")]
    bid: Annotated[int, _price("Best bid")]
    bid_volume: Annotated[int, field(Int192, VOLUME, "Volume at the best bid")]
    ask: Annotated[int, _price("Best ask")]
    ask_volume: Annotated[int, field(Int192, VOLUME, "Volume at the best ask")]
    last_traded_price: Annotated[int, _price("Last traded price")]
    market_status: Annotated[int, field("uint32", MARKET_STATUS_V11, "State of the market")]


@schema(12, "net asset value, with the next")
class ReportV12(ReportHead, frozen=True):
    nav_per_share: Annotated[int, _price("Net asset value of one share")]
    next_nav_per_share: Annotated[int, _price("The next net asset value")]
    nav_date: Annotated[int, field("uint64", NAV_DATE, "When that value was published")]
    ripcord: Annotated[int, field("uint32", RIPCORD, "Whether the provider paused reporting")]


@schema(13, "best bid and ask")
class ReportV13(ReportHead, frozen=True):
    best_ask: Annotated[int, _price("Best ask")]
    best_bid: Annotated[int, _price("Best bid")]
    ask_volume: Annotated[int, field("uint64", VOLUME, "Volume at the best ask")]
    bid_volume: Annotated[int, field("uint64", VOLUME, "Volume at the best bid")]
    last_traded_price: Annotated[int, _price("Last traded price")]


@schema(
    14,
    "commodity futures",
    inferred="schema 14 is known from one vendor package only (the Rust crate "
    "chainlink-data-streams-report 1.3.0)",
)
class ReportV14(ReportHead, frozen=True):
    mid_price: Annotated[int, _price("Consensus mid price")]
    bid_price: Annotated[int, _price("Best bid")]
    ask_price: Annotated[int, _price("Best ask")]
    expiry_time: Annotated[int, field("uint64", SECONDS, "Expiry of the contract")]
    first_day_of_notice: Annotated[int, field("uint64", SECONDS, "First day of notice")]
    last_seen_timestamp_ns: Annotated[int, field("uint64", NANOSECONDS, "Last valid price update")]
    market_status: Annotated[int, field("uint32", MARKET_STATUS, "State of the market")]
    contract_month: Annotated[int, field("uint32", COUNT, "Month of the contract, 1 to 12")]
    goldman_roll_price: Annotated[int, _price("Price under the Goldman roll")]
    current_business_day: Annotated[int, field("uint32", COUNT, "Business day of the month")]
    interpolated_goldman_roll_price: Annotated[int, _price("The same, interpolated")]
