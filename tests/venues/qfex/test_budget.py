"""How fast messages may go to QFEX."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payloads.errors import Misuse
from payloads.venues.common.session import SECOND
from payloads.venues.qfex.codes import retry_hint
from payloads.venues.qfex.requests import MESSAGES as ASKING
from payloads.venues.qfex.requests import REQUIRED, WEIGHTS, RateBudget
from tests.venues.qfex.kit import NOW, ORDER, ready


def test_the_budget_is_12_000_a_minute() -> None:
    budget = RateBudget()
    for _ in range(12_000):
        assert budget.wait("add_order", NOW) == 0
        budget.spend("add_order", NOW)
    wait = budget.wait("add_order", NOW)
    assert 0 < wait < SECOND
    assert budget.wait("add_order", NOW + wait) == 0
    assert budget.wait("add_order", NOW + wait - 10**6) > 0
    # Cancels are counted apart, so that they can always go.
    assert budget.wait("cancel_order", NOW) == 0
    assert budget.used("cancel_order", NOW) == 0
    assert budget.wait("add_order", NOW + 10**6 * SECOND) == 0


def test_cancels_are_on_a_budget_of_their_own() -> None:
    assert {kind for kind, one in ASKING.items() if one.cancels} == {
        "cancel_order", "cancel_all_orders", "cancel_stop_order",
    }  # fmt: skip
    budget = RateBudget(Decimal(6))
    for _ in range(3):
        budget.spend("cancel_all_orders", NOW)
    assert budget.used("add_order", NOW) == 0
    assert budget.wait("cancel_order", NOW) > 0
    budget.hold("cancel_stop_order", NOW + 90 * SECOND)
    assert budget.wait("add_order", NOW) == 0
    assert budget.wait("cancel_order", NOW) == 90 * SECOND
    assert budget.wait("cancel_order", NOW + 90 * SECOND) == 0


def test_the_weights() -> None:
    assert {kind: str(weight) for kind, weight in WEIGHTS.items() if weight != 1} == {
        "get_order": "2", "get_user_orders": "5", "cancel_all_orders": "2",
        "get_user_trades": "0.5", "subscribe": "0.1", "unsubscribe": "0.1",
        "cancel_on_disconnect": "0.1", "set_user_leverage": "0.1", "get_user_leverage": "0.1",
        "get_available_leverage_levels": "0.1",
    }  # fmt: skip
    assert set(WEIGHTS) == set(REQUIRED)


@given(
    st.lists(st.tuples(st.integers(0, 90 * SECOND), st.sampled_from(sorted(WEIGHTS))), max_size=40)
)
def test_after_the_wait_a_message_may_go(steps: list[tuple[int, str]]) -> None:
    budget, now = RateBudget(Decimal(8)), NOW
    for pause, kind in steps:
        now += pause
        now += budget.wait(kind, now)
        assert budget.wait(kind, now) == 0
        budget.spend(kind, now)
        assert budget.used(kind, now) <= 8


def test_the_session_holds_to_the_budget() -> None:
    with pytest.raises(Misuse):
        RateBudget(Decimal(5))
    budget = RateBudget(Decimal(6))
    session = ready(budget=budget, channels=())
    for _ in range(6):
        session.send("add_order", ORDER, now=NOW)
    with pytest.raises(Misuse) as caught:
        session.send("add_order", ORDER, now=NOW)
    assert "pause" in str(caught.value)
    session.send("cancel_all_orders", now=NOW)
    session.send("add_order", ORDER, now=NOW + budget.wait("add_order", NOW))


def test_hints_of_how_long_to_wait() -> None:
    for message, hint in (
        ("retry after 500ms", SECOND // 2), ("retry in 1.5 seconds", 3 * SECOND // 2),
        ("try again in 2s", 2 * SECOND), ("slow down", None), ("", None),
    ):  # fmt: skip
        assert retry_hint(message) == hint
