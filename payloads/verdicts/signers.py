"""The signers of signatures, each recovered once and then looked up.

A verifier asks `Signers` instead of `crypto.recover`. Calls that share one share its answers: a
call that is judged at two times, a bulk call that carries one payload twice, and many calls that
are judged together. `learn` recovers many signatures in one `crypto.recover_many`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import islice
from typing import Any

from payloads.crypto import recover, recover_many, recovers_in_batches

# A digest, r, s and recovery id.
Signature = tuple[bytes, bytes, bytes, int]

# As many are kept, some 7 MB: an endless stream must not fill the memory.
MOST_KEPT = 1 << 14
_UNKNOWN = object()
# Recovery ids with which there may be a signer.
_IDS = frozenset((0, 1))


class Signers:
    """Signers by signature. It may be shared between threads."""

    __slots__ = ("_known", "_most")

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._known: dict[Signature, bytes | None] = {}
        self._most = most

    def recover(self, digest: bytes, r: bytes, s: bytes, v: int) -> bytes | None:
        """What `crypto.recover` answers, looked up where it is known."""
        signature = (digest, r, s, v)
        found = self._known.get(signature, _UNKNOWN)
        if found is _UNKNOWN:
            found = recover(digest, r, s, v)
            if v in (0, 1):
                self._known[signature] = found
                if len(self._known) > self._most:
                    self._forget()
        return found  # type: ignore[return-value]

    def known(self, signatures: Iterable[Signature]) -> list[bytes | None] | None:
        """The signers of signatures that are all known already; None if one is not."""
        try:
            return list(map(self._known.__getitem__, signatures))
        except KeyError:
            return None

    def learn(self, signatures: Iterable[Signature], workers: int | None = None) -> None:
        """Recover the unknown ones in one call, if that is faster than one by one when asked."""
        if not recovers_in_batches():
            return
        known = self._known
        missing: Collection[Signature] = dict.fromkeys(signatures)
        if known:
            missing = [each for each in missing if each not in known]
        if len(missing) < 2:
            return
        digests, rs, ss, vs = zip(*missing, strict=True)
        if not _IDS.issuperset(vs):
            missing = [each for each in missing if each[3] in _IDS]
            digests, rs, ss, vs = zip(*missing, strict=True) if missing else ((), (), (), ())
        if len(missing) > 1:
            # A verdict ends at the first bad signature: flagged ones wait until it asks for them.
            found = recover_many(digests, rs, ss, bytes(vs), workers=workers, leave_flagged=True)
            answers: Any = zip(missing, found, strict=True)
            if False in found:
                answers = ((each, signer) for each, signer in answers if signer is not False)
            self.keep(answers)

    def keep(self, found: Iterable[tuple[Signature, bytes | None]]) -> None:
        """Remember signers that were recovered elsewhere."""
        self._known.update(found)
        self._forget()

    def _forget(self) -> None:
        """Drop the oldest beyond the bound. What is asked again is recovered again."""
        known = self._known
        if (over := len(known) - self._most) > 0:
            for signature in list(islice(known, over)):
                known.pop(signature, None)
