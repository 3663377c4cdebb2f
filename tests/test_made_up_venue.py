"""A venue is one folder and one line of the catalogue. The folder stands here: a session, a
simulator and `VENUE`. The rest of the package works with it, and none of it is changed.

The venue sends numbers: after `{"count": ["up", …]}` each message is `{"channel": …, "number": …}`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Unpack

import pytest
from click.testing import CliRunner, Result

from payloads import simulators, venues
from payloads.capture import Header, import_records, read_frames, read_records, rerun, session_of
from payloads.cli.main import main
from payloads.errors import Malformed, Misuse
from payloads.live import stream
from payloads.simulators.base import Simulator
from payloads.simulators.http import Request, Response, answer
from payloads.simulators.options import Common, Made
from payloads.simulators.peer import Peer
from payloads.simulators.text_options import COMMON, TextOption, count
from payloads.venues.common.json_text import parse_json
from payloads.venues.common.redactor import Message, Secret
from payloads.venues.common.session import (
    Broken,
    Closed,
    Data,
    Dial,
    Event,
    Opened,
    Rejected,
    Retry,
    Session,
)
from payloads.venues.common.venue import SessionConfig, Venue

# --- the venue's folder: the session --------------------------------------------------------------

TOKEN = "a-token-of-the-made-up-venue"


class MadeUpSession(Session):
    venue = "madeup"

    def __init__(self, token: Secret, channels: Iterable[str], endpoint: str) -> None:
        super().__init__()
        self._token, self._channels, self._endpoint = token, [*channels], endpoint

    def dial(self, now: int) -> Dial:
        return Dial(self._endpoint + "/", (("X-Token", self._token.reveal()),), ("X-Token",))

    def opened(self, now: int) -> list[Event]:
        self._send({"count": self._channels})
        return [Opened()]

    def received(self, data: Message, now: int) -> list[Event]:
        try:
            content = parse_json(data)
            return [Data(content["channel"], content["number"])]
        except Malformed as error:
            return [Broken(error, data)]

    def rejected(
        self, status: int, headers: Sequence[tuple[str, str]], body: bytes
    ) -> tuple[Rejected, Retry]:
        return Rejected(f"HTTP {status}", "refused"), Retry(False, "refused")

    def closed(self, code: int, reason: str, now: int) -> list[Event]:
        return [Closed(code, reason, Retry(True, f"closed with {code}"))]


def _session(config: SessionConfig) -> Session:
    where = config.endpoint or "wss://m.invalid"
    return MadeUpSession(config.credential("token"), config.subscriptions, where)


# --- the venue's folder: the simulator ------------------------------------------------------------


class MadeUpSimulator(Simulator):
    venue: ClassVar[str] = "madeup"
    pace: ClassVar[float] = 50.0
    text_options: ClassVar[Mapping[str, TextOption]] = {
        "step": count("between two numbers (1)"),
        **COMMON,
    }

    def __init__(self, *, step: int = 1, **common: Unpack[Common]) -> None:
        super().__init__(**common)
        self.step, self._numbers = step, dict[str, int]()

    @property
    def credentials(self) -> dict[str, str]:
        return {"token": TOKEN}

    @property
    def subscriptions(self) -> tuple[str, ...]:
        return ("up", "also-up")

    def session(self) -> MadeUpSession:
        return MadeUpSession(Secret(TOKEN), self.subscriptions, self.base)

    def admit(self, request: Request, memory: dict[str, Any]) -> Response | None:
        return None if request.header("X-Token") == TOKEN else answer(401, {"error": "no token"})

    def received(self, peer: Peer, message: Message) -> None:
        for channel in json.loads(message)["count"]:
            self.join(peer, self.stream(channel, partial(self._next, channel)))

    def _next(self, channel: str) -> Iterable[Made]:
        self._numbers[channel] = number = self._numbers.get(channel, 0) + self.step
        yield Made(json.dumps({"channel": channel, "number": number}))


# --- the venue's folder: what it exports ----------------------------------------------------------

VENUE = Venue(
    "madeup", "The made-up venue", "the name of a channel",
    ("mainnet",), ("token",), {},
    _session,
    hosts=("madeup.example",),
    simulator=f"{__name__}:MadeUpSimulator",
)  # fmt: skip


@pytest.fixture(autouse=True)
def catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one line, in a copy of the catalogue."""
    monkeypatch.setattr(venues, "VENUES", {**venues.VENUES, VENUE.name: VENUE})


# --- the package works with it --------------------------------------------------------------------


def command(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(main, [*arguments], env=environment)


def numbers(deliveries: Iterable[Any], channel: str = "up") -> list[int]:
    events = [event for delivery in deliveries for event in delivery.events]
    return [one.content for one in events if isinstance(one, Data) and one.channel == channel]


def captured(folder: Path) -> Path:
    """A capture of the simulator by the command line."""
    path = folder / "madeup.jsonl"
    with simulators.start("madeup") as venue:
        arguments = venue.capture(str(path))
        ran = command(*arguments, "--frames", "12", "--json", **venue.environment)
    assert ran.exit_code == 0, ran.output
    summary = json.loads(ran.stdout)
    assert {*summary["channels"]} == {"up", "also-up"}
    assert summary["messages"] == 12
    return path


def test_it_is_captured(tmp_path: Path) -> None:
    path = captured(tmp_path)
    header = next(iter(read_records(path)))
    assert isinstance(header, Header)
    assert (header.venue, header.asked["what"]) == ("madeup", ["up", "also-up"])
    assert {frame.venue for frame in read_frames(path)} == {"madeup"}
    assert TOKEN not in path.read_text()


def test_the_command_line_knows_what_it_needs() -> None:
    missing = command("capture", "madeup", "up", "-o", "unused.jsonl")
    assert missing.exit_code == 2
    assert "PAYLOADS_MADEUP_TOKEN" in missing.stderr
    without = command("capture", "madeup", "-o", "unused.jsonl", PAYLOADS_MADEUP_TOKEN=TOKEN)
    assert without.exit_code == 2
    assert "expected the name of a channel" in without.stderr
    assert "madeup: The made-up venue" in command("capture", "--help").stdout
    assert "'madeup'" in command("capture", "nasdaq", "up", "-o", "unused.jsonl").stderr


def test_it_is_simulated_on_the_command_line() -> None:
    ran = command("simulate", "madeup", "--set", "step=3", "--json", "--for", "0.1")
    assert ran.exit_code == 0, ran.output
    hello = json.loads(ran.stdout.splitlines()[0])
    assert hello["environment"] == {"PAYLOADS_MADEUP_TOKEN": TOKEN}
    assert hello["endpoints"] == {"madeup": hello["endpoint"]}
    assert "step=COUNT" in command("simulate", "--help").stdout
    wrong = {"--set": "step=x", "--bad-share": "1", "--misbehave": "expire@1", "--feeds": "up"}
    for option, value in wrong.items():
        assert command("simulate", "madeup", option, value, "--for", "0").exit_code == 2


def test_it_is_simulated_in_python() -> None:
    assert "madeup" in simulators.names()
    assert simulators.madeup is simulators.MadeUpSimulator is MadeUpSimulator
    with simulators.start("madeup", step=2, misbehave="cut@6") as venue:
        session = venues.session("madeup", ["up"], endpoint=venue.base, **venue.credentials)
        found: list[int] = []
        for delivery in stream(session):
            found += numbers([delivery])
            if len(found) >= 8:
                break
        assert found[:5] == [2, 4, 6, 8, 10]
        assert venue.counters.dials == 2


def test_it_is_replayed(tmp_path: Path) -> None:
    path = captured(tmp_path)
    replayed = command("replay", str(path))
    assert replayed.exit_code == 0, replayed.output
    assert replayed.stdout_bytes == path.read_bytes()
    header, *records = read_records(path)
    assert isinstance(header, Header)
    session = session_of(header, token="any text")
    assert isinstance(session, MadeUpSession)
    assert numbers(rerun(session, records)) == [1, 2, 3, 4, 5, 6]
    with pytest.raises(Misuse, match="token: a credential is missing"):
        session_of(header)


def test_recorded_traffic_of_its_hosts_is_its_own(tmp_path: Path) -> None:
    message = {"type": "receive", "time": 1, "opcode": 1, "data": '{"channel":"up","number":7}'}
    request = {"url": "wss://stream.madeup.example/"}
    entry = {"request": request, "_webSocketMessages": [message]}
    path = tmp_path / "session.har"
    path.write_text(json.dumps({"log": {"entries": [entry]}}))
    assert {getattr(record, "venue", "") for _, record in import_records(path)} == {"madeup"}
    lines = command("replay", str(path)).stdout.splitlines()
    assert [json.loads(line)["venue"] for line in lines[1:-1]] == ["madeup"] * 3
