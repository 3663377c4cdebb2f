"""What `Signers` keeps, and what it recovers. `tests/test_together.py` judges with it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from payloads.crypto import Workers
from payloads.verdicts import signers
from payloads.verdicts.signers import Asked, Signers

A, B, C = (letter * 32 for letter in (b"a", b"b", b"c"))


def asked(digest: bytes, *numbers: int, ids: Sequence[int] = ()) -> Asked:
    """Signatures of a digest, whose r and s are made of these numbers."""
    rs, ss = ([bytes([number + more]) * 32 for number in numbers] for more in (0, 100))
    return digest, rs, ss, bytes(ids or len(numbers))


def signer_of(digest: bytes, r: bytes, s: bytes, v: int) -> bytes | None:
    """A made-up signer, another for each signature; r of 99 has none."""
    return None if r[0] == 99 else digest[:5] + r[:5] + s[:5] + bytes([v] * 5)


def answers(*questions: Asked) -> list[list[bytes | None]]:
    return [
        [signer_of(digest, *signature) for signature in zip(*signatures, strict=True)]
        for digest, *signatures in questions
    ]


@pytest.fixture(autouse=True)
def recovered(monkeypatch: pytest.MonkeyPatch) -> Counter[Any]:
    """How often `recover_many`, which is taken to be faster, is asked for each signature."""
    seen: Counter[Any] = Counter()

    def many(_: Workers, *columns: Any, leave_flagged: bool) -> Any:
        seen.update(zip(*columns, strict=True))
        return lambda: [signer_of(*one) for one in zip(*columns, strict=True)]

    monkeypatch.setattr(signers, "recovers_in_batches", lambda: True)
    monkeypatch.setattr(signers, "recover", signer_of)
    monkeypatch.setattr(Workers, "recover_many", many)
    return seen


def known(kept: Signers, *questions: Asked) -> list[list[Any]]:
    return [list(kept.known(each)) for each in questions]


def test_what_was_learnt_is_known_and_counted(recovered: Counter[Any]) -> None:
    kept, many = Signers(), (asked(A, 1, 2), asked(B, 3, 99, 5, 6), asked(C, 7))
    assert [set(each) for each in known(kept, *many)] == [{False}] * 3
    kept.learn(many)
    assert known(kept, *many) == answers(*many)
    assert (len(kept), recovered.total()) == (7, 7)


def test_signatures_of_a_known_digest_are_looked_up_one_by_one() -> None:
    kept = Signers()
    kept.learn([asked(A, 1, 2, 3), asked(B, 4)])
    again, other = asked(A, 3, 1), asked(A, 2, 9, 1)
    assert known(kept, again) == answers(again)
    ((second, none, first),) = known(kept, other)
    assert (first, none, second) == (*answers(asked(A, 1))[0], False, *answers(asked(A, 2))[0])


def test_only_what_is_unknown_is_recovered_and_each_once(recovered: Counter[Any]) -> None:
    kept, first = Signers(), [asked(A, 1, 2), asked(B, 3)]
    kept.learn(first)
    kept.learn(first)
    assert set(recovered.values()) == {1}
    assert len(recovered) == 3
    more = [asked(A, 2, 4), asked(C, 5, 5), asked(C, 6), asked(B, 3)]
    kept.learn(more)
    assert known(kept, *first, *more) == answers(*first, *more)
    assert set(recovered.values()) == {1}
    assert len(recovered) == len(kept) == 6


@pytest.mark.parametrize(
    "batch",
    [
        [asked(A, 1, 2), asked(A, 3)],
        [asked(A, 1), asked(A, 2), asked(B, 3)],
        [asked(A, 1, 1), asked(B, 2)],
        [asked(A, 1, 2), asked(A, 2, 1)],
    ],
    ids=["one digest", "a digest twice", "a signature twice", "another order"],
)
def test_a_first_batch_may_repeat_itself(batch: list[Asked], recovered: Counter[Any]) -> None:
    kept = Signers()
    kept.learn(batch)
    assert known(kept, *batch) == answers(*batch)
    assert set(recovered.values()) == {1}
    assert len(kept) == len(recovered)


def test_a_signature_alone_is_recovered_when_it_is_asked_for(recovered: Counter[Any]) -> None:
    kept = Signers()
    kept.learn([asked(A, 1)])
    assert not recovered
    kept.learn([asked(A, 1), asked(B, 2)])
    assert recovered.total() == 2


def test_what_another_thread_learnt_meanwhile_is_counted_once() -> None:
    kept, batch = Signers(), [asked(A, 1, 2), asked(B, 3)]
    learning = kept.begin(batch)
    kept.learn(batch)
    learning.end()
    assert known(kept, *batch) == answers(*batch)
    assert len(kept) == 3


def test_others_look_up_while_signatures_are_being_recovered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept, first = Signers(), asked(A, 1, 2)
    kept.learn([first, asked(B, 3)])
    seen: list[Any] = []

    def look() -> None:
        seen.extend(known(kept, asked(A, 2, 1)))  # in another order: that takes the lock

    def many(_: Workers, *columns: Any, leave_flagged: bool) -> Any:
        def found() -> list[bytes | None]:
            thread = threading.Thread(target=look, daemon=True)
            thread.start()
            thread.join(10)
            return [signer_of(*one) for one in zip(*columns, strict=True)]

        return found

    monkeypatch.setattr(Workers, "recover_many", many)
    learning = kept.begin([asked(C, 4, 5)])
    learning.end()
    assert seen == [answers(first)[0][::-1]]


def test_what_is_being_recovered_is_known_in_the_end(recovered: Counter[Any]) -> None:
    kept, batch = Signers(), [asked(A, 1, 2), asked(B, 3)]
    learning = kept.begin(batch)
    assert learning.of_any([asked(C, 1), asked(B, 9)])
    assert not learning.of_any([asked(C, 1)])
    assert len(kept) == 0
    for _ in range(2):
        learning.end()
        assert not learning.of_any(batch)
        assert known(kept, *batch) == answers(*batch)
        assert len(kept) == recovered.total() == 3
    assert not kept.begin(batch).of_any(batch)


def test_the_oldest_digests_are_forgotten_with_all_their_signatures() -> None:
    kept, batch = Signers(most=7), [asked(A, 1, 2), asked(B, 3, 4, 5, 6), asked(C, 7, 8, 9)]
    kept.learn(batch)
    assert len(kept) == 7
    assert set(kept.known(batch[0])) == {False}
    assert known(kept, *batch[1:]) == answers(*batch[1:])
    kept.keep(A, (A, A, 0), None)
    assert len(kept) == 4
    assert list(kept.known((A, [A], [A], b"\0"))) == [None]
    assert set(kept.known(batch[1])) == {False}
