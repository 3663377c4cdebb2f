"""`payloads decode`, `payloads inspect` and `payloads recover`."""

from __future__ import annotations

from collections.abc import Callable

import click

from payloads import systems
from payloads.abi.fields import json_object
from payloads.abi.strictness import profile
from payloads.cli import show
from payloads.cli.run import Choice, Run, command_options, guarded
from payloads.cli.sources import Item
from payloads.errors import Malformed
from payloads.inspection import inspect_each
from payloads.recognise import Decoded, is_signed, to_dicts
from payloads.recognise import decode as decode_any
from payloads.signatures import address_bytes


def _form_options(function: Callable[..., None]) -> Callable[..., None]:
    """What the caller may know better than the bytes say."""
    for option in (
        click.option("--layout", type=click.Choice(["plain", "versioned"]), help="Stork's layout."),
        click.option("--schema", metavar="NAME", help="Report schema (v1, v3, …) to read with."),
        click.option("--as", "form", type=Choice(systems.forms), help="Take the input for this."),
    ):
        function = option(function)
    return function


@click.command()
@command_options
@_form_options
@click.option(
    "--strictness",
    type=click.Choice(["as_contract", "canonical"]),
    default="as_contract",
    show_default=True,
    help="Accept what the contract accepts, or only what an encoder writes.",
)
@click.option("--decimals", type=click.IntRange(0, 77), help="Also show prices at this scale.")
@click.option("--signers/--no-signers", default=True, help="Recover signers (most of the time).")
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

    Integers beyond 2^53 are strings in JSON. Nothing here is verified against a chain's state.
    """
    run = Run(as_json, colour)

    def act(item: Item) -> None:
        found = decode_any(
            item.value, profile=profile(strictness), form=form, schema=schema, layout=layout
        )
        for leaf, record in to_dicts(found, signers=signers and as_json):
            if leaf.error is not None:
                run.fail(item.where, leaf.error, item.line)
            elif as_json:
                run.record(record | item.origin)
            else:
                where = ", ".join(part for part in (item.where, leaf.path) if part)
                run.lines(show.payload_lines(leaf, where, decimals, signers))

    run.each(sources, act)
    run.finish()


@click.command(short_help="Show every byte of payloads, annotated.")
@command_options
@_form_options
@click.option("--full-hex", is_flag=True, help="Show every byte, also in runs of 00 and ff.")
@guarded
def inspect(
    sources: tuple[str, ...],
    as_json: bool,
    colour: str,
    form: str | None,
    schema: str | None,
    layout: str | None,
    full_hex: bool,
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
                run.record(view.to_dict())
            else:
                run.lines(show.view_lines(view, item.where, full_hex))
            if view.error is not None:
                run.fail(item.where, view.error, item.line)

    run.each(sources, act)
    run.finish()


@click.command(short_help="Say who signed payloads, and over what.")
@command_options
@_form_options
@click.option(
    "--expect",
    "expected",
    multiple=True,
    metavar="ADDRESS",
    help="Refuse payloads with a signature by anybody else. May be repeated.",
)
@guarded
def recover(
    sources: tuple[str, ...],
    as_json: bool,
    colour: str,
    form: str | None,
    schema: str | None,
    layout: str | None,
    expected: tuple[str, ...],
) -> None:
    """Say who signed payloads, over which digest, and what was hashed for it.

    \b
    Examples:
      payloads recover 0x0006f9b5…
      payloads recover --json frames.jsonl | jq -c .signers
      payloads recover --expect 0x3db9E960ECfCcb11969509FAB000c0c96DC51830 update.hex
    """
    run = Run(as_json, colour)
    for address in expected:
        address_bytes(address, "--expect")

    def act(item: Item) -> None:
        found = decode_any(item.value, form=form, schema=schema, layout=layout)
        for leaf in found.leaves():
            if leaf.error is not None:
                run.fail(item.where, leaf.error, item.line)
            else:
                _recover(run, leaf, item.where, expected)

    run.each(sources, act)
    run.finish()


def _recover(run: Run, leaf: Decoded, where: str, expected: tuple[str, ...]) -> None:
    system = systems.of_value(leaf.value)
    if system is None or not is_signed(leaf.value):
        raise Malformed("not signed by anybody", field="signatures", expected="a signed payload")
    signatures = system.recover(leaf.value)
    facts = {name: getattr(leaf.value, name) for name in system.signing_facts}
    if run.as_json:
        record = {"system": system.name, "form": leaf.form, **facts}
        record["signers"] = [found.address for found in signatures]
        record["signatures"] = signatures
        run.record(json_object(record))
    else:
        hashed = "0x" + bytes(leaf.value.signed_bytes).hex()
        run.lines(show.recovered_lines(leaf, where, signatures, hashed))
    if expected:
        system.expect_signers(leaf.value, *expected)
