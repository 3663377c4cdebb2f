"""A test of an imaginary keeper, in few lines, finds the bugs that are planted in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from payloads import PayloadError, chainlink, judge
from payloads.chainlink.schemas import ReportHead
from payloads.strategies import Submission, submissions
from payloads.testing import InsecureTestNetwork, InsecureTestStorkSigner

NETWORK, SIGNER = InsecureTestNetwork(), InsecureTestStorkSigner()
CHAINLINK = submissions(state=NETWORK.state("v0.5.0", fees=True), network=NETWORK)
STORK = submissions(state=SIGNER.state(fee=7), network=SIGNER)
# As a user runs them.
EXAMPLES = settings(
    max_examples=200, deadline=None, database=None, phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
# Each bug, and the test that must find it.
BUGS = {
    "ignores returned": 0,
    "reads a negative price as huge": 1,
    "accepts expired": 2,
    "takes any feed": 2,
    "re-uses a report": 2,
}
How = Callable[[Callable[..., None]], Callable[..., None]]


def seeded(number: int, how: settings = EXAMPLES) -> How:
    """The settings, with the same examples in every run of the same number."""
    return lambda test: seed(number)(how(test))


class Keeper:
    """Decides whether to send. Each bug is planted by its name."""

    def __init__(self, bug: str = "") -> None:
        self.bug, self.used = bug, set[bytes]()

    def would_send(self, submission: Submission, feeds: set[bytes] | None = None) -> bool:
        terms: dict[str, Any] = dict(submission.terms)
        if self.bug == "accepts expired":
            terms["now"] = 0
        verdict = judge(submission.payload, submission.state, **terms)
        if not (verdict.revert_data is None if self.bug == "ignores returned" else verdict):
            return False
        if submission.system == "chainlink":
            feed = bytes(chainlink.decode_envelope(submission.payload).report_blob[:32])
            if feeds is not None and feed not in feeds and self.bug != "takes any feed":
                return False
        first = bytes(submission.payload) not in self.used
        self.used.add(bytes(submission.payload))
        return first or self.bug == "re-uses a report"

    def price(self, submission: Submission) -> int | None:
        """The price of a report that has a head; None for any other payload."""
        try:
            report: Any = chainlink.decode(submission.payload).report
        except PayloadError:
            return None
        price = getattr(report, "benchmark_price", None)
        if not isinstance(report, ReportHead) or price is None:
            return None
        return int(price) % 2**192 if self.bug == "reads a negative price as huge" else int(price)


def _tests(keeper: Keeper, how: How) -> Iterator[Callable[[], None]]:
    def sends_what_passes(submission: Submission) -> None:
        keeper.used.clear()
        assert keeper.would_send(submission) == submission.accepted
        assert not keeper.would_send(submission)
        keeper.used.clear()
        assert submission.system == "stork" or not keeper.would_send(submission, feeds=set())

    def reads_prices_as_they_are(submission: Submission) -> None:
        assert abs(keeper.price(submission) or 0) < 2**191 + 1

    yield how(given(STORK)(sends_what_passes))
    yield how(given(CHAINLINK)(reads_prices_as_they_are))
    yield how(given(CHAINLINK)(sends_what_passes))


def fails(keeper: Keeper, which: int, how: How) -> bool:
    """Whether a test fails for a keeper."""
    try:
        list(_tests(keeper, how))[which]()
    except AssertionError:
        return True
    return False


# `python -m benchmarks.strategies` counts 30 runs. A run in some sixty misses a bug. Which one that
# is depends on the modules that are loaded, from which Hypothesis takes constants.
@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found_within_200_examples(bug: str) -> None:
    runs = (fails(Keeper(bug), BUGS[bug], seeded(number)) for number in range(5))
    assert sum(islice(filter(None, runs), 3)) == 3, "found in three of five runs"


@pytest.mark.parametrize("which", range(3))
def test_a_keeper_without_a_bug_passes(which: int) -> None:
    assert not fails(Keeper(), which, seeded(0, settings(EXAMPLES, max_examples=30)))
