"""The survival matrix: every venue, every kind of trouble, and nothing lost, nothing doubled.

The client is this library's own, over a real socket, with a capture. Plans count messages, so
nothing here hangs on how fast the machine is. See `survival` for what is checked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from payloads.capture.frames import Delivery
from payloads.live.group import GroupConnection
from payloads.simulators import ChainlinkSimulator, FinerySimulator, Plan, QfexSimulator
from payloads.simulators.venues.chainlink import FEEDS
from payloads.simulators.venues.chainlink import sequence_of as report_number
from payloads.simulators.venues.stork import sequence_of as update_number
from payloads.venues import ChainlinkSession, StorkSession
from payloads.venues.chainlink.backfill import Backfilled
from payloads.venues.common.session import (
    SECOND,
    Authenticated,
    Closed,
    Data,
    Opened,
    Rejected,
    Session,
    Stalled,
)
from payloads.venues.ethgas.protocol import Channel
from payloads.venues.finery.session import FinerySession
from payloads.venues.qfex.market_session import Subscription
from payloads.venues.qfex.records import Fill
from tests.simulators.kit import collect, driven, in_order, run, until
from tests.simulators.survival import (
    PATIENCE,
    PINGS,
    Run,
    Subject,
    captured,
    check,
    check_capture,
    check_events,
    check_gap_told,
    endings,
    for_good,
    happened,
    is_duplicate,
    lived,
    settled,
)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Venues that ask for a pause of a second before a dial have a shorter one here."""
    pause = SECOND // 20
    for kind in (StorkSession, ChainlinkSession):
        monkeypatch.setattr(kind, "redial_after", pause)
    for module in ("stork.codes", "stork.taxonomy", "chainlink.codes", "chainlink.backfill"):
        monkeypatch.setattr(f"payloads.venues.{module}.PAUSE", pause)


# --- what is driven against what ------------------------------------------------------------------

MARKET = "inclusionPreconf"
TRADES = Channel.of("recentTradeUpdate", MARKET)
POSITIONS = Channel.of("accountPositionUpdate", MARKET)
BOOKS = Subscription.of(["level2"], ["AAPL-USD"])


def of_stork(message_type: str) -> Subject:
    signed = message_type == "signed_ecdsa"

    def delivered(data: Data) -> int:
        payload = data.payload
        return update_number(payload) if payload else int(data.content.assets[0].value % 10**9)

    def sent(one: Any) -> int:
        return update_number(bytes.fromhex(one["p"][2:])) if signed else int(one["a"][0]["v"][-9:])

    def session(venue: Any, silence: int | None) -> Session:
        made: Session = venue.session(3, 4, message_type=message_type, silence=silence)
        return made

    return Subject("stork", session, delivered, sent)


def of_ethgas(dialect: str) -> Subject:
    return Subject(
        "ethgas", lambda venue, _: venue.session(TRADES),
        lambda data: data.content.payload[0].index, lambda one: one["P"]["t"],
        {"dialect": dialect},
    )  # fmt: skip


async def books_agree(venue: FinerySimulator, session: FinerySession, connection: Any) -> None:
    """The market stops; then the session's book is the venue's to the last level."""
    for stream in venue._streams.values():
        assert stream.task is not None
        stream.task.cancel()

    def agree() -> bool:
        book = session.book("B", "BTC-USD")
        if book is None:
            return False
        sides = tuple([[*level] for level in side] for side in (book.bids(), book.asks()))
        return sides == venue.book("B", "BTC-USD") and not book.odd

    while not agree():
        await collect(connection, lambda _: True)


# Those whose connections each are a story of their own: nothing fills what was missed between two.
SUBJECTS = {
    "stork": of_stork("signed_ecdsa"),
    "stork unsigned": of_stork("unsigned"),
    "finery": Subject(  # without numbers: a message is known by what it says
        "finery", lambda venue, _: venue.session(),
        lambda data: [*data.content.values[:4]], lambda one: one,
        {"feeds": ["BTC-USD"]}, {}, lambda one: one[2] == "S", books_agree,
    ),
    "ethgas": of_ethgas("official"),
    "ethgas draft": of_ethgas("draft"),
    "qfex": Subject(
        "qfex", lambda venue, silence: venue.session(BOOKS, silence=silence),
        lambda data: data.content.sequence, lambda one: one["sequence"],
    ),
}  # fmt: skip
CHAINLINK = Subject(
    "chainlink", lambda venue, silence: venue.session(silence=silence),
    lambda data: report_number(data.payload or b""),
    lambda one: report_number(bytes.fromhex(one["report"]["fullReport"][2:])),
    {"feeds": [FEEDS["BTC/USD"]]},
)  # fmt: skip

PLANS = [
    "restart@40:0.1",
    "cut@20,cut@60",
    "close@40:1011",
    "close@20:1013,close@60:1001",
    "refuse@20:503,cut@20",
    "stall@40:60",
    "stall@40:0.1",
    "duplicate/1",
    "duplicate/3",
    "duplicate/3,close@100",
    "duplicate/2,restart@41:0.1,cut@90",
]
# What the venue itself drops is lost where nothing fills it; nothing else may be.
DROPPING = ["drop@7,drop@30", "drop@13,drop@26,duplicate/4,close@50,stall@120:60"]


# --- the matrix -----------------------------------------------------------------------------------


@pytest.mark.parametrize("plan", PLANS + DROPPING)
@pytest.mark.parametrize("name", SUBJECTS)
def test_nothing_is_lost_or_doubled(name: str, plan: str, tmp_path: Path) -> None:
    subject = SUBJECTS[name]
    if plan in DROPPING:
        subject = replace(subject, finally_=None)
    found = run(lived(subject, plan, tmp_path, settled(plan)))
    check(found, subject)
    assert len(found.lives) == 1 + endings(plan)
    assert {rule.kind for rule in Plan(plan).rules} == {*found.venue.counters.misbehaved}
    assert len(found.lives) > 1 or not happened(found.deliveries, Closed)
    assert not happened(found.deliveries, Stalled) or "stall" in plan


@pytest.mark.parametrize("plan", PLANS)
def test_chainlinks_gaps_are_filled_and_nothing_doubled(plan: str, tmp_path: Path) -> None:
    """All that was made is delivered once: streamed, or, while nobody was there, from REST."""

    def enough(deliveries: list[Delivery]) -> bool:
        marks = happened(deliveries, Opened, Backfilled)
        filled = isinstance(marks[-1], Backfilled) if endings(plan) and marks else True
        return settled(plan)(deliveries) and filled

    found = run(lived(CHAINLINK, plan, tmp_path, enough))
    check_reports(found)
    lives = found.lives
    for life in lives:
        check_capture(life)
        assert [frame.data for frame, _ in life.came] == [
            frame.data for frame in life.captured[: len(life.came)]
        ], "one event for each frame"
    for before, after in pairwise(lives):
        check_gap_told(before, after)
    assert len(lives) == 1 + endings(plan)
    assert (happened(found.deliveries, Backfilled) != []) == (endings(plan) > 0)


def check_reports(found: Run, made: int | None = None) -> None:
    """All reports are there, up to `made` or to the newest that came, and none came twice."""
    data = happened(found.deliveries, Data)
    numbers = [CHAINLINK.of_event(one) for one in data]
    assert len(numbers) == len({*numbers}), "doubled"
    assert {*range(min(numbers), (made or max(numbers)) + 1)} <= {*numbers}, "lost"
    assert min(numbers) <= 2, "the first is made when the feed is asked for"
    assert all(event.complete for event in happened(found.deliveries, Backfilled))
    assert not [one for one in happened(found.deliveries, Rejected) if one.code != "HTTP 503"]


class TwoOrigins:
    """Reads a group of two connections until a stage of trouble is over, and nothing is open.

    A report that is not delivered yet is not lost: one connection may be ahead of the other, which
    still has it to read, and a gap's pages come one by one. So the measure is `made`, the number of
    the newest report at the end of the trouble. Once both connections have streamed a later report
    and no gap is being filled, nothing up to `made` can come any more.
    """

    def __init__(self, found: Run, venue: ChainlinkSimulator, connection: GroupConnection) -> None:
        self.found, self.venue, self.connection = found, venue, connection
        self.opened = 0
        # The number of the newest streamed report, by open websocket.
        self.newest: dict[int, int] = {}

    async def read_until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            for delivery in await self.connection.inbox.get_all():
                self.found.deliveries.append(delivery)
                for event in delivery.events:
                    self.see(delivery, event)

    def see(self, delivery: Delivery, event: Any) -> None:
        if isinstance(event, Opened):
            self.opened += 1
            self.newest[delivery.connection] = 0
        elif isinstance(event, Closed):
            del self.newest[delivery.connection]
        elif delivery.frame is not None and (isinstance(event, Data) or is_duplicate(event)):
            self.newest[delivery.connection] = report_number(event.content.full_report)

    async def live_through(self, stage: str, opened: int) -> None:
        """All that is planned happens, and `opened` websockets have been opened in all."""
        happened_before = self.venue.counters.misbehaved.copy()
        self.venue.misbehave(stage)
        kinds = {rule.kind for rule in Plan(stage).rules}
        await self.read_until(lambda: self.opened >= opened and all(
            self.venue.counters.misbehaved[kind] > happened_before[kind] for kind in kinds
        ))  # fmt: skip
        made = self.made + 20
        await self.read_until(lambda: self.both_past(made) and not self.filling)
        check_reports(self.found, made)

    @property
    def made(self) -> int:
        """The number of the newest report that there is."""
        (feed,) = self.venue._feeds.values()
        return feed.number

    def both_past(self, number: int) -> bool:
        return len(self.newest) == 2 and min(self.newest.values()) > number

    @property
    def filling(self) -> bool:
        """Whether a gap is being filled."""
        sessions = [each.session for each in self.connection.connections]
        return any(
            session._backfill.gaps for session in sessions if isinstance(session, ChainlinkSession)
        )


STAGES = [
    ["restart@40:0.1"],
    ["cut@20", "cut@20"],
    ["close@20:1011", "close@20:1001"],
    ["refuse@20:503,cut@20"],
    ["stall@40:60"],
    ["duplicate/3"],
    ["duplicate/3,close@100"],
    ["duplicate/2,restart@41:0.1", "cut@40", "close@40"],
]


@pytest.mark.parametrize("stages", STAGES, ids=" then ".join)
def test_chainlink_over_two_origins(stages: list[str], tmp_path: Path) -> None:
    """What one connection misses the other has; only where both are gone is there a gap. The next
    trouble comes when both are there again."""

    async def test() -> Run:
        async with CHAINLINK.start("") as venue:
            assert isinstance(venue, ChainlinkSimulator)
            found, opened = Run(venue), 2
            silent = any(for_good(rule) for stage in stages for rule in Plan(stage).rules)
            both = venue.high_availability(silence=PATIENCE if silent else None)
            async with (
                captured(found, tmp_path) as writer,
                driven(both, queue=1000, recorder=writer) as connection,
            ):
                origins = TwoOrigins(found, venue, connection)
                for stage in ["", *stages]:
                    opened += endings(stage) + stage.count("restart")
                    await origins.live_through(stage, opened)
        return found

    found = run(test())
    told = [one.events for one in found.deliveries if one.frame is not None]
    came = [[one for one in events if isinstance(one, Data) or is_duplicate(one)]
            for events in told]  # fmt: skip
    assert {len(events) for events in came} == {1}, "one event for each frame"
    assert len(came) <= len(found.captured)
    assert any(is_duplicate(one) for (one,) in came)


# --- tokens ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "code"), [("stork", "HTTP 401"), ("finery", "3")])
def test_a_credential_that_is_withdrawn(name: str, code: str, tmp_path: Path) -> None:
    """What is open goes on whole; the next dial is refused with the venue's code, and the last."""
    subject = replace(SUBJECTS[name], finally_=None)
    found = run(lived(subject, "expire@20,duplicate/3,cut@60", tmp_path, lambda _: False))
    check(found, subject)
    (life,) = found.lives
    assert len({one.number for one in life.due}) == 59
    (rejected,) = happened(found.deliveries, Rejected)
    assert rejected.code == code
    assert found.refused is not None
    assert found.venue.counters.dials == 2


@pytest.mark.parametrize("plan", ["expire@40", "duplicate/3,expire@40"])
@pytest.mark.parametrize("dialect", ["official", "draft"])
def test_a_token_that_ends_takes_nothing_with_it(dialect: str, plan: str, tmp_path: Path) -> None:
    """ETHGas: the session logs in again, on the same connection; what is private is back after it,
    and what is public never stopped."""
    # Ten times as fast: a new token is asked for at most every five seconds.
    began = time.time_ns()
    fast = {"clock": lambda: began + 10 * (time.time_ns() - began)}
    subject = replace(
        of_ethgas(dialect), session=lambda venue, _: venue.session(TRADES, POSITIONS),
        of_event=lambda data: data.channel, of_message=lambda one: one["e"], client=fast,
    )  # fmt: skip

    def both(deliveries: list[Delivery]) -> bool:
        return len({one.channel for one in happened(deliveries, Data)}) == 2

    def enough(deliveries: list[Delivery]) -> bool:
        logins = [at for at, one in enumerate(deliveries) if happened([one], Authenticated)]
        return len(logins) == 2 and both(deliveries[logins[-1] :])

    found = run(lived(subject, plan, tmp_path, enough, begin=both))
    check(found, subject)
    assert len(found.lives) == 1
    trades = [one for one in happened(found.deliveries, Data) if one.channel == TRADES.name]
    assert in_order([one.content.payload[0].index for one in trades])
    codes = [one.code for one in happened(found.deliveries, Rejected)]
    assert codes == ["401" if dialect == "official" else "token_expired"]


# --- QFEX -----------------------------------------------------------------------------------------

FILLED = {
    "symbol": "AAPL-USD", "side": "BUY", "order_type": "MARKET", "order_time_in_force": "IOC",
    "quantity": 1,
}  # fmt: skip
FILLS = 60


async def trade(venue: QfexSimulator) -> None:
    """Another of the account's clients sends orders, numbered, that are filled at once; whoever
    listens is told."""
    await until(lambda: any("fills" in desk.channels for _, desk in venue._traders()))
    for number in range(1, FILLS + 1):
        order = FILLED | {"client_order_id": str(number)}
        told = venue.account().handle("add_order", order, venue.now())
        for peer in venue.peers[:1]:
            venue._send_answers(peer, told)
        await asyncio.sleep(0.01)


def rows_of(data: Data) -> list[Any]:
    return [*data.content] if data.channel == "user_trades_response" else [data.content]


@pytest.mark.parametrize(
    "plan",
    ["expire@10", "restart@10:0.1", "cut@10", "close@10:1011", "stall@10:60", "duplicate/1",
     "duplicate/3,expire@10,cut@20", "duplicate/2,close@15"],
)  # fmt: skip
def test_no_fill_is_lost_or_doubled(plan: str, tmp_path: Path) -> None:
    """The trade socket, with a source of tokens: fills of the time away are asked for later."""
    known = set[int]()

    async def test() -> Run:
        async with QfexSimulator(misbehave=plan) as venue:
            found = Run(venue, silent=any(for_good(rule) for rule in Plan(plan).rules))
            session = venue.trade_session(credentials=venue.jwt, channels=["fills"])
            async with (
                captured(found, tmp_path) as writer,
                driven(session, recorder=writer, **(PINGS if found.silent else {})) as connection,
            ):
                trading = asyncio.create_task(trade(venue))
                async for delivery in connection:
                    found.deliveries.append(delivery)
                    for data in happened([delivery], Data):
                        known.update(int(row.client_order_id) for row in rows_of(data))
                    if len(known) == FILLS:
                        break
                await trading
            return found

    found = run(test())
    assert known == {*range(1, FILLS + 1)}, "lost"
    fills = [
        one.content for one in happened(found.deliveries, Data) if isinstance(one.content, Fill)
    ]
    assert len(fills) == len({fill.client_order_id for fill in fills}), "doubled"
    lives = found.lives
    for life in lives:
        # What was asked for came as an answer, which is nothing that is due.
        life.deliveries = [one for one in life.deliveries if not any(
            data.channel == "user_trades_response" for data in happened([one], Data))]  # fmt: skip
        check_capture(life)
        check_events(life, TRADE_SOCKET)
    for before, after in pairwise(lives):
        check_gap_told(before, after)
    assert len(lives) == 1 + endings(plan) + plan.count("expire")


TRADE_SOCKET = Subject(
    "qfex", lambda venue, _: venue.trade_session(),
    lambda data: data.content.client_order_id, lambda one: one["fill_response"]["client_order_id"],
)  # fmt: skip


@pytest.mark.parametrize("plan", ["cut@40", "close@40:1011", "stall@40:60"])
def test_what_nothing_can_fill_is_told_as_a_gap(plan: str, tmp_path: Path) -> None:
    """QFEX's public market data goes on while one client is away, and nothing has the past: the
    numbers that are missing lie between `Closed` and `Opened`, and nowhere else."""
    subject = SUBJECTS["qfex"]

    async def test() -> Run:
        async with subject.start("") as venue, driven(subject.session(venue, None)):
            found = Run(venue, silent="stall" in plan, first_peer=2)
            silence = PATIENCE if found.silent else None
            await until(lambda: venue.sent)
            async with (
                captured(found, tmp_path) as writer,
                driven(subject.session(venue, silence), recorder=writer) as connection,
            ):
                async for delivery in connection:
                    found.deliveries.append(delivery)
                    count = len(happened(found.deliveries, Data))
                    if count == 5:  # of two clients the other one comes first: even ones are ours
                        venue.misbehave(plan)
                    if count > 60 and len(happened(found.deliveries, Opened)) == 2:
                        break
        return found

    found = run(test())
    check(found, subject)
    seen = [
        [one.content.sequence for one in happened(life.deliveries, Data)] for life in found.lives
    ]  # fmt: skip
    for numbers in seen:
        assert numbers == [*range(numbers[0], numbers[-1] + 1)], "whole while it was connected"
    before, after = seen
    assert after[0] > before[-1] + 1, "and a gap between"
