"""The signer of a Stork update, as ecrecover returns it."""

from __future__ import annotations

from payloads.signatures import Recovered, expect, recovered
from payloads.stork.frames import Payload, raw_of
from payloads.stork.update import SignedUpdate, decode


def recover(payload: Payload) -> tuple[Recovered]:
    """The signature with its signer, as ecrecover would say.

    The payload is hex, bytes, a frame, or decoded already. `Malformed` if it does not decode.
    """
    update = _signed(payload)
    return (recovered(0, update.signing_digest, update.r, update.s, update.v),)


def _signed(payload: Payload) -> SignedUpdate:
    return payload if isinstance(payload, SignedUpdate) else decode(raw_of(payload))


def expect_signers(payload: Payload, *signers: str | bytes) -> tuple[Recovered]:
    """The signature, if it is by one of `signers`; else `Refused`."""
    found = recover(payload)
    expect(found, signers, lambda _: 0, "signature")
    return found
