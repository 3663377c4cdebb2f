"""A problem that a preflight finds, and the questions to a node that may stay without an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from payloads.abi.fields import Record, jsonable
from payloads.chain.rpc import Unavailable
from payloads.errors import PayloadError

T = TypeVar("T")


class Problem(Record, frozen=True):
    """Something that stops the transaction (`danger`), is not known (`warning`), or helps to
    understand another problem (`note`). `code` is stable, and `field` is the transaction's."""

    code: str
    severity: str
    sentence: str
    field: str
    expected: str = ""
    found: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The problem as JSON has it."""
        record: dict[str, Any] = jsonable(self)
        return record

    def __str__(self) -> str:
        expected = f", expected {self.expected}" if self.expected else ""
        found = f", found {self.found}" if self.found else ""
        return f"{self.severity} {self.code} ({self.field}): {self.sentence}{expected}{found}"


class Problems:
    """The problems found so far, in the order in which they would stop the transaction."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(
        self, code: str, sentence: str, field: str, expected: object = "", found: object = "",
        severity: str = "danger",
    ) -> None:  # fmt: skip
        """A problem more."""
        self.found.append(Problem(code, severity, sentence, field, str(expected), str(found)))

    def add_error(self, code: str, error: PayloadError) -> None:
        """An error as a problem."""
        self.add(code, error.reason, error.field or "", error.expected or "", error.found or "")

    def asked(self, what: str, ask: Callable[[], T]) -> T | None:
        """The node's answer; None, and the problem `not-known`, where it gives none."""
        try:
            return ask()
        except Unavailable as error:
            why = error.reason + (f": {error.found}" if error.found else "")
            self.not_known(what, error.field or "", why)
            return None

    def not_known(self, what: str, field: str, why: str) -> None:
        """A question without an answer."""
        self.add("not-known", f"not known: {what}", field, "", why, "warning")

    def has(self, *codes: str) -> bool:
        """Whether one of these was found."""
        return bool(self.found) and any(problem.code in codes for problem in self.found)
