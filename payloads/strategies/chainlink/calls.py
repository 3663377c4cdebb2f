"""Calls of verifier proxies, good or damaged by a label."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from itertools import product
from typing import Any

from hypothesis import strategies as st

from payloads.chainlink.checks import VERSION_1
from payloads.chainlink.payment import WAYS
from payloads.chainlink.schemas import SCHEMAS, Report, Schema
from payloads.chainlink.state import V03, V04, V051, ChainlinkState
from payloads.strategies.calls import EXTRAS, LAG, NOW, NUMBER, choice, damage_named, with_boundary
from payloads.strategies.chainlink.reports import feed_ids
from payloads.strategies.values import values_of
from payloads.testing.chainlink.damage import LABELS
from payloads.testing.chainlink.draft import ChainlinkDraft, claimed
from payloads.testing.networks import InsecureTestNetwork
from payloads.testing.submission import Submission, finished

# The time that a report has left: none is the last second in which it is good.
_LEFT = with_boundary(30 * 86_400)
_SEQUENCE = st.integers(0, 2**40 - 1)
# How the call pays, and the payment beyond the fee: one draw instead of two.
_PAYMENT = st.sampled_from(tuple(product(WAYS, EXTRAS)))


def submission(
    draw: st.DrawFn, state: ChainlinkState, network: InsecureTestNetwork, name: str
) -> Submission:
    """A call of a state's contract with the label of this name."""
    now = draw(NOW)
    observed = now - draw(LAG)
    feed = draw(_feeds(state, name))
    times = (feed, observed, observed, now + draw(_LEFT))
    report = draw(_timed_reports(SCHEMAS[feed[:2]]))(*times)
    first = draw(NUMBER)
    pay, extra = draw(_PAYMENT)
    draft = ChainlinkDraft(
        state,
        network,
        report.encode(),
        times=claimed(report, now),
        now=now,
        oracles=[(first + step) % network.size for step in range(network.f + 1)],
        sequence=draw(_SEQUENCE),
        pay=pay,
        extra=extra,
        is_view=state.contract == V051 and draw(st.booleans()),
    )
    damage = draw(damage_named(name))
    return finished(draft, LABELS.known[name], damage)


# The fields that a call decides, in the order of the arguments.
_DECIDED = ("feed_id", "observations_timestamp", "valid_from_timestamp", "expires_at")


@cache
def _timed_reports(schema: Schema) -> st.SearchStrategy[Callable[..., Report]]:
    """Functions that make a report of the fields that a call decides. The others are drawn."""
    names = [row.name for row in schema.table.fields]
    drawn = [row for row in schema.table.fields if row.name not in _DECIDED]
    order = [_DECIDED.index(name) if name in _DECIDED else -1 for name in names]

    def maker(values: tuple[Any, ...]) -> Callable[..., Report]:
        def make(*decided: Any) -> Report:
            rest = iter(values)
            return schema.record(*(next(rest) if at < 0 else decided[at] for at in order))

        return make

    return st.tuples(*(values_of(row.type) for row in drawn)).map(maker)


# Most keepers read v3: its reports are a quarter.
_SCHEMAS = (*SCHEMAS.values(), *[SCHEMAS[b"\x00\x03"]] * 4)


def _feeds(state: ChainlinkState, name: str) -> st.SearchStrategy[Any]:
    """The feeds of reports that the contract accepts; or the feed that was deactivated."""
    if state.contract == V04:
        # It reads times where reports of the first schema have a price.
        return feed_ids(schema=[one for one in _SCHEMAS if one.prefix != VERSION_1])
    if state.contract != V03:
        # A feed with a discount of its own, if there is one, as often as any other.
        fees = state.charges
        named = [one.feed_id for one in (fees.discounts if fees else ()) if one.feed_id]
        any_feed = feed_ids(schema=_SCHEMAS)
        return _one_of(tuple(named), any_feed) if named else any_feed
    gone = [ended.id for ended in state.deactivated_feeds]
    if name == "deactivated-feed":
        return choice((gone[0],))
    good = (one for one in state.in_force if one.active and one.feed_id not in gone)
    return choice(tuple(one.feed_id for one in good))


@lru_cache(maxsize=256)
def _one_of(named: tuple[Any, ...], others: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return choice(named) | others
