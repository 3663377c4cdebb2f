"""`payloads report`: the figures of a scan, and its page."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from payloads.cli import terminal
from payloads.cli.run import Run, guarded, output_options
from payloads.errors import Misuse

if TYPE_CHECKING:
    from payloads.forensics.folder import Folder


@click.command(short_help="Summarise a scan, and make its page.")
@click.argument("paths", nargs=-1, required=True, metavar="DIR|FILE...")
@click.option(
    "--html",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Write the page there (default: report.html in DIR, unless --json).",
)
@click.option("--no-html", is_flag=True, help="Write no page.")
@output_options
@guarded
def report(
    paths: tuple[str, ...], html: str | None, no_html: bool, as_json: bool, colour: str
) -> None:
    """Summarise the folder of a scan, and make its page.

    What was sent and received, the first bad payload with its signers and its copies, findings,
    verdicts, feeds, signers, connections and silences. The page, report.html, is one file that
    opens without a network. It shows the same figures, with charts and the annotated bytes.

    Files are scanned first, into a folder that is deleted at the end.

    \b
    Examples:
      payloads report scanned
      payloads report --json scanned | jq .answers.first_bad
      payloads report --html incident.html *.jsonl.zst
    """
    from payloads.cli.report_words import report_lines
    from payloads.forensics.summary import summary

    run = Run(as_json, colour)
    with scanned(paths) as (folder, kept):
        figures = summary(folder)
        if as_json:
            run.record(figures)
        else:
            run.lines(report_lines(figures))
        target = html or (str(folder.path / "report.html") if kept and not as_json else None)
        if target is not None and not no_html:
            _write_page(folder, target, as_json or html is not None)
    run.finish()


@contextlib.contextmanager
def scanned(paths: tuple[str, ...]) -> Iterator[tuple[Folder, bool]]:
    """The folder of a scan, and whether it stays: files are scanned into one that does not."""
    from payloads.forensics.folder import Folder, is_folder

    first, *others = paths
    if not others and is_folder(first):
        with Folder(first) as folder:
            yield folder, True
        return
    from payloads.forensics.findings import find
    from payloads.forensics.run import scan

    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "scan"
        made = scan(paths, out=out)
        if not any(made.table("inputs")["read"].to_pylist()):
            raise Misuse("nothing that can be read", field=first, found=made.problems[0])
        for problem in made.problems:
            terminal.line(problem, err=True)
        find(out).write(out)
        with Folder(out) as folder:
            yield folder, False


def _write_page(folder: Folder, target: str, wanted: bool) -> None:
    """Write the page. A missing library is an error only where the page was `wanted`."""
    from payloads.forensics.page import write_page

    try:
        path = write_page(folder, Path(target))
    except Misuse as error:
        if wanted:
            raise
        terminal.line(f"no page: {error}", err=True)
        return
    terminal.line(f"page: {path}", err=True)
