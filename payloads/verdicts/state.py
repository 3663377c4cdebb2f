"""What a chain knows when it is asked to verify: plain, typed data, from a dict or a file.

`State.from_dict` reads a dict, `State.load` a JSON or TOML file, and `to_dict` gives back what was
read. `state.at(time)` is the state as it was then, as far as the file knows its past. `State` is
what the states of all systems share; `payloads.chainlink.state` and `payloads.stork.state` document
the keys of their own.

An error in a description is `Misuse` naming the key, and nothing else escapes (but `OSError`, where
a file cannot be read). What the contracts themselves would have refused to store is refused here
too.

A state is never trusted silently: it carries where it came from (`source`) and when (`fetched_at`,
`block_number`), and every verdict names it.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from hexbytes import HexBytes
from msgspec import field
from msgspec.structs import fields, replace

from payloads._late import handed_down
from payloads.abi.fields import Record, hexed
from payloads.errors import Malformed, Misuse, shown
from payloads.inputs import MAX_VALUES, check_depth, check_values, read_bounded
from payloads.json_records import EXACT, Reading, Wrong, hex_bytes, integer
from payloads.signatures import address_bytes

ZERO = bytes(20)
# An access list of 10,000 addresses takes half a megabyte; a history has a few of them.
MAX_STATE_BYTES = 8 * 2**20
# TOML is written by hand, and its parser is slow.
MAX_TOML_BYTES = 2**20
MAX_TOML_DOTS = 32

# What the fields of a state hold.
Uint64 = Annotated[int, integer(0, 2**64 - 1)]
Uint256 = Annotated[int, integer(0, 2**256 - 1)]
Bytes32 = Annotated[HexBytes, hex_bytes(32)]
Address = Annotated[HexBytes, lambda value: hexed(address_bytes(value))]

# How states, and the records in them, are read.
READING = Reading(base=EXACT, error=Misuse, closed=True)


def plain(**values: Any) -> dict[str, Any]:
    """The JSON object of these values. None and () are left out."""
    record: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, bytes):
            record[key] = "0x" + value.hex()
        elif value is not None and value != ():
            record[key] = value
    return record


class Earlier(Record, frozen=True):
    """Before block time `until`, the keys in `rest` had these values: the past of a state."""

    until: Uint256
    rest: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"until": self.until, **self.rest}


class State(Record, frozen=True, kw_only=True, dict=True, gc=True):
    """What the states of all systems share.

    `now` is the block time to judge at, `source` says in words where the data came from, and
    `fetched_at` when (unix seconds), at block `block_number` of the chain. `history` lists earlier
    values of whole keys, for `at`.
    """

    # The keys that `history` may have: what the chain knew, and can have known otherwise before.
    PAST: ClassVar[tuple[str, ...]] = ()
    # The one of them whose items have times of their own: what holds together depends on the time.
    DATED: ClassVar[str | None] = None
    # The contracts that have such a state.
    CONTRACTS: ClassVar[tuple[str, ...]] = ()

    contract: str
    now: Uint64 | None = None
    name: Annotated[str, "world"] = ""
    network: str = ""
    chain_id: Uint256 | None = None
    proxy: Address | None = None
    block_number: Uint256 | None = None
    fetched_at: Uint64 | None = None
    source: str = ""
    history: tuple[Earlier, ...] = ()

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Self:
        """The state of the contract that `contract` names."""
        kind: type[State] = handed_down("state_class")(record)
        if not issubclass(kind, cls):
            known = ", ".join(cls.CONTRACTS)
            found = shown(record["contract"])
            raise Misuse("a state of another system", field="contract", expected=known, found=found)
        state = kind._read(record)
        state._check_history()
        return state

    def _check_history(self) -> None:
        """Read each part of the past, so that a mistake is found now, not when the past is needed.

        Each on its own: what a key may hold depends on the contract, and on no other key.
        """
        if not self.history:
            return
        record = self.to_dict()
        bare = {key: record[key] for key in self._required()}
        state = self._read(bare)
        for earlier in self.history:
            if self.DATED in earlier.rest:
                replace(state, history=(earlier,)).at(earlier.until - 1)
            elif earlier.rest:
                self._read(bare | earlier.rest | {"now": earlier.until - 1})

    def _required(self) -> set[str]:
        """The keys that no description of this contract may lack."""
        return {field.name for field in fields(type(self)) if field.required}

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The state in a JSON file, or a TOML one if its name ends so."""
        text = _content(path)
        try:
            record = parse_toml(text) if _is_toml(path) else _parse_json(text)
        except (ValueError, RecursionError) as error:  # Malformed is one
            raise Misuse(f"not a state file: {error}", field=str(path)) from None
        return cls.from_dict(record)

    @classmethod
    def _read(cls, record: dict[str, Any]) -> Self:
        keys = dict(record)
        keys.pop("live", None)  # what a live state keeps beside its state, for itself
        if (kind := keys.pop("kind", "world")) != "world":
            raise Misuse("not a state", field="kind", expected="world", found=shown(kind))
        state: Self = READING.read(cls, keys)
        return state

    def check(self) -> None:
        """Raise `Wrong` for what the contracts could not have stored."""
        for index, earlier in enumerate(self.history):
            for key in earlier.rest:
                if key not in self.PAST:
                    path = f"history[{index}].{key}"
                    expected = ", ".join(self.PAST)
                    raise Wrong("this key has no past", path=path, expected=expected)

    def to_dict(self) -> dict[str, Any]:
        """The object that `from_dict` reads."""
        return {"kind": "world"} | plain(
            world=self.name or None,
            contract=self.contract,
            now=self.now,
            network=self.network or None,
            chain_id=self.chain_id,
            proxy=self.proxy,
            block_number=self.block_number,
            fetched_at=self.fetched_at,
            source=self.source or None,
            history=[earlier.to_json() for earlier in self.history] or None,
        )

    def at(self, time: int) -> Self:
        """The state at that block time, as far as this one knows its past."""
        return self._read(self._record_at(time))

    def _record_at(self, time: int) -> dict[str, Any]:
        """What `to_dict` would have said then."""
        record = self.to_dict()
        for earlier in sorted(self.history, key=lambda entry: entry.until, reverse=True):
            if time < earlier.until:
                record |= earlier.rest
        kept = [earlier.to_json() for earlier in self.history if earlier.until <= time]
        record |= {"now": time, "history": kept}
        return record

    def age(self, now: int | None = None) -> int | None:
        """Seconds from when this state held to `now`; None where that is not known."""
        then = self.now if self.fetched_at is None else self.fetched_at
        now = self.now if now is None else now
        return None if then is None or now is None else now - then

    def described(self) -> str:
        """This state in a few words, for people and logs."""
        words = [self.name or self.network, self.contract]
        words += ["proxy 0x" + self.proxy.hex()] if self.proxy else []
        words += [f"block {self.block_number}"] if self.block_number is not None else []
        return ", ".join(word for word in [*words, self.source] if word)

    @property
    def flat_fee(self) -> int | None:
        """The wei that every call costs; None where the fee depends on the payload."""
        return None

    def facts(self) -> Iterator[tuple[str, str]]:
        """Names and values for a person: what only this system's contracts know."""
        yield from ()

    def may_know(self, payload: bytes) -> bool:
        """Whether the payload may be for this contract, by what names the signers in it."""
        return True

    def deciding(self) -> dict[str, Any]:
        """The part of `to_dict` that decides verdicts. Lists are objects, keyed by what names
        their items, so that two states can be compared."""
        record = self.to_dict()
        return {key: value for key, value in record.items() if key not in _DECIDES_NOTHING}


# When and how a state was read, and its past.
_DECIDES_NOTHING = (
    "kind", "world", "now", "network", "block_number", "fetched_at", "source", "history",
)  # fmt: skip


def _is_toml(path: str | Path) -> bool:
    return str(path).endswith(".toml")


def _content(path: str | Path) -> bytes:
    """The bytes of a state file."""
    most = MAX_TOML_BYTES if _is_toml(path) else MAX_STATE_BYTES
    return read_bounded(path, most, "state file")


def _parse_json(text: bytes) -> Any:
    check_depth(text)
    check_values(text, MAX_VALUES)
    return json.loads(text)


def parse_toml(text: bytes) -> dict[str, Any]:
    """The table of a TOML file, checked before it is parsed; `ValueError` for what is wrong."""
    check_depth(text)
    check_values(text, MAX_VALUES)
    _check_dots(text)
    return tomllib.loads(text.decode())


def _check_dots(text: bytes) -> None:
    """`tomllib` takes memory for every part of a dotted key, times the number of its parts."""
    if max(line.count(b".") for line in text.split(b"\n")) > MAX_TOML_DOTS:
        expected = f"at most {MAX_TOML_DOTS} on a line"
        raise Malformed("too many dots", field="line", expected=expected, found="more")
