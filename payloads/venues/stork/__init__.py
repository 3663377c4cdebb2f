"""Stork Fast: a websocket of signed or unsigned updates."""

from __future__ import annotations

from typing import Any

from payloads.venues.common.session import Session
from payloads.venues.common.venue import SILENCE, Asked, Venue, is_number


def _session(asked: Asked) -> Session:
    from payloads.venues.stork.session import StorkSession

    assets = [int(asset) if is_number(asset) else asset for asset in asked.what]
    given: dict[str, Any] = {
        name: asked.options[name] for name in ("channel", "message_type") if name in asked.options
    }
    return StorkSession(
        asked.credential("token"),
        assets,
        endpoint=asked.endpoint or "mainnet",
        market_status=asked.flag("market_status"),
        taxonomy=any(isinstance(one, str) for one in assets) or asked.flag("taxonomy"),
        silence=asked.seconds("silence"),
        **given,
    )


VENUE = Venue(
    "stork", "Stork Fast", "an asset's number or name",
    ("mainnet", "dev"), ("token",),
    {
        "channel": "real_time, 10ms, 20ms, 50ms, 100ms, 500ms or 1s",
        "market_status": "yes: with every value, whether its market is open",
        "message_type": "signed_ecdsa or unsigned",
        "silence": SILENCE,
        "taxonomy": "yes: read it, also where assets are numbers",
    },
    _session,
    hosts=("stork-oracle.network",),
    simulator="payloads.simulators.venues.stork:StorkSimulator",
)  # fmt: skip
