"""This library over the corpus: `python -m tests.conformance.runners.ours [DIR]`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec

import payloads
from payloads import State, chainlink, stork
from payloads._version import __version__
from payloads.abi.calldata import decode_call
from payloads.conformance import Call, Case, Corpus, corpus
from payloads.errors import Malformed, Misuse
from tests.conformance.calldata import calldata

# Forms that are no payload of their own.
NO_PAYLOAD = ("bulk", "config", "config_with_origin")
FUNCTIONS = (*chainlink.calldata.FUNCTIONS, *stork.calldata.FUNCTIONS)


def _fields(record: Any) -> dict[str, Any]:
    """A record's fields as the corpus has them: integers as decimals, bytes as hex."""
    return {name: _plain(getattr(record, name)) for name in record.__struct_fields__}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return str(value) if isinstance(value, int) else value


def _envelope(value: Any) -> dict[str, Any]:
    return {
        "context": [_plain(bytes(word)) for word in value.context],
        "epoch": str(value.epoch),
        "round": str(value.round),
        "report_blob": _plain(bytes(value.report_blob)),
        "rs": [_plain(bytes(word)) for word in value.rs],
        "ss": [_plain(bytes(word)) for word in value.ss],
        "raw_vs": _plain(bytes(value.raw_vs)),
    }


def _report(report: Any) -> dict[str, Any]:
    return {"schema": report.schema.key} | _fields(report)


def _recovered(value: Any) -> list[str | None]:
    return [one.address and one.address.lower() for one in payloads.recover(value)]


def _of_payload(value: Any) -> dict[str, Any]:
    decoded = _envelope(value)
    if isinstance(value.report, chainlink.Report) and not value.report.schema.inferred:
        decoded["report"] = _report(value.report)
    return {"decoded": decoded, "signers": _recovered(value)}


def _of_update(case: Case) -> dict[str, Any]:
    update = stork.decode(case.raw, layout=case.layout)
    decoded = {
        "r": _plain(update.r), "s": _plain(update.s), "v": str(update.v),
        "layout": update.layout, "mask": str(update.mask),
        "taxonomy_id": str(update.taxonomy_id), "timestamp_ns": str(update.timestamp_ns),
        "assets": [_fields(asset) for asset in update.assets],
    }  # fmt: skip
    return {"decoded": decoded, "signers": _recovered(update)}


def _of_report(case: Case) -> dict[str, Any]:
    found = chainlink.decode_report(case.raw)
    if not isinstance(found.report, chainlink.Report):
        raise Malformed("no schema is known for this feed id")
    return {"decoded": _report(found.report)}


def _of_config(case: Case) -> dict[str, Any]:
    config = msgspec.json.decode(str(case.input))
    try:
        state = State.from_dict(
            {"contract": "v0.4.0", "configs": [config | {"activation_time": 0}]}
        )
    except Misuse as error:
        return {"error": str(error)}
    configs: Any = getattr(state, "configs", ())
    return {"decoded": {"don_config_id": _plain(bytes(configs[0].don_config_id))}}


def _of_call(case: Case) -> dict[str, Any]:
    call = decode_call(FUNCTIONS, case.raw)
    several = [_plain(bytes(each)) for each in call.payloads]
    decoded: dict[str, Any] = {"function": call.function.signature}
    decoded |= {"payloads": several} if call.function.takes_many else {"payload": several[0]}
    if call.parameter_payload is not None:
        decoded["parameter"] = _plain(bytes(call.parameter_payload))
    return {"decoded": decoded}


def _decoded(case: Case) -> dict[str, Any]:
    if case.form == "calldata":
        return _of_call(case)
    if case.form == "config":
        return _of_config(case)
    if case.form == "config_with_origin":
        return {"skip": "it makes no digests of configs"}
    if case.form in ("full_report", "envelope"):
        return _of_payload(chainlink.decode_envelope(case.raw))
    if case.form == "snappy":
        return _of_payload(chainlink.decode(chainlink.decompress(case.raw)))
    if case.form in ("text", "frame"):
        return _of_payload(payloads.decode(str(case.input)).value)
    return _of_report(case) if case.form == "report" else _of_update(case)


def canonical(case: Case) -> bool | None:
    """Whether the input is what an honest encoder writes; None where that is no question."""
    if case.decoded is None or case.form in NO_PAYLOAD:
        return None
    if case.form == "calldata":
        return not decode_call(FUNCTIONS, case.raw).departures
    if case.form == "report":
        return not chainlink.decode_report(case.raw).departures
    if case.form == "signed_ecdsa":
        return not stork.decode(case.raw, layout=case.layout).departures
    found = payloads.decode(str(case.input)).value if case.form in ("text", "frame") else None
    if found is None:
        raw = chainlink.decompress(case.raw) if case.form == "snappy" else case.raw
        found = chainlink.decode_envelope(raw)
    return not found.departures


# --- the contracts --------------------------------------------------------------------------------


def _verdict(case: Case, call: Call, state: Any) -> dict[str, Any]:
    raw = calldata(case, call)
    terms: dict[str, Any] = {"value": int(call.value), "now": call.now}
    if isinstance(state, stork.StorkState):
        found = stork.judge_calldata(raw, state, **terms)
    else:
        found = chainlink.judge_calldata(raw, state, sender=call.sender, **terms)
    data = None if found.revert_data is None else "0x" + found.revert_data.hex()
    outcome = "accepted" if found.accepted else "returns false" if data is None else "reverts"
    return {"outcome": outcome, "revert_data": data}


def answers(whole: Corpus, *, verdicts: bool = True) -> Iterator[dict[str, Any]]:
    """The name, and an answer to each case."""
    states = cache(lambda name: State.from_dict(whole.states[name]))
    yield {"decoder": f"payloads {__version__}"}
    for case in whole.cases:
        answer: dict[str, Any] = {"id": case.id}
        if case.form != "bulk":
            try:
                answer |= _decoded(case)
            except Malformed as error:
                answer["error"] = str(error)
        if verdicts:
            answer["verdicts"] = [_verdict(case, call, states(call.state)) for call in case.calls]
        yield answer


if __name__ == "__main__":
    for record in answers(corpus(*sys.argv[1:])):
        print(msgspec.json.encode(record).decode())
