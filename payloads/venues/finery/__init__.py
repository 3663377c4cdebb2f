"""Finery Markets: feeds by letter, order books, and REST methods over a websocket."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from payloads.abi.fields import Record
from payloads.venues.common.session import Session
from payloads.venues.common.venue import SessionConfig, Venue


def _session(config: SessionConfig) -> Session:
    from payloads.venues.finery.auth import NonceSequence
    from payloads.venues.finery.session import FinerySession

    within = config.seconds("status_within")
    options = {} if within is None else {"status_within": within}
    return FinerySession(
        config.credential("key").reveal(),
        config.credential("secret"),
        config.subscriptions,
        nonces=NonceSequence(config.number("nonce_start") or 0),
        endpoint=config.endpoint or "mainnet",
        **options,
    )


def _records(content: Any) -> Iterable[Record]:
    from payloads.venues.finery.messages import records

    return records(content)


VENUE = Venue(
    "finery", "Finery Markets", "FEED or FEED:ID, as B:BTC-USD",
    ("mainnet", "test"), ("key", "secret"),
    {
        "nonce_start": "NUMBER below all nonces, where the key has used larger nonces",
        "status_within": "SECONDS in which the gateway has to say whether it is up",
    },
    _session,
    hosts=("finerymarkets.com",),
    simulator="payloads.simulators.venues.finery:FinerySimulator",
    records=_records,
)  # fmt: skip
