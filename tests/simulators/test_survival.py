"""The survival matrix: every venue, every kind of trouble, and nothing lost, nothing doubled.

The client is this library's own, over a real socket, with a capture. The simulator's `sent` is the
truth: what was due on which connection, and what became of it. Every message that went out to a
living connection has to be in the capture as often as it went out, and has to be delivered exactly
once; what came again has to be told as a duplicate. Plans count messages, so nothing here hangs on
how fast the machine is.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from payloads import simulators
from payloads.errors import Refused
from payloads.simulators import Plan, QfexSimulator, Sent, Simulator
from payloads.simulators.venue_chainlink import FEEDS
from payloads.simulators.venue_chainlink import sequence_of as report_number
from payloads.simulators.venue_stork import sequence_of as update_number
from payloads.transport.capture import CaptureWriter, frames
from payloads.transport.client import merged
from payloads.transport.frames import Moment, Retrying
from payloads.transport.http import perform
from payloads.transport.inbox import Inbox
from payloads.venues.chainlink import Backfilled
from payloads.venues.chainlink import Duplicate as ChainlinkDuplicate
from payloads.venues.ethgas import Channel
from payloads.venues.finery import Binding
from payloads.venues.qfex import Duplicate as QfexDuplicate
from payloads.venues.qfex import Fill, Subscription
from payloads.venues.session import (
    SECOND,
    Closed,
    Data,
    Event,
    Message,
    Opened,
    Rejected,
    Session,
    Stalled,
)
from payloads.venues.shared import Duplicate

from .kit import QUICK, driven, run

RATE = 250.0
PATIENCE = SECOND // 2
DUPLICATES = Duplicate | QfexDuplicate | ChainlinkDuplicate


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Venues that ask for a pause of a second before a dial have a shorter one here."""
    for module in ("stork", "chainlink", "chainlink_gaps"):
        monkeypatch.setattr(f"payloads.venues.{module}.PAUSE", SECOND // 20)


# --- what is driven against what ------------------------------------------------------------------


@dataclass(frozen=True)
class Subject:
    """A venue, and how its messages are known: the number (or what stands for it) of an event's
    data, and of a message as the venue sent it."""

    venue: str
    session: Callable[[Any], Session]
    of_event: Callable[[Data], Any]
    of_message: Callable[[Any], Any]
    options: dict[str, Any] = field(default_factory=dict)
    # How a stall is noticed, where the session does not do that.
    transport: dict[str, Any] = field(default_factory=dict)
    # Messages that replace what was said before, and are no duplicates when they come again.
    replaces: Callable[[Any], bool] = lambda _: False

    def start(self, plan: str) -> Simulator:
        given = {"rate": RATE, "keep": 10_000, "misbehave": plan} | self.options
        return simulators.make(self.venue, **given)


def update_of(data: Data) -> int:
    if data.payload is not None:
        return update_number(data.payload)
    return int(data.content.assets[0].value % 10**9)


def report_of(data: Data) -> int:
    assert data.payload is not None
    return report_number(data.payload)


PINGS = {"ping_interval": 0.1, "ping_timeout": PATIENCE / SECOND}
MARKET = "inclusionPreconf"
TRADES = Channel.of("recentTradeUpdate", MARKET)
POSITIONS = Channel.of("accountPositionUpdate", MARKET)


def of_ethgas(dialect: str) -> Subject:
    return Subject(
        "ethgas", lambda venue: venue.session(TRADES),
        lambda data: data.content.payload[0].index, lambda one: one["P"]["t"],
        {"dialect": dialect}, PINGS,
    )  # fmt: skip


def of_stork(message_type: str) -> Subject:
    def number(one: Any) -> int:
        if message_type == "unsigned":
            return int(one["a"][0]["v"]) % 10**9
        return update_number(bytes.fromhex(one["p"][2:]))

    return Subject(
        "stork",
        lambda venue: venue.session(3, 4, message_type=message_type, silence=PATIENCE),
        update_of, number,
    )  # fmt: skip


CHAINLINK = Subject(
    "chainlink", lambda venue: venue.session(silence=PATIENCE), report_of,
    lambda one: report_number(bytes.fromhex(one["report"]["fullReport"][2:])),
    {"feeds": [FEEDS["BTC/USD"]]},
)  # fmt: skip

# Those whose connections each are a story of their own: nothing fills what was missed between two.
SUBJECTS = {
    "stork": of_stork("signed_ecdsa"),
    "stork unsigned": of_stork("unsigned"),
    # The venue has no numbers: a message is known by what it says.
    "finery": Subject(
        "finery", lambda venue: venue.session(),
        lambda data: repr(data.content.data), lambda one: repr(one[3]),
        {"feeds": ["BTC-USD"]}, PINGS, lambda one: one[2] == "S",
    ),
    "ethgas": of_ethgas("official"),
    "ethgas draft": of_ethgas("draft"),
    "qfex": Subject(
        "qfex",
        lambda venue: venue.session(Subscription.of(["level2"], ["AAPL-USD"]), silence=PATIENCE),
        lambda data: data.content.sequence, lambda one: one["sequence"],
    ),
}  # fmt: skip

PLANS = [
    "restart@40:0.1",
    "cut@20,cut@60",
    "close@40:1011",
    "close@20:1013,close@60:1001",
    "stall@40:60",
    "stall@40:0.1",
    "duplicate/1",
    "duplicate/3",
    "drop/7",
    "duplicate/3,close@100",
    "duplicate/2,restart@41:0.1,cut@90",
    "drop/5,duplicate/4,stall@50:60,close@300",
    "refuse@20:503,cut@20",
]


def endings(plan: str) -> int:
    """How often a plan ends a connection."""
    rules = Plan(plan).rules
    return sum(rule.kind in ("restart", "cut", "close") or for_good(rule) for rule in rules)


def for_good(rule: Any) -> bool:
    return rule.kind == "stall" and float(rule.value) > PATIENCE / SECOND


# --- what was seen --------------------------------------------------------------------------------


@dataclass
class Life:
    """One websocket: what the reader was told, what the capture has of it, what was due on it."""

    moments: list[Moment]
    captured: list[Message]
    due: list[Sent]
    last: bool

    @property
    def events(self) -> list[Event]:
        return [event for moment in self.moments for event in moment.events]

    @property
    def data(self) -> list[Data]:
        return [event for event in self.events if isinstance(event, Data)]


def lives(moments: Sequence[Moment], capture: Path, venue: Simulator, silent: bool) -> list[Life]:
    opened = [one.connection for one in moments if any(isinstance(e, Opened) for e in one.events)]
    messages = {one.message for one in venue.sent}
    kept = [one for one in frames(capture) if one.direction == "in" and one.data in messages]
    return [
        Life(
            [one for one in moments if one.connection == connection],
            [one.data for one in kept if one.connection == connection],
            went_out([one for one in venue.sent if one.peer == peer], silent),
            connection == opened[-1],
        )
        for peer, connection in enumerate(opened, 1)
    ]


def went_out(due: Iterable[Sent], silent_for_good: bool) -> list[Sent]:
    """What of it the venue sent: until the connection was gone, or silent for longer than anybody
    waits, without what it dropped, and twice what it doubled."""
    ends = {"cut", "close"} | ({"stall"} if silent_for_good else set())
    out: list[Sent] = []
    for one in due:
        if ends & {*one.fate}:
            break
        out += [one] * (0 if "drop" in one.fate else 1 + ("duplicate" in one.fate))
    return out


async def lived(
    subject: Subject, plan: str, folder: Path, enough: Callable[[list[Moment]], bool]
) -> tuple[list[Life], Simulator]:
    """Drive a session through a plan until that is enough."""
    capture, moments = folder / "capture.jsonl", list[Moment]()
    silent = any(for_good(rule) for rule in Plan(plan).rules)
    async with subject.start(plan) as venue:
        session = subject.session(venue)
        with CaptureWriter(capture) as writer:
            async with driven(session, recorder=writer, **subject.transport) as connection:
                async for moment in connection:
                    moments.append(moment)
                    if enough(moments):
                        break
    return lives(moments, capture, venue, silent), venue


def settled(plan: str, of_data: int = 25) -> Callable[[list[Moment]], bool]:
    """After all that is planned, some data more."""
    rules = Plan(plan).rules
    in_all = max([rule.number for rule in rules if rule.number] or [60])

    def enough(moments: list[Moment]) -> bool:
        kinds = [type(event) for moment in moments for event in moment.events]
        since = kinds[len(kinds) - kinds[::-1].index(Opened) :] if Opened in kinds else []
        told = kinds.count(Data) + sum(kinds.count(one) for one in DUPLICATES.__args__)
        return (
            kinds.count(Opened) == 1 + endings(plan)
            and since.count(Data) >= of_data
            and told >= in_all
        )

    return enough


def check_capture(life: Life) -> None:
    """The capture has every frame as often as it went out, in order."""
    expected = [one.message for one in life.due]
    if life.last:  # the client left, the venue went on
        expected = expected[: len(life.captured)]
    assert life.captured == expected


def check_events(life: Life, subject: Subject) -> None:
    """Every message is delivered once, and told as a duplicate as often as it came again."""
    came = [one for one in life.events if isinstance(one, DUPLICATES | Data)]
    due = [json.loads(one.message) for one in life.due]
    if life.last:
        due = due[: len(came)]
    assert len(came) == len(due)
    numbers = [subject.of_message(one) for one in due]
    again = [
        number == before and not subject.replaces(one)
        for before, number, one in zip([None, *numbers], numbers, due, strict=False)
    ]
    assert [isinstance(one, DUPLICATES) for one in came] == again
    once = [number for number, doubled in zip(numbers, again, strict=True) if not doubled]
    assert [subject.of_event(one) for one in life.data] == once


def check_gap_told(before: Life, after: Life) -> None:
    """What was missed between two connections lies between a `Closed` and an `Opened`."""
    kinds = [type(event) for event in (*before.events, *after.events)]
    closed, opened = kinds.index(Closed), kinds.index(Opened, 1)
    assert Retrying in kinds[closed:opened]
    assert Data not in kinds[closed:opened]
    assert {*kinds[:opened]} & {Data}


# --- the matrix -----------------------------------------------------------------------------------


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("name", SUBJECTS)
def test_nothing_is_lost_or_doubled(name: str, plan: str, tmp_path: Path) -> None:
    subject = SUBJECTS[name]
    found, venue = run(lived(subject, plan, tmp_path, settled(plan)))
    for life in found:
        check_capture(life)
        check_events(life, subject)
    for before, after in zip(found, found[1:], strict=False):
        check_gap_told(before, after)
    assert len(found) == 1 + endings(plan)
    stalled = [event for life in found for event in life.events if isinstance(event, Stalled)]
    assert len(stalled) <= 1
    assert {rule.kind for rule in Plan(plan).rules} == {*venue.counters.misbehaved}
