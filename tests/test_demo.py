"""`make demo` is part of the repository, not of the package."""

from __future__ import annotations

from pathlib import Path

import pytest

import payloads
from docs.demo import five_venues


def test_the_demo_fails_where_nothing_came() -> None:
    with pytest.raises(SystemExit, match="nothing came from chainlink, stork, finery"):
        five_venues.main(0)


def test_the_demo_is_not_in_the_package() -> None:
    assert not [*Path(payloads.__file__).parent.rglob("*demo*")]
