"""Which reports are new: the exact rule, and the rule of the vendor's SDK."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payloads.errors import Misuse
from payloads.venues.chainlink.dedupe import ExactDeduplicator, SdkDeduplicator
from payloads.venues.chainlink.reports import StreamReport
from tests.venues.chainlink.kit import (
    F1,
    F2,
    make_report,
    read,
)


def test_exact_rule_keeps_what_the_sdk_drops() -> None:
    reports = [read(make_report(time=1000, price=1)), read(make_report(time=1000, price=2))]
    reports += [read(make_report(time=1001)), read(make_report(time=999))]
    exact, sdk = ExactDeduplicator(), SdkDeduplicator()
    assert [exact.accept(report) for report in reports] == [True, True, True, True]
    assert [sdk.accept(report) for report in reports] == [True, False, True, False]
    assert [exact.accept(report) for report in reports] == [False] * 4
    assert (exact.accepted, exact.duplicates) == (4, 4)
    assert (sdk.accepted, sdk.duplicates) == (2, 2)


def test_the_same_content_under_other_signatures_is_delivered_too() -> None:
    """Nobody has verified the first, so it must not hide the second; each comes once."""
    reports = [read(make_report(by=signers)) for signers in ([0, 1], [2, 3], [1, 0])]
    exact = ExactDeduplicator()
    assert [exact.accept(report) for report in reports] == [True, True, True]
    assert [exact.accept(report) for report in reports] == [False, False, False]


def test_unreadable_payloads_are_told_apart_by_their_bytes() -> None:
    exact = ExactDeduplicator()
    made = [StreamReport(F1, raw, None, None) for raw in (b"\x01", b"\x02", b"\x01")]
    assert [exact.accept(report) for report in made] == [True, True, False]
    sdk = SdkDeduplicator()
    assert [sdk.accept(report) for report in made] == [True, True, True]


def test_memory_is_bounded() -> None:
    exact = ExactDeduplicator(remember=2)
    reports = [read(make_report(time=time)) for time in (1, 2, 3, 4)]
    for report in reports:
        assert exact.accept(report)
    assert not exact.accept(reports[2])
    assert not exact.accept(reports[3])
    assert exact.accept(reports[0]), "forgotten, so it counts as new"
    with pytest.raises(Misuse):
        ExactDeduplicator(remember=0)


POOL = [
    read(make_report(feed, time, price)) for feed in (F1, F2) for time in (1, 2) for price in (1, 2)
]


@given(st.lists(st.sampled_from(POOL)))
def test_exact_rule_loses_and_doubles_nothing(stream: list[StreamReport]) -> None:
    exact = ExactDeduplicator()
    delivered = [report for report in stream if exact.accept(report)]
    assert delivered == list({report.full_report: report for report in stream}.values())
    assert exact.accepted + exact.duplicates == len(stream)


@given(st.lists(st.sampled_from(POOL)))
def test_sdk_rule_is_the_sdks(stream: list[StreamReport]) -> None:
    sdk, marks, expected = SdkDeduplicator(), dict.fromkeys((F1, F2), 0), []
    for report in stream:
        assert report.observations_timestamp
        if report.observations_timestamp > marks[report.feed_id]:
            marks[report.feed_id] = report.observations_timestamp
            expected.append(report)
    assert [report for report in stream if sdk.accept(report)] == expected
