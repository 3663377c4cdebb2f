"""JSON-RPC over HTTP, as far as a hostile node can be asked safely.

web3.py's own provider reads an answer of any size, inflates it, follows redirects with the request
in hand, and parses JSON of any depth. Here an answer has bounds: bytes, time, levels of nesting.
The body is never inflated: no compression is offered, and a compressed answer is refused.
"""

from __future__ import annotations

import json
import urllib.request
from base64 import b64encode
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from itertools import count
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import msgspec

from payloads._version import agent
from payloads.deadline import Deadline
from payloads.errors import Malformed
from payloads.inputs import check_depth, check_values
from payloads.loopback import is_loopback

# What nodes allow in one answer of eth_getLogs is at most about 150 MB; they are asked again for a
# smaller range, as for any other refusal. The rest is small.
MAX_ANSWER_BYTES = 16 * 2**20
# A log of an event has 23 values, keys included, and mostly 700 bytes.
MAX_ANSWER_VALUES = 2**19
MAX_ERROR_BYTES = 4096
# For one request, from the dial to the last byte.
MAX_SECONDS = 60
SLOW = "no answer in time"
_PIECE = 2**16


class HttpFailure(Exception):
    """No answer, or an answer that cannot be read. `why` holds no part of the URL."""

    def __init__(self, why: str, *, transient: bool, status: int = 0, words: str = "") -> None:
        super().__init__(why)
        self.why, self.transient, self.status, self.words = why, transient, status, words


class HttpNode:
    """A provider as `payloads.chain.rpc` wants it: `make_request` and nothing else."""

    def __init__(self, url: str, timeout: float) -> None:
        self._url, self._login = _without_login(url)
        self._timeout = timeout
        self._numbers = count(1)
        self._is_local = is_loopback(urlsplit(url).hostname or "")

    def make_request(self, method: str, params: list[Any]) -> Any:
        """The answer, parsed; `HttpFailure` where there is none."""
        body = {"jsonrpc": "2.0", "id": next(self._numbers), "method": method, "params": params}
        request = urllib.request.Request(self._url, data=json.dumps(body).encode(), method="POST")
        request.add_header("Content-Type", "application/json")
        request.add_header("User-Agent", agent())
        if self._login:
            request.add_header("Authorization", self._login)
        # What was read before the time was over may be a part.
        with Deadline(MAX_SECONDS) as deadline:
            found = self._opened(request, deadline)
        if deadline.over:
            raise HttpFailure(SLOW, transient=True)
        if isinstance(found, HttpFailure):
            raise found
        return found

    def _opened(self, request: urllib.request.Request, deadline: Deadline) -> Any:
        """The answer, or the failure that stands for none; it holds no other exception."""
        try:
            with self._opener(deadline).open(request, timeout=self._timeout) as answer:
                return _read(answer)
        except HttpFailure as failure:
            return failure
        except TimeoutError:
            return HttpFailure(SLOW, transient=True)
        except (OSError, HTTPException):
            return HttpFailure("no connection", transient=True)
        except ValueError:  # a URL that cannot be asked
            return HttpFailure("not a URL that can be asked", transient=False)

    def _opener(self, deadline: Deadline) -> urllib.request.OpenerDirector:
        """Opens URLs of nodes, each within the time that is left."""
        # No handler for redirects: a request is sent to the node it is for, or not at all.
        opener = urllib.request.OpenerDirector()
        if not self._is_local:
            opener.add_handler(urllib.request.ProxyHandler())
        opener.add_handler(_Http(deadline))
        opener.add_handler(_Https(deadline))
        return opener


class _Http(urllib.request.HTTPHandler):
    """HTTP over a connection that is cut when the time is over."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def http_open(self, request: urllib.request.Request) -> HTTPResponse:
        return self.do_open(partial(_watched, HTTPConnection, self._deadline), request)


class _Https(urllib.request.HTTPSHandler):
    """HTTPS over such a connection."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def https_open(self, request: urllib.request.Request) -> HTTPResponse:
        return self.do_open(partial(_watched, HTTPSConnection, self._deadline), request)


def _watched(
    kind: type[HTTPConnection], deadline: Deadline, host: str, **options: Any
) -> HTTPConnection:
    """A connection whose socket the deadline makes: the rest of `connect` (tunnel, TLS) stays."""
    connection = kind(host, **options)
    connection._create_connection = deadline.connect  # type: ignore[attr-defined]
    return connection


def _without_login(url: str) -> tuple[str, str]:
    """The URL without user name and password, and the header that carries them."""
    parts = urlsplit(url)
    login, mark, host = parts.netloc.rpartition("@")
    if not mark:
        return url, ""
    named = b64encode(unquote(login).encode()).decode()
    return urlunsplit(parts._replace(netloc=host)), f"Basic {named}"


def _read(answer: HTTPResponse) -> Any:
    if answer.status != 200:
        words = _bytes(answer, MAX_ERROR_BYTES).decode("utf-8", "replace")
        raise HttpFailure(f"HTTP status {answer.status}", transient=False, status=answer.status,
                          words=words)  # fmt: skip
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise HttpFailure("an answer in a compression that was not offered", transient=False)
    raw = _bytes(answer, MAX_ANSWER_BYTES + 1)
    if len(raw) > MAX_ANSWER_BYTES:
        raise _too_large(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
    try:
        check_values(raw, MAX_ANSWER_VALUES)
    except Malformed:
        raise _too_large(f"an answer of more than {MAX_ANSWER_VALUES} values") from None
    try:
        check_depth(raw)
        return msgspec.json.decode(raw)
    except (Malformed, ValueError, RecursionError):
        pass
    raise HttpFailure("an answer that is not JSON-RPC", transient=False)


def _too_large(words: str) -> HttpFailure:
    """As if the node had said so: where logs are asked for, a smaller range may do."""
    return HttpFailure(words, transient=False, status=413, words=words)


def _bytes(answer: HTTPResponse, most: int) -> bytearray:
    """The body's first `most` bytes."""
    body = bytearray()
    while len(body) < most and (piece := answer.read1(min(_PIECE, most - len(body)))):
        body += piece
    return body
