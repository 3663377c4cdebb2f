"""`python -m benchmarks`: measure, print the tables, say whether the goals are met."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import benchmarks
from benchmarks import page, report
from benchmarks.kits import say
from benchmarks.measure import Result, measure_group
from benchmarks.rows import SECTIONS, Row, all_rows

# (rounds, seconds of work in each row's turn)
FULL, QUICK = (9, 0.15), (3, 0.03)


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=benchmarks.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", choices=list(SECTIONS), action="append", help="one table")
    parser.add_argument("--rounds", type=int, help=f"default {FULL[0]}; with --quick {QUICK[0]}")
    parser.add_argument("--quick", action="store_true", help="short turns: a look, not a result")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round there")
    parser.add_argument("--save", action="store_true", help="write docs/performance.md, too")
    parser.add_argument("--check", action="store_true", help="exit 1 when a goal is missed")
    parser.add_argument(
        "--go-sdk",
        metavar="VERSION",
        help="measure the vendor's Go module at this version (its proxy must serve it)",
    )
    options = parser.parse_args(argv)
    if options.rounds is not None and options.rounds < 1:
        parser.error("--rounds must be at least 1")
    return options


def chosen(options: argparse.Namespace) -> list[Row]:
    rows = all_rows(options.go_sdk)
    return [row for row in rows if options.only is None or row.section in options.only]


def measure(rows: Sequence[Row], rounds: int, target: float) -> list[Result]:
    results: list[Result] = []
    for group, members in groupby(rows, key=lambda row: row.group):
        say(f"benchmarks: {group} ...")
        results += measure_group(list(members), rounds, target, two_cores=group == "bulk")
    return results


def main(argv: Sequence[str] | None = None) -> int:
    options = arguments(argv)
    rounds, target = QUICK if options.quick else FULL
    rounds = options.rounds or rounds
    run = page.Run()
    results = measure(chosen(options), rounds, target)
    print(report.text(results, rounds))
    if options.json is not None:
        text = json.dumps(report.record(results, rounds), indent=1, ensure_ascii=False)
        options.json.write_text(text + "\n", encoding="utf-8")
    if options.save:
        page.save(report.tables(results, rounds, run))
    missed = any(met is False for _, met in report.verdicts(results))
    wrong = any(result.wrong for result in results)
    return 1 if wrong or (options.check and missed) else 0


if __name__ == "__main__":
    sys.exit(main())
