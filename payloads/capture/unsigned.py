"""The messages of venues that sign nothing, read by the venues' own sessions.

    reader = UnsignedReader()
    for record in records:
        for event in reader.events(record): ...

A session is made for each connection as it appears, with the subscriptions that a capture's header
names, and is told what the connection received. Nothing is sent. `Data` holds the venue's record; a
message that the session does not know is `Unknown`, and `Broken` one that the protocol forbids.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec

from payloads import systems, venues
from payloads.abi.fields import Digits
from payloads.capture.format import CaptureRecord, Header
from payloads.capture.frames import Frame, Incident
from payloads.capture.replay import session_of
from payloads.errors import Malformed, Misuse, PayloadError
from payloads.venues.common.session import Event, Session

# Sessions at a time; the one that was made first goes.
MAX_SESSIONS = 256


def is_unsigned(venue: str) -> bool:
    """Whether a venue is known, and its messages hold no signed payloads."""
    return venue in venues.VENUES and all(venue != system.name for system in systems.SYSTEMS)


def event_object(event: Event) -> dict[str, Any]:
    """An event as a JSON object: its kind, the name of its record, and all it says.

    Decimals are strings, and so are integers, which may be nanoseconds. Absent values have no key.
    """
    found: dict[str, Any] = {"event": type(event).__name__}
    for name in event.__struct_fields__:
        value = getattr(event, name)
        if name == "content" and isinstance(value, msgspec.Struct):
            found["message"] = type(value).__name__
        if value is not None:
            found[name] = _plain(value)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return Digits(value)
    if isinstance(value, PayloadError):
        return value.to_dict()
    if isinstance(value, msgspec.Struct):
        pairs = ((name, getattr(value, name)) for name in value.__struct_fields__)
        return {name: _plain(item) for name, item in pairs if item is not None}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return str(value)


class UnsignedReader:
    """The events of one capture's unsigned messages."""

    def __init__(self) -> None:
        self._header: Header | None = None
        self._sessions: dict[tuple[str, int], Session] = {}

    def events(self, record: CaptureRecord) -> list[Event]:
        """The events of the next record; none for what is no message of such a venue."""
        if isinstance(record, Header):
            self._header = record
        if not isinstance(record, Frame | Incident) or not is_unsigned(record.venue):
            return []
        key = record.venue, record.connection
        if isinstance(record, Incident):
            if record.what in ("closed", "opened"):
                self._sessions.pop(key, None)
            return []
        if record.direction != "in" or not record.is_message:
            return []
        if key not in self._sessions:
            self._sessions[key] = self._opened(record)
        session = self._sessions[key]
        events = session.received(record.data, record.at)
        session.take()
        session.take_requests()
        return events

    def _opened(self, first: Frame) -> Session:
        while len(self._sessions) >= MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        session = self._session(first.venue)
        session.opened(first.at)
        session.take()
        return session

    def _session(self, venue: str) -> Session:
        """A session like the capture's own, if possible; else a session without subscriptions."""
        # No session checks a credential before the venue does. It is found in no message.
        any_secret = secrets.token_hex(32)
        named = dict.fromkeys(venues.VENUES[venue].credentials, any_secret)
        if self._header is not None and self._header.venue == venue:
            for credentials in ({}, named):
                with suppress(Malformed, Misuse):  # the header may be any text
                    return session_of(self._header, **credentials)
        for credentials in ({}, named):
            with suppress(Misuse):
                return session_of(Header(1, venue=venue), **credentials)
        raise AssertionError(f"no session for {venue}")
