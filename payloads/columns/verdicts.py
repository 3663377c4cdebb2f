"""What a contract would do with many payloads, each as a call of its own.

Rows that the contract accepts for certain are found on arrays: its configs, the signers, their
number, and the time. All other rows are judged by the single engine, refused payloads among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec.structs
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from payloads.arrays import rows as inputs
from payloads.arrays.reader import Columns, Signed, Signers
from payloads.arrays.records import Mask, Matrix, lists
from payloads.arrays.rows import Rows
from payloads.columns.fast import Positions, offer
from payloads.columns.recovery import (
    KnownSignatures,
    Recovering,
    addresses_of,
)
from payloads.columns.schemas import VERDICTS
from payloads.errors import Misuse, PayloadError, shown
from payloads.judging import Given, States, judge_given, judge_opened, opened
from payloads.system import Terms
from payloads.verdicts.signers import Signature
from payloads.verdicts.signers import Signers as SignersOfVerdicts

if TYPE_CHECKING:
    from payloads.verdicts.state import State
    from payloads.verdicts.verdict import Verdict

Times = NDArray[np.int64]
# Payloads are read and judged in so many pieces, and so many at once at least.
_PIECES, _PIECE = 16, 512


def judge(
    payloads: Any,
    state: State | Sequence[State],
    *,
    column: str = "payload",
    function: str | None = None,
    pay: str | bytes | None = None,
    value: int | None = None,
    sender: str | bytes | None = None,
    origin: str | bytes | None = None,
    now: Any = None,
    workers: int | None = None,
    signatures: pa.RecordBatch | KnownSignatures | None = None,
) -> pa.RecordBatch:
    """A row for each payload with the verdict of the state's contract, as `payloads.judge_many`.

    `state` is a state, or one for each system. `now` is the block's time, or a time for each
    payload: a list, an array, or the name of a column of the batch. `signers` are the signers as
    the contract's decoder reads them. A payload without a verdict (of another system, or no payload
    at all) says why in `problem`. `signatures` is what `recover` returned for the same payloads: a
    signature in it is not recovered again.
    """
    states, _ = States.of(state, None, None)
    rows = inputs.read(payloads, column)
    times = _times(payloads, now, len(rows))
    terms = Terms(function, pay, value, sender, None, origin)
    first = None if times is None or not len(times) else int(times[0])
    for _, each in states.pairs:  # terms that no payload can be judged by are said at once
        judge_given(Given(b""), each, msgspec.structs.replace(terms, now=first))
    found = _Verdicts(rows, states, terms, times)
    if isinstance(signatures, pa.RecordBatch):
        signatures = KnownSignatures(signatures)
    found.judge_groups(workers, signatures)
    found.judge_singles(workers)
    return found.batch()


def _times(payloads: Any, now: Any, count: int) -> Times | None:
    """The time of each payload; None where the states' own hold."""
    if isinstance(now, str) and isinstance(payloads, pa.RecordBatch | pa.Table):
        if now not in payloads.schema.names:
            raise Misuse("no such column", field="now", expected=now)
        now = payloads.column(now)
    if now is None:
        return None
    if isinstance(now, int) and not isinstance(now, bool):
        if not -(2**63) <= now < 2**63:
            raise Misuse("not a time", field="now", expected="unix seconds", found=shown(now))
        return np.full(count, now, np.int64)
    try:
        array = now if isinstance(now, pa.Array | pa.ChunkedArray) else pa.array(now)
        if pa.types.is_timestamp(array.type):
            array = array.cast(pa.timestamp("s", array.type.tz), safe=False)
        times = array.cast(pa.int64()).to_numpy()
    except (pa.ArrowException, TypeError, ValueError):
        times = None
    if times is None or times.dtype != np.int64 or len(times) != count:
        raise Misuse(
            "not a time for each payload",
            field="now",
            expected=f"unix seconds, or {count} of them",
            found=shown(now),
        )
    return np.asarray(times)


class _Verdicts:
    """The columns of a batch of verdicts while they are made."""

    def __init__(self, rows: Rows, states: States, terms: Terms, times: Times | None) -> None:
        self.rows, self.states, self.terms, self.times = rows, states, terms, times
        self.accepted = np.zeros(len(rows), np.bool_)
        self.now = np.zeros(len(rows), np.int64) if times is None else times.copy()
        self.has_now = np.full(len(rows), times is not None)
        # The rows of single verdicts by their places.
        self.singles: dict[int, dict[str, Any]] = {}
        # The signers of whole groups, by the places of their rows.
        self.listed: list[tuple[Positions, pa.Array]] = []
        self.known = np.zeros(len(rows), np.bool_)
        self.signers = SignersOfVerdicts()

    def judge_groups(self, workers: int | None, given: KnownSignatures | None) -> None:
        """Find the rows that are accepted for certain, and the signers of all that can be read."""
        states = {system.name: state for system, state in self.states.pairs}
        found: list[tuple[State, Columns, Positions, Signed]] = []
        recovering = Recovering(workers)

        def take(
            name: str, reader: Columns, positions: Positions, matrix: Matrix
        ) -> Iterator[Positions]:
            # Piece by piece: while one is read or judged, others are recovered.
            step = max(_PIECE, -(-len(matrix) // _PIECES))
            for at in range(0, len(matrix), step):
                for signed in reader.signed(matrix[at : at + step], False):
                    places = positions[at:][signed.rows]
                    found.append((states[name], reader, places, signed))
                    known = None if given is None else given.of(places, signed)
                    recovering.add(signed) if known is None else recovering.add_known(known)
                    yield signed.rows + at

        offer(self.rows, take, of=states)
        for (state, reader, places, signed), signers in zip(
            found, recovering.signers(), strict=True
        ):
            times = self._times_under(state, places)
            good = reader.accepted(signed, signers, state, self.terms, times)
            self.accepted[places[good]] = True
            self.known[places] = True
            listed = lists(addresses_of(signers), signed.count, len(places))
            self.listed.append((places, listed))
            if not good.all():
                for known in _answers(signed, signers, ~good):
                    self.signers.keep(*known)

    def _times_under(self, state: State, places: Positions) -> Times | None:
        if self.times is None:
            if state.now is None:
                return None
            self.now[places], self.has_now[places] = state.now, True
        return np.asarray(self.now[places])

    def judge_singles(self, workers: int | None) -> None:
        """Judge all other rows by the single engine; signers that are known are looked up."""
        left = np.flatnonzero(~self.accepted).tolist()
        if not left:
            return
        items = [opened(self.rows.item(index)) for index in left]
        times = [None if self.times is None else int(self.times[index]) for index in left]
        pairs = list(zip(items, times, strict=True))
        found = judge_opened(pairs, self.states, self.terms, self.signers, workers)
        for index, item, verdict in zip(left, items, found, strict=True):
            if isinstance(verdict, PayloadError):
                self.singles[index] = _problem(verdict)
            else:
                self.singles[index] = self._row(index, item, verdict)

    def _row(self, index: int, item: Given, verdict: Verdict) -> dict[str, Any]:
        if verdict.now is not None:
            self.now[index], self.has_now[index] = verdict.now, True
        found: dict[str, Any] = {
            "accepted": verdict.accepted,
            "passed": verdict.passed,
            "verdict": verdict.name,
            "error": verdict.error,
            "revert_data": verdict.revert_data,
        }
        system, _ = self.states.of_item(item)
        if not self.known[index] and not item.is_call and (reader := system.columns()) is not None:
            found["signers"] = reader.signers(item.raw)
        return found

    def batch(self) -> pa.RecordBatch:
        """All verdicts in the order of the payloads."""
        columns = {name: self._column(name) for name in VERDICTS.names[1:]}
        columns["row"] = pa.array(np.arange(len(self.rows)))
        columns["signers"] = self._signers(columns["signers"])
        columns["now"] = pa.array(self.now, mask=~self.has_now)
        return pa.RecordBatch.from_arrays(
            [columns[name] for name in VERDICTS.names], schema=VERDICTS
        )

    def _column(self, name: str) -> pa.Array:
        of_accepted = {"accepted": True, "passed": True, "verdict": "accepted"}.get(name)
        kind = VERDICTS.field(name).type
        if not self.singles:
            count = len(self.rows)
            nothing = of_accepted is None
            return (
                pa.nulls(count, kind) if nothing else pa.repeat(pa.scalar(of_accepted, kind), count)
            )
        values = [of_accepted] * len(self.rows)
        for index, row in self.singles.items():
            values[index] = row.get(name)
        return pa.array(values, kind)

    def _signers(self, singles: pa.Array) -> pa.Array:
        """Those of whole groups, and of the single rows between them."""
        if not self.listed:
            return singles
        kind = VERDICTS.field("signers").type
        places, listed = self.listed[0]
        if len(places) == len(self.rows):  # nearly always
            return listed.cast(kind)
        others = np.flatnonzero(~self.known)
        places = np.concatenate([*(places for places, _ in self.listed), others])
        arrays = [*(listed for _, listed in self.listed), singles.take(pa.array(others))]
        whole = pa.concat_arrays([array.cast(kind) for array in arrays])
        if (places[1:] > places[:-1]).all():
            return whole
        return whole.take(pa.array(np.argsort(places)))


def _answers(
    signed: Signed, signers: Signers, which: Mask
) -> Iterator[tuple[bytes, Signature, bytes | None]]:
    """The signatures of some rows with their signers, for the single engine."""
    for row in np.flatnonzero(which).tolist():
        digest = signed.digests[row].tobytes()
        for at in range(row * signed.count, (row + 1) * signed.count):
            signature = (bytes(signed.rs[at]), bytes(signed.ss[at]), int(signed.vs[at]))
            signer = bytes(signers.addresses[at]) if signers.found[at] else None
            yield digest, signature, signer


def _problem(error: PayloadError) -> dict[str, Any]:
    return {"problem": str(error), "offset": error.offset, "field": error.field}
