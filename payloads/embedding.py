"""Signed payloads inside other bytes: the calldata of a contract that is not a verifier's.

    for found in payloads.embedded(calldata):
        found.offset, found.system, payloads.judge(found.raw, state)

Most keepers call a contract of their own, which hands the payload on. The payload may stand in any
argument, in bytes inside bytes, or packed. Every byte is looked at, so no ABI is needed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from functools import cache
from typing import Any

from hexbytes import HexBytes

from payloads import systems
from payloads.abi.fields import Record, hexed
from payloads.inputs import to_bytes
from payloads.recognise import Decoded, decode, to_dict
from payloads.signatures import address_bytes
from payloads.system import Place


class Embedded(Record, frozen=True):
    """A payload inside other bytes, undecoded: `raw` stands at `offset`, and `why` is the evidence.

    It may be broken: `decoded` raises then, and `payloads.judge(found.raw, state)` says what the
    contract answers.
    """

    offset: int
    raw: HexBytes
    system: str
    form: str
    why: str

    @property
    def end(self) -> int:
        return self.offset + len(self.raw)

    @property
    def decoded(self) -> Decoded:
        """The payload, decoded; `Malformed` with an offset in `raw` if it is broken."""
        return decode(self.raw, form=self.form)

    def to_dict(self) -> dict[str, Any]:
        """The place and the payload, as `payloads decode --json` prints it."""
        place = {"offset": self.offset, "end": self.end, "why": self.why}
        return to_dict(self.decoded) | place


def embedded(data: Any, *, signers: Iterable[str | bytes] = ()) -> tuple[Embedded, ...]:
    """Every signed payload in hex or bytes, in order of its offset.

    A payload of Stork that is packed without a length can only be found by its signer: one of
    `signers`, or a published one.
    """
    raw = to_bytes(data, name="data")
    known = frozenset(address_bytes(signer) for signer in signers) | _published()
    return tuple(
        Embedded(place.start, hexed(raw[place.start : place.end]), name, place.form, place.why)
        for place, name in _apart(raw, known)
    )


def _apart(raw: bytes, signers: frozenset[bytes]) -> list[tuple[Place, str]]:
    """The places of all systems; the system that is listed first wins where two overlap."""
    taken: list[tuple[Place, str]] = []
    for system in systems.SYSTEMS:
        for place in system.places(raw, signers):
            # Taken places do not overlap, so only the last that begins before this one's end may.
            index = bisect_left(taken, place.end, key=_start)
            if index == 0 or taken[index - 1][0].end <= place.start:
                taken.insert(index, (place, system.name))
    return taken


def _start(taken: tuple[Place, str]) -> int:
    return taken[0].start


@cache
def _published() -> frozenset[bytes]:
    from payloads.published import stork_signers

    return frozenset(bytes(signer.unverified_address) for signer in stork_signers())
