"""Stork Fast: a websocket of signed or unsigned updates."""

from __future__ import annotations

from typing import Any

from payloads.venues.common.session import Session
from payloads.venues.common.venue import SILENCE, SessionConfig, Venue, is_number


def _session(config: SessionConfig) -> Session:
    from payloads.venues.stork.session import StorkSession

    assets = [int(asset) if is_number(asset) else asset for asset in config.subscriptions]
    given: dict[str, Any] = {
        name: config.options[name] for name in ("channel", "message_type") if name in config.options
    }
    return StorkSession(
        config.credential("token"),
        assets,
        endpoint=config.endpoint or "mainnet",
        market_status=config.flag("market_status"),
        taxonomy=any(isinstance(asset, str) for asset in assets) or config.flag("taxonomy"),
        silence=config.seconds("silence"),
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
