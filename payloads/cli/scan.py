"""`payloads scan`: captures to tables, findings and a page, on all cores."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from payloads.cli import terminal
from payloads.cli.chain_options import instant
from payloads.cli.findings import finding_lines, policy_options
from payloads.cli.late_choice import LateChoice
from payloads.cli.run import guarded
from payloads.errors import Misuse

if TYPE_CHECKING:
    from payloads.forensics.cluster import Cluster
    from payloads.forensics.scanning.run import Progress, Scan

INTERRUPTED = 130
_SECOND = 10**9
_BAR = 24
# Without a terminal, the progress is a line now and then.
_LOGGED_EVERY = 10.0


def _kinds() -> tuple[str, ...]:
    from payloads.capture.importers.any_file import KINDS

    return KINDS


@click.command(
    short_help="Captures to tables, findings and a page.",
    epilog="Exit codes: 0 all is well; 1 something could not be read, or the policy does not "
    "tolerate a finding; 2 wrong usage; 130 interrupted. An interrupted scan goes on with the "
    "same command: parts that are finished are not done again.",
)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("-o", "--out", required=True, metavar="DIR", help="The folder of the tables.")
@click.option(
    "--state",
    metavar="FILE|DIR",
    help="What the chain knows: a state file, or a folder of those of several chains and times.",
)
@click.option(
    "--now",
    default="frame",
    metavar="TIME",
    help="The block time to judge at: frame (when each was received, the default), unix seconds, "
    "ISO, or now. The state is the one that held then.",
)
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1),
    help="Processes at most, where there is enough to do (default: one a core).",
)
@click.option(
    "--ray", "address", metavar="ADDRESS",
    help="Work on a Ray cluster: local (begun here, with --jobs workers), auto, or HOST:PORT. All "
    "its machines need the PATHs and DIR on a shared filesystem.",
)  # fmt: skip
@click.option("--venue", "venues", metavar="NAME", multiple=True, help="Only frames of this venue.")
@click.option("--since", metavar="TIME", help="Only frames from this time on.")
@click.option("--until", metavar="TIME", help="Only frames before this time.")
@click.option(
    "--feed", "feeds", metavar="ID", multiple=True, help="Only payloads of this feed (Stork: 1/7)."
)
@click.option(
    "--signer", "signers", metavar="ADDRESS", multiple=True, help="Only payloads that it signed."
)
@click.option(
    "--verdict", "verdicts", metavar="NAME", multiple=True,
    help="Only payloads with this verdict: accepted, refused, or an error's name.",
)  # fmt: skip
@click.option("--no-recover", is_flag=True, help="Do not recover signers (faster; no verdicts).")
@click.option("--no-findings", is_flag=True, help="Do not look for findings.")
@click.option("--no-page", is_flag=True, help="Do not write report.html.")
@policy_options
@click.option("--csv", "as_csv", is_flag=True, help="Every table as CSV as well.")
@click.option("--json", "as_json", is_flag=True, help="Every table as JSON lines as well.")
@click.option("--anew", is_flag=True, help="Begin again, whatever the folder has.")
@click.option("--kind", type=LateChoice(_kinds), metavar="KIND", help="Take every file for this.")
@click.option("--assume-venue", default="", metavar="NAME", help="For frames that name no venue.")
@click.option("--text-field", default="", metavar="NAME", help="JSON lines: where the message is.")
@click.option("--time-field", default="", metavar="NAME", help="JSON lines: where the time is.")
@click.option(
    "--binary-field", default="", metavar="NAME", help="JSON lines: whether a message is base64."
)
@click.option("--keylog", default="", metavar="FILE", help="TLS secrets, for pcap.")
@guarded
def scan(
    paths: tuple[str, ...], out: str, state: str | None, now: str, jobs: int | None,
    address: str | None,
    venues: tuple[str, ...], since: str | None, until: str | None, feeds: tuple[str, ...],
    signers: tuple[str, ...], verdicts: tuple[str, ...], no_recover: bool, as_csv: bool,
    as_json: bool, anew: bool, kind: str | None, assume_venue: str, text_field: str,
    time_field: str, binary_field: str, keylog: str, no_findings: bool, no_page: bool,
    policy: str | None, baseline: str | None, sql: tuple[str, ...],
) -> None:  # fmt: skip
    """Read captures into tables: what was sent, who signed it, and whether it would have passed.

    A PATH is a file, a folder, a glob or - for standard input: captures of this tool, HAR, flows of
    mitmproxy, logs of wscat, websocat and others, plain or compressed. DIR gets Parquet files, a
    folder for each table (docs/tables.md), the findings (docs/findings.md), and report.html. Each
    payload is judged at the time it was received, in the state that held then.

    \b
    Examples:
      payloads scan captures/ --state states/ -o found
      payloads scan big.jsonl.zst -o found --feed 0x0003… --since 2026-11-30T10:00
      duckdb -c "select feed, count(*) from 'found/prices/*.parquet' group by 1"
    """
    from payloads.capture.importers.messages import ReadOptions
    from payloads.forensics.examining.findings import check
    from payloads.forensics.scanning import run

    if no_recover and (state or signers):
        raise Misuse("verdicts and signers have to be recovered", field="--no-recover")
    if not no_findings:
        check(policy=policy, baseline=baseline, sql=sql)  # not after hours of scanning
    cluster = None if address is None else _cluster(address, jobs)
    display = _Display()
    options = ReadOptions(
        kind=kind, venue=assume_venue, text_field=text_field, time_field=time_field,
        binary_field=binary_field, keylog=keylog,
    )  # fmt: skip
    try:
        found = run.scan(
            paths, out=out, state=state, jobs=jobs, cluster=cluster, options=options, venues=venues,
            now=None if now == "frame" else instant(now, "now"),
            since=_nanoseconds(since, "since"), until=_nanoseconds(until, "until"), feeds=feeds,
            signers=signers, verdicts=verdicts, recovers=not no_recover, anew=anew,
            report=display.show, say=display.say,
        )  # fmt: skip
    except KeyboardInterrupt:
        display.clear()
        terminal.line("interrupted: the same command goes on from here", err=True)
        raise SystemExit(INTERRUPTED) from None
    display.clear()
    _tell(found, out)
    fails = False if no_findings else _find(found, policy, baseline, sql, cluster)
    _copies(found, as_csv, as_json)
    if not no_page:
        _write_page(found)
    if found.problems or fails:
        raise SystemExit(1)


def _cluster(address: str, jobs: int | None) -> Cluster:
    from payloads.forensics.cluster import Cluster

    return click.get_current_context().with_resource(Cluster(address, jobs))


def _nanoseconds(text: str | None, name: str) -> int | None:
    seconds = instant(text, name)
    return None if seconds is None else seconds * _SECOND


def _find(
    found: Scan,
    policy: str | None,
    baseline: str | None,
    sql: tuple[str, ...],
    cluster: Cluster | None,
) -> bool:
    """Look for findings, and write and show them; whether the policy does not tolerate one."""
    from payloads.forensics.examining.findings import find

    findings = find(found.folder, policy=policy, baseline=baseline, sql=sql, cluster=cluster)
    findings.write(found.folder)
    for line in finding_lines(findings):
        terminal.line(line, later=True)
    return bool(findings.fails)


def _write_page(found: Scan) -> None:
    from payloads.forensics.showing.folder import Folder
    from payloads.forensics.showing.page import write_page

    try:
        with Folder(found.folder) as folder:
            path = write_page(folder, found.folder / "report.html")
    except Misuse as error:  # the library of the charts is an extra
        terminal.line(f"no page: {error}", err=True)
    else:
        terminal.line(f"page: {path}", err=True)


def _copies(found: Scan, as_csv: bool, as_json: bool) -> None:
    from payloads.forensics.scanning.copies import write_copies

    if as_csv:
        write_copies(found, "csv")
    if as_json:
        write_copies(found, "json")


def _tell(found: Scan, out: str) -> None:
    counts: dict[str, Any] = found.counts
    inputs = counts.pop("inputs")
    terminal.line(f"{inputs:,} inputs, {counts['frames']:,} frames: {out}")
    for name, count in counts.items():
        if name != "frames" and count:
            terminal.line(f"  {name:<12} {count:,}")
    for problem in found.problems:
        terminal.line(problem, err=True)


class _Display:
    """The progress on standard error: a bar on a terminal, and lines elsewhere."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._logged = 0.0

    def show(self, progress: Progress) -> None:
        if self._live:
            terminal.status(_bar(progress) + _words(progress))
        elif progress.seconds - self._logged >= _LOGGED_EVERY:
            self._logged = progress.seconds
            terminal.line(_words(progress), err=True)

    def say(self, text: str) -> None:
        self.clear()
        terminal.line(text, err=True)

    def clear(self) -> None:
        if self._live:
            terminal.status()


def _bar(progress: Progress) -> str:
    part = min(1.0, progress.bytes / progress.total) if progress.total else 0.0
    full = int(part * _BAR)
    return f"[{'#' * full}{'.' * (_BAR - full)}] {part:4.0%}  "


def _words(progress: Progress) -> str:
    done, total = _size(progress.bytes), _size(progress.total)
    left = "" if progress.left is None else f", {_duration(progress.left)} left"
    return f"{done} of {total}, {progress.frames:,} frames, {progress.rate:,.0f} a second{left}"


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
