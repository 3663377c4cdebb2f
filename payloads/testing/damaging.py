"""Precise damage to a signed payload or its call, by a label, with the verdict it must get."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from payloads import chainlink, stork
from payloads.errors import Misuse, shown
from payloads.recognise import decode
from payloads.stork.calldata import DESERIALIZE
from payloads.testing.chainlink.damage import LABELS as CHAINLINK_LABELS
from payloads.testing.chainlink.draft import ChainlinkDraft, claimed
from payloads.testing.damage import NONE, Damage, Labels
from payloads.testing.networks import (
    SUBSCRIBER,
    InsecureTestNetwork,
    InsecureTestStorkSigner,
    config_of,
    keys_with_past,
)
from payloads.testing.stork.damage import LABELS as STORK_LABELS
from payloads.testing.stork.draft import StorkDraft
from payloads.testing.submission import Draft, Submission, finished
from payloads.verdicts.state import State


def damaged(
    payload: Any,
    damage: str,
    *,
    by: InsecureTestNetwork | InsecureTestStorkSigner,
    state: State | None = None,
    at: int = 0,
    amount: int = 0,
    now: int | None = None,
    pay: str = "native",
    function: str | None = None,
) -> Submission:
    """The call that brings a payload, damaged, to a contract; with the verdict that it must get.

    The payload is signed by `by`, and given decoded or as bytes. `damage` is a label
    (`payloads.strategies.labels_of` lists them, docs/fuzzing.md has their table); `at` and `amount`
    say where and how much, as each label reads them. The state is one that accepts the payload: by
    default one with fees and an access list. `now` is the block's time, by default the payload's
    own.
    """
    signs = isinstance(by, InsecureTestNetwork)
    if not signs and not isinstance(by, InsecureTestStorkSigner):
        expected = "an InsecureTestNetwork or InsecureTestStorkSigner"
        raise Misuse("signs nothing", field="by", expected=expected, found=type(by).__name__)
    for name, value in (("at", at), ("amount", amount), ("now", 0 if now is None else now)):
        if type(value) is not int or value < 0:
            raise Misuse("no such number", field=name, expected="an integer from 0",
                         found=shown(value))  # fmt: skip
    labels, make, states = _REPORTS if signs else _UPDATES
    payload = _payload(payload, "report_blob" if signs else "signed_bytes")
    if not isinstance(damage, str) or damage not in labels.known:
        expected = "one of " + ", ".join(labels.known)
        raise Misuse("no such damage", field="damage", expected=expected, found=shown(damage))
    label = labels.known[damage]
    need = labels.needs[label.needs]
    if state is None:
        state = states(by, payload, label.needs, need.generations)
    good = finished(make(payload, by, state, now, pay, function), labels.known[NONE], Damage(NONE))
    verdict = good.judge()
    if not verdict.accepted:
        raise Misuse("the state refuses the payload as it is", field="payload",
                     expected="a payload that is accepted", found=verdict.name)  # fmt: skip
    if not need.met(state):
        contracts = ", ".join(need.generations)
        raise Misuse(f"the state has nothing to show this damage with: {label.needs}",
                     field="state", expected=f"a state of {contracts} that has it",
                     found=state.described())  # fmt: skip
    draft = make(payload, by, state, now, pay, function)
    return finished(draft, label, Damage(damage, at, amount))


def _payload(given: Any, part: str) -> Any:
    """The payload, decoded; `part` is what a payload that `by` may have signed has."""
    found = given
    if isinstance(given, bytes | bytearray | memoryview | str | dict):
        found = decode(given).value
    if not hasattr(found, part):
        raise Misuse("not a payload that it signed", field="payload", expected="one of by's system",
                     found=type(found).__name__)  # fmt: skip
    return found


# --- reports --------------------------------------------------------------------------------------


def _report_state(by: Any, payload: Any, need: str, generations: tuple[str, ...]) -> State:
    """A state with fees and an access list, and with what the damage needs besides."""
    generation = generations[-1]
    feed = "0x" + bytes(payload.report_blob[:32]).hex()
    keys: dict[str, Any] = {"feeds": [feed]}
    if need == "activation":
        keys["configs"] = [config_of(by) | {"activation_time": 1}]
    elif need in ("retired", "deactivated"):
        keys |= keys_with_past(by, generation, feed, need == "deactivated")
    state: State = by.state(generation, fees=True, allowed=[SUBSCRIBER], **keys)
    return state


def _report_draft(
    payload: Any, by: Any, state: Any, now: int | None, pay: str, function: str | None
) -> Draft:
    found = chainlink.recover(payload)
    indices = {address: index for index, address in enumerate(by.signers)}
    if not all(one.address in indices for one in found):
        raise Misuse("not signed by this network", field="by", found=by.seed)
    times = claimed(payload.report, 0)
    return ChainlinkDraft(
        state,
        by,
        bytes(payload.report_blob),
        times=times,
        now=max(times) if now is None else now,
        oracles=[indices[str(one.address)] for one in found],
        sequence=payload.epoch << 8 | payload.round,
        pay=pay,
        extra=0,
        is_view=function == "verifyView",
    )


# --- updates --------------------------------------------------------------------------------------


def _update_state(by: Any, payload: Any, need: str, generations: tuple[str, ...]) -> State:
    state: State = by.state(generations[0], fee=1)
    return state


def _update_draft(
    payload: Any, by: Any, state: Any, now: int | None, pay: str, function: str | None
) -> Draft:
    if stork.recover(payload)[0].address != by.address:
        raise Misuse("not signed by this signer", field="by", found=by.seed)
    seconds = payload.timestamp_ns // 10**9
    return StorkDraft(
        state, by, payload, now=seconds if now is None else now, extra=0,
        deserializes=function == DESERIALIZE.name,
    )  # fmt: skip


_Maker = Callable[[Any, Any, Any, int | None, str, str | None], Draft]
_States = Callable[[Any, Any, str, tuple[str, ...]], State]
_REPORTS: tuple[Labels, _Maker, _States] = (CHAINLINK_LABELS, _report_draft, _report_state)
_UPDATES: tuple[Labels, _Maker, _States] = (STORK_LABELS, _update_draft, _update_state)
