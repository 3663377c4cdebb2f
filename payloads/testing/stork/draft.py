"""A call of a Stork Fast contract while it is made: the update, the signature, the fee."""

from __future__ import annotations

import json

from payloads.crypto import keccak256, sign
from payloads.stork.calldata import DESERIALIZE, VERIFY
from payloads.stork.errors import INVALID_SIGNATURE
from payloads.stork.state import StorkState
from payloads.stork.update import SignedUpdate
from payloads.testing.damage import Answer
from payloads.testing.networks import SUBSCRIBER, InsecureTestStorkSigner


class StorkDraft:
    """A call that is honest until a label damages it."""

    system = "stork"
    is_view = False

    def __init__(
        self,
        state: StorkState,
        signer: InsecureTestStorkSigner,
        update: SignedUpdate,
        *,
        now: int,
        extra: int,
        deserializes: bool,
    ) -> None:
        self.state, self.signer, self.now = state, signer, now
        self.body, self.count = update.signed_bytes, len(update.assets)
        self.extra, self.deserializes = extra, deserializes
        self.pay: str | None = None
        self.value, self.sender = 0, SUBSCRIBER

    # --- the stages -------------------------------------------------------------------------------

    def sign(self) -> None:
        """Sign the body."""
        self.r, self.s, self.v = sign(self.signer.key, keccak256(self.body))

    def encode(self) -> None:
        """Put the payload's bytes together."""
        self.raw = self.r + self.s + bytes([self.v]) + self.body

    def settle(self) -> None:
        """Pay the fee, or more."""
        self.pay = "native"
        self.value = self.state.verification_fee + self.extra

    # --- the whole --------------------------------------------------------------------------------

    @property
    def bad_signature(self) -> Answer:
        """The answer to a signature that is not the signer's: only one function reverts."""
        return INVALID_SIGNATURE.data() if self.deserializes else False

    @property
    def function(self) -> str:
        return (DESERIALIZE if self.deserializes else VERIFY).name

    @property
    def calldata(self) -> bytes:
        """The calldata of the call."""
        return (DESERIALIZE if self.deserializes else VERIFY).calldata(self.raw)

    @property
    def frame(self) -> str:
        """The message in which the venue sends the payload."""
        return frame_of(self.raw)


def frame_of(raw: bytes) -> str:
    """The message in which the venue sends a payload."""
    message = {"type": "signed_ecdsa", "p": "0x" + raw.hex()}
    return json.dumps(message, separators=(",", ":"))
