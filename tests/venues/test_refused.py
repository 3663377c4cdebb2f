"""What a venue refuses for good is known, and so is whether anything is left that can come."""

from __future__ import annotations

from typing import Any

import pytest

from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import SECOND, Reply
from payloads.venues.ethgas.auth import EthgasLogin
from payloads.venues.ethgas.protocol import Channel
from payloads.venues.ethgas.session import EthgasSession
from payloads.venues.finery.auth import NonceSequence
from payloads.venues.finery.feeds import Binding
from payloads.venues.finery.session import FinerySession
from payloads.venues.qfex.market_session import QfexMarketSession, Subscription
from payloads.venues.stork.session import StorkSession
from tests.venues.ethgas.kit import BOOK, ORDERS, TOKEN
from tests.venues.kit import NOW, say
from tests.venues.qfex.kit import ready
from tests.venues.stork.kit import taxonomy

TRADES = Channel("recentTradeUpdate", "wholeBlock")
FORBIDDEN = "403: insufficient permissions"


# --- Finery ---------------------------------------------------------------------------------------


def finery(*bindings: Binding) -> FinerySession:
    session = FinerySession("key", Secret("a-secret"), bindings, nonces=NonceSequence())
    session.dial(NOW)
    session.opened(NOW)
    say(session, ["X", 0, "Z", 0])
    return session


def test_finery_s_binds() -> None:
    session = finery(Binding("F", 7), Binding("F", 8))
    assert (session.refused, session.all_refused) == ({}, False)
    say(session, ["F", 7, "Z", 103])
    assert (session.refused, session.all_refused) == ({"F:7": "103: bad feed id"}, False)
    say(session, ["F", 8, "Z", 103])
    assert session.all_refused
    session.closed(1006, "", NOW)
    session.opened(NOW)
    assert session.all_refused
    session.subscribe(Binding("F", 7))
    assert ([*session.refused], session.all_refused) == (["F:8"], False)
    session.unsubscribe(Binding("F", 8))
    assert session.refused == {}


def test_a_bind_that_is_refused_for_the_moment_is_not_denied() -> None:
    session = finery(Binding("F", 7))
    for message in (["F", 7, "Z", 10], ["F", 7, "U", {}], ["X", 0, "Z", 2]):
        say(session, message)
        assert (session.refused, session.all_refused) == ({}, False)


def test_nothing_asked_for_is_not_all_refused() -> None:
    assert not finery().all_refused
    assert not ethgas().all_refused
    assert not stork().all_refused
    assert not ready(channels=()).all_refused


# --- ETHGas ---------------------------------------------------------------------------------------


def ethgas(*channels: Channel, login: bool = True) -> EthgasSession:
    made = EthgasLogin(access_token=TOKEN) if login else None
    session = EthgasSession(channels, login=made)
    session.opened(NOW)
    return session


def error(code: int) -> dict[str, Any]:
    return {"event": "error", "code": code, "msg": "no", "connId": "1"}


@pytest.mark.parametrize(
    ("code", "why"), [(401, "the token is not valid, and nothing can renew it"), (403, FORBIDDEN)]
)
def test_ethgas_without_a_login(code: int, why: str) -> None:
    session = ethgas(ORDERS)
    say(session, {"event": "login", "code": code, "msg": "no"})
    assert (session.refused, session.all_refused) == ({ORDERS.label: why}, True)
    both = ethgas(ORDERS, BOOK)
    say(both, {"event": "subscribe", "arg": BOOK.argument})
    say(both, {"event": "login", "code": code, "msg": "no"})
    assert (both.refused, both.all_refused) == ({ORDERS.label: why}, False)


def test_ethgas_with_a_token_that_ends() -> None:
    session = ethgas(ORDERS)
    say(session, {"event": "login", "code": 0, "msg": ""})
    say(session, {"event": "subscribe", "arg": ORDERS.argument})
    assert not session.all_refused
    say(session, error(401))
    assert session.all_refused
    # On the next connection it is tried again: nobody knows before the venue has said so.
    session.closed(1006, "", NOW)
    assert (session.refused, session.all_refused) == ({}, False)


def test_ethgas_after_a_logout_is_what_was_asked_for() -> None:
    session = ethgas(ORDERS)
    say(session, {"event": "login", "code": 0, "msg": ""})
    session.logout()
    assert (session.refused, session.all_refused) == ({}, False)


def test_ethgas_does_not_say_which_channel() -> None:
    """It is certain as soon as only so many are without an answer."""
    session = ethgas(BOOK, TRADES, login=False)
    say(session, error(1002))
    assert [*session.refused] == [f"1 of {BOOK.label}, {TRADES.label}"]
    say(session, {"event": "subscribe", "arg": BOOK.argument})
    words = "1002: operation failed, or (websocket page) invalid channel"
    assert (session.refused, session.all_refused) == ({TRADES.label: words}, False)
    session = ethgas(BOOK, TRADES, login=False)
    say(session, error(1002))
    say(session, error(1002))
    assert session.refused == {BOOK.label: words, TRADES.label: words}
    assert session.all_refused
    session.subscribe(BOOK)
    assert ([*session.refused], session.all_refused) == ([TRADES.label], False)


def test_ethgas_that_is_busy_is_asked_again() -> None:
    session = ethgas(BOOK, login=False)
    say(session, error(429))
    assert (session.refused, session.all_refused) == ({}, False)


# --- Stork ----------------------------------------------------------------------------------------


def stork(*assets: int | str) -> StorkSession:
    session = StorkSession(Secret("a-token"), assets)
    session.opened(NOW)
    return session


def test_stork_s_names() -> None:
    session = stork("BTCUSD", "NOPE")
    assert (session.refused, session.all_refused) == ({}, False)
    session.replied(taxonomy({"BTCUSD": 3}), NOW)
    why = "not in the taxonomy, as far as this token may see it"
    assert (session.refused, session.all_refused) == ({"NOPE": why}, False)
    session.unsubscribe("BTCUSD")
    assert session.all_refused
    session.subscribe("ETHUSD")
    assert not session.all_refused, "the taxonomy is read again"
    session.replied(taxonomy({"ETHUSD": 4}), NOW)
    assert (session.refused, session.all_refused) == ({"NOPE": why}, False)


def test_stork_without_a_taxonomy() -> None:
    session, numbered = stork("BTCUSD"), stork("BTCUSD", 3)
    for one in (session, numbered):
        one.replied(Reply("taxonomy", 503, b""), NOW)
        assert (one.refused, one.all_refused) == ({}, False), "asked again"
        one.tick(NOW + 3600 * SECOND)
        one.replied(Reply("taxonomy", 403, b""), NOW + 3600 * SECOND)
        (why,) = one.refused.values()
        assert why.startswith("the taxonomy was refused, HTTP 403: ")
    assert (session.all_refused, numbered.all_refused) == (True, False)


# --- QFEX -----------------------------------------------------------------------------------------


def refusal(code: str, kind: str, **params: Any) -> dict[str, Any]:
    message = {"type": kind, "params": params}
    return {"err": {"error_code": code, "message": "no", "incoming_message": message}}


def test_qfex_s_channels() -> None:
    session = ready(channels=["fills", "positions"], cancel_on_disconnect=True)
    for code in ("RateLimited", "AlreadySubscribedToLeaderboard"):
        say(session, refusal(code, "subscribe", channels=["fills"]))
        assert session.refused == {}
    say(session, refusal("PermissionDenied", "cancel_on_disconnect", cancel_on_disconnect=True))
    say(session, refusal("KycRequired", "subscribe", channels=["fills"]))
    stop = "PermissionDenied: permission denied: stop"
    kyc = "KycRequired: the account's identity is not verified: stop"
    assert session.refused == {"cancel_on_disconnect": stop, "fills": kyc}
    assert not session.all_refused
    say(session, refusal("PermissionDenied", "subscribe", channels=["positions"]))
    assert session.all_refused
    say(session, {"subscribed": "fills"})
    assert [*session.refused] == ["cancel_on_disconnect", "positions"]
    assert not session.all_refused


def test_qfex_s_market_data() -> None:
    session = QfexMarketSession([Subscription.of(["level2"], ["*"])])
    session.opened(NOW)
    say(session, {"type": "error", "code": "RateLimited"})
    assert session.refused == {}
    say(session, {"type": "error", "code": "InvalidParameter"})
    ((_, why),) = session.refused.items()
    # Nobody can tell what it was about, so something may come.
    assert ("a parameter is not valid" in why, session.all_refused) == (True, False)
