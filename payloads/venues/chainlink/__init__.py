"""Chainlink Data Streams: a websocket of signed reports."""

from __future__ import annotations

from payloads.venues.common.session import Session
from payloads.venues.common.session_group import SessionGroup
from payloads.venues.common.venue import REST, SILENCE, SessionConfig, Venue


def _session(config: SessionConfig) -> Session | SessionGroup:
    from payloads.venues.chainlink.auth import ChainlinkCredentials, Endpoint
    from payloads.venues.chainlink.group import HighAvailability
    from payloads.venues.chainlink.session import ChainlinkSession

    make = HighAvailability if config.flag("ha") else ChainlinkSession
    return make(
        ChainlinkCredentials(config.credential("key"), config.credential("secret")),
        config.subscriptions,
        endpoint=Endpoint.of(config.endpoint or "mainnet", config.options.get("rest", "")),
        backfill=config.flag("backfill", True),
        silence=config.seconds("silence"),
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
