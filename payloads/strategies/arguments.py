"""The arguments of strategies: what is wrong is said when the strategy is made, by the name."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeVar

from hypothesis.errors import InvalidArgument

from payloads.errors import shown

T = TypeVar("T")


def wrong(function: str, name: str, found: Any, expected: str) -> InvalidArgument:
    """The error for an argument: its name, its value, and what it may be."""
    return InvalidArgument(f"{function}: {name}={shown(found)} cannot be used; expected {expected}")


def check_choice(function: str, name: str, found: Any, known: Collection[str]) -> None:
    """Raise `InvalidArgument` unless the argument is None or one of these words."""
    if found is not None and (not isinstance(found, str) or found not in known):
        raise wrong(function, name, found, "one of " + ", ".join(known))


def check_names(function: str, name: str, found: Any, known: Collection[str]) -> None:
    """Raise `InvalidArgument` unless the argument is None or a list of some of these words."""
    if found is None:
        return
    if not isinstance(found, list | tuple | set | frozenset):
        raise wrong(function, name, found, "a list of names")
    for each in sorted(found, key=str):
        check_choice(function, name, each if isinstance(each, str) else str(each), known)


def check_type(function: str, name: str, found: Any, *kinds: type) -> None:
    """Raise `InvalidArgument` unless the argument is None or of one of these types."""
    if found is not None and not isinstance(found, kinds):
        names = " or ".join(kind.__name__ for kind in kinds)
        raise wrong(function, name, found, f"{names}, not {type(found).__name__}")


def check_range(function: str, name: str, found: Any, low: int, high: int) -> None:
    """Raise `InvalidArgument` unless the argument is an integer between two bounds."""
    if type(found) is not int or not low <= found <= high:
        raise wrong(function, name, found, f"an integer from {low} to {high}")
