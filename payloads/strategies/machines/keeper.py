"""A state machine in which a keeper decides what to send, while its world changes.

    class Keeper:
        def __call__(self, arrival: Arrival) -> dict[str, Any] | None: ...

    TestKeeper = keeper_machine(Keeper, generation="v0.5.0").TestCase

Frames arrive late, twice and out of order, good and damaged; a report arrives again in other bytes;
signers rotate; fees change; access is
granted and withdrawn; the clock jumps; blocks take 1 to 12 seconds. The keeper is shown each frame
with the contract's state as of the newest block, and answers with a transaction, or None. The next
block takes what it sends.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from importlib import import_module
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, precondition, rule

from payloads import systems
from payloads.abi.calldata import decode_call
from payloads.abi.fields import Record
from payloads.errors import PayloadError, shown
from payloads.inputs import to_bytes
from payloads.judging import judge
from payloads.strategies.arguments import check_names, check_range, wrong
from payloads.strategies.calls import NUMBER
from payloads.strategies.machines.world import (
    ACCESS,
    TERMS,
    Arrival,
    Facts,
    Published,
    World,
)
from payloads.strategies.states import generations_for
from payloads.strategies.systems import Network, system_of
from payloads.testing.damage import Damage
from payloads.verdicts.state import State
from payloads.verdicts.verdict import Verdict

# A keeper's decision: a transaction with `data` (or `input`), perhaps `value` and `from`; or None.
Decision = Mapping[str, Any] | None
Keeper = Callable[[Arrival], Decision]

CHECKS: dict[str, str] = {
    "reverts": "it sends nothing that the contract refuses in the next block",
    "returned-false": "it sends nothing for which a Stork contract returns false",
    "max-fee": "it pays no more than `max_fee` for a call",
    "twice": "it sends no report twice, however it is encoded",
    "refused-values": "its `values` are from payloads that the contract takes",
    "missed": "it sends a good report that is newer than all it has sent of the feed",
}
# Seconds until a report expires. Some end within the next block.
_LIFETIMES = (3600, 0, 1, 11, 12, 60, 30 * 86_400)
_JUMPS = (60, 3600, 86_400, 31 * 86_400)
_FEEDS = 2
_MAX_BLOCK = 3600


class Submitted(Record, frozen=True):
    """A transaction of the keeper, its cost, and the verdict in the block that takes it."""

    data: bytes
    value: int
    verdict: Verdict
    cost: int


T = TypeVar("T")


def _own(values: Callable[[KeeperMachine], st.SearchStrategy[T]]) -> st.SearchStrategy[T]:
    """Values that depend on the machine that runs."""
    return st.runner().flatmap(values)


BLOCK = _own(lambda machine: st.integers(*machine.blocks))


def _fees(limit: int) -> list[int]:
    """The fees of reports, in either token: about the limit, and about half of it."""
    return sorted({0, 1, limit // 2, limit // 2 + 1, limit, limit + 1})


class KeeperMachine(RuleBasedStateMachine):
    """See `keeper_machine`, which makes classes of this for a keeper.

    A subclass may override `decide` and `values`, and add rules and invariants. It finds the
    `world` (its `state` and `now`), the `arrivals`, and what was `submitted`, in their order.
    """

    CHECKS: ClassVar[dict[str, str]] = CHECKS

    make_keeper: Callable[[], Keeper] | None = None
    generations: tuple[str, ...]
    network: Network | None = None
    max_fee: int
    blocks: tuple[int, int]
    checks: frozenset[str]

    frames = Bundle("frames")

    def __init__(self) -> None:
        super().__init__()
        make = type(self).make_keeper
        self.keeper = None if make is None else make()
        self.arrivals: list[Arrival] = []
        self.submitted: list[Submitted] = []
        # The reports that were sent; the newest time sent of each feed; the numbers of each feed in
        # payloads that the contract takes.
        self._sent: set[bytes] = set()
        self._newest: dict[Any, int] = {}
        self._good: dict[Any, set[int]] = {}

    # --- what a subclass decides ------------------------------------------------------------------

    def decide(self, arrival: Arrival) -> Decision:
        """The transaction that the keeper sends for a frame; None where it sends none."""
        if self.keeper is None:
            raise wrong("keeper_machine", "keeper", None, "a keeper, or a subclass with `decide`")
        return self.keeper(arrival)

    def values(self) -> Mapping[Any, int]:
        """The numbers that the keeper holds as good, by feed id or number of the asset."""
        found: Mapping[Any, int] = getattr(self.keeper, "values", {})
        return found

    # --- the world --------------------------------------------------------------------------------

    @initialize(
        generation=_own(lambda machine: st.sampled_from(machine.generations)),
        terms=st.sampled_from(TERMS),
    )
    def begin(self, generation: str, terms: str) -> None:
        """A contract of a generation, whose signers publish."""
        module, _, name = system_of(generation).world.partition(":")
        make: type[World] = getattr(import_module(module), name)
        self.world = make(generation, self.network, self.max_fee)
        self.world.terms = terms

    @rule(
        target=frames,
        feed=st.integers(0, _FEEDS - 1),
        price=st.integers(1, 2**40),
        fee=_own(lambda machine: st.sampled_from(_fees(machine.max_fee))),
        lifetime=st.sampled_from(_LIFETIMES),
        late=st.booleans(),
        block=BLOCK,
    )
    def publish(
        self, feed: int, price: int, fee: int, lifetime: int, late: bool, block: int
    ) -> Published:
        """The venue publishes a report, which reaches the keeper at once unless it is late."""
        return self._on_its_way(self.world.publish(feed, price, fee, lifetime), late, block)

    @rule(
        target=frames,
        frame=frames,
        label=_own(lambda machine: st.sampled_from(machine.world.damages)),
        at=NUMBER,
        amount=NUMBER,
        late=st.booleans(),
        block=BLOCK,
    )
    def damage(
        self, frame: Published, label: str, at: int, amount: int, late: bool, block: int
    ) -> Published:
        """A damaged copy of a frame is on its way, too."""
        return self._on_its_way(self.world.damaged(frame, Damage(label, at, amount)), late, block)

    @precondition(lambda machine: machine.world.disguises)
    @rule(
        target=frames,
        frame=frames,
        label=_own(lambda machine: st.sampled_from(machine.world.disguises)),
        at=NUMBER,
        amount=NUMBER,
        block=BLOCK,
    )
    def disguise(self, frame: Published, label: str, at: int, amount: int, block: int) -> Published:
        """The same report reaches the keeper in other bytes, which the contract takes, too."""
        disguised = self.world.damaged(frame, Damage(label, at, amount))
        return self._on_its_way(disguised, False, block)

    @rule(frame=frames, block=BLOCK)
    def arrive(self, frame: Published, block: int) -> None:
        """A frame reaches the keeper, be it the first time or again."""
        self._on_its_way(frame, False, block)

    @rule(overlap=st.booleans())
    def rotate(self, overlap: bool) -> None:
        """New signers; with an overlap, the old signers are trusted a while."""
        self.world.rotate(overlap)

    @rule(terms=st.sampled_from(TERMS))
    def change_fees(self, terms: str) -> None:
        """The contract charges otherwise."""
        self.world.terms = terms

    @rule(access=st.sampled_from(ACCESS))
    def change_access(self, access: str) -> None:
        """The contract gets an access list, with the keeper or without, or is open to everyone."""
        self.world.access = access

    @rule(seconds=BLOCK | st.sampled_from(_JUMPS))
    def wait(self, seconds: int) -> None:
        """The next block comes without a transaction of the keeper, perhaps after a long time."""
        self.world.now += seconds

    def _on_its_way(self, frame: Published, late: bool, block: int) -> Published:
        if not late:
            self._arrive(frame, block)
        return frame

    def _arrive(self, frame: Published, block: int) -> None:
        """The keeper decides about a frame, and the next block takes what it sends."""
        arrival = self.world.arrival(frame)
        self.arrivals.append(arrival)
        facts, honest = self.world.facts(bytes(frame.payload)), self._honest(arrival)
        if facts is not None and honest and honest[0].verdict.accepted:
            for feed, numbers in facts.numbers.items():
                self._good.setdefault(feed, set()).update(numbers)
        decision = self.decide(arrival)
        self.world.now += block
        if decision is not None:
            self._take(decision, arrival)
        elif self._is_missed(facts, honest):
            self._fails("missed", "a good report was not sent", arrival)
        self._check_values()

    # --- the checks -------------------------------------------------------------------------------

    def _check_values(self) -> None:
        for feed, number in self.values().items():
            key = bytes.fromhex(feed.removeprefix("0x")) if isinstance(feed, str) else feed
            if number not in self._good.get(key, ()):
                said = f"{shown(number)} of feed {shown(feed)} is in no payload that was accepted"
                self._fails("refused-values", said)

    def _take(self, decision: Mapping[str, Any], arrival: Arrival) -> None:
        """The block takes a transaction: is it what a careful keeper sends?"""
        taken = _judged(decision, arrival.state, self.world.now)
        functions = systems.of_state(arrival.state).calldata_functions
        facts = [self.world.facts(raw) for raw in decode_call(functions, taken.data).payloads]
        said = [each for each in facts if each is not None]
        reports = [bytes(each.report) for each in said]
        self.submitted.append(taken)
        if taken.verdict.revert_data is not None:
            self._fails("reverts", f"the contract refuses it: {taken.verdict.name}", arrival)
        elif not taken.verdict.accepted:
            self._fails("returned-false", "the contract returns false", arrival)
        if taken.cost > self.max_fee:
            self._fails("max-fee", f"it costs {taken.cost}, and max_fee is {self.max_fee}", arrival)
        if len(set(reports)) < len(reports) or not self._sent.isdisjoint(reports):
            self._fails("twice", "a report in it was sent before", arrival)
        self._remember(said)

    def _remember(self, facts: Iterable[Facts]) -> None:
        for each in facts:
            self._sent.add(bytes(each.report))
            for feed in each.numbers:
                self._newest[feed] = max(each.time, self._newest.get(feed, 0))

    def _honest(self, arrival: Arrival) -> list[Submitted]:
        """A call that is honest in this block and the latest next block; empty if there is none."""
        try:
            call = arrival.transaction()
            times = (arrival.now, arrival.now + self.blocks[1])
            return [_judged(call, arrival.state, time) for time in times]
        except PayloadError:
            return []

    def _is_missed(self, facts: Facts | None, honest: list[Submitted]) -> bool:
        """Whether a keeper that sends nothing misses a good report."""
        if facts is None or not honest or bytes(facts.report) in self._sent:
            return False
        good = all(
            each.verdict.accepted and each.cost <= self.max_fee and not _dangers(each.verdict)
            for each in honest
        )
        newer = (facts.time > self._newest.get(feed, -1) for feed in facts.numbers)
        return good and bool(facts.numbers) and all(newer)

    def _fails(self, check: str, words: str, arrival: Arrival | None = None) -> None:
        """Fail, unless the check is not made."""
        if check in self.checks:
            about = "" if arrival is None else f" (damage: {arrival.damage})"
            raise AssertionError(f"{check}: {words}{about}; a careful keeper: {CHECKS[check]}")


def _judged(transaction: Mapping[str, Any], state: State, now: int) -> Submitted:
    """A transaction in a block of this time."""
    data = to_bytes(transaction.get("data", transaction.get("input")), name="data")
    value = int(transaction.get("value") or 0)
    verdict = judge(data, state, value=value, sender=transaction.get("from"), now=now)
    cost = max(value, sum(bill.amount for bill in verdict.bills))
    return Submitted(data, value, verdict, cost)


def _dangers(verdict: Verdict) -> bool:
    return any(finding.severity == "danger" for finding in verdict.findings)


def keeper_machine(
    keeper: Callable[[], Keeper] | None = None,
    *,
    generation: str | None = None,
    network: Network | None = None,
    max_fee: int = 10**18,
    min_block: int = 1,
    max_block: int = 12,
    checks: Collection[str] = tuple(CHECKS),
) -> type[KeeperMachine]:
    """A state machine for a keeper: run its `TestCase`, or make a subclass.

    `keeper` is called for each run, and makes the function, or the object, that decides: it is
    called with each `Arrival`, and returns a transaction (`data`, `value`) or None. Without it, a
    subclass has `decide`. The contract is of the `generation`, or of any; `network` signs first.
    `max_fee` is the most that the keeper may pay for a call, and a block comes after `min_block` to
    `max_block` seconds. `checks` are names of `KeeperMachine.CHECKS`: what a careful keeper holds.
    """
    name = "keeper_machine"
    if keeper is not None and not callable(keeper):
        raise wrong(name, "keeper", keeper, "a function that makes a keeper")
    check_range(name, "max_fee", max_fee, 0, 2**128)
    check_range(name, "min_block", min_block, 0, _MAX_BLOCK)
    check_range(name, "max_block", max_block, min_block, _MAX_BLOCK)
    check_names(name, "checks", checks, tuple(CHECKS))
    members = {
        "make_keeper": None if keeper is None else staticmethod(keeper),
        "generations": generations_for(name, network, generation),
        "network": network,
        "max_fee": max_fee,
        "blocks": (min_block, max_block),
        "checks": frozenset(checks),
    }
    return type("KeeperMachine", (KeeperMachine,), members)
