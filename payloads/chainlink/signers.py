"""Who signed a `fullReport`.

`recover` answers one `Recovered` a signature, in order, as ecrecover would; it raises nothing for
any decoded payload. Whether those signers may sign is the state's matter (see `judge`).
"""

from __future__ import annotations

from collections.abc import Iterable

from payloads.chainlink.report import FullReport
from payloads.errors import Refused
from payloads.signatures import Recovered, expect, recovered


def recover(payload: FullReport) -> tuple[Recovered, ...]:
    """Every signature that has an r, an s and a recovery id, with its signer."""
    digest = payload.signing_digest
    triples = zip(payload.rs, payload.ss, payload.raw_vs, strict=False)
    return tuple(recovered(i, digest, r, s, v) for i, (r, s, v) in enumerate(triples))


def expect_signers(payload: FullReport, allowed: Iterable[str | bytes]) -> tuple[Recovered, ...]:
    """The signatures, if all are by `allowed` signers and none twice; else `Refused`."""
    found = recover(payload)
    expect(found, allowed, lambda index: payload.offset_of(f"rs[{index}]"), "rs[{index}]")
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
