"""Strategies for `st.from_type` of the public records, so that it gives only usable values.

Hypothesis calls `register` when it is imported, through an entry point. The records are imported
then; the strategies only when one is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from hypothesis import strategies as st

from payloads.chainlink.report import FullReport
from payloads.chainlink.schemas import SCHEMAS, Report, ReportHead
from payloads.chainlink.state import AccessController, ChainlinkState, Config, FeeManager
from payloads.stork.state import StorkState
from payloads.stork.update import Asset, SignedUpdate
from payloads.testing import InsecureTestNetwork, InsecureTestStorkSigner
from payloads.verdicts.state import State


def _named(name: str) -> Any:
    return getattr(import_module("payloads.strategies"), name)


def _report(kind: type) -> st.SearchStrategy[Any]:
    """Reports of one class, or of all that have the head."""
    known = [one.record for one in SCHEMAS.values() if issubclass(one.record, kind)]
    found: st.SearchStrategy[Any] = _named("reports")(schema=known)
    return found


def _state(kind: type) -> st.SearchStrategy[Any]:
    found: st.SearchStrategy[Any] = _named("chain_states")()
    return found.filter(lambda state: isinstance(state, kind))


def _part(name: str) -> Callable[[type], st.SearchStrategy[Any]]:
    """The strategy of a part of states: of those that have it."""

    def found(_: type) -> st.SearchStrategy[Any]:
        states = _state(ChainlinkState)
        return states.map(lambda state: getattr(state, name)).filter(lambda part: part is not None)

    return found


def register() -> None:
    """Tell Hypothesis about the public records."""
    lazy: dict[type, Callable[[type], st.SearchStrategy[Any]]] = {
        Report: _report,
        ReportHead: _report,
        **{schema.record: _report for schema in SCHEMAS.values()},
        FullReport: lambda _: _named("full_reports")(),
        SignedUpdate: lambda _: _named("stork_updates")(),
        Asset: lambda _: _named("assets")(),
        State: _state,
        ChainlinkState: _state,
        StorkState: _state,
        Config: lambda _: _state(ChainlinkState).map(lambda state: state.configs[0]),
        FeeManager: _part("fee_manager"),
        AccessController: _part("access_controller"),
        InsecureTestNetwork: lambda _: _named("oracle_networks")(),
        InsecureTestStorkSigner: lambda _: _named("stork_signers")(),
    }
    for kind, strategy in lazy.items():
        st.register_type_strategy(kind, strategy)
