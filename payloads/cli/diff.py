"""`payloads diff`: what one vantage point received and another did not, and which was first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from payloads.cli import terminal
from payloads.cli.report import scanned
from payloads.cli.run import Run, guarded, output_options

_WIDTH = 18


@click.command(short_help="Compare two captures by what was signed.")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@output_options
@guarded
def diff(first: str, second: str, as_json: bool, colour: str) -> None:
    """Compare what two vantage points received: by signed hash, with latencies.

    A and B are folders of scans, captures or folders of captures. Listed first is what came while
    both were listening. The exit code is 1 if a side lacks something of that.

    \b
    Examples:
      payloads diff frankfurt.jsonl.zst tokyo.jsonl.zst
      payloads diff --json scanned-a scanned-b | jq .both
    """
    from payloads.forensics.showing import diff as comparing

    run = Run(as_json, colour)
    with scanned((first,), found=False) as (one, _), scanned((second,), found=False) as (other, _):
        comparing.checked(one, other)
        figures = comparing.diff(one, other)
    names = {"a": first, "b": second}
    if as_json:
        run.record(figures | {"names": names})
    else:
        run.lines(_lines(figures, names))
    if not comparing.same(figures):
        raise SystemExit(1)


def _lines(figures: dict[str, Any], names: dict[str, str]) -> Iterator[str]:
    from payloads.errors import elide
    from payloads.forensics.showing.words import duration_ns, instant_ns, place_words

    def row(name: str, value: str) -> str:
        return f"  {terminal.style(name.ljust(_WIDTH), fg='cyan')} {value}"

    for side in ("a", "b"):
        found = figures[side]
        yield terminal.style(f"{side.upper()}: {names[side]}", bold=True)
        different, received = found["different"], found["payloads"]
        yield row("received", f"{different:,} different payloads, {received:,} in all")
        yield row("time", f"{instant_ns(found['first'])} to {instant_ns(found['last'])}")
        within = f"{found['alone_in_the_overlap']:,} of them while both listened"
        yield row("only here", f"{found['alone']:,}, {within}")
        for each in found["list"]:
            feed = elide(each["feed"] or each["system"] or "", 20)
            name = f"{feed}  {elide(each['signed_hash'], 20)}"
            yield row("", f"{instant_ns(each['at'])}  {name}  {place_words(each['place'])}")
        if found["alone"] > len(found["list"]):
            yield row("", f"and {found['alone'] - len(found['list']):,} more")
    both = figures["both"]
    yield terminal.style("received by both", bold=True)
    yield row("payloads", f"{both['count']:,}")
    if not both["count"]:
        return
    yield row("first in A", f"{both['a_first']:,}{_ahead(both['ahead']['a'], duration_ns)}")
    yield row("first in B", f"{both['b_first']:,}{_ahead(both['ahead']['b'], duration_ns)}")
    yield row("B after A", f"{duration_ns(both['50'])} (5 % {duration_ns(both['5'])}, 95 % "
                           f"{duration_ns(both['95'])}, {duration_ns(both['least'])} to "
                           f"{duration_ns(both['most'])})")  # fmt: skip
    for each in figures["feeds"]["list"]:
        feed = elide(each["feed"] or each["system"] or "", _WIDTH - 2)
        yield row("  " + feed, f"{each['count']:,}: B after A {duration_ns(each['50'])}, "
                               f"95 % {duration_ns(each['95'])}")  # fmt: skip
    if (more := figures["feeds"]["count"] - len(figures["feeds"]["list"])) > 0:
        yield row("", f"and {more:,} more feeds")


def _ahead(found: dict[str, Any], words: Any) -> str:
    if found["50"] is None:
        return ""
    parts = (f"{words(found['50'])}", f"95 % {words(found['95'])}", f"99 % {words(found['99'])}")
    return f", ahead by {', '.join(parts)}, at most {words(found['most'])}"
