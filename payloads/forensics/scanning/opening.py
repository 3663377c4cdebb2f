"""What a message is: a frame with payloads, or another message of its venue.

The venue decides how a message is read. A message of a venue that signs nothing is never taken for
a payload, and a message of a system's own venue only for a payload of that system.
"""

from __future__ import annotations

import json
import re
from typing import Any

from payloads import recognise, systems, venues
from payloads.capture.frames import Frame
from payloads.inputs import json_text, parse_json
from payloads.system import Claims, Found, Options, Several
from payloads.venues.common.json_text import parse_json as exact_json

# The columns of items for what frames state.
CLAIMED = {
    "feed": "claimed_feed",
    "valid_from": "claimed_valid_from",
    "observed": "claimed_observed",
}
_SYSTEMS = tuple(system.name for system in systems.SYSTEMS)


def signs(venue: str) -> bool:
    """Whether messages of the venue may hold payloads: not those of a known venue without any."""
    return venue not in venues.VENUES or venue in _SYSTEMS


def system_of(venue: str) -> str | None:
    """The system whose payloads the venue sends, if the venue sends any."""
    return venue if venue in _SYSTEMS else None


def is_plain(found: Found) -> bool:
    """Whether the bytes are a payload as it is: no call, and not wrapped in anything."""
    return bool(found.system) and found.form not in systems.named(found.system).containers


def content_of(frame: Frame) -> Any:
    """The JSON of a message; None where it is none. `Malformed` for JSON that is broken."""
    if json_text(frame.data) is None:
        return None
    return parse_json(frame.data) if signs(frame.venue) else exact_json(frame.data)


def found_in(frame: Frame, content: Any = None) -> Found | Several | None:
    """The payloads in a message; None for another message.

    `Malformed` for a message that should hold a payload. `content` is its JSON, if that was read.
    """
    if not frame.is_message or not signs(frame.venue):
        return None
    if content is None and (content := content_of(frame)) is None:
        return recognise.find(frame.data, Options())
    if frame.venue in _SYSTEMS:
        if not isinstance(content, dict):
            return None
        return systems.named(frame.venue).open_frame(content)
    objects = content if isinstance(content, list) else [content]
    if not any(isinstance(each, dict) and _may_hold(each) for each in objects):
        return None
    return recognise.find(content, Options())


def _may_hold(message: dict[str, Any]) -> bool:
    """Whether an object may be a frame, or is what this library printed of a payload."""
    return recognise.may_hold_payload(message) or "hex" in message or "system" in message


def facts_claimed(system: str) -> dict[str, str]:
    """The statements of a system's frames, and the facts that they are about."""
    found = next(each for each in systems.SYSTEMS if each.name == system).columns()
    return {} if found is None else dict(found.claims)


def stated(system: str, claims: Claims) -> dict[str, Any]:
    """The plain statements of a frame by the fact; all of them if a statement is not plain."""
    names = facts_claimed(system)
    found: dict[str, Any] = {}
    for name, value in claims:
        is_feed = names[name] == "feed"
        if is_feed and isinstance(value, str) and _is_word(value):
            found["claimed_feed"] = value
        elif not is_feed and type(value) is int and 0 <= value < 2**63:
            found[CLAIMED[names[name]]] = value
        else:
            return {"claims": json.dumps(dict(claims), default=str)}
    return found


def _is_word(text: str) -> bool:
    return re.fullmatch("0[xX][0-9a-fA-F]{64}", text) is not None
