"""Events that may come by the thousand: the first of each kind are shown, all are counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

# How many of a kind are shown.
SHOWN = 3
# More kinds than a venue has; what is beyond is one kind.
MOST_KINDS = 64
_OTHERS = "others"


class FirstOfKind:
    """Which of many events to show."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def shows(self, kind: str) -> bool:
        """Count an event of this kind; whether it is to be shown."""
        if kind not in self._counts and len(self._counts) >= MOST_KINDS:
            kind = _OTHERS
        self._counts[kind] += 1
        return self._counts[kind] <= SHOWN

    def last_shown(self, kind: str) -> bool:
        """Whether the next of this kind will only be counted."""
        return self._counts[kind] == SHOWN

    def counted(self) -> Iterator[tuple[str, int]]:
        """The kinds of which some were not shown, with the number of all."""
        for kind, count in self._counts.items():
            if count > SHOWN:
                yield kind, count
