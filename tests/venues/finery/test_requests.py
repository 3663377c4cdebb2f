"""Finery's requests, what becomes of each, and keeping the connection alive."""

from __future__ import annotations

import pytest

from payloads.errors import Misuse
from payloads.venues.common.pending import RequestFailed
from payloads.venues.common.session import SECOND, Closed, Rejected, Unknown
from payloads.venues.finery.feeds import Binding
from payloads.venues.finery.requests import Answered
from tests.venues.finery.kit import NOW, make, opened, say, up
from tests.venues.kit import only


def test_replies_find_their_requests() -> None:
    session = up()
    first, second = session.request("add"), session.request("cancel")
    (event,) = say(session, {"event": "request", "reqId": second, "reply": {"id": 2**60}})
    assert event == Answered(second, "cancel", {"id": 2**60})
    (event,) = say(session, {"event": "request", "reqId": first, "error": 79, "param": "EUR"})
    assert event == RequestFailed("79", "EUR", "order: exceeds limits", "add #1", first)
    (closed,) = session.closed(1000, "", NOW)
    assert isinstance(closed, Closed)


def test_a_request_that_is_not_answered_is_told() -> None:
    session = up()
    later = NOW + 20 * SECOND
    number = session.request("add", {"size": 1})
    # Its time begins when a driver, who is asked to look at once, has sent it.
    assert session.deadline is not None
    assert session.deadline <= later
    assert session.tick(later) == []
    assert session.deadline == NOW + 25 * SECOND, "of the ping"
    session.tick(NOW + 25 * SECOND)
    assert session.deadline == later + 10 * SECOND
    second = session.request("del")
    assert session.tick(later + 10 * SECOND - 1) == []
    (event,) = session.tick(later + 10 * SECOND)
    words = "no reply in time: what became of it is not known"
    assert event == RequestFailed("no answer", "", words, "add #1", number)
    assert session.tick(later + 11 * SECOND) == []
    # A late reply is one all the same, and nothing is told twice.
    reply = {"event": "request", "reqId": number, "reply": {"id": 7}}
    assert say(session, reply) == [Answered(number, "add", {"id": 7})]
    lost, closed = session.closed(1006, "", later + 12 * SECOND)
    assert isinstance(lost, RequestFailed)
    assert (lost.code, lost.about, lost.request_id) == ("lost", "del #2", second)
    assert isinstance(closed, Closed)
    assert session.deadline is None
    with pytest.raises(Misuse):
        make(reply_within=0)


def test_an_answered_request_is_not_waited_for() -> None:
    session = up()
    number = session.request("add")
    say(session, {"event": "request", "reqId": number, "error": 79})
    assert session.deadline == NOW + 25 * SECOND
    assert session.tick(NOW + 24 * SECOND) == []
    # What says neither yes nor no is no answer.
    number = session.request("add")
    (event,) = say(session, {"event": "request", "reqId": number})
    assert isinstance(event, Unknown)
    assert only(session.tick(NOW + 10 * SECOND), RequestFailed).code == "no answer"


def test_a_bind_by_a_caller_has_its_full_time() -> None:
    session = up()
    session.subscribe(Binding("I"))
    assert session.tick(NOW + 20 * SECOND) == []
    event = only(session.tick(NOW + 30 * SECOND), Rejected)
    assert (event.code, event.about) == ("no answer", "bind I")


def test_requests_are_not_kept_for_later() -> None:
    for session in (make(), opened()):
        with pytest.raises(Misuse):
            session.request("add")
    for method in ("", "a b", "../x"):
        with pytest.raises(Misuse):
            up().request(method)
    with pytest.raises(Misuse):
        up().request("add", {"size": float("nan")})


def test_a_ping_goes_out_long_before_the_idle_limit() -> None:
    session = up()
    now, last = NOW, NOW
    for _ in range(10):
        assert session.deadline is not None
        assert session.deadline - last < 80 * SECOND
        now = last = session.deadline
        session.tick(now)
        assert session.take() == ['{"event":"ping"}']
    with pytest.raises(Misuse):
        make(ping_every=80 * SECOND)
    assert make(ping_every=None).deadline is None
