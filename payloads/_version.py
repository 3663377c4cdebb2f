"""The version, for everyone: the build, the command line, and what goes out on the wire.

It stands here as text, so that a tree that was never installed knows its version, too.
"""

from __future__ import annotations

__version__ = "0.1.0"


def agent(between: str = "/") -> str:
    """What this package calls itself on the wire and in the files that it writes."""
    return f"payloads{between}{__version__}"
