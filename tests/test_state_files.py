"""State files with a value changed for another: read as before or refused, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from payloads import State
from payloads.errors import Misuse

EXAMPLES = Path(__file__).resolve().parents[1] / "fixtures" / "examples"
RECORDS = [
    json.loads((EXAMPLES / name).read_text())
    for name in ("state.json", "state-later.json", "stork-state.json")
]
KEYS = st.text(max_size=5) | st.sampled_from(["signers", "f", "id", "at", "until", "token", "link"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS | st.sampled_from(["0x" + "00" * 20, 10**400]),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(KEYS, inside, max_size=4),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values in a JSON object."""
    if path:
        yield path
    if isinstance(value, dict):
        items = list(value.items())
    else:
        items = list(enumerate(value)) if isinstance(value, list) else []
    for key, inside in items:
        yield from places(inside, (*path, key))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_changed_state_is_read_or_misuse(data: st.DataObject) -> None:
    record = json.loads(json.dumps(data.draw(st.sampled_from(RECORDS))))
    *parents, last = data.draw(st.sampled_from(list(places(record))))
    inside = record
    for key in parents:
        inside = inside[key]
    inside[last] = data.draw(VALUES)
    if data.draw(st.booleans()):
        record["history"] = data.draw(VALUES)
    try:
        state = State.from_dict(record)
    except Misuse:
        return
    assert State.from_dict(state.to_dict()) == state
