"""Verdicts on items, each in the states that held at its time, and who of the signers is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from payloads import columns, systems
from payloads.arrays.types import hex_texts, spread
from payloads.columns.recovery import KnownSignatures
from payloads.errors import PayloadError
from payloads.forensics.scanning.items import batch, concat
from payloads.forensics.scanning.states import Held, StateBook
from payloads.judging import Given, judge_given, opened
from payloads.system import Terms

_SECOND = 10**9
_TIME = pa.timestamp("ns", "UTC")
VERDICTS = pa.schema(
    [
        pa.field("row", pa.int64()),
        pa.field("now", _TIME),
        *(pa.field(name, pa.string()) for name in ("state", "verdict", "error", "problem")),
        pa.field("accepted", pa.bool_()),
        pa.field("passed", pa.bool_()),
        pa.field("revert_data", pa.binary()),
    ]
)
# The states that hold for items, and the rows of those.
Holding = list[tuple[Held, NDArray[np.int64]]]


def judged(
    items: pa.RecordBatch,
    payloads: pa.RecordBatch,
    book: StateBook,
    now: int | None,
    signatures: pa.RecordBatch | None,
    agree: bool = False,
) -> tuple[pa.RecordBatch, Holding]:
    """A row for each item and each state that holds for it; and those states.

    `row` is the item's. An item that no state judges has a row that says why. `agree` says that
    the signatures were read by the systems that the payloads are of.
    """
    if not book:
        return batch(VERDICTS, {}, 0), []
    times = _seconds(items["at"], now)
    held, alone = _held(items, payloads, book, times)
    found = [_judge(items, each, rows, times, signatures, agree) for each, rows in held]
    if len(alone):
        missing = items["raw"].is_null().take(pa.array(alone))
        broken = payloads["error"].is_valid().take(pa.array(alone))
        why = pc.if_else(broken, "there is no payload to judge", "not signed")
        problem = pc.if_else(missing, why, "no state knows the payload")
        found.append(batch(VERDICTS, {"row": alone, "problem": problem}, len(alone)))
    whole = concat(VERDICTS, found)
    order = whole["row"].to_numpy()
    if not (order[1:] >= order[:-1]).all():
        whole = whole.take(pa.array(np.argsort(order, kind="stable")))
    return whole, held


def _seconds(at: pa.Array, now: int | None) -> list[int | None] | NDArray[np.int64]:
    """The block time of each item; None where the state's own holds."""
    if now is not None:
        return np.full(len(at), now, np.int64)
    times = at.cast(pa.int64())
    if times.null_count:
        return [None if each is None else each // _SECOND for each in times.to_pylist()]
    return np.asarray(times.to_numpy() // _SECOND)


def _held(
    items: pa.RecordBatch, payloads: pa.RecordBatch, book: StateBook, times: Any
) -> tuple[Holding, NDArray[np.int64]]:
    """The states that hold, each with its items; and the items that no state judges."""
    found: dict[tuple[str, int, bool], tuple[Held, list[Any]]] = {}
    alone: list[Any] = []
    for rows, system, time in _alike(items, payloads, book, times):
        raw = items["raw"][int(rows[0])].as_py()
        states = [] if raw is None else list(book.holding(system, raw, time))
        for each in states:
            found.setdefault((*each.key, time is None), (each, []))[1].append(rows)
        if not states:
            alone.append(rows)
    together = [(each, np.sort(np.concatenate(rows))) for each, rows in found.values()]
    return together, np.sort(np.concatenate(alone)) if alone else np.zeros(0, np.int64)


def _alike(items: pa.RecordBatch, payloads: pa.RecordBatch, book: StateBook, times: Any) -> Any:
    """Items for which the same states hold: of one system, one network, and one era."""
    known = payloads["error"].is_null()
    names = pc.if_else(
        known, payloads["network"].fill_null(""), hex_texts(_beginnings(items["raw"]))
    )
    names = pc.if_else(items["raw"].is_valid(), names, "no bytes")
    keys = pc.binary_join_element_wise(
        payloads["system"].fill_null(""), names.fill_null(""), "/"
    ).dictionary_encode()
    codes = keys.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    if isinstance(times, list):
        unknown = np.array([each is None for each in times], np.bool_)
        whole = np.array([0 if each is None else each for each in times], np.int64)
    else:
        unknown, whole = np.zeros(len(times), np.bool_), times
    eras = np.searchsorted(np.array(book.breaks, np.int64), whole, "right")
    eras[unknown] = -1
    both = codes * (len(book.breaks) + 2) + eras + 1
    order = np.argsort(both, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(both[order])) + 1) if len(order) else []
    for rows in groups:
        first = int(rows[0])
        system = payloads["system"][first].as_py() or ""
        yield rows, system, None if unknown[first] else int(whole[first])


def _beginnings(raws: pa.Array) -> pa.Array:
    return pc.binary_slice(raws.cast(pa.binary()), 0, 32)


def _judge(
    items: pa.RecordBatch,
    held: Held,
    rows: NDArray[np.int64],
    times: Any,
    signatures: pa.RecordBatch | None,
    agree: bool,
) -> pa.RecordBatch:
    """The verdicts of one state on some items."""
    whole = len(rows) == len(items)
    raws = items["raw"] if whole else items["raw"].take(pa.array(rows))
    now: Any = (
        times[rows] if isinstance(times, np.ndarray) else [times[row] for row in rows.tolist()]
    )
    now = None if len(now) and now[0] is None else now
    mine = signatures if whole or signatures is None else _of_rows(signatures, rows)
    known = None if mine is None else KnownSignatures(mine, agree)
    verdicts = columns.judge(raws, held.state, now=now, signatures=known, workers=1)
    found = {name: verdicts[name] for name in VERDICTS.names if name in verdicts.schema.names}
    found |= {"row": pa.array(rows), "state": held.name}
    found["now"] = pc.multiply(verdicts["now"], _SECOND).cast(_TIME)
    made = batch(VERDICTS, found, len(rows))
    return _corrected(made, items, held, rows, now)


def _of_rows(signatures: pa.RecordBatch, rows: NDArray[np.int64]) -> pa.RecordBatch:
    """The signatures of some items, with the places of those as rows."""
    numbers = signatures["row"].to_numpy()
    places = np.searchsorted(rows, numbers)
    mine = rows[np.minimum(places, len(rows) - 1)] == numbers
    chosen = signatures.take(pa.array(np.flatnonzero(mine)))
    return chosen.set_column(0, signatures.schema.field(0), pa.array(places[mine]))


def _corrected(
    found: pa.RecordBatch, items: pa.RecordBatch, held: Held, rows: NDArray[np.int64], now: Any
) -> pa.RecordBatch:
    """The verdicts, with those of payloads whose bytes alone would be taken for something else.

    What a payload is was said by its frame.
    """
    refused = ~found["accepted"].fill_null(False).to_numpy(zero_copy_only=False)
    system = systems.of_state(held.state)
    changed: dict[int, dict[str, Any]] = {}
    for place in np.flatnonzero(refused).tolist():
        raw = items["raw"][int(rows[place])].as_py()
        alone = opened(raw)
        if not alone.is_call and alone.error is None and alone.raw == raw:
            if alone.system in ("", system.name):
                continue
        terms = Terms(now=None if now is None else int(now[place]))
        changed[place] = _single(Given(raw, system.name), held, terms)
    if not changed:
        return found
    records = found.to_pylist()
    for place, record in changed.items():
        records[place] |= record
    return pa.RecordBatch.from_pylist(records, schema=VERDICTS)


def _single(given: Given, held: Held, terms: Terms) -> dict[str, Any]:
    nothing = dict.fromkeys(("accepted", "passed", "verdict", "error", "revert_data", "problem"))
    try:
        verdict = judge_given(given, held.state, terms)
    except PayloadError as error:
        return nothing | {"problem": str(error)}
    return nothing | {
        "accepted": verdict.accepted, "passed": verdict.passed, "verdict": verdict.name,
        "error": verdict.error, "revert_data": verdict.revert_data,
    }  # fmt: skip


# --- members --------------------------------------------------------------------------------------


def members(
    signatures: pa.RecordBatch | None, payloads: pa.RecordBatch, held: Holding
) -> pa.Array | None:
    """For each signature the config, or the contract, that lists its signer."""
    if signatures is None or not held:
        return None
    numbers = signatures["row"].to_numpy()
    codes, pairs = _signers_by_network(signatures, payloads)
    found = np.full(len(signatures), -1)
    names: list[str] = []
    for each, rows in held:
        reader = systems.of_state(each.state).columns()
        if reader is None:
            continue
        # The last is for signatures without signer.
        known = np.full(len(pairs) + 1, -1)
        for place, pair in enumerate(pairs):
            if (name := reader.member(each.state, *pair)) is not None:
                known[place] = len(names)
                names.append(name)
        mine = np.isin(numbers, rows) & (found < 0)
        found[mine] = known[codes[mine]]
    return spread(pa.array(names, pa.string()), pa.array(found, mask=found < 0))


def _signers_by_network(
    signatures: pa.RecordBatch, payloads: pa.RecordBatch
) -> tuple[NDArray[np.int64], list[tuple[str, str]]]:
    """Which pair of a signer and a network each signature has (-1: no signer), and the pairs."""
    signers = signatures["signer"].dictionary_encode()
    networks = payloads["network"].fill_null("").dictionary_encode()
    texts, names = hex_texts(signers.dictionary).to_pylist(), networks.dictionary.to_pylist()
    places = networks.indices.take(signatures["row"]).cast(pa.int64())
    both = pc.add(pc.multiply(signers.indices.cast(pa.int64()), len(names)), places)
    encoded = both.dictionary_encode()
    pairs = [divmod(number, len(names)) for number in encoded.dictionary.to_pylist()]
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes, [(texts[signer], names[name]) for signer, name in pairs]
