"""What this package calls itself on the wire and in the files it writes."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version

__all__ = ["agent"]


@cache
def agent(between: str = "/") -> str:
    """The name and version; without a version where the package is not installed."""
    try:
        return f"payloads{between}{version('payloads')}"
    except PackageNotFoundError:
        return "payloads"
