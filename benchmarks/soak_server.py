"""The server of `benchmarks.soak`, in a process of its own.

The `websockets` library accepts the connections and shakes hands. The frames are signed, put into
JSON and into their websocket framing before anything is measured, and then written to the socket as
they are, so that the server takes little of the machine's time and is not what limits a client.

It takes orders in JSON, a line each: `{"count": 1000, "rate": 500}` for the next connection
(a rate of null is as fast as the socket takes it). It answers `{"ready": true}`, and how it went
once everything was sent.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable
from itertools import accumulate
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.frames import Frame, Opcode

from payloads.chainlink.schemas import SCHEMAS
from payloads.simulators.market import E18, Walk, synthetic_report
from payloads.simulators.venues.chainlink import feed_id
from payloads.stork.update import Asset
from payloads.testing import InsecureTestNetwork, InsecureTestStorkSigner

# When the frames repeat, what Chainlink's session remembers of them (32,768) is forgotten already,
# so that none is a duplicate to it.
POOL = 132_000
FEED = feed_id(3, "SOAK/USD")
STORK_ASSETS = (1, 2, 3, 4)
STORK_BEGAN = 1_760_000_000 * 10**9
_BEGAN = STORK_BEGAN // 10**9
# Of what is written at once, where there is no rate: as many frames as fill a few reads.
_SLAB = 64


# --- frames ---------------------------------------------------------------------------------------


def _chainlink(first: int, last: int) -> list[bytes]:
    """Reports of one feed, six signatures each, numbered in the signed context."""
    network, walk = InsecureTestNetwork("soak"), Walk(f"soak {first}", 65_000 * E18)
    feed = bytes.fromhex(FEED[2:])
    schema = SCHEMAS[feed[:2]]
    made = []
    for number in range(first, last):
        at = _BEGAN + number // 100
        report = synthetic_report(
            schema, feed, walk, valid_from=at, observed=at, expires=at + 86_400
        )
        signed = network.sign(report, epoch=number >> 8, round=number & 0xFF)
        message = {
            "feedID": FEED,
            "fullReport": "0x" + bytes(signed.raw).hex(),
            "validFromTimestamp": at,
            "observationsTimestamp": at,
        }
        made.append(json.dumps({"report": message}, separators=(",", ":")).encode())
    return made


def _stork(first: int, last: int) -> list[bytes]:
    """Signed updates of a few assets, numbered in the nanoseconds of their time."""
    signer, walk = InsecureTestStorkSigner("soak"), Walk(f"soak {first}", 65_000 * E18)
    made = []
    for number in range(first, last):
        assets = [Asset(asset, walk.step()) for asset in STORK_ASSETS]
        signed = signer.sign(assets, timestamp_ns=STORK_BEGAN + number)
        message = {"type": "signed_ecdsa", "p": "0x" + signed.encode().hex()}
        made.append(json.dumps(message, separators=(",", ":")).encode())
    return made


# By venue: the maker of the frames from one number to another, and their opcode.
_MAKERS: dict[str, tuple[Callable[[int, int], list[bytes]], Opcode]] = {
    "chainlink": (_chainlink, Opcode.BINARY),
    "stork": (_stork, Opcode.TEXT),
}


def _made(venue: str, first: int, last: int) -> list[bytes]:
    return _MAKERS[venue][0](first, last)


class Pool:
    """Frames 1 to `size`, and again from the first: their messages and the bytes on the wire."""

    def __init__(self, venue: str, size: int) -> None:
        step = max(1, min(1000, size))
        bounds = [(venue, low, min(low + step, size + 1)) for low in range(1, size + 1, step)]
        with multiprocessing.Pool(os.cpu_count()) as workers:
            parts = workers.starmap(_made, bounds)
        self.messages = [message for part in parts for message in part]
        self.size = size
        opcode = _MAKERS[venue][1]
        framed = [Frame(opcode, message).serialize(mask=False) for message in self.messages]
        self._ends = [0, *accumulate(map(len, framed))]
        self._wire = memoryview(b"".join(framed))

    def wire(self, first: int, last: int) -> list[memoryview]:
        """The bytes of frames `first` to `last` - 1, counted from 0 and going around."""
        pieces = []
        while first < last:
            begin = first % self.size
            end = min(self.size, begin + last - first)
            pieces.append(self._wire[self._ends[begin] : self._ends[end]])
            first += end - begin
        return pieces

    def sha256(self, count: int) -> str:
        """The hash of so many messages in their order."""
        found = hashlib.sha256()
        for number in range(count):
            found.update(self.messages[number % self.size])
        return found.hexdigest()


# --- sending --------------------------------------------------------------------------------------


class Feed:
    """Sends what was ordered to the next client."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.order: dict[str, Any] | None = None
        self.done: asyncio.Future[dict[str, Any]] | None = None

    async def handle(self, peer: ServerConnection) -> None:
        order, self.order = self.order, None
        if order is None or self.done is None:
            return
        times: list[int] = []
        began, cpu = time.monotonic(), time.process_time()
        late = 0.0
        try:
            if order["rate"] is None:
                await self._flood(peer, order["count"])
            else:
                late = await self._pace(peer, order["count"], order["rate"], times)
        finally:
            seconds = time.monotonic() - began
            used = time.process_time() - cpu
            report: dict[str, Any] = {"seconds": seconds, "cpu": used / seconds, "late": late}
            if order.get("times"):
                report["times"] = times
            if not self.done.done():
                self.done.set_result(report)

    async def _flood(self, peer: ServerConnection, count: int) -> None:
        for first in range(0, count, _SLAB):
            peer.transport.writelines(self.pool.wire(first, min(count, first + _SLAB)))
            await peer.drain()

    async def _pace(
        self, peer: ServerConnection, count: int, rate: float, times: list[int]
    ) -> float:
        """Send at a rate. Returns how late the latest frame was, in seconds."""
        began, sent, late = time.monotonic(), 0, 0.0
        while sent < count:
            now = time.monotonic() - began
            late = max(late, now - sent / rate)
            due = min(count, int(now * rate) + 1)
            if due > sent:
                times += [time.monotonic_ns()] * (due - sent)
                for piece in self.pool.wire(sent, due):
                    peer.transport.write(piece)
                sent = due
                await peer.drain()
            wait = sent / rate - (time.monotonic() - began)
            # A loop's timers are good to a millisecond: above 1,000 a second, a few go at once.
            await asyncio.sleep(max(0.0, wait))
        return late


def _say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


async def _main(venue: str, frames: int) -> None:
    began = time.monotonic()
    pool = Pool(venue, min(frames, POOL))
    feed = Feed(pool)
    options: dict[str, Any] = {"compression": None, "ping_interval": None}
    async with serve(feed.handle, "127.0.0.1", 0, **options) as server:
        _say(
            port=server.sockets[0].getsockname()[1],
            pool=pool.size,
            frame_bytes=sum(map(len, pool.messages)) / pool.size,
            preparing=time.monotonic() - began,
        )
        while line := await asyncio.to_thread(sys.stdin.readline):
            order = json.loads(line)
            if "sha256" in order:
                _say(sha256=pool.sha256(order["sha256"]))
                continue
            feed.done = asyncio.get_running_loop().create_future()
            feed.order = order
            _say(ready=True)
            most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            _say(**await feed.done, memory=most)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venue", choices=list(_MAKERS), default="chainlink")
    parser.add_argument("--frames", type=int, default=POOL)
    options = parser.parse_args()
    asyncio.run(_main(options.venue, options.frames))
