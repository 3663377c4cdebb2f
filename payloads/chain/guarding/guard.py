"""A guard in front of `send_transaction`: the verdict on a transaction before it is paid for.

    state = fetch_state(w3, proxy, subscriber=account)
    judge_transaction(w3, transaction, state)     # a Verdict
    send_guarded(w3, transaction, state)          # `Sent`; or `Refused`, and nothing is sent

The clock is the chain's: a transaction is judged at the time of the newest block, and once more at
that time plus the policy's margin, because a later block will take it. It must pass both times.

A transaction is judged if it goes straight to the state's own proxy, to a function that verifies;
or to a contract that the policy names as a consumer, with payloads in its calldata (see
`payloads.chain.guarding.consumer`). It must be on the state's own chain, and the caller of the
proxy must be the one that the state was fetched for. Anything else is `Misuse`, so that a guard
never waves through what it did not look at. What the contract takes, a `Policy` may still refuse.
The state is what the caller fetched: keep it fresh, since configs, fees and access may change. A
`LiveState` does that; of a `States`, the state of the node's chain and of the transaction's `to` is
taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec.structs
from hexbytes import HexBytes

from payloads import systems
from payloads.abi.calldata import Function, decode_call, function_of
from payloads.abi.fields import Record, hexed
from payloads.chain.guarding import transaction_fields as fields
from payloads.chain.guarding.consumer import Handover, compare, handover, run
from payloads.chain.guarding.policy import Policy, PolicyRefusal
from payloads.chain.guarding.transaction_fields import Transaction
from payloads.chain.reading.states import Source, States, state_for
from payloads.chain.rpc import Node, connect
from payloads.crypto import checksum
from payloads.embedding import embedded
from payloads.errors import Misuse, PayloadError, shown
from payloads.system import System, Terms
from payloads.verdicts.checks import Finding
from payloads.verdicts.signers import Signers
from payloads.verdicts.state import State
from payloads.verdicts.verdict import Verdict

CAREFUL = Policy()
# Blocks that the time between two blocks is taken from, and seconds for a chain of one block.
_BLOCKS, _SECONDS = 100, 12


class Sent(Record, frozen=True):
    """A transaction that was sent: its hash, and the verdict that let it through."""

    hash: HexBytes
    verdict: Verdict

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings on the call, those that the policy lets pass included."""
        return self.verdict.findings


class Clock(Record, frozen=True):
    """The time of the newest block, and the latest at which the transaction may be taken."""

    number: int
    now: int
    latest: int


class Way(Record, frozen=True):
    """The way of a transaction to the contract that verifies: who calls it, and with what.

    `sender` calls that contract, and `origin` signs the transaction; None is not known. `handed` is
    None where the transaction goes straight there, and calls `function`.
    """

    system: System
    state: State
    data: bytes
    value: int
    sender: bytes | None
    origin: bytes | None
    handed: Handover | None = None
    function: Function | None = None

    @property
    def to(self) -> bytes:
        """The contract that the transaction goes to."""
        return bytes(self.state.proxy or b"") if self.handed is None else self.handed.consumer

    @property
    def is_view(self) -> bool:
        """Whether it calls a function that takes no payment, nor any value."""
        return self.function is not None and len(self.function.arguments) < 2

    def judge(self, now: int, signers: Signers) -> Verdict:
        """The verdict at a time."""
        if self.handed is not None:
            return self.handed.judge(now, signers)
        terms = Terms(
            value=self.value, sender=self.sender, origin=self.origin, now=now, signers=signers
        )
        return self.system.judge_calldata(self.data, self.state, terms)


class Judged(Record, frozen=True):
    """The verdict to go by, and the verdict at the time of the newest block."""

    verdict: Verdict
    at_newest: Verdict
    clock: Clock


def judge_transaction(
    w3: Any, transaction: Transaction, state: Source, policy: Policy = CAREFUL
) -> Verdict:
    """What the transaction (`to`, `data` or `input`, `value`, `from`) would do.

    The verdict is that of the newest block's time, or of that time and the policy's margin, if the
    call fails only then. Without a `from` the sender is the state's subscriber. Through a consumer
    the node runs the transaction, too, and findings say where that contradicts the verdict.
    """
    node = connect(w3, by="judge_transaction")
    return _judged(node, transaction, state, policy)[1].verdict


def refuse_transaction(
    w3: Any, transaction: Transaction, state: Source, policy: Policy = CAREFUL
) -> Verdict:
    """The verdict if the transaction may be sent; `Refused` if not, with the same verdict.

    `ContractRefusal` is raised where the contract would revert, or return false: that costs as
    much as a call that verifies. `PolicyRefusal` is raised where the policy says no.
    """
    way, found = _judged(connect(w3, by="refuse_transaction"), transaction, state, policy)
    found.verdict.raise_if_refused()
    for refusal in broken_rules(policy, found, way):
        raise refusal
    return found.verdict


def send_guarded(
    w3: Any, transaction: Transaction, state: Source, policy: Policy = CAREFUL
) -> Sent:
    """`w3.eth.send_transaction(transaction)`, unless it would be refused."""
    check_sends(w3, "a Web3")
    verdict = refuse_transaction(connect(w3, by="send_guarded"), transaction, state, policy)
    return Sent(hexed(bytes(w3.eth.send_transaction(dict(transaction)))), verdict)


def check_sends(w3: Any, expected: str) -> None:
    """`Misuse` where there is nothing that sends: a URL and a provider only ask."""
    if not callable(getattr(getattr(w3, "eth", None), "send_transaction", None)):
        found = type(w3).__name__
        raise Misuse("it sends no transaction", field="w3", expected=expected, found=found)


# --- judging --------------------------------------------------------------------------------------


def _judged(
    node: Node, transaction: Transaction, source: Source, policy: Policy
) -> tuple[Way, Judged]:
    state = chosen_state(node, transaction, source, policy)
    check_chain(node, transaction, state)
    way = find_way(transaction, state, policy)
    found = judge_twice(way, read_clock(node, policy))
    if way.handed is None:
        return way, found
    reverted = run(node, way.to, way.data, found.clock.number, way.origin, way.value)
    alarm = compare(found.at_newest, reverted, way.handed)
    if alarm is None:
        return way, found
    return way, msgspec.structs.replace(found, verdict=found.verdict.with_findings([alarm]))


def judge_twice(way: Way, clock: Clock) -> Judged:
    """The verdict at the latest time if the call is worse then, else the verdict now."""
    signers = Signers()  # each signature is recovered once
    verdict = newest = way.judge(clock.now, signers)
    ends = newest.good_until if newest.accepted else None
    if ends is not None and ends < clock.latest > clock.now:
        later = way.judge(clock.latest, signers)
        verdict = newest if later.accepted and not _worse(later, newest) else later
    return Judged(verdict, newest, clock)


def _worse(later: Verdict, earlier: Verdict) -> bool:
    """Whether the later verdict has a danger that the earlier has not: a report has expired."""
    known = {each.code for each in earlier.findings}
    return any(each.severity == "danger" and each.code not in known for each in later.findings)


def read_clock(node: Node, policy: Policy) -> Clock:
    """The newest block's time, and that time with the policy's margin."""
    head = node.head()
    now = node.block_again(head).time
    margin = _two_blocks(node, head, now) if policy.margin is None else policy.margin
    return Clock(head, now, now + margin)


def _two_blocks(node: Node, head: int, now: int) -> int:
    """The seconds that two blocks of the chain take, rounded up."""
    blocks = min(head, _BLOCKS)
    if not blocks:
        return 2 * _SECONDS
    passed = now - node.block(head - blocks).time
    return max(1, -(-2 * passed // blocks))


def carries_payload(transaction: Transaction) -> bool:
    """Whether a signed payload is in the calldata, if there is any."""
    given = transaction.get("data", transaction.get("input"))
    return given is not None and bool(embedded(fields.data(transaction)))


# --- what can be judged ---------------------------------------------------------------------------


def chosen_state(node: Node, transaction: Transaction, source: Source, policy: Policy) -> State:
    """The state that judges the transaction: of several, by `to`, or by the payload handed over."""
    if isinstance(source, States) and fields.target(transaction) in policy.known_consumers():
        for found in embedded(fields.data(transaction)):
            return source.for_payload(found.raw, found.system)
        raise Misuse("the transaction carries no payload", field="data")
    return state_for(source, transaction, node.chain_id)


def check_chain(node: Node, transaction: Transaction, state: State) -> None:
    """`Misuse` if state, transaction and node are not of one chain."""
    if state.chain_id is None:
        raise Misuse("the state does not say which chain it is of", field="state.chain_id")
    named = transaction.get("chainId")
    if named is not None and fields.integer(named, "chainId") != state.chain_id:
        raise Misuse(
            "the transaction is for another chain",
            field="chainId", expected=str(state.chain_id), found=shown(named),
        )  # fmt: skip
    connected = node.chain_id()
    if connected != state.chain_id:
        raise Misuse(
            "the state is of another chain than the node's",
            field="w3", expected=f"chain {state.chain_id}", found=f"chain {connected}",
        )  # fmt: skip


def find_way(transaction: Transaction, state: State, policy: Policy) -> Way:
    """The way of the transaction to the state's contract; `Misuse` where none can be judged."""
    if state.proxy is None:
        raise Misuse("the state does not say which contract it is of", field="state.proxy")
    system, to = systems.of_state(state), fields.target(transaction)
    if to is not None and to in policy.known_consumers():
        return _through(to, transaction, state, system)
    if to != state.proxy:
        expected = checksum(bytes(state.proxy)) + ", or a consumer that the policy names"
        raise Misuse(
            "the transaction goes to another contract than the state is of",
            field="to", expected=expected, found=shown(transaction.get("to")),
        )  # fmt: skip
    return _straight(transaction, state, system)


def _straight(transaction: Transaction, state: State, system: System) -> Way:
    signer = fields.origin(transaction)
    sender = getattr(state, "subscriber", None) if signer is None else signer
    _check_subscriber(state, sender, "from")
    data = fields.data(transaction)
    function = function_of(system.calldata_functions, data)
    if function is None:
        raise Misuse(
            "the transaction calls no function that verifies",
            field="data",
            expected=" or ".join(function.signature for function in system.calldata_functions),
            found="0x" + data[:4].hex(),
        )
    value = fields.value(transaction)
    return Way(system, state, data, value, sender, signer, function=function)


def _through(consumer: bytes, transaction: Transaction, state: State, system: System) -> Way:
    signer, data = fields.origin(transaction), fields.data(transaction)
    value = fields.value(transaction)
    _check_subscriber(state, consumer, "to")
    handed = handover(system, state, consumer, signer, data)
    return Way(system, state, data, value, consumer, signer, handed)


def _check_subscriber(state: State, sender: bytes | None, field: str) -> None:
    subscriber = getattr(state, "subscriber", None)
    if None not in (subscriber, sender) and subscriber != sender:
        # Of discounts and access, such a state has the subscriber's alone.
        raise Misuse(
            "the state was fetched for another subscriber",
            field=field, expected=checksum(bytes(subscriber or b"")),
            found=checksum(bytes(sender or b"")),
        )  # fmt: skip


# --- the policy -----------------------------------------------------------------------------------


def broken_rules(policy: Policy, found: Judged, way: Way) -> Iterator[PolicyRefusal]:
    """The rules of the policy that the transaction breaks."""
    for reason, field, expected, said in _broken(policy, found, way):
        yield PolicyRefusal(
            f"the policy refuses it: {reason}",
            field=field, expected=expected, found=said, verdict=found.verdict,
        )  # fmt: skip


# Why, the key of the policy, what it allows, and what was found.
_Broken = tuple[str, str, str, str]


def _broken(policy: Policy, found: Judged, way: Way) -> Iterator[_Broken]:
    if policy.max_age is not None:
        yield from _too_old(policy.max_age, way.state.age(found.clock.now))
    if (wanted := policy.wanted_recipients()) is not None:
        proxy = bytes(way.state.proxy or b"")
        if proxy not in wanted:
            expected = ", ".join(map(checksum, sorted(wanted))) or "none"
            yield "a contract that is not listed", "recipients", expected, checksum(proxy)
    if (feeds := policy.wanted_feeds()) is not None:
        yield from _other_feeds(feeds, way)
    if policy.max_fee is not None:
        cost = max(way.value, sum(bill.amount for bill in found.verdict.bills))
        if cost > policy.max_fee:
            yield "it costs more than allowed", "max_fee", f"at most {policy.max_fee}", str(cost)
    if stopping := policy.stops(found.verdict.findings):
        allowed = f"no finding of {', '.join(policy.refuse)}"
        yield str(stopping[0]), "refuse", allowed, ", ".join(each.code for each in stopping)


def _too_old(max_age: int, age: int | None) -> Iterator[_Broken]:
    expected = f"at most {max_age} s old"
    if age is None:
        yield "nothing says how old the state is", "max_age", expected, "no age"
    elif age > max_age:
        yield "the state is old; fetch it again", "max_age", expected, f"{age} s"


def _other_feeds(wanted: frozenset[bytes | int], way: Way) -> Iterator[_Broken]:
    expected = "a feed that is listed"
    try:
        for raw in _payloads(way):
            for feed in way.system.feeds(raw):
                if feed not in wanted:
                    name = "0x" + feed.hex() if isinstance(feed, bytes) else str(feed)
                    yield "a feed that is not listed", "feeds", expected, name
    except PayloadError as error:
        yield f"its feed cannot be read: {error}", "feeds", expected, "none"


def _payloads(way: Way) -> tuple[bytes, ...]:
    if way.handed is not None:
        return tuple(each.raw for each in way.handed.payloads)
    return decode_call(way.system.calldata_functions, way.data).payloads
