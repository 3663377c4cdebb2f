"""The keeper's machine: our guard passes, and each planted bug is found."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import msgspec.structs
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.errors import InvalidArgument
from hypothesis.stateful import rule, run_state_machine_as_test

from payloads import PayloadError, chainlink, decode, judge
from payloads.chain import Policy, build_transaction, refuse_transaction
from payloads.chainlink.state import GENERATIONS
from payloads.errors import Refused
from payloads.stork.calldata import DESERIALIZE
from payloads.stork.state import STORK, STORK_MULTISIGNER
from payloads.strategies import Arrival, keeper_machine
from payloads.strategies.machines.keeper import KeeperMachine
from payloads.testing import InsecureTestNetwork, InsecureTestStorkSigner
from payloads.testing.damage import Damage

ALL = (*GENERATIONS, STORK, STORK_MULTISIGNER)
MAX_FEE = 10**18
# The same examples in every run.
HOW = settings(
    deadline=None, derandomize=True, database=None, stateful_step_count=30,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
# Until a bug is found; without shrinking. Hypothesis takes constants from the modules that happen
# to be loaded, so that a seed is not the same run everywhere. By chance alone, the bug that is
# hardest to find is missed in less than one of a hundred thousand runs.
FIND = settings(HOW, max_examples=4_000, phases=[Phase.generate], report_multiple_bugs=False)


def run(machine: type[KeeperMachine], how: settings) -> None:
    run_state_machine_as_test(machine, settings=how)


# --- keepers --------------------------------------------------------------------------------------


def report_of(payload: bytes) -> bytes:
    """The signed report, whatever is around it."""
    found: Any = decode(payload).value
    return bytes(getattr(found, "report_blob", b"") or found.signed_bytes)


class Careful:
    """A keeper without a bug, unless one is planted by its name."""

    def __init__(self, bug: str = "") -> None:
        self.bug, self.sent = bug, set[bytes]()
        self.values: dict[Any, int] = {}
        self.first: Arrival | None = None
        # Whether access was ever refused.
        self.gone = False

    def __call__(self, arrival: Arrival) -> dict[str, Any] | None:
        self.first = self.first or arrival
        state, now = arrival.state, arrival.now
        if self.bug == "a stale state":
            state = self.first.state
        if self.bug == "ignores the access list":
            state = msgspec.structs.replace(state, access_controller=None)
        if self.bug == "ignores the clock":
            now = self.first.now
        try:
            report = report_of(arrival.payload)
            call = build_transaction(arrival.payload, state, pay=arrival.pay)
        except PayloadError:
            return None
        if self.bug == "compares payloads":
            report = bytes(arrival.payload)
        if report in self.sent or self.bug == "is asleep":
            return None
        if call["value"] > MAX_FEE and self.bug != "pays any fee":
            return None
        self.take(arrival, early=True)
        margin = 0 if self.bug == "has no margin" else 12
        terms = {"value": call["value"], "sender": call.get("from")}
        verdicts = [judge(call["data"], state, now=time, **terms) for time in (now, now + margin)]
        if self.bug == "ignores returned":
            passes = all(verdict.revert_data is None for verdict in verdicts)
        else:
            passes = all(verdicts)
        self.gone |= any(verdict.error == "AccessForbidden" for verdict in verdicts)
        if not passes or (self.gone and self.bug == "does not come back"):
            return None
        self.take(arrival, early=False)
        if self.bug != "forgets":
            self.sent.add(report)
        return call

    def take(self, arrival: Arrival, early: bool) -> None:
        """Keep the prices; a bug does so before the verdict is known."""
        if early != (self.bug == "takes refused values"):
            return
        found: Any = decode(arrival.payload).value
        if hasattr(found, "assets"):
            self.values |= {asset.asset_id: asset.value for asset in found.assets}
        elif (price := getattr(found.report, "benchmark_price", None)) is not None:
            self.values["0x" + found.report.feed_id.hex()] = price


def planted(bug: str) -> Callable[[], Careful]:
    return lambda: Careful(bug)


class Guarded:
    """A keeper whose only judge is our guard, asked as a web3 transaction would ask it."""

    policy = Policy(margin=12, max_fee=MAX_FEE)

    def __init__(self) -> None:
        self.sent = set[bytes]()

    def __call__(self, arrival: Arrival) -> dict[str, Any] | None:
        try:
            report, call = report_of(arrival.payload), arrival.transaction()
        except PayloadError:
            return None
        if report in self.sent:
            return None
        try:
            refuse_transaction(node_at(arrival.now), call, arrival.state, self.policy)
        except Refused:
            return None
        self.sent.add(report)
        return call


def node_at(now: int) -> Any:
    """As much of a node as a guard asks: the chain, and the newest block."""
    answers = {
        "eth_chainId": "0x1",
        "eth_blockNumber": "0x64",
        "eth_getBlockByNumber": {"number": "0x64", "hash": "0x" + "ab" * 32, "timestamp": hex(now)},
    }
    return SimpleNamespace(make_request=lambda method, _: {"result": answers[method]})


# --- our own guard, and a careful keeper ----------------------------------------------------------


@pytest.mark.parametrize("generation", ALL)
def test_our_guard_is_a_careful_keeper(generation: str) -> None:
    run(keeper_machine(Guarded, generation=generation), settings(HOW, max_examples=6))


@pytest.mark.parametrize("generation", GENERATIONS)
def test_the_guard_knows_who_may_call(generation: str) -> None:
    """The same good report while access is granted and withdrawn; the machine agrees each time."""
    machine = keeper_machine(Guarded, generation=generation)()
    machine.begin(generation, "plain")
    sent = []
    for access in ("open", "withdrawn", "granted", "withdrawn", "open"):
        machine.change_access(access)
        machine.publish(feed=0, price=1, fee=1, lifetime=3600, late=False, block=1)
        verdict = judge(machine.arrivals[-1].transaction()["data"], machine.world.state, value=1)
        assert (verdict.error == "AccessForbidden") is (access == "withdrawn")
        sent.append(len(machine.submitted))
    assert sent == [1, 1, 2, 2, 3]


@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_disguised_report_is_the_same_report_and_is_taken(generation: str) -> None:
    machine = keeper_machine(Guarded, generation=generation)()
    machine.begin(generation, "plain")
    frame: Any = machine.publish(feed=0, price=1, fee=1, lifetime=3600, late=True, block=1)
    assert machine.world.disguises
    for label in machine.world.disguises:
        for at, amount in ((0, 0), (3, 7), (1_000, 99)):
            copy = machine.world.damaged(frame, Damage(label, at, amount))
            assert copy.payload != frame.payload
            assert report_of(copy.payload) == report_of(frame.payload)
            call = machine.world.arrival(copy).transaction()
            assert judge(call["data"], machine.world.state, value=call["value"]).accepted


def test_a_keeper_without_a_bug_passes() -> None:
    run(keeper_machine(Careful), settings(HOW, max_examples=12))


# --- planted bugs ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bug", "generation", "check"),
    [
        ("a stale state", "v0.5.1", "reverts"),
        ("a stale state", STORK, "returned-false"),
        ("ignores the clock", "v0.5.0", "reverts"),
        ("has no margin", "v0.3.0", "reverts"),
        ("ignores returned", STORK_MULTISIGNER, "returned-false"),
        ("pays any fee", STORK, "max-fee"),
        ("pays any fee", "v0.5.0", "max-fee"),
        ("forgets", "v0.4.0", "twice"),
        ("compares payloads", "v0.5.1", "twice"),
        ("takes refused values", "v0.5.0", "refused-values"),
        ("takes refused values", STORK, "refused-values"),
        ("is asleep", "v0.3.0", "missed"),
        ("ignores the access list", "v0.3.0", "reverts"),
        ("ignores the access list", "v0.4.0", "reverts"),
        ("does not come back", "v0.5.1", "missed"),
    ],
)
def test_a_planted_bug_is_found(bug: str, generation: str, check: str) -> None:
    with pytest.raises(AssertionError, match=f"^{check}: "):
        run(keeper_machine(planted(bug), generation=generation, checks=[check]), FIND)


def test_a_failure_shrinks_to_the_few_steps_that_show_it() -> None:
    machine = keeper_machine(planted("has no margin"), generation="v0.3.0", checks=["reverts"])
    phases = [Phase.generate, Phase.shrink]
    with pytest.raises(AssertionError) as found:
        run(machine, settings(HOW, max_examples=400, phases=phases))
    notes = "\n".join(found.value.__notes__).splitlines()
    assert [line for line in notes if line.startswith("state.")] == [
        "state.begin(generation='v0.3.0', terms='plain')",
        "state.publish(block=1, fee=0, feed=0, late=False, lifetime=0, price=1)",
        "state.teardown()",
    ]


# --- its use --------------------------------------------------------------------------------------


class Counted(keeper_machine(generation="v0.5.0", checks=["reverts"])):  # type: ignore[misc]
    """A subclass with a decision and a rule of its own."""

    looked = 0

    def decide(self, arrival: Arrival) -> dict[str, Any] | None:
        assert arrival.state.contract == "v0.5.0"
        assert arrival.now == self.world.now == self.arrivals[-1].now
        return None

    @rule()
    def look(self) -> None:
        type(self).looked += 1


def test_a_subclass_decides_and_has_rules_of_its_own() -> None:
    run(Counted, settings(HOW, max_examples=5))
    assert Counted.looked


def test_a_keeper_may_make_its_own_calldata() -> None:
    """And read what it has sent: here by the function of Stork that reverts."""
    seen: list[int] = []

    class Own(keeper_machine(generation=STORK, checks=["reverts"])):  # type: ignore[misc]
        def decide(self, arrival: Arrival) -> dict[str, Any] | None:
            call = {"data": DESERIALIZE.calldata(bytes(arrival.payload)), "value": 10**18}
            seen.append(len(self.submitted))
            taken = judge(call["data"], arrival.state, value=10**18, now=arrival.now)
            return call if taken else None

    run(Own, settings(HOW, max_examples=20))
    assert max(seen) > 0


def test_the_network_that_is_given_signs_first() -> None:
    network = InsecureTestNetwork("mine", 7, 2)

    class Mine(keeper_machine(network=network, checks=[])):  # type: ignore[misc]
        def decide(self, arrival: Arrival) -> dict[str, Any] | None:
            assert arrival.state.contract in GENERATIONS
            if not self.world.rotations and arrival.damage == "none":
                found = chainlink.recover(arrival.payload)
                assert {each.address for each in found} <= set(network.signers)
            return None

    run(Mine, settings(HOW, max_examples=5))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"keeper": 5}, "keeper=5"),
        ({"generation": "v9"}, "generation='v9'"),
        ({"generation": STORK, "network": InsecureTestNetwork()}, f"generation='{STORK}'"),
        ({"generation": "v0.5.0", "network": InsecureTestStorkSigner()}, "generation='v0.5.0'"),
        ({"network": "test"}, "network='test'"),
        ({"max_fee": -1}, "max_fee=-1"),
        ({"max_fee": True}, "max_fee=True"),
        ({"min_block": -1}, "min_block=-1"),
        ({"min_block": 12, "max_block": 1}, "max_block=1"),
        ({"checks": "twice"}, "checks='twice'"),
        ({"checks": ["thrice"]}, "checks='thrice'"),
    ],
)
def test_a_wrong_argument_is_named(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArgument) as found:
        keeper_machine(**arguments)
    assert str(found.value).startswith(f"keeper_machine: {words} cannot be used; expected ")


def test_a_machine_without_a_keeper_says_what_is_missing() -> None:
    with pytest.raises(InvalidArgument, match="a keeper, or a subclass with `decide`"):
        run(keeper_machine(generation="v0.5.0"), FIND)


def test_importing_the_strategies_loads_no_machine() -> None:
    code = "import sys, payloads.strategies; print(' '.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert "payloads.strategies.submissions" in loaded
    assert not any(name.startswith("payloads.simulators") for name in loaded)
    assert not loaded & {"payloads.strategies.machines", "websockets", "web3"}
