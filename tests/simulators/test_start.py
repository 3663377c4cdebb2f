"""Starting simulators: in a thread, by name, from the command line."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from payloads import simulators
from payloads.chainlink.verifier import judge
from payloads.cli.main import main
from payloads.errors import Misuse
from payloads.live import stream
from payloads.simulators import Rule
from payloads.venues.common.session import Data
from payloads.verdicts.state import State
from tests.simulators.kit import driven, run

VENUES = [*simulators.names()]


@pytest.mark.parametrize("venue", VENUES)
def test_in_one_line_without_asyncio(venue: str) -> None:
    with simulators.start(venue, rate=50) as simulator:
        count = 0
        for delivery in stream(simulator.session(), proxy=False):
            count += sum(isinstance(event, Data) for event in delivery.events)
            if count >= 5:
                break
        assert simulator.counters.frames >= 5
        simulator.misbehave("drop/2")
        simulator.cut()
    with pytest.raises(Misuse, match="not running"):
        simulator.cut()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", simulator.port), 1)


def test_a_client_can_be_waited_for() -> None:
    async def test() -> None:
        async with simulators.stork() as venue:
            with pytest.raises(TimeoutError):
                await venue.connected(seconds=0.02)
            with pytest.raises(Misuse, match="would wait for itself"):
                venue.wait_connected()
            async with driven(venue.session()), driven(venue.session()):
                assert venue.peers == []  # a dial takes a moment
                assert [peer.number for peer in await venue.connected(2)] == [1, 2]
                venue.cut()

    run(test())
    with simulators.start("stork") as venue:
        with pytest.raises(TimeoutError):
            venue.wait_connected(seconds=0.02)
        deliveries: Any = stream(venue.session(), proxy=False)
        client = threading.Thread(target=lambda: next(deliveries))
        client.start()
        venue.wait_connected()
        assert len(venue.peers) == 1
        client.join()
        deliveries.close()
    with pytest.raises(Misuse, match="not running"):
        venue.wait_connected()


def test_what_goes_wrong_is_told() -> None:
    with pytest.raises(Misuse, match="venue"):
        simulators.make("nasdaq")
    for options in ({"rate": 0}, {"port": 70_000}, {"misbehave": "x"}, {"bad_share": 2}):
        with pytest.raises(Misuse):
            simulators.make("chainlink", **options)
    with simulators.start("stork") as first:
        second = simulators.start("stork", port=first.port)
        with pytest.raises(OSError, match="in use"), second:
            pass


def test_an_error_in_the_block_comes_out() -> None:
    with pytest.raises(KeyError), simulators.start("stork"):
        raise KeyError("mine")


def test_only_some_venues_have_tokens() -> None:
    """Where none end, that is said before anything starts."""
    refused = pytest.raises(Misuse, match="no tokens")
    for plan in ("expire@1s", "drop/2,expire@20", [Rule("expire", number=1)]):
        with refused:
            simulators.make("chainlink", misbehave=plan)
    with simulators.start("chainlink", misbehave="drop/2") as venue:
        with refused:
            venue.expire()
        with refused:
            venue.misbehave("expire@5")
        assert venue.counters.misbehaved == {}


@pytest.mark.parametrize("venue", VENUES)
def test_the_help_names_the_venues_where_something_expires(venue: str) -> None:
    kind = simulators.class_of(venue)
    overrides = kind.expire_tokens is not simulators.Simulator.expire_tokens
    assert bool(kind.expires) == overrides
    said = subprocess.run(command("simulate", "--help"), capture_output=True, text=True, check=True)
    (about,) = re.findall(rf"^    {venue}:\n((?:      .*\n)+)", said.stdout, re.M)
    assert ("expire@…" in about) == overrides
    try:
        simulators.make(venue, misbehave="expire@1")
    except Misuse:
        assert not overrides
    else:
        assert overrides


# --- the command line -----------------------------------------------------------------------------


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "payloads", *arguments]


def test_the_command_says_what_to_connect_to_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    started = subprocess.Popen(
        command("simulate", "chainlink", "--json", "--rate", "20", "--state", str(state)),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert started.stdout is not None
        hello: dict[str, Any] = json.loads(started.stdout.readline())
        capture = tmp_path / "capture.jsonl"
        arguments = [str(capture) if one == "FILE" else one for one in hello["capture"]]
        ran = subprocess.run(
            command(*arguments, "--frames", "12"), env={**os.environ, **hello["environment"]},
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        frames = [json.loads(line) for line in capture.read_text().splitlines()]
        reports = [
            json.loads(frame["text"])["report"]["fullReport"]
            for frame in frames if "fullReport" in frame.get("text", "")
        ] or [
            json.loads(bytes.fromhex(frame["hex"]))["report"]["fullReport"]
            for frame in frames if "hex" in frame
        ]  # fmt: skip
        known = State.load(state)
        assert all(judge(report, known).accepted for report in reports)  # type: ignore[arg-type]
    finally:
        started.send_signal(signal.SIGINT)
        rest, errors = started.communicate(timeout=10)
    assert started.returncode == 0
    assert errors == ""
    assert json.loads(rest)["counters"]["frames"] >= 12


@pytest.mark.parametrize("venue", VENUES)
def test_the_command_for_a_person(venue: str) -> None:
    ran = subprocess.run(
        command("simulate", venue, "--for", "0.1"),
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert ran.stdout.startswith(f"{venue} on loopback; its credentials and keys are worth nothing")
    assert "connect to    ws://127.0.0.1:" in ran.stdout
    assert f"payloads capture {venue} " in ran.stdout
    assert ("payloads capture qfex-trade 'positions' --endpoint" in ran.stdout) == (venue == "qfex")
    assert "0 connected, 0 dials" in ran.stdout
    assert ran.stderr == ""


def test_the_command_called_wrongly() -> None:
    for arguments in (
        ("qfex", "--bad-share", "0.1"), ("qfex", "--state", "x.json"), ("stork", "--rate", "0"),
        ("stork", "--misbehave", "nonsense"), ("chainlink", "--misbehave", "expire@1s"),
        ("nasdaq",), ("stork", "--feeds", "nobody"),
    ):  # fmt: skip
        told = CliRunner().invoke(main, ["simulate", *arguments])
        assert told.exit_code == 2, arguments
        assert isinstance(told.exception, SystemExit), "no traceback"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        line = command("simulate", "stork", "--port", str(taken.getsockname()[1]))
        ran = subprocess.run(line, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "cannot listen" in ran.stderr
