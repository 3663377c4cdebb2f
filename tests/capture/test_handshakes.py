"""Handshakes out of other tools' files: what is kept of them, and what is not."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from payloads.capture.frames import Frame, Incident
from payloads.capture.importers import cdp, pcap
from payloads.capture.importers.handshakes import Handshake, address, pairs, venue_at
from payloads.capture.importers.har import har
from payloads.capture.importers.messages import ReadOptions

PLAIN = ReadOptions()


def test_a_handshake_of_a_har_is_kept() -> None:
    entry = {
        "startedDateTime": "2026-11-29T23:54:46.500Z",
        "serverIPAddress": "192.0.2.7",
        "request": {
            "url": "wss://api.qfex.com/?api_key=hidden-key-1&v=2",
            "headers": [{"name": "Cookie", "value": "hidden=1"}, {"name": "Origin", "value": "x"}],
        },
        "response": {"status": 101, "headers": [{"name": "Set-Cookie", "value": "hidden"}]},
        "_webSocketMessages": [{"type": "receive", "time": 1, "opcode": 1, "data": "{}"}],
    }
    text = json.dumps({"log": {"entries": [entry]}})
    dialled, opened, frame = (placed.record for placed in har([text.encode()], PLAIN))
    assert isinstance(dialled, Incident)
    assert isinstance(opened, Incident)
    assert dialled == Incident("qfex", 1, 1_795_996_486_500_000_000, "dialling", {
        "url": "wss://api.qfex.com/?api_key=[redacted]&v=2",
        "headers": [["Cookie", "[redacted]"], ["Origin", "x"]],
    }, True)  # fmt: skip
    assert opened.detail == {
        "server": "192.0.2.7", "status": 101, "headers": [["Set-Cookie", "[redacted]"]]
    }  # fmt: skip
    assert isinstance(frame, Frame)
    assert (frame.venue, frame.connection) == ("qfex", 1)


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("Authorization", "Basic abc", False), ("X-Authorization-Signature-SHA256", "ff", False),
        ("EFX-Key", "abc", False), ("EFX-Sign", "abc", False), ("Cookie", "a=b", False),
        ("Sec-WebSocket-Key", "dGhl", True), ("Sec-WebSocket-Protocol", "chat", True),
        ("Sec-WebSocket-Protocol", "bearer, abc", False),
        ("Sec-WebSocket-Protocol", "x" * 100, False), ("User-Agent", "x", True),
    ],
)  # fmt: skip
def test_credentials_in_headers_are_not_kept(name: str, value: str, kept: bool) -> None:
    found = Handshake(PLAIN, 1, "wss://x/").dialling(1, [(name, value)])
    assert found.detail["headers"] == [[name, value if kept else "[redacted]"]]
    assert found.redacted != kept


def test_credentials_in_urls_are_not_kept() -> None:
    for url, kept in (
        ("wss://me:hidden@x.example/ws", "wss://[redacted]@x.example/ws"),
        ("wss://x/?token=hidden&a=1#b", "wss://x/?token=[redacted]&a=1#b"),
        ("wss://x/?public_key=hidden", "wss://x/?public_key=[redacted]"),
        ("wss://x/a@b", "wss://x/a@b"), ("", ""),
    ):  # fmt: skip
        assert Handshake(PLAIN, 1, url).dialling(1, []).detail["url"] == kept


def test_a_handshake_is_bounded() -> None:
    headers = [(f"n{number}", "x" * 10_000) for number in range(500)]
    found = Handshake(PLAIN, 1, "wss://x/" + "y" * 20_000).dialling(1, headers)
    assert len(found.detail["headers"]) == 200
    assert len(found.detail["headers"][0][1]) <= 8_192
    assert len(found.detail["url"]) <= 8_192


def test_a_server_that_did_not_agree_is_told() -> None:
    found = Handshake(PLAIN, 1, "").answered(1, 401, [], "192.0.2.7:1")
    assert (found.what, found.detail["status"]) == ("refused", 401)


def test_what_is_no_header_is_passed_over() -> None:
    given: Any = [{"name": 1, "value": "x"}, 5, {"name": "a", "value": "b"}, {}]
    assert list(pairs(given)) == [("a", "b")]
    assert list(pairs({"a": "b", "c": 1})) == [("a", "b")]
    assert list(pairs(None)) == list(pairs("x")) == []
    assert (address("::1", 5), address("x", None), address(None, 5)) == ("[::1]:5", "x", "")


def test_venues_of_hosts() -> None:
    options = ReadOptions(venue="finery", hosts=(("localhost:1", "qfex"), ("x.example", "stork")))
    for url, venue in (
        ("ws://localhost:1/", "qfex"), ("ws://localhost:2/", "finery"), ("x.example:9", "stork"),
        ("wss://user@x.example/", "stork"), ("ws://[broken", "finery"),
    ):  # fmt: skip
        assert venue_at(url, options) == venue
    assert venue_at("wss://a.qfex.com/", PLAIN) == "qfex"


def test_so_many_websockets_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cdp, "MAX_WEBSOCKETS", 2)
    monkeypatch.setattr(pcap, "MAX_CONNECTIONS", 2)
    log = cdp._Log(PLAIN)
    for number in range(5):
        event = {"method": "Network.webSocketCreated", "params": {"requestId": str(number)}}
        assert list(log.records(json.dumps(event).encode(), 1)) == []
    assert len(log._websockets) == 2
    conversations = pcap._Conversations(PLAIN)
    for number in range(5):
        packet = {
            "ip_raw": "00" * 20, "tcp_raw": f"000{number}0007",
            "http": {"http_http_request_uri": "/"},
        }  # fmt: skip
        (incident,) = conversations.packet(packet)
        assert isinstance(incident, Incident)
    assert len(conversations._open) == 2


def test_the_words_of_tshark_are_bounded() -> None:
    error = pcap._refused(io.BytesIO(b"x" * 10**6 + b"\ntshark: the file is broken\n"))
    assert str(error).endswith("found tshark: the file is broken")
    assert len(str(pcap._refused(io.BytesIO(b"x" * 10**6)))) < 500
