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
from payloads.errors import Misuse
from payloads.live.proxies import proxy_for, through
from payloads.venues.common.json_text import MAX_MESSAGE_BYTES
from payloads.venues.common.session import Reply, Request

# The status of a `Reply` that stands for no answer at all.
NO_ANSWER = 0


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
        # The thread's own timeout is for each read; this one is for all of it.
        async with asyncio.timeout(timeout):
            return await answered
    except TimeoutError:
        return Reply(request.purpose, NO_ANSWER, f"no answer within {timeout:g} s".encode())


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
    opener = _opener(proxy_for(request.url, proxy), tls)
    try:
        with opener.open(_prepared(request), timeout=timeout) as answer:
            body = answer.read(MAX_MESSAGE_BYTES + 1)
            headers = tuple(answer.headers.items())
            status = answer.status
    except (OSError, HTTPException, ValueError) as error:
        return Reply(request.purpose, NO_ANSWER, _why(error).encode())
    if len(body) > MAX_MESSAGE_BYTES:
        return Reply(request.purpose, NO_ANSWER, b"the answer is larger than any a venue sends")
    return Reply(request.purpose, status, body, headers)


def _prepared(request: Request) -> urllib.request.Request:
    data = request.body or (b"" if request.method in ("POST", "PUT", "PATCH") else None)
    prepared = urllib.request.Request(request.url, data=data, method=request.method)
    prepared.add_header("User-Agent", agent())
    for name, value in request.headers:
        prepared.add_header(name, value)
    return prepared


def _opener(proxy: str | None, tls: ssl.SSLContext | None) -> urllib.request.OpenerDirector:
    """An opener that returns every status as it is, and follows no redirect."""
    opener = urllib.request.OpenerDirector()
    if proxy is not None:
        opener.add_handler(_ProxyHandler(proxy, tls))
        return opener
    opener.add_handler(urllib.request.HTTPHandler())
    if tls is not None:
        opener.add_handler(urllib.request.HTTPSHandler(context=tls))
    return opener


class _ProxyHandler(urllib.request.AbstractHTTPHandler):
    """Requests through the tunnel of a proxy, as for websockets, with and without TLS."""

    def __init__(self, proxy: str, tls: ssl.SSLContext | None) -> None:
        super().__init__()
        self._proxy, self._tls = proxy, tls

    def http_open(self, request: urllib.request.Request) -> HTTPResponse:
        return self.do_open(partial(_TunnelConnection, proxy=self._proxy, tls=None), request)

    def https_open(self, request: urllib.request.Request) -> HTTPResponse:
        return self.do_open(partial(_TunnelConnection, proxy=self._proxy, tls=self._tls), request)

    http_request = https_request = urllib.request.AbstractHTTPHandler.do_request_


class _TunnelConnection(HTTPConnection):
    """A connection whose socket comes from a proxy."""

    def __init__(
        self, host: str, *, proxy: str, tls: ssl.SSLContext | None, timeout: float
    ) -> None:
        self.default_port = 443 if tls else 80
        super().__init__(host, timeout=timeout)
        self._proxy, self._tls = proxy, tls

    def connect(self) -> None:
        sock = through(self._proxy, self.host, self.port, self.timeout)
        self.sock = self._tls.wrap_socket(sock, server_hostname=self.host) if self._tls else sock


def _why(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return str(reason or error) or type(error).__name__
