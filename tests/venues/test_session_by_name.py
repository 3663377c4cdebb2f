"""Sessions by their venue's name, in Python as on the command line."""

from __future__ import annotations

from typing import Any

import pytest

from payloads.errors import Misuse
from payloads.venues import (
    VENUES,
    ChainlinkSession,
    EthgasSession,
    FinerySession,
    HighAvailability,
    QfexMarketSession,
    QfexTradeSession,
    Secret,
    Session,
    StorkSession,
    session,
    variable,
)
from payloads.venues.common.session import SECOND

FEED = "0x" + "00" * 32
# What each venue is asked for, and with which credentials.
ASKED: dict[str, tuple[type[Session], list[str | int], dict[str, str]]] = {
    "chainlink": (ChainlinkSession, [FEED], {"key": "a-key", "secret": "a-secret"}),
    "stork": (StorkSession, [1, "BTCUSD"], {"token": "a-token"}),
    "finery": (FinerySession, ["B:BTC-USD"], {"key": "a-key", "secret": "a-secret"}),
    "ethgas": (EthgasSession, ["blockBuilderUpdate"], {}),
    "qfex": (QfexMarketSession, ["level2:AAPL-USD"], {}),
    "qfex-trade": (QfexTradeSession, [], {"public_key": "a-key", "secret": "a-secret"}),
}


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for venue in VENUES.values():
        for name in venue.credentials:
            monkeypatch.delenv(variable(venue.name, name), raising=False)


@pytest.mark.parametrize("venue", VENUES)
def test_a_session_of_every_venue(venue: str) -> None:
    kind, subscriptions, credentials = ASKED[venue]
    made = session(venue, subscriptions, **credentials)
    assert type(made) is kind
    assert made.dial(SECOND).url.startswith("wss://")
    secrets: dict[str, Any] = {name: Secret(value) for name, value in credentials.items()}
    assert type(session(venue, subscriptions, **secrets)) is kind


def test_options_are_those_of_the_command_line() -> None:
    options: dict[str, Any] = {"channel": "1s", "market_status": True, "silence": 5}
    made = session("stork", "BTCUSD", token="a-token", endpoint="dev", **options)
    assert isinstance(made, StorkSession)
    assert made.dial(0).url == (
        "wss://fast.dev.stork-oracle.network/ws?channel=1s&message_type=signed_ecdsa&addtl_attrs=ms"
    )


def test_high_availability_is_an_option() -> None:
    group = session("chainlink", [FEED], key="a-key", secret="a-secret", ha=True)
    assert isinstance(group, HighAvailability)
    plain = session("chainlink", [FEED], key="a-key", secret="a-secret", ha=False)
    assert isinstance(plain, ChainlinkSession)


def test_credentials_come_from_the_environment_only_if_none_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("KEY", "SECRET"):
        monkeypatch.setenv(f"PAYLOADS_CHAINLINK_{name}", f" the-{name} ")
    made = session("chainlink", FEED)
    assert isinstance(made, ChainlinkSession)
    assert dict(made.dial(0).headers)["Authorization"] == "the-KEY"
    with pytest.raises(Misuse, match="PAYLOADS_CHAINLINK_SECRET"):
        session("chainlink", FEED, key="another-key")


@pytest.mark.parametrize(
    ("name", "subscriptions", "options", "field", "expected"),
    [
        ("kraken", ["1"], {}, "venue", "chainlink, stork, finery"),
        ("stork", [], {"token": "t"}, "stork", "an asset's number or name"),
        ("stork", ["1"], {}, "token", "PAYLOADS_STORK_TOKEN in the environment"),
        ("stork", ["1"], {"tokken": "hidden"}, "stork tokken", "token, channel"),
        ("stork", ["1"], {"token": "t", "ha": True}, "stork ha", "channel"),
        ("stork", ["1"], {"token": 7}, "token", "a text or a Secret"),
        ("stork", ["1"], {"token": "t", "channel": None}, "channel", "a text or a number"),
        ("stork", ["1"], {"token": "t", "channel": Secret("hidden")}, "channel", "a text"),
        ("stork", ["1"], {"token": "t", "endpoint": "nowhere"}, "endpoint", "mainnet, dev"),
        ("chainlink", ["1"], {"key": "hidden", "secret": "hidden"}, "feeds", "64 hex digits"),
    ],
)
def test_mistakes_are_told_as_on_the_command_line(
    name: str, subscriptions: list[str], options: dict[str, Any], field: str, expected: str
) -> None:
    with pytest.raises(Misuse) as caught:
        session(name, subscriptions, **options)
    assert caught.value.field == field
    assert expected in str(caught.value.expected)
    assert "hidden" not in str(caught.value)
