"""A session group being driven: what is asked before there is a session, and then all sessions."""

# ruff: noqa: PT012 (it is the loop that raises)

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from payloads.capture.frames import Delivery, Retrying
from payloads.errors import Misuse, Refused
from payloads.live import connect
from payloads.venues.common.session import SECOND, Data, Event, Rejected, Reply, Request, Retry
from payloads.venues.common.session_group import Degraded, SessionGroup
from tests.live.kit import SECRET, Notes, Numbered, count
from tests.live.memory import URL, MemoryPeer, MemoryVenue, in_virtual_time, now

ASK = "https://venue.example/sessions"


class Asking(SessionGroup):
    """Asks how many sessions there are; is refused with 503 first if told to."""

    venue = "numbered"

    def __init__(self, pause: int | None = 3 * SECOND) -> None:
        super().__init__()
        self.pause, self.token = pause, SECRET
        self.asked_at: list[int] = []

    def tick(self, now: int) -> list[Event]:
        if self.deadline is not None and now >= self.deadline:
            self.deadline = None
            self.asked_at.append(now)
            headers = (("X-Token", self.token.reveal()),)
            self._requests.append(Request("GET", ASK, headers, b"", "sessions", ("X-Token",)))
        return []

    def replied(self, reply: Reply, now: int) -> list[Event]:
        if reply.status != 200:
            self.retry = Retry(True, f"HTTP {reply.status}")
            self.deadline = None if self.pause is None else now + self.pause
            return [Rejected(str(reply.status), "")]
        self.sessions = tuple(Numbered(f"{URL}/{number}") for number in range(int(reply.body)))
        return [Degraded("fewer")] if len(self.sessions) < 2 else []


def answering(*statuses: int, body: bytes = b"2") -> Callable[[Request], Any]:
    left = [*statuses]

    async def http(request: Request) -> Reply:
        await asyncio.sleep(1)
        return Reply(request.purpose, left.pop(0) if left else 200, body)

    return http


async def handler(peer: MemoryPeer) -> None:
    await count(peer, 3)
    await peer.wait_closed()


async def read(connection: Any, enough: int) -> list[Delivery]:
    deliveries: list[Delivery] = []
    async for delivery in connection:
        deliveries.append(delivery)
        if sum(isinstance(e, Data) for each in deliveries for e in each.events) == enough:
            break
    return deliveries


def driven(group: SessionGroup, http: Any, **options: Any) -> Any:
    return connect(group, dial=MemoryVenue(handler).dial, http=http, clock=now, **options)


def test_all_sessions_have_one_reader() -> None:
    async def work() -> None:
        group, notes = Asking(), Notes()
        async with driven(group, answering(), recorder=notes) as connection:
            assert connection.connections == ()
            await connection.ready()
            assert tuple(each.session for each in connection.connections) == group.sessions
            deliveries = await read(connection, 6)
        seen = [(each.connection, e.content) for each in deliveries for e in each.events
                if isinstance(e, Data)]  # fmt: skip
        assert sorted(seen) == [(c, n) for c in (1, 2) for n in (1, 2, 3)]
        assert all(session.calls[-1] == "closed 1000" for session in group.sessions)  # type: ignore[attr-defined]

    in_virtual_time(work())


def test_connections_have_numbers_of_their_own_without_a_recorder_too() -> None:
    async def work() -> None:
        async with driven(Asking(), answering()) as connection:
            deliveries = await read(connection, 6)
        assert {each.connection for each in deliveries} == {1, 2}

    in_virtual_time(work())


def test_a_refusal_is_waited_out_and_told() -> None:
    async def work() -> None:
        group, notes = Asking(), Notes()
        async with driven(group, answering(503, 503, body=b"1"), recorder=notes) as connection:
            deliveries = await read(connection, 3)
        assert [at - group.asked_at[0] for at in group.asked_at] == [0, 4 * SECOND, 8 * SECOND]
        before = [e for each in deliveries if not each.connection for e in each.events]
        again = [Retrying(attempt, 3 * SECOND, "HTTP 503") for attempt in (1, 2)]
        no = Rejected("503", "")
        assert before == [no, again[0], no, again[1], Degraded("fewer")]
        asked = [kept for kept in notes.incidents if not kept.connection]
        assert [incident.what for incident in asked] == [
            "request", "reply", "retrying", "request", "reply", "retrying", "request", "reply",
        ]  # fmt: skip
        assert asked[2].detail == {"attempt": 1, "wait_ns": 3 * SECOND, "why": "HTTP 503"}
        assert SECRET.reveal() in notes.secrets
        assert SECRET.reveal() not in str(asked[0].detail)

    in_virtual_time(work())


def test_a_group_that_gives_up_ends_the_reading() -> None:
    async def work() -> None:
        async with driven(Asking(pause=None), answering(503)) as connection:
            events: list[Event] = []
            with pytest.raises(Refused, match="HTTP 503") as caught:
                async for event in connection.events():
                    events.append(event)
            assert caught.value.field == "numbered"
            assert events == [Rejected("503", "")]
            await connection.ready()

    in_virtual_time(work())


WAITING: list[Event] = [Rejected("503", ""), Retrying(1, 3600 * SECOND, "HTTP 503")]


@pytest.mark.parametrize(
    ("statuses", "after", "expected"),
    [((), 0.5, []), ((503,), 5, WAITING)],
    ids=["while asking", "while waiting"],
)
def test_closing_waits_for_no_answer(
    statuses: tuple[int, ...], after: float, expected: list[Event]
) -> None:
    async def work() -> None:
        group = Asking(pause=3600 * SECOND)
        async with driven(group, answering(*statuses)) as connection:
            await asyncio.sleep(after)
            began = now()
            await connection.close()
            assert now() - began < SECOND
            assert [event async for event in connection.events()] == expected
        assert group.sessions == connection.connections == ()

    in_virtual_time(work())


def test_what_goes_wrong_with_a_request_reaches_the_reader() -> None:
    async def http(request: Request) -> Reply:
        raise Misuse("not a URL to ask")

    async def work() -> None:
        async with driven(Asking(), http) as connection:
            with pytest.raises(Misuse, match="not a URL"):
                await anext(connection)

    in_virtual_time(work())


def test_wrong_use_is_told_at_once() -> None:
    async def work() -> None:
        with pytest.raises(TypeError, match="no_option"):
            driven(Asking(), answering(), no_option=1)
        async with driven(Asking(), answering()) as connection:
            with pytest.raises(Misuse, match="once"):
                connection.start()

    in_virtual_time(work())
