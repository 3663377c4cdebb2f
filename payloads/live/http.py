"""The HTTP requests of sessions: sent exactly, over verified TLS, through the proxy that is set.

The standard library makes them, in a thread of its own. It sends the URL byte for byte, as a
signature needs it; other clients normalise it. A session makes few requests (a login, a backfill),
so threads cost nothing. Redirects are not followed: they would carry credentials to another place.

`perform` never raises for an error of the network: no answer is a `Reply` with status 0, and its
body says why.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
import urllib.request
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse

from payloads._version import agent
from payloads.deadline import Deadline
from payloads.errors import Misuse
from payloads.live.proxies import proxy_for, through
from payloads.venues.common.session import Reply, Request

# The status of a `Reply` that stands for no answer at all.
NO_ANSWER = 0
# A page of a thousand reports with sixteen signatures each is not half of it.
MAX_REPLY_BYTES = 8 * 2**20


async def perform(
    request: Request,
    *,
    timeout: float = 10,
    proxy: str | bool = True,
    tls: ssl.SSLContext | None = None,
) -> Reply:
    """Make a request without keeping the event loop waiting. A cancelled one runs on unseen.

    Not `asyncio.to_thread`: the loop's own threads must end before the loop can, and Ctrl-C would
    wait for a server that does not answer.
    """
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[Reply] = loop.create_future()

    def set_answer(reply: Reply | None, error: BaseException | None) -> None:
        if answered.done():
            return
        if error is not None:
            answered.set_exception(error)
        elif reply is not None:
            answered.set_result(reply)

    def work() -> None:
        reply, error = None, None
        try:
            reply = perform_now(request, timeout=timeout, proxy=proxy, tls=tls)
        except BaseException as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            loop.call_soon_threadsafe(set_answer, reply, error)

    threading.Thread(target=work, name="http request", daemon=True).start()
    try:
        # The thread's own timeout is for each read, and this timeout is for all of it.
        async with asyncio.timeout(timeout):
            return await answered
    except TimeoutError:
        return Reply(request.purpose, NO_ANSWER, _too_late(timeout))


def perform_now(
    request: Request,
    *,
    timeout: float = 10,
    proxy: str | bool = True,
    tls: ssl.SSLContext | None = None,
) -> Reply:
    """Make a request, and wait for the answer."""
    if not request.url.startswith(("http://", "https://")) or not request.url.isascii():
        raise Misuse("not an HTTP URL", field="url", expected="http:// or https://, in ASCII")
    if request.url.startswith("https://"):  # a context takes a while to make
        tls = tls or ssl.create_default_context()
    through_proxy = proxy_for(request.url, proxy)
    with Deadline(timeout) as deadline:
        opener = urllib.request.OpenerDirector()
        opener.add_handler(_Handler(through_proxy, tls, deadline))
        try:
            with opener.open(_prepared(request), timeout=timeout) as answer:
                body = answer.read(MAX_REPLY_BYTES + 1)
                reply = Reply(request.purpose, answer.status, body, tuple(answer.headers.items()))
        except (OSError, HTTPException, ValueError) as error:
            reply = Reply(request.purpose, NO_ANSWER, _why(error).encode())
    if deadline.over:  # what was read may be a part
        return Reply(request.purpose, NO_ANSWER, _too_late(timeout))
    if len(reply.body) > MAX_REPLY_BYTES:
        return Reply(request.purpose, NO_ANSWER, b"the answer is larger than any a venue sends")
    return reply


def _too_late(timeout: float) -> bytes:
    return f"no answer within {timeout:g} s".encode()


def _prepared(request: Request) -> urllib.request.Request:
    data = request.body or (b"" if request.method in ("POST", "PUT", "PATCH") else None)
    prepared = urllib.request.Request(request.url, data=data, method=request.method)
    prepared.add_header("User-Agent", agent())
    for name, value in request.headers:
        prepared.add_header(name, value)
    return prepared


class _Handler(urllib.request.AbstractHTTPHandler):
    """Requests directly or through a proxy. Every status is returned as it is."""

    def __init__(self, proxy: str | None, tls: ssl.SSLContext | None, deadline: Deadline) -> None:
        super().__init__()
        self._proxy, self._tls, self._deadline = proxy, tls, deadline

    def http_open(self, request: urllib.request.Request) -> HTTPResponse:
        return self._open(request, None)

    def https_open(self, request: urllib.request.Request) -> HTTPResponse:
        return self._open(request, self._tls)

    def _open(self, request: urllib.request.Request, tls: ssl.SSLContext | None) -> HTTPResponse:
        connection = partial(_Connection, proxy=self._proxy, tls=tls, deadline=self._deadline)
        return self.do_open(connection, request)

    http_request = https_request = urllib.request.AbstractHTTPHandler.do_request_


class _Connection(HTTPConnection):
    """A connection whose socket is watched by a deadline, and may come from a proxy."""

    def __init__(
        self,
        host: str,
        *,
        proxy: str | None,
        tls: ssl.SSLContext | None,
        deadline: Deadline,
        timeout: float,
    ) -> None:
        self.default_port = 443 if tls else 80
        super().__init__(host, timeout=timeout)
        self._proxy, self._tls, self._deadline = proxy, tls, deadline

    def connect(self) -> None:
        address = self.host, self.port
        if self._proxy is not None:
            self.sock = through(self._proxy, *address, self.timeout, self._deadline)
        else:
            self.sock = self._deadline.connect(address, self.timeout)
        if self._tls is not None:
            self.sock = self._tls.wrap_socket(self.sock, server_hostname=self.host)


def _why(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return str(reason or error) or type(error).__name__
