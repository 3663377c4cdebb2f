"""Networks of oracles that sign for tests, and the payloads that they sign."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import product

from hypothesis import strategies as st

from payloads.chainlink.report import FullReport, decode
from payloads.chainlink.schemas import Report
from payloads.strategies.arguments import check_range, check_type, wrong
from payloads.strategies.calls import choice
from payloads.strategies.chainlink.reports import SchemaLike, reports, schemas_of
from payloads.strategies.real import real_payloads
from payloads.testing.networks import InsecureTestNetwork, network_of

_SEEDS = ("test", "second", "third", "fourth")
_MOST_ORACLES = 31


@cache
def any_network(sizes: tuple[int, int]) -> st.SearchStrategy[InsecureTestNetwork]:
    return _networks(sizes)


@st.composite
def _networks(draw: st.DrawFn, sizes: tuple[int, int]) -> InsecureTestNetwork:
    low, high = sizes
    size = draw(choice(_sizes(low, high)))
    f, seed, don_id = draw(_FACTS[(size - 1) // 3])
    return network_of(seed, size, f, don_id)


@cache
def _sizes(low: int, high: int) -> tuple[int, ...]:
    return tuple(sorted({low, *(n for n in (4, 7, 16, 31) if low <= n <= high)}))


# Values of f, seeds and DON ids, by the largest f: one draw instead of three.
_FACTS = {
    most: st.sampled_from(tuple(product(range(1, most + 1), _SEEDS, (1, 2, 1000))))
    for most in range(1, 11)
}


def oracle_networks(
    *, min_size: int = 4, max_size: int = 31
) -> st.SearchStrategy[InsecureTestNetwork]:
    """Networks of so many oracles, whose keys everyone knows."""
    check_range("oracle_networks", "min_size", min_size, 4, _MOST_ORACLES)
    check_range("oracle_networks", "max_size", max_size, min_size, _MOST_ORACLES)
    return any_network((min_size, max_size))


# --- what they sign -------------------------------------------------------------------------------


@st.composite
def _full_reports(
    draw: st.DrawFn,
    network: InsecureTestNetwork | None,
    report: st.SearchStrategy[Report],
    signatures: tuple[int, int] | None,
) -> FullReport:
    signs = network or draw(oracle_networks())
    first = draw(st.integers(0, signs.size - 1))
    count = signs.f + 1 if signatures is None else draw(st.integers(*signatures))
    by = [(first + step) % signs.size for step in range(count)]
    epoch, round_ = draw(st.integers(0, 2**32 - 1)), draw(st.integers(0, 255))
    return signs.sign(draw(report), epoch=epoch, round=round_, by=by)


def full_reports(
    *,
    network: InsecureTestNetwork | None = None,
    schema: SchemaLike | Sequence[SchemaLike] | None = None,
    report: Report | st.SearchStrategy[Report] | None = None,
    min_signatures: int | None = None,
    max_signatures: int | None = None,
) -> st.SearchStrategy[FullReport]:
    """Payloads that f + 1 oracles of a network signed, or as many as `min_signatures` and
    `max_signatures` say: for a decoder, which asks for no quorum.

    Without any argument, published payloads of real networks are among them. `report` is the report
    that is signed, or a strategy for it.
    """
    counts = None
    if min_signatures is not None or max_signatures is not None:
        low = 0 if min_signatures is None else min_signatures
        high = 31 if max_signatures is None else max_signatures
        check_range("full_reports", "min_signatures", low, 0, 31)
        check_range("full_reports", "max_signatures", high, low, 31)
        counts = (low, high)
    check_type("full_reports", "network", network, InsecureTestNetwork)
    if report is not None and schema is not None:
        raise wrong("full_reports", "schema", schema, "none, because the report is given")
    schemas_of("full_reports", schema)
    if isinstance(report, Report):
        report = st.just(report)
    check_type("full_reports", "report", report, Report, st.SearchStrategy)
    made = _full_reports(network, reports(schema=schema) if report is None else report, counts)
    if network is None and schema is None and report is None and counts is None:
        real = real_payloads("full_report")
        return made | st.sampled_from(real).map(decode)
    return made
