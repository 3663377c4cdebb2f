"""Parts of a command that are looked up when it is called, not when it is imported.

So a venue that is added to the catalogue counts, and `payloads` starts without importing venues.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import click


class LateChoice(click.Choice):  # type: ignore[type-arg]
    """A choice among names that are looked up when the option is used."""

    def __init__(self, names: Callable[[], Iterable[str]]) -> None:
        self._names = names
        super().__init__(())

    @property
    def choices(self) -> tuple[str, ...]:
        return tuple(self._names())

    @choices.setter
    def choices(self, value: object) -> None:
        """`click.Choice` sets what the look-up says."""


class LateHelpCommand(click.Command):
    """A command whose help ends with `describe()`."""

    def __init__(self, *args: Any, describe: Callable[[], str], **options: Any) -> None:
        super().__init__(*args, **options)
        self._describe = describe

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.epilog = self._describe()
        super().format_epilog(ctx, formatter)
