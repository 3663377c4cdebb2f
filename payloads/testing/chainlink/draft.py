"""A call of a verifier proxy while it is made: the report, the signatures, the bytes, the terms."""

from __future__ import annotations

import json
from typing import Any

from payloads.abi.solidity import encode
from payloads.chainlink.calldata import VERIFY, VERIFY_VIEW
from payloads.chainlink.checks import BAD, VERSION_1
from payloads.chainlink.payment import Pay, parameter
from payloads.chainlink.quotes import native_fee
from payloads.chainlink.report import FULL_REPORT, AnyReport
from payloads.chainlink.state import V04, ChainlinkState
from payloads.crypto import keccak256, sign
from payloads.testing.damage import Answer
from payloads.testing.networks import SUBSCRIBER, InsecureTestNetwork

STRANGER = "0x" + "55" * 20
WORD = 32


class ChainlinkDraft:
    """A call that is honest until a label damages it."""

    system = "chainlink"

    def __init__(
        self,
        state: ChainlinkState,
        network: InsecureTestNetwork,
        blob: bytes,
        *,
        times: list[int],
        now: int,
        oracles: list[int],
        sequence: int,
        pay: str,
        extra: int,
        is_view: bool,
    ) -> None:
        self.state, self.network, self.now = state, network, now
        self.blob, self.times, self.oracles = blob, times, oracles
        self.digest, self.sequence = network.config_digest, sequence
        self.is_view = is_view
        self.way, self.extra = pay, extra
        self.pay: Pay | None = None
        self.value = 0
        self.sender = SUBSCRIBER
        self.spare = b""

    # --- the stages -------------------------------------------------------------------------------

    def sign(self) -> None:
        """Sign the report with the oracles' keys."""
        don = (self.network.don_id << 32 | 1).to_bytes(WORD, "big")
        self.context = [self.digest, self.sequence.to_bytes(WORD, "big"), don]
        found = [sign(self.network.keys[index], self.signed_digest) for index in self.oracles]
        self.rs, self.ss = [r for r, _, _ in found], [s for _, s, _ in found]
        self.vs = [v for _, _, v in found]

    def encode(self) -> None:
        """Put the payload's bytes together."""
        vs = (bytes(self.vs) + self.spare)[:WORD].ljust(WORD, b"\0")
        self.raw = encode(FULL_REPORT, (self.context, self.blob, self.rs, self.ss, vs))

    def settle(self) -> None:
        """Pay as is due: exactly the fee, or more."""
        if self.state.charges is None or self.is_view:
            self.value = 0 if self.is_view else self.extra
            return
        self.pay = self.way
        if self.way == "link":
            self.value = self.extra
        elif self.way == "native":
            fee = self.fee
            self.value = fee + self.extra if fee else 0

    def asked(self, *, pay: Pay | None = None, value: int = 0, is_view: bool = False) -> None:
        """Other terms than those that are due."""
        self.pay, self.value, self.is_view = pay, value, is_view

    # --- facts ------------------------------------------------------------------------------------

    @property
    def signed_digest(self) -> bytes:
        """What the oracles sign."""
        return keccak256(keccak256(self.blob) + b"".join(self.context))

    @property
    def fee(self) -> int:
        """The fee in native."""
        return native_fee([self.raw], self.state, bytes.fromhex(SUBSCRIBER[2:]))

    @property
    def asks_fees(self) -> bool:
        """Whether a fee manager that charges looks at the payload."""
        return self.state.charges is not None and not self.is_view

    @property
    def is_billed(self) -> bool:
        """Whether the fee manager looks at the report's times and fees, too."""
        return self.asks_fees and self.blob[:2] != VERSION_1

    @property
    def feed(self) -> bytes:
        return self.blob[:WORD].ljust(WORD, b"\0")

    def fee_error(self, data: bytes) -> bytes:
        """The answer where the fee manager refuses. v0.4.0's verifier hides its reason."""
        return BAD if self.state.contract == V04 else data

    def if_billed(self, data: bytes) -> Answer:
        """The fee manager's answer where it looks at the report; accepted elsewhere."""
        return self.fee_error(data) if self.is_billed else None

    # --- the whole --------------------------------------------------------------------------------

    @property
    def function(self) -> str:
        return (VERIFY_VIEW if self.is_view else VERIFY).name

    @property
    def calldata(self) -> bytes:
        """The calldata of the call."""
        if self.is_view:
            return VERIFY_VIEW.calldata(self.raw)
        return VERIFY.calldata(self.raw, parameter(self.pay, self.state))

    @property
    def frame(self) -> str:
        """The message in which the venue sends the payload."""
        return frame_of(self.raw, self.feed, self.times)


# The times that a frame says beside the payload, by the fields of the report.
_CLAIMED = {
    "valid_from_timestamp": "validFromTimestamp",
    "observations_timestamp": "observationsTimestamp",
}


def frame_of(raw: bytes, feed: bytes, times: list[int]) -> str:
    """The message in which the venue sends a payload."""
    claims = dict(zip(_CLAIMED.values(), times, strict=True))
    members: dict[str, Any] = {"feedID": "0x" + feed.hex(), "fullReport": "0x" + raw.hex()}
    return json.dumps({"report": members | claims}, separators=(",", ":"))


def claimed(report: AnyReport, now: int) -> list[int]:
    """The times that a frame says of a report; `now` for a report without them."""
    return [getattr(report, name, now) for name in _CLAIMED]
