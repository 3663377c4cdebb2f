"""Captures with faults at known places, between clean traffic.

A `Stage` is made from a seed and the names of faults. It has the captures' records, and `expected`:
the findings that must come out, with their counts, and no others. Each fault has a feed or a
connection of its own, so that what belongs to it can be told.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from payloads.capture.frames import Frame, Incident
from payloads.capture.writer import CaptureWriter
from payloads.chainlink.report import FullReport
from payloads.chainlink.schemas import SCHEMAS, Report
from payloads.simulators.market import E18, Walk, synthetic_report
from payloads.stork.update import Asset, UnsignedUpdate
from payloads.testing import InsecureTestNetwork, InsecureTestStorkSigner
from payloads.verdicts.state import State

SECOND = 10**9
BEGAN = 1_764_600_000
# A report of each feed every so many seconds, so many times.
STEP, STEPS = 5, 26
# A fault's own feed begins so many steps before the end.
OWN = 8
NETWORK = InsecureTestNetwork("planted", size=4, f=1)
LATER = InsecureTestNetwork("planted later", size=4, f=1)
STRANGER = InsecureTestNetwork("planted stranger", size=4, f=1, config_digest=NETWORK.config_digest)
WRONG_DIGEST = InsecureTestNetwork("planted", size=4, f=1, config_digest=b"\x00\x09" + b"\x77" * 30)
SIGNER = InsecureTestStorkSigner("planted")
STRANGE_SIGNER = InsecureTestStorkSigner("planted stranger")
STATES = (
    State.from_dict(
        {
            "contract": "v0.5.0",
            "configs": [
                {"signers": each.signers, "f": each.f, "config_digest": each.config_digest}
                for each in (NETWORK, LATER)
            ],
        }
    ),
    State.from_dict({"contract": "stork-fast-1.0.0", "signer": SIGNER.address}),
)

TRADE = {
    "type": "trade", "trade_id": "ab59768f", "symbol": "PLTR-USD", "size": "0.100000",
    "time": "2025-08-20T09:26:36.861195808Z", "price": "157.025000", "side": "SELL",
    "execution_type": "T",
}  # fmt: skip

# Codes with the feeds they are about ("" for none).
Expected = Counter[tuple[str, str]]


class Capture:
    """The records of a capture that is being made."""

    def __init__(self, venue: str, clock_ahead: int = 0, **options: Any) -> None:
        self.venue, self.ahead, self.options = venue, clock_ahead, options
        self.records: list[Frame | Incident] = []
        self.connections = 0
        self.cut = self.altered = False

    def open(self, at: int) -> int:
        self.connections += 1
        self.incident(self.connections, at, "dialling", url="wss://localhost/")
        self.incident(self.connections, at + 10**6, "opened")
        return self.connections

    def incident(self, connection: int, at: int, what: str, **detail: Any) -> None:
        self.records.append(Incident(self.venue, connection, at + self.ahead, what, detail))

    def message(self, connection: int, at: int, message: Any, way: Any = "in") -> None:
        text = json.dumps(message, separators=(",", ":"))
        self.frame(connection, at, "text", text, way)

    def frame(self, connection: int, at: int, opcode: Any, data: str | bytes, way: Any) -> None:
        self.records.append(Frame(self.venue, connection, way, opcode, at + self.ahead, data))

    def pings(self, connection: int, began: int, ended: int) -> None:
        """The client's pings with the server's answers."""
        for at in range(began + SECOND, ended, 20 * SECOND):
            for way, opcode, late in (("out", "ping", 0), ("in", "pong", 10**7)):
                self.frame(connection, at + late, opcode, at.to_bytes(8, "big"), way)

    def write(self, path: Path) -> list[Path]:
        """Write the file, or files; the last one without its end, or with another price."""
        self.records.sort(key=lambda record: record.at)
        now = self.records[0].at - 10**6
        with CaptureWriter(
            path, venue=self.venue, flush_every=0, clock=lambda: now, **self.options
        ) as writer:
            for record in self.records:
                now = record.at
                if isinstance(record, Frame):
                    writer.frame(record)
                else:
                    writer.incident(record)
        paths = [Path(name) for name in writer.summary.files]
        if self.cut:
            lines = paths[-1].read_bytes().splitlines(keepends=True)
            paths[-1].write_bytes(b"".join(lines[:-1]))
        if self.altered:
            paths[-1].write_bytes(paths[-1].read_bytes().replace(b"157.025", b"175.025"))
        return paths


class Feed:
    """A feed of Chainlink's: its reports, and when they are delivered."""

    def __init__(self, feed_id: bytes, first: int = 0, seed: int = 0, every: int = 1) -> None:
        self.id, self.name = feed_id, "0x" + feed_id.hex()
        self.walk = Walk(f"{seed} {self.name}", 1000 * E18)
        self.steps = list(range(first, STEPS, every))
        # Each report with the network, the delay of its delivery and the frame's own words.
        self.reports: list[Report] = []
        before = 0
        for step in self.steps:
            observed = BEGAN + step * STEP
            report = synthetic_report(
                SCHEMAS[feed_id[:2]], feed_id, self.walk, observed=observed,
                valid_from=before + 1 if before else observed, expires=observed + 86_400,
            )  # fmt: skip
            if hasattr(report, "last_seen_timestamp_ns"):
                report = replace(report, last_seen_timestamp_ns=observed * SECOND + 64 * 10**6)
            self.reports.append(report)
            before = observed
        self.deliveries = [
            _Delivery(self.observed(n), self.signed(n)) for n in range(len(self.steps))
        ]

    def observed(self, number: int) -> int:
        return BEGAN + self.steps[number] * STEP

    def signed(
        self,
        number: int,
        network: InsecureTestNetwork = NETWORK,
        by: Iterable[int] | None = None,
        **changes: Any,
    ) -> FullReport:
        report = replace(self.reports[number], **changes)
        return network.sign(report, epoch=1, round=self.steps[number], by=by)


class _Delivery:
    """A payload that is delivered `late` nanoseconds after a second, on some connections."""

    def __init__(
        self,
        second: int,
        payload: FullReport | bytes,
        late: int = 0,
        claims: dict[str, Any] | None = None,
        connections: tuple[int, ...] = (0, 1),
        about: FullReport | None = None,
    ) -> None:
        self.at = second * SECOND + late
        self.raw = payload if isinstance(payload, bytes) else bytes(payload.raw)
        shown = about or payload
        self.claims = claims or {}
        if isinstance(shown, FullReport):
            head: Any = shown.report
            self.claims = {
                "feedID": "0x" + head.feed_id.hex(),
                "validFromTimestamp": head.valid_from_timestamp,
                "observationsTimestamp": head.observations_timestamp,
            } | self.claims
        self.connections = connections

    def message(self) -> dict[str, Any]:
        return {"report": {**self.claims, "fullReport": "0x" + self.raw.hex()}}


class Stage:
    """Clean traffic of several venues, with the faults of these names."""

    def __init__(self, seed: int, faults: Iterable[str] = ()) -> None:
        self.dice = random.Random(seed)
        self.seed, self.number = seed, 0
        self.expected: Expected = Counter()
        self.captures: dict[str, Capture] = {}
        self.feeds = [
            Feed(b"\x00\x03" + bytes(29) + b"\x01", seed=seed),
            Feed(b"\x00\x0b" + bytes(29) + b"\x02", seed=seed),
            # Quiet, but not as long as is tolerated.
            Feed(b"\x00\x02" + bytes(29) + b"\x03", seed=seed, every=10),
        ]
        self._stork()
        self._unsigned()
        for name in faults:
            self.number += 1
            self._expect(FAULTS[name](self))
        self._chainlink()

    def _expect(self, found: dict[tuple[str, str], int]) -> None:
        for key, count in found.items():
            # The same change of signers in several feeds.
            self.expected[key] += count

    def write(self, folder: Path) -> list[Path]:
        """Write all captures, and return their files."""
        captures = self.captures.items()
        return [path for name, each in captures for path in each.write(folder / f"{name}.jsonl")]

    def own_feed(self, version: int = 3, before_end: int = OWN) -> Feed:
        feed_id = version.to_bytes(2, "big") + bytes(28) + self.number.to_bytes(2, "big")[::-1]
        feed = Feed(feed_id, STEPS - before_end, self.seed)
        self.feeds.append(feed)
        return feed

    # --- clean traffic ---

    def _jitter(self) -> int:
        return self.dice.randrange(50 * 10**6)

    def _chainlink(self) -> None:
        """Two connections to two origins; the first is lost politely and opened again."""
        capture = self.captures["chainlink"] = Capture("chainlink")
        began, ended = (BEGAN - 1) * SECOND, (BEGAN + STEPS * STEP) * SECOND
        broken = BEGAN + self.dice.randrange(4, 9) * STEP
        connections = [capture.open(began), capture.open(began)]
        capture.incident(
            connections[0], broken * SECOND + SECOND, "closed", code=1000, reason="bye"
        )
        capture.incident(connections[0], broken * SECOND + SECOND, "retrying", attempt=1, wait_ns=1)
        again = capture.open((broken + 2) * SECOND)
        capture.pings(connections[1], began, ended)
        capture.pings(again, (broken + 2) * SECOND, ended)
        # One report comes over HTTP only, together with others that came before.
        lost = self.feeds[0].deliveries.pop(broken // STEP - BEGAN // STEP + 1)
        replied = [self.feeds[0].deliveries[2], lost]
        body = json.dumps({"reports": [each.message()["report"] for each in replied]})
        capture.incident(
            again, lost.at + 3 * SECOND, "reply", purpose="gap", status=200, body=body,
            body_bytes=len(body),
        )  # fmt: skip
        for feed in self.feeds:
            for delivery in feed.deliveries:
                jitter = self._jitter()
                for origin in delivery.connections:
                    at = delivery.at + 300 * 10**6 + origin * 10**8 + jitter
                    first = connections[0] if at < (broken + 1) * SECOND else again
                    capture.message((first, connections[1])[origin], at, delivery.message())
        capture.incident(again, ended, "closed", code=1000, reason="")
        capture.incident(connections[1], ended, "closed", code=1000, reason="")
        for feed in self.feeds:
            self.expected["duplicate", feed.name] = -1  # that many times is not of interest
        self.expected["duplicate", self.feeds[0].name] = -1

    def _stork(self) -> None:
        capture = self.captures["stork"] = Capture("stork", max_bytes=4000)
        connection = capture.open((BEGAN - 1) * SECOND)
        capture.message(connection, BEGAN * SECOND, {"type": "subscribe", "data": ["1"]}, "out")
        for at, message in self.updates(1, STEPS):
            capture.message(connection, at, message)
        capture.incident(
            connection, (BEGAN + STEPS * STEP) * SECOND, "closed", code=1000, reason=""
        )

    def updates(self, asset: int, count: int) -> list[tuple[int, dict[str, Any]]]:
        """Signed updates of an asset and the one behind it, with the times of their receipt."""
        walk = Walk(f"{self.seed} {asset}", 100 * E18)
        found = []
        for step in range(STEPS - count, STEPS):
            observed = (BEGAN + step * STEP) * SECOND + self._jitter()
            assets = [Asset(asset, walk.step()), Asset(asset + 1, walk.step())]
            found.append((observed + 20 * 10**6, stork_message(assets, observed)))
        return found

    def _unsigned(self) -> None:
        """Venues that sign nothing, with pings of their own."""
        for venue in ("qfex", "finery", "ethgas"):
            capture = self.captures[venue] = Capture(venue)
            connection = capture.open((BEGAN - 1) * SECOND)
            for step in range(0, STEPS, 4):
                at = (BEGAN + step * STEP) * SECOND + self._jitter()
                if venue == "qfex":
                    capture.message(connection, at, TRADE)
                    capture.frame(connection, at + 10**6, "ping", b"1", "in")
                    capture.frame(connection, at + 2 * 10**6, "pong", b"1", "out")
                elif venue == "finery":
                    bids_and_asks = [[[3000, 10], [2990, 5]], [[3010, 7]]]
                    capture.message(connection, at, ["B", 123456789, "S", bids_and_asks])
                else:
                    capture.frame(connection, at, "text", "ping", "out")
                    capture.frame(connection, at + 10**6, "text", "pong", "in")
            capture.incident(connection, at + SECOND, "closed", code=1000, reason="")

    def own_updates(self) -> tuple[Capture, int, int, list[tuple[int, dict[str, Any]]]]:
        """A connection to Stork of the fault's own: its capture, number, asset and updates."""
        capture = self.captures.setdefault("stork faults", Capture("stork"))
        asset = 100 + 10 * self.number
        updates = self.updates(asset, OWN)
        connection = capture.open(updates[0][0] - SECOND)
        return capture, connection, asset, updates

    def middle(self) -> int:
        """The number of a report of an own feed that has others before and behind."""
        return self.dice.randrange(2, OWN - 2)


def stork_message(
    assets: Iterable[Asset], observed: int, signer: InsecureTestStorkSigner = SIGNER
) -> dict[str, Any]:
    raw = signer.sign(list(assets), timestamp_ns=observed).encode()
    return {"type": "signed_ecdsa", "p": "0x" + raw.hex()}


# --- the faults -----------------------------------------------------------------------------------

Fault = Callable[[Stage], dict[tuple[str, str], int]]
FAULTS: dict[str, Fault] = {}


def fault(function: Fault) -> Fault:
    FAULTS[function.__name__.replace("_", "-")] = function
    return function


def _replaced(stage: Stage, payload: Callable[[Feed, int], FullReport | bytes]) -> Feed:
    """A feed of the fault's own, with one payload replaced."""
    feed, number = stage.own_feed(), stage.middle()
    about = feed.signed(number)
    feed.deliveries[number] = _Delivery(feed.observed(number), payload(feed, number), about=about)
    return feed


@fault
def malformed(stage: Stage) -> dict[tuple[str, str], int]:
    feed, number = stage.own_feed(), stage.middle()
    cut = bytes(feed.signed(number).raw)[: stage.dice.randrange(230, 500)]
    feed.deliveries.append(_Delivery(feed.observed(number), cut, late=10**8))
    return {("malformed", ""): 2, ("refused", ""): 2}


@fault
def malformed_message(stage: Stage) -> dict[tuple[str, str], int]:
    capture, at = stage.captures["qfex"], (BEGAN + STEP) * SECOND + stage.number
    text = '{"type":"trade","price":' + str(stage.number)
    capture.records.append(Frame("qfex", 1, "in", "text", at, text))
    return {("malformed", ""): 1}


@fault
def non_canonical(stage: Stage) -> dict[tuple[str, str], int]:
    feed = _replaced(stage, lambda feed, number: _tails_swapped(feed.signed(number)))
    return {("non-canonical", feed.name): 2}


def _tails_swapped(payload: FullReport) -> bytes:
    """The same fields, with `ss` in front of `rs`."""
    raw = bytes(payload.raw)
    rs, ss = (int.from_bytes(raw[at : at + 32], "big") for at in (128, 160))
    tails = raw[ss:] + raw[rs:ss]
    head = raw[:128] + (rs + len(raw) - ss).to_bytes(32, "big") + rs.to_bytes(32, "big")
    return head + raw[192:rs] + tails


@fault
def dirty_padding(stage: Stage) -> dict[tuple[str, str], int]:
    def longer(feed: Feed, number: int) -> bytes:
        blob = feed.reports[number].encode() + b"five!"
        raw = bytearray(NETWORK.sign(blob, epoch=1, round=feed.steps[number]).raw)
        raw[bytes(raw).index(blob) + len(blob) + 3] = 9
        return bytes(raw)

    feed = _replaced(stage, longer)
    return {("dirty-padding", feed.name): 2, ("non-canonical", feed.name): 2}


@fault
def unsigned_bytes(stage: Stage) -> dict[tuple[str, str], int]:
    def changed(feed: Feed, number: int) -> bytes:
        raw = bytearray(feed.signed(number).raw)
        raw[223] = 7  # the last byte of raw_vs
        return bytes(raw)

    return {("unsigned-bytes", _replaced(stage, changed).name): 2}


@fault
def json_contradicts_signed(stage: Stage) -> dict[tuple[str, str], int]:
    feed, number = stage.own_feed(), stage.middle()
    claims = {"observationsTimestamp": feed.observed(number) + 1}
    feed.deliveries[number] = _Delivery(feed.observed(number), feed.signed(number), claims=claims)
    return {("json-contradicts-signed", feed.name): 2}


@fault
def refused(stage: Stage) -> dict[tuple[str, str], int]:
    feed = _replaced(stage, lambda feed, number: feed.signed(number, WRONG_DIGEST))
    return {("refused", feed.name): 2}


@fault
def unknown_signer(stage: Stage) -> dict[tuple[str, str], int]:
    feed = _replaced(stage, lambda feed, number: feed.signed(number, STRANGER))
    return {("refused", feed.name): 2, ("unknown-signer", feed.name): 4}


@fault
def quorum_short(stage: Stage) -> dict[tuple[str, str], int]:
    by = stage.dice.choice([[0], [1, 1]])
    feed = _replaced(stage, lambda feed, number: feed.signed(number, by=by))
    return {("refused", feed.name): 2, ("quorum-short", feed.name): 2}


@fault
def signer_set_changed(stage: Stage) -> dict[tuple[str, str], int]:
    feed, number = stage.own_feed(), stage.middle()
    for later in range(number, OWN):
        feed.deliveries[later] = _Delivery(feed.observed(later), feed.signed(later, LATER))
    return {("signer-set-changed", ""): 1}


@fault
def returns_false(stage: Stage) -> dict[tuple[str, str], int]:
    capture, connection, asset, updates = stage.own_updates()
    for number, (at, message) in enumerate(updates):
        if number == 4:
            message = stork_message([Asset(asset, E18)], at - 20 * 10**6, STRANGE_SIGNER)
        capture.message(connection, at, message)
    # The other price is a jump there and back.
    return {("returns-false", ""): 1, ("unknown-signer", ""): 1, ("jump", f"1/{asset}"): 2}


@fault
def duplicate(stage: Stage) -> dict[tuple[str, str], int]:
    capture, connection, _, updates = stage.own_updates()
    for number, (at, message) in enumerate(updates):
        for late in range(2 if number == 3 else 1):
            capture.message(connection, at + late, message)
    return {("duplicate", ""): 1}


@fault
def replayed(stage: Stage) -> dict[tuple[str, str], int]:
    feed, number = stage.own_feed(), stage.middle()
    later = feed.observed(number + 2)
    again = _Delivery(
        later, feed.signed(number), late=10**9, connections=(stage.dice.randrange(2),)
    )
    feed.deliveries.append(again)
    return {("replayed", feed.name): 1}


@fault
def replayed_update(stage: Stage) -> dict[tuple[str, str], int]:
    capture, connection, _, updates = stage.own_updates()
    for at, message in updates:
        capture.message(connection, at, message)
    capture.message(connection, updates[6][0] + SECOND, updates[stage.dice.randrange(5)][1])
    return {("replayed", ""): 1, ("duplicate", ""): 1}


@fault
def out_of_order(stage: Stage) -> dict[tuple[str, str], int]:
    feed, number = stage.own_feed(), stage.middle()
    late = _Delivery(feed.observed(number + 1), feed.signed(number), late=10**9)
    feed.deliveries[number] = late
    return {("out-of-order", feed.name): 1}


@fault
def out_of_order_update(stage: Stage) -> dict[tuple[str, str], int]:
    capture, connection, _, updates = stage.own_updates()
    messages = [message for _, message in updates]
    messages[3], messages[4] = messages[4], messages[3]
    for (at, _), message in zip(updates, messages, strict=True):
        capture.message(connection, at + 6 * SECOND, message)
    return {("out-of-order", ""): 1}


@fault
def gap(stage: Stage) -> dict[tuple[str, str], int]:
    feed, number = stage.own_feed(), stage.middle()
    del feed.deliveries[number]
    return {("gap", feed.name): 1}


@fault
def equivocation(stage: Stage) -> dict[tuple[str, str], int]:
    feed, number = stage.own_feed(), stage.middle()
    prices = {
        name: getattr(feed.reports[number], name) * 1001 // 1000
        for name in ("benchmark_price", "bid", "ask")
    }
    other = feed.signed(number, by=[1, 2], **prices)
    feed.deliveries.append(_Delivery(feed.observed(number), other, late=10**8 // 2))
    return {("equivocation", feed.name): 4}


@fault
def equivocation_of_updates(stage: Stage) -> dict[tuple[str, str], int]:
    capture, connection, asset, updates = stage.own_updates()
    for at, message in updates:
        capture.message(connection, at, message)
    at = updates[4][0]
    walk = Walk(f"{stage.seed} {asset}", 100 * E18)
    other = stork_message([Asset(asset, walk.step() + 1)], at - 20 * 10**6)
    capture.message(connection, at + 1, other)
    return {("equivocation", f"1/{asset}"): 2}


@fault
def expired_on_arrival(stage: Stage) -> dict[tuple[str, str], int]:
    feed = _replaced(
        stage, lambda feed, number: feed.signed(number, expires_at=feed.observed(number) - 60)
    )
    return {("expired-on-arrival", feed.name): 2}


@fault
def from_the_future(stage: Stage) -> dict[tuple[str, str], int]:
    feed = stage.own_feed()
    ahead = feed.signed(OWN - 1, observations_timestamp=feed.observed(OWN - 1) + 7)
    feed.deliveries.append(_Delivery(feed.observed(OWN - 1), ahead, late=10**8))
    return {("from-the-future", feed.name): 2}


@fault
def clock_skew(stage: Stage) -> dict[tuple[str, str], int]:
    """The clock of a capture's machine is behind, or far ahead."""
    feed = Feed(b"\x00\x03" + bytes(28) + stage.number.to_bytes(2, "big")[::-1], STEPS - 12)
    wrong = stage.dice.choice([-1_200_000_000, 15 * SECOND])
    capture = stage.captures[f"skewed {stage.number}"] = Capture("chainlink", wrong)
    connection = capture.open(feed.observed(0) * SECOND - SECOND)
    for delivery in feed.deliveries:
        capture.message(connection, delivery.at + 3 * 10**8, delivery.message())
    return {("clock-skew", ""): 1}


@fault
def seen_late(stage: Stage) -> dict[tuple[str, str], int]:
    feed, number = stage.own_feed(version=11), stage.middle()
    seen = (feed.observed(number) + 5) * SECOND
    changed = feed.signed(number, last_seen_timestamp_ns=seen)
    feed.deliveries[number] = _Delivery(feed.observed(number), changed)
    return {("clock-skew", feed.name): 2}


@fault
def stale_feed(stage: Stage) -> dict[tuple[str, str], int]:
    feed = stage.own_feed(before_end=18)
    # The silence is the venue's: the next report begins where the last one ended.
    last = 3
    feed.deliveries[last:16] = []
    back = feed.signed(16, valid_from_timestamp=feed.observed(last - 1) + 1)
    feed.deliveries[last] = _Delivery(feed.observed(16), back)
    return {("stale-feed", feed.name): 2}


@fault
def crossed(stage: Stage) -> dict[tuple[str, str], int]:
    def payload(feed: Feed, number: int) -> FullReport:
        report: Any = feed.reports[number]
        return feed.signed(number, bid=report.ask, ask=report.bid)

    return {("crossed", _replaced(stage, payload).name): 2}


@fault
def jump(stage: Stage) -> dict[tuple[str, str], int]:
    feed, number = stage.own_feed(), stage.middle()
    for later in range(number, OWN):
        prices = {
            name: getattr(feed.reports[later], name) * 3 // 2
            for name in ("benchmark_price", "bid", "ask")
        }
        feed.deliveries[later] = _Delivery(feed.observed(later), feed.signed(later, **prices))
    return {("jump", feed.name): 3}


@fault
def price_not_positive(stage: Stage) -> dict[tuple[str, str], int]:
    price = stage.dice.choice([0, -5])
    feed = _replaced(
        stage,
        lambda feed, number: feed.signed(number, benchmark_price=price, bid=price, ask=price),
    )
    return {("price-not-positive", feed.name): 6, ("jump", feed.name): 6}


@fault
def unsigned_where_signed(stage: Stage) -> dict[tuple[str, str], int]:
    capture, connection, asset, updates = stage.own_updates()
    for number, (at, message) in enumerate(updates):
        if number == 5:
            walk = Walk(f"{stage.seed} {asset}", 100 * E18)
            update = UnsignedUpdate(1, at - 20 * 10**6, (Asset(asset, walk.step()),))
            message = update.to_message()
        capture.message(connection, at, message)
    return {("unsigned-where-signed", ""): 1}


@fault
def connection_lost(stage: Stage) -> dict[tuple[str, str], int]:
    capture, connection, _, updates = stage.own_updates()
    for number, (at, message) in enumerate(updates):
        capture.message(connection, at, message)
        if number == 3:
            capture.incident(connection, at + 1, "closed", code=1006, reason="")
            capture.incident(connection, at + 2, "retrying", attempt=1, wait_ns=1)
            connection = capture.open(at + SECOND)
    return {("connection-lost", ""): 1}


@fault
def silence(stage: Stage) -> dict[tuple[str, str], int]:
    capture, connection, asset, _ = stage.own_updates()
    updates = stage.updates(asset, STEPS)
    capture.records = [
        replace(each, at=updates[0][0] - SECOND) if each.connection == connection else each
        for each in capture.records
    ]
    for at, message in [*updates[:4], *updates[-3:]]:
        capture.message(connection, at, message)
    stale = {("stale-feed", f"1/{each}"): 1 for each in (asset, asset + 1)}
    return {("silence", ""): 1, **stale}


@fault
def incomplete_file(stage: Stage) -> dict[tuple[str, str], int]:
    name = f"incomplete {stage.number}"
    capture = stage.captures[name] = Capture("qfex")
    connection = capture.open(BEGAN * SECOND)
    capture.message(connection, BEGAN * SECOND + SECOND, TRADE)
    capture.cut = True
    return {("incomplete-file", ""): 1}


@fault
def altered_file(stage: Stage) -> dict[tuple[str, str], int]:
    name = f"altered {stage.number}"
    capture = stage.captures[name] = Capture("qfex")
    connection = capture.open(BEGAN * SECOND)
    capture.message(connection, BEGAN * SECOND + SECOND, TRADE)
    capture.altered = True
    return {("altered-file", ""): 1}
