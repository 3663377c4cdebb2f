"""Every target takes its seeds, and what once broke it, without a word; also without atheris."""

from __future__ import annotations

import random

import pytest

from tests.fuzz.targets import TARGETS, seeds


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_and_what_was_found_hold(name: str) -> None:
    tried = 0
    for seed in seeds(name):
        TARGETS[name](seed)
        tried += 1
    assert tried, name


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_seeds_hold(name: str) -> None:
    """A few hundred cheap breaks; the fuzzer makes millions of better ones."""
    dice = random.Random(name)
    known = [seed for seed in seeds(name) if len(seed) < 20_000]
    for _ in range(60):
        data = bytearray(dice.choice(known))
        for _ in range(dice.randint(1, 4)):
            at = dice.randrange(len(data) + 1)
            data[at : at + dice.randint(0, 3)] = dice.randbytes(dice.randint(0, 3))
        TARGETS[name](bytes(data))
