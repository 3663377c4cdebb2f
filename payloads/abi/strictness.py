"""The two strictnesses, as objects that are handed on and asked, never as booleans.

`AS_CONTRACT` accepts exactly what solc accepts. `CANONICAL` also refuses whatever an honest encoder
would never have written, and says which: overlaps, gaps, dirty or missing padding, trailing bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from payloads.abi.solidity import Departure
from payloads.errors import Malformed, Misuse


class Departing(Protocol):
    """Anything decoded that can say where its bytes differ from an honest encoder's."""

    @property
    def departures(self) -> Sequence[Departure]: ...


@dataclass(frozen=True, slots=True)
class Profile:
    """A named strictness; `require` raises for a payload that it does not accept."""

    name: str
    tolerates: bool

    def require(self, payload: Departing) -> None:
        """Refuse a payload for its first departure, unless departures are tolerated."""
        if self.tolerates or not (found := payload.departures):
            return
        first = found[0]
        more = f" (and {len(found) - 1} more departures)" if len(found) > 1 else ""
        raise Malformed(
            f"not canonical: {first.kind}{more}",
            offset=first.offset,
            field=first.field,
            expected="the one encoding an encoder writes",
            found=first.detail,
        )


AS_CONTRACT = Profile("as_contract", tolerates=True)
CANONICAL = Profile("canonical", tolerates=False)


def profile(name: str) -> Profile:
    """The profile of that name."""
    for known in (AS_CONTRACT, CANONICAL):
        if known.name == name:
            return known
    raise Misuse("no such strictness", expected="as_contract or canonical", found=repr(name))
