"""The JSON text of verdicts in one pass: the text of what `Verdict.to_dict` gives.

A verdict has a dozen checks. To make objects of them all, and text of the objects, takes a third of
the time that it takes to recover six signers. Here msgspec writes them as they are.
"""

from __future__ import annotations

from typing import Any

import msgspec
from hexbytes import HexBytes
from msgspec.structs import replace

from payloads.abi.fields import Digits, Wide, json_object, jsonable
from payloads.verdicts.checks import Check, Finding
from payloads.verdicts.state import State
from payloads.verdicts.verdict import Verdict

# What msgspec writes as `jsonable` does, with `_form`. It takes plain bytes for base64.
_WRITTEN = frozenset({str, int, bool, type(None), HexBytes, Wide, Digits})


class _Verdict(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    accepted: bool
    verdict: str
    returned: Any = msgspec.UNSET
    payload: int | None = None
    revert: Any = msgspec.UNSET
    checks: tuple[Check, ...] | None = None
    findings: tuple[Finding, ...] | None = None
    state: msgspec.Raw | None = None
    passed: bool | None = None
    hex: str | None = None


class VerdictTexts:
    """Verdicts of a run as JSON text, which remembers the words about the state."""

    def __init__(self) -> None:
        self._state: State | None = None
        self._judged_at: tuple[int | None, bool] = (None, False)
        self._words = msgspec.Raw(b"")

    def text(self, verdict: Verdict, raw: bytes) -> str | None:
        """The JSON object of a verdict on a payload, which it has as well.

        None for a text that UTF-8 cannot hold, or for an integer that msgspec does not write.
        """
        revert = verdict.revert
        try:
            found = _Verdict(
                verdict.accepted,
                verdict.name,
                msgspec.UNSET if revert is not None else jsonable(verdict.returned),
                None if revert is None else verdict.payload,
                msgspec.UNSET if revert is None else jsonable(revert.to_json()),
                tuple(map(_written, verdict.checks)),
                verdict.findings,
                self._state_of(verdict),
                verdict.passed,
                "0x" + raw.hex(),
            )
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


def _written(check: Check) -> Check:
    """A check whose inputs msgspec writes as they are."""
    if _WRITTEN.issuperset(map(type, check.inputs.values())):
        return check
    return replace(check, inputs=json_object(check.inputs))
