"""`payloads recover`: who signed payloads, and over what."""

from __future__ import annotations

import click

from payloads import systems
from payloads.abi.fields import json_object
from payloads.cli import show
from payloads.cli.run import Run, command_options, form_options, guarded, jobs_option
from payloads.cli.sources import Item
from payloads.errors import Malformed
from payloads.recognise import Decoded, is_signed
from payloads.recognise import decode as decode_any
from payloads.signatures import address_bytes


@click.command(short_help="Say who signed payloads, and over what.")
@command_options
@form_options
@click.option(
    "--expect",
    "expected",
    multiple=True,
    metavar="ADDRESS",
    help="Refuse payloads with a signature by any other signer. May be repeated.",
)
@jobs_option
@guarded
def recover(
    sources: tuple[str, ...],
    as_json: bool,
    colour: str,
    form: str | None,
    schema: str | None,
    layout: str | None,
    expected: tuple[str, ...],
    jobs: int,
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
                run.fail_at(item, leaf.error)
            else:
                _recover(run, leaf, item, expected)

    run.each(sources, act, jobs)
    run.finish()


def _recover(run: Run, leaf: Decoded, item: Item, expected: tuple[str, ...]) -> None:
    system = systems.of_value(leaf.value)
    if system is None or not is_signed(leaf.value):
        raise Malformed("not signed", field="signatures", expected="a signed payload")
    signatures = system.recover(leaf.value)
    facts = {name: getattr(leaf.value, name) for name in system.signing_facts}
    if run.as_json:
        record = {"system": system.name, "form": leaf.form, **facts}
        record["signers"] = [found.address for found in signatures]
        record["signatures"] = signatures
        record["hex"] = leaf.raw
        run.record(json_object(record) | item.origin)
    else:
        hashed = "0x" + bytes(leaf.value.signed_bytes).hex()
        run.lines(show.recovered_lines(leaf, item.place, signatures, hashed))
    if expected:
        system.expect_signers(leaf.value, *expected)
