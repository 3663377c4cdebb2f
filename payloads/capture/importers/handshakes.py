"""The handshake of a recorded websocket: its URL, its server and its headers, as incidents.

They are those of a capture: `dialling` and `opened`, `refused` where the server did not agree, and
`closed`. In these files only the name of a header or of a parameter shows that its value is a
credential, so what may be one is replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from payloads.capture.format import Placed
from payloads.capture.frames import Incident
from payloads.capture.importers.messages import ReadOptions, venue_of
from payloads.capture.redaction import handshake_detail, handshake_headers
from payloads.errors import elide

_MOST_HEADERS = 200
_LONGEST = 8_192
_SWITCHING = 101

Header = tuple[str, str]


class Handshake:
    """The handshake of one websocket, whose parts may come one after the other."""

    def __init__(self, options: ReadOptions, connection: int, url: str) -> None:
        self.connection = connection
        self.url = elide(url, _LONGEST)
        self.venue = venue_at(url, options)

    def dialling(self, at: int, headers: Iterable[Header]) -> Incident:
        detail = handshake_detail(self.url, bounded(headers))
        return self._incident(at, "dialling", detail)

    def answered(self, at: int, status: int, headers: Iterable[Header], server: str) -> Incident:
        detail: dict[str, Any] = {"server": server} if server else {}
        detail |= {"status": status, "headers": handshake_headers(bounded(headers))}
        return self._incident(at, "opened" if status in (0, _SWITCHING) else "refused", detail)

    def closed(self, at: int, code: int, reason: str) -> Incident:
        return self._incident(at, "closed", {"code": code, "reason": elide(reason, 500)})

    def _incident(self, at: int, what: str, detail: dict[str, Any]) -> Incident:
        redacted = "[redacted]" in repr(detail)
        return Incident(self.venue, self.connection, at, what, detail, redacted)


def venue_at(url_or_host: str, options: ReadOptions) -> str:
    """The venue of a host: as the caller says for that host, or for all, or by the catalogue."""
    named = dict(options.hosts)
    if named:
        try:
            parts = urlsplit(url_or_host if "//" in url_or_host else "//" + url_or_host)
            host = parts.hostname or ""
        except ValueError:  # not a URL
            return options.venue
        place = parts.netloc.rpartition("@")[2]
        if found := named.get(place) or named.get(host):
            return found
    return options.venue or venue_of(url_or_host)


def bounded(headers: Iterable[Header]) -> list[Header]:
    """Headers of a sane number and length."""
    found: list[Header] = []
    for name, value in headers:
        if len(found) == _MOST_HEADERS:
            break
        found.append((elide(name, 200), elide(value, _LONGEST)))
    return found


def pairs(listed: Any) -> Iterator[Header]:
    """The headers in a list of objects of `name` and `value`, or in one object."""
    if isinstance(listed, dict):
        listed = [{"name": name, "value": value} for name, value in listed.items()]
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, dict):
            name, value = each.get("name"), each.get("value")
            if isinstance(name, str) and isinstance(value, str):
                yield name, value


def address(host: Any, port: Any) -> str:
    """A server as `host:port`, as far as both are known."""
    if not isinstance(host, str) or not host:
        return ""
    bracketed = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return f"{bracketed}:{port}" if type(port) in (int, str) and port else host


def before(where: str, incidents: Iterable[Incident]) -> Iterator[Placed]:
    """Incidents with their place."""
    for incident in incidents:
        yield Placed(f"{where}, handshake", incident)
