"""JSON-RPC over HTTP, as far as a hostile node can be asked safely.

web3.py's own provider reads an answer of any size, inflates it, follows redirects with the request
in hand, and parses JSON of any depth. Here an answer has bounds: bytes, time, levels of nesting.
The body is never inflated: no compression is offered, and a compressed answer is refused.
"""

from __future__ import annotations

import json
import time
import urllib.request
from base64 import b64encode
from http.client import HTTPException, HTTPResponse
from itertools import count
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from payloads._version import agent
from payloads.errors import Malformed
from payloads.inputs import check_depth
from payloads.loopback import is_loopback

# What nodes allow in one answer of eth_getLogs is at most about 150 MB; they are asked again for a
# smaller range, as for any other refusal. The rest is small.
MAX_ANSWER_BYTES = 16 * 2**20
MAX_ERROR_BYTES = 4096
# For one request, from the dial to the last byte.
MAX_SECONDS = 60
_PIECE = 2**16


class HttpFailure(Exception):
    """No answer, or not one that can be read. `why` holds no part of the URL."""

    def __init__(self, why: str, *, transient: bool, status: int = 0, words: str = "") -> None:
        super().__init__(why)
        self.why, self.transient, self.status, self.words = why, transient, status, words


class HttpNode:
    """A provider as `payloads.chain.rpc` wants it: `make_request` and nothing else."""

    def __init__(self, url: str, timeout: float) -> None:
        self._url, self._login = _without_login(url)
        self._timeout = timeout
        self._numbers = count(1)
        # No handler for redirects: a request is sent to the node it is for, or not at all.
        self._opener = urllib.request.OpenerDirector()
        if not is_loopback(urlsplit(url).hostname or ""):
            self._opener.add_handler(urllib.request.ProxyHandler())
        self._opener.add_handler(urllib.request.HTTPHandler())
        self._opener.add_handler(urllib.request.HTTPSHandler())

    def make_request(self, method: str, params: list[Any]) -> Any:
        """The answer, parsed; `HttpFailure` where there is none."""
        body = {"jsonrpc": "2.0", "id": next(self._numbers), "method": method, "params": params}
        request = urllib.request.Request(self._url, data=json.dumps(body).encode(), method="POST")
        request.add_header("Content-Type", "application/json")
        request.add_header("User-Agent", agent())
        if self._login:
            request.add_header("Authorization", self._login)
        begun = time.monotonic()
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                return _read(answer, begun + MAX_SECONDS)
        except TimeoutError:
            failure = HttpFailure("no answer in time", transient=True)
        except (OSError, HTTPException):
            failure = HttpFailure("no connection", transient=True)
        except ValueError:  # a URL that cannot be asked
            failure = HttpFailure("not a URL that can be asked", transient=False)
        raise failure


def _without_login(url: str) -> tuple[str, str]:
    """The URL without user name and password, and the header that carries them."""
    parts = urlsplit(url)
    login, mark, host = parts.netloc.rpartition("@")
    if not mark:
        return url, ""
    named = b64encode(unquote(login).encode()).decode()
    return urlunsplit(parts._replace(netloc=host)), f"Basic {named}"


def _read(answer: HTTPResponse, until: float) -> Any:
    if answer.status != 200:
        words = _bytes(answer, MAX_ERROR_BYTES, until).decode("utf-8", "replace")
        raise HttpFailure(f"HTTP status {answer.status}", transient=False, status=answer.status,
                          words=words)  # fmt: skip
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise HttpFailure("an answer in a compression that was not offered", transient=False)
    raw = _bytes(answer, MAX_ANSWER_BYTES + 1, until)
    if len(raw) > MAX_ANSWER_BYTES:
        words = f"an answer of more than {MAX_ANSWER_BYTES} bytes"
        raise HttpFailure(words, transient=False, status=413, words=words)
    try:
        check_depth(raw)
        return json.loads(raw)
    except (Malformed, ValueError, RecursionError):
        pass
    raise HttpFailure("an answer that is not JSON-RPC", transient=False)


def _bytes(answer: HTTPResponse, most: int, until: float) -> bytes:
    """The body's first `most` bytes. A server that sends a byte a second is given up."""
    pieces, left = [], most
    while left and (piece := answer.read1(min(_PIECE, left))):
        pieces.append(piece)
        left -= len(piece)
        if time.monotonic() > until:
            raise HttpFailure("no answer in time", transient=True)
    return b"".join(pieces)
