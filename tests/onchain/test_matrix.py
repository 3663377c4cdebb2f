"""Guard and preflight against what a real node does with the transaction, case by case."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

pytest.importorskip("web3")

from tests.onchain import matrix
from tests.onchain.matrix import Line, disagreement
from tests.onchain.rpcnode import HardhatNode

pytestmark = pytest.mark.onchain


@pytest.fixture(scope="module")
def lines() -> Iterator[list[Line]]:
    with HardhatNode() as node:
        yield matrix.play_all(node)


def test_what_is_said_is_what_the_chain_does(lines: list[Line]) -> None:
    wrong = [f"{found}: {line.row()}" for line in lines if (found := disagreement(line))]
    assert not wrong
    assert len(lines) >= 80


def test_every_contract_and_every_kind_of_answer_is_there(lines: list[Line]) -> None:
    assert {line.case.world for line in lines} >= set(matrix.GENERATIONS)
    assert {line.fees for line in lines} == {"none", "charging", "no-op", "5 wei"}
    answers = Counter(line.chain.split(":")[0] for line in lines)
    assert answers["passes"] > 50
    assert answers["reverts"] > 50
    assert answers["does not take it"] >= 4
    assert answers["returns false"] == 2


def test_the_page_has_the_table(lines: list[Line]) -> None:
    found = matrix.section(lines)
    assert matrix.on_page() == found, "python -m tests.onchain.matrix writes the page"
