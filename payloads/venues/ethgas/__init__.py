"""ETHGas: preconfirmation markets over a websocket, public and private."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from payloads.abi.fields import Record
from payloads.errors import Misuse
from payloads.venues.common.session import Session
from payloads.venues.common.venue import REST, SessionConfig, Venue


def _session(config: SessionConfig) -> Session:
    from payloads.venues.ethgas.auth import EthgasLogin
    from payloads.venues.ethgas.protocol import DIALECTS, OFFICIAL, Channel
    from payloads.venues.ethgas.session import EthgasSession

    channels = [Channel.checked(label) for label in config.subscriptions]
    endpoint = config.endpoint or "mainnet"
    named = config.options.get("dialect", OFFICIAL.name)
    dialect = DIALECTS.get(named)
    if dialect is None:
        expected = ", ".join(DIALECTS)
        raise Misuse("no such dialect", field="dialect", expected=expected, found=named)
    login, held = None, config.credentials
    if "private_key" in held or "access_token" in held:
        login = EthgasLogin(
            private_key=held.get("private_key"),
            access_token=held.get("access_token"),
            refresh_token=held.get("refresh_token"),
            account_name=config.options.get("account"),
            endpoint=config.options.get("rest") or endpoint,
            dialect=dialect,
        )
    if login is None and (private := [channel.name for channel in channels if channel.private]):
        why = f"{private[0]} is a private channel, and nothing says whose"
        raise config.missing("private_key", "access_token", why=why)
    return EthgasSession(
        channels,
        login=login,
        dialect=dialect,
        endpoint=endpoint,
        bearer=config.flag("bearer"),
    )


def _records(content: Any) -> Iterable[Record]:
    from payloads.venues.ethgas.messages import records

    return records(content)


VENUE = Venue(
    "ethgas", "ETHGas", "CHANNEL or CHANNEL:MARKET, as orderBookUpdate:inclusionPreconf",
    ("mainnet", "hoodi", "testchain"), ("private_key", "access_token", "refresh_token"),
    {
        "account": "NAME of the account to log in to",
        "bearer": "yes: the token in a header of the upgrade, too",
        "dialect": "official, or draft for the older protocol",
        "rest": REST,
    },
    _session,
    hosts=("ethgas.com",),
    simulator="payloads.simulators.venues.ethgas:EthgasSimulator",
    records=_records,
)  # fmt: skip
