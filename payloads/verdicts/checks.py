"""The engine that runs a contract's checks, and the records that it and its readers share.

A system describes each check once, as a `Step`, and strings them together in `Stage`s, in the
contract's order. The table is used twice. `running` makes the checks until one stops, and does
nothing else: that is the verdict. `explain` makes all of them, each regardless of the others, and
says what each saw.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec.structs
from hexbytes import HexBytes
from msgspec import field

from payloads.abi.fields import Record
from payloads.errors import Malformed
from payloads.verdicts.contract_errors import read_revert
from payloads.verdicts.signers import Asked

# --- what a system describes ----------------------------------------------------------------------


class Stop(Exception):
    """A contract's check that failed: the revert data, and why in words. Never leaves a `judge`."""

    def __init__(self, data: bytes, why: str = "") -> None:
        super().__init__(why)
        self.data = data
        self.why = why


class Step(Record, frozen=True):
    """A check of a contract, as a system describes it.

    `run` raises `Stop`, or a decoder's `Malformed`, where the contract would revert. It may keep
    what it finds out in its subject, for later steps. `rule` is the check in words, `inputs` what
    it is applied to. The attributes that `needs` names must not be None, or the step is not made.
    `blames` finds the index of the payload that fails a step of the whole call. `signatures` are
    those that `run` is going to ask the signers of; to know them is not necessary, but faster.
    """

    name: str
    rule: str
    run: Callable[[Any], None]
    inputs: Callable[[Any], dict[str, Any]]
    needs: tuple[str, ...] = ()
    blames: Callable[[Any], int | None] = lambda subject: None
    signatures: Callable[[Any], Sequence[Asked]] | None = None


class Stage(Record, frozen=True):
    """Steps that are made for the call, or (`each`) for one of its `items` after the other.

    Whatever they revert with becomes `hidden_as`, where that is given.
    """

    steps: tuple[Step, ...]
    each: bool = True
    hidden_as: bytes | None = None

    def subjects(self, call: Any) -> Sequence[Any]:
        """The arguments that each step is run with."""
        return call.items if self.each else (call,)


# --- the verdict ----------------------------------------------------------------------------------


def running(stages: Iterable[Stage], call: Any) -> Generator[Sequence[Asked], None, bytes | None]:
    """The revert data, or None if every check passes: the contract's answer and nothing more.

    It pauses before a step that asks for signers, and says of which signatures. Then many calls can
    be judged together, and all their signers be recovered at once (`payloads.verdicts.together`).
    """
    for stage in stages:
        try:
            for subject in stage.subjects(call):
                for step in stage.steps:
                    if step.signatures is not None:
                        yield step.signatures(subject)
                    step.run(subject)
        except (Stop, Malformed) as error:
            return _revert_data(stage, error)
    return None


def running_together(
    stages: Iterable[Stage], calls: Sequence[Any]
) -> Generator[Sequence[Asked], None, list[bytes | None]]:
    """The same for calls that have these stages, and one item each where a stage is for items.

    Each step is made for all calls that go on before the next step is: one pause is for all.
    """
    answers: list[bytes | None] = [None] * len(calls)
    going = dict(enumerate(calls))
    for stage in stages:
        subjects = {at: stage.subjects(call)[0] for at, call in going.items()}
        for step in stage.steps:
            if (asks := step.signatures) is not None:
                yield [each for subject in subjects.values() for each in asks(subject)]
            run, stopped = step.run, []
            for at, subject in subjects.items():
                try:
                    run(subject)
                except (Stop, Malformed) as error:
                    answers[at] = _revert_data(stage, error)
                    stopped.append(at)
            for at in stopped:
                del subjects[at], going[at]
    return answers


def _revert_data(stage: Stage, error: Stop | Malformed) -> bytes:
    data = error.data if isinstance(error, Stop) else error.revert_data
    if data is None:
        raise error  # more bytes than any block carries: no chain has an answer to that
    return data if stage.hidden_as is None else stage.hidden_as


# --- the explanation ------------------------------------------------------------------------------


class Check(Record, frozen=True, omit_defaults=True):
    """A check that the contract makes: the rule, what it was applied to, and how it went.

    `passed` is None where the contract could not have asked, because something it needs is missing.
    `decided` marks the check that the chain stops at; `payload` is the index in a bulk call.

    msgspec writes one as `jsonable` does: what is None is left out, and `field` keeps all else.
    """

    name: str
    rule: str
    inputs: dict[str, Any]
    passed: bool | None = None
    detail: str = field(default_factory=str)
    revert: str = field(default_factory=str)
    decided: bool = field(default_factory=bool)
    payload: int | None = None

    def __str__(self) -> str:
        mark = {True: "ok  ", False: "FAIL", None: "-   "}[self.passed]
        which = "" if self.payload is None else f"payload {self.payload}: "
        detail = f": {self.detail}" if self.detail else ""
        revert = f" [{self.revert}{', decides' if self.decided else ''}]" if self.revert else ""
        return f"{mark} {which}{self.name}{detail}{revert}"


class Finding(Record, frozen=True, omit_defaults=True):
    """A fact that a user must hear whatever the verdict; `code` is stable."""

    code: str
    severity: str
    sentence: str
    reference: str
    detail: str = field(default_factory=str)
    payload: int | None = None

    def __str__(self) -> str:
        which = "" if self.payload is None else f" (payload {self.payload})"
        detail = f": {self.detail}" if self.detail else ""
        return f"{self.severity} {self.code}{which}: {self.sentence}{detail}"


class Hazard(Record, frozen=True):
    """A kind of finding. Severities: `danger`, `warning`, `note`."""

    code: str
    severity: str
    sentence: str
    reference: str

    def found(self, detail: str = "", payload: int | None = None) -> Finding:
        return Finding(self.code, self.severity, self.sentence, self.reference, detail, payload)


class Bill(Record, frozen=True):
    """The fee of a call in one token, in the token's smallest unit."""

    token: HexBytes
    amount: int


class Explanation(Record, frozen=True):
    """The checks of a call, the findings on it, and what it is billed beside the value sent.

    `good_until` is the last block time at which the call is not worse for being late: no payload
    in it has expired. None is any time.
    """

    checks: tuple[Check, ...] = ()
    findings: tuple[Finding, ...] = ()
    bills: tuple[Bill, ...] = ()
    good_until: int | None = None


# A block's gas is used up by some 600 payloads of a bulk call. What comes later is never asked, and
# a list of its checks would take fifty times the memory of the call.
MOST_EXPLAINED = 1_000
_SKIPPED = f"not asked: only the first {MOST_EXPLAINED:,} payloads are explained"

# From a step's subject and its check, the check with more detail, and checks that belong beneath.
Detail = Callable[[Any, Check], Iterator[Check]]


def explain(stages: Iterable[Stage], call: Any, details: Mapping[str, Detail]) -> tuple[Check, ...]:
    """The checks of a call of which nothing is known yet. `details` are by the steps' names.

    Of a payload after the first `MOST_EXPLAINED` only the check is listed that the chain stops at.
    """
    found: list[Check] = []
    stopped = skipped = False
    for stage in stages:
        if skipped and not stage.each:  # it is about all payloads
            found += [Check(step.name, step.rule, {}, None, _SKIPPED) for step in stage.steps]
            continue
        for number, subject in enumerate(stage.subjects(call)):
            listed = number < MOST_EXPLAINED
            if stopped and not listed:
                skipped = True
                break
            for step in stage.steps:
                if not listed and _passes(step, subject):
                    continue
                check = _check(stage, step, subject)
                if check.revert and not stopped:  # the chain stops at the first that would revert
                    stopped = True
                    check = msgspec.structs.replace(check, decided=True)
                if step.name in details and check.passed is not None:
                    found += details[step.name](subject, check)
                else:
                    found.append(check)
                if not listed:
                    break
    return tuple(found)


def explain_passed(
    stages: Iterable[Stage], call: Any, details: Mapping[str, Detail]
) -> tuple[Check, ...]:
    """The same of a call that passed all checks, from what they found: none is made again.

    No check lacked what it needs, or a check before it would have failed.
    """
    found: list[Check] = []
    for stage in stages:
        for subject in islice(stage.subjects(call), MOST_EXPLAINED):
            index = subject.index if stage.each else None
            for step in stage.steps:
                check = Check(step.name, step.rule, step.inputs(subject), True, payload=index)
                if step.name in details:
                    found += details[step.name](subject, check)
                else:
                    found.append(check)
    return tuple(found)


def _lacks(step: Step, subject: Any) -> bool:
    for name in step.needs:  # noqa: SIM110  # which takes half the time of `any`
        if getattr(subject, name) is None:
            return True
    return False


def _not_asked(step: Step, subject: Any, index: int | None) -> Check:
    """The check that cannot be made, because something that it needs is missing."""
    missing = [name for name in step.needs if getattr(subject, name) is None]
    detail = f"not asked: there is no {' and no '.join(missing)}"
    return Check(step.name, step.rule, {}, None, detail, payload=index)


def _passes(step: Step, subject: Any) -> bool:
    try:
        step.run(subject)
    except (Stop, Malformed):
        return False
    return True


def _check(stage: Stage, step: Step, subject: Any) -> Check:
    index = subject.index if stage.each else None
    if step.needs and _lacks(step, subject):
        return _not_asked(step, subject, index)
    passed, detail, revert = _outcome(stage, step, subject)
    if not passed and not stage.each:
        index = step.blames(subject)
    return Check(step.name, step.rule, step.inputs(subject), passed, detail, revert, payload=index)


def _outcome(stage: Stage, step: Step, subject: Any) -> tuple[bool, str, str]:
    """Whether a step passes, why not, and the name of the error that it reverts with."""
    try:
        step.run(subject)
    except Stop as stop:
        data, why = stop.data, stop.why
    except Malformed as error:
        data, why = error.revert_data or b"", str(error)
    else:
        return True, "", ""
    name = read_revert(data).name
    if stage.hidden_as is not None:
        return False, f"{why} ({name}, which the verifier hides)", read_revert(stage.hidden_as).name
    return False, why, name
