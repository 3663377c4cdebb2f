"""Captures of frames: files as `payloads capture` writes them, and the records in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from payloads.abi.fields import Record
from payloads.capture.format import Header, line_of
from payloads.capture.frames import Frame, Incident
from payloads.strategies.arguments import check_choice, check_range, check_type, wrong
from payloads.strategies.systems import Network
from payloads.strategies.venues.frames import FRAMES, frames
from payloads.strategies.venues.message import VenueFrame
from payloads.testing.networks import InsecureTestNetwork, InsecureTestStorkSigner

_FORMAT = 1
_NOW = 1_700_000_000 * 10**9


class CaptureFile(Record, frozen=True):
    """A capture: its venue, its records in order, the bytes of its file, and what its frames say.

    `payloads.capture.read_records` reads the records back, and `credentials` are texts in the form
    that `payloads.capture.session_of` wants, to make the session of the capture again.
    """

    venue: str
    records: tuple[Header | Frame | Incident, ...]
    raw: bytes
    frames: tuple[VenueFrame, ...]
    credentials: dict[str, str]

    def write(self, path: str | Path) -> Path:
        """Write the file, and return its path."""
        Path(path).write_bytes(self.raw)
        return Path(path)


def _feeds(several: list[VenueFrame]) -> list[str]:
    """The feeds of Chainlink's frames."""
    found = [json.loads(frame.message)["report"]["feedID"] for frame in several]
    return list(dict.fromkeys(found)) or ["0x" + "00" * 32]


_KEYS = {"key": "key", "secret": "secret"}
# What a capture of a venue asked for, and credentials in the right form.
_ASKED: dict[str, tuple[Callable[[list[VenueFrame]], list[str]], dict[str, str]]] = {
    "chainlink": (_feeds, _KEYS),
    "stork": (lambda _: ["1"], {"token": "token"}),
    "finery": (lambda _: ["I"], _KEYS),
    "ethgas": (lambda _: ["blockBuilderUpdate"], {"private_key": "0x" + "11" * 32}),
    "qfex": (lambda _: ["level2:*"], {}),
    "qfex-trade": (lambda _: [], {"public_key": "key", "secret": "secret"}),
}


def _capture(drawn: tuple[list[VenueFrame], list[int], bool], venue: str) -> CaptureFile:
    several, pauses, is_closed = drawn
    what, credentials = _ASKED[venue]
    asked: dict[str, Any] = {"what": what(several)}
    records: list[Header | Frame | Incident] = [
        Header(_FORMAT, "0" * 16, 1, _NOW, venue, asked),
        Incident(venue, 1, _NOW, "opened", {}),
    ]
    now = _NOW
    for frame, pause in zip(several, pauses, strict=False):
        now += pause
        opcode = "text" if isinstance(frame.message, str) else "binary"
        records.append(Frame(venue, 1, "in", opcode, now, frame.message))  # type: ignore[arg-type]
    if is_closed:
        records.append(Incident(venue, 1, now, "closed", {"code": 1006, "reason": ""}))
    raw = b"".join(line_of(record) + b"\n" for record in records)
    return CaptureFile(venue, tuple(records), raw, tuple(several), credentials)


def captures(
    *, venue: str | None = None, network: Network | None = None, max_frames: int = 4
) -> st.SearchStrategy[CaptureFile]:
    """Captures of one connection to a venue, or to any: files as `payloads capture` writes them.

    The frames are those of `frames(venue=, network=)`.
    """
    check_choice("captures", "venue", venue, FRAMES)
    check_range("captures", "max_frames", max_frames, 0, 1000)
    check_type("captures", "network", network, InsecureTestNetwork, InsecureTestStorkSigner)
    if network is not None and venue is None:
        raise wrong("captures", "venue", venue, "the venue whose payloads the network signs")
    names = [*FRAMES] if venue is None else [venue]
    return st.one_of([_captures(name, network, max_frames) for name in names])


_PAUSES = st.integers(0, 10**10)


def _captures(
    venue: str, network: Network | None, max_frames: int
) -> st.SearchStrategy[CaptureFile]:
    pauses = st.lists(_PAUSES, min_size=max_frames, max_size=max_frames)
    several = st.lists(frames(venue=venue, network=network), max_size=max_frames)
    drawn = st.tuples(several, pauses, st.booleans())
    return drawn.map(lambda parts: _capture(parts, venue))
