"""The page of who differs where is what was saved; what needs no other toolchain is run again."""

from __future__ import annotations

import json
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import pytest

from payloads.conformance import DECODING, WRONG, corpus, folder, read_answers
from tests.conformance import page
from tests.conformance.rivals import RIVALS
from tests.conformance.runners import eth_abi_modes

SAVED = page.saved()


def test_the_page_is_what_was_saved() -> None:
    assert page.PAGE.read_text(encoding="utf-8") == page.text(SAVED), (
        "python -m tests.conformance.rivals"
    )


def test_every_decoder_was_asked_about_this_corpus() -> None:
    assert list(SAVED) == [rival.key for rival in RIVALS]
    asked = [case for case in corpus().cases if case.form != "bulk"]
    flags = Counter(flag for case in asked for flag in case.flags)
    for one in (*SAVED.values(), page.our_result()):
        assert one["corpus"] == corpus().version
        assert sum(one["all"].values()) == len(asked), DECODING
        assert {flag: sum(words.values()) for flag, words in one["flags"].items()} == flags
        known = {case.id for case in asked}
        assert {word: len(set(ids) & known) for word, ids in one["wrong"].items()} == {
            word: count for word, count in one["all"].items() if word in WRONG
        }


def test_this_library_is_the_only_one_that_always_agrees() -> None:
    assert set(page.our_result()["all"]) == {"agrees", "cannot say"}
    assert all(one["wrong"] for one in SAVED.values())


@pytest.mark.parametrize("mode", ["strict", "loose"])
def test_eth_abi_says_what_was_saved(mode: str) -> None:
    if SAVED[f"eth-abi-{mode}"]["decoder"] != f"eth-abi {version('eth-abi')}, {mode}":
        pytest.skip("another version of eth-abi is installed")
    lines = map(json.dumps, eth_abi_modes.answers(Path(folder()), mode))
    assert page.result(*read_answers(lines)) == SAVED[f"eth-abi-{mode}"]
