"""Logs of the Chrome DevTools Protocol, as several tools write them."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payloads.capture.format import BrokenLine
from payloads.capture.frames import Frame, Incident
from payloads.capture.importers.any_file import sniff
from payloads.capture.importers.cdp import cdp
from payloads.capture.importers.messages import ReadOptions
from payloads.capture.inputs import open_inputs
from payloads.errors import Malformed

URL = "wss://fast.jp.stork-oracle.network/ws?token=hidden-token-12"


def event(name: str, **params: Any) -> dict[str, Any]:
    return {"method": f"Network.webSocket{name}", "params": {"requestId": "7", **params}}


def frame(data: str, at: float, opcode: int = 1, name: str = "FrameReceived") -> dict[str, Any]:
    response = {"opcode": opcode, "mask": False, "payloadData": data}
    return event(name, timestamp=at, response=response)


EVENTS = [
    {"method": "Network.requestWillBeSent", "params": {"requestId": "1"}},
    event("Created", url=URL),
    event(
        "WillSendHandshakeRequest", timestamp=93.25, wallTime=1795996486.5,
        request={"headers": {"Authorization": "Bearer hidden", "Origin": "https://x"}},
    ),
    event("HandshakeResponseReceived", timestamp=93.5,
          response={"status": 101, "headers": {"Upgrade": "websocket"}}),
    frame('{"type":"subscribe"}', 93.75, name="FrameSent"),
    frame('{"type":"signed_ecdsa"}', 94.000001),
    frame("AP8Q", 94.5, opcode=2),
    frame("not base64", 94.5, opcode=2),
    event("FrameError", timestamp=95, errorMessage="net::ERR"),
    event("Closed", timestamp=96),
]  # fmt: skip


def lines(events: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(each) + "\n" for each in events)


def chromedriver(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The performance log: each event is a text in a text."""
    return [
        {"level": "INFO", "timestamp": 1795996486000 + number,
         "message": json.dumps({"message": each, "webview": "5A"})}
        for number, each in enumerate(events)
    ]  # fmt: skip


FORMS = {
    "lines": lines(EVENTS),
    "a list": json.dumps(EVENTS, indent=1),
    "a list on a line": json.dumps(EVENTS),
    "ChromeDriver": json.dumps(chromedriver(EVENTS)),
    "ChromeDriver's lines": lines(chromedriver(EVENTS)),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_log_has_the_same_frames(form: str, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(FORMS[form])
    (each,) = open_inputs([path])
    assert each.kind == "cdp"
    placed = list(each.records())
    records = [one.record for one in placed]
    start = 1_795_996_486_500_000_000
    assert [r for r in records if isinstance(r, Frame)] == [
        Frame("stork", 1, "out", "text", start + 500_000_000, '{"type":"subscribe"}'),
        Frame("stork", 1, "in", "text", start + 750_001_000, '{"type":"signed_ecdsa"}'),
        Frame("stork", 1, "in", "binary", start + 1_250_000_000, b"\x00\xff\x10"),
    ]
    incidents = [r for r in records if isinstance(r, Incident)]
    assert [(r.what, r.at - start) for r in incidents] == [
        ("dialling", 0), ("opened", 250_000_000), ("closed", 2_750_000_000),
    ]  # fmt: skip
    assert incidents[0].detail["url"].endswith("?token=[redacted]")
    assert ["Authorization", "[redacted]"] in incidents[0].detail["headers"]
    assert "hidden" not in repr(records)
    assert [str(r.error) for r in records if isinstance(r, BrokenLine)] == [
        "payloadData: not base64, found Only base64 data is allowed",
        "errorMessage: the browser noted an error here, found net::ERR",
    ]
    where = "event 6" if "list" in form or form == "ChromeDriver" else "line 6"
    assert placed[3].where == where


def test_times_without_a_handshake_are_those_of_the_tool(tmp_path: Path) -> None:
    path = tmp_path / "log"
    for each, at in (
        (frame("x", 94.0), 0),
        (frame("x", 94.0) | {"ts": "2026-11-29T23:54:46Z"}, 1_795_996_486 * 10**9),
        (chromedriver([frame("x", 94.0)])[0], 1_795_996_486 * 10**9),
    ):
        path.write_text(json.dumps(each))
        (found,) = (one.record for one in open_inputs([path])[0].records())
        assert isinstance(found, Frame)
        assert (found.at, found.venue, found.connection) == (at, "", 1)


_texts = st.sampled_from(
    [
        "7",
        "Network.webSocketFrameReceived",
        "Network.webSocketCreated",
        "x",
        "Network.webSocketClosed",
    ]
)
_values = st.recursive(
    st.none() | st.integers() | st.floats(allow_nan=False) | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["method", "params", "requestId", "message", "response", "payloadData",
                         "opcode", "timestamp", "wallTime", "headers", "request", "url"]),
        inner, max_size=5),
    max_leaves=12,
)  # fmt: skip


@given(st.lists(_values, max_size=4))
def test_anything_is_read_or_told(values: list[Any]) -> None:
    for text in (json.dumps(values), "\n".join(map(json.dumps, values))):
        with suppress(Malformed):  # a list that is none
            for each in cdp([text.encode()], ReadOptions()):
                assert isinstance(each.record, Frame | Incident | BrokenLine)


def test_other_json_is_no_such_log() -> None:
    assert sniff(b'{"data":"Network.webSocketFrameReceived","ts":1}\n') == "jsonl"
    assert sniff(b'[{"method":"Page.loaded"}]\n') == "lines"
