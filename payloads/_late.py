"""Names that a package exports and imports when they are first asked for.

And names that the root hands down: a lower floor needs what only a higher one knows.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from typing import Any


def late(
    package: str, modules: Mapping[str, str], packages: Collection[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package. `modules` has the module of each name, and
    `packages` are names of packages inside."""

    def load(name: str) -> Any:
        if name in packages:
            return import_module(f"{package}.{name}")
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = modules[name]
        whole = module if module.startswith("payloads.") else f"{package}.{module}"
        found = getattr(import_module(whole), name)
        # Kept, so that the next look-up costs nothing.
        setattr(sys.modules[package], name, found)
        return found

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *modules, *packages})

    return load, names


_handed_down: dict[str, str] = {}


def hand_down(name: str, module: str) -> None:
    """Let lower floors have a function of this module, which is imported when they ask for it."""
    _handed_down[name] = module


def handed_down(name: str) -> Any:
    """The function that the root hands down under its name."""
    return getattr(import_module(_handed_down[name]), name)
