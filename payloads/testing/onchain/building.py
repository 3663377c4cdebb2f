"""Fetch the published contracts, and compile them with ours: once, into a cache.

The cache is the folder `payloads/onchain` in the user's cache folder, or the folder that the
variable `PAYLOADS_ONCHAIN_CACHE` names. It has the packages of npm, and a file of artifacts for
each set of sources, named by a hash of all that went into it, so a second run is instant. One
process at a time fetches and compiles, and others wait for it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypedDict

from payloads.errors import Misuse

CONTRACTS = Path(__file__).resolve().parent / "contracts"
VARIABLE = "PAYLOADS_ONCHAIN_CACHE"

# Scripts off: nothing that is installed needs to run anything, so nothing may. Without a network,
# npm would try again for minutes.
_INSTALL = (
    "npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock",
    "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000",
)  # fmt: skip
_INSTALL_SECONDS = 600
_COMPILE_SECONDS = 300
_SHOWN = 1_500


class BuildError(Misuse):
    """The contracts could not be fetched or compiled; the message says what to do about it."""


class MissingTool(BuildError):
    """A program or a package without which there is no EVM here is not installed."""


class Artifact(TypedDict):
    """A compiled contract; `bytecode` creates it, `runtime` is the code that lies on the chain."""

    abi: list[dict[str, Any]]
    bytecode: str
    runtime: str


def cache_folder() -> Path:
    """The folder for everything that is fetched and compiled."""
    if named := os.environ.get(VARIABLE):
        return Path(named).resolve()
    # By its specification, a relative path there is to be ignored.
    base = Path(os.environ.get("XDG_CACHE_HOME") or "")
    return (base if base.is_absolute() else Path.home() / ".cache") / "payloads" / "onchain"


def artifacts(sources: Path = CONTRACTS) -> dict[str, Artifact]:
    """Artifacts by name: `Token` for `Token.sol`, `v0.5.0/Verifier` for a published contract.

    `sources` is a folder of contracts, perhaps with a `published.json` that names contracts.
    `MissingTool` where Node.js or npm is needed and missing, `BuildError` where a step fails.
    """
    folder = cache_folder()
    try:
        return _artifacts(sources, folder)
    except OSError as error:
        expected = f"a folder to write to; {VARIABLE} names another"
        raise BuildError(f"no cache in {folder}: {error.strerror}", expected=expected) from None


@cache
def _artifacts(sources: Path, folder: Path) -> dict[str, Artifact]:
    built = folder / "artifacts" / f"{_fingerprint(sources)}.json"
    if not built.exists():
        require("node")
        with _alone(folder):
            if not built.exists():
                install(CONTRACTS / "package.json", folder)
                _compile(sources, folder, built)
    found: dict[str, Artifact] = json.loads(built.read_text(encoding="utf-8"))
    return found


def _fingerprint(sources: Path) -> str:
    """The packages are pinned, so our own files decide everything that comes out."""
    digest = hashlib.sha256()
    fixed = (CONTRACTS / "package.json", CONTRACTS / "compile.cjs")
    for source in (*fixed, *sorted(sources.glob("*.sol")), *sources.glob("published.json")):
        content = source.read_bytes()
        digest.update(f"{source.name}:{len(content)}:".encode() + content)
    return digest.hexdigest()[:16]


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the cache's lock. Without locks (Windows) two processes may both compile, which is
    wasteful and no more: results are renamed into place."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as file:
        try:
            import fcntl
        except ImportError:
            pass
        else:
            fcntl.flock(file, fcntl.LOCK_EX)  # until the file is closed
        yield


def install(wanted: Path, folder: Path) -> None:
    """Install the packages that a `package.json` names into a folder, unless they are there."""
    content = wanted.read_bytes()
    # Written last, so an install that was cut short is done again.
    done = folder / "installed.json"
    if done.exists() and done.read_bytes() == content:
        return
    require("npm")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_bytes(content)
    # package.json overrides the contracts' own dependency tree with this empty package: none of
    # it is needed to compile llo-feeds, and part of it is not in any registry.
    (folder / "nothing").mkdir(exist_ok=True)
    (folder / "nothing" / "package.json").write_text('{"name": "nothing", "version": "0.0.0"}\n')
    _run(_INSTALL, "the published contracts could not be fetched (is there a network?)",
         cwd=folder, seconds=_INSTALL_SECONDS)  # fmt: skip
    done.write_bytes(content)


def _compile(sources: Path, folder: Path, built: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        command = ("node", str(CONTRACTS / "compile.cjs"), str(sources), str(folder), scratch)
        _run(command, "the contracts could not be compiled", cwd=folder, seconds=_COMPILE_SECONDS)
        built.parent.mkdir(parents=True, exist_ok=True)
        # Renamed into place: another process never sees half a file.
        os.replace(Path(scratch) / "artifacts.json", built)


def require(tool: str) -> None:
    """Refuse to go on without a program on the PATH."""
    if shutil.which(tool) is None:
        raise MissingTool(f"{tool} is not on the PATH: the contracts are fetched and compiled by "
                          "Node.js 18 or newer with npm, once; install these")  # fmt: skip


def _run(command: tuple[str, ...], failed: str, *, cwd: Path, seconds: int) -> None:
    program = shutil.which(command[0]) or command[0]  # npm is npm.cmd on Windows
    try:
        made = subprocess.run(
            (program, *command[1:]), cwd=cwd, timeout=seconds, capture_output=True, text=True,
            errors="replace", stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise BuildError(f"{failed}: {command[0]} was still running after {seconds} s") from None
    if made.returncode:
        # An address of a registry may have a password in it.
        said = re.sub(r"//[^/@\s]+@", "//…@", made.stderr + made.stdout).strip()[-_SHOWN:]
        raise BuildError(f"{failed}: {command[0]} exited {made.returncode}\n{said}")
