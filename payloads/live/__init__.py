"""One open connection to a venue: `connect` with asyncio, `stream` without.

Both take a session, or a session group, and the options of `Connection`. Everything is imported
when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from payloads.live.connection import Backoff, Connection, merged
    from payloads.live.group import GroupConnection
    from payloads.live.streaming import connect, stream

__all__ = ["Backoff", "Connection", "GroupConnection", "connect", "merged", "stream"]

_LATER = {
    **dict.fromkeys(("Backoff", "Connection", "merged"), "connection"),
    "GroupConnection": "group",
    **dict.fromkeys(("connect", "stream"), "streaming"),
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
