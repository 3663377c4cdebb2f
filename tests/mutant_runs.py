"""How a mutant is tried: in a fork of this process, with the tests that run the changed line.

Importing takes longer than most tests, so this process imports the libraries that the tests use,
but nothing of `payloads`. A fork then imports `payloads` with one line changed, and runs tests
until one fails. No file is written, so several mutants can be tried at once.

Which tests run which line is recorded first, with `coverage`, test by test. A line that no test
runs cannot be noticed by any.
"""

from __future__ import annotations

import ast
import gc
import importlib
import importlib.machinery
import importlib.util
import json
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NoReturn

import pytest

ROOT = Path(__file__).resolve().parent.parent
# What takes longest to import, apart from the code that is changed.
PRELOADED = (
    "asyncio", "click", "click.testing", "coincurve", "coverage", "cramjam", "Crypto.Hash.keccak",
    "eth_abi.abi", "eth_keys", "hypothesis", "msgspec", "numpy", "pyarrow.compute", "trustme",
    "websockets.asyncio.client", "websockets.asyncio.server",
)  # fmt: skip
# Nothing in these notices a break in a decoder or a verdict sooner than the other tests do: they
# are of sockets, files, chains, processes, limits of memory and time, or read sources and docs.
SKIPPED = (
    "tests/capture", "tests/chain", "tests/cli", "tests/forensics", "tests/fuzz", "tests/interop",
    "tests/live", "tests/machines", "tests/onchain", "tests/simulators", "tests/test_apart.py",
    "tests/test_bounds.py", "tests/conformance/test_page.py", "tests/test_backing_off.py",
    "tests/test_benchmark_page.py", "tests/test_testing_page.py", "tests/test_venues_page.py",
    "tests/test_collected.py", "tests/test_crypto.py", "tests/test_demo.py", "tests/test_docs.py",
    "tests/test_examples.py", "tests/test_memory_limit.py", "tests/test_mutants.py",
    "tests/test_native_files.py", "tests/test_pytest_plugin.py", "tests/test_recover_many.py",
    "tests/test_supply.py", "tests/test_surface.py", "tests/test_work.py", "tests/venues",
)  # fmt: skip
# These find most mutants within a second or two. They also run for a line that was recorded for
# few tests because its result is kept.
FIRST = ("tests/test_vectors.py", "tests/test_raw_calls.py", "tests/test_solidity.py",
         "tests/test_corpus.py", "tests/test_verify.py")  # fmt: skip
# Their kept results are forgotten before each test that is recorded.
PACKAGES = ("payloads.abi", "payloads.chainlink", "payloads.stork", "payloads.verdicts",
            "payloads.arrays", "payloads.columns")  # fmt: skip
# Of the folders that are skipped.
TAKEN = ("tests/cli/test_decode.py", "tests/cli/test_verify.py")
# Left out where the time is short, with the reason. Together they take as long to record as half of
# all others, and no line is run by them alone (all of `tests/test_limits.py` stays, though it is
# slow: it has the only tests of some lines).
HEAVY = {
    "tests/test_properties.py::test_what_is_accepted_encodes_to_the_very_same_bytes":
        "1,000 damaged payloads; test_corpus.py has published ones, test_solidity.py departures",
    "tests/test_properties.py::test_none_and_very_many_assets[None-70000]":
        "70,000 assets; the same test has fewer, and test_limits.py the limit",
    "tests/test_properties.py::test_none_and_very_many_assets[3-70000]":
        "as above",
    "tests/test_properties.py::test_damaged_payloads":
        "any damage; test_vectors.py has recorded ones",
    "tests/test_properties.py::test_every_byte_of_a_broken_payload_is_shown":
        "any damage; test_explained.py shows broken payloads",
    "tests/test_embedded.py::test_calldata_without_payloads_has_none":
        "much of it without a payload; the other tests there have each form",
    "tests/test_vectors.py::test_explanations_name_the_deciding_check":
        "2,300 explanations; test_explained.py has some of each kind",
    "tests/test_strategies.py":
        "what strategies make; the other tests judge it",
    "tests/test_state_files.py::test_a_changed_state_is_read_or_misuse":
        "any change; test_small_rules.py and test_misuse.py have each rule",
    "tests/cli/test_verify.py::test_fetch_without_a_node_says_so_without_the_key":
        "a process that waits for a node",
}  # fmt: skip
OPTIONS = ("-x", "-qq", "--no-header", "--no-summary", "--assert=plain", "-p", "no:cacheprovider",
           "-p", "no:faulthandler", "--rootdir", str(ROOT))  # fmt: skip
# A mutant may loop for ever, or ask for all memory there is; that is noticed, too. It loops for
# ever when its tests take this many times the CPU time that they took when they were recorded, and
# some seconds for the imports: a busy machine makes no mutant slower by that measure.
TIMES_SLOWER, IMPORTS = 5, 20
MEMORY = 4 * 2**30
# Seconds that a test takes at most which only compares constants.
CHEAP = 0.05
# Seconds by the clock after which a mutant that waits without working is given up. It survives.
LONGEST = 3600


@dataclass
class Record:
    """What the unchanged code did: the CPU time of each test, and which test runs which line."""

    seconds: dict[str, float] = field(default_factory=dict)
    # By file and line. The empty name stands for the import.
    lines: dict[str, dict[int, list[str]]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def tests_of(self, path: str, lines: range) -> list[str]:
        """The tests that run one of these lines, cheapest first."""
        of_file = self.lines.get(path, {})
        found = {test for line in lines for test in of_file.get(line, ())}
        if "" in found:  # run when the module is imported, for whatever uses it then
            found = {test for tests in of_file.values() for test in tests} - {""}
            found = found | self._of_constants(found) if found else set(self.seconds)
        return sorted(found & self.seconds.keys(), key=lambda test: (self.seconds[test], test))

    def _of_constants(self, known: set[str]) -> set[str]:
        """Tests beside the known ones, in their files, that only look at what an import made.

        A test that compares a constant with a number runs no line.
        """
        files = {test.partition("::")[0] for test in known}
        busy = {test for lines in self.lines.values() for tests in lines.values() for test in tests}
        idle = {test for test in self.seconds.keys() - busy if self.seconds[test] < CHEAP}
        return {test for test in idle if test.partition("::")[0] in files}

    def without_failed(self) -> Record:
        """The same without the tests that fail with no mutant: they cannot notice any."""
        seconds = {test: time for test, time in self.seconds.items() if test not in self.failed}
        return Record(seconds, self.lines)


def preload() -> None:
    """Import in this process what every fork will use, and nothing of `payloads`.

    Hypothesis calls the entry points of what is installed when it is imported, and `payloads` has
    one: a module that it imports here would stay unchanged in every fork. The plugins of pytest
    that are installed are not loaded: what they break would be taken for a mutant that is noticed.
    """
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.environ["HYPOTHESIS_NO_PLUGINS"] = "1"
    for name in PRELOADED:
        with suppress(ImportError):
            importlib.import_module(name)
    del os.environ["HYPOTHESIS_NO_PLUGINS"]
    if early := [name for name in sys.modules if name.partition(".")[0] == "payloads"]:
        raise RuntimeError(f"imported before a line was changed: {', '.join(early)}")


def register_types() -> None:
    """Do in a fork what Hypothesis's entry point of `payloads` does in a run of pytest."""
    importlib.import_module("payloads._hypothesis").register()


def python_files(targets: Sequence[str]) -> list[Path]:
    """The modules at or below these paths."""
    paths = [ROOT / target for target in targets]
    return [file for path in paths for file in (sorted(path.rglob("*.py")) or [path])]


def test_files() -> list[str]:
    found = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*.py"))
    return [*FIRST, *TAKEN, *(path for path in found if not path.startswith((*SKIPPED, *FIRST)))]


# --- which test runs which line -------------------------------------------------------------------


class Kept:
    """What the library keeps once it is worked out, as generated readers of tables are.

    Each test is recorded as if it was the first that wants it. Else the lines that work it out
    would be those of one test, whatever the others hold about them.
    """

    def __init__(self, packages: Sequence[str]) -> None:
        inside = (*(f"{package}." for package in packages),)
        modules = [each for name, each in sys.modules.items() if f"{name}.".startswith(inside)]
        owners = [
            *modules,
            *(
                each
                for module in modules
                for each in vars(module).values()
                if isinstance(each, type) and each.__module__ == module.__name__
            ),
        ]
        named = [pair for owner in owners for pair in vars(owner).items()]
        caches = {id(each): each.cache_clear for _, each in named if hasattr(each, "cache_clear")}
        self.clear = [*caches.values(), *(each.clear for name, each in named if name == "_MADE")]
        fields = importlib.import_module("payloads.abi.fields")
        self.tables = [each for each in gc.get_objects() if type(each) is fields.Table]

    def forget(self) -> None:
        for clear in self.clear:
            clear()
        for table in self.tables:
            table.read, table.read_many = table._first_read, table._first_read_many


class _Recorder:
    """A plugin that tells coverage which test runs, and keeps the CPU time of each."""

    def __init__(self, measured: Any, kept: Kept) -> None:
        self.measured, self.kept = measured, kept
        self.record = Record()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.kept.forget()
        self.measured.switch_context(item.nodeid)
        begun = time.process_time()
        yield
        self.record.seconds[item.nodeid] = time.process_time() - begun
        self.measured.switch_context("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.record.failed.append(report.nodeid)


def record(
    files: Sequence[str], targets: Sequence[str], to: Path, left_out: Iterable[str] = ()
) -> None:
    """Run these test files, and write which of them ran which line of the targets. For a fork.

    All modules are imported first. Else the lines of a module that is imported late would be those
    of the one test that happens to import it.
    """
    import coverage

    wanted = [f"{ROOT / one}/*" if (ROOT / one).is_dir() else str(ROOT / one) for one in targets]
    measured = coverage.Coverage(data_file=None, include=wanted, config_file=False)
    measured.start()
    measured.switch_context("")
    register_types()
    for path in python_files(targets):
        importlib.import_module(module_name(str(path.relative_to(ROOT))))
    recorder = _Recorder(measured, Kept(PACKAGES))
    deselected = (f"--deselect={test}" for test in left_out)
    pytest.main([*OPTIONS[1:], *deselected, *files], plugins=[recorder])
    measured.stop()
    found, data = recorder.record, measured.get_data()
    for name in data.measured_files():
        by_line = {line: sorted(tests) for line, tests in data.contexts_by_lineno(name).items()}
        found.lines[str(Path(name).relative_to(ROOT))] = by_line
    write(found, to)


def write(found: Record, to: Path) -> None:
    to.write_text(json.dumps(vars(found)), encoding="utf-8")


def merged(files: Sequence[Path]) -> Record:
    whole = Record()
    for file in files:
        part = json.loads(file.read_text(encoding="utf-8"))
        whole.seconds |= part["seconds"]
        whole.failed += part["failed"]
        for path, lines in part["lines"].items():
            into = whole.lines.setdefault(path, {})
            for line, tests in lines.items():
                into[int(line)] = sorted({*into.get(int(line), []), *tests})
    return whole


# --- one mutant -----------------------------------------------------------------------------------


class Changed(importlib.machinery.SourceFileLoader):
    """Imports one module from a changed source."""

    def __init__(self, name: str, path: Path, source: str) -> None:
        super().__init__(name, str(path))
        self._source = source

    def find_spec(
        self, fullname: str, path: Any = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.name:
            return None
        package = [str(Path(self.path).parent)] if self.path.endswith("__init__.py") else None
        return importlib.util.spec_from_file_location(
            fullname, self.path, loader=self, submodule_search_locations=package
        )

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._source, self.path, "exec", dont_inherit=True)


def module_name(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def statement(source: str, line: int) -> range:
    """The lines of the innermost statement there, without the statements inside of it."""
    best = range(line, line + 1)
    size = None
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case):
            continue
        first = getattr(node, "lineno", None) or getattr(node, "pattern", node).lineno
        last = getattr(node, "end_lineno", None) or first
        if body := getattr(node, "body", None):
            last = max(first, body[0].lineno - 1)
        if first <= line <= last and (size is None or last - first < size):
            best, size = range(first, last + 1), last - first
    return best


class _Only:
    """A plugin that keeps the tests that were chosen, in the order in which they were."""

    def __init__(self, chosen: Sequence[str]) -> None:
        self.order = {test: number for number, test in enumerate(chosen)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted(
            (item for item in items if item.nodeid in self.order),
            key=lambda item: self.order[item.nodeid],
        )


def _passes(tests: Sequence[str]) -> bool:
    """Whether all of these tests pass, in this process."""
    files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
    code = pytest.main([*OPTIONS, *files], plugins=[_Only(tests)])
    return code in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)


def stages(found: Sequence[str], known: Record, budget: float) -> list[list[str]]:
    """The tests for a mutant: first from the quick files, then from all, within a budget."""
    chosen: list[str] = []
    total = 0.0
    for test in found:
        total += known.seconds.get(test, 0)
        if total < budget or not chosen:
            chosen.append(test)
    quick = [test for test in chosen if test.startswith(FIRST)]
    rest = [test for test in chosen if not test.startswith(FIRST)]
    cached = [test for test in known.seconds if test.startswith(FIRST) and test not in chosen]
    return [part for part in (quick, rest, cached) if part]


def longest(parts: Sequence[Sequence[str]], known: Record) -> int:
    """Seconds of CPU time after which these tests are taken to loop for ever."""
    usual = sum(known.seconds.get(test, 0) for part in parts for test in part)
    return math.ceil(IMPORTS + TIMES_SLOWER * usual)


def survives(name: str, path: Path, source: str, parts: Sequence[Sequence[str]]) -> bool:
    """Whether all tests pass with this source for this module. For a fork: it imports payloads."""
    sys.meta_path.insert(0, Changed(name, path, source))
    try:
        register_types()
    except Exception:  # the changed module cannot even be imported
        return False
    return all(_passes(part) for part in parts)


def limit(seconds: int) -> None:
    """Let the system end this process after so many seconds of CPU time, and at `MEMORY`."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))


# --- forks ----------------------------------------------------------------------------------------


class Fork:
    """Work in a fork of this process. `answer` is None until it is done.

    Work that takes longer, by the clock, is stopped. Its answer is yes.
    """

    def __init__(self, work: Callable[[], bool], longest: float) -> None:
        self.begun = time.monotonic()
        self._longest, self._stopped = longest, False
        self._child = os.fork()
        if self._child == 0:
            _work(work)

    def answer(self) -> bool | None:
        """The answer, if there is one yet. A child that was killed says no."""
        done, status = os.waitpid(self._child, os.WNOHANG)
        if done:
            self.stop()  # what the tests may have started
            return status == 0 or self._stopped
        if time.monotonic() - self.begun > self._longest:
            self._stopped = True
            self.stop()
        return None

    def stop(self) -> None:
        """End it, and what it started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child, signal.SIGKILL)


def _work(work: Callable[[], bool]) -> NoReturn:
    code = 3
    try:
        os.setpgid(0, 0)
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        code = 0 if work() else 1
    finally:
        os._exit(code)


def in_forks(
    works: Sequence[Callable[[], bool]],
    jobs: int,
    longest: float = LONGEST,
    until: float = math.inf,
) -> Iterator[tuple[int, bool, float]]:
    """Do all of this in forks, so many at once: the number of each, its answer, its seconds.

    At `until`, a time of `time.monotonic`, those that still run are stopped.
    """
    waiting = list(enumerate(works))[::-1]
    running: list[tuple[int, Fork]] = []
    while (waiting or running) and time.monotonic() < until:
        while waiting and len(running) < jobs:
            number, work = waiting.pop()
            running.append((number, Fork(work, longest)))
        for one in list(running):
            number, fork = one
            if (found := fork.answer()) is not None:
                running.remove(one)
                yield number, found, time.monotonic() - fork.begun
        time.sleep(0.02)
    for _, fork in running:
        fork.stop()
