"""The log of a connection: silent unless it is wanted, and never with a credential in it."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import textwrap
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payloads.capture.frames import Incident
from payloads.errors import Refused
from payloads.live import Backoff, Inbox
from payloads.live.seams import DialFailed, UpgradeRefused
from payloads.live.sink import Sink, Stats
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import Reply, Request
from tests.live.kit import SECRET, Numbered, count, read_until
from tests.live.memory import URL, MemoryPeer, MemoryVenue, in_virtual_time

TOKEN = "token-that-only-the-reply-has"
COOKIE = "cookie-that-only-the-reply-has"
HEADER = "header-that-only-the-request-has"
CREDENTIALS = (SECRET.reveal(), TOKEN, COOKIE, HEADER)


async def live_through_everything() -> None:
    """Every kind of incident, with credentials wherever a server could put them."""
    everything = " ".join(CREDENTIALS)
    answers: list[Exception | None] = [
        UpgradeRefused(503, [("X-Echo", everything)], f"no: {everything}".encode()),
        DialFailed(f"no answer to {everything}"),
        None,
    ]

    def refuse(dials: int) -> None:
        answer = answers[min(dials, 3) - 1]
        if answer is not None:
            raise answer

    async def handler(peer: MemoryPeer) -> None:
        peer.answers = len(venue.dials) != 3
        await count(peer, len(venue.dials))
        if peer.answers:
            await peer.close(4001, f"bye {everything}")
        await peer.wait_closed()

    async def http(request: Request) -> Reply:
        body = json.dumps({"accessToken": TOKEN, "why": everything}).encode()
        return Reply(request.purpose, 200, body, (("Set-Cookie", f"a={COOKIE}"),))

    venue = MemoryVenue(handler, refuse)
    request = Request("GET", f"http://v/?token={SECRET.reveal()}", (("Cookie", f"b={HEADER}"),))
    session = Numbered(f"{URL}?key={SECRET.reveal()}", asks=[request])
    async with venue.connect(session, http=http, backoff=Backoff(attempts=9)) as connection:
        with pytest.raises(Refused):
            await read_until(connection, 99)


def test_what_happens_is_logged_under_the_venues_name(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="payloads"):
        in_virtual_time(live_through_everything())
    found = [record for record in caplog.records if record.name == "payloads.live.numbered"]
    incidents: list[Incident] = [record.__dict__["incident"] for record in found]
    levels = {
        incident.what: record.levelname for incident, record in zip(incidents, found, strict=True)
    }
    assert levels == {
        "request": "DEBUG", "reply": "DEBUG", "dialling": "DEBUG", "refused": "WARNING",
        "unreachable": "WARNING", "retrying": "INFO", "opened": "INFO", "stalled": "WARNING",
        "closed": "INFO", "gave up": "WARNING",
    }  # fmt: skip
    lines = [record.getMessage() for record in found]
    assert "websocket 4: closed code=4001 reason='bye" in "\n".join(lines)
    assert all(len(line.splitlines()) == 1 for line in lines)


def test_no_credential_reaches_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        in_virtual_time(live_through_everything())
    ours = [record for record in caplog.records if record.name.startswith("payloads")]
    assert len(ours) > 10
    # Whatever a handler could look at: the line, its arguments, and what is attached to it.
    seen = "\n".join(repr(record.__dict__) + record.getMessage() for record in ours)
    assert not [credential for credential in CREDENTIALS if credential in seen]
    assert "[redacted]" in seen


def _escaped(text: str) -> str:
    return "".join(f"\\u{ord(character):04x}" for character in text)


_SPELLINGS = (str, quote, _escaped, lambda text: json.dumps(json.dumps(text)), str)
_values = st.recursive(
    st.text(max_size=20) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.just("name"), inner),
)


@given(st.text(), st.sampled_from(_SPELLINGS), st.text(), st.booleans(), _values)
@settings(max_examples=200)
def test_no_credential_reaches_the_log_however_it_is_spelled_and_wherever_it_stands(
    before: str, spell: Any, after: str, is_nested: bool, value: Any
) -> None:
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage() + repr(record.__dict__["incident"]))

    log, handler = logging.getLogger("payloads.live.numbered"), Lines()
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    try:
        sink = Sink(Numbered(URL), None, Inbox(), lambda: 0)
        sink.learn(Secret("another-credential"))
        for credential in (SECRET.reveal(), "another-credential"):
            text = before + spell(credential) + after
            sink.happened("closed", {"reason": [{"inner": text}, value] if is_nested else text})
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
    assert len(lines) == 2
    for credential, line in zip((SECRET.reveal(), "another-credential"), lines, strict=True):
        assert credential not in line
        assert spell(credential) not in line


CHILD = """
    import asyncio
    from payloads.live import Backoff, connect
    from tests.live.kit import Numbered

    async def main():
        async with connect(Numbered("ws://127.0.0.1:1/"), backoff=Backoff(0.01, attempts=2)) as c:
            async for _ in c:
                pass

    try:
        asyncio.run(main())
    except ValueError:
        print("refused")
"""


def test_it_is_silent_by_default() -> None:
    command = [sys.executable, "-c", textwrap.dedent(CHILD)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("refused\n", "")


def test_nothing_is_worked_out_for_a_log_that_is_not_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unwanted(*_: Any) -> Any:
        raise AssertionError("this costs something")

    monkeypatch.setattr("payloads.live.sink.redaction.clean_incident", unwanted)
    logging.getLogger("payloads").setLevel(logging.CRITICAL)
    try:
        in_virtual_time(live_through_everything())
    finally:
        logging.getLogger("payloads").setLevel(logging.NOTSET)


def test_stats_show_their_counters() -> None:
    stats = Stats()
    stats.frames_in = 7
    assert repr(stats).startswith("Stats(dials=0, opened=0, ")
    assert "frames_in=7" in repr(stats)
