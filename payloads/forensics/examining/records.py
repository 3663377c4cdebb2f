"""The records of findings."""

from __future__ import annotations

from typing import Any

from payloads.abi.fields import Record

# The names of a finding's fingerprint and of its subject's.
FINGERPRINTS = ("payloads/v1", "payloads/subject/v1")


class Place(Record, frozen=True):
    """Where an occurrence stands: its file, and the byte at which its record begins."""

    frame: int
    index: int | None = None
    path: str = ""
    offset: int | None = None
    line: int | None = None


class Finding(Record, frozen=True):
    """What a rule found `count` times, from `began` to `ended` (nanoseconds since 1970).

    `fingerprint` is the same for the same occurrences in other files, `subject` for the same rule
    and feed whatever occurred. `suppressed` is the policy's reason not to show it; `known` says
    that the baseline has the very same, `updated` that it has the same subject.
    """

    code: str
    revision: int
    severity: str
    group: str
    system: str | None
    feed: str | None
    signer: str | None
    connection: int | None
    began: int | None
    ended: int | None
    count: int
    sentence: str
    rows: tuple[Place, ...]
    evidence: dict[str, Any]
    fingerprint: str
    subject: str
    suppressed: str = ""
    known: bool = False
    updated: bool = False

    @property
    def new(self) -> bool:
        """Whether it is neither suppressed nor in the baseline."""
        return not self.suppressed and not self.known
