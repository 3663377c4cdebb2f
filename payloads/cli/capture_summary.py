"""The summary of `payloads capture`, as lines for a person."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import click

from payloads.cli import show
from payloads.errors import elide
from payloads.venues.common.session import Missing

_WIDTH = 24
_CHANNELS_SHOWN = 8
_FILES_SHOWN = 20


def summary_lines(record: dict[str, Any]) -> Iterable[str]:
    """The lines of a summary, as `Progress.summary` returns it."""
    yield click.style("capture", bold=True)
    for name, value in _rows(record):
        styled = click.style(show.printable(name).ljust(_WIDTH), fg="cyan")
        yield f"  {styled} {show.printable(value)}"


def _rows(record: dict[str, Any]) -> Iterable[tuple[str, str]]:
    gaps = record["gaps"]
    yield "time", f"{record['seconds']:,.1f} s, {record['ended']}"
    yield "messages", f"{record['messages']:,} ({record['per_second']:,.0f} a second)"
    yield "bytes", f"{record['message_bytes']:,} in {record['file_bytes']:,} on disk"
    yield "connections", f"{record['opened']:,} opened of {record['dials']:,} dialled"
    lost = "; not connected at the end" if record["lost_at_the_end"] else ""
    yield "gaps", (f"{len(gaps):,}, {sum(gaps):.1f} s in all" if gaps else "none") + lost
    if record["backfilled"]:
        yield "backfilled", f"{record['backfilled']:,} reports by REST"
    if record["duplicates"]:
        yield "duplicates", f"{record['duplicates']:,}, kept in the capture"
    yield "broken", f"{record['broken']:,}"
    if record["unknown"]:
        yield "unknown", f"{record['unknown']:,} messages of no kind that is known"
    refused = ", ".join(f"{count}× {code}" for code, count in record["refusals"].items())
    yield "refused", refused or "never"
    never, refusals = record["never_came"], record["refused"]
    for name, labels in (("will not come", refusals.keys() - never), ("never came", never)):
        if found := {label: refusals[label] for label in refusals if label in labels}:
            yield name, refused_words(found)
    if record["not_waited_for"]:
        yield "not waited for", elide(", ".join(record["not_waited_for"]), 300)
    if record["redacted"]:
        yield "redacted", f"credentials in {record['redacted']:,} of the messages"
    if record["held_up"]:
        yield "held up", f"{record['held_up']:,} times by the disk or this machine"
    for name, count in list(record["channels"].items())[:_CHANNELS_SHOWN]:
        yield f"  {elide(name, 20)}", f"{count:,}"
    more = len(record["channels"]) - _CHANNELS_SHOWN
    if more > 0:
        yield "  and so on", f"{more:,} more, with --json"
    for name in record["files"][:_FILES_SHOWN]:
        yield "file", name
    if len(record["files"]) > _FILES_SHOWN:
        yield "and so on", f"{len(record['files']) - _FILES_SHOWN:,} more files"


def missing_words(missing: Missing, now: int) -> str:
    """Why something that was asked for is not there, and since when it was waited for."""
    if not missing.asked_at:
        return missing.code
    at = f"{datetime.fromtimestamp(missing.asked_at // 10**9, UTC):%Y-%m-%dT%H:%M:%SZ}"
    seconds = (now - missing.asked_at) / 1e9
    return f"{missing.code}: asked for at {at}, {seconds:.1f} s before the end"


def refused_words(refused: dict[str, str]) -> str:
    """Refused subscriptions, grouped by the venue's reason."""
    by_reason: dict[str, list[str]] = {}
    for subscription, reason in refused.items():
        by_reason.setdefault(reason, []).append(subscription)
    groups = (f"{', '.join(names)} ({reason})" for reason, names in by_reason.items())
    return elide("; ".join(groups), 300)
