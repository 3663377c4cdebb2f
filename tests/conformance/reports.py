"""Cases of reports: every schema, its fields at their limits, and words that Solidity refuses."""

from __future__ import annotations

from typing import Any

from payloads.conformance import ACCEPTABLE, INVALID, VALID
from tests.conformance import layouts
from tests.conformance.building import OBSERVED, File, hexed, report
from tests.conformance.layouts import INFERRED, LAYOUTS, LEGACY, bits, limits, word
from tests.onchain import rules

_FLAGS = {prefix: f"SchemaV{int.from_bytes(prefix, 'big')}" for prefix in LAYOUTS} | {
    b"\x10\x03": "HighFrequency"
}
_NAMED = {name: prefix for prefix, (name, _) in LAYOUTS.items()}


def _feed(prefix: bytes) -> bytes:
    return prefix + b"conformance".ljust(30, b"\0")


def _add(
    file: File, flags: str, comment: str, blob: bytes, named: Any, *, careful: bool = False
) -> None:
    """A report on its own. `careful`: a decoder may refuse what Solidity would read."""
    size = 32 * len(named[1])
    try:
        fields = layouts.read(named, blob)
    except rules.Refused:
        file.add(flags, comment, form="report", input=hexed(blob), result=INVALID,
                 decode_error="0x")  # fmt: skip
        return
    canonical = len(blob) == size
    careful = careful or blob[:2] in INFERRED or not canonical or _is_undocumented(fields)
    result = ACCEPTABLE if careful else VALID
    file.add(flags, comment, form="report", input=hexed(blob), result=result,
             canonical=canonical, decoded=fields)  # fmt: skip


def _is_undocumented(fields: dict[str, Any]) -> bool:
    """Whether a field has a value that its documentation does not list."""
    named = ((name, layouts.DOCUMENTED.get((fields["schema"], name))) for name in fields)
    return any(most is not None and int(fields[name]) > most for name, most in named)


def _schema(file: File, prefix: bytes) -> None:
    """A schema: usual values, every integer at its limits, every bit that is too much."""
    named = name, layout = LAYOUTS[prefix]
    feed, flag = _feed(prefix), _FLAGS[prefix]
    _add(file, f"{flag} SchemaByFeedId", f"{name}: small values", report(feed), named)
    integers = [
        (each, kind) for each, kind in layout if kind != "bytes32" and each not in layouts.USUAL
    ]
    for words, end in (("least", 0), ("greatest", 1)):
        values = {each: limits(kind)[end] for each, kind in integers}
        flags = f"{flag} IntegerLimits" + (" NegativePrice" if end == 0 else "")
        _add(file, flags, f"{name}: every integer is the {words} of its type",
             report(feed, **values), named)  # fmt: skip
    for index, (each, kind) in enumerate(layout):
        if kind != "bytes32":
            _dirty(file, f"{flag} DirtyBits", feed, index, each, kind)
    size = 32 * len(layout)
    for left in (size - 1, size - 32):
        _add(file, f"{flag} ShortReport", f"{name}: the first {left} bytes",
             report(feed)[:left], named)  # fmt: skip
    _add(file, f"{flag} ReportTrailing", f"{name}: a word behind the last field",
         report(feed) + word(7), named)  # fmt: skip


def _dirty(file: File, flags: str, feed: bytes, index: int, name: str, kind: str) -> None:
    """Bits that the type does not have: the lowest, and of some fields the highest, too."""
    named = LAYOUTS[feed[:2]]
    lowest = 1 << bits(kind)
    blob = report(feed, **{name: 5})
    _add(file, flags, f"{named[0]}: {name} is {kind} and has the bit above its highest",
         _word(blob, index, 5 + lowest), named)  # fmt: skip
    if kind.startswith("int"):
        # The sign's own bit, without those above: a positive number that is too large.
        _add(file, flags, f"{named[0]}: {name} is 2^{bits(kind) - 1}, too large by one",
             _word(blob, index, lowest >> 1), named)  # fmt: skip


def _word(blob: bytes, index: int, value: int) -> bytes:
    return blob[: 32 * index] + word(value) + blob[32 * index + 32 :]


def _add_meanings(file: File) -> None:
    """Values that decoders have read otherwise."""
    for version in ("v4", "v8", "v10", "v11", "v14"):
        named = LAYOUTS[_NAMED[version]]
        for status in (0, 2, 5, 255, 256, 258, 2**32 - 1):
            blob = report(_feed(_NAMED[version]), market_status=status)
            _add(file, f"MarketStatus {_FLAGS[_NAMED[version]]}",
                 f"{version}: market_status is {status}", blob, named)  # fmt: skip
    for version in ("v9", "v12"):
        prefix = _NAMED[version]
        for date in (1_753_056_000_000, 2**63 - 1, 2**63, 2**64 - 1):
            _add(file, f"NavDate {_FLAGS[prefix]}", f"{version}: nav_date is {date}",
                 report(_feed(prefix), nav_date=date), LAYOUTS[prefix])  # fmt: skip
        for ripcord in (0, 1, 2, 256, 2**32 - 1):
            _add(file, f"Ripcord {_FLAGS[prefix]}", f"{version}: ripcord is {ripcord}",
                 report(_feed(prefix), ripcord=ripcord), LAYOUTS[prefix])  # fmt: skip
    for version, name in (
        ("v3", "bid"),
        ("v7", "exchange_rate"),
        ("v9", "aum"),
        ("v13", "best_bid"),
    ):
        prefix = _NAMED[version]
        for value in (-1, -(10**18), -(2**127), 2**127):
            _add(file, f"NegativePrice {_FLAGS[prefix]}", f"{version}: {name} is {value}",
                 report(_feed(prefix), **{name: value}), LAYOUTS[prefix])  # fmt: skip
    late = OBSERVED * 10**9 + 64_000_000
    for version in ("v11", "v14"):
        prefix = _NAMED[version]
        _add(file, f"LateLastSeen {_FLAGS[prefix]}", f"{version}: seen 64 ms after the observation",
             report(_feed(prefix), last_seen_timestamp_ns=late), LAYOUTS[prefix])  # fmt: skip
    for month in (0, 12, 13, 2**32 - 1):
        prefix = _NAMED["v14"]
        _add(file, "SchemaV14", f"v14: contract_month is {month}",
             report(_feed(prefix), contract_month=month), LAYOUTS[prefix])  # fmt: skip


def _add_odd_feeds(file: File) -> None:
    """Feed ids without a version that is known."""
    for text in (b"ETH-USD-ARBITRUM-TESTNET", b"BTC-USD-ARBITRUM-TESTNET"):
        feed = text.ljust(32, b"\0")
        blob = report(_feed(b"\0\1"))
        _add(file, "LegacyFeedId SchemaV1", f"schema 1 under the feed id {text.decode()}",
             feed + blob[32:], LEGACY, careful=True)  # fmt: skip
    for version in (0, 15, 77, 0x2003, 0xFFFF):
        feed = version.to_bytes(2, "big") + b"conformance".ljust(30, b"\0")
        file.add("UnknownSchema", f"a feed id of version 0x{version:04x}, 160 bytes", form="report",
                 input=hexed(feed + bytes(128)), result=INVALID)  # fmt: skip
    for size in (0, 1, 2, 31):
        flags = "ShortReport" if size > 1 else "ShortReport UnknownSchema"
        file.add(flags, f"the first {size} bytes of a report of schema 3", form="report",
                 input=hexed(report(_feed(b"\0\3"))[:size]), result=INVALID,
                 decode_error="0x")  # fmt: skip


def reports() -> File:
    """The cases of reports."""
    file = File("chainlink-report")
    for prefix in LAYOUTS:
        _schema(file, prefix)
    _add_meanings(file)
    _add_odd_feeds(file)
    return file
