"""Parts of a command that are looked up when it is called, not when it is imported.

So a venue that is added to the catalogue counts, and `payloads` starts without importing venues.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import click
from click.shell_completion import CompletionItem


class LateChoice(click.ParamType):  # type: ignore[type-arg]  # not generic at run time
    """One of the names that `names()` returns."""

    name = "name"

    def __init__(self, names: Callable[[], Iterable[str]]) -> None:
        self._names = names

    @property
    def _choice(self) -> click.Choice[str]:
        return click.Choice(list(self._names()))

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return self._choice.convert(value, param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return self._choice.shell_complete(ctx, param, incomplete)


class LateHelpCommand(click.Command):
    """A command whose help ends with `describe()`."""

    def __init__(self, *args: Any, describe: Callable[[], str], **options: Any) -> None:
        super().__init__(*args, **options)
        self._describe = describe

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.epilog = self._describe()
        super().format_epilog(ctx, formatter)
