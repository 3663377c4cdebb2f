"""Which reports were delivered before.

* `ExactDeduplicator` (the default) drops a report only if the very same bytes were delivered
  before, signatures included. Nothing is verified here: of two reports that differ in nothing but
  their signatures, either may be the damaged one, and the first must not hide the second. Both may
  also be good, since an origin, or REST, may pass on the signatures of other oracles. A reader that
  wants each content once takes the first that verifies for its `context` and `report_blob`.
* `SdkDeduplicator` has the rule of the vendor's Go SDK: for each feed, it drops what is not newer
  than the newest report delivered. Two reports of one second collapse into one, late reports are
  lost, and a damaged report hides the good one of its second.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable
from hashlib import sha256

from payloads.errors import Misuse
from payloads.venues.chainlink.reports import StreamReport

# A longer report is remembered by its hash. A shorter one costs less to keep than to hash.
_LONG = 1024


class Deduplicator(ABC):
    """Decides which reports are new, and counts both kinds.

    It remembers at least the latest `remember` reports, and at most twice as many (in some 35 MB):
    half an hour of ten feeds, or 1.6 s at 10,000 a second. A duplicate that comes later counts as
    new.
    """

    def __init__(self, remember: int = 16_384) -> None:
        if remember < 1:
            raise Misuse("no such number", field="remember", expected="at least 1")
        self.accepted = self.duplicates = 0
        self._remember = remember
        # Two generations: when the newer one is full it becomes the older, which is forgotten.
        self._newer: dict[Hashable, int] = {}
        self._older: dict[Hashable, int] = {}

    def accept(self, report: StreamReport) -> bool:
        """Whether this report is new; it counts as delivered from now on."""
        if self._is_new(report):
            self.accepted += 1
            return True
        self.duplicates += 1
        return False

    @abstractmethod
    def _is_new(self, report: StreamReport) -> bool: ...

    def _keep(self, key: Hashable, value: int = 0) -> None:
        self._newer[key] = value
        if len(self._newer) >= self._remember:
            self._older, self._newer = self._newer, {}

    def _recall(self, key: Hashable) -> int | None:
        return self._newer.get(key, self._older.get(key))


class ExactDeduplicator(Deduplicator):
    """Drops a report whose bytes were delivered before."""

    def _is_new(self, report: StreamReport) -> bool:
        key = report.full_report
        if len(key) > _LONG:
            key = sha256(key).digest()
        if key in self._newer or key in self._older:
            return False
        self._keep(key)
        return True


class SdkDeduplicator(Deduplicator):
    """Drops a report that is not newer than everything its feed has delivered.

    A backfilled report is older by nature. For these the rule is one report a feed and second.
    """

    def _is_new(self, report: StreamReport) -> bool:
        feed, time = report.feed_id, report.observations_timestamp
        if time is None:
            return True
        newest = self._recall(feed)
        behind = newest is not None and time <= newest
        if (behind and not report.backfilled) or self._recall((feed, time)) is not None:
            return False
        self._keep((feed, time))
        self._keep(feed, newest if behind and newest is not None else time)
        return True
