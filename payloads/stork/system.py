"""The `System` record of Stork Fast, for the doors and the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from payloads.abi.calldata import function_named
from payloads.stork.calldata import FUNCTIONS, encode_calldata
from payloads.stork.frames import (
    EVIDENCE,
    NAME,
    SIGNED,
    UNSIGNED,
    is_frame,
    notes,
    open_frame,
    plain,
)
from payloads.stork.json_text import text_of, text_of_frame
from payloads.stork.places import places
from payloads.stork.rows import rows, title
from payloads.stork.signers import expect_signers, recover
from payloads.stork.to_json import from_dict, to_dict
from payloads.stork.update import SignedUpdate, UnsignedUpdate, decode
from payloads.stork.views import view, view_parameter
from payloads.system import Options, System, Terms

if TYPE_CHECKING:
    from payloads.arrays.reader import Columns
    from payloads.verdicts.signers import Signers
    from payloads.verdicts.state import State
    from payloads.verdicts.together import Asking, Judgement
    from payloads.verdicts.verdict import Verdict

# The contracts, as states name them.
CONTRACTS = ("stork-fast-1.0.0", "stork-fast-1.0.0-multisigner")


def _decode(raw: bytes, form: str, options: Options) -> SignedUpdate:
    return decode(raw, profile=options.profile, layout=options.layout)


def _view(raw: bytes, form: str, options: Options, why: str) -> Any:
    return view(raw, layout=options.layout, why=why)


def _to_json(value: SignedUpdate | UnsignedUpdate, signers: bool) -> dict[str, Any]:
    return to_dict(value, signers=signers)


def _from_json(record: dict[str, Any]) -> SignedUpdate | None:
    return from_dict(record) if "assets" in record else None


def _without_signature(update: SignedUpdate) -> UnsignedUpdate:
    return UnsignedUpdate(update.taxonomy_id, update.timestamp_ns, update.assets)


def _calldata(
    payloads: Sequence[bytes], function: str | None, pay: str | bytes | None, state: Any
) -> bytes:
    (payload,) = payloads
    return encode_calldata(payload, function_named(FUNCTIONS, function).name, pay=pay, state=state)


# --- judging: the contract's rules are imported when they are first asked for ---------------------


def _state_class() -> type[State]:
    from payloads.stork.state import StorkState

    return StorkState


def _columns() -> Columns:
    from payloads.stork.columns import COLUMNS

    return COLUMNS


def _judging(payloads: Sequence[bytes], state: Any, terms: Terms, signers: Signers) -> Judgement:
    from payloads.stork.verifier import judging

    function = function_named(FUNCTIONS, terms.function)
    (payload,) = payloads
    return judging(payload, state, signers, call=function, **_how(terms))


def _judging_batch(
    payloads: Sequence[bytes], state: Any, terms: Terms, signers: Signers
) -> Asking[Sequence[Verdict]]:
    from payloads.stork.verifier import judging_batch

    function = function_named(FUNCTIONS, terms.function)
    return judging_batch(payloads, state, signers, call=function, **_how(terms))


def _judging_calldata(calldata: bytes, state: Any, terms: Terms, signers: Signers) -> Judgement:
    from payloads.stork.verifier import judging_calldata

    return judging_calldata(calldata, state, signers, **_how(terms))


def _how(terms: Terms) -> dict[str, Any]:
    return {"pay": terms.pay, "value": terms.value, "now": terms.now}


def _feeds(raw: bytes) -> tuple[bytes | int, ...]:
    return tuple(asset.asset_id for asset in decode(raw, layout="plain").assets)


def _value_sent(payloads: Sequence[bytes], state: Any, terms: Terms) -> int:
    from payloads.stork.verifier import value_sent

    return value_sent(terms.pay, terms.value, state)


SYSTEM = System(
    name=NAME,
    payloads="a Stork signed_ecdsa payload",
    frames='a "type" of signed_ecdsa or unsigned',
    shortest=75,
    forms=(SIGNED,),
    evidence=EVIDENCE,
    types={SignedUpdate: SIGNED, UnsignedUpdate: UNSIGNED},
    signed=(SignedUpdate,),
    decode=_decode,
    places=places,
    notes=notes,
    is_frame=is_frame,
    open_frame=open_frame,
    recover=recover,
    expect_signers=expect_signers,
    signing_facts=("signing_digest", "signed_bytes"),
    view=_view,
    view_parameter=view_parameter,
    title=title,
    rows=rows,
    to_json=_to_json,
    plain=plain,
    text_of_frame=text_of_frame,
    text_of=text_of,
    from_json=_from_json,
    bare={UNSIGNED: _without_signature},
    calldata_functions=FUNCTIONS,
    encode_calldata=_calldata,
    feeds=_feeds,
    columns=_columns,
    contracts=CONTRACTS,
    state_class=_state_class,
    judging=_judging,
    judging_calldata=_judging_calldata,
    judging_batch=_judging_batch,
    value_sent=_value_sent,
)
