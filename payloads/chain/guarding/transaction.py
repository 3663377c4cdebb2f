"""The transaction that verifies payloads: calldata and value by one word, `pay`."""

from __future__ import annotations

from typing import Any

from payloads import systems
from payloads.crypto import checksum
from payloads.errors import Malformed, Misuse
from payloads.judging import given, system_for
from payloads.signatures import address_bytes
from payloads.system import Terms
from payloads.verdicts.state import State


def build_transaction(
    payloads: Any,
    state: State,
    *,
    pay: str | bytes | None = None,
    value: int | None = None,
    function: str | None = None,
    sender: str | bytes | None = None,
) -> dict[str, Any]:
    """The transaction (`from`, `to`, `data`, `value`, `chainId`) that verifies payloads.

    A list of payloads makes a call of the function that takes many. `pay` is the way of paying:
    `link`, `native`, `wrapped`, or the address of a token; Stork takes `native`. `Misuse` where the
    contract charges and `pay` is not given. `value` is by default what `pay` comes to.
    """
    system = systems.of_state(state)
    if state.proxy is None:
        raise Misuse("the state does not say which contract it is of", field="state.proxy")
    several = isinstance(payloads, list | tuple)
    raws = [_raw(payload, state) for payload in (payloads if several else [payloads])]
    if several and function is None:
        many = [known.name for known in system.calldata_functions if known.takes_many]
        if not many:
            raise Misuse(f"{system.name} takes one payload a call", field="payloads")
        function = many[0]
    account = getattr(state, "subscriber", None) if sender is None else sender
    terms = Terms(function=function, pay=pay, value=value, sender=account)
    transaction: dict[str, Any] = {
        "to": checksum(bytes(state.proxy)),
        "data": "0x" + system.encode_calldata(raws, function, pay, state).hex(),
        "value": system.value_sent(raws, state, terms),
    }
    if account is not None:
        transaction["from"] = checksum(address_bytes(account, "sender"))
    if state.chain_id is not None:
        transaction["chainId"] = state.chain_id
    return transaction


def _raw(payload: Any, state: State) -> bytes:
    found = list(given(payload))
    if len(found) != 1 or found[0].is_call:
        raise Misuse("not one payload", field="payloads", expected="a payload, or a list of them")
    if found[0].error is not None:
        raise found[0].error
    system_for(found[0], state)
    if not found[0].raw:
        raise Malformed("no bytes", field="payloads")
    return found[0].raw
