"""Our client against a server that is none of ours: `ws` on Node.js, with signatures checked by the
vendor's SDK, and frames compressed, fragmented and mixed with pings as our simulator does not."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from payloads import chainlink
from payloads.capture.frames import Frame
from payloads.errors import Refused
from payloads.live import connect
from payloads.venues.chainlink.auth import ENCODED, LITERAL, ChainlinkCredentials, Endpoint
from payloads.venues.chainlink.group import HighAvailability
from payloads.venues.chainlink.session import ChainlinkSession
from payloads.venues.common.dedupe import Duplicate
from payloads.venues.common.session import Data, Event, Rejected, Unknown
from payloads.venues.common.session_group import Degraded
from tests.corpus import of
from tests.interop.node import Script

Node = Callable[[str], Script]

KEY, SECRET = "00000000-1111-4222-8333-444444444444", "payloads-insecure-test-secret"
GOOD = ChainlinkCredentials.of(KEY, SECRET)
ORIGINS = ["001", "002"]
# Every published report, as the service wraps them; two that differ in their signatures alone are
# one report to our client, and here.
_ONCE = {
    (one.raw[:96], bytes(chainlink.decode(one.raw).report_blob)): one for one in of("fullReport")
}
REPORTS = {
    one.raw: {"feedID": one.decoded["feedId"], "fullReport": "0x" + one.raw.hex()}
    for one in _ONCE.values()
}
FEEDS = sorted({report["feedID"] for report in REPORTS.values()})
# Nobody's report: passed over, but received.
OTHERS = [b'{"hello":"\xe2\x82\xac \xf0\x9f\x98\x80"}', b"[]", b'{"pad":"' + b"x" * 300_000 + b'"}']

Message = tuple[bool, bytes]


def messages() -> list[Message]:
    """Whether it is binary, and what it is: all of it as text and as binary."""
    wrapped = [json.dumps({"report": report}).encode() for report in REPORTS.values()]
    return [(binary, one) for one in wrapped + OTHERS for binary in (False, True)]


def script_of(messages: list[Message], fragments: bool, seed: int) -> list[dict[str, Any]]:
    """The messages cut at random places, inside of characters and empty parts included."""
    dice = random.Random(seed)
    found = []
    for binary, message in messages:
        count = dice.randint(0, 4) if fragments else 0
        cuts = [0, *sorted(dice.randint(0, len(message)) for _ in range(count)), len(message)]
        parts = [message[a:b] for a, b in pairwise(cuts)]
        found.append({
            "binary": binary,
            "compress": dice.random() < 0.7,
            "parts": [base64.b64encode(part).decode() for part in parts],
        })  # fmt: skip
    return found


def serve(
    node: Node, *, fragments: bool = False, deflate: bool = False
) -> tuple[Script, Endpoint, list[dict[str, Any]]]:
    server = node("server.cjs")
    script = script_of(messages(), fragments, seed=1)
    port = server.ask("serve", {
        "key": KEY, "secret": SECRET, "origins": ORIGINS, "deflate": deflate, "messages": script,
    })  # fmt: skip
    return server, Endpoint(f"ws://127.0.0.1:{port}", f"http://127.0.0.1:{port}"), script


def client(session: ChainlinkSession | HighAvailability, **options: Any) -> Any:
    return connect(session, proxy=False, **options)


async def read(connection: Any, frames: int) -> tuple[list[Frame], list[Event]]:
    """What comes, until there are so many messages."""
    got: list[Frame] = []
    events: list[Event] = []
    async with asyncio.timeout(20):
        async for delivery in connection:
            if delivery.frame is not None and delivery.frame.is_message:
                got.append(delivery.frame)
            events += delivery.events
            if len(got) == frames:
                break
    return got, events


@pytest.mark.parametrize("comma", [LITERAL, ENCODED], ids=["literal", "encoded"])
@pytest.mark.parametrize("fragments", [False, True], ids=["whole", "fragments"])
@pytest.mark.parametrize("deflate", [False, True], ids=["plain", "deflate"])
def test_every_byte_is_received(node: Node, deflate: bool, fragments: bool, comma: str) -> None:
    server, endpoint, script = serve(node, fragments=fragments, deflate=deflate)

    async def test() -> tuple[list[Frame], list[Event]]:
        session = ChainlinkSession(GOOD, FEEDS, endpoint=endpoint, comma=comma)
        async with client(session) as connection:
            return await read(connection, len(messages()))

    frames, events = asyncio.run(test())
    assert [(frame.opcode == "binary", frame.raw) for frame in frames] == messages()
    assert [e.content.full_report for e in events if isinstance(e, Data)] == [*REPORTS]
    # Each came a second time, as binary.
    assert sum(isinstance(event, Duplicate) for event in events) == len(REPORTS)
    assert sum(isinstance(event, Unknown) for event in events) == 2 * len(OTHERS)

    server.until(lambda: server.of("close"))
    (dial,) = server.of("dial")
    assert dial["ok"]
    assert dial["url"] == f"/api/v1/ws?feedIDs={comma.join(FEEDS)}"
    (opened,) = server.of("open")
    assert opened["extensions"].startswith("permessage-deflate" if deflate else "")
    assert bool(opened["extensions"]) == deflate
    # The closing handshake was made. Of several pings, only the latest has to be answered.
    assert [event["code"] for event in server.of("close")] == [1000]
    assert bool(server.of("pong")) == any(len(one["parts"]) > 1 for one in script)


def test_high_availability(node: Node) -> None:
    server, endpoint, _ = serve(node, fragments=True, deflate=True)

    async def test() -> tuple[list[Frame], list[Event], HighAvailability]:
        both = HighAvailability(GOOD, FEEDS, endpoint=endpoint)
        async with client(both) as connection:
            frames, events = await read(connection, 2 * len(messages()))
        assert both.origins == tuple(ORIGINS)
        assert not any(isinstance(event, Degraded | Rejected) for event in events)
        return frames, events, both

    frames, events, both = asyncio.run(test())
    assert sorted((frame.opcode == "binary", frame.raw) for frame in frames) == sorted(
        2 * messages()
    )
    delivered = [event.content.full_report for event in events if isinstance(event, Data)]
    assert len(delivered) == len(REPORTS)
    assert set(delivered) == set(REPORTS)
    assert both.stats.duplicates == 3 * len(REPORTS)
    server.until(lambda: len(server.of("close")) == 2)
    assert [(event["method"], event["url"], event["ok"]) for event in server.of("request")] == [
        ("HEAD", "/", True)
    ]
    assert sorted(event["origin"] for event in server.of("dial")) == ORIGINS
    assert all(event["ok"] for event in server.of("dial"))


def test_a_wrong_secret_is_refused(node: Node) -> None:
    server, endpoint, _ = serve(node)

    async def test() -> list[Event]:
        events: list[Event] = []
        session = ChainlinkSession(ChainlinkCredentials.of(KEY, "wrong"), FEEDS, endpoint=endpoint)
        async with client(session) as connection:
            with pytest.raises(Refused):
                await read_all(connection, events)
        return events

    async def read_all(connection: Any, events: list[Event]) -> None:
        async for event in connection.events():
            events.append(event)

    (rejected,) = asyncio.run(test())
    assert isinstance(rejected, Rejected)
    assert rejected.code == "HTTP 401"
    assert "HMAC mismatch" in rejected.message
    server.until(lambda: server.of("dial"))
    assert [event["ok"] for event in server.of("dial")] == [False]
