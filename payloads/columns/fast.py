"""The rows that a system's fast way may take, and what is left of them for the single decoder."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable

import numpy as np
from numpy.typing import NDArray

from payloads import systems
from payloads.arrays import rows as inputs
from payloads.arrays.apart import Alike, Payloads, is_available
from payloads.arrays.reader import Columns, Piece
from payloads.arrays.records import Mask, Matrix, every
from payloads.arrays.rows import Rows
from payloads.columns.schemas import readers
from payloads.inputs import MAX_PAYLOAD_BYTES

Positions = NDArray[np.int64]
# The bytes of a function's selector.
_SELECTOR = 4
# Gets the system's name, its reader, and payloads of one size with their places; returns the
# indices of the payloads that it took.
Take = Callable[[str, Columns, Positions, Matrix], Iterable[NDArray[np.int64]]]


def offer(
    rows: Rows, take: Take, *, form: str | None = None, of: Container[str] | None = None
) -> Mask:
    """Offer payloads of one size to each system in turn, and return which payloads are left.

    Offered are payloads of the reader's form, named by the caller or recognised for certain. A
    reader takes of them what it proves. `of` are the systems that are wanted, if not all.
    """
    left = every(len(rows))
    known = readers()
    for positions, matrix in rows.groups():
        alike = Alike(matrix)
        good = rows.no_text(positions, alike)
        if form is None:
            good &= ~_calls(alike)
        for name in _strongest_first(known):
            reader = known[name]
            if form not in (None, reader.form) or (of is not None and name not in of):
                continue
            certain = good if form else _certain(good, alike, name, known)
            if certain.all():
                places, part = positions, matrix
            elif certain.any():
                places, part = positions[certain], matrix[certain]
            else:
                continue
            for taken in take(name, reader, places, part):
                left[places[taken]] = False
            good = left[positions] & good
            if not good.any():
                break
    return left


def whole(payloads: Payloads, form: str | None, only: frozenset[str] | None) -> Piece | None:
    """All payloads of one size as one piece, if they are proven to be of one layout.

    That needs payloads-simd. No payload is copied before it is taken apart, and only columns that
    are wanted are made.
    """
    alike, known = Alike(payloads), readers()
    if not is_available() or not 0 < alike.size <= MAX_PAYLOAD_BYTES:
        return None
    for name in _strongest_first(known):
        reader = known[name]
        if reader.whole is None or form not in (None, reader.form):
            continue
        if not _stronger(name, reader):
            # What nothing outranks needs a look at its first bytes only.
            piece = reader.whole(alike, only)
            if piece is None:
                continue
            return piece if _all_plain(alike, form) else None
        if (good := _plain(alike, form)).all() and form is None:
            good = _certain(good, alike, name, known)
        if good.all():
            return reader.whole(alike, only)
    return None


def _strongest_first(known: dict[str, Columns]) -> list[str]:
    """The systems' names. What one reader took is not looked at again."""
    return sorted(known, key=lambda name: -known[name].strength)


def _plain(alike: Alike, form: str | None) -> Mask:
    """Which payloads are no text, and no call where those are looked for."""
    good = inputs.no_text(alike)
    return good if form else good & ~_calls(alike)


def _all_plain(alike: Alike, form: str | None) -> bool:
    if inputs.is_no_text(alike.start):
        return form is not None or systems.called(alike.start) is None
    return bool(_plain(alike, form).all())


def _calls(alike: Alike) -> Mask:
    """Which payloads begin with the selector of a contract's function."""
    if (begins := alike.begins) is None or alike.size < _SELECTOR:
        return ~every(len(alike))
    if alike.start:
        return np.full(len(alike), systems.called(alike.start) is not None)
    first = np.ascontiguousarray(begins[:, :_SELECTOR]).view(np.uint32)[:, 0]
    selectors = b"".join(function.selector for function in systems.functions())
    return np.isin(first, np.frombuffer(selectors, np.uint32))


def _certain(good: Mask, alike: Alike, name: str, known: dict[str, Columns]) -> Mask:
    """Which payloads the recogniser takes for the reader's form, if the reader can read them."""
    reader = known[name]
    good = good & reader.recognised(alike)
    for other in _stronger(name, reader):
        if other not in known:
            return ~every(len(alike))
        if good.any():
            good = good & ~known[other].may_be(alike, reader.strength)
    return good


def _stronger(name: str, reader: Columns) -> set[str]:
    """The other systems that have stronger evidence than the reader's."""
    found = {
        system.name
        for system in systems.SYSTEMS
        for item in system.evidence
        if item.strength > reader.strength
    }
    return found - {name}
