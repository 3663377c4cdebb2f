"""The five venues: one folder each, and one sans-I/O session for each kind of connection.

`session` makes a session by its venue's name; the session classes make it from their own parts.
What a session says are events (`Data`, `Rejected`, `Closed` …). `payloads.live` drives it.

`VENUES` is the catalogue: what the command line, the simulators and the importers know of a venue.
Adding a venue is one folder and one line here. Sessions are imported when they are first asked for.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

import msgspec

from payloads._late import late
from payloads.errors import Misuse, shown
from payloads.venues import chainlink, ethgas, finery, qfex, stork
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import (
    Authenticated,
    Broken,
    Closed,
    Data,
    Event,
    Missing,
    Opened,
    Rejected,
    Retry,
    Session,
    Stalled,
    Subscribed,
    Unknown,
    Unsubscribed,
)
from payloads.venues.common.session_group import Degraded, SessionGroup
from payloads.venues.common.venue import SessionConfig, Venue, variable

if TYPE_CHECKING:
    from payloads.venues.chainlink.auth import ChainlinkCredentials
    from payloads.venues.chainlink.backfill import Backfilled
    from payloads.venues.chainlink.group import HighAvailability
    from payloads.venues.chainlink.session import ChainlinkSession
    from payloads.venues.common.dedupe import Duplicate
    from payloads.venues.ethgas.auth import EthgasLogin
    from payloads.venues.ethgas.protocol import Channel
    from payloads.venues.ethgas.session import EthgasSession
    from payloads.venues.finery.auth import NonceSequence
    from payloads.venues.finery.feeds import Binding
    from payloads.venues.finery.session import FinerySession
    from payloads.venues.qfex.auth import HmacKey
    from payloads.venues.qfex.market_session import QfexMarketSession, Subscription
    from payloads.venues.qfex.trade_session import QfexTradeSession
    from payloads.venues.stork.session import StorkSession

__all__ = [
    "VENUES", "Authenticated", "Backfilled", "Binding", "Broken", "ChainlinkCredentials",
    "ChainlinkSession", "Channel", "Closed", "Data", "Degraded", "Duplicate", "EthgasLogin",
    "EthgasSession", "Event", "FinerySession", "HighAvailability", "HmacKey", "Missing",
    "NonceSequence",
    "Opened", "QfexMarketSession", "QfexTradeSession", "Rejected", "Retry", "Secret", "Session",
    "SessionConfig", "SessionGroup", "Stalled", "StorkSession", "Subscribed", "Subscription",
    "Unknown", "Unsubscribed", "Venue", "make", "session", "variable", "venue",
]  # fmt: skip

VENUES: dict[str, Venue] = {
    venue.name: venue
    for venue in (
        chainlink.VENUE,
        stork.VENUE,
        finery.VENUE,
        ethgas.VENUE,
        qfex.VENUE,
        qfex.TRADE_VENUE,
    )
}

# Imported when first asked for: the sessions, and what they are made of.
_LATER = {
    "ChainlinkSession": "chainlink.session",
    "HighAvailability": "chainlink.group",
    "ChainlinkCredentials": "chainlink.auth",
    "Backfilled": "chainlink.backfill",
    "StorkSession": "stork.session",
    "FinerySession": "finery.session",
    "Binding": "finery.feeds",
    "NonceSequence": "finery.auth",
    "EthgasSession": "ethgas.session",
    "EthgasLogin": "ethgas.auth",
    "Channel": "ethgas.protocol",
    "QfexMarketSession": "qfex.market_session",
    "Subscription": "qfex.market_session",
    "QfexTradeSession": "qfex.trade_session",
    "HmacKey": "qfex.auth",
    "Duplicate": "common.dedupe",
}

__getattr__, __dir__ = late(__name__, _LATER)


def venue(name: str) -> Venue:
    """The venue of that name."""
    if name not in VENUES:
        raise Misuse("no such venue", field="venue", expected=", ".join(VENUES), found=shown(name))
    return VENUES[name]


def session(
    name: str,
    subscriptions: Iterable[str | int] = (),
    *,
    endpoint: str = "",
    **options: str | int | bool | Secret,
) -> Session | SessionGroup:
    """A session by its venue's name, with the options of `payloads capture`.

    `session("stork", ["BTCUSD"], channel="1s", market_status=True)` is the session of
    `payloads capture stork BTCUSD --set channel=1s --set market_status=yes`. Credentials are
    options, too (`token="…"`, a text or a `Secret`). If there is none of them, all are looked for
    in the environment (`PAYLOADS_STORK_TOKEN`). With `ha=True` Chainlink's is a `SessionGroup`.
    """
    known = venue(name)
    if isinstance(subscriptions, str):
        subscriptions = (subscriptions,)
    subscribed = tuple(map(str, subscriptions))
    _check_names(known, options, (*known.credentials, *known.options))
    if not subscribed and known.needs_subscriptions:
        raise Misuse("nothing to subscribe to", field=name, expected=known.subscription)
    credentials = {key: options.pop(key) for key in known.credentials if key in options}
    texts = {key: _option(key, value) for key, value in options.items()}
    found = {key: _secret(key, value) for key, value in credentials.items()}
    found = found or _from_environment(known)
    return make(name, SessionConfig(subscribed, endpoint, texts, found))


def _option(name: str, value: object) -> str:
    """An option as the command line has it. A secret is none: its text must not get into errors."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, str | int):
        found = type(value).__name__
        raise Misuse("not an option", field=name, expected="a text or a number", found=found)
    return str(value)


def _secret(name: str, value: object) -> Secret:
    if not isinstance(value, str | Secret):
        found = type(value).__name__
        raise Misuse("no such credential", field=name, expected="a text or a Secret", found=found)
    return value if isinstance(value, Secret) else Secret(value)


def _from_environment(known: Venue) -> dict[str, Secret]:
    found = {name: os.environ.get(variable(known.name, name), "") for name in known.credentials}
    return {name: Secret(text.strip()) for name, text in found.items() if text.strip()}


def make(name: str, config: SessionConfig) -> Session | SessionGroup:
    """The session, or the group of sessions, that `config` describes."""
    known = venue(name)
    _check_names(known, config.options, known.options)
    return known.make(msgspec.structs.replace(config, venue=name))


def _check_names(known: Venue, given: Iterable[str], names: Collection[str]) -> None:
    for name in sorted(given):
        if name not in names:
            expected = ", ".join(names) or "none"
            raise Misuse("no such option", field=f"{known.name} {name}", expected=expected)
