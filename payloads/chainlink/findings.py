"""Facts that a user must hear even when a call is accepted, each with a stable code.

The contracts look at signatures, and at the first words of a report if a fee manager is set. They
do not look at prices, and not all of them at expiry, at the feed or at the digest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

from payloads.abi.fields import Table
from payloads.abi.units import MILLISECONDS, PRICE, Unit
from payloads.chainlink.call import Call, Item
from payloads.chainlink.report import (
    BareReport,
    UnknownReport,
    canonical_parts,
    decode_envelope,
    decode_report,
)
from payloads.chainlink.schemas import Report
from payloads.chainlink.state import V04, V05, V051
from payloads.crypto import CURVE_ORDER
from payloads.errors import Malformed
from payloads.verdicts.checks import Finding, Hazard

# A state older than this may have missed a rotation of signers.
OLD_SECONDS = 86_400
# As a word: words of one size are in the order of their numbers.
_HALF_ORDER = (CURVE_ORDER // 2).to_bytes(32, "big")

HAZARDS = {
    hazard.code: hazard
    for hazard in (
        Hazard(
            "no-expiry-check",
            "warning",
            "no fee manager that checks expiry is set, and no verifier does: an old report "
            "verifies for ever",
            "only FeeManager.getFeeAndReward compares expiresAt with block.timestamp",
        ),
        Hazard(
            "version-1-unchecked",
            "warning",
            "version 1 reports have no expiry, pay nothing and name no block that is checked",
            "FeeManager.getFeeAndReward returns before all else for version 1",
        ),
        Hazard(
            "digest-ignored",
            "note",
            "v0.4.0 never reads the config digest: signers are chosen by the observations' time",
            "DestinationVerifier 0.4.0, _findActiveConfig",
        ),
        Hazard(
            "digest-unknown",
            "warning",
            "the state has no config with the payload's digest: it is of another network, "
            "or older than the config; fetch the state of the proxy that you call",
            "VerifierProxy.verify looks the verifier up by the digest",
        ),
        Hazard(
            "any-feed",
            "note",
            "the contract takes any feed under a config digest: check the feed id in your code",
            "Verifier 2.0.0 and 2.0.1, verify: configs are found by digest alone",
        ),
        Hazard(
            "value-kept",
            "danger",
            "value is sent where no fee manager is set: nothing is charged and nothing returned",
            "VerifierProxy.verify is payable; only a fee manager refunds",
        ),
        Hazard(
            "refund",
            "note",
            "more value is sent than the fee: the rest is refunded to the sender, who must be able "
            "to receive it (v0.3.0 and v0.4.0 give it 2,300 gas)",
            "FeeManager._handleFeesAndRewards",
        ),
        Hazard(
            "expired",
            "danger",
            "the report has expired, and the call is accepted all the same",
            "expiresAt is only checked by fee managers, and not for version 1",
        ),
        Hazard(
            "from-the-future",
            "warning",
            "the observations are dated after the block's time",
            "no verifier compares observationsTimestamp with block.timestamp",
        ),
        Hazard(
            "not-yet-valid",
            "warning",
            "the report is valid only from a time after the block's",
            "no verifier looks at validFromTimestamp",
        ),
        Hazard(
            "unreadable-report",
            "danger",
            "the report does not decode by the schema that its feed id names: a consumer's "
            "abi.decode reverts, or reads something else",
            "verifiers do not decode the report they return",
        ),
        Hazard(
            "unknown-schema",
            "warning",
            "no known schema fits the report",
            "the first two bytes of the feed id are the schema's version",
        ),
        Hazard(
            "schema-guessed",
            "warning",
            "how the report is read is a guess",
            "legacy version 1 feed ids carry no version, and 0x1003 has no published rule",
        ),
        Hazard(
            "report-trailing-bytes",
            "warning",
            "the report is longer than its schema: the rest is signed, but no decoder reads it",
            "abi.decode ignores bytes behind the last field",
        ),
        Hazard(
            "crossed",
            "danger",
            "the bid is above the ask",
            "verifiers do not look at prices",
        ),
        Hazard(
            "price-not-positive",
            "danger",
            "a price is zero or negative",
            "verifiers do not look at prices",
        ),
        Hazard(
            "no-such-month",
            "warning",
            "the month of the contract is outside of 1 to 12: the vendor's own decoder refuses it",
            "verifiers do not decode the report they return; schema 14: contractMonth",
        ),
        Hazard(
            "ripcord",
            "danger",
            "the provider has paused reporting: the value must not be used",
            "schemas 9 and 12: ripcord is 1",
        ),
        Hazard(
            "unsigned-bytes",
            "note",
            "bytes of raw_vs behind the last signature are not zero: they are neither signed nor "
            "checked",
            "rawVs[i] is only read for i below the number of signatures",
        ),
        Hazard(
            "high-s",
            "note",
            "a signature has a high s, which ecrecover takes: a relay can make a second valid form "
            "of it",
            "the verifiers call the ecrecover precompile without a check of s",
        ),
        Hazard(
            "not-canonical",
            "note",
            "the payload is not the encoding that an honest encoder writes",
            "solc's decoder tolerates gaps, overlaps, padding and trailing bytes",
        ),
        Hazard(
            "state-old",
            "warning",
            "the state is more than a day older than the time judged at",
            "signers, fees and discounts may have changed since",
        ),
        Hazard(
            "state-newer",
            "warning",
            "the state is newer than the time judged at: the chain may have known other signers",
            "judge with at=time to use the state of then, as far as it is known",
        ),
        Hazard(
            "state-age-unknown",
            "note",
            "nothing says how old the state is",
            "give it fetched_at or now",
        ),
    )
}


def findings(call: Call, accepted: bool) -> Iterator[Finding]:
    """The findings on a call whose checks have all been run."""
    yield from _of_state(call)
    if not accepted:
        return
    yield from _of_generation(call)
    yield from _of_value(call)
    for item in call.items:
        for code, detail in [*_of_report(item), *_of_encoding(item)]:
            yield HAZARDS[code].found(detail, item.index)


def _of_state(call: Call) -> Iterator[Finding]:
    age = call.state.age(call.now)
    if age is None:
        yield HAZARDS["state-age-unknown"].found()
    elif age > OLD_SECONDS:
        yield HAZARDS["state-old"].found(f"{age} s")
    elif age < 0:
        yield HAZARDS["state-newer"].found(f"{-age} s")
    if call.state.contract != V04:  # which never reads the digest
        # Where a config was found, the state has one with this digest.
        unknown = [item for item in call.items if item.whole and item.config is None]
        known = {config.config_digest for config in call.state.configs} if unknown else ()
        for item in unknown:
            if item.config_digest not in known:
                digest = f"0x{item.config_digest.hex()}"
                yield HAZARDS["digest-unknown"].found(digest, item.index)


def _of_generation(call: Call) -> Iterator[Finding]:
    if call.state.charges is None or call.is_view:
        yield HAZARDS["no-expiry-check"].found()
    if call.state.contract == V04:
        yield HAZARDS["digest-ignored"].found()
    if call.state.contract in (V05, V051):
        yield HAZARDS["any-feed"].found()


def _of_value(call: Call) -> Iterator[Finding]:
    if call.value and call.state.fee_manager is None:
        yield HAZARDS["value-kept"].found(f"{call.value} wei")
    elif call.value > call.native_total:
        yield HAZARDS["refund"].found(f"{call.value - call.native_total} of {call.value} wei")


def good_until(call: Call) -> int | None:
    """The last block time at which none of the reports has expired; 0 where one is unreadable."""
    times = [time for item in call.items if (time := _expires_at(item)) is not None]
    return min(times, default=None)


def _expires_at(item: Item) -> int | None:
    try:
        report = _read(item).report
    except Malformed:
        return 0
    if isinstance(report, UnknownReport):
        return 0
    for name, code, unit in _looked_at(report.schema.table).times:
        if code == "expired":
            time: int = getattr(report, name)
            return time // 1000 if unit is MILLISECONDS else time
    return None


def _read(item: Item) -> BareReport:
    """The report, decoded once."""
    if item.bare is None:
        item.bare = decode_report(item.report or b"")
    found: BareReport = item.bare
    return found


# --- what a report says ---------------------------------------------------------------------------


def _of_report(item: Item) -> Iterator[tuple[str, str]]:
    try:
        bare = _read(item)
    except Malformed as error:
        yield "unreadable-report", str(error)
        return
    report = bare.report
    if isinstance(report, UnknownReport):
        yield "unknown-schema", report.why
        return
    if bare.guess:
        yield "schema-guessed", bare.guess
    table = report.schema.table
    looked_at = _looked_at(table)
    if report.schema_version == 1:
        yield "version-1-unchecked", ""
    if item.call.now is not None:
        yield from _of_times(report, looked_at, item.call.now)
    yield from _of_prices(report, looked_at)
    for name, code, passes in looked_at.flags:
        if not passes(value := getattr(report, name)):
            yield code, f"{name} is {value}"
    if len(bare.raw) > table.size:
        yield "report-trailing-bytes", bare.departures[0].detail


def _of_times(report: Report, looked_at: _LookedAt, now: int) -> Iterator[tuple[str, str]]:
    for name, code, unit in looked_at.times:
        clock = now * 1000 if unit is MILLISECONDS else now
        time = getattr(report, name)
        if time < clock if code == "expired" else time > clock:
            yield code, f"{name} is {unit.say(time)}, judged at {unit.say(clock)}"


def _of_prices(report: Report, looked_at: _LookedAt) -> Iterator[tuple[str, str]]:
    for low, high in looked_at.books:
        bid, ask = getattr(report, low), getattr(report, high)
        if bid > ask:
            yield "crossed", f"{low} {bid} is above {high} {ask}"
    prices = [(name, getattr(report, name)) for name in looked_at.prices]
    if bad := [f"{name} is {price}" for name, price in prices if price <= 0]:
        yield "price-not-positive", ", ".join(bad)


_TIMES = (
    ("expires_at", "expired"),
    ("observations_timestamp", "from-the-future"),
    ("valid_from_timestamp", "not-yet-valid"),
)
_BOOKS = (("bid", "ask"), ("best_bid", "best_ask"), ("bid_price", "ask_price"))
# Values that no consumer may ignore.
_FLAGS: tuple[tuple[str, str, Callable[[int], bool]], ...] = (
    ("ripcord", "ripcord", lambda value: not value),
    ("contract_month", "no-such-month", lambda value: 1 <= value <= 12),
)


class _LookedAt(NamedTuple):
    """The fields of a schema that findings are about, which the same few are of all reports."""

    times: tuple[tuple[str, str, Unit], ...]
    books: tuple[tuple[str, str], ...]
    prices: tuple[str, ...]
    flags: tuple[tuple[str, str, Callable[[int], bool]], ...]


@cache
def _looked_at(table: Table) -> _LookedAt:
    units = {row.name: row.unit for row in table.fields}
    return _LookedAt(
        tuple((name, code, units[name]) for name, code in _TIMES if name in units),
        tuple((low, high) for low, high in _BOOKS if low in units and high in units),
        tuple(name for name, unit in units.items() if unit is PRICE),
        tuple(flag for flag in _FLAGS if flag[0] in units),
    )


# --- how the payload is written -------------------------------------------------------------------


def _of_encoding(item: Item) -> Iterator[tuple[str, str]]:
    beyond = item.vs[len(item.rs) :]
    if any(beyond):
        yield "unsigned-bytes", "0x" + beyond.hex()
    if max(item.ss, default=b"") > _HALF_ORDER:
        high = [str(at) for at, s in enumerate(item.ss) if s > _HALF_ORDER]
        yield "high-s", f"signatures {', '.join(high)}"
    if canonical_parts(item.raw) is not None:  # as nearly always
        return
    covered = ("report-trailing", "unsigned-bytes")  # by findings of their own
    found = [
        departure
        for departure in decode_envelope(item.raw).departures
        if departure.kind not in covered
    ]
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        yield "not-canonical", f"{found[0]}{more}"
