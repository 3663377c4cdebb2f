"""The measure of memory measures."""

from __future__ import annotations

import pytest

from tests.memory_limit import MOST, needs_measure, run_limited

pytestmark = needs_measure


def takes(size: str) -> None:
    print(len(b"x" * int(size)))


def test_what_a_call_takes_is_measured_and_its_output_returned() -> None:
    assert run_limited(takes, str(10**8)) == f"{10**8}\n"
    with pytest.raises(AssertionError, match=r"10[0-9] MB beyond the start"):
        run_limited(takes, str(10**8), most=90 * 10**6)


def test_far_beyond_the_bound_an_allocation_fails() -> None:
    with pytest.raises(AssertionError, match="MemoryError"):
        run_limited(takes, str(10 * MOST))
