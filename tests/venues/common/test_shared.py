"""What sessions have in common, and how a command line's words become sessions."""

from __future__ import annotations

from typing import Any

import pytest

from payloads.errors import Misuse
from payloads.venues import SessionConfig, make
from payloads.venues.common.dedupe import Repeats
from payloads.venues.common.endpoints import address
from payloads.venues.common.http_words import (
    clock_words,
    closing,
    refused,
    status_code,
    status_words,
    worth_retrying,
)
from payloads.venues.common.redactor import Redactor, Secret
from payloads.venues.common.session import SECOND, Rejected, Retry
from payloads.venues.common.timers import Pings

NAMED = {"mainnet": "wss://one.example", "test": "wss://two.example"}


def test_an_endpoint_is_a_name_or_a_url() -> None:
    assert address("test", NAMED) == "wss://two.example"
    assert address("ws://127.0.0.1:9/", NAMED) == "ws://127.0.0.1:9"
    with pytest.raises(Misuse, match="mainnet, test, or a URL of wss or ws"):
        address("nowhere", NAMED)
    for url in (
        "https://one.example",
        "wss://one.example/path",
        "wss://one.example?",
        "wss://one.example#",
        "wss://one.example\\path",
        "wss://user@one.example",
        "wss://user:hunter2secret@one.example",
        "wss://:hunter2secret@one.example",
        "wss://@one.example",
    ):
        with pytest.raises(Misuse, match="not an endpoint") as caught:
            address(url, NAMED)
        assert "hunter2" not in str(caught.value)


def test_repeats_are_remembered_for_a_while() -> None:
    repeats = Repeats(4)
    messages = [str(number) for number in range(5)]
    assert not any(repeats.again(message) for message in messages)
    assert repeats.again(messages[1])
    assert not repeats.again(messages[0]), "too long ago"
    assert not repeats.again(messages[-1], "another stream")
    repeats.forget()
    assert not repeats.again(messages[-1])
    assert repeats.count == 1


def test_more_streams_than_there_are_are_not_remembered() -> None:
    repeats = Repeats()
    for number in range(Repeats.STREAMS):
        repeats.again("", str(number))
    assert [repeats.again("", "one more") for _ in range(2)] == [False, False]
    assert repeats.again("", "0")


def test_pings_are_due_one_at_a_time() -> None:
    pings = Pings(10)
    assert not pings.expired(100), "not before it is open"
    pings.start(100)
    assert [pings.expired(now) for now in (109, 110, 111, 120)] == [False, True, False, True]
    pings.stop()
    assert (pings.expired(999), pings.deadline) == (False, None)
    never = Pings(None)
    never.start(0)
    assert never.deadline is None


def test_codes_after_which_nobody_dials_again() -> None:
    redactor = Redactor(Secret("a secret of some length"))
    again = closing(4000, "a secret of some length", 7, redactor)
    assert (again.retry.again, again.retry.at_least) == (True, 7)
    assert "a secret" not in again.reason + again.retry.why
    final = closing(4000, "", 7, redactor, {4000: "go away"})
    assert (final.retry.again, final.retry.why) == (False, "4000: go away")


@pytest.mark.parametrize(
    ("status", "again"),
    [(0, True), (400, False), (401, False), (408, True), (429, True), (503, True)],
)
def test_what_is_worth_another_try(status: int, again: bool) -> None:
    assert worth_retrying(status) == again
    answer = status, [("Retry-After", "3")], b"no"
    event, retry = refused(*answer, Redactor(), "refused", about="upgrade")
    assert (event.code, event.message, event.about) == (status_code(status), "no", "upgrade")
    assert retry.why == f"{event.code}: refused"
    assert (retry.again, retry.at_least) == (again, 3 * SECOND if again else 0)
    _, retry = refused(*answer, Redactor(), again=not again)
    assert (retry.again, retry.at_least) == (not again, 0 if again else 3 * SECOND)
    event, retry = refused(status, [], b"no", Redactor(), "busy", pause=SECOND, about="a login")
    assert event == Rejected(status_code(status), "no", "busy", "a login")
    assert retry == Retry(again, f"{event.code}: busy", SECOND if again else 0)
    event, retry = refused(status, [], b"", Redactor(), "busy", pause=0, code="B7")
    assert (event.code, retry.why) == ("B7", "B7: busy")


def test_a_status_as_a_code() -> None:
    codes = {status: status_code(status) for status in (429, 503, 0, -1)}
    assert codes == {429: "HTTP 429", 503: "HTTP 503", 0: "no answer", -1: "no answer"}


def test_what_statuses_mean_where_a_venue_has_no_words_of_its_own() -> None:
    told = {status: status_words(status) for status in (0, 204, 302, 401, 403, 404, 418, 429, 503)}
    assert len({*told.values()}) == len(told)
    assert told[418] == "the request is refused"
    assert status_words(504) != status_words(599) == status_words(500)


def test_clocks_that_differ() -> None:
    dated = [("Date", "Mon, 09 Aug 2021 06:05:10 GMT")]
    now = 1_628_489_110 * SECOND
    assert clock_words(dated, now) == ""
    assert "5 s ahead of" in clock_words(dated, now - 5 * SECOND)
    assert "5 s behind" in clock_words(dated, now + 5 * SECOND)
    assert clock_words([], now) == clock_words(dated, None) == ""
    assert clock_words(dated, now - 5 * SECOND, allowed=5) == ""
    assert clock_words(dated, now - 6 * SECOND, allowed=5).endswith("and 5 s are allowed")


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
