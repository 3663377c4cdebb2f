"""The part of HTTP that a simulator needs: one request a connection, bodies with a length.

`read_request` returns the request of a connection, or None when the client hung up first. It raises
`Malformed` for anything that is not HTTP/1.x or exceeds the bounds.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from payloads.errors import Malformed
from payloads.venues.common.http_words import header

# A thousand feed IDs in a URL are 67 kB, and more than the venue takes; web servers allow 1 MiB of
# body by default.
MAX_HEAD = 128 * 1024
MAX_BODY = 2**20


@dataclass(frozen=True)
class Request:
    """A request. `target` is the path with its query, byte for byte as it was sent."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    # The head as it came, for the websocket library, which reads it itself.
    head: bytes = field(default=b"", repr=False)
    # The name of the host that it came to, where the venue has several.
    door: str = ""

    def header(self, name: str) -> str:
        """The first value of a header, whatever its case; "" if there is none."""
        return header(self.headers, name)

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def upgrades(self) -> bool:
        """Whether a websocket is asked for."""
        return self.header("Upgrade").strip().lower() == "websocket"

    def query(self) -> dict[str, str]:
        """The parameters of the query, and of the body where that is a form."""
        query = urlsplit(self.target).query
        if self.header("Content-Type").startswith("application/x-www-form-urlencoded"):
            query += "&" + self.body.decode("latin-1")
        return {name: values[0] for name, values in parse_qs(query, True).items()}


@dataclass(frozen=True)
class Response:
    """An answer. `answer` makes an answer of JSON."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()

    def encode(self, now: int, bodiless: bool = False) -> bytes:
        """The bytes on the wire; a HEAD's answer has the headers of a GET's, and no body.

        The date is the venue's own clock (`now`, in nanoseconds): clients compare theirs with it.
        """
        own = (
            ("Date", formatdate(now // 10**9, usegmt=True)),
            ("Content-Length", str(len(self.body))),
            ("Connection", "close"),
        )
        lines = [f"HTTP/1.1 {self.status} {_phrase(self.status)}"]
        lines += [f"{name}: {value}" for name, value in (*self.headers, *own)]
        head = "\r\n".join(lines) + "\r\n\r\n"
        return head.encode("latin-1") + (b"" if bodiless else self.body)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def answer(status: int, content: Any, *headers: tuple[str, str]) -> Response:
    """A response with JSON for its body."""
    body = json.dumps(content, separators=(",", ":")).encode()
    return Response(status, body, (("Content-Type", "application/json"), *headers))


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """The request that a connection begins with."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError:
        raise Malformed("the head is too long", expected=f"at most {MAX_HEAD} bytes") from None
    request = _parse(head)
    length = request.header("Content-Length") or "0"
    if not (length.isascii() and length.isdigit()) or int(length[:9]) > MAX_BODY:
        raise Malformed("no such body", field="Content-Length", found=length[:20])
    if not int(length):
        return request
    try:
        body = await reader.readexactly(int(length))
    except asyncio.IncompleteReadError:
        return None
    return Request(request.method, request.target, request.headers, body, head)


def _parse(head: bytes) -> Request:
    first, *lines = head.decode("latin-1")[:-4].split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise Malformed("not an HTTP/1.x request", field="request line", found=first[:80])
    headers = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or name != name.strip():
            raise Malformed("not a header", field="head", found=line[:80])
        headers.append((name, value.strip(" \t")))
    return Request(words[0], words[1], tuple(headers), head=head)
