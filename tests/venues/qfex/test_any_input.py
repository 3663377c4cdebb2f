"""QFEX: nothing that comes raises, and no secret shows."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from payloads.venues.common.jwt import make_token
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import SECOND, Closed
from payloads.venues.qfex.codes import meaning
from payloads.venues.qfex.market_session import QfexMarketSession
from payloads.venues.qfex.server import err
from tests.venues.qfex.kit import (
    JWT_KEY,
    KEY,
    NOW,
    PUBLIC,
    SECRET,
    data_messages,
    market,
    messages,
    ready,
    say,
    trade,
)


@given(st.lists(st.one_of(messages, data_messages), max_size=8), st.booleans())
def test_nothing_a_server_sends_raises(received: list[str | bytes], logged_in: bool) -> None:
    first = trade(cancel_on_disconnect=True)
    first.opened(NOW)
    for session in (market(), ready() if logged_in else first):
        for message in received:
            for event in session.received(message, NOW):
                assert repr(event)
            session.tick(NOW + 30 * SECOND)
            session.take()
        assert isinstance(session.closed(1006, "", NOW)[-1], Closed)


def test_deep_nesting_is_survived() -> None:
    for depth in (3, 10, 500, 5000):
        for session in (market(), ready()):
            assert session.received("[" * depth + "]" * depth, NOW)
            assert session.received('{"contents":' * depth + "1" + "}" * depth, NOW)


@given(st.integers(100, 599), st.binary(), st.text())
def test_no_refusal_raises(status: int, body: bytes, text: str) -> None:
    for session in (QfexMarketSession(), trade()):
        event, retry = session.rejected(status, [("Retry-After", text)], body)
        assert event.code == f"HTTP {status}"
        assert retry.again == (status in (408, 425, 429) or status >= 500)
        session.closed(4000, text, NOW)


@given(st.text())
def test_every_code_has_words(code: str) -> None:
    assert meaning(code)


def test_no_secret_shows() -> None:
    jwt = make_token(JWT_KEY, "x", NOW)
    for credentials in (KEY, Secret(jwt)):
        for key_in in ("headers", "query", "none"):
            session = trade(credentials, key_in=key_in)
            dial = session.dial(NOW)
            session.opened(NOW)
            (message,) = session.take()
            params = json.loads(message)["params"]
            secrets = [PUBLIC, SECRET.reveal(), jwt]
            if "hmac" in params:
                secrets += [params["hmac"]["signature"]]
                secrets += [v for k, v in dial.headers if k == "x-qfex-hmac-signature"]
            shown = [repr(session), repr(dial), repr(credentials), str(session.redact(message))]
            for secret in [s for s in secrets if s in message or s in str(dial.values)]:
                for echo in (
                    err("PermissionDenied", secret, json.loads(message)),
                    err("PermissionDenied", "x", message), {"ack": {"incoming_message": message}},
                    {"ack": {"incoming_message": json.loads(message)}}, [secret], secret,
                ):  # fmt: skip
                    shown += [repr([event.values for event in say(session, echo)])]
                shown += [repr(session.received(f"{{{secret}", NOW)[0].values)]
                shown += [repr(session.rejected(401, [], secret.encode())[0].values)]
                shown += [repr(session.closed(1008, secret, NOW)[-1].values)]
                shown += [str(session.redact(secret.encode()))]
            assert not [text for text in shown for secret in secrets if secret in text]
