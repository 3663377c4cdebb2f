"""`payloads capture` of what a venue takes and never sends."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner, Result

from payloads import simulators
from payloads.capture.frames import Incident
from payloads.capture.reader import read_records
from payloads.cli.capture_progress import Progress
from payloads.cli.main import main
from payloads.simulators import Simulator
from payloads.venues.common.session import SECOND, Missing

SHORT = ("--for", "0.4s")
# The venues acknowledge or not, and then lose every message of data.
SILENT: dict[str, dict[str, Any]] = {
    "chainlink": {},
    "stork": {"feeds": ["BTCUSD"]},
    "finery": {"feeds": ["BTC-USD"]},
    "ethgas": {"feeds": ["orderBookUpdate"]},
    "qfex": {"feeds": ["AAPL-USD"]},
}


def capture(simulator: Simulator, path: Path, *arguments: str) -> Result:
    """A capture of everything that the simulator has."""
    return CliRunner(env=simulator.environment).invoke(
        main, [*simulator.capture(str(path)), *arguments]
    )


@pytest.mark.parametrize("venue", SILENT)
def test_what_never_came_is_said_and_is_exit_code_1(venue: str, tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    with simulators.start(venue, misbehave="drop/1", **SILENT[venue]) as simulator:
        ran = capture(simulator, path, *SHORT, "--json")
        wanted = {*simulator.subscriptions}
    summary = json.loads(ran.stdout)
    assert (ran.exit_code, summary["ended"]) == (1, "as long as was asked for")
    never = summary["never_came"]
    assert {*never} - {"login"} == wanted
    code = "no answer" if venue == "finery" else "no data"
    for label, missing in never.items():
        assert missing["code"] == code
        assert 0 < missing["seconds"] < 60
        words = rf"{code}: asked for at [0-9T:-]+Z, [0-9.]+ s before the end"
        assert re.fullmatch(words, summary["refused"][label])
    (kept,) = [
        record.detail
        for record in read_records(path)
        if isinstance(record, Incident) and record.what == "never came"
    ]
    assert {label: one["asked_at"] for label, one in kept.items()} == {
        label: int(one["asked_at"]) for label, one in never.items()
    }


def test_a_feed_of_two_that_never_sent_anything(tmp_path: Path) -> None:
    silent = {"feeds": ["BTCUSD", "ETHUSD"], "silent": ["ETHUSD"], "rate": 50}
    with simulators.start("stork", **silent) as simulator:
        ran = capture(simulator, tmp_path / "c.jsonl", *SHORT)
        assert ran.exit_code == 1
        assert re.search(r"never came +ETHUSD \(no data: asked for at ", ran.stdout)
        assert "will not come" not in ran.stdout
        ran = capture(simulator, tmp_path / "d.jsonl", "--frames", "3")
    # Three messages are what was asked for, and they leave no time to wait.
    assert ran.exit_code == 0
    assert "not waited for           ETHUSD" in ran.stdout
    assert "never came" not in ran.stdout


def test_what_was_not_even_asked_for(tmp_path: Path) -> None:
    """The gateway is not connected to the exchange, so nothing is bound."""
    with simulators.start("finery", feeds=["BTC-USD"]) as simulator:
        simulator.link(2)
        ran = capture(simulator, tmp_path / "c.jsonl", *SHORT)
    assert ran.exit_code == 1
    assert "never came               B:BTC-USD (not asked for)" in ran.stdout


def test_so_many_messages_leave_no_time_to_ask_either(tmp_path: Path) -> None:
    """The login waits for an answer that never comes; a public channel has its messages."""
    with simulators.start("ethgas", feeds=["orderBookUpdate"], rate=50) as simulator:
        simulator.refuse(503, times=100, requests=True)
        private = simulator.capture(str(tmp_path / "c.jsonl"))
        private.insert(2, "preconfBundleUpdate")
        ran = CliRunner(env=simulator.environment).invoke(main, [*private, "--frames", "5"])
    assert ran.exit_code == 0, ran.stdout
    assert "not waited for           login, preconfBundleUpdate" in ran.stdout


class Waiting:
    """A connection of which an asset was asked for at second 100 and has not come."""

    class session:
        refused: ClassVar[dict[str, str]] = {}
        missing: ClassVar[dict[str, Missing]] = {"ETHUSD": Missing("no data", 100 * SECOND)}

    class stats:
        opened = 1

    ended_by = None


@pytest.mark.parametrize(
    ("seconds", "cut_short", "never"), [(3, True, False), (10, True, True), (3, False, True)]
)
def test_a_capture_that_is_stopped_early_has_not_waited(
    seconds: int, cut_short: bool, never: bool
) -> None:
    progress = Progress(coloured=False)
    progress.connection = SimpleNamespace(connections=(Waiting,))  # type: ignore[assignment]
    progress.end((100 + seconds) * SECOND, cut_short=cut_short)
    assert ([*progress.never_came], [*progress.not_waited_for]) == (
        (["ETHUSD"], []) if never else ([], ["ETHUSD"])
    )
    assert bool(progress.refused) is never


def test_trades_may_be_silent_once_they_are_acknowledged(tmp_path: Path) -> None:
    silent = {"feeds": ["recentTradeUpdate"], "misbehave": "drop/1"}
    with simulators.start("ethgas", **silent) as simulator:
        ran = capture(simulator, tmp_path / "c.jsonl", *SHORT)
    assert ran.exit_code == 0, ran.stdout
