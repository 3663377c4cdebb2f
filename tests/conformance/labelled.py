"""Cases of the labels of `payloads.strategies`: each damage, with the answer that it promises."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hexbytes import HexBytes

from payloads import State
from payloads.chainlink.payment import parameter
from payloads.chainlink.schemas import ReportV3
from payloads.conformance import ACCEPTABLE, ACCEPTED, INVALID, RETURNS_FALSE, REVERTS, VALID, Call
from payloads.stork.update import Asset
from payloads.testing.chainlink.damage import LABELS as CHAINLINK
from payloads.testing.chainlink.draft import ChainlinkDraft, claimed
from payloads.testing.damage import NONE, Damage, Label, Labels
from payloads.testing.stork.damage import LABELS as STORK
from payloads.testing.stork.draft import StorkDraft
from payloads.testing.submission import Submission, finished
from tests.conformance import building as b
from tests.conformance import stork_cases as s
from tests.conformance.building import File, hexed
from tests.conformance.states import STATES, STORK_MANY, STORK_SIGNER
from tests.conformance.states import STORK as STORK_ONE

# The label that changes the frame and leaves the payload as it is.
IN_THE_FRAME = "json-contradicts"
# The rule that each label is about.
_CHAINLINK_FLAGS = {
    "none": "Good", "missing-signature": "SignatureCount", "extra-signature": "SignatureCount",
    "no-signatures": "SignatureCount NoSigners", "doubled-signer": "DoubledSigner",
    "foreign-network": "UnknownSigner", "replayed-elsewhere": "VerifierNotFound UnknownSigner",
    "foreign-digest": "VerifierNotFound DigestUnread", "retired-config": "DigestInactive",
    "deactivated-feed": "FeedDeactivated", "other-feed": "ConfigOfFeed",
    "before-activation": "ActivationTime", "dirty-word": "CommonHead ObservedTime",
    "short-report": "CommonHead ObservedTime", "empty-report": "EmptyTails ReportUninspected",
    "outsider": "UnknownSigner", "bit-flip": "ChangedAfterSigning",
    "changed-context": "ChangedAfterSigning", "flipped-v": "RecoveryId", "v-offset": "RecoveryId",
    "v-overflow": "VOverflow", "high-s": "HighS", "negated-s": "HighS UnknownSigner",
    "zero-r": "SignatureRange", "large-s": "SignatureRange", "swapped-r-s": "UnknownSigner",
    "reordered-signatures": "SignatureOrder", "unequal-counts": "MismatchedSignatures",
    "spare-vs": "SpareVs", "truncated": "LengthPastEnd", "stub": "StubDigest ShortHead",
    "trailing-bytes": "TrailingBytes", "gap": "Gap", "far-pointer": "OffsetPastEnd",
    "huge-pointer": "OffsetTooLarge", "shared-pointer": "Overlap", "long-length": "LengthPastEnd",
    "huge-length": "LengthTooLarge", "expired": "Expired", "wrong-token": "InvalidQuote",
    "no-token": "ParameterPayload", "dirty-token": "ParameterPayload",
    "short-value": "InvalidDeposit", "stranger": "AccessForbidden",
    "value-on-view": "ValueOnView", "unknown-view": "NoSuchView",
    IN_THE_FRAME: "FrameContradicts",
}  # fmt: skip
_STORK_FLAGS = {
    "none": "StorkGood", "foreign-signer": "StorkSigner", "versioned": "StorkVersionedCall",
    "bit-flip": "StorkSigner", "flipped-v": "StorkRecovery", "v-offset": "StorkRecovery",
    "v-overflow": "StorkVOverflow", "high-s": "StorkRecovery", "zero-r": "StorkRecovery",
    "swapped-r-s": "StorkRecovery", "truncated": "StorkSize", "missing-asset": "StorkSize",
    "trailing-bytes": "StorkSize", "short-value": "StorkFee", "no-value": "StorkFee",
}  # fmt: skip
# The states that a label is shown under, by what it needs.
_STATES = {
    "": ("", "fees"), "fees": ("fees",), "access": ("access",), "retired": ("past",),
    "deactivated": ("past",), "activation": ("activation",), "views": ("", "fees"),
    "old": ("",), "fee": ("fee",),
}  # fmt: skip
_NUMBERS = ((0, 0), (3, 5))
_SIGNATURES = {
    "verify": b.VERIFY, "verifyView": b.VERIFY_VIEW,
    "verifySignedECDSAPayload": s.VERIFY,
    "verifyAndDeserializeSignedECDSAPayload": s.DESERIALIZE,
}  # fmt: skip


def _call(made: Submission, name: str) -> Call:
    outcome = ACCEPTED if made.accepted else REVERTS
    if made.revert_data is None and not made.accepted:
        outcome = RETURNS_FALSE
    result = INVALID
    if made.accepted:
        result = VALID if made.damage == NONE else ACCEPTABLE
    data = made.revert_data
    pays = b"" if made.system == "stork" else parameter(made.pay, made.state)  # type: ignore[arg-type]
    return Call(
        generation=str(made.state.contract), state=name, function=_SIGNATURES[made.function],
        parameter=hexed(pays), value=str(made.value), sender=made.sender, now=made.now,
        result=result, outcome=outcome,
        error=None if data is None else b.error_name(bytes(data)),
        revert_data=None if data is None else hexed(bytes(data)),
    )  # fmt: skip


def _names(labels: Labels, label: Label) -> Iterator[str]:
    """The states of `states.json` that a label is shown under."""
    generations = labels.needs[label.needs].generations
    for generation in generations:
        for name in _STATES[label.needs]:
            if (full := f"{generation} {name}".strip()) in STATES:
                yield full


def _report() -> ReportV3:
    return ReportV3(
        HexBytes(b.FEED), b.OBSERVED, b.OBSERVED, 1_000_001, 1_004, b.EXPIRES, 1_006, 1_007, 1_008
    )


def _chainlink(label: Label, damage: Damage, name: str) -> Submission:
    report = _report()
    draft = ChainlinkDraft(
        State.from_dict(STATES[name]), b.NETWORK, report.encode(),  # type: ignore[arg-type]
        times=claimed(report, b.NOW), now=b.NOW, oracles=list(range(b.NETWORK.f + 1)),
        sequence=257, pay="link", extra=0, is_view=False,
    )  # fmt: skip
    return finished(draft, label, damage)


def _stork(label: Label, damage: Damage, name: str, deserializes: bool) -> Submission:
    signed = STORK_SIGNER.sign([Asset(7, 10**18), Asset(8, -5)], timestamp_ns=s.TIME)
    draft = StorkDraft(
        State.from_dict(STATES[name]), STORK_SIGNER, signed,  # type: ignore[arg-type]
        now=b.NOW, extra=0, deserializes=deserializes,
    )  # fmt: skip
    return finished(draft, label, damage)


def _grouped(made: list[tuple[str, Submission]]) -> dict[bytes, list[Call]]:
    """The calls of each different payload."""
    found: dict[bytes, list[Call]] = {}
    for name, one in made:
        found.setdefault(bytes(one.payload), []).append(_call(one, name))
    return found


def _numbers(label: Label) -> tuple[Damage, ...]:
    return tuple(Damage(label.name, *pair) for pair in _NUMBERS[: 1 if label.name == NONE else 2])


def _add_frame(file: File, label: Label, made: Submission) -> None:
    """A frame that contradicts its payload, which is good."""
    known = File("unused").payload("Good", label.meaning, bytes(made.payload))
    file.add("FrameContradicts", f"{label.name}: {label.meaning}", form="frame", input=made.frame,
             result=ACCEPTABLE, canonical=True, decoded=known.decoded,
             signers=known.signers)  # fmt: skip


def chainlink_damages() -> File:
    """The labels of Data Streams."""
    file = File("chainlink-damage")
    for label in CHAINLINK.known.values():
        made = [
            (name, _chainlink(label, damage, name))
            for damage in _numbers(label)
            for name in _names(CHAINLINK, label)
        ]
        if label.name == IN_THE_FRAME:
            _add_frame(file, label, made[0][1])
            continue
        for raw, calls in _grouped(made).items():
            file.payload(_CHAINLINK_FLAGS[label.name], f"{label.name}: {label.meaning}", raw,
                         _given(calls))  # fmt: skip
    return file


def _given(calls: list[Call]) -> Any:
    return lambda result: tuple(dict.fromkeys(calls))


def stork_damages() -> File:
    """The labels of Stork Fast."""
    file = File("stork-damage")
    for label in STORK.known.values():
        made = [
            (name, _stork(label, damage, name, deserializes))
            for damage in _numbers(label)
            for generation in (STORK_ONE, STORK_MANY)
            for name in (f"{generation} fee",)
            for deserializes in (False, True)
        ]
        for raw, calls in _grouped(made).items():
            s.add(file, _STORK_FLAGS[label.name], f"{label.name}: {label.meaning}", raw,
                  _given(calls))  # fmt: skip
    return file
