"""Chainlink Data Streams: a websocket of signed reports."""

from __future__ import annotations

from payloads.venues.common.session import Session
from payloads.venues.common.session_group import SessionGroup
from payloads.venues.common.venue import REST, SILENCE, Asked, Venue


def _session(asked: Asked) -> Session | SessionGroup:
    from payloads.venues.chainlink.auth import ChainlinkCredentials, Endpoint
    from payloads.venues.chainlink.group import HighAvailability
    from payloads.venues.chainlink.session import ChainlinkSession

    make = HighAvailability if asked.flag("ha") else ChainlinkSession
    return make(
        ChainlinkCredentials(asked.credential("key"), asked.credential("secret")),
        asked.what,
        endpoint=Endpoint.of(asked.endpoint or "mainnet", asked.options.get("rest", "")),
        backfill=asked.flag("backfill", True),
        silence=asked.seconds("silence"),
    )


VENUE = Venue(
    "chainlink", "Chainlink Data Streams", "a feed ID (0x and 64 hex digits)",
    ("mainnet", "testnet"), ("key", "secret"),
    {
        "backfill": "no: leave gaps as they are",
        "ha": "yes: a connection to each origin of the service",
        "rest": REST,
        "silence": SILENCE,
    },
    _session,
    hosts=("chain.link",),
    simulator="payloads.simulators.venues.chainlink:ChainlinkSimulator",
)  # fmt: skip
