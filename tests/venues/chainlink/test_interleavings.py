"""Every order of what connections bring: reports that are read late, connections that are lost with
reports unread, and pages that were answered before a loss and come after the next opening.

Several reports have the same second, as the live service's may.
"""

from __future__ import annotations

import json
from collections import deque
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from payloads.venues.chainlink import server
from payloads.venues.chainlink.backfill import Backfilled
from payloads.venues.common.session import SECOND, Data, Event, Reply, Request
from tests.venues.chainlink.kit import F1, F2, HERE, NOW, found_group, make_report, opened

# A report of each number, signed once: its time does not matter to a session.
SIGNED = [make_report(F1, 1000, number) for number in range(60)]
# Longer than a gap's pages can wait for each other.
LONG = 240 * SECOND


class Network:
    """A service of several origins, and what is on its way from it to the sessions of a group."""

    def __init__(self, count: int) -> None:
        self.sessions = found_group(server.origins_headers([*"abc"[:count]])).sessions
        self.now = NOW
        self.archive: list[dict[str, Any]] = []
        self.events: list[Event] = []
        # The connections that the service sends to, and those that are open for their sessions.
        self.joined, self.up = set[int](), set[int]()
        self.unread = [deque[str]() for _ in self.sessions]
        self.requests = [deque[Request]() for _ in self.sessions]
        self.replies = [deque[Reply]() for _ in self.sessions]

    # --- steps; each does nothing where there is nothing to do ---

    def report(self, _: int = 0) -> None:
        """The service makes a report, and sends it to every connection."""
        if len(self.archive) < len(SIGNED):
            second = self.now // SECOND
            times = {"observationsTimestamp": second, "validFromTimestamp": second}
            self.archive.append(SIGNED[len(self.archive)] | times)
            for index in self.joined:
                self.unread[index].append(json.dumps({"report": self.archive[-1]}))

    def read(self, index: int) -> None:
        """A session reads a report."""
        if index in self.up and self.unread[index]:
            text = self.unread[index].popleft()
            self._told(index, self.sessions[index].received(text, self.now))

    def open(self, index: int) -> None:
        if index not in self.up:
            self.joined.add(index)
            self.up.add(index)
            self._told(index, opened(self.sessions[index], self.now))

    def hang(self, index: int) -> None:
        """Nothing more is sent on a connection, and its session is not told."""
        self.joined.discard(index)

    def cut(self, index: int) -> None:
        """A connection is gone, with all that is unread."""
        self.hang(index)
        self.unread[index].clear()
        if index in self.up:
            self.up.discard(index)
            self._told(index, self.sessions[index].closed(1006, "", self.now))

    def answer(self, index: int) -> None:
        """The service answers a request; the answer is on its way then."""
        if self.requests[index]:
            request = self.requests[index].popleft()
            query = server.read_query(request.url.removeprefix(HERE.rest) + "&limit=3")
            answer = server.answer(query, {F1: self.archive, F2: []})
            self.replies[index].append(Reply(request.purpose, *answer))

    def reply(self, index: int) -> None:
        """A session gets an answer."""
        if self.replies[index]:
            reply = self.replies[index].popleft()
            self._told(index, self.sessions[index].replied(reply, self.now))

    def wait(self, _: int = 0) -> None:
        """Time passes, less than a second."""
        self.now += 3 * SECOND // 8
        for index, session in enumerate(self.sessions):
            if session.deadline is not None and session.deadline <= self.now:
                self._told(index, session.tick(self.now))

    def _told(self, index: int, events: list[Event]) -> None:
        self.events += events
        self.requests[index] += self.sessions[index].take_requests()

    # --- the end ---

    def recover(self) -> None:
        """Open what hangs or is lost, and let everything arrive that is on its way."""
        for index in range(len(self.sessions)):
            while index in self.joined and self.unread[index]:
                self.read(index)
            if index not in self.joined:
                self.cut(index)
                self.open(index)
        end = self.now + LONG
        self.report()
        while self.now < end and any(session.deadline is not None for session in self.sessions):
            for index in range(len(self.sessions)):
                for step in (self.read, self.answer, self.reply):
                    step(index)
            self.wait()
        for index in range(len(self.sessions)):
            while self.unread[index]:
                self.read(index)

    @property
    def delivered(self) -> list[int]:
        """The numbers of the delivered reports."""
        data = [event for event in self.events if isinstance(event, Data)]
        number = {report["fullReport"]: at for at, report in enumerate(SIGNED)}
        return [number["0x" + event.content.full_report.hex()] for event in data]


STEP = st.sampled_from(
    ["report", "report", "read", "read", "read", "open", "hang", "cut", "answer", "reply", "wait"]
)


def of_first(*names: str) -> list[tuple[str, int]]:
    return [(name, 0) for name in names]


@settings(max_examples=400)
@example(  # the page was answered before the second loss, and comes after it
    1, of_first("read", "cut", "open", "answer", "report", "cut", "report", "open", "reply")
)
@example(  # the page came before the second loss, in the second of which more was made then
    1, of_first("read", "cut", "open", "answer", "reply", "report", "cut", "report", "open")
)
@given(st.integers(1, 3), st.lists(st.tuples(STEP, st.integers(0, 2)), max_size=60))
def test_no_order_of_what_comes_loses_or_doubles_a_report(
    count: int, steps: list[tuple[str, int]]
) -> None:
    network = Network(count)
    for index in range(count):
        network.open(index)
    network.report()
    for name, index in steps:
        getattr(network, name)(index % count)
    network.recover()
    assert sorted(network.delivered) == [*range(len(network.archive))]
    assert all(event.complete for event in network.events if isinstance(event, Backfilled))
