"""`payloads check`: whether files of captures are whole and as they were written."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

import click

from payloads.cli import show, terminal
from payloads.cli.run import Run, given_reading, guarded, input_options, output_options

if TYPE_CHECKING:
    from payloads.capture.integrity import FileCheck


@click.command(short_help="Say whether captures are whole and unchanged.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@input_options
@output_options
@guarded
def check(files: tuple[str, ...], as_json: bool, colour: str) -> None:
    """Say whether captures are whole, and as they were written.

    A capture holds hashes of what was written, and counts. This command says which lines are not
    what was written, where lines, frames or whole parts are missing, where times go back, and
    whether the end record is there. The hashes show accidents and simple changes; they are no
    signature: note the last hash elsewhere. Of captures without hashes, and of other tools' files,
    less can be said, and a note says so. Exit code 0: nothing is wrong; 1: something is.

    \b
    Examples:
      payloads check capture.jsonl.zst
      payloads check --json captures/ | jq 'select(.sound | not)'
    """
    from payloads.capture.inputs import open_inputs
    from payloads.capture.integrity import check as check_files

    run = Run(as_json, colour)
    inputs = open_inputs(files, given_reading().read_options, waiting=terminal.flush)
    for _, group in groupby(inputs, key=lambda each: each.group):
        for found in check_files(group):
            run.failed += not found.sound
            if as_json:
                run.record(found.to_dict())
            else:
                run.lines(_lines(found))
    run.finish()


def _lines(found: FileCheck) -> Iterator[str]:
    words = terminal.style("sound", fg="green", bold=True)
    if not found.sound:
        count = len(found.problems) + found.more_problems
        noun = "problem" if count == 1 else "problems"
        words = terminal.style(f"{count:,} {noun}", fg="red", bold=True)
    yield f"{words}  {found.file}"
    counts = [f"{found.lines:,} lines, {found.frames:,} frames", found.kind]
    if found.part is not None:
        counts.append(f"part {found.part} of {found.capture}")
    yield f"  {', '.join(each for each in counts if each)}"
    for name, value in (("sha256", found.sha256), ("last hash", found.hash)):
        if value:
            yield f"  {name} {value}"
    for each in found.problems:
        place = "" if each.line is None else f"line {each.line}: "
        yield f"  {show.error_line('', f'{place}{each.message} ({each.code})')}"
    if found.more_problems:
        yield f"  and {found.more_problems:,} more"
    for note in found.notes:
        yield f"  note: {note}"
