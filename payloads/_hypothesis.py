"""The entry point of Hypothesis, which is called at every `import hypothesis`.

So it imports no record and no strategy: only when a type of this library is asked for are they
imported. Hypothesis has such a lazy look-up for the libraries that it supports itself, by the name
of a module that must have been imported. It is no public part of Hypothesis: where a version does
not have it, the types are registered in the public way, and imported for that.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

# Every record of this library is made of this module's `Record`, or imports it.
_RECORDS = "payloads.abi.fields"


def register() -> None:
    """Tell Hypothesis how to resolve the public records."""
    lazy: dict[str, Any] | None = None
    with suppress(ImportError):
        from hypothesis.strategies._internal import types

        lazy = getattr(types, "_global_extra_lookup", None)
    if isinstance(lazy, dict):
        lazy[_RECORDS] = _strategy_of
        return
    from payloads.strategies.registration import register_all

    register_all()


def _strategy_of(kind: Any) -> Any:
    """The strategy for a type of this library, or for a subclass; None for any other type."""
    bases = kind.__mro__ if isinstance(kind, type) else ()
    if not any(base.__module__.startswith("payloads.") for base in bases):
        return None
    from payloads.strategies.registration import strategy_of

    return strategy_of(kind)
