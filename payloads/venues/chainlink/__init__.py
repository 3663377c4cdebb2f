"""Chainlink Data Streams: a websocket of signed reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from payloads.venues.common.session import SECOND, Session
from payloads.venues.common.venue import REST, SILENCE, Asked, Outside, Venue


def _sessions(asked: Asked, outside: Outside) -> Sequence[Session]:
    from payloads.venues.chainlink import auth, session
    from payloads.venues.common.endpoints import address

    credentials = auth.Credentials(asked.credential("key"), asked.credential("secret"))
    endpoint = auth.ENDPOINTS.get(asked.endpoint or "mainnet")
    if endpoint is None:
        known = {name: one.ws for name, one in auth.ENDPOINTS.items()}
        where = address(asked.endpoint, known)
        rest = asked.options.get("rest") or "http" + where.removeprefix("ws")
        endpoint = auth.Endpoint(where, rest)
    options: dict[str, Any] = {
        "endpoint": endpoint,
        "backfill": asked.flag("backfill", True),
        "silence": asked.seconds("silence"),
    }
    if not asked.flag("ha"):
        return [session.ChainlinkSession(credentials, asked.what, **options)]
    several = session.HighAvailability(credentials, asked.what, **options)
    _find_origins(several, outside)
    return tuple(several.sessions)


# Before the origins are asked for again; and how long a service may have us wait for that.
_PAUSES = (SECOND, 3 * SECOND, None)
_LONGEST_WAIT = 10 * SECOND


def _find_origins(several: Any, outside: Outside) -> None:
    """Ask more than once if need be: once the sessions run, nobody asks any more."""
    for pause in _PAUSES:
        for event in several.discovered(outside.ask(several.discover(outside.now()))):
            outside.tell(event)
        retry = several.retry
        if not pause or not retry or not retry.again or retry.at_least > _LONGEST_WAIT:
            break
        outside.wait(max(pause, retry.at_least))
    if len(several.origins) > 1:
        return
    named = "names one origin" if several.origins[0] else "names no origins"
    why = "does not say which origins there are" if several.retry else named
    outside.warn(f"the service {why}: one connection only")


VENUE = Venue(
    "chainlink", "Chainlink Data Streams", "a feed ID (0x and 64 hex digits)",
    ("mainnet", "testnet"), ("key", "secret"),
    {
        "backfill": "no: leave gaps as they are",
        "ha": "yes: a connection to each origin of the service",
        "rest": REST,
        "silence": SILENCE,
    },
    _sessions,
    hosts=("chain.link",),
    simulator="payloads.simulators.venues.chainlink:ChainlinkSimulator",
)  # fmt: skip
