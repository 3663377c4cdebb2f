"""Start the runners, let them warm up, and let them take turns."""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from statistics import median, quantiles
from typing import Any

from benchmarks import cores
from benchmarks.kits import INPUTS, ROOT, Command, Missing, say
from benchmarks.rows import Row
from benchmarks.runners.loop import MANY, fingerprint_of, many_reports

# A runner that answers nothing for so long is stuck; the slowest answers in a few seconds.
PATIENCE = 120.0
MOST_PER_TURN = 10_000_000


class Broken(Exception):
    """A runner died, hung or spoke out of turn."""


class Wrong(Exception):
    """A runner's values are not the published ones: its times mean nothing."""


class Child:
    """One runner's process, kept for the whole run."""

    def __init__(self, command: Command) -> None:
        # Its standard error goes to a file: nobody would empty a pipe in time.
        self.complaints = tempfile.TemporaryFile(mode="w+", encoding="utf-8")  # noqa: SIM115
        self.process = subprocess.Popen(
            list(command),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.complaints,
            text=True,
            encoding="utf-8",
        )
        self.what = str(self.listen()["what"])

    def listen(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        watchdog = threading.Timer(PATIENCE, self.process.kill)
        watchdog.start()
        try:
            line = self.process.stdout.readline()
        finally:
            watchdog.cancel()
        try:
            answer = json.loads(line)
        except ValueError as error:
            raise Broken(self.last_words()) from error
        return dict(answer)

    def last_words(self) -> str:
        self.process.kill()
        status = self.process.wait()
        self.complaints.seek(0)
        lines = self.complaints.read().strip().splitlines()
        return lines[-1][:100] if lines else f"it ended with status {status}"

    def run(self, count: int) -> dict[str, Any]:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(f"run {count}\n")
            self.process.stdin.flush()
        except OSError as error:
            raise Broken(self.last_words()) from error
        return self.listen()

    def close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.complaints.close()


@dataclass
class Result:
    """What became of one row. `note` says why there are no times, where there are none."""

    row: Row
    what: str = ""
    note: str = ""
    wrong: bool = False
    turns: int = 0
    fields: int = 0
    # Of a row that speaks of two cores: the windows that its rounds were measured in.
    windows: cores.Windows[None] | None = None
    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return median(self.seconds)

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles, as a share of the median."""
        if len(self.seconds) < 2:
            return 0.0
        low, _, high = quantiles(self.seconds, n=4)
        return (high - low) / 2 / self.median


def expected(row: Row) -> Mapping[str, str]:
    """The published values that this row must give."""
    inputs = json.loads(INPUTS.read_text(encoding="utf-8"))
    section = row.section
    if section == "import":
        return {"exit status": "0"}
    if section == "bulk":
        return {"accepted": str(MANY), "returned": fingerprint_of(many_reports())}
    if section in ("verdict", "guard") and row.key != "recoveries":
        return {"accepted": "True", "returned": inputs["fields"]["report_blob"]}
    if section == "decode":
        return dict(inputs["fields"])
    if section == "keccak":
        return {"digest": inputs["digest"]}
    signers = inputs["signers"][: 1 if row.group.endswith("one") else None]
    return {str(index): signer for index, signer in enumerate(signers)}


def compare(found: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """A rival may give fewer fields, and the table says how many; never another value."""
    if not found:
        raise Wrong("it gave no values")
    for name, value in found.items():
        if wanted.get(name) != value:
            raise Wrong(f"{name} is {value!r}, published {wanted.get(name)!r}")


@dataclass
class Runner:
    """A row's process, how often it works in one turn, and what it must give."""

    result: Result
    child: Child
    wanted: Mapping[str, str]

    def turn(self, count: int) -> float:
        answer = self.child.run(count)
        compare(answer["check"], self.wanted)
        self.result.fields = len(answer["check"])
        return float(answer["seconds"])

    def warm_up(self, target: float) -> None:
        """Find how many times fill a turn of `target` seconds; by then it is warm, too."""
        self.turn(1)  # what is loaded at the first call must not be taken for its pace
        count, seconds = 1, self.turn(1)
        while seconds < target and count < MOST_PER_TURN:
            growth = min(20.0, 1.1 * target / max(seconds, 1e-9))
            count = max(count + 1, int(count * growth))
            seconds = self.turn(count)
        self.result.turns = max(1, round(count * target / seconds))
        self.turn(self.result.turns)

    def measure(self) -> None:
        self.result.seconds.append(self.turn(self.result.turns) / self.result.turns)


def give_up(result: Result, reason: str, wrong: bool = False) -> None:
    result.note, result.wrong = reason, wrong
    result.seconds.clear()
    say(f"benchmarks: {result.row.label}: {reason}")


def start(row: Row, target: float) -> tuple[Result, Runner | None]:
    result = Result(row)
    try:
        runner = Runner(result, Child(row.kit.prepare()), expected(row))
    except (Missing, Broken, OSError) as reason:
        give_up(result, str(reason))
        return result, None
    result.what = runner.child.what
    try:
        runner.warm_up(target)
    except (Broken, Wrong) as reason:
        give_up(result, str(reason), isinstance(reason, Wrong))
        runner.child.close()
        return result, None
    return result, runner


def take_turns(runners: Sequence[Runner]) -> None:
    """A round, A B C: whatever slows the machine down meets everybody alike."""
    for runner in runners:
        if runner.result.note:
            continue
        try:
            runner.measure()
        except (Broken, Wrong) as reason:
            give_up(runner.result, str(reason), isinstance(reason, Wrong))


def take_turns_on_two_cores(runners: Sequence[Runner], rounds: int) -> None:
    """Rounds in windows. If the second core was free in some of them, only those count."""
    found = cores.windows(lambda: take_turns(runners), wanted=rounds, most=3 * rounds)
    if not found.tries:
        take_turns(runners)
    for runner in runners:
        result = runner.result
        result.windows = found
        if found.kept:
            result.seconds = list(compress(result.seconds, found.free))


def measure_group(
    rows: Sequence[Row], rounds: int, target: float, two_cores: bool = False
) -> list[Result]:
    started = [start(row, target) for row in rows]
    runners = [runner for _, runner in started if runner is not None]
    try:
        if two_cores:
            take_turns_on_two_cores(runners, rounds)
        else:
            for _ in range(rounds):
                take_turns(runners)
    finally:
        for runner in runners:
            runner.child.close()
    return [result for result, _ in started]


def ratio(rival: Result, ours: Result) -> float:
    """How many times our time the rival takes: the median of the rounds' own ratios."""
    return median(theirs / mine for theirs, mine in zip(rival.seconds, ours.seconds, strict=True))


def seconds_more(one: Result, floor: Result) -> float:
    """How much longer than the floor it takes: the median of the rounds' own differences."""
    return median(a - b for a, b in zip(one.seconds, floor.seconds, strict=True))
