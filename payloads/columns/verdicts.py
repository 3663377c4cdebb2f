"""What a contract would do with many payloads, each as a call of its own.

Rows that the contract accepts for certain are found on arrays: its configs, the signers, their
number, and the time. All others, refused ones among them, are judged by the single engine.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec.structs
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from payloads import systems
from payloads.arrays import rows as inputs
from payloads.arrays.reader import Columns, Signed
from payloads.arrays.records import Matrix, lists
from payloads.arrays.rows import Rows
from payloads.columns.fast import Positions, offer
from payloads.columns.recovery import addresses_of, recover_all
from payloads.columns.schemas import VERDICTS, readers
from payloads.errors import Misuse, PayloadError, shown
from payloads.judging import Given, given, judge_given, system_for
from payloads.system import System, Terms

if TYPE_CHECKING:
    from payloads.verdicts.state import State
    from payloads.verdicts.verdict import Verdict

Times = NDArray[np.int64]


def judge(
    payloads: Any,
    state: State,
    *,
    column: str = "payload",
    function: str | None = None,
    parameter_payload: bytes = b"",
    value: int = 0,
    sender: str | bytes | None = None,
    now: Any = None,
    workers: int | None = None,
) -> pa.RecordBatch:
    """A row for each payload with the verdict of the state's contract, as `payloads.judge` has it.

    `now` is the block's time, or a time for each payload: a list, an array, or the name of a column
    of the batch. `signers` are the signers as the contract's decoder reads them. A payload without
    a verdict (of another system, or no payload at all) says why in `problem`.
    """
    system = systems.of_state(state)
    rows = inputs.read(payloads, column)
    times = _times(payloads, now, len(rows), state)
    terms = Terms(function, parameter_payload, value, sender, None)
    first = None if times is None or not len(times) else int(times[0])
    _check_terms(system, state, msgspec.structs.replace(terms, now=first))
    found = _Verdicts(rows, state, system, terms, times)
    found.judge_groups(workers)
    found.judge_singles(workers)
    return found.batch()


def _times(payloads: Any, now: Any, count: int, state: State) -> Times | None:
    """The time of each payload, or None if neither the caller nor the state gives one."""
    if isinstance(now, str):
        now = payloads.column(now) if isinstance(payloads, pa.RecordBatch | pa.Table) else now
    if now is None:
        return None if state.now is None else np.full(count, state.now, np.int64)
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
        expected = f"unix seconds, or {count} of them"
        raise Misuse(
            "not a time for each payload", field="now", expected=expected, found=shown(now)
        )
    return np.asarray(times)


def _check_terms(system: System, state: State, terms: Terms) -> None:
    """Raise `Misuse` for terms that no payload can be judged by."""
    system.judge([b""], state, terms)


class _Verdicts:
    """The columns of a batch of verdicts while they are made."""

    def __init__(
        self, rows: Rows, state: State, system: System, terms: Terms, times: Times | None
    ) -> None:
        self.rows, self.state, self.system, self.terms = rows, state, system, terms
        self.times = times
        self.accepted = np.zeros(len(rows), np.bool_)
        # The rows of single verdicts by their places.
        self.singles: dict[int, dict[str, Any]] = {}
        self.signers: list[tuple[Positions, pa.Array]] = []
        self.known = np.zeros(len(rows), np.bool_)

    def judge_groups(self, workers: int | None) -> None:
        """Find the rows that are accepted for certain, and the signers of all that can be read."""
        reader = readers().get(self.system.name)
        if reader is None:
            return
        found: list[tuple[Positions, Signed]] = []

        def take(reader: Columns, positions: Positions, matrix: Matrix) -> Iterator[Positions]:
            for signed in reader.signed(matrix, False):
                found.append((positions[signed.rows], signed))
                yield signed.rows

        offer(self.rows, take, system=self.system.name)
        recovered = recover_all([signed for _, signed in found], workers)
        for (places, signed), signers in zip(found, recovered, strict=True):
            times = None if self.times is None else self.times[places]
            good = reader.accepted(signed, signers, self.state, self.terms, times)
            self.accepted[places[good]] = True
            self.known[places] = True
            listed = lists(addresses_of(signers), signed.count, len(places))
            self.signers.append((places, listed))

    def judge_singles(self, workers: int | None) -> None:
        """Judge all other rows by the single engine, those of one time together."""
        by_time: dict[int | None, list[tuple[int, Given]]] = defaultdict(list)
        for index in np.flatnonzero(~self.accepted).tolist():
            now = None if self.times is None else int(self.times[index])
            try:
                item = _one(self.rows.item(index))
                system_for(item, self.state)
            except PayloadError as error:
                self.singles[index] = _problem(error)
            else:
                by_time[now].append((index, item))
        for now, items in by_time.items():
            terms = msgspec.structs.replace(self.terms, now=now)
            verdicts = self._judge_all([item for _, item in items], terms, workers)
            for (index, item), verdict in zip(items, verdicts, strict=True):
                self.singles[index] = self._row(index, item, verdict)

    def _judge_all(
        self, items: Sequence[Given], terms: Terms, workers: int | None
    ) -> list[Verdict | PayloadError]:
        if not any(item.is_call for item in items):
            try:
                raws = [item.raw for item in items]
                return list(self.system.judge_many(raws, self.state, terms, workers))
            except PayloadError:
                pass  # an item of them has no verdict: which is found below
        return [self._judge_one(item, terms) for item in items]

    def _judge_one(self, item: Given, terms: Terms) -> Verdict | PayloadError:
        try:
            return judge_given(item, self.state, terms)
        except PayloadError as error:
            return error

    def _row(self, index: int, item: Given, verdict: Verdict | PayloadError) -> dict[str, Any]:
        if isinstance(verdict, PayloadError):
            return _problem(verdict)
        found: dict[str, Any] = {
            "accepted": verdict.accepted,
            "passed": verdict.passed,
            "verdict": verdict.name,
            "error": verdict.error,
            "revert_data": verdict.revert_data,
        }
        reader = readers().get(self.system.name)
        if not self.known[index] and not item.is_call and reader is not None:
            found["signers"] = reader.signers(item.raw)
        return found

    def batch(self) -> pa.RecordBatch:
        """All verdicts in the order of the payloads."""
        columns = {name: self._column(name) for name in VERDICTS.names[1:]}
        columns["row"] = pa.array(np.arange(len(self.rows)))
        columns["signers"] = self._signers(columns["signers"])
        if self.times is not None:
            columns["now"] = pa.array(self.times)
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
        if not self.signers:
            return singles
        others = np.flatnonzero(~self.known)
        places = np.concatenate([*(places for places, _ in self.signers), others])
        arrays = [*(listed for _, listed in self.signers), singles.take(pa.array(others))]
        kind = VERDICTS.field("signers").type
        whole = pa.concat_arrays([array.cast(kind) for array in arrays])
        if (places[1:] > places[:-1]).all():
            return whole
        return whole.take(pa.array(np.argsort(places)))


def _one(value: Any) -> Given:
    """The payload or the call in an item."""
    found = list(given(value))
    if len(found) != 1:
        expected = "one payload, or the calldata of one call"
        raise Misuse("not one payload", field="payload", expected=expected, found=str(len(found)))
    if found[0].error is not None:
        raise found[0].error
    return found[0]


def _problem(error: PayloadError) -> dict[str, Any]:
    return {"problem": str(error), "offset": error.offset, "field": error.field}
