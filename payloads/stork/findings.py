"""Facts that a user must hear even when a call is accepted, each with a stable code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from payloads.stork.call import BODY, Call
from payloads.stork.checks import overflows
from payloads.verdicts.checks import Finding, Hazard

# The same code as in the first generation, where it is a danger.
NEVER_INITIALISED = Hazard(
    "stork-uninitialised",
    "warning",
    "the contract has no signers: it refuses every signature",
    "StorkFast 1.0.0 with several signers: a failed recovery is in no list of signers",
)
HAZARDS = {
    hazard.code: hazard
    for hazard in (
        Hazard(
            "stork-uninitialised",
            "danger",
            "the contract's signer is zero: it accepts every invalid signature",
            "StorkFast 1.0.0: the recovered address is compared with the signer, and a failed "
            "recovery is address zero",
        ),
        Hazard(
            "stork-false-is-not-a-revert",
            "warning",
            "the function returns false instead of reverting: a caller must look at the answer",
            "StorkFast 1.0.0, verifySignedECDSAPayload",
        ),
        Hazard(
            "stork-overpaid",
            "warning",
            "more value is sent than the fee, and the contract keeps all of it",
            "StorkFast 1.0.0: msg.value is only compared with the fee",
        ),
        Hazard(
            "stork-duplicate-asset",
            "warning",
            "an asset appears more than once, and the contract keeps every value, in order",
            "StorkFast 1.0.0, verifyAndDeserializeSignedECDSAPayload",
        ),
        Hazard(
            "stork-versioned-body",
            "danger",
            "the body looks like the versioned layout, but the contract reads the plain layout: it "
            "takes other values for taxonomy, time and prices than those that were signed",
            "StorkFast 1.0.0 knows the plain layout only",
        ),
        Hazard(
            "stork-no-clock",
            "note",
            "the contract checks no timestamp: an old update verifies for ever",
            "StorkFast 1.0.0 reads no clock",
        ),
        Hazard(
            "stork-from-the-future",
            "warning",
            "the update is dated after the time it is judged at",
            "StorkFast 1.0.0 reads no clock",
        ),
    )
}


def findings(call: Call) -> Iterator[Finding]:
    """The findings on a call whose checks have all been made."""
    if not call.state.initialised:
        several = call.state.multisigner
        yield (NEVER_INITIALISED if several else HAZARDS["stork-uninitialised"]).found()
    if call.value > call.state.verification_fee:
        yield HAZARDS["stork-overpaid"].found(f"{call.value - call.state.verification_fee} wei")
    if not call.fits or overflows(call.v):
        return
    if call.signed:
        yield from _of_content(call)
    elif not call.deserializes:
        yield HAZARDS["stork-false-is-not-a-revert"].found()


def _of_content(call: Call) -> Iterator[Finding]:
    yield HAZARDS["stork-no-clock"].found()
    if call.raw[BODY] == 0xFF:
        yield HAZARDS["stork-versioned-body"].found()
    times = Counter(asset.asset_id for asset in call.assets())
    if twice := sorted(id_ for id_, count in times.items() if count > 1):
        more = f" and {len(twice) - 10} more" if len(twice) > 10 else ""
        detail = f"asset ids {', '.join(map(str, twice[:10]))}{more}"
        yield HAZARDS["stork-duplicate-asset"].found(detail)
    if call.now is not None and call.time > call.now * 10**9:
        yield HAZARDS["stork-from-the-future"].found(f"{call.time} ns, judged at {call.now} s")
