"""Strategies for `st.from_type` of the public records, so that it gives only usable values.

`payloads._hypothesis`, which is Hypothesis's entry point, asks for them by type.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from payloads.chainlink.report import FullReport
from payloads.chainlink.schemas import SCHEMAS, Report, ReportHead
from payloads.chainlink.state import AccessController, ChainlinkState, Config, FeeManager
from payloads.stork.state import StorkState
from payloads.stork.update import Asset, SignedUpdate
from payloads.strategies.chainlink.reports import reports
from payloads.strategies.chainlink.signed import full_reports, oracle_networks
from payloads.strategies.states import chain_states
from payloads.strategies.stork.signed import assets, stork_signers, stork_updates
from payloads.strategies.submissions import submissions
from payloads.testing.networks import InsecureTestNetwork, InsecureTestStorkSigner
from payloads.testing.submission import Submission
from payloads.verdicts.state import State

Strategy = st.SearchStrategy[Any]


def _report(kind: type) -> Strategy:
    """Reports of one class, or of all that have the head."""
    known = [one.record for one in SCHEMAS.values() if issubclass(one.record, kind)]
    return reports(schema=known)


def _state(kind: type) -> Strategy:
    return chain_states().filter(lambda state: isinstance(state, kind))


def _part(name: str) -> Callable[[type], Strategy]:
    """The strategy of a part of states: of those that have it."""

    def found(_: type) -> Strategy:
        states = _state(ChainlinkState)
        return states.map(lambda state: getattr(state, name)).filter(lambda part: part is not None)

    return found


_BY_TYPE: dict[type, Callable[[type], Strategy]] = {
    Report: _report,
    ReportHead: _report,
    FullReport: lambda _: full_reports(),
    SignedUpdate: lambda _: stork_updates(),
    Asset: lambda _: assets(),
    State: _state,
    ChainlinkState: _state,
    StorkState: _state,
    Config: lambda _: _state(ChainlinkState).map(lambda state: state.configs[0]),
    FeeManager: _part("fee_manager"),
    AccessController: _part("access_controller"),
    InsecureTestNetwork: lambda _: oracle_networks(),
    InsecureTestStorkSigner: lambda _: stork_signers(),
    Submission: lambda _: submissions(),
}


def strategy_of(kind: type) -> Strategy | None:
    """The strategy for a public record, or for the record of a schema; None for other types."""
    if kind in _BY_TYPE:
        return _BY_TYPE[kind](kind)
    is_known = any(one.record is kind for one in SCHEMAS.values())
    return _report(kind) if is_known else None


def register_all() -> None:
    """Register each type in Hypothesis's public way."""
    for kind in (*_BY_TYPE, *(schema.record for schema in SCHEMAS.values())):
        st.register_type_strategy(kind, strategy_of)  # type: ignore[arg-type]
