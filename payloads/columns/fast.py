"""The rows that a system's fast way may take, and what is left of them for the single decoder."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable

import numpy as np
from numpy.typing import NDArray

from payloads import systems
from payloads.arrays.reader import Columns
from payloads.arrays.records import Mask, Matrix, every
from payloads.arrays.rows import Rows
from payloads.columns.schemas import readers

Positions = NDArray[np.int64]
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
    # Strongest evidence first: what one reader took is not looked at again.
    names = sorted(known, key=lambda name: -known[name].strength)
    for positions, matrix in rows.groups():
        good = rows.no_text(positions, matrix)
        if form is None:
            good &= ~_calls(matrix)
        for name in names:
            reader = known[name]
            if form not in (None, reader.form) or (of is not None and name not in of):
                continue
            certain = good if form else _certain(good, matrix, name, reader, known)
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


def _calls(matrix: Matrix) -> Mask:
    """Which rows begin with the selector of a contract's function."""
    found = np.zeros(len(matrix), np.bool_)
    if matrix.shape[1] < 4:
        return ~found
    first = np.ascontiguousarray(matrix[:, :4].view(np.uint32)[:, 0])
    for function in systems.functions():
        found |= first == np.frombuffer(function.selector, np.uint32)[0]
    return found


def _certain(
    good: Mask, matrix: Matrix, name: str, reader: Columns, known: dict[str, Columns]
) -> Mask:
    """Which rows the recogniser takes for the reader's form, if the reader can read them."""
    good = good & reader.recognised(matrix)
    stronger = {
        system.name
        for system in systems.SYSTEMS
        for item in system.evidence
        if item.strength > reader.strength
    }
    for other in stronger - {name}:
        if other not in known:
            return ~every(len(matrix))
        if good.any():
            good = good & ~known[other].may_be(matrix, reader.strength)
    return good
