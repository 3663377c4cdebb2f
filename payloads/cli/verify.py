"""`payloads verify`: what the contract would do with payloads, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any

import click
import msgspec.structs

from payloads import systems
from payloads.abi.calldata import decode_call, function_named
from payloads.abi.fields import json_object
from payloads.chain.reading.states import States
from payloads.cli import terminal
from payloads.cli.chain_options import load_states_then, pay_option, state_options
from payloads.cli.run import Run, command_options, guarded, jobs_option
from payloads.cli.sources import Item
from payloads.cli.verdict_text import VerdictTexts
from payloads.errors import Malformed, Misuse, PayloadError, elide
from payloads.inputs import to_bytes
from payloads.judging import Given, given, judging_given, system_for
from payloads.system import System, Terms
from payloads.verdicts import words
from payloads.verdicts.checks import Check
from payloads.verdicts.signers import Asked, Signers
from payloads.verdicts.state import State
from payloads.verdicts.together import Asking, Judgement, begun, finish
from payloads.verdicts.verdict import Verdict

_MARKS = {True: ("ok  ", "green"), False: ("FAIL", "red"), None: ("-   ", "bright_black")}
_SEVERITIES = {"danger": "red", "warning": "yellow", "note": "cyan"}


def wei(text: str) -> int:
    """An amount of wei from the command line."""
    if not text.isascii() or not text.isdecimal() or len(text) > 78:
        raise Misuse("not an amount of wei", field="--value", found=repr(text))
    return int(text)


def _function(system: System, state: State, name: str | None) -> str:
    try:
        return function_named(system.calldata_functions, name).name
    except Misuse as error:
        expected = f"{error.expected} ({state.contract})"
        raise Misuse(error.reason, field="--call", expected=expected, found=name) from None


@click.command(short_help="Say what the contract would do, and why.")
@command_options
@state_options
@click.option(
    "--origin", metavar="ADDRESS", help="Who signs the transaction (default: the sender)."
)
@pay_option
@click.option(
    "--value", metavar="WEI", help="Wei sent along (default: the fee with --pay native, else 0)."
)
@click.option(
    "--call",
    metavar="NAME",
    help="verify (the default) or verifyBulk; for Stork verifySignedECDSAPayload (the default) "
    "or verifyAndDeserializeSignedECDSAPayload.",
)
@click.option("--brief", is_flag=True, help="One line a payload: the verdict alone.")
@click.option("--only-refused", is_flag=True, help="Print only what is refused.")
@jobs_option
@guarded
def verify(
    sources: tuple[str, ...],
    as_json: bool,
    colour: str,
    state_path: str,
    now: str | None,
    at: str | None,
    sender: str | None,
    origin: str | None,
    pay: str | None,
    value: str | None,
    call: str | None,
    brief: bool,
    only_refused: bool,
    jobs: int,
) -> None:
    """Say what the contract would do with payloads, and why: offline, exactly.

    The verdict comes first, then every check in the contract's own order, then everything that is
    wrong, what to know even if it is accepted, and which state was used. --brief prints the verdict
    alone, on one line, and --only-refused nothing for what is accepted. The inputs are payloads,
    frames, or whole calldata. Exit code 0: all accepted; 1: at least one refused or malformed.
    --state may be a folder of state files: each payload is judged with the only state whose
    contract may know it, by its system and its digest.

    \b
    Examples:
      payloads verify --state fixtures/examples/state.json fixtures/examples/report.hex
      payloads verify --state states/ report.hex
      payloads verify --state state.json --pay native report.hex
      payloads verify --state state.json --now now 0x0006f9b5…
      payloads verify --state state.json --at 2024-07-30T14:16:00Z report.hex
      cat frames.jsonl | payloads verify --state state.json --json | jq .verdict
      payloads verify --state states/ --brief --only-refused frames.jsonl
      payloads verify --state state.json --call verifyBulk --pay link a.hex b.hex
    """
    run = Run(as_json, colour)
    show = _Show(run, brief, only_refused)
    states, time = load_states_then(state_path, at, now)

    calls: dict[int, _Call] = {}
    signers = Signers()

    def call_of(state: State) -> _Call:
        if id(state) not in calls:
            calls[id(state)] = made(state)
        return calls[id(state)]

    def made(state: State) -> _Call:
        system = systems.of_state(state)
        terms = Terms(
            function=_function(system, state, call),
            pay=pay,
            value=None if value is None else wei(value),
            sender=sender,
            origin=origin,
            now=time,
        )
        return _Call(state, system, terms, signers)

    if isinstance(states, State):
        call_of(states)
    together: list[tuple[_Call, bytes]] = []

    def act(item: Item) -> Iterator[Iterable[Asked]]:
        going: list[tuple[Given, Asking[Verdict] | None]] = []
        asked: list[Asked] = []
        failed: PayloadError | None = None
        try:
            for found in given(item.value):
                judgement = begin(found, item) if found.error is None else None
                if judgement is not None:
                    first, judgement = begun(judgement)
                    asked += first
                going.append((found, judgement))
        except PayloadError as error:  # to be told behind the verdicts on payloads before it
            failed = error
        yield asked
        verdicts: list[tuple[Given, Verdict | None]] = []
        try:
            for found, judgement in going:
                verdict = None if judgement is None else finish(judgement, signers)
                verdicts.append((found, verdict))
        except PayloadError as error:
            failed = error
        yield ()
        for found, verdict in verdicts:
            if found.error is not None:
                run.fail_at(item, found.error)
            elif verdict is not None:
                show.verdict(verdict, item, found.raw)
        if failed is not None:
            raise failed

    def begin(found: Given, item: Item) -> Asking[Verdict] | None:
        """The judgement of a payload; None if it is one of several of a call."""
        judged = call_of(_state_of(found, states))
        if found.system not in ("", judged.system.name):
            system_for(found, judged.state)  # which refuses it
        if judged.takes_many and not found.is_call:
            together.append((judged, found.raw))
            return None
        terms = _with_parameter(judged.terms, found, item)
        if found.is_call:  # calldata names its function itself
            terms = msgspec.structs.replace(terms, function=None)
        elif terms is judged.terms and (each := judged.each) is not None:
            return each(found.raw)
        return judging_given(found, judged.system, judged.state, terms, signers)

    # Payloads of one call are judged together, here.
    run.each_together(sources, act, signers, jobs if call is None else 1)
    if together and not run.failed:
        _judge_together(show, together)
    elif together:
        error = Malformed(
            "not judged: some payloads of the call could not be read", field="payloads"
        )
        run.fail(str(together[0][0].terms.function), error)
    run.finish()


def _with_parameter(terms: Terms, found: Given, item: Item) -> Terms:
    """The terms, with the parameter payload of the call that a payload was taken from."""
    parameter = item.more.get("parameter_payload", "")
    if found.is_call or terms.pay is not None or len(parameter) <= 2:
        return terms
    return msgspec.structs.replace(terms, pay=to_bytes(parameter, name="parameter_payload"))


class _Call:
    """The terms of a call to the contract of a state."""

    def __init__(self, state: State, system: System, terms: Terms, signers: Signers) -> None:
        self.state, self.system, self.terms, self._signers = state, system, terms, signers
        self.takes_many = function_named(system.calldata_functions, terms.function).takes_many

    @cached_property
    def each(self) -> Callable[[bytes], Judgement] | None:
        """A function that makes the judgement of a payload, if the system has such a function."""
        start = self.system.judging_each
        return None if start is None else start(self.state, self.terms, self._signers)


def _state_of(found: Given, states: State | States) -> State:
    """The state. Of several, the only state whose contract may know the payload."""
    if isinstance(states, State):
        return states
    if not found.is_call:
        return states.for_payload(found.raw, found.system)
    functions = systems.named(found.system).calldata_functions
    first = next(iter(decode_call(functions, found.raw).payloads), b"")
    return states.for_payload(first, found.system)


def _judge_together(show: _Show, together: list[tuple[_Call, bytes]]) -> None:
    """One call with all payloads; `Misuse` if they are for several contracts."""
    judged = together[0][0]
    if any(each is not judged for each, _ in together):
        raise Misuse("the payloads of one call are for several contracts", field="--state")
    where = f"{judged.terms.function} of {len(together)} payloads"
    raws = [raw for _, raw in together]
    verdict = judged.system.judge(raws, judged.state, judged.terms)
    show.verdict(verdict, Item(where, ""), raws)


class _Show:
    """The results of a run, as much of them as is wanted."""

    def __init__(self, run: Run, brief: bool, only_refused: bool) -> None:
        self._run, self._brief, self._only_refused = run, brief, only_refused
        self._texts = VerdictTexts()

    def verdict(self, verdict: Verdict, item: Item, judged: bytes | list[bytes]) -> None:
        """A verdict on what was judged, which JSON has, too."""
        run = self._run
        run.failed += not verdict.accepted
        if verdict.accepted and self._only_refused:
            return
        if run.as_json:
            self._json(verdict, item, judged)
        elif self._brief:
            run.lines([headline(verdict, item.place)])
        else:
            run.lines(verdict_lines(verdict, item.place))

    def _json(self, verdict: Verdict, item: Item, judged: bytes | list[bytes]) -> None:
        run = self._run
        if isinstance(judged, bytes) and not self._brief and not run.numbers:
            text = self._texts.text(verdict, judged)
            if text is not None:
                run.record_text(text, item.origin)
                return
        record = verdict.to_dict(brief=self._brief) | {"passed": verdict.passed}
        name = "hex" if isinstance(judged, bytes) else "payloads"
        run.record(record | json_object({name: judged}) | item.origin)


# --- words for a person ---------------------------------------------------------------------------


def verdict_lines(verdict: Verdict, where: str) -> Iterator[str]:
    """The verdict, the checks, what is wrong, findings, and the state."""
    yield headline(verdict, where)
    yield "checks, in the contract's order"
    for check in verdict.checks:
        yield f"  {_check_line(check)}"
    if verdict.problems:
        yield "everything that is wrong"
        for check in verdict.problems:
            yield f"  {check.name}{_which(check.payload)}: {check.rule}"
            if check.detail:
                yield f"    {check.detail}"
    if verdict.findings:
        yield "findings"
        for finding in verdict.findings:
            severity = terminal.style(finding.severity, fg=_SEVERITIES.get(finding.severity))
            detail = f": {finding.detail}" if finding.detail else ""
            which = _which(finding.payload)
            yield f"  {severity} {finding.code}{which}: {finding.sentence}{detail}"
    yield from _state_lines(verdict)
    yield ""


def headline(verdict: Verdict, where: str) -> str:
    """The verdict on one line, and what it is on."""
    return f"{_answer(verdict)}  {terminal.style(where, dim=True)}"


def _answer(verdict: Verdict) -> str:
    if verdict.revert_data is not None:
        refused = terminal.style(f"refused: {verdict.refusal}", fg="red", bold=True)
        return f"{refused}  revert data 0x{elide(verdict.revert_data.hex(), 80)}"
    if not verdict.accepted:
        return terminal.style("refused: the call returns false", fg="red", bold=True)
    returned = _returned(verdict.returned)
    return terminal.style(f"accepted: returns {returned}", fg="green", bold=True)


def _returned(value: Any) -> str:
    """The value that a call returns, in a few words."""
    if value is True:
        return "true"
    if isinstance(value, bytes):
        return f"the report ({len(value)} bytes)"
    if not isinstance(value, tuple):
        return elide(str(value))
    noun = "report" if all(isinstance(each, bytes) for each in value) else "asset"
    return f"{len(value)} {noun}{'' if len(value) == 1 else 's'}"


def _which(index: int | None) -> str:
    return "" if index is None else f" (payload {index})"


def _check_line(check: Check) -> str:
    mark, colour = _MARKS[check.passed]
    revert = f"  {check.revert}" if check.revert else ""
    decides = terminal.style("  <- the chain stops here", bold=True) if check.decided else ""
    detail = check.rule if check.passed else check.detail or check.rule
    marked = terminal.style(mark, fg=colour)
    return f"{marked} {check.name}{_which(check.payload)}: {detail}{revert}{decides}"


def _state_lines(verdict: Verdict) -> Iterator[str]:
    yield "state used"
    yield f"  {verdict.state.described()}"
    age = verdict.age
    if age is None:
        age_words = "its age is not known"
    elif age >= 0:
        age_words = f"{words.duration(age)} old at that time"
    else:
        age_words = f"{words.duration(age)} newer than that"
    own = ", the state's own time" if verdict.at_state_time else ""
    yield f"  judged at {words.instant(verdict.now)}{own}; {age_words}"
