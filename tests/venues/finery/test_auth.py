"""Finery's credentials: published signatures, nonces, refused upgrades, no secret that shows."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payloads.errors import Misuse
from payloads.venues import VENUES
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import SECOND
from payloads.venues.common.venue import SessionConfig
from payloads.venues.finery.auth import NonceSequence, rest_request, sign, signed_headers
from payloads.venues.finery.codes import CODES
from payloads.venues.finery.feeds import Binding
from payloads.venues.finery.server import Gate
from payloads.venues.finery.session import FinerySession
from tests.venues.finery.kit import KEY, MS, NOW, SECRET, make

VECTORS = [
    (
        '{"nonce": 49856723467362345, "timestamp": 1628489110490}',
        "KCn9rlqILiifROYfgpGmRtvgBzSCJa/2KJ31oPKbcyE6D+BaTVfFMXo8kDwQtBC/",
    ),
    (
        '{"nonce":49856723467362345,"timestamp":1628489110490}',
        "UcbCv4P7NArhrz35b7vyAET0gz+bxGSImccxwxV43SA3M+KsR2KpiLm09vImeJuL",
    ),
    (
        '{"nonce":12345,"timestamp":1628489110490}',
        "YzEQa/3SYgkeIhFZq1Bv9tAioOC3F8A1oTmGrV/QHCcG9AdByIOGAyIutPoBEUa7",
    ),
]


REST_BODY = (
    '{"nonce": 49856723467362345, "timestamp": 1628489110490, "instrument": "BTC-USD", '
    '"clientOrderId": 1, "size": 1, "side": "ask", "type": "MarketIOC"}'
)


REST_SIGNATURE = "xvWE5m9bLUOx6TubJsXbnHPfdmYGvlbma2kuRPma0smOq47yRsG4LCak/hozAiQq"


@pytest.mark.parametrize(("text", "signature"), VECTORS)
def test_the_published_signatures(text: str, signature: str) -> None:
    assert sign(SECRET, text) == signature
    assert dict(signed_headers(KEY, SECRET, text)) == {
        "EFX-Key": KEY,
        "EFX-Sign": signature,
        "EFX-Content": text,
    }


def test_a_rest_call_signs_its_methods_name_too() -> None:
    headers = dict(signed_headers(KEY, SECRET, REST_BODY, "add"))
    assert headers == {"EFX-Key": KEY, "EFX-Sign": REST_SIGNATURE}


def test_a_rest_request_passes_the_gate() -> None:
    request = rest_request(
        KEY, SECRET, "add", {"size": 1}, nonces=NonceSequence(), now=NOW, endpoint="test"
    )
    assert request.url == "https://test.finerymarkets.com/api/add"
    gate = Gate({KEY: SECRET})
    assert gate.check_rest(request.headers, "add", request.body.decode(), NOW) == 0
    assert gate.check_rest(request.headers, "cancel", request.body.decode(), NOW) == 14


def test_what_is_signed_is_what_is_sent() -> None:
    dial = make().dial(NOW)
    headers = dict(dial.headers)
    assert dial.url == "wss://trade.finerymarkets.com/ws"
    assert headers["EFX-Content"] == '{"nonce":1628489110490000000,"timestamp":1628489110490}'
    assert headers["EFX-Sign"] == sign(SECRET, headers["EFX-Content"])
    assert make(endpoint="test").dial(NOW).url == "wss://test.finerymarkets.com/ws"
    assert make(endpoint="ws://127.0.0.1:99").dial(NOW).url == "ws://127.0.0.1:99/ws"


@given(st.lists(st.integers(0, 2**60), min_size=2, max_size=20))
def test_nonces_increase_whatever_the_clock_does(clock: list[int]) -> None:
    nonces = NonceSequence()
    drawn = [nonces.next(now) for now in clock]
    assert drawn == sorted(set(drawn))


def test_sessions_of_one_key_share_their_nonces() -> None:
    nonces, gate = NonceSequence(), Gate({KEY: SECRET})
    for session in (make(nonces=nonces), make(nonces=nonces)):
        for _ in range(3):
            assert gate.check(session.dial(NOW).headers, NOW) == 0


@pytest.mark.parametrize(
    ("body", "code", "again"),
    [
        (b'{"error":14}', "14", False),
        (b'{"error":7,"message":"bad timestamp"}', "7", False),
        (b'{"error":3}', "3", False),
        (b"13", "13", False),
        (b"Error code: 14", "14", False),
        (b'{"error":10}', "10", True),
        (b'{"error":2}', "2", True),
        (b"who are you", "HTTP 401", False),
        (b"", "HTTP 401", False),
        (b"\xff\xfe[[[", "HTTP 401", False),
    ],
)
def test_a_refused_upgrade_is_read_from_its_body(body: bytes, code: str, again: bool) -> None:
    event, retry = make().rejected(401, [], body)
    assert (event.code, retry.again) == (code, again)
    if code.isdigit():
        assert CODES[int(code)] in event.meaning


def test_a_bad_nonce_never_ends_a_session() -> None:
    session = make()
    for _ in range(5):
        assert session.rejected(401, [], b'{"error":6}')[1].again


def test_a_refusal_that_time_mends_is_dialled_again_and_waits_as_asked() -> None:
    """Whatever code stands in the body: too many requests, or a server that fails."""
    for status in (429, 503):
        retry = make().rejected(status, [("Retry-After", "7")], b'{"error":53}')[1]
        assert (retry.again, retry.at_least) == (True, 7 * 10**9)
    assert not make().rejected(429, [], b'{"error":14}')[1].again


def test_machines_with_one_key_do_not_lock_each_other_out() -> None:
    """Each has a sequence of its own, and both dial in the same millisecond, again and again."""
    gate, here, there = Gate({KEY: SECRET}), make(), make()
    for step in range(50):
        for session, late in ((here, 0), (there, MS // 2)):
            now = NOW + step * MS + late
            assert gate.check(session.dial(now).headers, now) == 0


def test_nonces_may_begin_above_the_clock() -> None:
    assert NonceSequence(2**63).next(NOW) == 2**63 + 1
    secrets = {"key": Secret(KEY), "secret": SECRET}
    config = SessionConfig(("I",), "", {"nonce_start": str(2**63)}, secrets, "finery")
    made = VENUES["finery"].make(config)
    assert isinstance(made, FinerySession)
    nonce = json.loads(dict(made.dial(NOW).headers)["EFX-Content"])["nonce"]
    assert nonce == 2**63 + 1
    for wrong in (-1, 2**64):
        with pytest.raises(Misuse, match="not a nonce"):
            NonceSequence(wrong)


def test_busy_servers_are_tried_again_when_they_say() -> None:
    event, retry = make().rejected(503, [("Retry-After", "7")], b"")
    assert (event.code, retry.again, retry.at_least) == ("HTTP 503", True, 7 * SECOND)
    assert make().rejected(429, [], b"")[1].again


def test_a_clock_that_is_off_is_told_by_how_much() -> None:
    session = make()
    session.dial(NOW)
    dated = [("Date", "Mon, 09 Aug 2021 06:06:50 GMT")]
    event, retry = session.rejected(401, dated, b'{"error":7}')
    assert event.meaning.endswith("the server's clock is 100 s ahead of the one that signed")
    assert not retry.again


def test_no_secret_shows() -> None:
    session = make(Binding("I"))
    dial = session.dial(NOW)
    signature = dict(dial.headers)["EFX-Sign"]
    secret = SECRET.reveal()
    shown = [repr(session), str(session), repr(dial), repr(SECRET), f"{SECRET}"]
    shown += [repr(rest_request(KEY, SECRET, "add", {}, nonces=NonceSequence(), now=NOW))]
    shown += [repr(session.rejected(401, [], f"{signature} {secret}".encode()))]
    shown += [repr(session.opened(NOW))]
    for echo in (
        f'{{"got":"{secret}"}}',
        f'{{"key":"{KEY}"}}',
        f'["{signature}"',
        f'["I",0,"+",["{secret}",1,2,3]]',
    ):
        events = session.received(echo, NOW)
        shown += [repr(events), json.dumps([str(e.values) for e in events])]
    shown += [repr(session.closed(1008, f"no {secret}", NOW)[-1].values)]
    shown += [str(session.redact(f"{signature}|{secret}"))]
    assert not [text for text in shown for one in (KEY, secret, signature) if one in text]
    assert set(dial.secret_headers) == {"EFX-Key", "EFX-Sign"}
