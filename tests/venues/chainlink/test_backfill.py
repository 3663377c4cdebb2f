"""Gaps: where they begin, how they are filled, and when that is given up."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from payloads.venues.chainlink.backfill import Backfill, Backfilled
from payloads.venues.chainlink.dedupe import SdkDeduplicator
from payloads.venues.chainlink.session import ChainlinkSession
from payloads.venues.chainlink.stream import Stream
from payloads.venues.common.dedupe import Duplicate
from payloads.venues.common.session import (
    SECOND,
    Broken,
    Data,
    Event,
    Missing,
    Rejected,
    Reply,
    Request,
)
from tests.venues.chainlink.kit import (
    CREDENTIALS,
    F1,
    F2,
    HERE,
    NOW,
    Service,
    after_a_gap,
    frame,
    kinds,
    make_report,
    new_session,
    opened,
)


def outage(service: Service, seconds: int, per_second: int = 1) -> int:
    """Five seconds of stream, an outage in mid-second, five more; answers how many were sent."""
    sent = 0
    opened(service.session, service.now)
    for second in range(10 + seconds):
        for _ in range(per_second):
            sent += 1
            if second == 5 and sent % per_second == per_second // 2:
                service.session.closed(1006, "", service.now)
            live = not 5 <= second < 5 + seconds or bool(
                second == 5 and (sent - 1) % per_second < per_second // 2 - 1
            )
            service.publish(F1, sent, live=live)
            if second % 2:
                service.publish(F2, sent, live=live)
        service.wait(service.now + SECOND)
        if second == 4 + seconds:
            service.events += opened(service.session, service.now)
    service.wait(service.now + 60 * SECOND)
    return sent


@pytest.mark.parametrize("per_second", [1, 4])
@pytest.mark.parametrize("seconds", [1, 3, 60])
def test_an_outage_loses_and_doubles_nothing(seconds: int, per_second: int) -> None:
    service = Service(new_session())
    sent = outage(service, seconds, per_second)
    assert sorted(service.delivered(F1)) == list(range(1, sent + 1))
    assert len(set(service.delivered(F2))) == len(service.delivered(F2))
    data = [event for event in service.events if isinstance(event, Data)]
    assert any(event.content.backfilled for event in data)
    assert not data[0].content.backfilled
    assert {end.channel for end in service.ends} == {F1, F2}
    assert all(end.complete for end in service.ends)
    assert service.session.deadline is None


def test_a_backfilled_report_is_told_from_a_streamed_one_and_is_the_same() -> None:
    service = Service(new_session())
    opened(service.session)
    service.publish(F1, 1, live=True)
    service.session.closed(1006, "", NOW)
    service.publish(F1, 2, live=False)
    service.events += opened(service.session)
    service.pump()
    streamed, filled = (event for event in service.events if isinstance(event, Data))
    assert [event.content.backfilled for event in (streamed, filled)] == [False, True]
    published = bytes.fromhex(service.archive[F1][1]["fullReport"][2:])
    assert filled.payload == filled.content.full_report == published
    (again,) = (event for event in service.events if isinstance(event, Duplicate))
    assert (again.content.full_report, again.content.backfilled) == (streamed.payload, True)


class Noted:
    """A session that notes what it is given."""

    def __init__(self, session: ChainlinkSession) -> None:
        self.session, self.given = session, list[tuple[str, tuple[Any, ...]]]()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.session, name)

        def noted(*args: Any) -> Any:
            self.given.append((name, args))
            return method(*args)

        return noted if name in ("opened", "received", "replied", "closed") else method


def test_given_again_what_it_was_given_a_session_says_the_same() -> None:
    """So a capture that has the answers to requests gives the back-filled reports again."""
    noted: Any = Noted(new_session())
    service = Service(noted)
    service.failures = [503]
    outage(service, 12, per_second=2)
    again, events = new_session(), list[Event]()
    for name, args in noted.given:
        if again.deadline is not None and again.deadline <= args[-1]:
            events += again.tick(args[-1])
        events += getattr(again, name)(*args)
        again.take_requests()
    told = (Data, Duplicate, Backfilled, Rejected)
    assert [event for event in events if isinstance(event, told)] == [
        event for event in service.events if isinstance(event, told)
    ]
    assert any(event.content.backfilled for event in events if isinstance(event, Data))


def test_why_backfill_starts_in_the_second_it_knows() -> None:
    """From the next second on, as documented, it misses the rest of the second of the cut."""
    service = Service(new_session(overlap=0))
    sent = outage(service, 3, per_second=4)
    assert sorted(service.delivered(F1)) == [
        number for number in range(1, sent + 1) if number not in (22, 23, 24)
    ]


def test_backfill_starts_where_it_is_told() -> None:
    for overlap, start in ((0, 1001), (1, 1000), (5, 996)):
        session = after_a_gap(overlap=overlap)
        (request,) = session.take_requests()
        assert request.url.endswith(f"startTimestamp={start}")
    session = after_a_gap(backfill=False)
    assert session.take_requests() == []


def test_a_feed_that_never_reported_is_missing_from_the_first_opening() -> None:
    session = ChainlinkSession(CREDENTIALS, [F1], endpoint=HERE, overlap=0)
    session.closed(1006, "never opened", NOW - SECOND)
    opened(session)
    session.closed(1006, "", NOW)
    opened(session, NOW + 9 * SECOND)
    (request,) = session.take_requests()
    assert request.url.endswith(f"startTimestamp={NOW // SECOND}")


def test_a_report_from_the_future_does_not_hide_a_gap() -> None:
    session = ChainlinkSession(CREDENTIALS, [F1], endpoint=HERE, overlap=0)
    opened(session)
    session.received(frame(time=1000), NOW)
    session.received(frame(time=2**32 - 1), NOW)
    session.closed(1006, "", NOW)
    opened(session)
    (request,) = session.take_requests()
    assert request.url.endswith("startTimestamp=1001")


def test_backfill_survives_transient_failures() -> None:
    service = Service(new_session())
    service.failures = [500, 429, 503, 0]
    sent = outage(service, 3)
    assert sorted(service.delivered(F1)) == list(range(1, sent + 1))
    assert sum(isinstance(event, Rejected) for event in service.events) == 4


def test_backfill_gives_up_on_a_refusal() -> None:
    service = Service(new_session())
    service.failures = [401, 401]
    outage(service, 3)
    assert [end.complete for end in service.ends] == [False, False]
    rejected = [event for event in service.events if isinstance(event, Rejected)]
    assert [event.code for event in rejected] == ["HTTP 401", "HTTP 401"]
    assert rejected[0].about == f"backfill of {F1}"


def test_backfill_gives_up_after_five_failures() -> None:
    service = Service(ChainlinkSession(CREDENTIALS, [F1], endpoint=HERE))
    service.failures = [500] * 5
    outage(service, 3)
    assert [end.complete for end in service.ends] == [False]
    headers = [dict(request.headers) for request in service.requests]
    times = [int(each["X-Authorization-Timestamp"]) for each in headers]
    waits = [b - a for a, b in pairwise(times)]
    assert waits == [1000, 2000, 4000, 8000]


def test_an_answer_that_never_comes_is_asked_for_again() -> None:
    session = after_a_gap()
    (first,) = session.take_requests()
    assert session.deadline
    later = session.deadline
    assert later == NOW + 60 * SECOND
    (event,) = session.tick(later)
    assert isinstance(event, Rejected)
    assert event.meaning == "no answer came"
    assert session.deadline == later + SECOND
    session.tick(later + SECOND)
    (second,) = session.take_requests()
    assert second.url == first.url
    assert second.headers != first.headers


def test_a_page_that_comes_after_another_loss_is_taken() -> None:
    """Nothing is asked for while nothing is open, since signatures do not keep; nor twice."""
    session = after_a_gap()
    (first,) = session.take_requests()
    session.received(frame(time=2000), NOW)
    session.closed(1006, "", NOW)
    body = json.dumps({"reports": [make_report(time=1500)]}).encode()
    late, *_ = session.replied(Reply(first.purpose, 200, body), NOW + SECOND)
    assert isinstance(late, Data)
    assert late.content.backfilled
    assert (session.take_requests(), session.deadline) == ([], None)
    later = NOW + 30 * SECOND
    opened(session, later)
    (second,) = session.take_requests()
    assert second.url.endswith("startTimestamp=1501"), "on from where it was"
    assert dict(second.headers)["X-Authorization-Timestamp"] == str(later // 10**6)
    (over,) = session.replied(Reply(second.purpose, 200, b'{"reports":[]}'), later)
    assert isinstance(over, Backfilled)
    assert over.complete


def test_a_page_that_nobody_fetched_is_asked_for_again() -> None:
    session = ChainlinkSession(CREDENTIALS, [F1], endpoint=HERE)
    opened(session)
    session.closed(1006, "", NOW)
    session.opened(NOW)
    session.closed(1006, "", NOW)
    session.opened(NOW + SECOND)
    assert len(session.take_requests()) == 1


def test_requests_keep_the_services_pace() -> None:
    feeds = ["0x0003" + f"{index:060x}" for index in range(30)]
    session = ChainlinkSession(CREDENTIALS, feeds, endpoint=HERE)
    opened(session)
    session.closed(1006, "", NOW)
    now, made = NOW + SECOND, []
    waiting: list[Request] = []
    opened(session, now)
    while session.deadline is not None:
        requests = session.take_requests()
        made += [now for _ in requests]
        waiting += requests
        assert len(waiting) <= 4
        if len(waiting) == 4 or len(made) == 30:
            session.replied(Reply(waiting.pop(0).purpose, 200, b'{"reports":[]}'), now)
        else:
            assert session.deadline > now
            now = session.deadline
            session.tick(now)
    assert len(made) == 30
    assert all(sum(at - SECOND < other <= at for other in made) <= 10 for at in made)


def test_backfilled_answers_that_are_no_pages() -> None:
    for body, kinds_ in (
        (b"{}", [Broken, Backfilled]),
        (b"nonsense", [Broken, Backfilled]),
        (b'{"reports":[{}]}', [Broken, Backfilled]),
        (b'{"reports":[]}', [Backfilled]),
    ):
        session = after_a_gap()
        (request,) = session.take_requests()
        assert kinds(session.replied(Reply(request.purpose, 200, body), NOW)) == kinds_
        assert session.take_requests() == []
        assert session.replied(Reply(request.purpose, 200, body), NOW) == [], "asked for no more"


def test_pages_that_do_not_advance_end_the_backfill() -> None:
    session = after_a_gap(2000)
    (request,) = session.take_requests()
    body = json.dumps({"reports": [make_report(time=1)]}).encode()
    *_, end = session.replied(Reply(request.purpose, 200, body), NOW)
    assert end == Backfilled(F1, 2000, None, 1, complete=False)


def test_backfill_under_the_sdks_rule() -> None:
    service = Service(
        ChainlinkSession(
            CREDENTIALS, Stream([F1, F2], SdkDeduplicator()), endpoint=HERE
        )
    )  # fmt: skip
    sent = outage(service, 20)
    assert sorted(service.delivered(F1)) == list(range(1, sent + 1))


def test_the_sessions_of_a_group_share_the_services_pace() -> None:
    """The service counts by account: two sessions with long gaps ask no faster than one."""
    stream = Stream([F1, F2])
    sessions = [ChainlinkSession(CREDENTIALS, stream, endpoint=HERE) for _ in range(2)]
    fillers: list[Backfill] = [session._backfill for session in sessions]
    for filler in fillers:
        filler.start(0)
        filler.begin(F1, 0)
        filler.begin(F2, 0)
    asked = []
    for step in range(100):
        now = 10_000 * SECOND + step * SECOND // 100
        for filler in fillers:
            asked += [now for _ in filler.due(now)[0]]
    # A feed's gap has one request under way, so there are four here, and no answers.
    assert len(asked) == 4
    assert all(later - earlier >= SECOND // 8 for earlier, later in pairwise(asked))


def test_a_gap_that_is_given_up_is_missing() -> None:
    """Until it is filled after all, as part of a longer gap."""
    session = after_a_gap(2000)
    (request,) = session.take_requests()
    about = f"backfill of {F1}"
    assert session.missing[about] == Missing("no answer", NOW)
    events = session.replied(Reply(request.purpose, 404, b""), NOW)
    assert kinds(events) == [Rejected, Backfilled]
    assert session.missing[about] == Missing("given up", NOW)
    filler: Backfill = session._backfill
    for start, missing in ((2005, True), (1990, False)):
        filler.begin(F1, start)
        (request,), _ = filler.due(NOW + 10 * SECOND)
        filler.replied(Reply(request.purpose, 200, b'{"reports":[]}'), NOW + 10 * SECOND)
        assert (about in session.missing) is missing
        filler._pace.next = 0


def test_a_gap_says_where_it_ends() -> None:
    session = after_a_gap(1000)
    (request,) = session.take_requests()
    session.received(frame(time=1005), NOW)
    page = [make_report(time=time) for time in range(999, 1006)]
    body = json.dumps({"reports": page}).encode()
    *_, end = session.replied(Reply(request.purpose, 200, body), NOW)
    assert isinstance(end, Backfilled)
    start = int(request.purpose.rpartition(":")[2])
    assert (end.start, end.end, end.complete) == (start, 1005, True)
