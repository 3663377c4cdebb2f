"""The figures of a scan as lines for a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from payloads.cli import terminal
from payloads.errors import elide
from payloads.forensics.showing.words import connection_words, duration_ns, instant_ns, place_words

_WIDTH = 18
_SHOWN = 12
_COLOURS = {"danger": "red", "warning": "yellow", "info": "blue"}
Figures = dict[str, Any]


def report_lines(figures: Figures) -> Iterator[str]:
    """The whole summary."""
    signer = partial(_signer, judged=figures["answers"]["judged"])
    yield from _section("scan", _scan(figures))
    yield from _section("first bad payload", _first_bad(figures["answers"]))
    if (signed := figures["answers"]["first_signed"]) is not None:
        yield from _section("first bad payload with a signer", _bad(signed, figures["answers"]))
    yield from _section("findings", _findings(figures["findings"]))
    yield from _section("verdicts", _verdicts(figures["verdicts"]))
    yield from _section("feeds", _listed(figures["feeds"], _feed))
    yield from _section("signers", _listed(figures["signers"], signer))
    yield from _section("connections", _listed(figures["connections"], _connection))
    yield from _section("longest silences", map(_silence, figures["silences"][:_SHOWN]))
    yield from _section("came again", _listed(figures["repeats"], _repeat))


def _section(title: str, rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield terminal.style(title, bold=True)
    empty = True
    for name, value in rows:
        empty = False
        yield f"  {terminal.style(name.ljust(_WIDTH), fg='cyan')} {value}"
    if empty:
        yield f"  {terminal.style('none', dim=True)}"


def _listed(part: Figures, row: Any) -> Iterator[tuple[str, str]]:
    """The first rows of a list, and how many more there are."""
    shown = part["list"][:_SHOWN]
    yield from map(row, shown)
    if (more := part["count"] - len(shown)) > 0:
        yield "and so on", f"{more:,} more, in the page and with --json"


def _scan(figures: Figures) -> Iterator[tuple[str, str]]:
    scan, frames, payloads = figures["scan"], figures["frames"], figures["payloads"]
    yield "inputs", f"{scan['inputs']:,} files, {scan['input_bytes'] or 0:,} bytes"
    if scan["complete"] is False:
        yield "incomplete", terminal.style("this scan did not end", fg="red")
    for source in scan["list"]:
        if not source["read"] or source["problems"]:
            said = "; ".join(source["problems"] or []) or "not read to its end"
            yield "  " + elide(source["path"], _WIDTH - 2), elide(said, 200)
    yield "time", f"{instant_ns(frames['first'])} to {instant_ns(frames['last'])}"
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in frames["kinds"].items())
    yield "frames", f"{frames['count']:,}" + (f" ({kinds})" if kinds else "")
    for venue in frames["venues"][:_SHOWN]:
        direction = {"in": "received", "out": "sent"}.get(venue["direction"], "")
        yield f"  {elide(venue['venue'] or 'no venue', 16)}", f"{venue['count']:,} {direction}"
    yield (
        "payloads",
        (
            f"{payloads['count']:,}, {payloads['different']:,} different, "
            f"{payloads['malformed']:,} malformed"
        ),
    )
    for form in payloads["forms"][:_SHOWN]:
        names = " ".join(filter(None, (form["system"], form["form"], form["schema"])))
        yield "", f"{form['count']:,} {names or 'of no known system'}"


def _first_bad(answers: Figures) -> Iterator[tuple[str, str]]:
    bad = answers["first_bad"]
    if bad is None:
        return
    yield "bad payloads", f"{answers['bad']:,} in all; the first:"
    yield from _bad(bad, answers)


def _bad(bad: Figures, answers: Figures) -> Iterator[tuple[str, str]]:
    yield "time", instant_ns(bad["at"])
    yield "place", place_words(bad["place"])
    yield "from", f"{bad['venue'] or 'an unknown venue'}, {connection_words(bad['from'])}"
    yield "feed", elide(", ".join(bad["feeds"]) or "unknown", 200)
    for said in bad["wrong"]:
        yield "wrong", terminal.style(said, fg="red")
    for each in bad["signers"]:
        yield "signed by", f"{each['signer'] or 'no address'}{_member(each, answers['judged'])}"
    if not bad["signers"]:
        yield "signed by", "no signer can be recovered"
    yield "received", _times(bad["times"])
    if bad["times"] > 1:
        for copy in bad["copies"]:
            yield "", f"{instant_ns(copy['at'])}  {place_words(copy['place'])}"
    for silence in bad["silences"]:
        yield "feed's silence", _silence_words(silence)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _member(row: Figures, judged: bool) -> str:
    if row["signer"] is None:
        return f": {row['why']}"
    if not judged:
        return ""
    return f", in config {row['member']}" if row["member"] else ", in no config of the state"


def _silence_words(silence: Figures) -> str:
    if silence["ns"] is None:
        return "unknown: it came once"
    return f"{duration_ns(silence['ns'])} at most, from {instant_ns(silence['began'])}"


def _findings(part: Figures) -> Iterator[tuple[str, str]]:
    for each in part["codes"]:
        colour = _COLOURS.get(each["severity"], "white")
        known = f", {each['known']:,} known" if each["known"] else ""
        severity = terminal.style(each["severity"].ljust(7), fg=colour)
        first = "" if each["first"] is None else f", first {instant_ns(each['first'])}"
        count = f"{_times(each['occurrences'])}{known}{first}"
        yield each["code"], f"{severity}  {count}: {elide(each['example'], 120)}"
    if part["suppressed"]:
        yield "suppressed", f"{part['suppressed']:,} by the policy"


def _verdicts(part: Figures) -> Iterator[tuple[str, str]]:
    if not part["judged"]:
        yield "judged", "none: scan with --state to know what would have passed"
        return
    yield "judged", f"{part['judged']:,}: {part['passed']:,} passed, {part['refused']:,} refused"
    if part["without_verdict"]:
        yield "not judged", f"{part['without_verdict']:,}"
    for each in part["list"][:_SHOWN]:
        error = f" ({each['error']})" if each["error"] else ""
        yield "", f"{each['count']:,} {each['verdict']}{error} under {each['state']}"


def _feed(row: Figures) -> tuple[str, str]:
    words = [f"{row['payloads']:,} payloads"]
    if row["refused"]:
        words.append(terminal.style(f"{row['refused']:,} refused", fg="red"))
    if row["latency_median_ns"] is not None:
        words.append(f"latency {duration_ns(row['latency_median_ns'])}, "
                     f"95 % {duration_ns(row['latency_95_ns'])}, "
                     f"at most {duration_ns(row['latency_most_ns'])}")  # fmt: skip
    if row["silence_ns"]:
        until = instant_ns(row["silence_ended"])
        words.append(f"silent for {duration_ns(row['silence_ns'])} at most, until {until}")
    return elide(row["feed"] or "", _WIDTH), "; ".join(words)


def _signer(row: Figures, judged: bool) -> tuple[str, str]:
    config = f"config {elide(row['network'], 20)}" if row["network"] else row["system"]
    member = ", in no config of the state" if judged and not row["member"] else ""
    return "", (
        f"{row['signer']}  {row['signatures']:,} signatures, {config}{member}, "
        f"{instant_ns(row['first'])} to {instant_ns(row['last'])}"
    )


def _connection(row: Figures) -> tuple[str, str]:
    words = f"{row['frames']:,} frames, {instant_ns(row['first'])} to {instant_ns(row['last'])}"
    unread = f", {row['unread']:,} unread" if row["unread"] else ""
    return row["venue"] or "no venue", f"{elide(connection_words(row), 60)}: {words}{unread}"


def _silence(row: Figures) -> tuple[str, str]:
    words = f"{duration_ns(row['ns'])} from {instant_ns(row['began'])}"
    return row["venue"] or "no venue", f"{words}, {elide(connection_words(row), 60)}"


def _repeat(row: Figures) -> tuple[str, str]:
    feed = elide(row["feed"] or row["system"] or "", 24)
    return elide(row["signed_hash"], _WIDTH), (
        f"{row['times']:,} times over {row['connections']:,} connections, {feed}, "
        f"{instant_ns(row['first'])} to {instant_ns(row['last'])}"
    )
