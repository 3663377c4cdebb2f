"""Submissions: a payload and the call that brings it to a contract, good or damaged by a label.

Each says which verdict it must get under its state, revert data included.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cache
from typing import Any

import msgspec
from hexbytes import HexBytes
from hypothesis import strategies as st

from payloads.abi.fields import Record, hexed, jsonable
from payloads.chainlink.checks import VERSION_1
from payloads.chainlink.payment import WAYS
from payloads.chainlink.schemas import SCHEMAS, Report, Schema
from payloads.chainlink.state import V03, V04, V051, ChainlinkState
from payloads.judging import judge
from payloads.stork.state import StorkState
from payloads.stork.update import PLAIN, SignedUpdate
from payloads.strategies import chainlink_damage, stork_damage
from payloads.strategies.arguments import check_type, wrong
from payloads.strategies.chainlink_draft import ChainlinkDraft
from payloads.strategies.damage import NONE, STAGES, Answer, Damage, Label, Labels
from payloads.strategies.reports import feed_ids
from payloads.strategies.signed import oracle_networks, stork_signers, stork_updates
from payloads.strategies.states import Network, generations_for, states_of
from payloads.strategies.stork_draft import StorkDraft
from payloads.strategies.values import values_of
from payloads.testing import InsecureTestNetwork, InsecureTestStorkSigner
from payloads.verdicts.contract_errors import read_revert
from payloads.verdicts.state import State
from payloads.verdicts.verdict import Verdict

# Block times. Later ones are no time of an update for who looks for payloads in other bytes.
_FIRST, _LAST = 1_600_000_000, 4_102_444_800 - 1


class Submission(Record, frozen=True, kw_only=True):
    """A call of a contract, what was done to it, and the verdict that it must get.

    `damage` is the label, `none` for a good one. `accepted` and `verdict` are those of
    `payloads.judge`; `revert_data` is None where the call does not revert. `frame` is the message
    in which the venue sends the payload.
    """

    system: str
    payload: HexBytes
    state: State
    function: str
    pay: str | bytes | None
    value: int
    sender: str
    now: int
    calldata: HexBytes
    frame: str
    damage: str
    accepted: bool
    verdict: str
    revert_data: HexBytes | None

    @property
    def terms(self) -> dict[str, Any]:
        """The keyword arguments of `payloads.judge` for this call."""
        sender = {} if self.system == "stork" else {"sender": self.sender}
        names = ("function", "pay", "value", "now")
        return {name: getattr(self, name) for name in names} | sender

    def judge(self) -> Verdict:
        """This library's verdict, which the promise must equal."""
        return judge(bytes(self.payload), self.state, **self.terms)

    @property
    def meaning(self) -> str:
        """What was done, in words."""
        return labels_of(self.system).known[self.damage].meaning

    def to_dict(self) -> dict[str, Any]:
        """The submission as a JSON object, for programs in other languages."""
        names = ("system", "payload", "function", "value", "sender", "now", "calldata", "frame",
                 "damage", "accepted", "verdict", "revert_data")  # fmt: skip
        record = {name: jsonable(getattr(self, name)) for name in names}
        record["value"] = str(self.value)
        record["pay"] = jsonable(self.pay)
        record["state"] = self.state.to_dict()
        return record


def labels_of(system: str) -> Labels:
    """The labels of a system, by its name."""
    return {"chainlink": chainlink_damage.LABELS, "stork": stork_damage.LABELS}[system]


# --- making one -----------------------------------------------------------------------------------


def _finished(draft: ChainlinkDraft | StorkDraft, label: Label, damage: Damage) -> Submission:
    """The submission of a draft that is damaged at the label's stage."""
    steps = {"report": draft.sign, "signatures": draft.encode, "encoding": draft.settle}
    answer: Answer = None
    for stage in STAGES:
        if label.stage == stage:
            answer = label.apply(draft, damage)
        if (step := steps.get(stage)) is not None:
            step()
    verdict = "accepted" if answer is None else "returns false"
    if isinstance(answer, bytes):
        verdict = read_revert(answer).name
    return Submission(
        system=draft.system,
        payload=hexed(draft.raw),
        state=draft.state,
        function=draft.function,
        pay=draft.pay,
        value=draft.value,
        sender=draft.sender,
        now=draft.now,
        calldata=hexed(draft.calldata),
        frame=draft.frame,
        damage=label.name,
        accepted=answer is None,
        verdict=verdict,
        revert_data=hexed(answer) if isinstance(answer, bytes) else None,
    )


_NUMBER = st.integers(0, 2**16 - 1)
_NOW, _LAG = st.integers(_FIRST, _LAST), st.integers(0, 60)
_LEFT = st.integers(0, 30 * 86_400)
_SEQUENCE, _EXTRA = st.integers(0, 2**40 - 1), st.sampled_from((0, 1, 10**9))
_WAY = st.sampled_from(WAYS)


@st.composite
def _chainlink(
    draw: st.DrawFn, state: ChainlinkState, network: InsecureTestNetwork, name: str
) -> Submission:
    now = draw(_NOW)
    observed = now - draw(_LAG)
    feed = draw(_feeds(state, name))
    times = (feed, observed, observed, now + draw(_LEFT))
    report = draw(_timed_reports(SCHEMAS[feed[:2]]))(*times)
    draft = ChainlinkDraft(
        state,
        network,
        report,
        now=now,
        first=draw(_NUMBER) % network.size,
        sequence=draw(_SEQUENCE),
        pay=draw(_WAY),
        extra=draw(_EXTRA),
        is_view=state.contract == V051 and draw(st.booleans()),
    )
    damage = draw(_damage_named(name))
    return _finished(draft, chainlink_damage.LABELS.known[name], damage)


# The fields that a call decides, in the order of the arguments.
_DECIDED = ("feed_id", "observations_timestamp", "valid_from_timestamp", "expires_at")


@cache
def _timed_reports(schema: Schema) -> st.SearchStrategy[Callable[..., Report]]:
    """Functions that make a report of the fields that a call decides. The others are drawn."""
    names = [row.name for row in schema.table.fields]
    drawn = [row for row in schema.table.fields if row.name not in _DECIDED]
    order = [_DECIDED.index(name) if name in _DECIDED else -1 for name in names]

    def maker(values: tuple[Any, ...]) -> Callable[..., Report]:
        def make(*decided: Any) -> Report:
            rest = iter(values)
            return schema.record(*(next(rest) if at < 0 else decided[at] for at in order))

        return make

    return st.tuples(*(values_of(row.type) for row in drawn)).map(maker)


@cache
def _damage_named(name: str) -> st.SearchStrategy[Damage]:
    if name == NONE:
        return st.just(Damage(name))
    return st.tuples(_NUMBER, _NUMBER).map(lambda numbers: Damage(name, *numbers))


def _feeds(state: ChainlinkState, name: str) -> st.SearchStrategy[Any]:
    """The feeds of reports that the contract accepts; or the one that was deactivated."""
    if state.contract == V04:
        # It reads times where reports of the first schema have a price.
        return feed_ids(schema=[one for one in SCHEMAS.values() if one.prefix != VERSION_1])
    if state.contract != V03:
        # A feed with a discount of its own, if there is one, as often as any other.
        fees = state.charges
        named = [one.feed_id for one in (fees.discounts if fees else ()) if one.feed_id]
        return st.one_of(st.sampled_from(named), feed_ids()) if named else feed_ids()
    gone = [ended.id for ended in state.deactivated_feeds]
    if name == "deactivated-feed":
        return st.just(gone[0])
    return st.sampled_from(
        [one.feed_id for one in state.in_force if one.active and one.feed_id not in gone]
    )


@st.composite
def _stork(
    draw: st.DrawFn, state: StorkState, signer: InsecureTestStorkSigner, name: str
) -> Submission:
    now = draw(_NOW)
    timestamp = (now - draw(_LAG)) * 10**9
    update = draw(_updates_of(signer))
    draft = StorkDraft(
        state,
        signer,
        msgspec.structs.replace(update, timestamp_ns=timestamp),
        now=now,
        extra=draw(_EXTRA),
        deserializes=draw(st.booleans()),
    )
    damage = draw(_damage_named(name))
    return _finished(draft, stork_damage.LABELS.known[name], damage)


@cache
def _updates_of(signer: InsecureTestStorkSigner) -> st.SearchStrategy[SignedUpdate]:
    return stork_updates(signer=signer, layout=PLAIN)


# --- strategies -----------------------------------------------------------------------------------


def _signers_of(state: State) -> set[bytes]:
    if isinstance(state, StorkState):
        return set(state.trusted)
    assert isinstance(state, ChainlinkState)
    return {bytes(signer) for config in state.in_force for signer in config.signers}


def _check_state(function: str, state: State, network: Network | None) -> Network:
    """The network that signs for a state: the one given, if the state lists its signers."""
    several = isinstance(state, ChainlinkState)
    signs: Network = network or (InsecureTestNetwork() if several else InsecureTestStorkSigner())
    mine = signs.signers if isinstance(signs, InsecureTestNetwork) else (signs.address,)
    if not {bytes.fromhex(signer[2:]) for signer in mine} <= _signers_of(state):
        expected = "a state that lists the signers of network=, such as network.state()"
        raise wrong(function, "state", state.described(), expected)
    return signs


# A label, with the generations that it is drawn for.
_Choice = tuple[str, tuple[str, ...]]


@st.composite
def _submissions(
    draw: st.DrawFn,
    state: State | None,
    network: Network | None,
    good: tuple[_Choice, ...],
    bad: tuple[_Choice, ...],
) -> Submission:
    several = good if good and (not bad or draw(_OF_FIVE) < 2) else bad
    # The label before the state: otherwise a label that few states show would be rare.
    name, generations = draw(st.sampled_from(several))
    generation = draw(st.sampled_from(generations))
    is_stork = generation in StorkState.CONTRACTS
    signs: Any = network
    if state is None:
        signs = network or draw(stork_signers() if is_stork else oracle_networks())
        needs = _labels(generation).known[name].needs
        state = draw(states_of(generation, signs, need=needs))
    make: Any = _stork if is_stork else _chainlink
    made: Submission = draw(make(state, signs, name))
    return made


_OF_FIVE = st.integers(0, 4)


def _labels(generation: str) -> Labels:
    return labels_of("stork" if generation in StorkState.CONTRACTS else "chainlink")


def _choices(state: State | None, generations: tuple[str, ...]) -> tuple[_Choice, ...]:
    """Every label that there is for a state, or for states of these generations."""
    if state is not None:
        names = _labels(state.contract).fitting(state)
        return tuple((name, (state.contract,)) for name in names)
    found: dict[tuple[str, bool], list[str]] = {}
    for generation in generations:
        for name in _labels(generation).of(generation):
            # A label of both systems is two choices.
            is_stork = generation in StorkState.CONTRACTS
            found.setdefault((name, is_stork), []).append(generation)
    return tuple((name, tuple(several)) for (name, _), several in found.items())


def _strategy(
    function: str,
    state: State | None,
    network: Network | None,
    generation: str | None,
    only: Collection[str] | None,
    always: bool,
) -> st.SearchStrategy[Submission]:
    check_type(function, "state", state, State)
    generations = generations_for(function, network, generation)
    if state is not None:
        if generation not in (None, state.contract):
            raise wrong(function, "generation", generation, f"{state.contract}, as the state has")
        network = _check_state(function, state, network)
    choices = [choice for choice in _choices(state, generations) if not always or choice[0] != NONE]
    known = {name for name, _ in choices}
    for name in sorted(only or ()):
        if name not in known:
            raise wrong(function, "only", name, "labels among " + ", ".join(sorted(known)))
    chosen = [choice for choice in choices if only is None or choice[0] in only]
    good = tuple(choice for choice in chosen if choice[0] == NONE)
    bad = tuple(choice for choice in chosen if choice[0] != NONE)
    return _submissions(state, network, good, bad)


def submissions(
    *,
    state: State | None = None,
    network: Network | None = None,
    generation: str | None = None,
    only: Collection[str] | None = None,
) -> st.SearchStrategy[Submission]:
    """Calls of a contract that bring a payload, two of five of them good.

    `state` is the contract's: one that lists the signers of `network`, the default test network if
    none is given. Without it, states of the `generation`, or of any, are drawn. `only` are the
    labels to draw from.
    """
    return _strategy("submissions", state, network, generation, only, False)


def damages(
    *,
    generation: str | None = None,
    state: State | None = None,
    network: Network | None = None,
    only: Collection[str] | None = None,
) -> st.SearchStrategy[Submission]:
    """Submissions that are damaged, each with its label and the verdict that it must get."""
    return _strategy("damages", state, network, generation, only, True)
