"""Strategies for `st.from_type` of the public records, so that it gives only usable values.

`payloads._hypothesis`, which is Hypothesis's entry point, asks for them by type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from hexbytes import HexBytes
from hypothesis import strategies as st

from payloads.abi.fields import Record, hexed
from payloads.chainlink.report import (
    CONTEXT,
    BareReport,
    Context,
    FullReport,
    UnknownReport,
    decode_report,
)
from payloads.chainlink.schemas import SCHEMAS, Report, ReportHead
from payloads.chainlink.state import AccessController, ChainlinkState, Config, FeeManager
from payloads.embedding import Embedded, embedded
from payloads.recognise import Decoded, decode
from payloads.stork.state import StorkState
from payloads.stork.update import Asset, SignedUpdate, UnsignedUpdate
from payloads.strategies.calldata import ConsumerCall, consumer_calldata
from payloads.strategies.chainlink.reports import reports
from payloads.strategies.chainlink.signed import full_reports, oracle_networks
from payloads.strategies.states import chain_states
from payloads.strategies.stork.signed import assets, stork_signers, stork_updates
from payloads.strategies.submissions import submissions
from payloads.strategies.systems import labels_of
from payloads.strategies.values import values_of_table
from payloads.testing.damage import NONE, Damage
from payloads.testing.networks import InsecureTestNetwork, InsecureTestStorkSigner
from payloads.testing.submission import Submission
from payloads.testing.wrapping import Wrapped, wrapped
from payloads.verdicts.state import State
from payloads.verdicts.verdict import Verdict

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


def _reports_alone() -> Strategy:
    return reports().map(lambda report: decode_report(report.encode()))


def _unknown_reports() -> Strategy:
    """Reports of a schema that does not exist; some would have the shape of an old schema."""
    made = reports().map(lambda report: decode_report(b"\xff\xfe" + report.encode()[2:]).report)
    return made.filter(lambda report: hasattr(report, "words"))


def _unsigned(update: SignedUpdate) -> UnsignedUpdate:
    return UnsignedUpdate(update.taxonomy_id, update.timestamp_ns, update.assets)


def _found(call: Any) -> Any:
    """The first payload in a call of a made-up contract."""
    states = [one.state for one in call.submissions]
    signers = [signer for state in states for signer in getattr(state, "trusted", ())]
    return next(iter(embedded(call.data, signers=signers)), None)


def _arrival(submission: Submission) -> Any:
    from payloads.strategies.machines.world import Arrival

    # A keeper's is a word, or none where nothing is to be paid.
    pay = submission.pay if isinstance(submission.pay, str) else None
    return Arrival(
        frame=submission.frame, payload=submission.payload, state=submission.state,
        now=submission.now, pay=pay, damage=submission.damage,
    )  # fmt: skip


def _damages() -> Strategy:
    labels = sorted({*labels_of("chainlink").known, *labels_of("stork").known})
    return st.builds(Damage, st.sampled_from(labels))


# Records that follow from the strategies above.
_BY_TYPE |= {
    BareReport: lambda _: _reports_alone(),
    UnknownReport: lambda _: _unknown_reports(),
    Context: lambda _: st.builds(Context, **values_of_table(CONTEXT)),
    UnsignedUpdate: lambda _: stork_updates().map(_unsigned),
    Decoded: lambda _: submissions(only=[NONE]).map(lambda one: decode(bytes(one.payload))),
    Embedded: lambda _: consumer_calldata().map(_found).filter(lambda one: one is not None),
    Verdict: lambda _: submissions().map(lambda one: one.judge()),
    Wrapped: lambda _: submissions(only=[NONE]).map(lambda one: wrapped(bytes(one.payload))),
    Damage: lambda _: _damages(),
    ConsumerCall: lambda _: consumer_calldata(),
}


def _credentials(kind: Any) -> Strategy:
    text = st.text("0123456789abcdef-", min_size=1, max_size=36)
    return st.builds(kind.of, text, text)


def _policies(kind: Any) -> Strategy:
    limit, address = st.none() | st.integers(0, 2**64), st.binary(min_size=20, max_size=20)
    several = st.lists(address, max_size=2).map(tuple)
    feeds = st.lists(st.binary(min_size=32, max_size=32), max_size=2).map(tuple)
    severities = st.lists(st.sampled_from(("danger", "warning", "note")), unique=True).map(tuple)
    return st.builds(
        kind, margin=limit, max_age=limit, max_fee=limit, refuse=severities,
        feeds=st.none() | feeds, recipients=st.none() | several, consumers=several,
    )  # fmt: skip


def _later(kind: type) -> Strategy | None:
    """The strategy of a record that is imported only when it is asked for."""
    from payloads import strategies

    name = kind.__name__
    if name == "Arrival":
        return submissions().map(_arrival)
    if name == "ChainlinkCredentials":
        return _credentials(kind)
    if name == "Policy":
        return _policies(kind)
    found = {"VenueFrame": "frames", "RestReply": "rest_replies", "CaptureFile": "captures"}
    strategy: Strategy | None = getattr(strategies, found[name])() if name in found else None
    return strategy


def strategy_of(kind: type) -> Strategy | None:
    """The strategy for a public record, or for the record of a schema; None for other types."""
    if kind in _BY_TYPE:
        return _BY_TYPE[kind](kind)
    if any(one.record is kind for one in SCHEMAS.values()):
        return _report(kind)
    if not kind.__module__.startswith("payloads.") or not issubclass(kind, Record):
        return None
    later = _later(kind)
    return _by_fields(kind) if later is None else later


# --- records of which nothing is asked but that their fields are of their types ------------------

_BYTES = st.binary(max_size=64).map(hexed)
# A value in a message, where a record keeps it as it came.
_CONTENT = st.none() | st.booleans() | st.integers() | st.text(max_size=20)


def _by_fields(kind: type[Record]) -> Strategy | None:
    """A record by its annotations; None where Hypothesis can read them all itself."""
    hints = get_type_hints(kind)
    fields = {name: _by_hint(hints[name]) for name in kind.__struct_fields__}
    own = {name: strategy for name, strategy in fields.items() if strategy is not None}
    return st.builds(kind, **own) if own else None


def _by_hint(hint: Any) -> Strategy | None:
    """The strategy for an annotation with a type in it that Hypothesis does not know."""
    if hint is Any:
        return _CONTENT
    if hint is HexBytes:
        return _BYTES
    parts = get_args(hint)
    inner = [_by_hint(part) for part in parts]
    if all(one is None for one in inner):
        return None
    known = [st.from_type(part) if one is None else one
             for part, one in zip(parts, inner, strict=True) if part is not Ellipsis]  # fmt: skip
    if get_origin(hint) is tuple:
        return st.lists(known[0], max_size=3).map(tuple) if Ellipsis in parts else st.tuples(*known)
    if get_origin(hint) in (dict, Mapping):
        return st.dictionaries(known[0], known[1], max_size=3)
    return st.one_of(known) if get_origin(hint) in (Union, UnionType) else None


def register_all() -> None:
    """Register each type in Hypothesis's public way."""
    for kind in (*_BY_TYPE, *(schema.record for schema in SCHEMAS.values())):
        st.register_type_strategy(kind, strategy_of)  # type: ignore[arg-type]
