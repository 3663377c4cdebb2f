"""`payloads verify`: what the contract would do with payloads, and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from payloads.chainlink import verifier as on_chainlink
from payloads.chainlink.calldata import parameter
from payloads.chainlink.state import ChainlinkState
from payloads.cli.chain_options import (
    Given,
    givens,
    instant,
    load_state,
    state_options,
)
from payloads.cli.run import Run, command_options, guarded
from payloads.cli.sources import Item
from payloads.errors import Malformed, Misuse, elide
from payloads.inputs import to_bytes
from payloads.stork import verifier as on_stork
from payloads.stork.calldata import FUNCTIONS as STORK_FUNCTIONS
from payloads.stork.state import StorkState
from payloads.verdicts.checks import Check
from payloads.verdicts.state import State
from payloads.verdicts.verdict import Verdict
from payloads.verdicts.words import duration
from payloads.verdicts.words import instant as instant_words

_MARKS = {True: ("ok  ", "green"), False: ("FAIL", "red"), None: ("-   ", "bright_black")}
_SEVERITIES = {"danger": "red", "warning": "yellow", "note": "cyan"}


class Terms:
    """How everything is judged: the state, the clock, what is paid, and by whom."""

    def __init__(
        self,
        state_path: str,
        now: str | None,
        at: str | None,
        sender: str | None,
        quote: str | None,
        parameter_payload: str | None,
        value: str,
        call: str | None,
    ) -> None:
        self.state = load_state(state_path)
        self.at = instant(at, "at")
        self.now = instant(now, "now")
        if self.at is not None:
            self.state = self.state.at(self.at)
            self.now = self.at if self.now is None else self.now
        self.sender = sender
        self.value = wei(value)
        self.call = _call_of(self.state, call)
        self.parameter = _parameter(self.state, quote, parameter_payload)

    def judge(self, given: Given) -> Verdict:
        """The verdict on one payload, or on one call's calldata."""
        state = self.state
        if given.is_call:
            self.check_free_of_terms()
            if isinstance(state, ChainlinkState):
                return on_chainlink.judge_calldata(
                    given.raw, state, value=self.value, sender=self.sender, now=self.now
                )
            assert isinstance(state, StorkState)
            return on_stork.judge_calldata(given.raw, state, value=self.value, now=self.now)
        if isinstance(state, ChainlinkState):
            if self.call == "verifyBulk":
                return self.judge_bulk([given.raw])
            return on_chainlink.judge(
                given.raw, state, parameter_payload=self.parameter, **self._rest
            )
        assert self.call is not None
        assert isinstance(state, StorkState)
        return on_stork.judge(given.raw, state, call=self.call, value=self.value, now=self.now)

    def judge_bulk(self, raws: list[bytes]) -> Verdict:
        """The verdict on one `verifyBulk` of all of them."""
        assert isinstance(self.state, ChainlinkState)
        return on_chainlink.judge_bulk(
            raws, self.state, parameter_payload=self.parameter, **self._rest
        )

    @property
    def _rest(self) -> dict[str, Any]:
        return {"value": self.value, "sender": self.sender, "now": self.now}

    def check_free_of_terms(self) -> None:
        """Calldata names its own function and parameter."""
        if self.parameter:
            raise Misuse("calldata says itself what it pays in", field="--quote, --parameter")


def wei(text: str) -> int:
    """An amount of wei from the command line."""
    if not text.isascii() or not text.isdecimal() or len(text) > 78:
        raise Misuse("not an amount of wei", field="--value", found=repr(text))
    return int(text)


def _call_of(state: State, call: str | None) -> str | None:
    if isinstance(state, ChainlinkState):
        names = ["verify", "verifyBulk"]
    else:
        names = [function.name for function in STORK_FUNCTIONS]
    if call is None:
        return names[0]
    found = [name for name in names if name.lower() == call.lower()]
    if not found:
        expected = f"{' or '.join(names)} ({state.contract})"
        raise Misuse("no such function", field="--call", expected=expected, found=call)
    return found[0]


def _parameter(state: State, quote: str | None, given: str | None) -> bytes:
    if quote is not None and given is not None:
        raise Misuse("--quote and --parameter say the same thing twice", field="--quote")
    if not isinstance(state, ChainlinkState):
        if quote or given:
            raise Misuse("Stork takes no token", field="--quote, --parameter")
        return b""
    if given is not None:
        return b"" if given in ("", "0x") else to_bytes(given, name="--parameter")
    if quote is None:
        return b""
    if state.fee_manager is None:
        raise Misuse("the state has no fee manager to pay", field="--quote")
    return parameter(bytes(state.fee_manager.token(quote)))


@click.command(short_help="Say what the contract would do, and why.")
@command_options
@state_options
@click.option(
    "--quote", type=click.Choice(["link", "native"]), help="Pay in LINK or (wrapped) native."
)
@click.option("--parameter", "parameter_payload", metavar="HEX", help="The whole parameterPayload.")
@click.option("--value", default="0", show_default=True, metavar="WEI", help="Wei sent along.")
@click.option(
    "--call",
    metavar="NAME",
    help="verify (the default) or verifyBulk; for Stork verifySignedECDSAPayload (the default) "
    "or verifyAndDeserializeSignedECDSAPayload.",
)
@guarded
def verify(
    sources: tuple[str, ...],
    as_json: bool,
    colour: str,
    state_path: str,
    now: str | None,
    at: str | None,
    sender: str | None,
    quote: str | None,
    parameter_payload: str | None,
    value: str,
    call: str | None,
) -> None:
    """Say what the contract would do with payloads, and why: offline, exactly.

    The verdict comes first, then every check in the contract's own order, then everything that is
    wrong, what to know even if it is accepted, and which state was used. The inputs are payloads,
    frames, or whole calldata. Exit code 0: all accepted; 1: at least one refused or malformed.

    \b
    Examples:
      payloads verify --state fixtures/examples/state.json fixtures/examples/report.hex
      payloads verify --state state.json --quote native --value 96211668557200 report.hex
      payloads verify --state state.json --now now 0x0006f9b5…
      payloads verify --state state.json --at 2024-07-30T14:16:00Z report.hex
      cat frames.jsonl | payloads verify --state state.json --json | jq .verdict
      payloads verify --state state.json --call verifyBulk --quote link a.hex b.hex
    """
    run = Run(as_json, colour)
    terms = Terms(state_path, now, at, sender, quote, parameter_payload, value, call)
    bulk: list[bytes] = []

    def act(item: Item) -> None:
        for given in givens(item.value):
            if given.error is not None:
                run.fail(item.where, given.error, item.line)
            elif terms.call == "verifyBulk" and not given.is_call:
                bulk.append(given.raw)
            else:
                _show(run, terms.judge(given), item)

    run.each(sources, act)
    if bulk and not run.failed:
        _show(run, terms.judge_bulk(bulk), Item(f"verifyBulk of {len(bulk)} payloads", ""))
    elif bulk:
        left = Malformed(
            "not judged: some payloads of the call could not be read", field="payloads"
        )
        run.fail("verifyBulk", left)
    run.finish()


def _show(run: Run, verdict: Verdict, item: Item) -> None:
    if run.as_json:
        place = {"where": item.where} | ({} if item.line is None else {"line": item.line})
        run.record(verdict.to_dict() | {"passed": verdict.passed} | place | item.origin)
    else:
        run.lines(verdict_lines(verdict, item.where))
    if not verdict.passed:
        run.failed += 1


# --- words for a person ---------------------------------------------------------------------------


def verdict_lines(verdict: Verdict, where: str) -> Iterator[str]:
    """The verdict, the checks, what is wrong, findings, and the state."""
    yield f"{_headline(verdict)}  {click.style(where, dim=True)}"
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
            severity = click.style(finding.severity, fg=_SEVERITIES.get(finding.severity))
            detail = f": {finding.detail}" if finding.detail else ""
            which = _which(finding.payload)
            yield f"  {severity} {finding.code}{which}: {finding.sentence}{detail}"
    yield from _state_lines(verdict)
    yield ""


def _headline(verdict: Verdict) -> str:
    if not verdict.accepted:
        said = click.style(f"refused: {verdict.name}", fg="red", bold=True)
        return f"{said}  revert data 0x{elide((verdict.revert_data or b'').hex(), 80)}"
    returned = verdict.returned
    if returned is False:
        return click.style("refused: the call returns false", fg="red", bold=True)
    if returned is True:
        said = "true"
    elif isinstance(returned, bytes):
        said = f"the report ({len(returned)} bytes)"
    else:
        what = "report" if verdict.state.contract.startswith("v") else "asset"
        said = f"{len(returned)} {what}{'' if len(returned) == 1 else 's'}"
    return click.style(f"accepted: returns {said}", fg="green", bold=True)


def _which(index: int | None) -> str:
    return "" if index is None else f" (payload {index})"


def _check_line(check: Check) -> str:
    mark, colour = _MARKS[check.passed]
    revert = f"  {check.revert}" if check.revert else ""
    decides = click.style("  <- the chain stops here", bold=True) if check.decided else ""
    said = check.rule if check.passed else check.detail or check.rule
    marked = click.style(mark, fg=colour)
    return f"{marked} {check.name}{_which(check.payload)}: {said}{revert}{decides}"


def _state_lines(verdict: Verdict) -> Iterator[str]:
    state = verdict.state
    yield "state used"
    yield f"  {state.described()}"
    age = verdict.age
    if age is None:
        old = "its age is not known"
    elif age >= 0:
        old = f"{duration(age)} old at that time"
    else:
        old = f"{duration(age)} newer than that"
    yield f"  judged at {instant_words(verdict.now)}; {old}"
