"""High availability: how the origins are asked for, and the sessions that come of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from payloads.venues import Asked, make
from payloads.venues.chainlink.group import HighAvailability
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import SECOND, Event, Rejected, Reply, Request
from payloads.venues.common.session_group import Degraded

NOW = 1_700_000_000 * SECOND


@dataclass
class Found:
    """The origins that a group found, what it asked for them, how long it waited, what it said."""

    origins: tuple[str, ...] = ()
    requests: list[Request] = field(default_factory=list)
    waits: list[int] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)


def find(*replies: Reply) -> Found:
    """Drive a group until it has sessions; there is no answer when there are no more replies."""
    credentials = {"key": Secret("the-key"), "secret": Secret("the-secret")}
    asked = Asked(("0x" + "00" * 32,), options={"ha": "yes"}, credentials=credentials)
    group = make("chainlink", asked)
    assert isinstance(group, HighAvailability)
    found, now, left = Found(), NOW, [*replies]
    while not group.sessions:
        assert group.deadline is not None
        if group.deadline > now:
            assert group.retry is not None
            assert group.retry.again
            found.waits.append(group.deadline - now)
            now = group.deadline
        assert group.tick(now) == []
        (request,) = group.take_requests()
        found.requests.append(request)
        assert group.tick(now) == [], "a request is made once"
        assert group.take_requests() == []
        reply = left.pop(0) if left else Reply(request.purpose, 0, b"")
        found.events += group.replied(reply, now)
    assert group.deadline is None
    assert group.replied(named("late"), now) == []
    found.origins = group.origins
    return found


def named(value: str) -> Reply:
    return Reply("origins", 200, b"", (("X-Cll-Available-Origins", value),))


BUSY, NO = Reply("origins", 503, b"busy"), Reply("origins", 401, b"no")


def test_origins_are_asked_for_again_while_that_may_help() -> None:
    found = find(BUSY, Reply("origins", 0, b"no route"), named("{a,b}"))
    assert found.origins == ("a", "b")
    assert found.waits == [SECOND, 3 * SECOND]
    assert [event.code for event in found.events if isinstance(event, Rejected)] == [
        "HTTP 503",
        "no answer",
    ]
    assert len(found.events) == 2
    signed = [dict(one.headers)["X-Authorization-Timestamp"] for one in found.requests]
    assert signed == [str((NOW + wait * SECOND) // 10**6) for wait in (0, 1, 4)], "each anew"


@pytest.mark.parametrize(("asked", "wait"), [("2", 2), ("10", 10)])
def test_a_service_that_asks_for_a_longer_wait_gets_it(asked: str, wait: int) -> None:
    found = find(Reply("origins", 429, b"", (("Retry-After", asked),)), named("a,b"))
    assert (found.origins, found.waits) == (("a", "b"), [wait * SECOND])


@pytest.mark.parametrize(
    ("replies", "requests", "words"),
    [
        ([BUSY] * 3, 3, "does not say which origins there are"),
        ([NO], 1, "does not say which origins there are"),
        ([Reply("origins", 429, b"", (("Retry-After", "3600"),))], 1, "does not say"),
        ([named("")], 1, "names no origins"),
        ([named("a")], 1, "names one origin"),
        ([], 3, "does not say which origins there are"),
    ],
)
def test_one_connection_for_several_is_told(replies: Any, requests: int, words: str) -> None:
    found = find(*replies)
    assert len(found.origins) == 1
    assert len(found.requests) == requests
    *refusals, warning = found.events
    assert isinstance(warning, Degraded)
    assert f"the service {words}" in warning.message
    assert all(isinstance(event, Rejected) for event in refusals)
    assert len(refusals) == (requests if "say" in words else 0)
