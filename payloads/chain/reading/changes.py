"""Two states compared: the changes that decide verdicts.

    for change in diff_states(yesterday, today):
        print(change.kind, change.path, change.before, change.after)

The time and the place of reading do not count, nor does the past that a state remembers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from payloads.abi.fields import Record
from payloads.errors import Misuse
from payloads.verdicts.state import State

# What a change is about, by the first part of its path.
_KINDS = {
    **dict.fromkeys(("configs", "unset_digests", "deactivated_feeds"), "config"),
    **dict.fromkeys(("signer", "signers"), "config"),
    "fee_manager": "fees",
    "verification_fee": "fees",
    "access_controller": "access",
}
# The paths that say that there is another fee manager.
_MANAGER = ("fee_manager", "fee_manager.address", "fee_manager.type")
KINDS = ("config", "fees", "fee_manager", "access", "contract")


class StateChange(Record, frozen=True):
    """A part of a state that is not what it was. None is a part that is missing.

    `kind` is `config` (who may sign: configs, digests, feeds, signers), `fees`, `fee_manager`
    (another one), `access`, or `contract` (what the state is of). `path` says which part, `before`
    and `after` are as in the state file. `block` is the block that changed it, where that is known.
    `undone`: a reorganisation of the chain took back the blocks that `before` was read at.
    """

    kind: str
    path: str
    before: Any
    after: Any
    block: int | None = None
    undone: bool = False

    def __str__(self) -> str:
        where = "" if self.block is None else f" in block {self.block}"
        return f"{self.path}{where}: {_brief(self.before)} became {_brief(self.after)}"


def diff_states(before: State, after: State) -> tuple[StateChange, ...]:
    """The changes from one state to another that decide verdicts; () if there are none."""
    for name, state in (("before", before), ("after", after)):
        if not isinstance(state, State):
            found = type(state).__name__
            raise Misuse("not a state", field=name, expected="a State", found=found)
    found = _differences(before.deciding(), after.deciding(), "")
    return tuple(StateChange(_kind(path), path, was, now) for path, was, now in found)


def _differences(old: Any, new: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys((*old, *new)):
            yield from _differences(old.get(key), new.get(key), f"{path}.{key}" if path else key)
    elif old != new and (old or new or old is False or new is False):
        yield path, old, new


def _kind(path: str) -> str:
    if path in _MANAGER:
        return "fee_manager"
    return _KINDS.get(path.partition(".")[0], "contract")


def _brief(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
