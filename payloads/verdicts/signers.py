"""The signers of signatures, each recovered once and then looked up.

A verifier asks `Signers` instead of `crypto.recover`. Calls that share one share its answers: a
call that is judged at two times, a bulk call that carries one payload twice, and many calls that
are judged together. `learn` recovers many signatures in one `crypto.recover_many`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from payloads.crypto import recover, recover_many, recovers_in_batches

# The signatures of a digest: the digest, each r, each s, and in a byte for each a recovery id.
Asked = tuple[bytes, Sequence[bytes], Sequence[bytes], bytes]
# A signature of a digest: r, s and recovery id.
Signature = tuple[bytes, bytes, int]
# False stands for a signature that only libsecp256k1 can recover, which was not asked.
Found = bytes | Literal[False] | None

# As many are kept, some 7 MB: an endless stream must not fill the memory.
MOST_KEPT = 1 << 14
# Recovery ids with which there may be a signer.
_IDS = frozenset((0, 1))


class _Answers:
    """The answers of one `recover_many`. The first look-up makes the call."""

    __slots__ = ("_find", "_found")

    def __init__(self, find: Callable[[], Sequence[Found]]) -> None:
        self._find = find
        self._found: Sequence[Found] | None = None

    def get(self) -> Sequence[Found]:
        if self._found is None:
            self._found = found = self._find()
            self._find = lambda: found  # and not what was needed to find them
        return self._found


# What is known of a digest. Nearly always it is asked for once: that, and where its answers begin.
# Otherwise the answer for each signature, or the place of it.
_Once = tuple[Asked, _Answers, int]
_Place = tuple[_Answers, int]
_Each = dict[Signature, Found | _Place]


class _Columns(NamedTuple):
    """Signatures as `recover_many` takes them."""

    digests: list[bytes]
    rs: list[bytes]
    ss: list[bytes]
    vs: list[int]


class Signers:
    """Signers by signature. It may be shared between threads."""

    __slots__ = ("_count", "_known", "_lock", "_most")

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._known: dict[bytes, _Once | _Each] = {}
        self._count, self._most = 0, most
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many signatures are kept."""
        return self._count

    def recover(self, digest: bytes, r: bytes, s: bytes, v: int) -> bytes | None:
        """What `crypto.recover` answers, looked up where it is known."""
        known = self._known.get(digest)
        if not isinstance(known, dict):
            if v not in _IDS:
                return recover(digest, r, s, v)
            with self._lock:
                known = self._each(digest)
        signature = (r, s, v)
        found = known.get(signature, False)
        if isinstance(found, tuple):
            found = _settled(found)
        if found is False:
            found = recover(digest, r, s, v)
            if v in _IDS:
                self._keep(known, signature, found)
        return found or None

    def known(self, asked: Asked) -> Sequence[Found]:
        """The signers of these signatures; False for one that is not known yet.

        Where there is no recovery id that recovers, it is never known.
        """
        digest, rs, ss, vs = asked
        known = self._known.get(digest)
        if known is None:
            return (False,)
        if isinstance(known, tuple) and known[0] == asked:
            _, answers, at = known
            return answers.get()[at : at + len(vs)]
        with self._lock:
            each = self._each(digest)
            places = [each.get(signature, False) for signature in zip(rs, ss, vs, strict=True)]
        return list(map(_settled, places))

    def learn(self, asked: Sequence[Asked], workers: int | None = None) -> None:
        """Recover the unknown ones in one call, if that is faster than one by one when asked."""
        if not recovers_in_batches():
            return
        columns = _columns(asked)
        if len(columns.vs) < 2:
            return

        def recovered() -> Sequence[Found]:
            # A verdict ends at the first bad signature: flagged ones wait until it asks for them.
            digests, rs, ss, vs = columns
            return recover_many(digests, rs, ss, bytes(vs), workers=workers, leave_flagged=True)

        answers = _Answers(recovered)
        with self._lock:
            columns = self._take(asked, columns, answers)
        if columns.vs:
            answers.get()

    def _take(self, asked: Sequence[Asked], columns: _Columns, answers: _Answers) -> _Columns:
        """The columns of the unknown ones, whose answers will be these."""
        known, digests = self._known, [each[0] for each in asked]
        # What is the same signature has the same r.
        differ = len(set(digests)) == len(digests) and len(set(columns.rs)) == len(columns.rs)
        if differ and known.keys().isdisjoint(digests) and _IDS.issuperset(columns.vs):
            at = 0
            for each in asked:
                known[each[0]] = (each, answers, at)
                at += len(each[3])
        else:
            columns = self._take_new(asked, answers)
        self._count += len(columns.vs)
        self._forget()
        return columns

    def _take_new(self, asked: Sequence[Asked], answers: _Answers) -> _Columns:
        """The same, where some are known, or come twice, or have no recovery id."""
        digests, rs, ss, vs = columns = _Columns([], [], [], [])
        for digest, *signatures in asked:
            if _IDS.isdisjoint(signatures[-1]):
                continue
            each = self._each(digest)
            for r, s, v in zip(*signatures, strict=True):
                if (r, s, v) not in each and v in _IDS:
                    each[r, s, v] = (answers, len(digests))
                    digests.append(digest)
                    rs.append(r)
                    ss.append(s)
                    vs.append(v)
        return columns

    def keep(self, digest: bytes, signature: Signature, found: bytes | None) -> None:
        """Remember a signer that was recovered elsewhere."""
        if signature[2] in _IDS:
            with self._lock:
                each = self._each(digest)
            self._keep(each, signature, found)

    def _keep(self, each: _Each, signature: Signature, found: bytes | None) -> None:
        with self._lock:
            self._count += signature not in each
            each[signature] = found
            if self._count > self._most:
                self._forget()

    def _each(self, digest: bytes) -> _Each:
        """What is known of a digest, signature by signature."""
        known = self._known.get(digest)
        if isinstance(known, dict):
            return known
        each: _Each = {}
        if known is not None:
            (_, rs, ss, vs), answers, begin = known
            for at, signature in enumerate(zip(rs, ss, vs, strict=True), begin):
                each[signature] = (answers, at)
        self._known[digest] = each
        return each

    def _forget(self) -> None:
        """Drop the oldest beyond the bound. What is asked again is recovered again."""
        known = self._known
        while self._count > self._most:
            oldest = known.pop(next(iter(known)))
            self._count -= len(oldest) if isinstance(oldest, dict) else len(oldest[0][3])


def _columns(asked: Sequence[Asked]) -> _Columns:
    digests, rs, ss, vs = columns = _Columns([], [], [], [])
    for digest, own_rs, own_ss, own_vs in asked:
        digests += [digest] * len(own_vs)
        rs += own_rs
        ss += own_ss
        vs += own_vs
    return columns


def _settled(place: Found | _Place) -> Found:
    """The answer in a place."""
    if not isinstance(place, tuple):
        return place
    answers, at = place
    return answers.get()[at]
