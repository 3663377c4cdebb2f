"""Who signed a `fullReport`.

`recover` returns a `Recovered` for each signature, in order, as ecrecover would. Whether those
signers may sign is the state's matter (see `judge`).
"""

from __future__ import annotations

from payloads.chainlink.frames import Payload, raw_of
from payloads.chainlink.report import BareReport, FullReport, decode
from payloads.errors import Misuse, Refused
from payloads.signatures import Recovered, expect, recovered_all


def recover(payload: Payload) -> tuple[Recovered, ...]:
    """Every signature that has an r, an s and a recovery id, with its signer.

    The payload is hex, bytes, a frame, or decoded already. `Malformed` if it does not decode.
    """
    signed = _signed(payload)
    return recovered_all(signed.signing_digest, signed.rs, signed.ss, signed.raw_vs)


def _signed(payload: Payload) -> FullReport:
    if isinstance(payload, FullReport):
        return payload
    if isinstance(payload, BareReport):
        raise Misuse("a report on its own is not signed", field="payload", expected="a fullReport")
    return decode(raw_of(payload))


def expect_signers(payload: Payload, *signers: str | bytes) -> tuple[Recovered, ...]:
    """The signatures, if all are by these `signers` and none twice; else `Refused`."""
    payload = _signed(payload)
    found = recover(payload)
    expect(found, signers, lambda index: payload.offset_of(f"rs[{index}]"), "rs[{index}]")
    seen: set[str | None] = set()
    for signature in found:
        if signature.address in seen:
            raise Refused(
                "signed twice by the same signer",
                offset=payload.offset_of(f"rs[{signature.index}]"),
                field=f"rs[{signature.index}]",
                expected="distinct signers",
                found=signature.address,
            )
        seen.add(signature.address)
    return found
