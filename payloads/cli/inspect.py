"""`payloads inspect`: every byte of payloads, annotated."""

from __future__ import annotations

import click

from payloads.cli import show
from payloads.cli.run import Run, command_options, form_options, guarded, jobs_option
from payloads.cli.sources import Item
from payloads.inspection import inspect_each


@click.command(short_help="Show every byte of payloads, annotated.")
@command_options
@form_options
@click.option("--full-hex", is_flag=True, help="Show every byte, also in runs of 00 and ff.")
@jobs_option
@guarded
def inspect(
    sources: tuple[str, ...],
    as_json: bool,
    colour: str,
    form: str | None,
    schema: str | None,
    layout: str | None,
    full_hex: bool,
    jobs: int,
) -> None:
    """Show every byte of payloads: offset, raw hex, name, value, unit and meaning.

    A broken payload is opened up to its first bad byte, which is pointed at.

    \b
    Examples:
      payloads inspect 0x0006f9b5…
      payloads inspect broken.hex
      payloads inspect --json 0x0006f9b5… | jq '.spans[] | select(.path == "epoch")'
      payloads inspect --as signed_ecdsa --layout plain payload.hex
    """
    run = Run(as_json, colour)

    def act(item: Item) -> None:
        for view in inspect_each(item.value, form=form, schema=schema, layout=layout):
            if as_json:
                run.record(view.to_dict() | item.origin)
            else:
                run.lines(show.view_lines(view, item.place, full_hex))
            if view.error is not None:
                run.fail_at(item, view.error)

    run.each(sources, act, jobs)
    run.finish()
