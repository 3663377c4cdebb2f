"""The rows that a system's fast way may take, and what is left of them for the single decoder."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from payloads import systems
from payloads.arrays import rows as inputs
from payloads.arrays.apart import first_bytes
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


def whole_list(items: Any, form: str | None) -> Piece | None:
    """All payloads of a list as one piece, if they are proven to be of one layout.

    That needs payloads-simd, and a reader with the strongest evidence of all. No payload is copied
    before it is taken apart.
    """
    if type(items) is not list or len(items) < inputs.WORTH_AN_ARRAY:
        return None
    known = readers()
    name = max(known, key=lambda name: known[name].strength)
    reader = known[name]
    if reader.whole is None or form not in (None, reader.form) or _stronger(name, reader):
        return None
    heads = first_bytes(items, _SELECTOR)
    if heads is None or len(items[0]) > MAX_PAYLOAD_BYTES or inputs.MAY_BE_TEXT[heads[:, 0]].any():
        return None
    if form is None and _calls(heads).any():
        return None
    return reader.whole(items)


def _calls(matrix: Matrix) -> Mask:
    """Which rows begin with the selector of a contract's function."""
    found = np.zeros(len(matrix), np.bool_)
    if matrix.shape[1] < _SELECTOR:
        return ~found
    first = np.ascontiguousarray(matrix[:, :_SELECTOR].view(np.uint32)[:, 0])
    for function in systems.functions():
        found |= first == np.frombuffer(function.selector, np.uint32)[0]
    return found


def _certain(
    good: Mask, matrix: Matrix, name: str, reader: Columns, known: dict[str, Columns]
) -> Mask:
    """Which rows the recogniser takes for the reader's form, if the reader can read them."""
    good = good & reader.recognised(matrix)
    for other in _stronger(name, reader):
        if other not in known:
            return ~every(len(matrix))
        if good.any():
            good = good & ~known[other].may_be(matrix, reader.strength)
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
