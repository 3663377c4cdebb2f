"""Mutation testing: small breaks of the code, each of which some test of `make test` must notice.

    python -m tests.mutants --sample 40 --seed 7      # 40 breaks, chosen by chance
    python -m tests.mutants --only payloads/abi/solidity.py
    python -m tests.mutants --list                    # every break there is, without running any
    python -m tests.mutants --sample 40 --time 180    # what can be tried in three minutes

A mutant is one change at one place: a comparison, a number, a condition, an operator, a statement
left out. The tests that run that place are run with it until one fails (`tests/mutant_runs.py`).
A mutant that passes them all is a survivor. `tests/mutants.md` lists the survivors that change
nothing a caller can see, with the reason; they do not count.

The goal is that 95 % are noticed. A small sample says little about that, and a survivor in it may
be of code that the change at hand has not touched. So every survivor is printed, and a run fails
only when so many survive as would in one run of 1,000 if 90 % were noticed: 12 of 40. Code of which
70 % is noticed fails every second run, and code of which 60 % is noticed nearly every run.
"""

from __future__ import annotations

import argparse
import ast
import math
import os
import random
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests import mutant_runs
from tests.mutant_runs import ROOT, Record

KNOWN = ROOT / "tests" / "mutants.md"
# What decides a verdict: layouts, the ABI decoder, both systems, the checks.
TARGETS = ("payloads/abi/solidity.py", "payloads/abi/fields.py", "payloads/chainlink",
           "payloads/stork", "payloads/verdicts")  # fmt: skip
# A table of measurements that the on-chain lane makes and holds; the fast tests only read it.
MEASURED = "payloads/chainlink/gas.py"
GOAL = 0.95
# A run of code of which this share is noticed fails so often.
FLOOR, BY_CHANCE = 0.90, 1 / 1000
# Seconds of CPU time of the tests for one mutant, as they took when they were recorded.
BUDGET = 20.0

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr, ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One change: the new text of a stretch of one line, and what it was."""

    path: str
    line: int
    column: int
    end: int
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column + 1}: {self.old}  ->  {self.new}"

    @property
    def key(self) -> str:
        """What names it in `mutants.md`: the changed line. Its number changes with every edit."""
        line = _lines(self.path)[self.line - 1]
        if self.new == "pass":
            return f"{self.path}: without {line.strip()}"
        return f"{self.path}: {self._changed(line).strip()}"

    def source(self) -> str:
        """The whole file with the change in it."""
        lines = list(_lines(self.path))
        lines[self.line - 1] = self._changed(lines[self.line - 1])
        return "".join(lines)

    def _changed(self, line: str) -> str:
        text = line.encode()
        return (text[: self.column] + self.new.encode() + text[self.end :]).decode()


@cache
def _lines(path: str) -> tuple[str, ...]:
    return tuple((ROOT / path).read_text(encoding="utf-8").splitlines(keepends=True))


def mutants_of(path: Path) -> list[Mutant]:
    """Every mutant of a module, in the order of its lines."""
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    name = str(path.relative_to(ROOT))
    lines = [line.encode() for line in source.splitlines()]
    found: dict[tuple[int, int, str], Mutant] = {}
    skipped = {id(part) for node in _without_effect(tree) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        for changed in _changes(node):
            place = changed if hasattr(changed, "lineno") else node
            start, end = _span(place)
            if start is None or end is None or start[0] != end[0]:
                continue
            old = lines[start[0] - 1][start[1] : end[1]].decode()
            new = ast.unparse(changed)
            if old != new:
                key = (start[0], start[1], new)
                found[key] = Mutant(name, start[0], start[1], end[1], old, new)
    return [found[key] for key in sorted(found)]


def _span(node: ast.AST) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    if isinstance(node, ast.expr | ast.stmt) and node.end_lineno and node.end_col_offset:
        return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
    return None, None


# Calls whose numbers say how much of a value is shown, how many results are kept, and how likely a
# form is: only the order of the last counts. See tests/mutants.md.
_WIDTHS, _CACHES, _WEIGHTS = {"elide", "shown"}, {"cache", "lru_cache"}, {"Evidence"}


def _without_effect(tree: ast.Module) -> Iterator[ast.AST]:
    """What no test is owed to. tests/mutants.md has the rules, in this order."""
    for node in ast.walk(tree):
        match node:
            case ast.AnnAssign():
                yield node.annotation
            case ast.Subscript(value=ast.Name(id="Literal")):
                yield node.slice
            case ast.If() if "TYPE_CHECKING" in ast.unparse(node.test):
                yield node
            case ast.Expr(value=ast.Constant()) | ast.JoinedStr() | ast.Assert():
                yield node
            case ast.FunctionDef(name="__repr__" | "__str__"):
                yield node
            case ast.FunctionDef():
                notes = [arg.annotation for arg in ast.walk(node.args) if isinstance(arg, ast.arg)]
                yield from (note for note in (*notes, node.returns) if note)
            case ast.ClassDef():
                yield from node.keywords
            case ast.Call(func=ast.Name(id="zip")):
                yield from (kw for kw in node.keywords if ast.unparse(kw) == "strict=True")
            case ast.Call(func=ast.Name(id="dataclass")):
                yield node
            case ast.Call(func=ast.Attribute(attr="reshape")):
                yield from (arg for arg in node.args if isinstance(arg, ast.UnaryOp))
            case ast.Call(func=ast.Name(id=name)) if name in _WIDTHS | _CACHES:
                yield from (arg for arg in _arguments(node) if isinstance(arg, ast.Constant))
            case ast.Call(func=ast.Name(id=name)) if name in _WEIGHTS:
                yield from node.args[:1]


def _arguments(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def _changes(node: ast.AST) -> Iterator[ast.AST]:
    """The mutants of one node, as nodes that stand where it stood."""
    new: ast.AST
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        if other := _COMPARISONS.get(type(node.ops[0])):
            new = ast.Compare(node.left, [other()], node.comparators)
            yield ast.copy_location(new, node)
    elif isinstance(node, ast.Constant) and type(node.value) is int:
        yield ast.copy_location(ast.Constant(node.value + 1), node)
    elif isinstance(node, ast.Constant) and type(node.value) is bool:
        yield ast.copy_location(ast.Constant(not node.value), node)
    elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        new = ast.BinOp(node.left, _OPERATORS[type(node.op)](), node.right)
        yield ast.copy_location(new, node)
    elif isinstance(node, ast.BoolOp):
        other_op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield ast.copy_location(ast.BoolOp(other_op, node.values), node)
        for value in node.values:
            rest = [part for part in node.values if part is not value]
            new = rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
            yield ast.copy_location(ast.parse(ast.unparse(new), mode="eval").body, node)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield ast.copy_location(ast.parse(ast.unparse(node.operand), mode="eval").body, node)
    elif isinstance(node, ast.IfExp):
        for half in (node.body, node.orelse):
            yield ast.copy_location(ast.parse(ast.unparse(half), mode="eval").body, node)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield ast.copy_location(ast.Pass(), node)
    elif isinstance(node, ast.AugAssign) and type(node.op) in _OPERATORS:
        new = ast.AugAssign(node.target, _OPERATORS[type(node.op)](), node.value)
        yield ast.copy_location(new, node)


def all_mutants(targets: tuple[str, ...]) -> list[Mutant]:
    """The mutants of all modules below these paths."""
    files = [file for file in mutant_runs.python_files(targets) if file != ROOT / MEASURED]
    return [one for file in files for one in mutants_of(file)]


def known_survivors() -> set[str]:
    """The keys of the mutants that `mutants.md` says change nothing a caller can see."""
    return set(re.findall(r"^- `(.+?)`: ", KNOWN.read_text(encoding="utf-8"), re.M))


def survivors_allowed(tried: int) -> int:
    """The most survivors that do not fail a run."""
    rate, left = 1 - FLOOR, 1.0
    for survivors in range(tried + 1):
        if left <= BY_CHANCE:
            return survivors - 1
        left -= math.comb(tried, survivors) * rate**survivors * FLOOR ** (tried - survivors)
    return tried


def main() -> int:
    """Try the mutants, print the survivors, and fail when too many survive."""
    # fmt: off
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--sample", type=int, default=0, help="how many, by chance; 0 for all")
    parser.add_argument("--seed", type=int, default=None, help="the same seed, the same sample")
    parser.add_argument("--only", action="append", metavar="PATH", help="a file or folder")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at once")
    parser.add_argument("--budget", type=float, default=BUDGET, help="seconds of tests a mutant")
    parser.add_argument("--time", type=float, default=math.inf,
                        help="seconds for all of them; slow tests are left out then")
    parser.add_argument("--recorded", type=Path, help="keep there which test runs which line")
    parser.add_argument("--list", action="store_true", help="print the mutants, run nothing")
    # fmt: on
    given = parser.parse_args()
    until = time.monotonic() + given.time
    known = known_survivors()
    made = all_mutants(tuple(given.only or TARGETS))
    mutants = [one for one in made if one.key not in known]
    if not given.only:
        for key in sorted(known - {one.key for one in made}):
            print(f"listed in {KNOWN.name}, but no mutant any more: {key}", file=sys.stderr)
    if given.list:
        print(*mutants, sep="\n")
        return 0
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(10**6)
    if given.sample:
        mutants = random.Random(seed).sample(mutants, min(given.sample, len(mutants)))
    print(f"{len(mutants)} mutants, seed {seed}: recording which test runs which line", flush=True)
    os.environ["HYPOTHESIS_PROFILE"] = "mutants"
    os.chdir(ROOT)
    mutant_runs.preload()
    left_out = () if math.isinf(until) else tuple(mutant_runs.HEAVY)
    recorded = _recorded(given.recorded, given.jobs, until, left_out)
    if recorded is None:
        print("the time was up before it was known which test runs which line: none was tried")
        return 0
    if recorded.failed:
        print("left out, for they fail without any mutant:", *recorded.failed, sep="\n")
    return _try(mutants, recorded.without_failed(), given.jobs, given.budget, until)


def _recorded(
    kept: Path | None, jobs: int, until: float, left_out: tuple[str, ...]
) -> Record | None:
    if kept is not None and kept.exists():
        return mutant_runs.merged([kept])
    begun = time.monotonic()
    files = mutant_runs.test_files()
    count = 2 * jobs  # more than jobs, so that none waits long for another
    with tempfile.TemporaryDirectory() as folder:
        parts = [Path(folder) / f"{number}.json" for number in range(count)]

        def work(number: int) -> Callable[[], bool]:
            def run() -> bool:
                mutant_runs.record(files[number::count], TARGETS, parts[number], left_out)
                return True

            return run

        works = [work(number) for number in range(count)]
        done = [fine for _, fine, _ in mutant_runs.in_forks(works, jobs, math.inf, until)]
        if not all(done):
            raise RuntimeError("the tests could not be recorded")
        if len(done) < count:
            return None
        found = mutant_runs.merged(parts)
    if kept is not None:
        mutant_runs.write(found, kept)
    seconds = time.monotonic() - begun
    print(f"recorded {len(found.seconds)} tests in {seconds:.0f} s", flush=True)
    if left_out:
        print("not recorded, for the time is short:", *left_out, sep="\n", flush=True)
    return found


def _trial(mutant: Mutant, recorded: Record, budget: float) -> Callable[[], bool]:
    """The work of one fork: whether this mutant survives."""
    source = (ROOT / mutant.path).read_text(encoding="utf-8")
    lines = mutant_runs.statement(source, mutant.line)
    found = recorded.tests_of(mutant.path, lines)
    if not found:
        return lambda: True
    parts = mutant_runs.stages(found, recorded, budget)
    name = mutant_runs.module_name(mutant.path)
    seconds = mutant_runs.longest(parts, recorded)

    def survives() -> bool:
        mutant_runs.limit(seconds)
        return mutant_runs.survives(name, ROOT / mutant.path, mutant.source(), parts)

    return survives


def _try(mutants: list[Mutant], recorded: Record, jobs: int, budget: float, until: float) -> int:
    survivors: list[Mutant] = []
    trials = [_trial(mutant, recorded, budget) for mutant in mutants]
    tried = 0
    for number, survived, seconds in mutant_runs.in_forks(trials, jobs, until=until):
        tried += 1
        survivors += [mutants[number]] if survived else []
        word = "SURVIVES" if survived else "noticed"
        print(f"{tried:4} {word:8} {seconds:5.1f} s  {mutants[number]}", flush=True)
    if tried < len(mutants):
        print(f"the time was up: {len(mutants) - tried} of {len(mutants)} were not tried")
    allowed = survivors_allowed(tried)
    caught = 1 - len(survivors) / max(1, tried)
    print(f"{caught:.1%} of {tried} noticed; the goal is {GOAL:.0%}")
    print(f"{len(survivors)} survived; the run fails with more than {allowed}")
    print(*(f"survivor: {mutant}" for mutant in survivors), sep="\n")
    return 0 if len(survivors) <= allowed else 1


if __name__ == "__main__":
    sys.exit(main())
