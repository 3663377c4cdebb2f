"""The `System` record of Chainlink Data Streams, for the doors and the command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from payloads.abi.calldata import function_named
from payloads.chainlink.calldata import FUNCTIONS, VIEWS, encode_calldata
from payloads.chainlink.compressed import compress, decompress
from payloads.chainlink.frames import (
    EVIDENCE,
    NAME,
    is_frame,
    notes,
    open_frame,
    plain,
    without_signatures,
)
from payloads.chainlink.json_text import text_of, text_of_frame
from payloads.chainlink.payment import WAYS
from payloads.chainlink.places import places
from payloads.chainlink.report import BareReport, FullReport, decode, decode_report
from payloads.chainlink.rows import rows, title
from payloads.chainlink.signers import expect_signers, recover
from payloads.chainlink.to_json import from_dict, to_dict
from payloads.chainlink.views import view, view_parameter
from payloads.errors import Malformed, Misuse
from payloads.signatures import address_bytes
from payloads.system import Options, System, Terms

if TYPE_CHECKING:
    from payloads.arrays.reader import Columns
    from payloads.chainlink.quotes import Quote
    from payloads.verdicts.signers import Signers
    from payloads.verdicts.state import State
    from payloads.verdicts.together import Asking, Judgement
    from payloads.verdicts.verdict import Verdict

# The contracts' generations, as states name them.
CONTRACTS = ("v0.3.0", "v0.4.0", "v0.5.0", "v0.5.1")


def _decode(raw: bytes, form: str, options: Options) -> FullReport | BareReport:
    if form == "report":
        return decode_report(raw, profile=options.profile, schema=options.schema)
    try:
        return decode(raw, profile=options.profile, schema=options.schema)
    except Malformed as error:
        if hint := without_signatures(raw):
            error.reason += f" ({hint})"
        raise


def _view(raw: bytes, form: str, options: Options, why: str) -> Any:
    return view(raw, form=form, schema=options.schema, why=why)


def _to_json(value: FullReport | BareReport, signers: bool) -> dict[str, Any]:
    return to_dict(value, signers=signers)


def _from_json(record: dict[str, Any]) -> FullReport | BareReport | None:
    return from_dict(record) if "schema" in record else None


def _report_bytes(value: FullReport | BareReport) -> bytes:
    return value.report_blob if isinstance(value, FullReport) else value.encode()


def _compressed(value: FullReport | BareReport) -> bytes:
    return compress(value.encode())


def _calldata(
    payloads: Sequence[bytes], function: str | None, pay: str | bytes | None, state: Any
) -> bytes:
    if function_named(FUNCTIONS, function).takes_many:
        return encode_calldata(list(payloads), function, pay=pay, state=state)
    (payload,) = payloads
    return encode_calldata(payload, function, pay=pay, state=state)


def _revert(raw: bytes) -> str:
    from payloads.chainlink import errors
    from payloads.verdicts.contract_errors import read_revert

    found = read_revert(raw)
    return found.name if found.error in errors.NAMES else ""


# --- judging: the contracts' rules are imported when they are first asked for ---------------------


def _state_class() -> type[State]:
    from payloads.chainlink.state import ChainlinkState

    return ChainlinkState


def _feeds(raw: bytes) -> tuple[bytes | int, ...]:
    return (decode(raw).report_blob[:32].ljust(32, b"\0"),)


def _columns() -> Columns:
    from payloads.chainlink.columns import COLUMNS

    return COLUMNS


def _judging(payloads: Sequence[bytes], state: Any, terms: Terms, signers: Signers) -> Judgement:
    from payloads.chainlink.verifier import judging

    how = _how(terms)
    if not how["bulk"]:
        (_,) = payloads
    return judging(payloads, state, signers, **how)


def _judging_batch(
    payloads: Sequence[bytes], state: Any, terms: Terms, signers: Signers
) -> Asking[Sequence[Verdict]]:
    from payloads.chainlink.verifier import judging_batch

    return judging_batch(payloads, state, signers, **_how(terms))


def _how(terms: Terms) -> dict[str, Any]:
    function = function_named(FUNCTIONS, terms.function)
    paid = {"pay": terms.pay, "value": terms.value}
    who = {"sender": terms.sender, "origin": terms.origin, "now": terms.now}
    return {**paid, **who, "bulk": function.takes_many, "view": function in VIEWS}


def _judging_each(state: Any, terms: Terms, signers: Signers) -> Callable[[bytes], Judgement]:
    from payloads.chainlink.verifier import judging_each

    function = function_named(FUNCTIONS, terms.function)
    how = (terms.pay, terms.value, terms.sender, terms.origin, terms.now)
    return judging_each(state, signers, *how, function in VIEWS)


def _judging_calldata(calldata: bytes, state: Any, terms: Terms, signers: Signers) -> Judgement:
    from payloads.chainlink.verifier import judging_calldata

    if terms.pay:
        raise Misuse("calldata says itself what it pays in", field="pay")
    how: dict[str, Any] = {"value": terms.value or 0, "sender": terms.sender, "now": terms.now}
    how["origin"] = terms.origin
    return judging_calldata(calldata, state, signers, **how)


def _value_sent(payloads: Sequence[bytes], state: Any, terms: Terms) -> int:
    from payloads.chainlink.payment import value_sent
    from payloads.chainlink.quotes import native_fee

    sender = state.subscriber if terms.sender is None else address_bytes(terms.sender, "sender")
    return value_sent(terms.pay, terms.value, lambda: native_fee(payloads, state, sender))


def _quote(payload: bytes, state: Any, terms: Terms) -> Quote:
    from payloads.chainlink.quotes import quote

    return quote(payload, state, pay=terms.pay, sender=terms.sender, now=terms.now)


SYSTEM = System(
    name=NAME,
    payloads="a Chainlink fullReport or report",
    frames='"report", "reports", "fullReport"',
    shortest=7 * 32,
    forms=("full_report", "report", "snappy"),
    evidence=EVIDENCE,
    types={FullReport: "full_report", BareReport: "report"},
    signed=(FullReport,),
    decode=_decode,
    places=places,
    revert=_revert,
    containers={"snappy": decompress},
    notes=notes,
    is_frame=is_frame,
    open_frame=open_frame,
    recover=recover,
    expect_signers=expect_signers,
    signing_facts=("config_digest", "report_hash", "signing_digest", "signed_bytes"),
    view=_view,
    view_parameter=view_parameter,
    title=title,
    rows=rows,
    to_json=_to_json,
    plain=plain,
    text_of_frame=text_of_frame,
    text_of=text_of,
    from_json=_from_json,
    encodings={"report": _report_bytes, "snappy": _compressed},
    calldata_functions=FUNCTIONS,
    encode_calldata=_calldata,
    feeds=_feeds,
    columns=_columns,
    contracts=CONTRACTS,
    state_class=_state_class,
    refund_errors=("InvalidReceivingAddress", "RefundFailed"),
    judging=_judging,
    judging_calldata=_judging_calldata,
    judging_batch=_judging_batch,
    judging_each=_judging_each,
    ways_to_pay=WAYS,
    value_sent=_value_sent,
    quote=_quote,
)
