"""Which proxy a URL is reached through, and how: the same for websockets and for HTTP requests.

HTTP proxies (by CONNECT) and SOCKS proxies make a tunnel; TLS goes through it to the venue itself.
A proxy's URL may hold a password, so no error repeats it.
"""

from __future__ import annotations

import asyncio
import socket
import urllib.request
from base64 import b64encode
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from payloads._version import agent
from payloads.deadline import Deadline
from payloads.errors import Misuse
from payloads.loopback import is_loopback

_KINDS = {
    "http": "HTTP", "socks4": "SOCKS4", "socks4a": "SOCKS4", "socks5": "SOCKS5",
    "socks5h": "SOCKS5",
}  # fmt: skip
_HTTP_PORT, _SOCKS_PORT = 80, 1080
# No proxy's answer to CONNECT has a longer head.
_MOST_OF_AN_ANSWER = 2**16
# The environment's names for the proxy of a URL: the first that is set counts. This is the order of
# the websockets library.
_NAMES = {
    "wss": ("wss", "socks", "https", "all"),
    "https": ("wss", "socks", "https", "all"),
    "ws": ("ws", "socks", "https", "http", "all"),
    "http": ("ws", "socks", "https", "http", "all"),
}


class ProxyRefused(OSError):
    """A proxy made no tunnel; `status` is that of an HTTP proxy's answer."""

    def __init__(self, why: object, status: int | None = None) -> None:
        super().__init__(f"the proxy refused: {why}")
        self.status = status


def proxy_for(url: str, proxy: str | bool) -> str | None:
    """The URL of the proxy to use, or None. `proxy` is a URL, or True to ask the environment.

    Raises `Misuse` for what cannot be a proxy.
    """
    found = _of_environment(urlsplit(url)) if proxy is True else proxy or None
    return None if found is None else _checked(found)


def through(
    proxy: str, host: str, port: int, timeout: float | None, deadline: Deadline
) -> socket.socket:
    """A socket to a host, through a proxy; `OSError` where there is none."""
    parts = urlsplit(proxy)
    if parts.scheme == "http":
        sock = deadline.connect((parts.hostname or "", parts.port or 0), timeout)
        try:
            sock.sendall(_connect_request(parts, host, port))
            answer = b""
            while not _is_whole(answer):
                answer += (piece := sock.recv(1))
                _check_answer(piece, answer)
        except BaseException:
            sock.close()
            raise
        return sock
    from python_socks import ProxyError
    from python_socks.sync import Proxy

    try:
        # The library reaches a proxy through another; here it gets a connection that is watched, or
        # a proxy that answers a byte at a time would have no deadline.
        watched: Any = _Watched(deadline)
        proxied = Proxy(**_socks(parts), forward=watched)
        found: socket.socket = proxied.connect(host, port, timeout=timeout)
    except ProxyError as error:
        raise ProxyRefused(error) from None
    return found


class _Watched:
    """Connects like a proxy of the SOCKS library, but directly."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline

    def connect(self, dest_host: str, dest_port: int, timeout: float) -> socket.socket:
        return self._deadline.connect((dest_host, dest_port), timeout)


async def tunnel(proxy: str, host: str, port: int) -> socket.socket:
    """The same, without keeping the event loop waiting."""
    parts = urlsplit(proxy)
    if parts.scheme == "http":
        loop, sock = asyncio.get_running_loop(), await _connected(parts.hostname, parts.port)
        try:
            await loop.sock_sendall(sock, _connect_request(parts, host, port))
            answer = b""
            while not _is_whole(answer):
                answer += (piece := await loop.sock_recv(sock, 1))
                _check_answer(piece, answer)
        except BaseException:
            sock.close()
            raise
        return sock
    from python_socks import ProxyError
    from python_socks.async_.asyncio import Proxy

    try:
        found: socket.socket = await Proxy(**_socks(parts)).connect(host, port)
    except ProxyError as error:
        raise ProxyRefused(error) from None
    return found


async def _connected(host: str | None, port: int | None) -> socket.socket:
    """A socket to the first address of a host that answers."""
    loop, failed = asyncio.get_running_loop(), OSError("no address")
    for family, kind, number, _, address in await loop.getaddrinfo(
        host, port, type=socket.SOCK_STREAM
    ):
        sock = socket.socket(family, kind, number)
        sock.setblocking(False)
        try:
            await loop.sock_connect(sock, address)
        except OSError as error:
            sock.close()
            failed = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failed


def _connect_request(parts: SplitResult, host: str, port: int) -> bytes:
    """What asks an HTTP proxy for a tunnel."""
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {where} HTTP/1.1", f"Host: {where}", f"User-Agent: {agent()}"]
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        lines.append(f"Proxy-Authorization: Basic {b64encode(pair.encode()).decode()}")
    return "\r\n".join([*lines, "", ""]).encode()


def _is_whole(answer: bytes) -> bool:
    """Whether the head of a proxy's answer is here; `ProxyRefused` if it does not say yes.

    It is read byte by byte, because what stands behind it is not the proxy's.
    """
    if not answer.endswith(b"\r\n\r\n"):
        return False
    _, _, status = answer.partition(b"\r\n")[0].partition(b" ")
    code = int(status[:3]) if status[:3].isdigit() else 0
    if not 200 <= code < 300:
        raise ProxyRefused(f"HTTP {code}" if code else "no HTTP", code)
    return True


def _check_answer(piece: bytes, answer: bytes) -> None:
    """An answer that ends early or does not end is none."""
    if not piece or len(answer) > _MOST_OF_AN_ANSWER:
        raise ProxyRefused("its answer is not whole")


def _socks(parts: SplitResult) -> dict[str, Any]:
    """The library's words for a SOCKS proxy."""
    from python_socks import ProxyType

    return {
        "proxy_type": ProxyType[_KINDS[parts.scheme]],
        "host": parts.hostname,
        "port": parts.port,
        "username": unquote(parts.username or "") or None,
        "password": unquote(parts.password or "") or None,
        # With these names the proxy looks hosts up, not this machine.
        "rdns": parts.scheme in ("socks5h", "socks4a"),
    }


def _of_environment(parts: SplitResult) -> str | None:
    # This machine is reached without a proxy: simulators, tunnels, local gateways.
    if is_loopback(parts.hostname or "") or urllib.request.proxy_bypass(parts.netloc):
        return None
    given = urllib.request.getproxies()
    for name in _NAMES[parts.scheme]:
        if found := given.get(name):
            # The settings of some systems name a SOCKS proxy like this.
            as_socks = name == "socks" and found.startswith("http://")
            return "socks5h://" + found.removeprefix("http://") if as_socks else found
    return None


def _checked(proxy: str) -> str:
    """A proxy's URL, with the usual port where it has none; `Misuse` for another URL."""
    try:
        parts = urlsplit(proxy)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    half = parts.username is not None and parts.password is None
    beside = parts.path.strip("/") or parts.query or parts.fragment
    if parts.scheme not in _KINDS or not host or half or beside or not proxy.isascii():
        kinds = ", ".join(f"{kind}://" for kind in _KINDS)
        expected = f"one of {kinds}, with a host, and a port or none"
        raise Misuse("cannot be used as a proxy", field="proxy", expected=expected)
    if port is not None:
        return proxy
    usual = _HTTP_PORT if parts.scheme == "http" else _SOCKS_PORT
    return f"{parts.scheme}://{parts.netloc.rstrip(':')}:{usual}"
