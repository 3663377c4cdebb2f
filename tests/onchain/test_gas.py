"""The table of gas is what the contracts use: one count of signatures, and every way of paying."""

from __future__ import annotations

import pytest

from payloads.chainlink.gas import MEASURED
from tests.onchain.gas import GENERATIONS, WAYS, measure


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("way", WAYS)
def test_the_table_holds_what_is_measured(generation: str, way: str) -> None:
    assert measure(generation, 6, way) == MEASURED[generation].get(way, {}).get(6)
