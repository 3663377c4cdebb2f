"""Messages of venues that sign nothing, read as their sessions read them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from payloads import venues
from payloads.capture import unsigned
from payloads.capture.format import Header
from payloads.capture.frames import Frame, Incident
from payloads.capture.unsigned import UnsignedReader, event_object, is_unsigned
from payloads.venues.common.session import Data, Subscribed


def frame(venue: str, data: str, connection: int = 1, **more: Any) -> Frame:
    return Frame(venue, connection, "in", "text", 5, data, **more)


BBO = json.dumps({"type": "bbo", "symbol": "X", "bid": [["1.5", "2"]], "time": 1.25})


def test_which_venues_sign_nothing() -> None:
    assert [name for name in venues.VENUES if is_unsigned(name)] == [
        "finery", "ethgas", "qfex", "qfex-trade",
    ]  # fmt: skip
    assert not is_unsigned("")
    assert not is_unsigned("made-up")


@pytest.mark.parametrize("venue", [name for name in venues.VENUES if is_unsigned(name)])
@pytest.mark.parametrize("what", [[], ["accountOrderUpdate"], ["B:BTC-USD"], ["\0"], [7], None])
def test_any_header_leads_to_a_session(venue: str, what: Any) -> None:
    """The arguments in a header are text of anybody."""
    reader = UnsignedReader()
    assert reader.events(Header(1, venue=venue, asked={"what": what})) == []
    (event,) = reader.events(frame(venue, '{"unknown":1}'))
    assert event_object(event)["event"] == "Unknown"


def test_subscriptions_are_those_of_the_header() -> None:
    reader = UnsignedReader()
    reader.events(Header(1, venue="qfex", asked={"what": ["bbo:X"]}))
    subscribed, data = reader.events(frame("qfex", BBO))
    assert isinstance(subscribed, Subscribed)
    assert isinstance(data, Data)
    assert event_object(data) == {
        "event": "Data", "channel": "bbo", "message": "Bbo",
        "content": {"symbol": "X", "time": "1250000000", "bid": [["1.5", "2"]]},
    }  # fmt: skip


def test_a_session_ends_with_its_connection() -> None:
    reader = UnsignedReader()
    for _ in range(2):
        (event,) = reader.events(frame("qfex", BBO))
        assert isinstance(event, Data), "on a new connection it may come again"
        (again,) = reader.events(frame("qfex", BBO))
        assert event_object(again)["event"] == "Duplicate"
        assert reader.events(Incident("qfex", 1, 6, "closed", {})) == []
    assert reader.events(frame("qfex", BBO, redacted=True))


def test_nothing_else_is_read() -> None:
    reader = UnsignedReader()
    assert reader.events(frame("stork", "{}")) == reader.events(frame("", "{}")) == []
    assert reader.events(Frame("qfex", 1, "out", "text", 5, "{}")) == []
    assert reader.events(Frame("qfex", 1, "in", "ping", 5, b"")) == []


def test_so_many_sessions_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unsigned, "MAX_SESSIONS", 3)
    reader = UnsignedReader()
    for number in range(10):
        assert reader.events(frame("qfex", BBO, number))
    assert len(reader._sessions) == 3
