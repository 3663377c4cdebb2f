"""Networks and signers that sign for tests, and what they sign."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from hypothesis import strategies as st

from payloads.chainlink.report import FullReport
from payloads.chainlink.report import decode as decode_full_report
from payloads.chainlink.schemas import Report
from payloads.errors import Misuse
from payloads.stork.update import ASSETS, BODIES, PLAIN, VALUE_BIT, VERSIONED, Asset, SignedUpdate
from payloads.stork.update import decode as decode_update
from payloads.strategies.arguments import check_choice, check_range, check_type, wrong
from payloads.strategies.real import real_payloads
from payloads.strategies.reports import SchemaLike, reports, schemas_of
from payloads.strategies.values import values_of, values_of_table
from payloads.testing import InsecureTestNetwork, InsecureTestStorkSigner

_SEEDS = ("test", "second", "third", "fourth")
_MOST_ORACLES = 31


@cache
def network_of(seed: str, size: int, f: int, don_id: int) -> InsecureTestNetwork:
    """The network of these facts; the same object each time, because its keys take a while."""
    return InsecureTestNetwork(seed, size, f, don_id)


@cache
def stork_signer_of(seed: str) -> InsecureTestStorkSigner:
    """The signer of this seed; the same object each time."""
    return InsecureTestStorkSigner(seed)


@cache
def any_network(sizes: tuple[int, int]) -> st.SearchStrategy[InsecureTestNetwork]:
    return _networks(sizes)


@st.composite
def _networks(draw: st.DrawFn, sizes: tuple[int, int]) -> InsecureTestNetwork:
    low, high = sizes
    size = draw(st.sampled_from(sorted({low, *(n for n in (4, 7, 16, 31) if low <= n <= high)})))
    f = draw(st.integers(1, (size - 1) // 3))
    return network_of(draw(st.sampled_from(_SEEDS)), size, f, draw(st.sampled_from((1, 2, 1000))))


def oracle_networks(
    *, min_size: int = 4, max_size: int = 31
) -> st.SearchStrategy[InsecureTestNetwork]:
    """Networks of so many oracles, whose keys everyone knows."""
    check_range("oracle_networks", "min_size", min_size, 4, _MOST_ORACLES)
    check_range("oracle_networks", "max_size", max_size, min_size, _MOST_ORACLES)
    return any_network((min_size, max_size))


def stork_signers() -> st.SearchStrategy[InsecureTestStorkSigner]:
    """Stork signers, whose keys everyone knows."""
    return st.sampled_from(_SEEDS).map(stork_signer_of)


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
    max_signatures: int = 31,
) -> st.SearchStrategy[FullReport]:
    """Payloads that f + 1 oracles of a network signed, or as many as `min_signatures` and
    `max_signatures` say: for a decoder, which asks for no quorum.

    Without any argument, published payloads of real networks are among them. `report` is the report
    that is signed, or a strategy for it.
    """
    counts = None
    if min_signatures is not None:
        check_range("full_reports", "min_signatures", min_signatures, 0, 31)
        check_range("full_reports", "max_signatures", max_signatures, min_signatures, 31)
        counts = (min_signatures, max_signatures)
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
        return made | st.sampled_from(real).map(decode_full_report)
    return made


def assets(*, mask: int = VALUE_BIT) -> st.SearchStrategy[Asset]:
    """Records of Stork updates, with the fields that the mask carries."""
    check_range("assets", "mask", mask, 0, max(ASSETS))
    return _assets(mask)


@cache
def _assets(mask: int) -> st.SearchStrategy[Asset]:
    fields = {}
    for row in ASSETS[mask].fields:
        values = values_of(row.type)
        fields[row.name] = values if row.none is None else values.map(_absent(row.none))
    names = tuple(fields)
    drawn = st.tuples(*fields.values())
    return drawn.map(lambda values: Asset(**dict(zip(names, values, strict=True))))


def _absent(none: int) -> Any:
    return lambda value: None if value == none else value


@st.composite
def _updates(
    draw: st.DrawFn,
    signer: InsecureTestStorkSigner | None,
    masks: tuple[int | None, ...],
    head: dict[str, st.SearchStrategy[Any]],
    counts: tuple[int, int],
    given: st.SearchStrategy[Any] | None,
) -> SignedUpdate:
    signs = signer or draw(stork_signers())
    mask = draw(st.sampled_from(masks))
    values = {name: draw(strategy) for name, strategy in head.items()}
    several = draw(given or _several(VALUE_BIT if mask is None else mask, *counts))
    return signs.sign(several, mask=mask, **values)


@cache
def _several(mask: int, low: int, high: int) -> st.SearchStrategy[list[Asset]]:
    return st.lists(_assets(mask), min_size=low, max_size=high)


def stork_updates(
    *,
    signer: InsecureTestStorkSigner | None = None,
    layout: str | None = None,
    min_assets: int = 0,
    max_assets: int = 8,
    **fixed: Any,
) -> st.SearchStrategy[SignedUpdate]:
    """Updates that a signer signed, in the plain layout (the contract's), the versioned, or either.

    Without any argument, published payloads are among them. `taxonomy_id`, `timestamp_ns` and
    `assets` may be fixed, each to a value or a strategy.
    """
    check_type("stork_updates", "signer", signer, InsecureTestStorkSigner)
    check_choice("stork_updates", "layout", layout, (PLAIN, VERSIONED))
    check_range("stork_updates", "min_assets", min_assets, 0, 65_535)
    check_range("stork_updates", "max_assets", max_assets, min_assets, 65_535)
    given = fixed.pop("assets", None)
    if given is not None and not isinstance(given, st.SearchStrategy):
        given = st.just(tuple(given))
    try:
        head = values_of_table(BODIES[PLAIN], **fixed)
    except Misuse as error:
        raise wrong("stork_updates", error.field or "", error.found, str(error.expected)) from None
    masks: dict[str | None, tuple[int | None, ...]] = {
        PLAIN: (None,), VERSIONED: tuple(ASSETS), None: (None, *ASSETS)
    }  # fmt: skip
    made = _updates(signer, masks[layout], head, (min_assets, max_assets), given)
    if signer is None and layout is None and not fixed and given is None and not min_assets:
        return made | st.sampled_from(real_payloads("signed_ecdsa")).map(decode_update)
    return made
