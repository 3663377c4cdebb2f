"""Reports as the service wraps them: read in one pass, and the long way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from payloads import chainlink
from payloads.venues.chainlink.reports import StreamReport, read_plain_frame, read_report
from payloads.venues.common.json_text import parse_json
from payloads.venues.common.session import Broken, Data, Event
from tests.checks import outcome
from tests.venues.chainlink.kit import (
    F1,
    NOW,
    PUBLISHED,
    make_report,
    new_session,
)

SECONDS: st.SearchStrategy[Any] = st.sampled_from(
    [0, 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -1, None, "7", True, 1.0, []]
)
NAMES = st.sampled_from(
    ["feedID", "fullReport", "observationsTimestamp", "validFromTimestamp", "x"]
)
TIMES = ("observationsTimestamp", "validFromTimestamp")
KNOWN = {"feedID", "fullReport", *TIMES}
REPORTS = st.fixed_dictionaries(
    {
        "feedID": st.sampled_from([F1, F1.upper().replace("0X", "0x"), "0x12", 7, None]),
        "fullReport": st.sampled_from([PUBLISHED, PUBLISHED[2:], "0x1", "0x", "é", 5, None]),
        "observationsTimestamp": SECONDS,
        "validFromTimestamp": SECONDS,
    },
    optional={"x": st.just({"y": [1]})},
)


def what_was_read(event: Event) -> Any:
    """The report, or what is wrong with it."""
    if isinstance(event, Data):
        return event.content
    assert isinstance(event, Broken)
    return event.error


@given(REPORTS, st.sets(NAMES, max_size=2), st.booleans(), st.booleans())
@example(make_report() | {"validFromTimestamp": 2**64}, set(), False, True)
def test_one_pass_reads_what_the_long_way_reads(
    found: dict[str, Any], without: set[str], more: bool, binary: bool
) -> None:
    message: dict[str, Any] = {"report": {k: v for k, v in found.items() if k not in without}}
    if more:
        message["more"] = 1
    text = json.dumps(message, ensure_ascii=False)
    expected = outcome(read_report, parse_json(text)["report"], origin="o")
    in_one_pass = read_plain_frame(text.encode() if binary else text, "o")
    assert in_one_pass in (None, expected)
    plain = isinstance(expected, StreamReport) and not more and set(message["report"]) == KNOWN
    times = [message["report"].get(name) for name in TIMES]
    assert (in_one_pass is not None) == (
        plain and all(type(time) is int and time < 2**63 for time in times)
    )
    # A session reads a message in one pass or the long way.
    (event,) = new_session(origin="o").received(text.encode() if binary else text, NOW)
    assert repr(what_was_read(event)) == repr(expected)


def test_what_else_a_report_has_is_kept() -> None:
    text = json.dumps({"report": make_report(F1, 7, 1) | {"more": [1]}})
    assert read_plain_frame(text) is None
    assert read_report(parse_json(text)["report"]).extra == {"more": [1]}
    (event,) = new_session().received(text, NOW)
    assert isinstance(event, Data)
    assert event.content.extra == {"more": [1]}
    assert read_plain_frame('{"other": 1}') is None


def test_published_report_decodes_to_what_the_page_prints() -> None:
    payload = chainlink.decode(PUBLISHED)
    offsets = [payload.offset_of(path) for path in ("report_blob", "rs.length", "ss.length")]
    assert offsets == [224 + 32, 544, 640]
    assert (len(payload.raw), len(payload.report_blob), len(payload.rs)) == (736, 288, 2)
    found: Any = payload.report
    assert (found.valid_from_timestamp, found.observations_timestamp) == (1722458067, 1722458067)
    assert (found.native_fee, found.link_fee) == (30940102293200, 7776444105849300)
    assert found.expires_at == 1722544467
    assert found.benchmark_price == 3232051369848762000000
    assert (found.bid, found.ask) == (3232019831592780500000, 3232082908104743600000)


@pytest.mark.parametrize("more", ['"feedID":"0x"', '"validFromTimestamp":7', '"fullReport":null'])
def test_of_two_members_of_one_name_the_last_counts(more: str) -> None:
    members = json.dumps(make_report())[1:-1]
    for text in (f'{{"report":{{{members},{more}}}}}', f'{{"report":{{{more},{members}}}}}'):
        expected = outcome(read_report, parse_json(text)["report"])
        (event,) = new_session().received(text, NOW)
        assert repr(what_was_read(event)) == repr(expected)
