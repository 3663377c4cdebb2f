"""What a caller asks of a session is spelled in one way at every venue."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from payloads import venues
from payloads.venues import Session

SESSIONS: list[type[Session]] = [
    venues.ChainlinkSession, venues.StorkSession, venues.FinerySession, venues.EthgasSession,
    venues.QfexMarketSession, venues.QfexTradeSession,
]  # fmt: skip


def asked_by_callers(kind: type[Session]) -> dict[str, Callable[..., Any]]:
    """The methods for the session's owner: `by_caller` wraps them, and nothing else is wrapped."""
    methods = inspect.getmembers(kind, inspect.isfunction)
    return {name: method for name, method in methods if hasattr(method, "__wrapped__")}


@pytest.mark.parametrize("kind", SESSIONS)
def test_no_method_asks_its_caller_for_the_time(kind: type[Session]) -> None:
    for name, method in asked_by_callers(kind).items():
        assert not {"now", "time", "at"} & set(inspect.signature(method).parameters), name


@pytest.mark.parametrize("kind", SESSIONS)
def test_subscriptions_are_given_one_after_the_other(kind: type[Session]) -> None:
    methods = asked_by_callers(kind)
    # Chainlink's are in the address that is dialled, and cannot change on a connection.
    names = {"subscribe", "unsubscribe"} & set(methods)
    assert len(names) == (0 if kind is venues.ChainlinkSession else 2)
    for name in names:
        parameters = list(inspect.signature(methods[name]).parameters.values())[1:]
        assert [each.kind for each in parameters] == [inspect.Parameter.VAR_POSITIONAL], name
