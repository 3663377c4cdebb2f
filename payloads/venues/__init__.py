"""The five venues: one folder each, and one sans-I/O session for each kind of connection.

`VENUES` is the catalogue: what the command line, the simulators and the importers know of a venue.
Adding a venue is one folder and one line here. Sessions are imported when they are first asked for.
"""

from __future__ import annotations

import msgspec

from payloads.errors import Misuse
from payloads.venues import chainlink, ethgas, finery, qfex, stork
from payloads.venues.common.session import Session
from payloads.venues.common.session_group import SessionGroup
from payloads.venues.common.venue import Asked, Venue, variable

__all__ = ["VENUES", "Asked", "Venue", "make", "variable", "venue"]

VENUES: dict[str, Venue] = {
    one.name: one
    for one in (
        chainlink.VENUE,
        stork.VENUE,
        finery.VENUE,
        ethgas.VENUE,
        qfex.VENUE,
        qfex.TRADE_VENUE,
    )
}


def venue(name: str) -> Venue:
    """The venue of that name."""
    if name not in VENUES:
        raise Misuse("no such venue", field="venue", expected=", ".join(VENUES), found=name)
    return VENUES[name]


def make(name: str, asked: Asked) -> Session | SessionGroup:
    """The session for what is asked, or the group of sessions."""
    found = venue(name)
    if unknown := sorted(set(asked.options) - set(found.options)):
        expected = ", ".join(found.options) or "none"
        raise Misuse("no such option", field=f"{name} {unknown[0]}", expected=expected)
    return found.make(msgspec.structs.replace(asked, venue=name))
