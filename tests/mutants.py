"""Mutation testing: small breaks of the code, each of which some test of `make test` must notice.

    python -m tests.mutants --sample 40 --seed 7      # 40 breaks, chosen by chance
    python -m tests.mutants --only payloads/abi/solidity.py
    python -m tests.mutants --list                    # every break there is, without running any

A mutant is one change at one place: a comparison, a number, a condition, an operator, a statement
left out. It is written into a copy of the repository, and the tests run there until the first
failure. A mutant that passes them all is a survivor. `tests/mutants.md` lists the survivors that
change nothing a caller can see, with the reason; they do not count.
"""

from __future__ import annotations

import argparse
import ast
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KNOWN = ROOT / "tests" / "mutants.md"
# What decides a verdict: layouts, the ABI decoder, both systems, the checks.
TARGETS = ("payloads/abi/solidity.py", "payloads/abi/fields.py", "payloads/chainlink",
           "payloads/stork", "payloads/verdicts")  # fmt: skip
# A table of measurements that the on-chain lane makes and holds; the fast tests only read it.
MEASURED = "payloads/chainlink/gas.py"
# These find most mutants within a second or two; the other tests run after them.
FIRST = ("tests/test_vectors.py", "tests/test_raw_calls.py", "tests/test_solidity.py",
         "tests/test_corpus.py", "tests/test_verify.py")  # fmt: skip
# Nothing in these folders can notice a break in a pure decoder sooner than the tests above do.
SKIPPED = ("tests/simulators", "tests/live", "tests/venues", "tests/interop", "tests/onchain")
GOAL = 0.95
# A mutant may loop for ever; that is noticed, too.
LONGEST = 600

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
        """What names it in `mutants.md`: no line number, which any edit would change."""
        return f"{self.path}: {self.old} -> {self.new}"

    def apply(self, folder: Path) -> None:
        path = folder / self.path
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        text = lines[self.line - 1].encode()
        lines[self.line - 1] = (text[: self.column] + self.new.encode() + text[self.end :]).decode()
        path.write_text("".join(lines), encoding="utf-8")


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


def _without_effect(tree: ast.Module) -> Iterator[ast.AST]:
    """Annotations, docstrings, messages and type-checking blocks: no test is owed to those."""
    for node in ast.walk(tree):
        match node:
            case ast.AnnAssign():
                yield node.annotation
            case ast.FunctionDef(name="__repr__" | "__str__"):
                yield node
            case ast.FunctionDef():
                yield from (node.args, *([node.returns] if node.returns else []))
            case ast.ClassDef():
                yield from node.keywords
            case ast.Expr(value=ast.Constant()) | ast.JoinedStr() | ast.Assert():
                yield node
            case ast.If() if "TYPE_CHECKING" in ast.unparse(node.test):
                yield node


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
    files: list[Path] = []
    for target in targets:
        path = ROOT / target
        files += sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return [one for file in files if file != ROOT / MEASURED for one in mutants_of(file)]


def known_survivors() -> set[str]:
    """The keys of the mutants that `mutants.md` says change nothing a caller can see."""
    return set(re.findall(r"^- `(.+?)`: ", KNOWN.read_text(encoding="utf-8"), re.M))


class Copy:
    """A copy of the repository in which mutants are tried, one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("payloads", "tests", "fixtures", "docs"):
            ignore = shutil.ignore_patterns("__pycache__", ".cache", "node_modules")
            shutil.copytree(ROOT / name, folder / name, ignore=ignore)
        for name in ("pyproject.toml", "README.md", "CHANGELOG.md"):
            shutil.copy(ROOT / name, folder / name)
        rest = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*.py"))
        # The surface test reads this repository's files, not what they do.
        skipped = (*FIRST, "tests/test_surface.py", "tests/test_docs.py")
        self._steps = [
            list(FIRST),
            [path for path in rest if not path.startswith(SKIPPED) and path not in skipped],
        ]

    def passes(self) -> bool:
        """Whether every test passes here as things stand."""
        return all(self._run(files) for files in self._steps)

    def _run(self, files: list[str]) -> bool:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *files]
        try:
            run = subprocess.run(
                command, cwd=self.folder, capture_output=True, timeout=LONGEST, check=False
            )
        except subprocess.TimeoutExpired:
            return False
        return run.returncode == 0

    def survives(self, mutant: Mutant) -> bool:
        original = (self.folder / mutant.path).read_bytes()
        mutant.apply(self.folder)
        try:
            return self.passes()
        finally:
            (self.folder / mutant.path).write_bytes(original)


def main() -> int:
    """Try the mutants, print the survivors, and fail when too many survive."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--sample", type=int, default=0, help="how many, by chance; 0 for all")
    parser.add_argument("--seed", type=int, default=None, help="the same seed, the same sample")
    parser.add_argument("--only", action="append", metavar="PATH", help="a file or folder")
    parser.add_argument("--list", action="store_true", help="print the mutants, run nothing")
    given = parser.parse_args()
    known = known_survivors()
    mutants = [one for one in all_mutants(tuple(given.only or TARGETS)) if one.key not in known]
    if given.list:
        print(*mutants, sep="\n")
        return 0
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(10**6)
    if given.sample:
        mutants = random.Random(seed).sample(mutants, min(given.sample, len(mutants)))
    print(f"{len(mutants)} mutants, seed {seed}", flush=True)
    return _try(mutants)


def _try(mutants: list[Mutant]) -> int:
    survivors: list[Mutant] = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Copy(Path(folder) / "copy")
        if not copy.passes():
            print("the tests fail without any mutant", file=sys.stderr)
            return 2
        for number, mutant in enumerate(mutants, 1):
            begun = time.monotonic()
            survived = copy.survives(mutant)
            survivors += [mutant] if survived else []
            word = "SURVIVES" if survived else "noticed"
            print(f"{number:4} {word:8} {time.monotonic() - begun:5.1f} s  {mutant}", flush=True)
    caught = 1 - len(survivors) / len(mutants)
    print(f"{caught:.1%} of {len(mutants)} noticed; the goal is {GOAL:.0%}")
    print(*(f"survivor: {mutant}" for mutant in survivors), sep="\n")
    return 0 if caught >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
