"""A capture for sharing: no credential is left in it, and every payload is as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from payloads.capture.frames import Frame, Incident
from payloads.capture.reader import read_records
from payloads.capture.sharing import MOST, Credentials
from payloads.cli.main import main
from payloads.errors import Misuse
from tests import corpus

TOKEN = "tok_4f9c1b2a77e04d0f9a1c"
SIGNATURE = "9d5f3c0b6a1e4d2f8b7c9d5f3c0b6a1e4d2f8b7c"
PAYLOAD = corpus.entry("st-001").text


def frame(direction: Any, data: str | bytes) -> Frame:
    return Frame("stork", 1, direction, "text" if isinstance(data, str) else "binary", 1, data)


def incident(what: str, **detail: Any) -> Incident:
    return Incident("stork", 1, 1, what, detail)


def shared(*records: Any) -> list[Any]:
    credentials = Credentials()
    for record in records:
        credentials.learn(record)
    return [credentials.cleaned(record) for record in records]


HANDSHAKES = [
    incident("dial", url=f"wss://user:{TOKEN}@venue.example/ws", headers=[]),
    incident("dial", url=f"wss://venue.example/ws?access_token={TOKEN}&x=1", headers=[]),
    incident("dial", url="wss://v", headers=[["Authorization", f"Bearer {TOKEN}"]]),
    incident("dial", url="wss://v", headers=[["Cookie", f"a=1; sid={TOKEN}"]]),
    incident("dial", request={"headers": [{"name": "X-Api-Key", "value": TOKEN}]}),
    incident("dial", request={"headers": {"authorization": TOKEN}}),
    incident("reply", body=json.dumps({"data": {"accessToken": TOKEN}})),
    frame("out", json.dumps({"op": "auth", "token": TOKEN})),
    frame("out", json.dumps({"op": "auth", "token": TOKEN}).encode()),
    frame("out", f"AUTHENTICATE token {TOKEN}"),
    frame("in", json.dumps({"event": "welcome", "sessionToken": TOKEN})),
]


@pytest.mark.parametrize("record", HANDSHAKES, ids=range(len(HANDSHAKES)))
def test_a_credential_is_taken_out_where_it_is_named(record: Any) -> None:
    (cleaned,) = shared(record)
    assert TOKEN not in repr_of(cleaned)
    assert cleaned.redacted


def repr_of(record: Any) -> str:
    content = record.detail if isinstance(record, Incident) else record.data
    return content.decode() if isinstance(content, bytes) else json.dumps(content)


def test_and_wherever_else_it_stands_also_before() -> None:
    records = shared(
        frame("in", json.dumps({"echo": f"hello {TOKEN}"})),
        incident("closed", reason=f"bad key {TOKEN}"),
        incident("dial", url="wss://v", headers=[["Authorization", TOKEN]]),
        frame("in", TOKEN.replace("_", "\\u005f")),
    )
    assert all(TOKEN not in repr_of(record) for record in records)
    assert "\\u005f" not in repr_of(records[3])


def test_short_and_numeric_credentials_are_taken_out_in_their_place() -> None:
    sent, received = shared(
        frame("out", '{"user": "a", "password": "abc", "apiKey": 12345}'),
        frame("in", '{"price": 12345, "symbol": "abc"}'),
    )
    assert json.loads(sent.data) == {
        "user": "a", "password": "[redacted]", "apiKey": "[redacted]",
    }  # fmt: skip
    assert json.loads(received.data) == {"price": 12345, "symbol": "abc"}
    assert not received.redacted


def test_payloads_and_subscriptions_stay_as_they_are() -> None:
    message = json.dumps({"type": "oracle_prices", "signed_ecdsa": PAYLOAD, "sign": SIGNATURE})
    subscribe = '{"type":"subscribe","assets":[1,3,4]}'
    records = [
        frame("in", message),
        frame("in", message.encode()),
        frame("out", subscribe),
        incident("opened", status=101),
    ]
    assert shared(*records) == records


@given(st.text(), st.binary(), st.sampled_from(["in", "out"]))
def test_any_message_can_be_shared(text: str, raw: bytes, direction: str) -> None:
    for data in (text, raw, '{"token": ' + json.dumps(text) + "}"):
        (cleaned,) = shared(frame(direction, data))
        assert isinstance(cleaned.data, type(data))


def test_endless_credentials_are_refused() -> None:
    credentials = Credentials()
    for number in range(MOST):
        credentials.learn(frame("out", json.dumps({"token": f"{TOKEN}{number}"})))
    with pytest.raises(Misuse, match="too many"):
        credentials.learn(frame("out", json.dumps({"token": TOKEN})))


def lines(path: Path) -> list[Any]:
    return [record for record in read_records(path) if isinstance(record, Frame | Incident)]


def test_replay_writes_a_capture_for_sharing(tmp_path: Path) -> None:
    har = {
        "log": {
            "version": "1.2",
            "creator": {"name": "WebInspector", "version": "1"},
            "entries": [
                {
                    "startedDateTime": "2026-03-01T12:00:00.000Z",
                    "_resourceType": "websocket",
                    "request": {
                        "method": "GET",
                        "url": f"wss://venue.example/ws?token={TOKEN}",
                        "headers": [{"name": "Authorization", "value": f"Basic {TOKEN}"}],
                    },
                    "response": {"status": 101, "headers": []},
                    "_webSocketMessages": [
                        {"type": "send", "time": 1772366400.1, "opcode": 1,
                         "data": json.dumps({"type": "auth", "token": TOKEN})},
                        {"type": "receive", "time": 1772366400.2, "opcode": 1,
                         "data": json.dumps({"type": "price", "signed_ecdsa": PAYLOAD})},
                        {"type": "receive", "time": 1772366400.3, "opcode": 1,
                         "data": f"you are {TOKEN}"},
                    ],
                }
            ],
        }
    }  # fmt: skip
    source = tmp_path / "alice" / "session.har"
    source.parent.mkdir()
    source.write_text(json.dumps(har))
    plain = CliRunner().invoke(main, ["replay", str(source)])
    assert TOKEN in plain.stdout
    ran = CliRunner().invoke(main, ["replay", "--redact", str(source)])
    assert ran.exit_code == 0, ran.output
    assert TOKEN not in ran.stdout
    assert "alice" not in ran.stdout, "a path says whose machine it is"
    target = tmp_path / "shared.jsonl"
    target.write_text(ran.stdout)
    frames = [record for record in lines(target) if isinstance(record, Frame)]
    assert [each.redacted for each in frames] == [True, False, True]
    assert json.loads(frames[1].data)["signed_ecdsa"] == PAYLOAD
    again = CliRunner().invoke(main, ["replay", "--redact", str(target)])
    assert again.stdout.splitlines()[1:] == ran.stdout.splitlines()[1:], "clean stays clean"


def test_a_pipe_can_be_read_only_once() -> None:
    ran = CliRunner().invoke(main, ["replay", "--redact", "-"])
    assert ran.exit_code == 2
    assert "a file, for --redact" in ran.stderr
