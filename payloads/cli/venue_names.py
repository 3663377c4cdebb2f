"""What commands read from the catalogue of venues when they are called, not when they are imported:
the names that an argument may have, and the help that describes each venue."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import click
from click.shell_completion import CompletionItem


class VenueName(click.ParamType):  # type: ignore[type-arg]  # not generic at run time
    """An argument that is one of the names that the catalogue has by then."""

    name = "venue"

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


class VenueCommand(click.Command):
    """A command whose help ends with `describe()`."""

    def __init__(self, *args: Any, describe: Callable[[], str], **options: Any) -> None:
        super().__init__(*args, **options)
        self._describe = describe

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.epilog = self._describe()
        super().format_epilog(ctx, formatter)
