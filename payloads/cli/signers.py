"""`payloads signers`: the signers in traffic, as states with evidence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from payloads.cli import terminal
from payloads.cli.report import scanned
from payloads.cli.run import Run, guarded, output_options

if TYPE_CHECKING:
    from payloads.forensics.showing.signers import Group, Inferred


@click.command(short_help="Infer who signs from traffic.")
@click.argument("paths", nargs=-1, required=True, metavar="DIR|CAPTURE...")
@click.option(
    "-o", "--out", metavar="DIR", type=click.Path(file_okay=False),
    help="Write a state for each system there, as TOML with the evidence in comments.",
)  # fmt: skip
@click.option(
    "--least", type=click.IntRange(1), default=2, show_default=True, metavar="N",
    help="Leave out signers of fewer different payloads: damage makes signers up.",
)  # fmt: skip
@output_options
@guarded
def signers(
    paths: tuple[str, ...], out: str | None, least: int, as_json: bool, colour: str
) -> None:
    """Infer the configs in use from traffic: digests, signers, signatures a report, and when.

    The states load like all others, and judge the same traffic as accepted. They are marked as
    inferred: they say who signed, not who was allowed to. Signers that never signed together with
    the others of their digest are listed and left out. Read the chain (payloads state fetch) to
    know what holds.

    \b
    Examples:
      payloads signers scanned
      payloads signers stork.jsonl.zst -o inferred/
      payloads verify --state inferred/ --brief later.jsonl
    """
    from payloads.forensics.showing.signers import infer

    run = Run(as_json, colour)
    with scanned(paths, found=False) as (folder, _):
        found = infer(folder, least)
    written = [] if out is None else list(_write(found, Path(out)))
    if as_json:
        run.record(found.to_dict() | {"files": written})
    else:
        run.lines(_lines(found, written))
    run.finish()


def _write(found: Inferred, folder: Path) -> Iterator[str]:
    from payloads.forensics.showing.signers import toml

    folder.mkdir(parents=True, exist_ok=True)
    for system in found.states():
        path = folder / f"{system}.toml"
        path.write_text(toml(found, system), encoding="utf-8")
        yield str(path)


def _lines(found: Inferred, written: list[str]) -> Iterator[str]:
    yield terminal.style(found.source, bold=True)
    for group in found.groups:
        yield from _group(group)
    if not found.groups:
        yield "no signature in it"
    for path in written:
        yield f"written: {path}"


def _group(group: Group) -> Iterator[str]:
    yield ""
    name = f"config {group.digest}" if group.digest else f"signers of {group.system}"
    yield terminal.style(name, bold=True)
    yield f"  {group.words()}"
    if group.problem:
        yield "  " + terminal.style(group.problem, fg="red")
    for each in group.members:
        yield f"  {terminal.style(each.signer, fg='cyan')}  {each.words()}"
    if group.unseen:
        yield f"  {len(group.unseen)} members did not sign: made-up addresses stand for them"
    for each in group.outsiders:
        yield f"  {terminal.style(each.signer, fg='yellow')}  {each.why}: {each.words()}"
