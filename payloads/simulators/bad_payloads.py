"""Payloads that verification should refuse: how many of them, and what is wrong with each."""

from __future__ import annotations

import random
from collections.abc import Sequence

from payloads.errors import Misuse


class BadPayloads:
    """A seeded choice of the payloads that are bad, and of the kind of each."""

    def __init__(self, share: float, kinds: Sequence[str], known: Sequence[str], seed: int) -> None:
        if not 0 <= share <= 1:
            raise Misuse("not a share", field="bad_share", expected="0 to 1", found=str(share))
        for kind in kinds:
            if kind not in known:
                raise Misuse("no such kind", field="bad", expected=", ".join(known), found=kind)
        if share and not kinds:
            raise Misuse("no kind of bad payload", field="bad", expected=", ".join(known))
        self._share, self._kinds = share, tuple(kinds)
        self._dice = random.Random(f"{seed} bad")

    def choose(self) -> str:
        """What is wrong with the next payload; "" for nothing."""
        bad = self._share and self._dice.random() < self._share
        return self._dice.choice(self._kinds) if bad else ""

    def truncate(self, raw: bytes) -> bytes:
        """The payload without its end."""
        return raw[: self._dice.randrange(len(raw) // 4, len(raw) - 1)]

    def flip(self, raw: bytes, start: int, end: int) -> bytes:
        """The payload with one bit changed between two positions."""
        at = self._dice.randrange(start, end)
        return raw[:at] + bytes([raw[at] ^ 1 << self._dice.randrange(8)]) + raw[at + 1 :]
