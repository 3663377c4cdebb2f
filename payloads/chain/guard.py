"""A guard in front of `send_transaction`: the verdict on a transaction before it is paid for.

    state = fetch_state(w3, proxy, subscriber=account)
    judge_transaction(transaction, state, now=…)     # a Verdict
    send_guarded(w3, transaction, state)             # the hash; or `Refused`, and nothing is sent

Only a transaction straight to the state's own proxy can be judged, and only to a function that
verifies: anything else is `Misuse`, so that a guard never waves through what it did not look at.
The state is what the caller fetched: keep it fresh, since configs, fees and access may change.
"""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Mapping
from typing import Any

from hexbytes import HexBytes

from payloads import systems
from payloads.abi.calldata import function_of
from payloads.abi.fields import hexed
from payloads.chain.rpc import QUANTITY, connect
from payloads.crypto import checksum
from payloads.errors import Misuse, shown
from payloads.signatures import address_bytes
from payloads.system import Terms
from payloads.verdicts.state import State
from payloads.verdicts.verdict import Verdict

Transaction = Mapping[str, Any]


def judge_transaction(transaction: Transaction, state: State, *, now: int | None = None) -> Verdict:
    """What the transaction (`to`, `data` or `input`, `value`, `from`) would do at time `now`.

    `now` is the time of the block it will be in; the state's own if not given. Without a `from`
    the sender is the state's subscriber.
    """
    _check_target(transaction, state)
    data = _bytes(transaction.get("data", transaction.get("input")), "data")
    value = _integer(transaction.get("value", 0), "value")
    system = systems.of_state(state)
    functions = system.calldata_functions
    if function_of(functions, data) is None:
        raise Misuse(
            "the transaction calls no function that verifies",
            field="data",
            expected=" or ".join(function.signature for function in functions),
            found="0x" + data[:4].hex(),
        )
    terms = Terms(value=value, sender=transaction.get("from"), now=now)
    return system.judge_calldata(data, state, terms)


def refuse_transaction(
    transaction: Transaction, state: State, *, now: int | None = None
) -> Verdict:
    """The verdict if the transaction would succeed; `ContractRefusal` (a `Refused`) if not.

    A call that would return false is refused, too: it costs as much as a call that verifies.
    """
    return judge_transaction(transaction, state, now=now).raise_if_refused()


def send_guarded(
    w3: Any,
    transaction: Transaction,
    state: State,
    *,
    now: int | None = None,
) -> HexBytes:
    """`w3.eth.send_transaction(transaction)`, unless it would be refused; the transaction's hash.

    `now` is the newest block's time if not given; the transaction will be in a later one.
    """
    if now is None:
        node = connect(w3)
        now = node.block_again(node.head()).time
    refuse_transaction(transaction, state, now=now)
    return hexed(bytes(w3.eth.send_transaction(dict(transaction))))


def _check_target(transaction: Transaction, state: State) -> None:
    if state.proxy is None:
        raise Misuse("the state does not say which contract it is of", field="state.proxy")
    to = transaction.get("to")
    if to is None or address_bytes(to, "to") != state.proxy:
        raise Misuse(
            "the transaction goes to another contract than the state is of",
            field="to", expected=checksum(bytes(state.proxy)), found=shown(to),
        )  # fmt: skip
    chain = transaction.get("chainId")
    if chain is not None and state.chain_id not in (None, _integer(chain, "chainId")):
        raise Misuse(
            "the transaction is for another chain",
            field="chainId", expected=str(state.chain_id), found=shown(chain),
        )  # fmt: skip


def _bytes(value: Any, name: str) -> bytes:
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    try:
        return unhexlify(value.removeprefix("0x"))
    except (AttributeError, ValueError):
        raise Misuse("not hex", field=name, found=shown(value)) from None


def _integer(value: Any, name: str) -> int:
    if isinstance(value, str) and QUANTITY.fullmatch(value):
        return int(value, 16)
    if type(value) is not int:
        raise Misuse("not an integer", field=name, found=shown(value))
    return value
