"""What a contract would do: `Accepted` or `Reverted`, and why.

A verdict is the chain's answer (`returned`, or `revert_data` with the contract's own error name,
selector and arguments). Beside it stands what this library adds: `checks` (every check in the
contract's order, with all that is wrong and not only the first) and `findings` (what a user must
hear even when the answer is "accepted"). Both are computed when first asked for: a verdict that is
only asked whether it is `accepted` costs no more than its signatures.

A verdict names the state it was reached with, and that state's age. Nothing here raises, but
`Verdict.raise_if_refused`, which raises `ContractRefusal`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec.structs

from payloads.abi.fields import jsonable
from payloads.errors import Refused
from payloads.verdicts.checks import Bill, Check, Explanation, Finding
from payloads.verdicts.contract_errors import Answer, Revert, read_revert
from payloads.verdicts.state import State


class StateTime(int):
    """The time that a state was read at, judged at because no other time was given."""


class Verdict(Answer):
    """What a contract would do with a call: `Accepted`, `ReturnsFalse` or `Reverted`.

    A verdict is true where the call does what its caller wants: where it is `accepted`.
    """

    __slots__ = (
        "_brief", "_call", "_explain", "_explanation", "_find", "_read", "now", "returned",
        "revert_data", "state",
    )  # fmt: skip

    accepted = False

    def __init__(
        self,
        returned: Any,
        revert_data: bytes | None,
        state: State,
        now: int | None,
        explain: Callable[..., Explanation],
        find: Callable[..., Explanation] | None = None,
        call: Any = None,
    ) -> None:
        self.returned = returned
        self.revert_data = revert_data
        self.state = state
        self.now = now
        # `find` gives findings and bills without the checks, where that is cheaper. Both are asked
        # about `call`, if there is one.
        self._explain, self._find, self._call = explain, find, call
        self._explanation: Explanation | None = None
        self._brief: Explanation | None = None
        self._read: Revert | None = None

    @property
    def revert(self) -> Revert | None:
        """The contract's error, read; None where the call returns."""
        if self._read is None and self.revert_data is not None:
            self._read = read_revert(self.revert_data)
        return self._read

    @property
    def age(self) -> int | None:
        """Seconds between the state and the moment that was judged; None where not known."""
        return self.state.age(self.now)

    @property
    def at_state_time(self) -> bool:
        """Whether no time was given, so that the state's own was taken for the block's."""
        return isinstance(self.now, StateTime)

    @property
    def why(self) -> Explanation:
        """Checks and findings, computed once."""
        if self._explanation is None:
            self._explanation = self._asked(self._explain)
        return self._explanation

    def _asked(self, explain: Callable[..., Explanation]) -> Explanation:
        return explain() if self._call is None else explain(self._call)

    @property
    def _found(self) -> Explanation:
        """The explanation, perhaps without its checks."""
        if self._explanation is not None or self._find is None:
            return self.why
        if self._brief is None:
            self._brief = self._asked(self._find)
        return self._brief

    @property
    def checks(self) -> tuple[Check, ...]:
        """Every check that the contract makes, in its order."""
        return self.why.checks

    @property
    def problems(self) -> tuple[Check, ...]:
        """The checks that fail, those behind the deciding one included."""
        return tuple(check for check in self.checks if check.passed is False)

    @property
    def payload(self) -> int | None:
        """The index of the payload of a bulk call at which the chain stops; None for others."""
        return next((check.payload for check in self.checks if check.decided), None)

    @property
    def refusal(self) -> str:
        """The contract's error, behind the payload that it is about where a call has several."""
        return self.name if self.payload is None else f"payload {self.payload}: {self.name}"

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What a user must hear whatever the verdict."""
        return self._found.findings

    @property
    def bills(self) -> tuple[Bill, ...]:
        """What the call is billed in tokens, wrapped native among them. Value pays the native."""
        return self._found.bills

    @property
    def good_until(self) -> int | None:
        """The last block time at which no payload has expired; None where none ever does."""
        return self._found.good_until

    def with_findings(self, more: Iterable[Finding]) -> Verdict:
        """The same verdict with further findings."""
        further = tuple(more)

        def add(known: Explanation) -> Explanation:
            return msgspec.structs.replace(known, findings=known.findings + further)

        facts = (self.returned, self.revert_data, self.state, self.now)
        return type(self)(*facts, lambda: add(self.why), lambda: add(self._found))

    @property
    def explanation(self) -> str:
        """The verdict, what is wrong, and the findings, in lines for a person."""
        lines = [self.sentence, *map(str, self.problems), *map(str, self.findings)]
        return "\n".join(lines)

    @property
    def sentence(self) -> str:
        """The verdict, and the state it was reached with, in one line."""
        age = "age unknown" if self.age is None else f"{self.age} s old"
        name = self.name if self.accepted else self.refusal
        own = ", judged at its own time" if self.at_state_time else ""
        return f"{name} (state: {self.state.described()}; {age}{own})"

    @property
    def passed(self) -> bool:
        """The same as `accepted`."""
        return self.accepted

    def raise_if_refused(self) -> Verdict:
        """This verdict if the call is accepted; else `ContractRefusal` with the same facts.

        A call that returns false is refused, too: a caller who ignores that answer would take the
        payload for good.
        """
        if self.accepted:
            return self
        if self.revert is None:
            reason, failed = "the contract would return false", self.problems[:1]
        else:
            reason = f"the contract would revert: {self.refusal}"
            failed = tuple(check for check in self.checks if check.decided)[:1]
        raise ContractRefusal(
            reason,
            field=failed[0].name if failed else None,
            found=failed[0].detail if failed else None,
            revert_data=self.revert_data,
            verdict=self,
        )

    def to_dict(self, *, brief: bool = False) -> dict[str, Any]:
        """The verdict as the command line prints it with `--json`; `brief`: the answer alone."""
        record: dict[str, Any] = {"accepted": self.accepted, "verdict": self.name}
        if self.revert is not None:
            if self.payload is not None:
                record["payload"] = self.payload
            record["revert"] = self.revert.to_json()
        elif not brief:
            record["returned"] = self.returned
        if brief:
            return record
        record["checks"] = self.checks
        record["findings"] = self.findings
        record["state"] = self.state_to_dict()
        found: dict[str, Any] = jsonable(record)
        return found

    def state_to_dict(self) -> dict[str, Any]:
        """The state that was judged with, and when, as `to_dict` has it."""
        return {
            "described": self.state.described(),
            "contract": self.state.contract,
            "source": self.state.source,
            "block_number": self.state.block_number,
            "fetched_at": self.state.fetched_at,
            "judged_at": self.now,
            "judged_at_its_own_time": self.at_state_time,
            "age": self.age,
        }

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name})"

    def __reduce__(self) -> tuple[Any, ...]:
        # With the explanation as data: what it would be computed from need not travel.
        return (_restored, (type(self), *self._facts(), self.why, self.revert))

    def _facts(self) -> tuple[Any, ...]:
        return (self.returned, self.revert_data, self.state, self.now)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Verdict) and self._facts() == other._facts()

    __hash__ = None  # type: ignore[assignment]  # states hold dicts


def _restored(
    cls: type[Verdict],
    returned: Any,
    data: bytes | None,
    state: State,
    now: int | None,
    why: Explanation,
    revert: Revert | None,
) -> Verdict:
    verdict = cls(returned, data, state, now, lambda: why)
    verdict._read = revert
    return verdict


class Accepted(Verdict):
    """The call does what its caller wants. `returned` is the report (bytes), a tuple of reports for
    a bulk call; for Stork true, or the assets. `revert_data` is None."""

    __slots__ = ()

    accepted = True


class ReturnsFalse(Verdict):
    """The call returns false instead of reverting: the signature is wrong. `returned` is False."""

    __slots__ = ()


class Reverted(Verdict):
    """The call reverts with exactly `revert_data`. `returned` is None."""

    __slots__ = ()


class VerdictRefusal(Refused):
    """`Refused`, after a verdict: `verdict` has all the facts."""

    def __init__(self, reason: str, *, verdict: Verdict | None = None, **facts: Any) -> None:
        super().__init__(reason, **facts)
        self.verdict = verdict

    def to_dict(self) -> dict[str, Any]:
        """The error as the command line prints it with `--json`."""
        record = super().to_dict()
        if self.verdict is not None:
            record["verdict"] = self.verdict.to_dict()
        return record


class ContractRefusal(VerdictRefusal):
    """`Refused`, by a contract."""
