"""The tables and the verdicts, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from benchmarks.measure import Result, expected, ratio, seconds_more
from benchmarks.page import Run, Table, machine
from benchmarks.rows import CORES, GOALS, SECTIONS, Goal
from payloads.crypto import has_simd, recover_many_by

GROUPS = {
    "recover:one": "one signature",
    "recover:six": "all six",
    "verdict": "(ratio: to its six recoveries)",
}
# Groups in which each row also shows how much longer it takes than this one of them.
FLOORS = {"import": "bare"}
UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))


def duration(seconds: float) -> str:
    for size, name in UNITS:
        if seconds >= size:
            return f"{seconds / size:.3g} {name}"
    return f"{seconds / 1e-9:.3g} ns"


def base_of(results: Sequence[Result]) -> Result | None:
    """What the ratios of a group refer to: ours, or the first that ran where ours did not."""
    return next((result for result in results if result.seconds), None)


def line(result: Result, base: Result, floor: Result | None) -> str:
    label = result.row.label
    if not result.seconds:
        return f"  {'-':>8}  {'-':>8}  {'':>5}  {label}: {result.note}"
    wanted = len(expected(result.row))
    partly = f", {result.fields} of {wanted} fields" if result.fields < wanted else ""
    what = f" [{result.what}{partly}]"
    times = f"{ratio(result, base):7.2f}x  {duration(result.median):>8}  ±{result.spread:3.0%}"
    more = ""
    if floor is not None and floor is not result:
        more = f"  {duration(seconds_more(result, floor))} more than `{floor.row.label}`"
    return f"  {times}  {label}{what}{more}"


def group_lines(group: str, results: Sequence[Result]) -> Iterator[str]:
    base = base_of(results)
    if base is None:
        yield "  nothing ran:"
        yield from (f"    {result.row.label}: {result.note}" for result in results)
        return
    notes = [GROUPS.get(group, "")]
    if base is not results[0]:
        notes.append(f"(ours did not run, so ratios are to: {base.row.label})")
    yield f"  {'ratio':>8}  {'time':>8}  {'':>5}  {' '.join(filter(None, notes))}".rstrip()
    # Fastest first, and those that did not run at the end.
    order = sorted(results, key=lambda r: (not r.seconds, r.median if r.seconds else 0.0))
    ran = {result.row.key: result for result in results if result.seconds}
    floor = ran.get(FLOORS.get(group, ""))
    yield from (line(result, base, floor) for result in order)


def verdict(goal: Goal, by_key: dict[str, Result]) -> tuple[str, bool | None]:
    """The line for one goal; and whether it is met, or None where it was not measured."""

    def ran(key: str | None) -> Result | None:
        result = by_key.get(key or "")
        return result if result is not None and result.seconds else None

    ours = ran(goal.ours)
    over = ours.what.partition(" over ")[2] if ours is not None else ""
    rival, stand_in = ran(goal.rival.format(library=over)), ran(goal.stand_in)
    if goal.cores > CORES:
        return f"not measured  {goal.text}: it takes {goal.cores}", None
    if goal.cores > 1 and ours is not None and ours.windows is not None and not ours.windows.kept:
        return f"not measured  {goal.text}: the second core was busy", None
    if ours is not None and rival is not None and goal.seconds_more is not None:
        more = seconds_more(ours, rival)
        met = more <= goal.seconds_more
        return f"{'met' if met else 'MISSED':12}  {goal.text}: {duration(more)}", met
    if ours is not None and rival is not None:
        times = ratio(rival, ours) if goal.at_most is None else ratio(ours, rival)
        met = times <= goal.at_most if goal.at_most is not None else times >= goal.at_least
        return f"{'met' if met else 'MISSED':12}  {goal.text}: {times:.2f}x", met
    aside = ""
    if ours is not None and stand_in is not None:
        aside = f" ({ratio(stand_in, ours):.2f}x {stand_in.row.label})"
    return f"not measured  {goal.text}{aside}", None


def verdicts(results: Sequence[Result]) -> list[tuple[str, bool | None]]:
    by_key = {result.row.key: result for result in results}
    return [verdict(goal, by_key) for goal in GOALS if goal.ours in by_key]


def text(results: Sequence[Result], rounds: int) -> str:
    lines = [
        f"{machine()}; medians of {rounds} interleaved rounds.",
        "ratio: how many times our time it takes; ±: half the distance between the quartiles.",
    ]
    for section, members in groupby(results, key=lambda result: result.row.section):
        lines += ["", SECTIONS[section]]
        for group, same in groupby(members, key=lambda result: result.row.group):
            lines += group_lines(group, list(same))
    if goals := verdicts(results):
        lines += ["", "goals", *(f"  {said}" for said, _ in goals)]
    return "\n".join(lines)


def record(results: Sequence[Result], rounds: int) -> dict[str, Any]:
    """Everything the table says and the rounds behind it."""
    rows = []
    for _, members in groupby(results, key=lambda result: result.row.group):
        same = list(members)
        base = base_of(same)
        for result in same:
            ran = base is not None and bool(result.seconds)
            rows.append(
                {
                    "key": result.row.key,
                    "group": result.row.group,
                    "label": result.row.label,
                    "what": result.what,
                    "note": result.note,
                    "ratio": ratio(result, base) if ran and base is not None else None,
                    "ratio_to": base.row.key if ran and base is not None else None,
                    "median_seconds": result.median if ran else None,
                    "seconds": result.seconds,
                    "times_per_round": result.turns,
                    "fields": result.fields,
                }
            )
    goals = [{"text": said, "met": met} for said, met in verdicts(results)]
    return {"machine": machine(), "rounds": rounds, "rows": rows, "goals": goals}


def tables(results: Sequence[Result], rounds: int, run: Run) -> dict[str, Table]:
    """A table for each group that ran: for docs/performance.md. Those with the wheel say so."""
    found, which = {}, "-simd" if has_simd() else ""
    how = run.how(f"medians of {rounds} interleaved rounds", recover_many_by())
    for group, members in groupby(results, key=lambda result: result.row.group):
        same = [result for result in members if result.seconds]
        if same:
            found[group.replace(":", "-") + which] = _table(group, same, how)
    return found


def _table(group: str, results: Sequence[Result], how: str) -> Table:
    base = results[0]
    floor = {result.row.key: result for result in results}.get(FLOORS.get(group, ""))
    columns = [SECTIONS[base.row.section], "ratio", "time"]
    if floor is not None:
        columns.append(f"more than `{floor.row.label}`")
    rows = []
    for result in sorted(results, key=lambda result: result.median):
        wanted = len(expected(result.row))
        partly = f" ({result.fields} of {wanted} fields)" if result.fields < wanted else ""
        label = f"**{result.row.label}**" if result is base else result.row.label
        cells = [label + partly, f"{ratio(result, base):.2f}", duration(result.median)]
        if floor is not None:
            cells.append("" if result is floor else duration(seconds_more(result, floor)))
        rows.append(cells)
    notes = [" ".join(said.split()) for said, _ in verdicts(results)]
    if base.windows is not None:
        notes.append(f"two cores: {base.windows.which}")
    return Table(columns, rows, how, notes)
