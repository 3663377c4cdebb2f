"""Other decoders over the conformance corpus say what `docs/conformance.md` says of them."""

from __future__ import annotations

import pytest

from benchmarks.kits import Missing
from tests.conformance import page
from tests.conformance.rivals import RIVALS, Rival, answers_of


@pytest.mark.parametrize("rival", RIVALS, ids=lambda rival: rival.key)
def test_a_decoder_says_what_the_page_says(rival: Rival) -> None:
    try:
        name, answers = answers_of(rival)
    except Missing as missing:
        pytest.skip(str(missing))
    assert page.result(name, answers) == page.saved()[rival.key]
