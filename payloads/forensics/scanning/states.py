"""The states to judge by: of several contracts, and of one contract at several times.

A payload is judged by the contracts that may know it, each in the state that held at that time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from payloads import systems
from payloads.abi.fields import Record
from payloads.chain.reading.state_files import load_state
from payloads.errors import Misuse
from payloads.inputs import to_path
from payloads.verdicts.state import State

_SUFFIXES = (".json", ".toml")
# The keys of a state under which a time stands at which it became another.
_TURNS = frozenset({"until", "at", "set_at", "removed_at"})


class Snapshot(Record, frozen=True, dict=True):
    """A state as it was read at a time, with the past that it knows."""

    name: str
    state: State

    @cached_property
    def time(self) -> int:
        """When it was read; the end of time, where that is not known."""
        state = self.state
        known = state.fetched_at if state.fetched_at is not None else state.now
        return 2**63 if known is None else known

    @cached_property
    def turns(self) -> list[int]:
        """The times at which it became another, as far as it knows."""
        return sorted(set(_turns(self.state.to_dict())))

    def at(self, time: int | None) -> tuple[int, State]:
        """The state at a time, and the number of the era that the time is in."""
        if time is None or not self.turns:
            return -1, self.state
        return bisect_right(self.turns, time), self.state


class Contract(Record, frozen=True, dict=True):
    """The snapshots of one contract, oldest first."""

    system: str
    snapshots: tuple[Snapshot, ...]

    def snapshot_at(self, time: int | None) -> Snapshot:
        """The snapshot that says most about a time: the next, if it knows its past, else the
        one before."""
        if time is None:
            return self.snapshots[-1]
        later = [each for each in self.snapshots if each.time >= time]
        if later and later[0].turns:
            return later[0]
        earlier = self.snapshots[: len(self.snapshots) - len(later)]
        return earlier[-1] if earlier else later[0]


class Held(Record, frozen=True):
    """The state of a contract that holds for some payloads; `key` is the same for the same."""

    key: tuple[str, int]
    name: str
    state: State


class StateBook:
    """All states of a scan, by contract."""

    def __init__(self, states: Iterable[Snapshot]) -> None:
        by_contract: dict[Any, list[Snapshot]] = {}
        for each in states:
            by_contract.setdefault(_contract(each.state), []).append(each)
        self._contracts = [
            Contract(key[0], tuple(sorted(each, key=lambda one: one.time)))
            for key, each in by_contract.items()
        ]
        self._held: dict[tuple[str, int], State] = {}

    def __bool__(self) -> bool:
        return bool(self._contracts)

    def __reduce__(self) -> Any:
        return StateBook, ([each for found in self._contracts for each in found.snapshots],)

    @classmethod
    def load(cls, path: str | Path) -> StateBook:
        """The state in a file, or the states in a folder and the folders in it."""
        found = to_path(path)
        if not found.is_dir():
            return cls([Snapshot(found.name, load_state(found))])
        files = sorted(each for each in found.rglob("*") if each.suffix in _SUFFIXES)
        files = [each for each in files if not each.name.startswith(".") and each.is_file()]
        if not files:
            raise Misuse("no state files here", field=str(path), expected="*.json or *.toml")
        return cls(Snapshot(str(each.relative_to(found)), load_state(each)) for each in files)

    @classmethod
    def of(cls, states: StateBook | State | Iterable[State] | str | Path | None) -> StateBook:
        """Whatever a caller gives: states, a path, or nothing."""
        if isinstance(states, StateBook):
            return states
        if states is None:
            return cls(())
        if isinstance(states, str | Path):
            return cls.load(states)
        given = [states] if isinstance(states, State) else list(states)
        return cls(Snapshot(each.name or each.contract, each) for each in given)

    def holding(self, system: str, raw: bytes, time: int | None) -> Iterator[Held]:
        """The states that judge a payload at a time.

        They are those of the contracts that may know it; if none may and there is only one
        contract of the system, that one's.
        """
        known = [each for each in self._contracts if each.system == system]
        found = [(each, each.snapshot_at(time)) for each in known]
        mine = [pair for pair in found if self._knows(pair[0], pair[1], raw)]
        for _, snapshot in mine or (found if len(found) == 1 else ()):
            era, state = snapshot.at(time)
            key = snapshot.name, era
            if key not in self._held:
                self._held[key] = state if era < 0 or time is None else state.at(time)
            yield Held(key, snapshot.name, self._held[key])

    @cached_property
    def breaks(self) -> list[int]:
        """The times at which other states may hold than before."""
        all_ = [each for one in self._contracts for each in one.snapshots]
        times = {each.time + more for each in all_ for more in (0, 1)}
        found = times | {turn for each in all_ for turn in each.turns}
        return sorted(each for each in found if -(2**63) <= each < 2**63)

    @staticmethod
    def _knows(contract: Contract, snapshot: Snapshot, raw: bytes) -> bool:
        return snapshot.state.may_know(raw) or any(
            each.state.may_know(raw) for each in contract.snapshots
        )

    def texts(self) -> dict[str, Any]:
        """Every state as its JSON object, by name: what decides a scan."""
        return {
            each.name: each.state.to_dict() for one in self._contracts for each in one.snapshots
        }


def _contract(state: State) -> tuple[str, Any, Any]:
    return systems.of_state(state).name, state.chain_id, state.proxy and bytes(state.proxy)


def _turns(value: Any) -> Iterator[int]:
    if isinstance(value, dict):
        for key, each in value.items():
            if key in _TURNS and type(each) is int:
                yield each
            else:
                yield from _turns(each)
    elif isinstance(value, list):
        for each in value:
            yield from _turns(each)
