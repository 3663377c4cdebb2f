"""`payloads report`: the figures of a scan, and its page."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from payloads.cli import terminal
from payloads.cli.run import Run, guarded, output_options
from payloads.errors import Misuse

if TYPE_CHECKING:
    from payloads.forensics.showing.folder import Folder


@click.command(short_help="Summarise a scan, and make its page.")
@click.argument("paths", nargs=-1, required=True, metavar="DIR|FILE...")
@click.option(
    "--html",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Write the page there (default: report.html in DIR, unless --json).",
)
@click.option("--no-html", is_flag=True, help="Write no page.")
@click.option(
    "--state",
    metavar="FILE|DIR",
    help="For files: what the chain knows. A payload is judged at its receipt.",
)
@output_options
@guarded
def report(
    paths: tuple[str, ...],
    html: str | None,
    no_html: bool,
    state: str | None,
    as_json: bool,
    colour: str,
) -> None:
    """Summarise the folder of a scan, and make its page.

    What was sent and received, the first bad payload with its signers and its copies, findings,
    verdicts, feeds, signers, connections and silences. The page, report.html, is one file that
    opens without a network. It shows the same figures, with charts and the annotated bytes.

    Files are scanned first, into a folder that is deleted at the end. A folder without findings
    gets them (payloads findings, with the default policy).

    \b
    Examples:
      payloads report scanned
      payloads report --json scanned | jq .answers.first_bad
      payloads report --html incident.html *.jsonl.zst
    """
    from payloads.cli.report_words import report_lines
    from payloads.forensics.showing.summary import summary

    run = Run(as_json, colour)
    with scanned(paths, state) as (folder, kept):
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
def scanned(
    paths: Sequence[str], state: str | None = None, found: bool = True
) -> Iterator[tuple[Folder, bool]]:
    """The folder of a scan, and whether it stays: files are scanned into one that does not.

    `found`: with findings, which are looked for if nothing did so before.
    """
    from payloads.forensics.showing.folder import Folder, is_folder

    first, *others = paths
    if not others and is_folder(first):
        if state is not None:
            raise Misuse("is about files", field="--state", expected="files", found=first)
        tables = Path(first)
        if found and (tables / "frames").is_dir() and not (tables / "findings.parquet").is_file():
            _find(first)
        with Folder(first) as folder:
            yield folder, True
        return
    with tempfile.TemporaryDirectory(prefix="payloads-") as home:
        _scan(paths, home, state)
        if found:
            _find(home)
        with Folder(home, ", ".join(paths)) as folder:
            yield folder, False


def _scan(paths: Sequence[str], home: str, state: str | None) -> None:
    """Read files into the tables of a folder, and say what is wrong with them."""
    from payloads.forensics.scanning.run import scan

    made = scan(paths, out=home, state=state, say=lambda text: terminal.line(text, err=True))
    if not any(made.table("inputs")["read"].to_pylist()):
        raise Misuse("nothing that can be read", field=paths[0], found=made.problems[0])
    for problem in made.problems:
        terminal.line(problem, err=True)


def _find(folder: str) -> None:
    from payloads.forensics.examining.findings import find

    find(folder).write(folder)


def _write_page(folder: Folder, target: str, wanted: bool) -> None:
    """Write the page. A missing library is an error only where the page was `wanted`."""
    from payloads.forensics.showing.page import write_page

    try:
        path = write_page(folder, Path(target))
    except Misuse as error:
        if wanted:
            raise
        terminal.line(f"no page: {error}", err=True)
        return
    terminal.line(f"page: {path}", err=True)
