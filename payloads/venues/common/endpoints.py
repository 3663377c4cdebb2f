"""What a caller gives of a server: its address, and credentials for its headers.

What does not fit is `Misuse`, which never shows the value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from payloads.errors import Misuse

_VISIBLE = re.compile(r"[!-~]+")


def header_value(value: str, field: str) -> str:
    """`value`, if it can be a credential in a header: visible ASCII without white space."""
    if not _VISIBLE.fullmatch(value):
        raise Misuse("no such credential", field=field, expected="visible ASCII without spaces")
    return value


def check_base(url: str, schemes: Sequence[str], field: str) -> str:
    """`url` without a slash at its end, if it is no more than a scheme and a host."""
    try:
        parts = urlsplit(url)
        spare = parts.path.strip("/") or re.search(r"[@?#\\]", url)
        fits = parts.scheme in schemes and parts.hostname and not spare and parts.port != 0
    except ValueError:
        fits = False
    if not fits or not _VISIBLE.fullmatch(url):
        expected = f"{' or '.join(schemes)}, a host, and nothing behind it"
        raise Misuse("not an endpoint", field=field, expected=expected)
    return url.rstrip("/")


def address(endpoint: str, known: Mapping[str, str], schemes: Sequence[str] = ("wss", "ws")) -> str:
    """The base of an endpoint that is named, or given as a URL."""
    if endpoint not in known and "://" not in endpoint:
        expected = f"{', '.join(known)}, or a URL of {' or '.join(schemes)}"
        raise Misuse("no such endpoint", field="endpoint", expected=expected)
    return check_base(known.get(endpoint, endpoint), schemes, "endpoint")
