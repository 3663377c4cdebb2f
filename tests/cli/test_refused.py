"""`payloads capture` of what a venue refuses: all of it, or a part."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from payloads import simulators
from payloads.capture.frames import Delivery, Incident
from payloads.capture.reader import read_records
from payloads.capture.writer import CaptureWriter
from payloads.cli.capture_progress import Progress
from payloads.cli.capture_summary import summary_lines
from payloads.cli.main import main
from payloads.venues.common.session import Rejected, Unknown

# All of these end by themselves; the time is for a test that fails.
WITHIN = ("--for", "20s")
NOT_THERE = "not in the taxonomy, as far as this token may see it"
NO_TOKEN = "the token is not valid, and nothing can renew it"
BAD_TOKEN = {"PAYLOADS_ETHGAS_ACCESS_TOKEN": "a-token-of-nobody"}
PUBLIC, PRIVATE = "orderBookUpdate:wholeBlock", "preconfBundleUpdate"


def capture(venue: str, *arguments: str, path: Path, **environment: str) -> Result:
    with simulators.start(venue, rate=50) as simulator:
        own = {} if venue == "ethgas" else simulator.environment
        return CliRunner(env=own | environment).invoke(
            main, ["capture", venue, *arguments, "--endpoint", simulator.base, "-o", str(path)]
        )


def given_up(path: Path) -> list[str]:
    found = (one for one in read_records(path) if isinstance(one, Incident))
    return [one.detail["why"] for one in found if one.what == "gave up"]


@pytest.mark.parametrize(
    ("venue", "what", "refused", "code"),
    [
        ("finery", ["B:NOPE-X", "F:NOPE-Y"], {"B:NOPE-X": "103: bad feed id",
                                               "F:NOPE-Y": "103: bad feed id"}, "103"),
        ("ethgas", [PRIVATE], {PRIVATE: NO_TOKEN}, "no token"),
        ("stork", ["NOPE"], {"NOPE": NOT_THERE}, "no such asset"),
    ],
)  # fmt: skip
def test_where_nothing_is_left_the_capture_ends(
    venue: str, what: list[str], refused: dict[str, str], code: str, tmp_path: Path
) -> None:
    wrong = BAD_TOKEN if venue == "ethgas" else {}
    ran = capture(venue, *what, *WITHIN, "--json", path=tmp_path / "c.jsonl", **wrong)
    summary = json.loads(ran.stdout)
    assert (ran.exit_code, summary["refused"]) == (1, refused)
    assert code in summary["refusals"]
    (why,) = given_up(tmp_path / "c.jsonl")
    assert summary["ended"] == f"given up: {why}"
    assert why == f"{', '.join(refused)} ({refused[what[0]]})"
    assert f"refused, {code}" in ran.stderr


@pytest.mark.parametrize(
    ("venue", "what", "refused"),
    [
        ("finery", ["B:NOPE-X", "B:BTC-USD"], "B:NOPE-X (103: bad feed id)"),
        ("ethgas", [PRIVATE, PUBLIC], f"{PRIVATE} ({NO_TOKEN})"),
        ("stork", ["NOPE", "BTCUSD"], f"NOPE ({NOT_THERE})"),
    ],
)
def test_where_something_is_left_the_capture_goes_on(
    venue: str, what: list[str], refused: str, tmp_path: Path
) -> None:
    wrong = BAD_TOKEN if venue == "ethgas" else {}
    ran = capture(venue, *what, *WITHIN, "--frames", "12", path=tmp_path / "c.jsonl", **wrong)
    assert ran.exit_code == 1
    assert "as many as were asked for" in ran.stdout
    assert f"will not come            {refused}" in ran.stdout
    assert given_up(tmp_path / "c.jsonl") == []


def test_an_error_of_stork_s_is_a_refusal(tmp_path: Path) -> None:
    """It does not say which subscription it is about; the capture goes on."""
    ran = capture("stork", "60000", "--frames", "1", *WITHIN, path=tmp_path / "c.jsonl")
    assert "refused, error: assets[0]: no such asset" in ran.stderr
    assert "will not come            60000 (error: assets[0]: no such asset" in ran.stdout
    assert ran.exit_code == 1


def test_what_a_venue_says_does_nothing_to_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    progress = Progress(coloured=False)
    progress.refused = {"B:1": "\x1b[1A"}
    event = Rejected("\x1b[2J", "gone\r\x07", "\ud800", "\u202e")
    progress.count(Delivery(1, 1, None, (event, Unknown(None, b"\x1b]0;\xff"))))
    with CaptureWriter(tmp_path / "c.jsonl") as writer:
        summary = click.unstyle("".join(summary_lines(progress.summary(writer))))
    told = capsys.readouterr().err
    assert r"refused, \x1b[2J (\u202e): gone\r\x07: \ud800" in told
    assert r"unknown message: \x1b]0;" in told
    assert r"1× \x1b[2J" in summary
    assert r"B:1 (\x1b[1A)" in summary
    assert (told.replace("\n", "") + summary).isprintable()


def test_an_origin_that_says_no_is_told_and_the_other_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    with simulators.start("chainlink", rate=50) as venue:
        venue.refuse(401)
        ran = CliRunner(env=venue.environment).invoke(
            main, [*venue.capture(str(path)), "--set", "ha=yes", *WITHIN, "--frames", "200"]
        )
    assert ran.exit_code == 1
    assert "as many as were asked for" in ran.stdout
    assert "will not come            connection" in ran.stdout
    assert "of 2 (HTTP 401: " in ran.stdout
    assert len(given_up(path)) == 1


def test_where_nothing_is_refused_nothing_is_said_of_it(tmp_path: Path) -> None:
    ran = capture("finery", "B:BTC-USD", *WITHIN, "--frames", "3", path=tmp_path / "c.jsonl")
    assert ran.exit_code == 0, ran.stderr
    assert "will not come" not in ran.stdout
    assert "refused                  never" in ran.stdout
