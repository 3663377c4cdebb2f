"""The labels of damage to a payload of Stork Fast, or to its call, and what they must give."""

from __future__ import annotations

from payloads.crypto import CURVE_ORDER
from payloads.errors import panic
from payloads.stork.errors import INSUFFICIENT_FEE, INVALID_PAYLOAD
from payloads.stork.state import STORK, STORK_MULTISIGNER
from payloads.stork.update import ASSETS, BODIES, PLAIN, SIGNATURE, VALUE_BIT
from payloads.testing.damage import NONE, Answer, Damage, Labels, Need, flipped
from payloads.testing.networks import stork_signer_of
from payloads.testing.stork.draft import StorkDraft

_BOTH = (STORK, STORK_MULTISIGNER)
LABELS = Labels(_BOTH, fee=Need(_BOTH, lambda state: state.verification_fee > 0))
_label = LABELS.label
_HEAD = BODIES[PLAIN].size
_ASSET = ASSETS[VALUE_BIT].size
_SHORTEST = SIGNATURE.size + _HEAD


def _size(draft: StorkDraft) -> Answer:
    """The answer to bytes whose signature is of other bytes: the size is looked at first."""
    size = len(draft.raw)
    fits = size >= _SHORTEST and (size - _SHORTEST) % _ASSET == 0
    return draft.bad_signature if fits else INVALID_PAYLOAD.data()


@_label(NONE, "report", "nothing: the payload and its call are good")
def _none(draft: StorkDraft, damage: Damage) -> Answer:
    return None


@_label("foreign-signer", "report", "signed by a key that is not the contract's")
def _foreign(draft: StorkDraft, damage: Damage) -> Answer:
    draft.signer = stork_signer_of(draft.signer.seed + " stranger")
    return draft.bad_signature


@_label("versioned", "report", "the layout with more attributes, which the contract does not know")
def _versioned(draft: StorkDraft, damage: Damage) -> Answer:
    # Signed as it is, and as the contract reads it: the signature is good, but the size may not be.
    draft.body = b"\xff\x02\x00\x01" + draft.body
    spare = (len(draft.body) - _HEAD) % _ASSET
    return INVALID_PAYLOAD.data() if spare else None


@_label("bit-flip", "signatures", "a bit of the update was changed after it was signed")
def _bit_flip(draft: StorkDraft, damage: Damage) -> Answer:
    draft.body = flipped(draft.body, 0, len(draft.body), damage)
    return draft.bad_signature


@_label("flipped-v", "signatures", "v is 0 for 1, or 1 for 0")
def _flipped_v(draft: StorkDraft, damage: Damage) -> Answer:
    draft.v ^= 1
    return draft.bad_signature


@_label("v-offset", "signatures", "v is 27 or 28, as Ethereum's own signatures have it")
def _v_offset(draft: StorkDraft, damage: Damage) -> Answer:
    draft.v += 27
    return draft.bad_signature


@_label("v-overflow", "signatures", "v is so large that 27 more is no uint8")
def _v_overflow(draft: StorkDraft, damage: Damage) -> Answer:
    draft.v = 229 + damage.amount % 27
    return panic(0x11)


@_label("high-s", "signatures", "the other form of a signature: n - s, with the other v")
def _high_s(draft: StorkDraft, damage: Damage) -> Answer:
    draft.s = (CURVE_ORDER - int.from_bytes(draft.s, "big")).to_bytes(32, "big")
    draft.v ^= 1
    return draft.bad_signature


@_label("zero-r", "signatures", "r is zero, which no signature has")
def _zero_r(draft: StorkDraft, damage: Damage) -> Answer:
    draft.r = bytes(32)
    return draft.bad_signature


@_label("swapped-r-s", "signatures", "r and s changed places")
def _swapped(draft: StorkDraft, damage: Damage) -> Answer:
    draft.r, draft.s = draft.s, draft.r
    return draft.bad_signature


@_label("truncated", "encoding", "the end of the payload is missing")
def _truncated(draft: StorkDraft, damage: Damage) -> Answer:
    draft.raw = draft.raw[: damage.at % len(draft.raw)]
    return _size(draft)


@_label("missing-asset", "encoding", "the last asset is missing; without assets, a byte is")
def _missing_asset(draft: StorkDraft, damage: Damage) -> Answer:
    draft.raw = draft.raw[: -(_ASSET if draft.count else 1)]
    return _size(draft)


@_label("trailing-bytes", "encoding", "bytes stand behind the payload")
def _trailing(draft: StorkDraft, damage: Damage) -> Answer:
    draft.raw += bytes([damage.amount % 256]) * (1 + damage.at % 36)
    return _size(draft)


@_label("short-value", "call", "one wei less than the fee", "fee", "payment")
def _short_value(draft: StorkDraft, damage: Damage) -> Answer:
    draft.value = draft.state.verification_fee - 1
    return INSUFFICIENT_FEE.data()


@_label("no-value", "call", "no value is sent", "fee", "payment")
def _no_value(draft: StorkDraft, damage: Damage) -> Answer:
    draft.pay, draft.value = None, 0
    return INSUFFICIENT_FEE.data()
