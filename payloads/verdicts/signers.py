"""The signers of signatures, each recovered once and then looked up.

A verifier asks `Signers` instead of `crypto.recover`. Calls that share one share its answers: a
call that is judged at two times, a bulk call that carries one payload twice, and many calls that
are judged together. `learn` recovers many signatures in one `crypto.recover_many`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from payloads.crypto import Workers, recover, recovers_in_batches

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


# What is known of a digest. Nearly always it is asked for once: that, with the answers of the batch
# and where those of this digest begin. Otherwise the answer for each signature.
_Once = tuple[Asked, Sequence[Found], int]
_Each = dict[Signature, Found]


class _Columns(NamedTuple):
    """Signatures as `recover_many` takes them."""

    digests: Sequence[bytes]
    rs: Sequence[bytes]
    ss: Sequence[bytes]
    vs: Sequence[int]


class Learning:
    """Signatures that are being recovered, to be kept in the end."""

    __slots__ = ("_digests", "_keep")

    def __init__(
        self, digests: Sequence[bytes] = (), keep: Callable[[], None] | None = None
    ) -> None:
        self._digests, self._keep = digests, keep

    def of_any(self, asked: Sequence[Asked]) -> bool:
        """Whether any of these digests is among those that are being recovered."""
        return self._keep is not None and not {each[0] for each in asked}.isdisjoint(self._digests)

    def end(self) -> None:
        """Wait for the signers, and keep them."""
        keep, self._keep = self._keep, None
        if keep is not None:
            keep()


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
        if v not in _IDS:
            return recover(digest, r, s, v)
        signature = (r, s, v)
        with self._lock:
            found = self._each(digest).get(signature, False)
        if found is False:
            found = recover(digest, r, s, v)
            self.keep(digest, signature, found)
        return found

    def known(self, asked: Asked) -> Sequence[Found]:
        """The signers of these signatures; False for a signature that is not known yet.

        Where there is no recovery id that recovers, it is never known.
        """
        digest, rs, ss, vs = asked
        known = self._known.get(digest)
        if known is None:
            return (False,)
        if isinstance(known, tuple) and known[0] == asked:
            _, answers, at = known
            return answers[at : at + len(vs)]
        with self._lock:
            each = self._each(digest)
            return [each.get(signature, False) for signature in zip(rs, ss, vs, strict=True)]

    def learn(self, asked: Sequence[Asked], workers: Workers | None = None) -> None:
        """Recover the unknown signatures in one call, if that is faster than one by one."""
        self.begin(asked, workers).end()

    def begin(self, asked: Sequence[Asked], workers: Workers | None = None) -> Learning:
        """Begin to learn. These workers recover while the caller goes on, until it calls `end`."""
        if not recovers_in_batches():
            return Learning()
        columns = _columns(asked)
        if len(columns.vs) < 2:
            return Learning()
        with self._lock:
            all_new = self._all_new(columns, len(asked))
            columns = columns if all_new else self._unknown(asked)
        if not columns.vs:
            return Learning()
        digests, rs, ss, vs = columns
        # A verdict ends at the first bad signature: flagged signatures wait until it asks for them.
        begun = (workers or Workers()).recover_many(digests, rs, ss, bytes(vs), leave_flagged=True)

        def keep() -> None:
            found = begun()  # without the lock: others look up what is known meanwhile
            with self._lock:
                if all_new:
                    self._put_all(asked, found)
                else:
                    for digest, r, s, v, signer in zip(*columns, found, strict=True):
                        self._put(digest, (r, s, v), signer)
                self._forget()

        return Learning(digests, keep)

    def _all_new(self, columns: _Columns, count: int) -> bool:
        """Whether none of so many digests is known or comes twice, and no signature twice."""
        digests = set(columns.digests)
        # What is the same signature has the same r.
        differ = len(digests) == count and len(set(columns.rs)) == len(columns.rs)
        return differ and self._known.keys().isdisjoint(digests) and _IDS.issuperset(columns.vs)

    def _unknown(self, asked: Sequence[Asked]) -> _Columns:
        """Those that are not known and may have a signer, each once."""
        found = dict.fromkeys(
            (digest, *signature)
            for digest, *signatures in asked
            for signature in zip(*signatures, strict=True)
            if signature[-1] in _IDS and signature not in self._each(digest)
        )
        return _Columns(*zip(*found, strict=True)) if found else _Columns((), (), (), ())

    def keep(self, digest: bytes, signature: Signature, found: bytes | None) -> None:
        """Remember a signer that was recovered elsewhere."""
        if signature[2] in _IDS:
            with self._lock:
                self._put(digest, signature, found)
                self._forget()

    def _put(self, digest: bytes, signature: Signature, found: Found) -> None:
        each = self._each(digest)
        self._count += signature not in each
        each[signature] = found

    def _put_all(self, asked: Sequence[Asked], found: Sequence[Found]) -> None:
        """Keep the answers for all signatures of these digests."""
        at = 0
        for each in asked:
            self._drop(each[0])  # another thread may have been faster
            self._known[each[0]] = (each, found, at)
            at += len(each[3])
        self._count += at

    def _each(self, digest: bytes) -> _Each:
        """What is known of a digest, signature by signature."""
        known = self._known.get(digest)
        if isinstance(known, dict):
            return known
        each: _Each = {}
        if known is not None:
            (_, *signatures), answers, begin = known
            each.update(zip(zip(*signatures, strict=True), answers[begin:], strict=False))
        self._known[digest] = each
        return each

    def _forget(self) -> None:
        """Drop the oldest beyond the bound. What is asked again is recovered again."""
        while self._count > self._most:
            self._drop(next(iter(self._known)))

    def _drop(self, digest: bytes) -> None:
        known = self._known.pop(digest, {})
        self._count -= len(known) if isinstance(known, dict) else len(known[0][3])


def _columns(asked: Sequence[Asked]) -> _Columns:
    digests: list[bytes] = []
    rs: list[bytes] = []
    ss: list[bytes] = []
    vs: list[int] = []
    for digest, own_rs, own_ss, own_vs in asked:
        digests += [digest] * len(own_vs)
        rs += own_rs
        ss += own_ss
        vs += own_vs
    return _Columns(digests, rs, ss, vs)
