"""The hashes in a capture, each over what was written since the hash before it.

A hash is the SHA-256 of the hash before it and of all lines since, the line of that hash included.
The first begins with the last hash of the part before. So a line that is changed, moved, added or
taken out shows at the next hash, and only there.
"""

from __future__ import annotations

import hashlib


class Chain:
    """The hash so far; `lines` counts those of this part."""

    def __init__(self, previous: str = "") -> None:
        self._hash = hashlib.sha256(previous.encode())
        self.lines = self._sealed = 0

    def add(self, lines: bytes | memoryview, count: int = 1) -> None:
        """Take in lines with their ends."""
        self._hash.update(lines)
        self.lines += count

    @property
    def unsealed(self) -> int:
        """How many lines no hash covers yet."""
        return self.lines - self._sealed

    @property
    def state(self) -> dict[str, int | str]:
        """The members of the record that holds the hash: how many lines there are before it."""
        return {"lines": self.lines, "hash": self._hash.hexdigest()}

    def sealed(self, stated: str) -> None:
        """Go on from a hash as a record states it; the record itself is added next."""
        self._hash = hashlib.sha256(stated.encode())
        self._sealed = self.lines
