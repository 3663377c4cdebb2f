"""Sessions by the name of their venue."""

from __future__ import annotations

import json
from typing import Any

import pytest

from payloads.errors import Misuse
from payloads.venues import SessionConfig, make
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import SECOND
from payloads.venues.ethgas.protocol import Channel
from payloads.venues.finery.feeds import Binding

# --- by name --------------------------------------------------------------------------------------


def made(venue: str, *what: str, endpoint: str = "", **options: str) -> Any:
    names = ("token", "key", "secret", "access_token", "refresh_token", "jwt")
    credentials = {name: Secret(f"{name} of a test".replace(" ", "-")) for name in names}
    return make(venue, SessionConfig(what, endpoint, options, credentials))


def test_stork_by_name() -> None:
    session = made("stork", "3", "BTCUSD", channel="1s", market_status="yes", endpoint="dev")
    url = "wss://fast.dev.stork-oracle.network/ws?channel=1s&message_type=signed_ecdsa"
    assert session.dial(0).url == url + "&addtl_attrs=ms"
    with pytest.raises(Misuse, match="mainnet, dev"):
        made("stork", endpoint="nowhere")


def test_finery_by_name() -> None:
    session = made("finery", "B:BTC-USD", "F:7", "O", "I", endpoint="test", status_within="3")
    assert session.dial(SECOND).url == "wss://test.finerymarkets.com/ws"
    session.opened(SECOND)
    assert session.deadline == 4 * SECOND
    session.received('["X",0,"Z",0]', SECOND)
    assert len(session.take()) == 4


def test_ethgas_by_name() -> None:
    """The draft's login is at its own host, and refreshes with JSON."""
    session = made("ethgas", "preconfBundleUpdate", dialect="draft")
    assert session.dial(0).url == "wss://ws.ethgas.com"
    session.opened(0)
    session._login.expire()
    session.tick(SECOND)
    (request,) = session.take_requests()
    assert request.url == "https://api.ethgas.com/api/v1/user/login/refresh"
    assert request.body == b'{"refreshToken":"refresh_token-of-a-test"}'
    session = made("ethgas", "tickerUpdate:wholeBlock", endpoint="hoodi", bearer="yes")
    dial = session.dial(0)
    assert dial.url == "wss://hoodi.app.ethgas.com/ws"
    assert dict(dial.headers) == {"Authorization": "Bearer access_token-of-a-test"}
    for options in ({"dialect": "other"}, {"dialect": "draft", "endpoint": "testnet"}):
        with pytest.raises(Misuse):
            made("ethgas", **options)


@pytest.mark.parametrize(
    ("venue", "what"),
    [("chainlink", "0x" + "00" * 32), ("stork", "1"), ("finery", "I"),
     ("ethgas", "blockBuilderUpdate"), ("qfex", "level2:A"), ("qfex-trade", "fills")],
)  # fmt: skip
@pytest.mark.parametrize("status", [200, 302, 401, 404, 418, 429, 503, 599])
def test_every_venue_says_what_a_refused_upgrade_means(venue: str, what: str, status: int) -> None:
    rejected, retry = made(venue, what).rejected(status, [], b"")
    assert str(status) in rejected.code
    assert str(status) in retry.why
    assert rejected.meaning in retry.why
    assert rejected.meaning not in ("", "the upgrade was refused", "a code that is not documented")


def test_subscriptions_are_records_or_labels() -> None:
    bound = made("finery", "B:7")
    bound.subscribe("F:BTC-USD", Binding("B", 7), "I")
    bound.opened(0)
    bound.received('["X",0,"Z",0]', 0)
    assert [json.loads(message)["feed"] for message in bound.take()] == ["B", "F", "I"]
    bound.unsubscribe("B:7")
    assert json.loads(bound.take()[0]) == {"event": "unbind", "feed": "B", "feedId": 7}
    public = made("ethgas", "blockBuilderUpdate")
    public.subscribe("tickerUpdate:wholeBlock", Channel("blockBuilderUpdate"))
    public.opened(0)
    public.received('{"event":"login","code":0,"msg":""}', 0)
    (_, asked) = [json.loads(message) for message in public.take()]
    assert [one["channel"] for one in asked["args"]] == ["blockBuilderUpdate", "tickerUpdate"]
    for session, label in ((bound, "B"), (bound, "X:1"), (public, "tickerUpdate"), (public, "x")):
        with pytest.raises(Misuse):
            session.subscribe(label)
        with pytest.raises(Misuse):
            session.unsubscribe(label)
