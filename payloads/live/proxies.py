"""Which proxy something goes through: one answer for websockets and HTTP requests alike.

A proxy's URL may hold a password, so no error repeats it.
"""

from __future__ import annotations

import socket
import urllib.request
from urllib.parse import SplitResult, unquote, urlsplit

from payloads.errors import Misuse
from payloads.loopback import is_loopback

_KINDS = {
    "http": "HTTP", "socks4": "SOCKS4", "socks4a": "SOCKS4", "socks5": "SOCKS5",
    "socks5h": "SOCKS5",
}  # fmt: skip
_HTTP_PORT, _SOCKS_PORT = 80, 1080
# What the environment calls the proxy of a URL: the first that is set counts. The library's order.
_NAMES = {
    "wss": ("wss", "socks", "https", "all"),
    "https": ("wss", "socks", "https", "all"),
    "ws": ("ws", "socks", "https", "http", "all"),
    "http": ("ws", "socks", "https", "http", "all"),
}


def proxy_for(url: str, proxy: str | bool) -> str | None:
    """The proxy's URL, None for none; `proxy` is one, or True to ask the environment.

    Raises `Misuse` for what cannot be a proxy.
    """
    found = _of_environment(urlsplit(url)) if proxy is True else proxy or None
    return None if found is None else _checked(found)


def through(proxy: str, host: str, port: int, timeout: float | None) -> socket.socket:
    """A socket to there, through a proxy; `OSError` where none comes about."""
    from python_socks import ProxyError, ProxyType
    from python_socks.sync import Proxy

    parts = urlsplit(proxy)
    assert parts.hostname
    assert parts.port
    there = Proxy(
        ProxyType[_KINDS[parts.scheme]],
        parts.hostname,
        parts.port,
        unquote(parts.username or "") or None,
        unquote(parts.password or "") or None,
        # With these names the proxy looks hosts up, not this machine.
        rdns=parts.scheme in ("socks5h", "socks4a"),
    )
    try:
        found: socket.socket = there.connect(host, port, timeout=timeout)
    except ProxyError as error:
        raise OSError(f"the proxy refused: {error}") from None
    return found


def _of_environment(parts: SplitResult) -> str | None:
    # What is on this machine is on no proxy's: simulators, tunnels, local gateways.
    if is_loopback(parts.hostname or "") or urllib.request.proxy_bypass(parts.netloc):
        return None
    given = urllib.request.getproxies()
    for name in _NAMES[parts.scheme]:
        if found := given.get(name):
            # Some systems' settings name a SOCKS proxy so.
            as_socks = name == "socks" and found.startswith("http://")
            return "socks5h://" + found.removeprefix("http://") if as_socks else found
    return None


def _checked(proxy: str) -> str:
    """A proxy's URL, with its usual port where it says none; `Misuse` for any other."""
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
