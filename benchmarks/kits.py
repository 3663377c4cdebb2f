"""What each runner needs, and how to get it: one small class for each kind of rival.

A kit's `prepare` installs what is missing and answers with the command to start. It raises
`Missing` with a reason for the table when this machine cannot have it. Everything lands under
`.cache/bench/`; a marker file that holds the pinned versions tells a finished installation from
one that was cut short or pinned otherwise.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
CACHE = ROOT / ".cache" / "bench"
INPUTS = HERE / "inputs.json"
RUNNERS = HERE / "runners"
# The environment in which processes do without payloads-simd.
_PATH = [str(HERE / "without"), *filter(None, [os.environ.get("PYTHONPATH")])]
WITHOUT = {"PYTHONPATH": os.pathsep.join(_PATH)}
INSTALL_SECONDS = 900


class Missing(Exception):
    """This machine does not have, or could not install, what a row needs."""


# What to start, from the root of the repository.
Command = Sequence[str]


class Kit(Protocol):
    def prepare(self) -> Command: ...


def module(python: str | Path, name: str, *arguments: str | Path) -> Command:
    """A runner of ours, under some Python."""
    return [str(python), "-m", f"benchmarks.runners.{name}", *map(str, arguments)]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def tool(name: str) -> str:
    """The path of a program, or `Missing`."""
    path = shutil.which(name)
    if path is None:
        raise Missing(f"not on this machine: no `{name}`")
    return path


def python_of(home: Path) -> Path:
    windows = home / "Scripts" / "python.exe"
    return windows if os.name == "nt" else home / "bin" / "python"


def run(arguments: Sequence[str | Path], home: Path, **environment: str) -> None:
    """Run one step of an installation; its last line of complaint becomes the reason."""
    try:
        done = subprocess.run(
            [str(argument) for argument in arguments],
            cwd=home,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"could not be installed: {type(error).__name__}") from error
    if done.returncode:
        say(done.stderr[-2000:])
        raise Missing(f"could not be installed: `{Path(arguments[0]).name}` failed, see above")


def once(home: Path, name: str, pins: str, install: Callable[[], None]) -> None:
    """Call `install` unless `home` says that it was done with these very pins."""
    marker = home / f"{name}.installed"
    if marker.is_file() and marker.read_text(encoding="utf-8") == pins:
        return
    say(f"benchmarks: installing {pins.splitlines()[0]} ...")
    home.mkdir(parents=True, exist_ok=True)
    install()
    marker.write_text(pins, encoding="utf-8")


def fingerprint(*paths: Path) -> str:
    """Changes with the contents, so that an edited runner is built anew."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:16]


def report_hex() -> str:
    return str(json.loads(INPUTS.read_text(encoding="utf-8"))["full_report"])


@dataclass(frozen=True)
class Ours:
    """This library, in the environment that runs the benchmark."""

    case: str

    def prepare(self) -> Command:
        return module(sys.executable, "ours", self.case)


def cores() -> int:
    """How many cores this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class Pip:
    """Python packages at pinned versions, in an environment of the benchmark's own."""

    pins: tuple[str, ...]
    case: str
    venv: str = "python"

    def install(self) -> Path:
        home = CACHE / f"{self.venv}-{sys.version_info.major}.{sys.version_info.minor}"
        python = python_of(home)
        if not python.exists():
            CACHE.mkdir(parents=True, exist_ok=True)
            say(f"benchmarks: making the environment {home.name} ...")
            run([sys.executable, "-m", "venv", home], CACHE)
        # Wheels only: a rival that needs a compiler here would need one at its users' too.
        pip: list[str | Path] = [
            python,
            "-m",
            "pip",
            "install",
            "-q",
            "--only-binary=:all:",
            *self.pins,
        ]
        once(home, self.pins[0], "\n".join(self.pins), lambda: run(pip, home))
        return python

    def prepare(self) -> Command:
        return module(self.install(), "python_rivals", self.case)


@dataclass(frozen=True)
class Import:
    """A fresh interpreter that is told `statement`: in a package's environment, or in ours."""

    statement: str
    distribution: str = ""
    package: Pip | None = None

    def prepare(self) -> Command:
        python = self.package.install() if self.package else sys.executable
        whose = [self.distribution] if self.distribution else []
        return module(python, "imports", self.statement, *whose)


@dataclass(frozen=True)
class Floor:
    """A loop in C over the shared object of an installed Python package."""

    package: Pip
    name: str
    count: str

    def prepare(self) -> Command:
        compiler, source = tool("cc"), HERE / "floor" / "recover_loop.c"
        python = self.package.install()
        home = CACHE / "floor"
        loop = home / "recover_loop.so"
        options: list[str | Path] = ["-O2", "-shared", "-fPIC", "-o", loop, source]
        options += ["-ldl"] if sys.platform == "linux" else []
        pins = f"recover_loop.c\n{fingerprint(source)}"
        once(home, "floor", pins, lambda: run([compiler, *options], home))
        return module(python, "floor", loop, self.name, self.count)


@dataclass(frozen=True)
class Npm:
    """One npm package, its scripts never run."""

    pin: str

    def prepare(self) -> Command:
        node, npm = tool("node"), tool("npm")
        home = CACHE / "npm"
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"]

        def install() -> None:
            (home / "package.json").write_text('{"private": true}\n', encoding="utf-8")
            run([npm, "install", *quiet, self.pin], home)

        once(home, "npm", self.pin, install)
        return [node, str(RUNNERS / "sdk.cjs"), str(INPUTS), str(home)]


@dataclass(frozen=True)
class Go:
    """One Go module, built with our runner; `tag` chooses the decoder's file."""

    module: str
    version: str | None
    tag: str
    what: str

    def prepare(self) -> Command:
        go = tool("go")
        if self.version is None:
            raise Missing("not asked for: name a version with --go-sdk")
        home = CACHE / f"go-{self.tag}"
        sources = sorted((RUNNERS / "go").glob("*.go"))
        pins = f"{self.module}@{self.version}\n{fingerprint(*sources)}"

        def install() -> None:
            for source in sources:
                shutil.copy(source, home / source.name)
            (home / "go.mod").write_text("module bench\n\ngo 1.24\n", encoding="utf-8")
            # The Go that is here or none, and no look at the repository this cache lies in.
            settings = {"GOTOOLCHAIN": "local", "GOFLAGS": "-buildvcs=false"}
            run([go, "get", f"{self.module}@{self.version}"], home, **settings)
            run([go, "build", "-tags", self.tag, "-o", "bench", "."], home, **settings)

        once(home, "go", pins, install)
        name = f"{self.what} {self.version}"
        return [str(home / "bench"), report_hex(), name]


@dataclass(frozen=True)
class Cargo:
    """The vendor's crate, built for release with our runner."""

    crate: str
    version: str

    def manifest(self) -> str:
        return (
            '[package]\nname = "bench"\nversion = "0.0.0"\nedition = "2021"\n\n'
            '[[bin]]\nname = "bench"\npath = "main.rs"\n\n'
            f'[dependencies]\nhex = "0.4"\n{self.crate} = "={self.version}"\n\n[workspace]\n'
        )

    def prepare(self) -> Command:
        cargo, source = tool("cargo"), RUNNERS / "rust" / "main.rs"
        home = CACHE / "cargo"
        pins = f"{self.crate}@{self.version}\n{fingerprint(source)}"

        def install() -> None:
            shutil.copy(source, home / "main.rs")
            (home / "Cargo.toml").write_text(self.manifest(), encoding="utf-8")
            target = str(home / "target")
            run([cargo, "build", "--release", "--quiet"], home, CARGO_TARGET_DIR=target)

        once(home, "cargo", pins, install)
        binary = home / "target" / "release" / "bench"
        return [str(binary), report_hex(), self.version]
