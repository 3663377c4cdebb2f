"""The JSON text of verdicts in one pass: the text of what `Verdict.to_dict` gives.

A verdict has a dozen checks. To make objects of them all, and text of the objects, takes a third of
the time that it takes to recover six signers. Here msgspec writes them as they are.
"""

from __future__ import annotations

from typing import Any

import msgspec
from hexbytes import HexBytes

from payloads.abi.fields import Digits, Wide, json_object, jsonable
from payloads.verdicts.checks import Check, Finding
from payloads.verdicts.state import State
from payloads.verdicts.verdict import Verdict

# What msgspec writes as `jsonable` does, with `_form`. It takes plain bytes for base64.
_WRITTEN = frozenset({str, int, bool, type(None), HexBytes, Wide, Digits})


class _Check(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A check as it is written: what is None is left out."""

    name: str
    rule: str
    inputs: dict[str, Any]
    passed: bool | None = None
    detail: str | None = None
    revert: str | None = None
    decided: bool | None = None
    payload: int | None = None


class _Finding(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    code: str
    severity: str
    sentence: str
    reference: str
    detail: str | None = None
    payload: int | None = None


class _Verdict(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    accepted: bool
    verdict: str
    returned: Any = msgspec.UNSET
    payload: int | None = None
    revert: Any = msgspec.UNSET
    checks: list[_Check] | None = None
    findings: list[_Finding] | None = None
    state: msgspec.Raw | None = None


class VerdictTexts:
    """Verdicts of a run as JSON text, which remembers the words about the state."""

    def __init__(self) -> None:
        self._state: State | None = None
        self._judged_at: tuple[int | None, bool] = (None, False)
        self._words = msgspec.Raw(b"")

    def text(self, verdict: Verdict) -> str | None:
        """The JSON object of a verdict. None where JSON has it in a way that msgspec does not."""
        checks, findings = list(map(_check, verdict.checks)), list(map(_finding, verdict.findings))
        try:
            state = self._state_of(verdict)
            if verdict.revert_data is None:
                returned = jsonable(verdict.returned)
                found = _Verdict(
                    verdict.accepted, verdict.name, returned, None, msgspec.UNSET,
                    checks, findings, state,
                )  # fmt: skip
            else:
                assert verdict.revert is not None
                revert = jsonable(verdict.revert.to_json())
                found = _Verdict(
                    verdict.accepted, verdict.name, msgspec.UNSET, verdict.payload, revert,
                    checks, findings, state,
                )  # fmt: skip
            return _encode(found).decode()
        except (OverflowError, UnicodeError):
            return None

    def _state_of(self, verdict: Verdict) -> msgspec.Raw:
        state, judged_at = verdict.state, (verdict.now, verdict.at_state_time)
        if state is not self._state or judged_at != self._judged_at:
            self._words = msgspec.Raw(_encode(jsonable(verdict.state_to_dict())))
            self._state, self._judged_at = state, judged_at
        return self._words


def _form(value: Any) -> str:
    """The form of a value that msgspec does not know."""
    if type(value) is HexBytes:
        return "0x" + value.hex()
    return str(value)


_encode = msgspec.json.Encoder(enc_hook=_form).encode


def _check(check: Check) -> _Check:
    inputs = check.inputs
    if not _WRITTEN.issuperset(map(type, inputs.values())):
        inputs = json_object(inputs)
    return _Check(
        check.name, check.rule, inputs, check.passed, check.detail, check.revert, check.decided,
        check.payload,
    )  # fmt: skip


def _finding(found: Finding) -> _Finding:
    return _Finding(
        found.code, found.severity, found.sentence, found.reference, found.detail, found.payload
    )
