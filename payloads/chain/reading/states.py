"""Many contracts: `States`, from a folder of state files, from live states, or from a list.

    states = States.load("states/")
    send_guarded(w3, transaction, states)     # picks by the chain and by `to`

Wherever a guard takes a state, it takes a `States` or a `LiveState` as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from payloads import systems
from payloads.chain.reading.state_files import load_state
from payloads.crypto import checksum
from payloads.errors import Misuse, shown
from payloads.inputs import to_path
from payloads.signatures import address_bytes
from payloads.verdicts.state import State

if TYPE_CHECKING:
    from payloads.chain.reading.live_state import LiveState

# What a guard takes as a state.
Source: TypeAlias = "State | LiveState | States"

_SUFFIXES = (".json", ".toml")
# How many states an error names.
_NAMED = 6

# The chain id and the contract's address.
Key = tuple[int, bytes]


class States:
    """States by chain id and contract. A member may be a `State` or a `LiveState`.

    `ignored` are the files of the folder that were not read, because their names end neither in
    .json nor in .toml. Folders and hidden files are passed over.
    """

    def __init__(self, states: Iterable[State | LiveState]) -> None:
        self.ignored: tuple[Path, ...] = ()
        self._members: dict[Key, State | LiveState] = {}
        for index, state in enumerate(states):
            self._add(state, f"states[{index}]")

    @classmethod
    def load(cls, folder: str | Path) -> States:
        """The state files in a folder. The file is named in every error about it."""
        try:
            paths = sorted(to_path(folder).iterdir())
        except OSError as error:
            raise Misuse(f"cannot read the folder: {error.strerror}", field=str(folder)) from None
        files = [each for each in paths if each.is_file() and not each.name.startswith(".")]
        states = cls(())
        states.ignored = tuple(each for each in files if each.suffix not in _SUFFIXES)
        for path in files:
            if path.suffix in _SUFFIXES:
                states._add(load_state(path), str(path))
        if not states:
            raise Misuse("no state files here", field=str(folder), expected="*.json or *.toml")
        return states

    def _add(self, state: State | LiveState, where: str) -> None:
        key = _key(state, where)
        if key in self._members:
            raise Misuse("a second state of the same contract", field=where, found=_words(key))
        self._members[key] = state

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[State]:
        """The states as they are now."""
        return map(current, self._members.values())

    def __repr__(self) -> str:
        return f"States({self._names()})"

    def __getitem__(self, key: tuple[int, str | bytes]) -> State:
        """The state of this chain id and contract; `Misuse` if there is none."""
        chain_id, contract = key
        return self.pick(chain_id, contract)

    @property
    def contracts(self) -> frozenset[bytes]:
        """The contracts of the members, on any chain."""
        return frozenset(contract for _, contract in self._members)

    def pick(self, chain_id: int, to: Any) -> State:
        """The state that judges a transaction to this contract on this chain."""
        if to is None:
            raise Misuse("the transaction goes to no contract", field="to", expected="an address")
        wanted = (chain_id, address_bytes(to, "to"))
        if wanted not in self._members:
            raise Misuse(
                "no state of this contract on this chain",
                field="states", expected=self._names(), found=_words(wanted),
            )  # fmt: skip
        return current(self._members[wanted])

    def for_payload(self, payload: bytes, system: str = "") -> State:
        """The only state whose contract may know the payload: by its system, and by its digest.

        `system` is its name, where that is known. `Misuse` if there is no such state, or several.
        """
        found = [
            state for state in self
            if system in ("", systems.of_state(state).name) and state.may_know(payload)
        ]  # fmt: skip
        if len(found) == 1:
            return found[0]
        problem = "several states may judge the payload" if found else "no state knows the payload"
        known = [_key(state, "state") for state in found]
        raise Misuse(
            problem, field="states",
            expected="the state of one contract" if found else self._names(),
            found=_names(known) or _beginning(payload),
        )  # fmt: skip

    def _names(self) -> str:
        return _names(list(self._members)) or "no state"


def current(source: State | LiveState) -> State:
    """The state itself, or that of a live state as it is now."""
    state = source if isinstance(source, State) else getattr(source, "state", None)
    if not isinstance(state, State):
        expected, found = "a State, a LiveState or States", type(source).__name__
        raise Misuse("not a state", field="state", expected=expected, found=found)
    return state


def contracts_of(source: Source) -> frozenset[bytes]:
    """The contracts that it has states of, on any chain."""
    if isinstance(source, States):
        return source.contracts
    contract = getattr(source, "proxy", None)
    if contract is None:
        current(source)
        raise Misuse("the state does not say which contract it is of", field="state.proxy")
    return frozenset({bytes(contract)})


def state_for(source: Source, transaction: Mapping[str, Any], chain_id: Callable[[], int]) -> State:
    """The state that judges the transaction. `chain_id` asks for the chain of its node."""
    if isinstance(source, States):
        return source.pick(chain_id(), transaction.get("to"))
    return current(source)


def _key(state: State | LiveState, where: str) -> Key:
    chain_id, contract = getattr(state, "chain_id", None), getattr(state, "proxy", None)
    if not isinstance(state, State) and contract is None:
        current(state)
    for name, value in (("chain_id", chain_id), ("proxy", contract)):
        if value is None:
            raise Misuse(f"the state has no {name}, which is needed among others", field=where)
    return chain_id or 0, bytes(contract or b"")


def _names(keys: list[Key]) -> str:
    more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
    return ", ".join(map(_words, keys[:_NAMED])) + more


def _words(key: Key) -> str:
    return f"chain {key[0]}: {checksum(key[1])}"


def _beginning(payload: bytes) -> str:
    return shown("0x" + payload[:32].hex())
