"""Finery's side of the protocol against the session, and the venue's codes in words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payloads.venues.common.session import SECOND, Subscribed, Unsubscribed
from payloads.venues.finery.auth import NonceSequence, signed_headers
from payloads.venues.finery.codes import meaning
from payloads.venues.finery.feeds import Binding, Selection
from payloads.venues.finery.server import Connection, Gate, bound_frame, refusal, status_frame
from payloads.venues.finery.session import Status
from tests.venues.finery.kit import CLIENT, KEY, MAKERS, NOW, SECRET, make, up
from tests.venues.kit import only, sent

# The venue's list, a word or two of each.
CODE_WORDS = {
    0: "ok", 1: "not implemented", 2: "not connected", 3: "not authorised",
    4: "already authorised", 5: "password", 6: "nonce", 7: "timestamp", 8: "unavailable",
    9: "parameter", 10: "internal", 11: "MFA", 12: "MFA is off", 13: "agreement", 14: "signature",
    15: "link has expired",
    20: "currency: bad flags", 21: "currency: bad price", 22: "currency: bad step",
    23: "currency: bad name", 24: "cannot change", 25: "cannot change", 26: "currency unknown",
    27: "currency: cannot be removed",
    30: "instrument: bad flags", 31: "instrument: bad name", 32: "cannot change",
    33: "cannot change", 34: "instrument unknown", 35: "instrument: cannot be removed",
    36: "instrument forbidden", **dict.fromkeys(range(40, 47), "client"),
    **dict.fromkeys(range(50, 56), "limit"), 53: "limit unknown",
    60: "settlement order: bad flags", 61: "size", 62: "comment", 63: "parties",
    64: "settlement order unknown", 65: "transaction",
    70: "order: bad size", 71: "order: bad price", 72: "order: bad flags", 73: "type not allowed",
    74: "clientOrderId", 75: "post-only", 76: "nothing to match", 77: "liquidity",
    78: "trade with oneself", 79: "limits", 80: "no such order", 81: "size or volume",
    82: "not for makers", 83: "bad volume", 84: "trading is off", 85: "no open positions",
    90: "leaves no size", 91: "side does not match",
    100: "already bound", 101: "not bound", 102: "feed name", 103: "feed id", 104: "out of sync",
    110: "required field", 111: "field is invalid", **dict.fromkeys(range(112, 115), "password"),
    120: "too many API keys", 121: "API key unknown",
    **dict.fromkeys(range(130, 136), "settlement request"),
    **dict.fromkeys(range(140, 145), "settlement transaction"),
    **dict.fromkeys(range(160, 168), "limit would be breached"),
}  # fmt: skip


def test_the_venue_s_codes_in_words() -> None:
    documented = {code for code in range(-1, 300) if "not documented" not in meaning(code)}
    assert documented == set(CODE_WORDS)
    assert not [code for code, words in CODE_WORDS.items() if words not in meaning(code)]


@given(st.integers())
def test_every_code_has_words(code: int) -> None:
    assert meaning(code)


def spoilt(dial: Any, **changes: str) -> list[tuple[str, str]]:
    return [(name, changes.get(name[4:], value)) for name, value in dial.headers]


def test_the_gate_refuses_each_way_of_being_wrong() -> None:
    def code(*, now: int = NOW, **changes: str) -> int:
        return Gate({KEY: SECRET}).check(spoilt(make().dial(NOW), **changes), now)

    assert code() == 0
    assert code(Key="someone") == 3
    assert code(Key="") == code(Sign="") == code(Content="") == 3
    assert code(Content='{"nonce": 1,"timestamp":1}') == 14
    assert code(Sign="AAAA") == code(Sign="ä!") == 14
    assert code(now=NOW + 61 * SECOND) == code(now=NOW - 61 * SECOND) == 7
    for content, expected in (
        ("[", 9), ("[]", 6), ('{"timestamp":1}', 6), ('{"nonce":1}', 7),
        ('{"nonce":"1","timestamp":1}', 6), ('{"nonce":-1,"timestamp":1}', 6),
    ):  # fmt: skip
        headers = signed_headers(KEY, SECRET, content)
        assert Gate({KEY: SECRET}).check(headers, NOW) == expected
    assert Gate({KEY: SECRET}).check([], NOW) == 3


def test_the_gate_remembers_nonces() -> None:
    gate = Gate({KEY: SECRET})
    first = make(nonces=NonceSequence(2**62)).dial(NOW).headers
    assert gate.check(first, NOW) == 0
    assert gate.check(first, NOW) == 6
    assert gate.check(make().dial(NOW).headers, NOW) == 6
    lenient = Gate({KEY: SECRET}, increasing=False)
    assert lenient.check(first, NOW) == 0
    assert lenient.check(make().dial(NOW).headers, NOW) == 0
    assert lenient.check(first, NOW) == 6


@pytest.mark.parametrize("code", [3, 6, 7, 9, 14])
def test_a_refusal_is_read_back(code: int) -> None:
    status, body = refusal(code)
    event, _ = make().rejected(status, [], body)
    assert event.code == str(code)


def test_the_connection_checks_objects() -> None:
    server = Connection(["BTC-USD", "BTC-EUR"], [], clients=[5])

    def code(feed: str, feed_id: Any) -> int:
        return server.check({"event": "bind", "feed": feed, "feedId": feed_id})[2]

    assert code("F", CLIENT.argument) == code("MD", MAKERS.argument) == 0
    assert code("F", {"clientId": 5, "instrument": "BTC-EUR"}) == 100
    assert code("F", Selection("BTC-EUR", 6).argument) == 103
    assert code("MD", Selection("BTC-GBP").argument) == 103
    assert code("MD", "BTC-USD") == code("B", CLIENT.argument) == code("MD", {"makers": []}) == 103
    assert server.bound == {Binding("F", CLIENT), Binding("MD", MAKERS)}


def test_the_connection_checks_what_the_session_sends() -> None:
    session, server = up(), Connection([42, "BTC-EUR"], ["EUR"])
    session.subscribe(Binding("B", 42))
    session.subscribe(Binding("P"))
    session.request("add")
    kinds = [server.check(message) for message in sent(session)]
    assert [(kind, code) for kind, _, code in kinds] == [("bind", 0), ("bind", 0), ("request", 0)]
    session.unsubscribe(Binding("B", 42))
    assert [server.check(message)[2] for message in sent(session)] == [0]
    assert server.bound == {Binding("P")}


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"event": "bind", "feed": "P"}, 100),
        ({"event": "unbind", "feed": "I"}, 101),
        ({"event": "bind", "feed": "Q"}, 102),
        ({"event": "bind", "feed": ["B"]}, 102),
        ({"event": "bind"}, 102),
        ({"event": "bind", "feed": "B"}, 103),
        ({"event": "bind", "feed": "B", "feedId": 43}, 103),
        ({"event": "bind", "feed": "K", "feedId": "BTC-EUR"}, 103),
        ({"event": "bind", "feed": "I", "feedId": 1}, 103),
        ({"event": "bind", "feed": "B", "feedId": []}, 103),
        ({"event": "request", "reqId": 1, "method": "add"}, 9),
        ({"event": "request", "method": "add", "content": {}}, 9),
        ({"event": "nonsense"}, 9),
        ([], 9),
        (None, 9),
        ({"event": "ping"}, 0),
    ],
)
def test_the_connection_refuses_what_is_wrong(message: Any, code: int) -> None:
    server = Connection([42, "BTC-EUR"], ["EUR"])
    server.check({"event": "bind", "feed": "P"})
    assert server.check(message)[2] == code


def test_what_the_server_says_is_read_by_the_session() -> None:
    session = up(Binding("B", 42))
    assert only(session.received(status_frame(0), NOW), Status).up
    assert session.received(bound_frame("B", 42, 100), NOW) == [Subscribed("B:42")]
    session.unsubscribe(Binding("B", 42))
    assert session.received(bound_frame("B", 42, 0), NOW) == [Unsubscribed("B:42")]
