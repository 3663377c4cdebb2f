"""`payloads decode`: what is in payloads, and who signed them."""

from __future__ import annotations

import click

from payloads.abi.strictness import profile
from payloads.cli import show
from payloads.cli.run import Run, command_options, form_options, guarded, jobs_option
from payloads.cli.sources import Item
from payloads.recognise import decode as decode_any
from payloads.recognise import json_text, to_dicts


@click.command()
@command_options
@form_options
@click.option(
    "--strictness",
    type=click.Choice(["as_contract", "canonical"]),
    default="as_contract",
    show_default=True,
    help="Accept what the contract accepts, or only what an encoder writes.",
)
@click.option("--decimals", type=click.IntRange(0, 77), help="Also show prices at this scale.")
@click.option("--signers/--no-signers", default=True, help="Recover signers (most of the time).")
@jobs_option
@guarded
def decode(
    sources: tuple[str, ...],
    as_json: bool,
    colour: str,
    form: str | None,
    schema: str | None,
    layout: str | None,
    strictness: str,
    decimals: int | None,
    signers: bool,
    jobs: int,
) -> None:
    """Say what is in payloads, and who signed them.

    \b
    Examples:
      payloads decode 0x0006f9b5…
      payloads decode '{"type":"signed_ecdsa","p":"0x4357…"}'
      payloads decode --decimals 18 report.hex
      cat frames.jsonl | payloads decode --json | jq .benchmark_price
      payloads decode --strictness canonical suspicious.hex
      payloads decode --schema v1 legacy.hex

    In JSON a field that can hold integers beyond 2^53 is a string always (--numbers: a number).
    Nothing here is verified against a chain's state.
    """
    run = Run(as_json, colour, messages=True)

    as_it_is = as_json and form is None and schema is None and layout is None and not run.numbers

    def act(item: Item) -> None:
        if as_it_is and (text := json_text(item.value, signers=signers)) is not None:
            run.record_text(text, item.origin)
            return
        found = decode_any(
            item.value, profile=profile(strictness), form=form, schema=schema, layout=layout
        )
        for leaf, record in to_dicts(found, signers=signers and as_json):
            if leaf.error is not None:
                run.fail_at(item, leaf.error)
            elif as_json:
                run.record(record | item.origin)
            else:
                path = leaf.path or item.more.get("path")
                where = ", ".join(part for part in (item.place, path) if part)
                run.lines(show.payload_lines(leaf, where, decimals, signers))

    run.each(sources, act, jobs)
    run.finish()
