"""The simulators know the ids of the venues' own documentation, and more by option."""

from __future__ import annotations

import json
from typing import Any

import pytest

from payloads.errors import Misuse
from payloads.simulators import ChainlinkSimulator, FinerySimulator, StorkSimulator
from payloads.simulators.venues.chainlink import DOCUMENTED
from payloads.venues.common.session import Data
from payloads.venues.finery.feeds import Binding
from tests.simulators.kit import ask, collect, dialled, driven, kinds, run


def test_chainlink_s_feeds() -> None:
    async def test() -> None:
        async with ChainlinkSimulator(rate=50) as venue:
            wanted = set(DOCUMENTED)
            assert wanted.isdisjoint(venue.feeds)
            async with driven(venue.session(*wanted)) as connection:
                events = await collect(
                    connection,
                    lambda all_: {e.channel for e in all_ if isinstance(e, Data)} == wanted,
                )
            payloads = [e.payload for e in events if isinstance(e, Data) and e.payload]
            assert venue.judge(payloads[0]).accepted

    run(test())


def test_stork_s_assets() -> None:
    async def test() -> None:
        async with StorkSimulator(feeds=["ASSET2", "XYZUSD=77"], rate=50) as venue:
            assert venue.ids == {"ASSET2": 2, "XYZUSD": 77}
        async with StorkSimulator(rate=50) as venue:
            headers = [("Authorization", f"Basic {venue.token}")]
            async with dialled(f"{venue.base}/ws", headers) as socket:
                await socket.send(json.dumps({"type": "subscribe", "assets": [1, 2, 10, 34]}))
                first = json.loads(await socket.recv())
            assert {one["id"] for one in first["a"]} == {1, 2, 10, 34}
            reply = await ask("GET", f"{venue.http_url}/v1/taxonomy", headers)
            listed = {one["asset_id"] for one in json.loads(reply.body)["assets"]}
            assert {1, 2, 10, 34} <= listed

    run(test())


@pytest.mark.parametrize(
    ("options", "label"), [({}, "B:42"), ({"feeds": ["XYZ-USD=77"]}, "B:XYZ-USD")]
)
def test_finery_s_instruments(options: dict[str, Any], label: str) -> None:
    async def test() -> None:
        async with FinerySimulator(rate=50, **options) as venue:
            async with driven(venue.session(Binding.parse(label))) as connection:
                events = await collect(connection, lambda all_: kinds(all_)["Data"] >= 2)
            frame = next(event.content for event in events if isinstance(event, Data))
            assert frame.feed_id == (77 if options else 42)

    run(test())


@pytest.mark.parametrize("feed", ["XYZ=77", "XYZ-USD=", "XYZ-USD=x", "=1", "NOPE-X"])
def test_what_is_no_instrument(feed: str) -> None:
    with pytest.raises(Misuse, match="no such instrument"):
        FinerySimulator(feeds=[feed])
