"""v0.5.1 with its views, and the fee managers that do nothing: beyond the recorded answers."""

from __future__ import annotations

from typing import Any

import pytest

import payloads
from payloads import State, chainlink
from payloads.chainlink.calldata import VERIFY_BULK_VIEW, VERIFY_VIEW
from payloads.chainlink.state import NO_OP, ChainlinkState
from payloads.errors import Misuse
from tests.test_raw_calls import CASES, STATES, WORLDS

LINK, NATIVE, OTHER = "0x" + "1c" * 20, "0x" + "2d" * 20, "0x" + "ee" * 20


def _accepted(contract: str, type_: str | None, function: str = "verify") -> tuple[str, Any]:
    """A recorded call that is accepted, as its calldata and the state it was made under."""
    for case in CASES:
        world = WORLDS[case["world"]]
        kind = (world["fee_manager"] or {}).get("type")
        made = (world["contract"], kind, case.get("function"), case["outcome"]["status"])
        if made == (contract, type_, function, "return") and case["value"] == "0":
            return case["calldata"], STATES[case["world"]]
    raise LookupError(contract)


def _codes(verdict: payloads.Verdict) -> set[str]:
    return {finding.code for finding in verdict.findings}


def _world(**changes: Any) -> dict[str, Any]:
    fees = {"type": "NoOpFeeManager 0.5.1", "link": LINK, "native": NATIVE} | changes
    return {"contract": "v0.5.0", "configs": [], "fee_manager": fees}


@pytest.mark.parametrize("type_", NO_OP)
def test_value_comes_back_and_expiry_is_not_checked(type_: str) -> None:
    calldata, state = _accepted("v0.5.0", type_)
    verdict = payloads.judge(calldata, state, value=10**15)
    assert verdict.accepted
    assert {"no-expiry-check", "refund"} <= _codes(verdict)
    assert "value-kept" not in _codes(verdict)
    without = State.from_dict(state.to_dict() | {"fee_manager": None})
    assert {"no-expiry-check", "value-kept"} <= _codes(
        payloads.judge(calldata, without, value=10**15)
    )


def test_no_time_is_needed_where_nothing_checks_expiry() -> None:
    calldata, state = _accepted("v0.5.0", NO_OP[1])
    record = state.to_dict()
    record.pop("now")
    assert payloads.judge(calldata, State.from_dict(record)).accepted


def test_a_quote_says_that_verification_is_billed_by_subscription() -> None:
    calldata, state = _accepted("v0.5.0", NO_OP[1])
    (found,) = payloads.embedded(calldata)
    quote = chainlink.quote(found.raw, state)
    assert quote.free == "verification is billed by subscription"
    assert (quote.link, quote.native, quote.value, quote.surcharge) == (None, None, 0, 0)
    assert payloads.judge(found.raw, state, pay="link")
    assert chainlink.encode_calldata(found.raw, pay="link", state=state) == (
        chainlink.encode_calldata(found.raw, pay=None)
    )


def test_a_no_op_fee_manager_has_no_terms() -> None:
    state = State.from_dict(_world())
    assert isinstance(state, ChainlinkState)
    assert state.charges is None
    assert any("billed by subscription" in value for _, value in state.facts())
    assert State.from_dict(state.to_dict()) == state
    for bad in (
        {"native_surcharge": "1"},
        {"type": "NoOpFeeManager 9"},
        {"link": "0x" + "00" * 20},
    ):
        with pytest.raises(Misuse, match="fee_manager"):
            State.from_dict(_world(**bad))
    # 0.5.0 has no getters of its tokens, so a state may not know them.
    bare = {"contract": "v0.5.0", "configs": [], "fee_manager": {"type": NO_OP[0]}}
    assert State.from_dict(bare).to_dict()["fee_manager"] == {"type": NO_OP[0]}


def test_a_fee_manager_that_charges_names_its_tokens() -> None:
    for type_ in (None, "FeeManager"):
        fees = {"type": type_, "link": LINK} if type_ else {"link": LINK}
        with pytest.raises(Misuse, match=r"fee_manager\.native"):
            State.from_dict({"contract": "v0.5.0", "configs": [], "fee_manager": fees})


@pytest.mark.parametrize("contract", ["v0.3.0", "v0.4.0"])
def test_older_contracts_have_no_such_fee_manager(contract: str) -> None:
    with pytest.raises(Misuse, match="later contracts"):
        State.from_dict(_world() | {"contract": contract})


# --- views ----------------------------------------------------------------------------------------


def _payload(function: str) -> tuple[bytes, Any]:
    calldata, state = _accepted("v0.5.1", None, function)
    return bytes(payloads.embedded(calldata)[0].raw), state


def test_a_view_is_judged_by_its_name() -> None:
    raw, state = _payload("verifyView")
    verdict = payloads.judge(raw, state, function="verifyView")
    assert verdict.accepted
    assert verdict.returned == chainlink.judge(raw, state, view=True).returned
    assert chainlink.judge_bulk([raw, raw], state, view=True).returned == (verdict.returned,) * 2
    bulk = payloads.judge_many([raw], state, function="verifyBulkView")
    assert [each.returned for each in bulk] == [(verdict.returned,)]


def test_a_view_is_not_payable_and_pays_nothing() -> None:
    raw, state = _payload("verifyView")
    verdict = payloads.judge(raw, state, function="verifyView", value=1)
    assert (verdict.accepted, verdict.revert_data) == (False, b"")
    assert [check.name for check in verdict.checks if check.decided] == ["value"]
    with pytest.raises(Misuse, match="a view pays nothing"):
        payloads.judge(raw, state, function="verifyView", pay=bytes(32))
    with pytest.raises(Misuse, match="not billed"):
        chainlink.encode_calldata(raw, "verifyView", pay=LINK)


def test_an_older_proxy_has_no_views() -> None:
    raw, state = _payload("verifyView")
    older = State.from_dict(state.to_dict() | {"contract": "v0.5.0"})
    for verdict in (
        payloads.judge(raw, older, function="verifyView"),
        payloads.judge(chainlink.encode_calldata(raw, "verifyView"), older),
    ):
        assert (verdict.accepted, verdict.revert_data) == (False, b"")
        assert "no function of the contract" in verdict.explanation


def test_a_view_asks_the_access_controller() -> None:
    raw, state = _payload("verifyView")
    closed = State.from_dict(state.to_dict() | {"access_controller": {"allowed": [OTHER]}})
    assert payloads.judge(raw, closed, function="verifyView").error == "AccessForbidden"
    assert payloads.judge(raw, closed, function="verifyView", sender=OTHER).accepted


def test_a_view_checks_no_expiry_whatever_the_fee_manager() -> None:
    raw, state = _payload("verifyView")
    fees = {"type": "FeeManager", "link": LINK, "native": NATIVE}
    record = state.to_dict() | {"fee_manager": fees}
    late = payloads.judge(raw, State.from_dict(record), function="verifyView", now=4_000_000_000)
    assert late.accepted
    assert {"no-expiry-check", "expired"} <= _codes(late)


def test_calldata_of_the_views_both_ways() -> None:
    raw, _ = _payload("verifyView")
    one = chainlink.encode_calldata(raw, "verifyView")
    several = chainlink.encode_calldata([raw, raw], "verifyBulkView")
    assert (one[:4].hex(), several[:4].hex()) == ("51b34c90", "665bc7a3")
    for calldata, function, count in ((one, VERIFY_VIEW, 1), (several, VERIFY_BULK_VIEW, 2)):
        call = chainlink.decode_call(calldata)
        assert (call.function, call.payloads) == (function, (raw,) * count)
        assert call.parameter_payload is None
        assert len(list(payloads.decode(calldata).leaves())) == count
        assert payloads.inspect(calldata).error is None
