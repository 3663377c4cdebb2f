"""The machine of connections: our sessions of all venues hold, and planted bugs are found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.errors import InvalidArgument
from hypothesis.stateful import run_state_machine_as_test

from payloads.capture.frames import Delivery
from payloads.capture.writer import CaptureWriter
from payloads.live import Connection
from payloads.simulators.venues.chainlink import FEEDS
from payloads.strategies import connection_machine
from payloads.strategies.machines.connection import ConnectionMachine
from payloads.strategies.machines.group import GroupMachine
from payloads.testing import InsecureTestNetwork
from payloads.venues import Channel
from payloads.venues.chainlink.dedupe import SdkDeduplicator
from payloads.venues.chainlink.group import HighAvailability
from payloads.venues.chainlink.session import ChainlinkSession
from payloads.venues.chainlink.stream import Stream
from payloads.venues.common.redactor import Message
from payloads.venues.common.session import Broken, Closed, Data, Event, Reply, Session
from payloads.venues.stork.session import StorkSession

# The same examples in every run.
HOW = settings(
    deadline=None, derandomize=True, database=None, stateful_step_count=20,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
# Until a bug is found; without shrinking. The bug that is hardest to find takes 65 on average.
FIND = settings(HOW, max_examples=1_000, phases=[Phase.generate], report_multiple_bugs=False)
# As fast as the others: two feeds, of a small network.
CHAINLINK: dict[str, Any] = {
    "feeds": [FEEDS["BTC/USD"], FEEDS["LINK/USD"]], "network": InsecureTestNetwork("small", 4, 1)
}  # fmt: skip


def run(machine: type[ConnectionMachine], how: settings = FIND) -> None:
    run_state_machine_as_test(machine, settings=how)


# --- our own sessions -----------------------------------------------------------------------------

PRIVATE = Channel.of("accountPositionUpdate", "inclusionPreconf")


class OfLogin(connection_machine("ethgas", lifetime=600)):  # type: ignore[misc]
    """A session that logs in over HTTP, and whose tokens end."""

    def make_session(self, simulator: Any) -> Session:
        found: Session = simulator.session(PRIVATE)
        return found


class OfTrading(connection_machine("qfex")):  # type: ignore[misc]
    """A session that sends its credential as a message."""

    def make_session(self, simulator: Any) -> Session:
        found: Session = simulator.trade_session(simulator.jwt(), channels=["positions"])
        return found


OURS: dict[str, type[ConnectionMachine]] = {
    "chainlink": connection_machine("chainlink", **CHAINLINK),
    "stork": connection_machine("stork"),
    "finery": connection_machine("finery"),
    "ethgas": connection_machine("ethgas"),
    "ethgas with a login": OfLogin,
    "qfex": connection_machine("qfex"),
    "qfex trading": OfTrading,
}


@pytest.mark.parametrize("name", OURS)
def test_our_sessions_hold(name: str) -> None:
    run(OURS[name], settings(HOW, max_examples=10))


# --- planted bugs ---------------------------------------------------------------------------------


class Sloppy(StorkSession):
    """A session with a bug, planted by its name."""

    bug = ""

    def opened(self, now: int) -> list[Event]:
        self.opens = getattr(self, "opens", 0) + 1
        self.first = self.opens > 1
        if self.bug == "does not subscribe again" and self.first:
            self._open = True
            return []
        return super().opened(now)

    def received(self, data: Message, now: int) -> list[Event]:
        events = super().received(data, now)
        if self.bug == "raises" and any(isinstance(event, Broken) for event in events):
            raise KeyError("type")
        if self.first and any(isinstance(event, Data) for event in events):
            self.first = False
            if self.bug == "drops an event":
                return [event for event in events if not isinstance(event, Data)]
            if self.bug == "doubles an event":
                return [*events, events[-1]]
        return events

    def closed(self, code: int, reason: str, now: int) -> list[Event]:
        *events, last = super().closed(code, reason, now)
        if self.bug == "tells the token" and isinstance(last, Closed):
            last = Closed(code, f"{reason} of {self._token.reveal()}", last.retry)
        return [*events, last]

    def __repr__(self) -> str:
        return f"Sloppy({self._token.reveal() if self.bug == 'shows the token' else ''})"


def with_session(bug: str) -> type[ConnectionMachine]:
    kind = type("Sloppy", (Sloppy,), {"bug": bug})

    class Machine(connection_machine("stork")):  # type: ignore[misc]
        def make_session(self, simulator: Any) -> Session:
            real = simulator.session(3, 4)
            real.__class__ = kind
            found: Session = real
            return found

    return Machine


@pytest.mark.parametrize(
    ("bug", "check"),
    [
        ("drops an event", "events"),
        ("doubles an event", "events"),
        ("does not subscribe again", "alive"),
        ("tells the token", "secrets"),
        ("shows the token", "secrets"),
    ],
)
def test_a_bug_in_a_session_is_found(bug: str, check: str) -> None:
    with pytest.raises(AssertionError, match=f"^{check}: "):
        run(with_session(bug))


def test_a_session_that_raises_is_found() -> None:
    with pytest.raises(KeyError, match="type"):
        run(with_session("raises"))


def test_a_session_without_a_bug_passes() -> None:
    run(with_session(""), settings(HOW, max_examples=5))


def with_handler(handle: Callable[[int, Delivery], Iterable[Message]]) -> type[ConnectionMachine]:
    """A handler that is told which connection of the venue a delivery is of."""

    class Machine(connection_machine("qfex")):  # type: ignore[misc]
        last = 0

        def handle(self, delivery: Delivery) -> Iterable[Message]:
            if delivery.frame is None:
                return []
            is_first = delivery.connection != self.last
            self.last = delivery.connection
            return handle(self.last if is_first else 0, delivery)

    return Machine


def frame_of(delivery: Delivery) -> Message:
    assert delivery.frame is not None
    return delivery.frame.data


@pytest.mark.parametrize(("times"), [0, 2])
def test_a_handler_that_drops_or_doubles_a_frame_on_reconnecting_is_found(times: int) -> None:
    def handle(first_of: int, delivery: Delivery) -> Iterable[Message]:
        return [frame_of(delivery)] * (times if first_of > 1 else 1)

    with pytest.raises(AssertionError, match=r"^frames: the handler did not get message \d+ "):
        run(with_handler(handle))


class GivesUp(Connection):
    """A connection that does not dial again, and does not say so."""

    async def _pause(self, attempt: int, retry: Any) -> None:
        self._closing.set()


class Hangs(Connection):
    """A connection that waits for ever after a loss, and does not say so."""

    async def _pause(self, attempt: int, retry: Any) -> None:
        await self._closing.wait()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (GivesUp, "it has stopped, and no error says why"),
        (Hangs, "it is not connected, and its last word is 'closed'"),
    ],
)
def test_a_connection_that_stops_without_a_word_is_found(
    kind: type[Connection], words: str
) -> None:
    class Machine(connection_machine("stork")):  # type: ignore[misc]
        def make_connection(self, session: Session, **options: Any) -> Connection:
            return kind(session, **options)

    with pytest.raises(AssertionError, match=f"^alive: {words}"):
        run(Machine)


def test_a_capture_that_lacks_a_frame_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    write = CaptureWriter.frame
    monkeypatch.setattr(
        CaptureWriter, "frame",
        lambda self, frame: write(self, frame) if frame.connection == 1 else None,
    )  # fmt: skip
    with pytest.raises(AssertionError, match=r"^frames: the capture does not have message "):
        run(OURS["stork"])


# --- groups ---------------------------------------------------------------------------------------

ORIGINS = ("001", "002", "003")
GROUP: Any = connection_machine("chainlink", group=True, **CHAINLINK)
THREE: Any = connection_machine("chainlink", group=True, origins=ORIGINS, **CHAINLINK)


@pytest.mark.parametrize("machine", [GROUP, THREE])
def test_our_group_holds(machine: type[GroupMachine]) -> None:
    run(machine, settings(HOW, max_examples=8))


def with_group(**options: Any) -> type[GroupMachine]:
    class Machine(GROUP):  # type: ignore[misc]
        def make_session(self, simulator: Any) -> Any:
            return simulator.high_availability(**options)

    return Machine


class Apart(HighAvailability):
    """A group whose sessions do not know of each other."""

    def replied(self, reply: Reply, now: int) -> list[Event]:
        events = super().replied(reply, now)
        for session in self.sessions:
            session.stream = Stream(self.stream.feeds)
        return events


class OneFallsSilent(HighAvailability):
    """A group of which only the first session says anything."""

    def replied(self, reply: Reply, now: int) -> list[Event]:
        events = super().replied(reply, now)
        for session in self.sessions[1:]:
            session.__class__ = type("Silent", (ChainlinkSession,), {"received": lambda *_: []})
        return events


def with_kind(kind: type[HighAvailability]) -> type[GroupMachine]:
    class Machine(GROUP):  # type: ignore[misc]
        def make_session(self, simulator: Any) -> Any:
            group = simulator.high_availability()
            group.__class__ = kind
            return group

    return Machine


@pytest.mark.parametrize(
    ("machine", "words"),
    [
        (with_kind(Apart), "events: Data twice over the group"),
        (with_kind(OneFallsSilent), "events: no event"),
        (with_group(deduplicator=SdkDeduplicator()), "events: Duplicate, and it came first"),
        (with_group(backfill=False), "frames: lost over the group"),
    ],
)
def test_a_bug_in_a_group_is_found(machine: type[GroupMachine], words: str) -> None:
    with pytest.raises(AssertionError, match=f"^{words}"):
        run(machine)


@pytest.mark.parametrize("kind", [GivesUp, Hangs])
def test_a_member_that_stops_without_a_word_is_found(
    kind: type[Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("payloads.live.group.Connection", kind)
    with pytest.raises(AssertionError, match=r"^alive: "):
        run(GROUP)


def test_a_slow_member_costs_nothing() -> None:
    """What the others bring is delivered at once, and what comes late is dropped."""
    state = GROUP()
    try:
        state.connect()
        state.wait(1)
        state.slow_member(0, 15)
        state.send(3)
        assert len(state._delivered) == 6
        state.wait(30)
        assert len(state._delivered) == 6
        assert state.session.stats.duplicates == 6
    finally:
        state.teardown()


# --- its use --------------------------------------------------------------------------------------


def test_a_failure_shrinks_to_the_few_steps_that_show_it() -> None:
    with pytest.raises(AssertionError) as found:
        run(with_session("drops an event"), settings(HOW, phases=[Phase.generate, Phase.shrink]))
    notes = "\n".join(found.value.__notes__).splitlines()
    steps = [line for line in notes if line.startswith("state.")]
    assert steps[0] == "state.connect()"
    assert len(steps) <= 4, steps


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"venue": "binance"}, "venue='binance'"),
        ({"venue": None}, "venue=None"),
        ({"venue": "stork", "checks": "frames"}, "checks='frames'"),
        ({"venue": "stork", "checks": ["framed"]}, "checks='framed'"),
        ({"venue": "stork", "group": True}, "venue='stork'"),
        ({"venue": "chainlink", "group": "yes"}, "group='yes'"),
        ({"venue": "stork", "rate": -1}, "options={'rate': -1}"),
        ({"venue": "stork", "colour": "red"}, "options={'colour': 'red'}"),
    ],
)
def test_a_wrong_argument_is_named(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArgument) as found:
        connection_machine(**arguments)
    assert str(found.value).startswith(f"connection_machine: {words} cannot be used; expected ")
