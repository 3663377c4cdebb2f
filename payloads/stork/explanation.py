"""Why a call is accepted or refused: every check in order, and what would repair a signature."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec.structs

from payloads.crypto import CURVE_ORDER, recover
from payloads.stork.call import Call
from payloads.stork.checks import HALF_ORDER, RECOVERY, SIGNATURE, STAGES, signed_by
from payloads.stork.findings import findings
from payloads.verdicts import checks
from payloads.verdicts.checks import Check, Explanation
from payloads.verdicts.signature_hints import signature_hints


def explain(call: Call) -> Explanation:
    """All checks of a call, and the findings on it."""
    call = call.again()
    details = {RECOVERY.name: _with_hints, SIGNATURE.name: _with_hints}
    found = checks.explain(STAGES, call, details)
    return Explanation(found, tuple(findings(call)))


def brief(call: Call) -> Explanation:
    """The findings on a call whose checks have all been made, without the checks."""
    return Explanation((), tuple(findings(call)))


def _with_hints(call: Call, check: Check) -> Iterator[Check]:
    if check.passed and check.name == SIGNATURE.name and not call.signed:
        # The function that returns false goes on.
        check = msgspec.structs.replace(check, passed=False, detail=signed_by(call))
    if not check.passed:
        detail = "; ".join([check.detail, *_hints(call)])
        check = msgspec.structs.replace(check, detail=detail)
    yield check


def _hints(call: Call) -> list[str]:
    digest, trusted = call.hash(), call.state.trusted

    def name(address: bytes) -> str:
        return "the signer" if address in trusted else ""

    hints = signature_hints(digest, call.r, call.s, call.v, name)
    if int.from_bytes(call.s, "big") > HALF_ORDER:
        low = (CURVE_ORDER - int.from_bytes(call.s, "big")) % CURVE_ORDER
        word = low.to_bytes(32, "big")
        for v in (0, 1):
            if recover(digest, call.r, word, v) in trusted:
                hints.append(f"s is high, which this contract refuses: with v {v}, low s is good")
    return hints
