"""What a reader is told stays as it is: fixtures/explanations.txt against the code of today.

After a change that is meant: `python -m tests.explained`, and read the diff.
"""

from __future__ import annotations

import pytest

from tests import explained


def _pinned() -> dict[str, list[str]]:
    """The lines of the text, by case."""
    found: dict[str, list[str]] = {}
    for section in explained.TEXT.read_text(encoding="utf-8").split("== ")[1:]:
        name, *lines = section.splitlines()
        found[name] = lines
    return found


PINNED = _pinned()


DIGESTS = dict(line.split(": ") for line in PINNED.pop("digests"))


@pytest.mark.parametrize("kind", ["inspect", "rows", "call", "state"])
def test_a_reader_is_told_the_same_as_before(kind: str) -> None:
    wanted = {name: lines for name, lines in PINNED.items() if name.startswith(kind)}
    for name, said in explained.cases():
        if (lines := wanted.pop(name, None)) is not None:
            told = iter(said())
            missing = [line for line in lines if line not in told]
            assert not missing, name
    assert not wanted


@pytest.mark.parametrize("kind", DIGESTS)
def test_every_line_about_what_is_made_up_is_the_same_as_before(kind: str) -> None:
    """`python -m tests.explained KIND` prints the lines."""
    assert explained.digest_of(kind) == DIGESTS[kind]


def test_every_kind_that_is_made_up_is_held() -> None:
    assert list(explained.made_up_by_kind()) == list(DIGESTS)


def test_the_text_covers_every_finding_that_a_recorded_call_has() -> None:
    """So that the test above cannot pass on an empty text."""
    text = explained.TEXT.read_text(encoding="utf-8")
    for word in ("no-expiry-check", "value-kept", "quote", "not asked:", "no signer", "Panic"):
        assert word in text
    assert {name.split()[0] for name in PINNED} == {"inspect", "rows", "call", "state", "made"}
