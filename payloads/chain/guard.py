"""A guard in front of `send_transaction`: the verdict on a transaction before it is paid for.

    state = fetch_state(w3, proxy, subscriber=account)
    judge_transaction(w3, transaction, state)     # a Verdict
    send_guarded(w3, transaction, state)          # `Sent`; or `Refused`, and nothing is sent

The clock is the chain's: a transaction is judged at the time of the newest block, and once more at
that time plus the policy's margin, because a later block will take it. It must pass both times.

Only a transaction straight to the state's own proxy can be judged, on the state's own chain, by
the account that the state was fetched for, and only to a function that verifies. Anything else is
`Misuse`, so that a guard never waves through what it did not look at. What the contract takes, a
`Policy` may still refuse. The state is what the caller fetched: keep it fresh, since configs, fees
and access may change. A `LiveState` does that; of a `States`, the state of the node's chain and of
the transaction's `to` is taken.
"""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Mapping
from typing import Any

from hexbytes import HexBytes

from payloads import systems
from payloads.abi.calldata import decode_call, function_of
from payloads.abi.fields import Record, hexed
from payloads.chain.policy import Policy, PolicyRefusal
from payloads.chain.rpc import QUANTITY, Node, connect
from payloads.chain.states import Source, state_for
from payloads.crypto import checksum
from payloads.errors import Misuse, PayloadError, shown
from payloads.signatures import address_bytes
from payloads.system import System, Terms
from payloads.verdicts.checks import Finding
from payloads.verdicts.state import State
from payloads.verdicts.verdict import Verdict

Transaction = Mapping[str, Any]

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


class _Clock(Record, frozen=True):
    """The time of the newest block, and the latest at which the transaction may be taken."""

    now: int
    latest: int


def judge_transaction(
    w3: Any, transaction: Transaction, state: Source, policy: Policy = CAREFUL
) -> Verdict:
    """What the transaction (`to`, `data` or `input`, `value`, `from`) would do.

    The verdict is that of the newest block's time, or of that time and the policy's margin, if the
    call fails only then. Without a `from` the sender is the state's subscriber.
    """
    node = connect(w3, by="judge_transaction")
    return _judged(node, transaction, state_for(state, transaction, node.chain_id), policy)[0]


def refuse_transaction(
    w3: Any, transaction: Transaction, state: Source, policy: Policy = CAREFUL
) -> Verdict:
    """The verdict if the transaction may be sent; `Refused` if not, with the same verdict.

    `ContractRefusal` is raised where the contract would revert, or return false: that costs as
    much as a call that verifies. `PolicyRefusal` is raised where the policy says no.
    """
    node = connect(w3, by="refuse_transaction")
    known = state_for(state, transaction, node.chain_id)
    verdict, clock = _judged(node, transaction, known, policy)
    verdict.raise_if_refused()
    _apply(policy, verdict, clock, transaction, known)
    return verdict


def send_guarded(
    w3: Any, transaction: Transaction, state: Source, policy: Policy = CAREFUL
) -> Sent:
    """`w3.eth.send_transaction(transaction)`, unless it would be refused."""
    verdict = refuse_transaction(connect(w3, by="send_guarded"), transaction, state, policy)
    return Sent(hexed(bytes(w3.eth.send_transaction(dict(transaction)))), verdict)


# --- judging --------------------------------------------------------------------------------------


def _judged(
    node: Node, transaction: Transaction, state: State, policy: Policy
) -> tuple[Verdict, _Clock]:
    _check_chain(node, transaction, state)
    _check_target(transaction, state)
    sender = _sender(transaction, state)
    system, data = systems.of_state(state), _data(transaction)
    if function_of(system.calldata_functions, data) is None:
        raise Misuse(
            "the transaction calls no function that verifies",
            field="data",
            expected=" or ".join(function.signature for function in system.calldata_functions),
            found="0x" + data[:4].hex(),
        )
    clock = _clock(node, policy)
    verdicts = (
        system.judge_calldata(data, state, Terms(value=_value(transaction), sender=sender, now=at))
        for at in (clock.now, clock.latest)
    )
    verdict = next(verdicts)
    if verdict.accepted and clock.latest > clock.now:
        later = next(verdicts)
        verdict = verdict if later.accepted and not _worse(later, verdict) else later
    return verdict, clock


def _worse(later: Verdict, earlier: Verdict) -> bool:
    """Whether the later verdict has a danger that the earlier has not: a report has expired."""
    known = {each.code for each in earlier.findings}
    return any(each.severity == "danger" and each.code not in known for each in later.findings)


def _clock(node: Node, policy: Policy) -> _Clock:
    head = node.head()
    now = node.block_again(head).time
    margin = _two_blocks(node, head, now) if policy.margin is None else policy.margin
    return _Clock(now, now + margin)


def _two_blocks(node: Node, head: int, now: int) -> int:
    """The seconds that two blocks of the chain take, rounded up."""
    blocks = min(head, _BLOCKS)
    if not blocks:
        return 2 * _SECONDS
    passed = now - node.block(head - blocks).time
    return max(1, -(-2 * passed // blocks))


def _check_chain(node: Node, transaction: Transaction, state: State) -> None:
    if state.chain_id is None:
        raise Misuse("the state does not say which chain it is of", field="state.chain_id")
    named = transaction.get("chainId")
    if named is not None and _integer(named, "chainId") != state.chain_id:
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


def _check_target(transaction: Transaction, state: State) -> None:
    if state.proxy is None:
        raise Misuse("the state does not say which contract it is of", field="state.proxy")
    to = transaction.get("to")
    if to is None or address_bytes(to, "to") != state.proxy:
        raise Misuse(
            "the transaction goes to another contract than the state is of",
            field="to", expected=checksum(bytes(state.proxy)), found=shown(to),
        )  # fmt: skip


def _sender(transaction: Transaction, state: State) -> bytes | None:
    """The account that sends; `Misuse` if the state was fetched for another."""
    subscriber = getattr(state, "subscriber", None)
    given = transaction.get("from")
    if given is None:
        return subscriber
    sender = address_bytes(given, "from")
    if subscriber not in (None, sender):
        # Of discounts and access, such a state has the subscriber's alone.
        raise Misuse(
            "the state was fetched for another subscriber",
            field="from", expected=checksum(bytes(subscriber)), found=checksum(sender),
        )  # fmt: skip
    return sender


# --- the policy -----------------------------------------------------------------------------------


def _apply(
    policy: Policy, verdict: Verdict, clock: _Clock, transaction: Transaction, state: State
) -> None:
    """Raise `PolicyRefusal` for what the policy does not let through."""

    def refuse(reason: str, field: str, expected: str, found: str) -> None:
        raise PolicyRefusal(
            f"the policy refuses it: {reason}",
            field=field, expected=expected, found=found, verdict=verdict,
        )  # fmt: skip

    _check_age(policy, state.age(clock.now), refuse)
    wanted = policy.wanted_recipients()
    if wanted is not None and bytes(state.proxy or b"") not in wanted:
        expected = ", ".join(map(checksum, sorted(wanted))) or "none"
        refuse("a contract that is not listed", "recipients", expected, shown(state.proxy))
    _check_feeds(policy, systems.of_state(state), _data(transaction), refuse)
    cost = max(_value(transaction), _fees(verdict))
    if policy.max_fee is not None and cost > policy.max_fee:
        refuse("it costs more than allowed", "max_fee", f"at most {policy.max_fee}", str(cost))
    if stopping := policy.stops(verdict.findings):
        allowed = f"no finding of {', '.join(policy.refuse)}"
        refuse(str(stopping[0]), "refuse", allowed, ", ".join(each.code for each in stopping))


def _check_age(policy: Policy, age: int | None, refuse: Any) -> None:
    if policy.max_age is None:
        return
    expected = f"at most {policy.max_age} s old"
    if age is None:
        refuse("nothing says how old the state is", "max_age", expected, "no age")
    elif age > policy.max_age:
        refuse("the state is old; fetch it again", "max_age", expected, f"{age} s")


def _check_feeds(policy: Policy, system: System, data: bytes, refuse: Any) -> None:
    wanted = policy.wanted_feeds()
    if wanted is None:
        return
    for raw in decode_call(system.calldata_functions, data).payloads:
        try:
            feeds = system.feeds(raw)
        except PayloadError as error:
            refuse(f"its feed cannot be read: {error}", "feeds", "a feed that is listed", "none")
            return
        for feed in feeds:
            if feed not in wanted:
                name = "0x" + feed.hex() if isinstance(feed, bytes) else str(feed)
                refuse("a feed that is not listed", "feeds", "a feed that is listed", name)


def _fees(verdict: Verdict) -> int:
    """What the call is billed, in the smallest unit of the token that it pays in."""
    return sum(check.inputs.get("fee") or 0 for check in verdict.checks if check.name == "fee")


# --- fields of a transaction ----------------------------------------------------------------------


def _data(transaction: Transaction) -> bytes:
    value = transaction.get("data", transaction.get("input"))
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    try:
        return unhexlify(value.removeprefix("0x"))
    except (AttributeError, ValueError):
        raise Misuse("not hex", field="data", found=shown(value)) from None


def _value(transaction: Transaction) -> int:
    return _integer(transaction.get("value", 0), "value")


def _integer(value: Any, name: str) -> int:
    if isinstance(value, str) and QUANTITY.fullmatch(value):
        return int(value, 16)
    if type(value) is not int:
        raise Misuse("not an integer", field=name, found=shown(value))
    return value
