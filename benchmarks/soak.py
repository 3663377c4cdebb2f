"""A soak of the live transport: frames at a rate through client, capture and decode, on loopback.

First a minute at 10,000 frames a second: nothing lost, nothing doubled, memory bounded, and the
capture holds exactly what was sent. Then as fast as it goes, which is this machine's ceiling. Then
frames per second and latency of our client against a bare loop over the `websockets` library. See
benchmarks/README.md for how to read what is printed. With `--save`, docs/performance.md shows the
last table.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from websockets.asyncio.client import connect as bare_connect

from benchmarks import page
from benchmarks.soak_server import FEED, POOL, STORK_ASSETS, STORK_BEGAN
from payloads import chainlink, stork
from payloads.capture.frames import Frame
from payloads.capture.reader import read_records
from payloads.capture.writer import CaptureWriter
from payloads.live.connection import Connection
from payloads.venues.chainlink.auth import ChainlinkCredentials, Endpoint
from payloads.venues.chainlink.session import ChainlinkSession
from payloads.venues.common.redactor import Message, Secret
from payloads.venues.common.session import (
    Closed,
    Data,
    Dial,
    Event,
    Opened,
    Rejected,
    Retry,
    Session,
)
from payloads.venues.stork.session import StorkSession

ROOT = Path(__file__).parent.parent
SCRATCH = ROOT / ".cache" / "bench" / "soak"
GOAL = 0.8
# A rate counts as held if so much of it arrived, and no frame left so many seconds late.
HELD, LATE = 0.99, 1.0
# Memory counts as bounded if the second half of the soak adds no more than this.
GROWTH = 16 * 2**20
PAGE = os.sysconf("SC_PAGE_SIZE")


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def memory() -> int:
    """This process's resident bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


# --- the server -----------------------------------------------------------------------------------


class Server:
    """`benchmarks.soak_server` in its process; `tell` says what to send on the next connection."""

    def __init__(self, venue: str, frames: int) -> None:
        command = [sys.executable, "-m", "benchmarks.soak_server"]
        command += ["--venue", venue, "--frames", str(frames)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.venue, self.about = venue, self.listen()
        self.address = f"ws://127.0.0.1:{self.about['port']}"

    def listen(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("soak: the server has ended")
        return dict(json.loads(line))

    def tell(self, **order: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return self.listen()

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=20)


# --- sessions and numbers -------------------------------------------------------------------------


class Passing(Session):
    """Takes every message as it is: what is left is the transport."""

    venue = "passing"

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address

    def dial(self, now: int) -> Dial:
        return Dial(self.address)

    def opened(self, now: int) -> list[Event]:
        return [Opened()]

    def received(self, data: Message, now: int) -> list[Event]:
        return []

    def rejected(
        self, status: int, headers: Sequence[tuple[str, str]], body: bytes
    ) -> tuple[Rejected, Retry]:
        return Rejected(str(status), ""), Retry(False, "rejected")

    def closed(self, code: int, reason: str, now: int) -> list[Event]:
        return [Closed(code, reason, Retry(True, "closed"))]


def session_of(venue: str, address: str) -> Session:
    if venue == "stork":
        return StorkSession(Secret("benchmarks-soak-token"), STORK_ASSETS, endpoint=address)
    key = ChainlinkCredentials.of("00000000-1111-4222-8333-444444444444", "benchmarks-soak-secret")
    endpoint = Endpoint(address, address.replace("ws", "http", 1))
    return ChainlinkSession(key, [FEED], endpoint=endpoint)


def number_in(venue: str, payload: bytes) -> int:
    """Decode a payload; the number of its frame, from 1."""
    if venue == "stork":
        return stork.decode(payload).timestamp_ns - STORK_BEGAN
    found = chainlink.decode(payload)
    return found.epoch << 8 | found.round


@dataclass
class Numbers:
    """Follows the frames' numbers, which go from 1 to the pool's size and around."""

    pool: int
    seen: int = 0
    lost: int = 0
    doubled: int = 0
    expected: int = 0

    def take(self, number: int) -> None:
        self.seen += 1
        ahead = (number - 1 - self.expected) % self.pool
        if ahead > self.pool // 2:  # a frame that came before
            self.doubled += 1
            return
        self.lost += ahead
        self.expected = number % self.pool

    def end(self, count: int) -> None:
        """What is missing at the end, or (a whole round of the pool) could not be noticed."""
        self.lost = max(self.lost, count - (self.seen - self.doubled))


# --- the soak -------------------------------------------------------------------------------------


@dataclass
class Soak:
    """One run through client, capture and decode."""

    asked: float | None
    count: int
    rate: float = 0.0
    late: float = 0.0
    lost: int = 0
    doubled: int = 0
    # Events that are neither data nor about the connection: what could not be read.
    refused: int = 0
    memory: list[tuple[float, int]] = field(default_factory=list)
    cpu: float = 0.0
    server_cpu: float = 0.0
    queue_most: int = 0
    queue_blocked_ms: float = 0.0
    capture_frames: int = 0
    capture_bytes: int = 0
    capture_exact: bool = False
    read_rate: float = 0.0
    replay_rate: float = 0.0

    @property
    def held(self) -> bool:
        return self.asked is None or (self.rate >= HELD * self.asked and self.late < LATE)

    @property
    def growth(self) -> int:
        """Bytes that the second half added."""
        middle = self.memory[-1][0] / 2
        before = [size for at, size in self.memory if at >= middle]
        return before[-1] - before[0]

    @property
    def bounded(self) -> bool:
        return self.growth <= GROWTH

    @property
    def exact(self) -> bool:
        return self.capture_exact and not (self.lost or self.doubled or self.refused)


async def sample(found: list[tuple[float, int]], every: float) -> None:
    began = time.monotonic()
    while True:
        found.append((time.monotonic() - began, memory()))
        await asyncio.sleep(every)


async def through(server: Server, soak: Soak, writer: CaptureWriter, every: float) -> None:
    """Until the server has sent everything and closed."""
    venue = server.venue
    numbers = Numbers(server.about["pool"])
    sampling = asyncio.create_task(sample(soak.memory, every))
    began, cpu = 0.0, time.process_time()
    session = session_of(venue, server.address)
    async with Connection(session, recorder=writer, proxy=False) as connection:
        async for delivery in connection:
            ended = False
            for event in delivery.events:
                if isinstance(event, Data) and event.payload is not None:
                    began = began or time.monotonic()
                    numbers.take(number_in(venue, event.payload))
                elif isinstance(event, Closed):
                    ended = True
                elif delivery.frame is not None and type(event).__name__ != "Subscribed":
                    soak.refused += 1
            if ended:
                break
        seconds = time.monotonic() - began
        soak.queue_most = connection.inbox.most
        soak.queue_blocked_ms = connection.inbox.blocked_ns / 1e6
    sampling.cancel()
    soak.memory.append((seconds, memory()))
    numbers.end(soak.count)
    soak.rate, soak.cpu = numbers.seen / seconds, (time.process_time() - cpu) / seconds
    soak.lost, soak.doubled = numbers.lost, numbers.doubled


def read_back(server: Server, soak: Soak, path: Path) -> None:
    """Read the capture: does it hold the bytes that were sent, and how fast is reading."""
    found = hashlib.sha256()
    began = time.monotonic()
    for record in read_records(path):
        if isinstance(record, Frame) and record.is_message and record.direction == "in":
            soak.capture_frames += 1
            found.update(record.raw)
    soak.read_rate = soak.capture_frames / (time.monotonic() - began)
    soak.capture_exact = found.hexdigest() == server.tell(sha256=soak.count)["sha256"]
    # And a part of it through a session and the decoder, as `payloads replay` does.
    session, decoded = session_of(server.venue, server.address), 0
    began = time.monotonic()
    for record in read_records(path):
        if isinstance(record, Frame) and record.is_message and record.direction == "in":
            for event in session.received(record.data, record.at):
                if isinstance(event, Data) and event.payload is not None:
                    number_in(server.venue, event.payload)
            decoded += 1
            if decoded == 50_000:
                break
    soak.replay_rate = decoded / (time.monotonic() - began)


def run_soak(server: Server, rate: float | None, count: int, ending: str, every: float) -> Soak:
    soak = Soak(rate, count)
    with tempfile.TemporaryDirectory(dir=SCRATCH) as folder:
        path = Path(folder) / f"soak.jsonl{ending}"
        server.tell(count=count, rate=rate)
        with CaptureWriter(path, venue=server.venue) as writer:
            asyncio.run(through(server, soak, writer, every))
        report = server.listen()
        soak.server_cpu, soak.late = report["cpu"], report["late"]
        soak.capture_bytes = path.stat().st_size
        read_back(server, soak, path)
    return soak


# --- against a bare loop --------------------------------------------------------------------------


Arrivals = list[int]
Client = Callable[[Server], Coroutine[Any, Any, Arrivals]]


async def bare(server: Server) -> Arrivals:
    """The simplest client: receive, and do nothing with the message."""
    arrivals: Arrivals = []
    async with bare_connect(server.address, proxy=None, ping_interval=None) as socket:
        async for _ in socket:
            arrivals.append(time.monotonic_ns())
    return arrivals


async def bare_payload(server: Server) -> Arrivals:
    """The same with the payload's bytes taken out, which is the first thing needed of it."""
    arrivals: Arrivals = []
    async with bare_connect(server.address, proxy=None, ping_interval=None) as socket:
        async for message in socket:
            found = json.loads(message)
            text = found["p"] if server.venue == "stork" else found["report"]["fullReport"]
            bytes.fromhex(text[2:])
            arrivals.append(time.monotonic_ns())
    return arrivals


async def _ours(session: Session, writer: CaptureWriter | None) -> Arrivals:
    arrivals: Arrivals = []
    async with Connection(session, recorder=writer, proxy=False) as connection:
        async for delivery in connection:
            if delivery.frame is not None:
                arrivals.append(time.monotonic_ns())
            elif delivery.events and isinstance(delivery.events[-1], Closed):
                break
    return arrivals


async def ours(server: Server) -> Arrivals:
    return await _ours(session_of(server.venue, server.address), None)


async def _captured(session: Session) -> Arrivals:
    with tempfile.TemporaryDirectory(dir=SCRATCH) as folder:
        path = Path(folder) / "soak.jsonl"
        with CaptureWriter(path, venue=session.venue) as writer:
            return await _ours(session, writer)


async def ours_capturing(server: Server) -> Arrivals:
    return await _captured(session_of(server.venue, server.address))


async def ours_passing(server: Server) -> Arrivals:
    return await _ours(Passing(server.address), None)


async def ours_passing_capturing(server: Server) -> Arrivals:
    return await _captured(Passing(server.address))


BARE, READING = "bare loop", "bare loop, JSON and hex read"
CLIENTS: dict[str, Client] = {
    BARE: bare,
    READING: bare_payload,
    "our transport": ours_passing,
    "our transport, capture": ours_passing_capturing,
    "our client": ours,
    "our client, capture": ours_capturing,
}
# Held to the goal against the loop that takes as much out of a frame: nothing, or its payload.
PEERS = {
    "our transport": BARE,
    "our transport, capture": BARE,
    "our client": READING,
    "our client, capture": READING,
}


@dataclass
class Row:
    """One client's rounds."""

    label: str
    rates: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    tails: list[float] = field(default_factory=list)
    # Microseconds of the processor for a frame, at that rate.
    costs: list[float] = field(default_factory=list)


def turn(server: Server, client: Client, count: int, rate: float | None) -> tuple[Arrivals, Any]:
    server.tell(count=count, rate=rate, times=rate is not None)
    arrivals = asyncio.run(client(server))
    report = server.listen()
    if len(arrivals) != count:
        raise SystemExit(f"soak: {len(arrivals)} of {count} frames arrived")
    return arrivals, report


def compare(server: Server, rounds: int, count: int, rate: float, seconds: float) -> list[Row]:
    rows = {label: Row(label) for label in CLIENTS}
    for client in CLIENTS.values():  # imports, caches
        turn(server, client, min(count, 2000), None)
    say(f"soak: frames per second, {rounds} rounds of {count:,} frames ...")
    for _ in range(rounds):
        for label, client in CLIENTS.items():
            gc.collect()
            arrivals, _ = turn(server, client, count, None)
            rows[label].rates.append((count - 1) / (arrivals[-1] - arrivals[0]) * 1e9)
    say(f"soak: latency at {rate:,.0f} frames a second, {rounds} rounds ...")
    for _ in range(rounds):
        for label, client in CLIENTS.items():
            cpu = time.process_time()
            arrivals, report = turn(server, client, int(rate * seconds), rate)
            rows[label].costs.append((time.process_time() - cpu) / len(arrivals) * 1e6)
            pairs = zip(arrivals, report["times"], strict=True)
            delays = sorted((came - sent) / 1e3 for came, sent in pairs)
            rows[label].latencies.append(median(delays))
            rows[label].tails.append(delays[int(len(delays) * 0.99)])
    return list(rows.values())


def ratio(row: Row, floor: Row) -> float:
    """Of the bare loop's frames per second: the median of the rounds' own ratios."""
    return median(a / b for a, b in zip(row.rates, floor.rates, strict=True))


def spread(values: Sequence[float]) -> float:
    if len(values) < 2:
        return 0.0
    low, _, high = quantiles(values, n=4)
    return (high - low) / 2 / median(values)


# --- what is printed ------------------------------------------------------------------------------


def mib(size: float) -> str:
    return f"{size / 2**20:,.0f} MiB"


def soak_lines(soak: Soak) -> list[str]:
    asked = "as fast as it goes" if soak.asked is None else f"{soak.asked:,.0f} frames a second"
    blocked = soak.queue_blocked_ms
    samples = "  ".join(f"{at:.0f} s {mib(size)}" for at, size in soak.memory)
    exact = "exactly what was sent" if soak.capture_exact else "NOT WHAT WAS SENT"
    return [
        f"{asked}: {soak.count:,} frames through client, capture and decode",
        f"    arrived          {soak.rate:,.0f} a second"
        + ("" if soak.asked is None else f", the latest sent {soak.late * 1000:,.0f} ms late"),
        f"    lost, doubled    {soak.lost}, {soak.doubled}; not understood: {soak.refused}",
        f"    memory           {samples}",
        f"    second half      {soak.growth / 2**20:+.1f} MiB",
        f"    processor        client {soak.cpu:.0%} of a core, server {soak.server_cpu:.0%}",
        f"    queue            {soak.queue_most:,} at most; blocked {blocked:,.0f} ms",
        f"    capture          {soak.capture_frames:,} frames, {mib(soak.capture_bytes)}: {exact}",
        f"    read back        {soak.read_rate:,.0f} a second; with session and decode "
        f"{soak.replay_rate:,.0f} a second",
    ]


def table_lines(rows: list[Row], rate: float) -> list[str]:
    floor, reading = rows[:2]
    lines = ["   to a bare loop     frames/s        added, median    p99 (of all)   processor"]
    lines += ["receiving  reading"]
    for row in rows:
        added = median(a - b for a, b in zip(row.latencies, floor.latencies, strict=True))
        lines.append(
            f"{ratio(row, floor):>8.2f}x {ratio(row, reading):>7.2f}x "
            f"{median(row.rates):>10,.0f} ±{spread(row.rates):3.0%}  {added:>+13,.0f} us "
            f"{median(row.tails):>11,.0f} us  {median(row.costs):>6,.0f} us   {row.label}"
        )
    lines.append(
        f"(the last three: at {rate:,.0f} frames a second, from the server's write to the reader;\n"
        f"the bare loop's median is {median(floor.latencies):,.0f} us)"
    )
    return lines


def table(
    venue: str, size: float, rows: list[Row], goals: list[tuple[str, bool]], how: str
) -> page.Table:
    """For docs/performance.md."""
    floor, reading = rows[:2]
    head = [
        f"frames over a real websocket, {venue}'s of {size / 1e3:.1f} kB",
        "a second, times a bare loop that receives", "that reads JSON and hex", "a second",
        "µs later than the bare loop (median, at 1,000 a second)",
        "processor there, µs a frame (the least)",
    ]  # fmt: skip
    lines = []
    for row in rows:
        added = median(a - b for a, b in zip(row.latencies, floor.latencies, strict=True))
        cells = f"{ratio(row, floor):.2f}", f"{ratio(row, reading):.2f}"
        more = f"{median(row.rates):,.0f}", f"{added:+.0f}", f"{min(row.costs):.1f}"
        lines.append([row.label, *cells, *more])
    notes = [f"{text}: {'met' if met else '**missed**'}" for text, met in goals]
    return page.Table(head, lines, how, notes)


def verdicts(soak: Soak, ceiling: Soak, rows: list[Row]) -> list[tuple[str, bool]]:
    assert soak.asked is not None
    more = f"{soak.rate:,.0f} arrived; the ceiling is {ceiling.rate:,.0f}"
    found = [
        (f"{soak.asked:,.0f} frames a second held: {more}", soak.held),
        ("nothing lost or doubled, captures exact", soak.exact and ceiling.exact),
        (f"memory bounded: {soak.growth / 2**20:+.1f} MiB in the second half", soak.bounded),
    ]
    by_label = {row.label: row for row in rows}
    for label, peer in PEERS.items():
        share = ratio(by_label[label], by_label[peer])
        found.append((f"{label}: {share:.2f} of the rate of: {peer}", share >= GOAL))
    return found


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = page.parser("soak", __doc__)
    parser.add_argument("--rate", type=float, default=10_000, help="frames a second; %(default)s")
    parser.add_argument("--seconds", type=float, default=60, help="of the soak; %(default)s")
    parser.add_argument("--venue", choices=("chainlink", "stork"), default="chainlink")
    parser.add_argument(
        "--compression", choices=("", ".gz", ".zst"), default="", help="of the soak's capture"
    )
    parser.add_argument("--quick", action="store_true", help="a few seconds: a look, not a result")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there")
    parser.add_argument("--check", action="store_true", help="exit 1 when a goal is missed")
    options = parser.parse_args(argv)
    if options.rate <= 0 or options.seconds <= 0:
        parser.error("--rate and --seconds must be more than 0")
    if options.save and options.quick:
        parser.error("--save wants a result, and --quick is a look")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    options = arguments(argv)
    quick = options.quick
    seconds = min(options.seconds, 5.0) if quick else options.seconds
    count = max(2, int(options.rate * seconds))
    run = page.Run()
    rounds, frames, most = (3, 5_000, 20_000) if quick else (9, 20_000, 200_000)
    SCRATCH.mkdir(parents=True, exist_ok=True)
    say("soak: signing the frames ...")
    server = Server(options.venue, POOL if not quick else max(count, most))
    try:
        about = server.about
        say(f"soak: {about['pool']:,} frames of {about['frame_bytes']:,.0f} bytes are ready")
        say(f"soak: {seconds:.0f} s at {options.rate:,.0f} frames a second ...")
        every = 1.0 if quick else 10.0
        soak = run_soak(server, options.rate, count, options.compression, every)
        say("soak: as fast as it goes ...")
        ceiling = run_soak(server, None, most, options.compression, every)
        rate = 1000.0
        rows = compare(server, rounds, frames, rate, 0.5 if quick else 1.0)
    finally:
        server.close()
    print(f"{options.venue}, {about['frame_bytes']:,.0f} bytes a frame, on {os.cpu_count()} cores,")
    print("which server and client share\n")
    print(
        "\n".join([*soak_lines(soak), "", *soak_lines(ceiling), "", *table_lines(rows, rate), ""])
    )
    goals = verdicts(soak, ceiling, rows)
    for text, met in goals:
        print(f"{'met   ' if met else 'MISSED'}  {text}")
    if options.save:
        facts = f"medians of {rounds} interleaved rounds of {frames:,} frames"
        made = table(options.venue, about["frame_bytes"], rows, goals, run.how(facts))
        page.save({f"soak-{options.venue}": made})
    if options.json is not None:
        record = {
            "server": about,
            "soak": asdict(soak),
            "ceiling": asdict(ceiling),
            "rows": [asdict(row) | {"ratio": ratio(row, rows[0])} for row in rows],
            "goals": [{"text": text, "met": met} for text, met in goals],
        }
        options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    missed = not all(met for _, met in goals)
    return 1 if not (soak.exact and ceiling.exact) or (options.check and missed) else 0


if __name__ == "__main__":
    sys.exit(main())
