"""The differential lane: our verdict against the published contracts, on calls nobody wrote down.

Every call is made twice, in the EVM and here, and must give the same bytes: the reports returned or
the revert data. Stork's contract is our model of it (see README.md). `PAYLOADS_LANE` multiplies the
number of worlds. The last tests break our rules on purpose, and the lane must notice each time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from eth_abi.abi import decode
from hypothesis import HealthCheck, Phase, given, seed, settings

import payloads.chainlink.call as call_module
import payloads.chainlink.checks as steps
import payloads.stork.checks as stork_checks
import payloads.stork.verifier as stork_verifier
from payloads.chainlink.errors import EXPIRED_REPORT
from payloads.chainlink.state import ChainlinkState, FeeManager
from payloads.chainlink.verifier import judge, judge_bulk, judge_calldata
from payloads.errors import Malformed, panic
from payloads.stork.calldata import DESERIALIZE, VERIFY
from payloads.stork.state import StorkState
from payloads.testing.onchain.evm import Halted, Outcome
from payloads.verdicts.checks import Step, Stop
from payloads.verdicts.state import State
from payloads.verdicts.verdict import Verdict
from tests.onchain.cases import Case, Example, chainlink, stork
from tests.onchain.worlds import RealChainlink, StorkWorld

pytestmark = pytest.mark.onchain

GENERATIONS = ("v0.3.0", "v0.4.0", "v0.5.0", "v0.5.1")
WORLDS = 500 * int(os.environ.get("PAYLOADS_LANE", "1"))

_QUICK = settings(
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate),
)
# Reported by `-s`; also what keeps a lane that asks nothing from passing.
asked: dict[str, int] = {}


def _state(world: dict[str, Any], allowed: bool | None) -> ChainlinkState:
    record = dict(world)
    if allowed is not None:
        record["access_controller"] = {"allowed": [world["subscriber"]] if allowed else []}
    state = State.from_dict(record)
    assert isinstance(state, ChainlinkState)
    return state


def _agree(verdict: Verdict, outcome: Outcome, bulk: bool, case: Case) -> None:
    if not outcome.ok:
        assert not verdict.accepted, ("the chain refuses", outcome.data.hex(), case.said)
        assert verdict.revert_data == outcome.data, (verdict.name, outcome.data.hex(), case.said)
        return
    assert verdict.accepted, ("the chain accepts", verdict.name, case.said)
    (returned,) = decode(["bytes[]" if bulk else "bytes"], outcome.data)
    assert verdict.returned == (tuple(returned) if bulk else returned), case.said


def _compare(built: RealChainlink, state: ChainlinkState, case: Case, explained: bool) -> None:
    built.chain.now = case.now
    try:
        outcome = built.raw(case.calldata, case.value)
    except Halted:
        return  # out of gas, which is no answer
    try:
        verdict = judge_calldata(case.calldata, state, value=case.value, now=case.now)
    except Malformed as error:
        if error.revert_data is not None:
            raise
        return  # more bytes than any block carries
    bulk = isinstance(verdict.returned, tuple)
    _agree(verdict, outcome, bulk, case)
    _count(state.contract, outcome)
    # Twenty bytes would be taken for an address; as calldata they were judged above.
    if case.payloads is not None and len(case.parameter) != 20:
        ask: Callable[..., Verdict] = judge_bulk if case.bulk else judge
        subject = case.payloads if case.bulk else case.payloads[0]
        how: dict[str, Any] = {"value": case.value, "now": case.now, "view": case.view}
        how["pay"] = case.parameter
        _agree(ask(subject, state, **how), outcome, case.bulk, case)
    if explained:
        _explains(verdict)


def _count(contract: str, outcome: Outcome) -> None:
    key = f"{contract} {'returns' if outcome.ok else 'reverts ' + outcome.data[:4].hex()}"
    asked[key] = asked.get(key, 0) + 1


def _explains(verdict: Verdict) -> None:
    """The explanation names the very check that the chain stopped at, and never raises."""
    deciding = [check.revert for check in verdict.checks if check.decided]
    assert deciding == ([] if verdict.accepted else [verdict.name])
    assert verdict.explanation
    assert verdict.to_dict()


def _lane(generation: str, worlds: int, explained: bool = True) -> None:
    @seed(20240607)
    @settings(_QUICK, max_examples=worlds)
    @given(chainlink(generation))
    def run(made: Example) -> None:
        built = RealChainlink(made.world, allowed=made.allowed)
        state = _state(made.world, made.allowed)
        for case in made.cases:
            _compare(built, state, case, explained)

    run()


def _stork_lane(worlds: int, several: bool = False) -> None:
    @seed(20240607)
    @settings(_QUICK, max_examples=worlds)
    @given(stork(several))
    def run(made: Example) -> None:
        built, state = StorkWorld(made.world), State.from_dict(made.world)
        assert isinstance(state, StorkState)
        for case in made.cases:
            outcome = built.raw(case.calldata, case.value)
            verdict = stork_verifier.judge_calldata(case.calldata, state, value=case.value)
            _agree_stork(verdict, outcome, case)
            _count("several" if several else "stork", outcome)
            if case.payloads is not None:
                call = DESERIALIZE if case.bulk else VERIFY
                raw = case.payloads[0]
                direct = stork_verifier.judge(raw, state, call=call, value=case.value)
                _agree_stork(direct, outcome, case)
            if verdict.revert_data is not None:
                _explains(verdict)

    run()


def _agree_stork(verdict: Verdict, outcome: Outcome, case: Case) -> None:
    if not outcome.ok:
        assert verdict.revert_data == outcome.data, (verdict, outcome.data.hex(), case.said)
    elif isinstance(verdict.returned, bool):
        assert verdict.returned == bool(int.from_bytes(outcome.data, "big")), case.said
    else:
        assert verdict.accepted, (verdict, case.said)
        (assets,) = decode(["(uint16,uint64,int192)[]"], outcome.data)
        assert tuple(asset.values for asset in verdict.returned) == tuple(assets), case.said


@pytest.mark.parametrize("generation", GENERATIONS)
def test_every_call_is_judged_as_the_contracts_judge_it(generation: str) -> None:
    _lane(generation, WORLDS)
    ours = {key: count for key, count in asked.items() if key.startswith(generation)}
    assert sum(ours.values()) > 5 * WORLDS
    assert ours[f"{generation} returns"] > WORLDS / 4
    assert len(ours) >= 6  # as many ways to end


def test_every_stork_call_is_judged_as_the_model_judges_it() -> None:
    _stork_lane(WORLDS)
    assert sum(count for key, count in asked.items() if key.startswith("stork")) > 5 * WORLDS


def test_every_call_of_stork_with_several_signers_is_judged_as_the_model_judges_it() -> None:
    _stork_lane(WORLDS, several=True)
    ours = {key: count for key, count in asked.items() if key.startswith("several")}
    assert sum(ours.values()) > 5 * WORLDS
    assert ours["several returns"] > WORLDS / 4


def test_more_assets_than_stork_can_count() -> None:
    world = {"contract": "stork-fast-1.0.0", "signer": "0x" + "00" * 20, "verification_fee": "0"}
    state = State.from_dict(world)
    assert isinstance(state, StorkState)
    raw = bytes(75 + 18 * 65_536)
    outcome = StorkWorld(world).deserialize(raw)
    verdict = stork_verifier.judge(raw, state, call=DESERIALIZE)
    assert verdict.revert_data == outcome.data == panic(0x32)


# --- the test of the test -------------------------------------------------------------------------


def _round_down(amount: int, share: int) -> int:
    return amount * share // 10**18


def _no_global(*_: object) -> int:
    return 0


def _break_expiry(item: Any) -> None:
    if item.head and item.head[5] <= item.call.now:
        raise Stop(EXPIRED_REPORT.data())


def _break_step(name: str, run: Callable[[Any], None]) -> Callable[[pytest.MonkeyPatch], None]:
    """Replace what a fee step does: steps are frozen, so the stages are made anew."""

    def apply(patch: pytest.MonkeyPatch) -> None:
        broken = tuple(
            Step(step.name, step.rule, run, step.inputs, step.needs) if step.name == name else step
            for step in steps._FEE_STEPS
        )
        patch.setattr(steps, "_FEE_STEPS", broken)

    return apply


class _Everything:
    def __contains__(self, _: object) -> bool:
        return True


def _spend_nothing(item: Any) -> None:
    return None


SABOTAGE: dict[str, tuple[str, Callable[[pytest.MonkeyPatch], None]]] = {
    "no overflow check": ("v0.5.0", lambda p: p.setattr(steps, "overflows", lambda v: False)),
    "no overflow check in v0.4.0": (
        "v0.4.0",
        lambda p: p.setattr(steps, "overflows", lambda v: False),
    ),
    "fees rounded down": (
        "v0.3.0",
        lambda p: p.setattr("payloads.chainlink.fees._share", _round_down),
    ),
    "no global discount": (
        "v0.5.0",
        lambda p: p.setattr(FeeManager, "global_discount", _no_global),
    ),
    "expiry off by one": ("v0.5.0", _break_step("expiry", _break_expiry)),
    "any verifier": (
        "v0.3.0",
        lambda p: p.setattr(ChainlinkState, "registered", property(lambda _: _Everything())),
    ),
    "memory of the fee manager": (
        "v0.5.0",
        lambda p: p.setattr(call_module.Call, "free_in_fee_manager", property(lambda _: 0)),
    ),
    "value of a view": ("v0.5.1", lambda p: p.setattr(steps, "NO_VALUE", steps.ACCESS)),
    "fees of a no-op": (
        "v0.5.1",
        lambda p: p.setattr(FeeManager, "is_no_op", property(lambda _: False)),
    ),
    "views of an old proxy": (
        "v0.5.0",
        lambda p: p.setattr("payloads.chainlink.verifier.V051", "v0.5.0"),
    ),
    "memory of earlier payloads": (
        "v0.4.0",
        lambda p: p.setattr(steps, "_spend", _spend_nothing),
    ),
}


@pytest.mark.parametrize("name", SABOTAGE)
def test_a_broken_rule_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    generation, sabotage = SABOTAGE[name]
    sabotage(monkeypatch)
    steps._stages.cache_clear()
    try:
        with pytest.raises(AssertionError):
            _lane(generation, 20 * WORLDS, explained=False)
    finally:
        monkeypatch.undo()
        steps._stages.cache_clear()


def test_a_broken_rule_is_noticed_for_stork(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stork_checks, "HALF_ORDER", 2**256)
    with pytest.raises(AssertionError):
        _stork_lane(WORLDS)


def _any_signer(state: StorkState) -> frozenset[bytes]:
    return frozenset(map(bytes, state.signers or ())) | {bytes(20)}


def test_a_broken_rule_is_noticed_for_stork_with_several_signers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That nobody recovers to a signer is the rule in which the generations differ."""
    monkeypatch.setattr(StorkState, "trusted", property(_any_signer))
    with pytest.raises(AssertionError):
        _stork_lane(WORLDS, several=True)
