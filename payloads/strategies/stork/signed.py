"""Signers that sign for tests, and the updates that they sign."""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import strategies as st

from payloads.errors import Misuse
from payloads.stork.update import (
    ASSETS,
    BODIES,
    PLAIN,
    VALUE_BIT,
    VERSIONED,
    Asset,
    SignedUpdate,
    decode,
)
from payloads.strategies.arguments import check_choice, check_range, check_type, wrong
from payloads.strategies.real import real_payloads
from payloads.strategies.values import values_of, values_of_table
from payloads.testing.networks import InsecureTestStorkSigner, stork_signer_of

_SEEDS = ("test", "second", "third", "fourth")


def stork_signers() -> st.SearchStrategy[InsecureTestStorkSigner]:
    """Stork signers, whose keys everyone knows."""
    return st.sampled_from(_SEEDS).map(stork_signer_of)


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
        is_list = isinstance(given, list | tuple)
        if not is_list or not all(isinstance(each, Asset) for each in given):
            raise wrong("stork_updates", "assets", given, "a list of Asset, or a strategy for it")
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
        return made | st.sampled_from(real_payloads("signed_ecdsa")).map(decode)
    return made
