"""The responder's trial: five venues with faults, mixed with files of other tools; then questions.

The answers are counted a second time by a plain loop over the same files.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import payloads
from payloads import PayloadError, State, simulators
from payloads.capture.frames import Frame
from payloads.capture.importers.any_file import import_frames, import_records
from payloads.capture.writer import CaptureWriter
from payloads.cli.main import main
from payloads.live import connect
from payloads.recognise import Decoded
from tests.capture.packets import Packets, opened, websocket
from tests.docs_code import ROOT

SECONDS = 4.0
FAULTS: dict[str, dict[str, Any]] = {
    "chainlink": {"rate": 1, "bad_share": 0.4, "misbehave": "duplicate%40,stall@12:1.2"},
    "stork": {"rate": 20, "bad_share": 0.1, "misbehave": "duplicate%10,corrupt%3:flip"},
    "finery": {"rate": 10, "misbehave": "drop/20"},
    "ethgas": {"rate": 10},
    "qfex": {"rate": 10, "misbehave": "reorder@20"},
}
OTHERS = ("chrome.har", "mitmproxy.flow", "websocat.log")
PACKETS: tuple[str, ...] = ("packets.pcapng",) if shutil.which("tshark") else ()
# So many of Stork's updates were seen on the wire, too, a moment later.
WIRETAPPED = 10


async def capture_all(folder: Path) -> dict[str, State]:
    async with contextlib.AsyncExitStack() as stack:
        venues = {
            name: await stack.enter_async_context(simulators.make(name, seed=7, **options))
            for name, options in FAULTS.items()
        }
        async with asyncio.TaskGroup() as group:
            for name, venue in venues.items():
                group.create_task(capture(venue, folder / f"{name}.jsonl.gz"))
        signed: dict[str, Any] = {name: venues[name] for name in ("chainlink", "stork")}
        return {name: venue.state() for name, venue in signed.items()}


async def capture(venue: Any, path: Path) -> None:
    with CaptureWriter(path, venue=venue.venue, asked={}) as recorder:
        async with connect(venue.session(), recorder=recorder) as connection:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SECONDS):
                    async for _ in connection:
                        pass


class Trial:
    def __init__(self, home: Path) -> None:
        self.captures, self.states, self.out = (home / name for name in ("in", "states", "out"))
        self.captures.mkdir()
        self.states.mkdir()
        self.known = asyncio.run(capture_all(self.captures))
        for name, state in self.known.items():
            (self.states / f"{name}.json").write_text(json.dumps(state.to_dict()))
        for other in OTHERS:
            shutil.copy(ROOT / "tests" / "capture" / "fixtures" / other, self.captures)
        for name in PACKETS:
            (self.captures / name).write_bytes(wiretapped(self.captures / "stork.jsonl.gz"))
        self.scanned = run("scan", self.captures, "--state", self.states, "-o", self.out, "-j", "1")
        self.said = run("report", self.out, "--no-html")
        self.figures = json.loads(run("report", "--json", self.out).stdout)


def wiretapped(capture: Path) -> bytes:
    """Packets with the first updates of a capture, received again in two segments each."""
    frames = (frame for frame in import_frames(capture) if frame.direction == "in")
    first = [frame for frame in frames if b"signed_ecdsa" in frame.raw][:WIRETAPPED]
    assert len(first) == WIRETAPPED
    packets = Packets(first[-1].at)
    tcp = opened(packets, host="fast.jp.stork-oracle.network")
    for frame in first:
        tcp.send(False, websocket(1, frame.raw), 100)
    return packets.content


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments)])


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return Trial(tmp_path_factory.mktemp("trial"))


def frames(trial: Trial) -> Iterator[tuple[str, Frame]]:
    """Every received message of the files, one by one."""
    for path in sorted(trial.captures.iterdir()):
        with path.open("rb") as stream:
            for _, record in import_records(stream):  # type: ignore[arg-type, unused-ignore]
                if isinstance(record, Frame) and record.direction == "in" and record.is_message:
                    yield path.name, record


class Seen:
    """A payload with what the plain loop found out about it."""

    def __init__(self, path: str, at: int, key: bytes, found: Decoded, good: bool) -> None:
        self.path, self.at, self.key, self.found, self.good = path, at, key, found, good


def plainly(trial: Trial) -> Iterator[Seen]:
    """Every signed payload with its verdict, one by one."""
    for path, frame in frames(trial):
        try:
            found = payloads.decode(frame.data)
        except PayloadError:
            continue
        if found.system not in trial.known or not hasattr(found.value, "signing_digest"):
            continue
        verdict = payloads.judge(found.value, trial.known[found.system], now=frame.at // 10**9)
        yield Seen(path, frame.at, bytes(found.value.signing_digest), found, verdict.passed)


def test_everything_was_read(trial: Trial) -> None:
    inputs = {Path(each["path"]).name: each for each in trial.figures["scan"]["list"]}
    assert set(inputs) == {*(f"{name}.jsonl.gz" for name in FAULTS), *OTHERS, *PACKETS}
    for name, source in inputs.items():
        assert source["frames"] > 0, (name, source)
    venues = {row["venue"] for row in trial.figures["frames"]["venues"]}
    assert venues >= set(FAULTS)


def first_signed(trial: Trial) -> Any:
    answers = trial.figures["answers"]
    return answers["first_signed"] or answers["first_bad"]


def test_what_was_the_first_bad_report(trial: Trial) -> None:
    first = min((seen for seen in plainly(trial) if not seen.good), key=lambda seen: seen.at)
    answer = first_signed(trial)
    assert (answer["at"], Path(answer["place"]["path"]).name) == (first.at, first.path)
    assert answer["wrong"]
    assert first.path in trial.said.stdout
    assert trial.figures["answers"]["first_bad"]["at"] <= first.at, "damage may come before it"


def test_who_signed_it_and_was_it_relayed_twice(trial: Trial) -> None:
    answer = first_signed(trial)
    same = [each for each in plainly(trial) if "0x" + each.key.hex() == answer["signed_hash"]]
    assert answer["times"] == len(same)
    assert [copy["at"] for copy in answer["copies"]] == sorted(each.at for each in same)
    signers = [found.address for found in payloads.recover(same[0].found.value)]
    assert signers
    assert [each["signer"] for each in answer["signers"]] == [
        None if address is None else address.lower() for address in signers
    ]
    for address in filter(None, signers):
        assert address.lower() in trial.said.stdout


def test_all_verdicts_and_repeats_are_those_of_the_plain_loop(trial: Trial) -> None:
    seen = list(plainly(trial))
    assert trial.figures["verdicts"]["passed"] == sum(each.good for each in seen)
    keys = [each.key for each in seen]
    repeated = {key for key in keys if keys.count(key) > 1}
    assert len(repeated) > 3, "duplicates were planted"
    assert trial.figures["repeats"]["count"] == len(repeated)
    assert trial.figures["repeats"]["copies"] == len(keys) - len(set(keys))


def test_for_how_long_was_each_feed_silent(trial: Trial) -> None:
    times: dict[str, list[int]] = {}
    for each in plainly(trial):
        if each.found.system == "chainlink" and hasattr(each.found.value.report, "feed_id"):
            times.setdefault("0x" + each.found.value.report.feed_id.hex(), []).append(each.at)
    assert times
    for row in trial.figures["feeds"]["list"]:
        if row["feed"] in times:
            at = sorted(times[row["feed"]])
            assert row["silence_ns"] == max(b - a for a, b in itertools.pairwise(at))
    longest = max(row["silence_ns"] or 0 for row in trial.figures["feeds"]["list"])
    assert longest > 10**9, "the venue was silent for 1.2 s"


@pytest.mark.skipif(not PACKETS, reason="tshark is not installed (Debian's package tshark)")
def test_what_was_on_the_wire_was_relayed_twice(trial: Trial) -> None:
    seen = list(plainly(trial))
    wired = {each.key for each in seen if each.path == PACKETS[0]}
    assert len(wired) > WIRETAPPED // 2, "damaged and doubled ones are among them"
    assert wired <= {each.key for each in seen if each.path == "stork.jsonl.gz"}
    ran = run("diff", "--json", trial.captures / "stork.jsonl.gz", trial.captures / PACKETS[0])
    assert json.loads(ran.stdout)["both"]["count"] == len(wired)


def test_the_planted_kinds_are_found(trial: Trial) -> None:
    codes = {row["code"] for row in trial.figures["findings"]["codes"]}
    assert {"duplicate", "malformed", "refused", "unknown-signer", "incomplete-file"} <= codes


def test_files_without_a_folder_give_the_same_figures(trial: Trial) -> None:
    ran = run("report", "--json", trial.captures, "--state", trial.states)
    figures = json.loads(ran.stdout)
    for part in ("frames", "payloads", "verdicts", "findings", "repeats"):
        assert figures[part] == trial.figures[part], part


def test_the_same_traffic_is_accepted_by_what_was_inferred(trial: Trial, tmp_path: Path) -> None:
    assert run("signers", trial.captures, "-o", tmp_path / "inferred").exit_code == 0
    again = run("scan", trial.captures, "--state", tmp_path / "inferred", "-o", tmp_path / "out",
                "-j", "1")  # fmt: skip
    assert again.exit_code in (0, 1), again.output
    ours = json.loads(run("report", "--json", tmp_path / "out").stdout)

    def accepted(figures: Any, system: str) -> int:
        return sum(row["count"] for row in figures["verdicts"]["list"]
                   if row["verdict"] == "accepted" and system in row["state"])  # fmt: skip

    assert accepted(ours, "chainlink") >= accepted(trial.figures, "chainlink") > 10
    assert accepted(ours, "stork") >= accepted(trial.figures, "stork") > 10


def test_the_answers_can_be_read_from_the_page(trial: Trial) -> None:
    if os.environ.get("PAYLOADS_BROWSER") != "1":
        pytest.skip("opens Chromium: make test-page")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    from tests.forensics.test_page import CHROMIUM, Opened

    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    assert run("report", trial.out).exit_code == 0
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = Opened(browser.new_context(offline=True), trial.out / "report.html")
        assert opened.said == []
        answer = first_signed(trial)
        said = opened.page.locator("#panel-summary").inner_text()
        assert Path(answer["place"]["path"]).name in said
        for each in answer["signers"]:
            assert each["signer"] in said
        times = "once" if answer["times"] == 1 else f"{answer['times']} times"
        assert times in said
        browser.close()
