"""`payloads findings`: the second stage of a scan once more, on tables that are there already."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from payloads.cli import terminal
from payloads.cli.run import guarded
from payloads.errors import Misuse, elide

if TYPE_CHECKING:
    from payloads.forensics.examining.findings import Findings
    from payloads.forensics.examining.records import Finding, Place

_COLOURS = {"danger": "red", "warning": "yellow", "info": "blue"}
# Findings of one code that the terminal shows; the files have all of them.
_MOST_SHOWN = 5


def policy_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options about what counts as a finding."""
    for option in (
        click.option(
            "--sql", multiple=True, metavar="FILE|DIR",
            help="Run these rules, too: .sql files, or a folder of them.",
        ),
        click.option(
            "--baseline", metavar="FILE",
            help="An earlier findings.jsonl: what it has is known, and not shown.",
        ),
        click.option(
            "--policy", metavar="FILE",
            help="A TOML file with bounds, severities, suppressions, and what fails.",
        ),
    ):  # fmt: skip
        function = option(function)
    return function


@click.command(short_help="Look for findings in the tables of a scan.")
@click.argument("folder", metavar="DIR")
@policy_options
@click.option("--memory", default="1GB", show_default=True, help="What the search may take.")
@click.option("--files", is_flag=True, help="First check again that the captures are unchanged.")
@click.option("--all", "everything", is_flag=True, help="Suppressed and known findings as well.")
@click.option("--sarif", "as_sarif", is_flag=True, help="One log of SARIF 2.1.0.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a finding.")
@click.option("--color", "colour", type=click.Choice(["auto", "always", "never"]), default="auto")
@guarded
def findings(
    folder: str,
    policy: str | None,
    baseline: str | None,
    sql: tuple[str, ...],
    memory: str,
    files: bool,
    everything: bool,
    as_sarif: bool,
    as_json: bool,
    colour: str,
) -> None:
    """Look for findings in the tables that `payloads scan` wrote to DIR.

    The files findings.parquet, findings.jsonl and findings.sarif in DIR are written anew. The exit
    code is 1 if there is a finding that the policy does not tolerate: without a policy, one of
    severity danger. docs/findings.md has all codes and the keys of a policy.

    \b
    Examples:
      payloads findings scan
      payloads findings scan --policy policy.toml --baseline yesterday/findings.jsonl
      payloads findings scan --sql my-rules/ --json
    """
    import sys

    from payloads.forensics.examining.findings import check, find
    from payloads.forensics.scanning.files import examine

    if as_json and as_sarif:
        raise Misuse("cannot be both", field="--json", expected="--json or --sarif")
    check(policy=policy, baseline=baseline, sql=sql)
    if files:
        examine(folder)
    found = find(folder, policy=policy, baseline=baseline, sql=sql, memory_limit=memory)
    found.write(folder)
    if as_sarif:
        terminal.json_line(found.to_sarif(), indent=1)
    elif as_json:
        for finding, record in zip(found.findings, found.to_dicts(), strict=True):
            if everything or finding.new:
                terminal.json_line(record, later=True)
    else:
        for line in finding_lines(found, everything):
            coloured = terminal.colours(colour, sys.stdout)
            terminal.line(line, colour=coloured, later=True)
    if found.fails:
        raise SystemExit(1)


def finding_lines(found: Findings, everything: bool = False) -> Iterator[str]:
    """The findings for a person: counts, the first example of each, and what fails."""
    shown = [finding for finding in found.findings if everything or finding.new]
    for code, group in groupby(shown, key=lambda finding: finding.code):
        same = list(group)
        for finding in same[:_MOST_SHOWN]:
            yield from _lines(finding)
        if rest := same[_MOST_SHOWN:]:
            count = sum(finding.count for finding in rest)
            more = f"         and {len(rest):,} more findings of {code}, with a count of {count:,}"
            yield terminal.style(more, dim=True)
    yield _summary(found)
    for suppression in found.policy.expired:
        yield f"no longer suppressed since {suppression.until}: {suppression.reason}"
    for reason in found.fails:
        yield f"{terminal.style('fails', fg='red', bold=True)} {reason}"


def _lines(finding: Finding) -> Iterator[str]:
    severity = terminal.style(
        finding.severity.ljust(8), fg=_COLOURS[finding.severity], bold=finding.severity == "danger"
    )
    marks = [
        f"suppressed: {finding.suppressed}" if finding.suppressed else "",
        "known" if finding.known else "",
        "more than in the baseline" if finding.updated else "",
    ]
    mark = "".join(f"  ({each})" for each in marks if each)
    code = terminal.style(finding.code.ljust(23), bold=True)
    about = next(filter(None, (finding.signer, finding.feed, finding.system)), "")
    first = f"  {_where(finding.rows[0])}" if finding.rows else ""
    yield f"{severity} {code} {finding.count:>10,}  {elide(about, 21):21}{first}{mark}"
    yield terminal.style(f"         {finding.sentence}", dim=True)


def _where(place: Place) -> str:
    name = Path(place.path).name or "?"
    if place.line is not None:
        return f"{name} line {place.line}"
    return name if place.offset is None else f"{name} byte {place.offset}"


def _summary(found: Findings) -> str:
    counts = [
        f"{_count(found.new, severity=severity):,} {severity}"
        for severity in ("danger", "warning", "info")
    ]
    hidden = {
        "suppressed": sum(bool(finding.suppressed) for finding in found.findings),
        "known": sum(finding.known for finding in found.findings),
    }
    counts += [f"{count:,} {word}" for word, count in hidden.items() if count]
    return f"{terminal.style('findings', bold=True)} {', '.join(counts)}"


def _count(findings: Sequence[Finding], **wanted: Any) -> int:
    return sum(
        all(getattr(finding, key) == value for key, value in wanted.items()) for finding in findings
    )
