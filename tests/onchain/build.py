"""Fetch and compile what the on-chain lane runs.

`ensure_artifacts()`, or `python -m tests.onchain.build` to do it ahead.

Everything lands in `<repo>/.cache/onchain/` (`PAYLOADS_ONCHAIN_CACHE` moves it): the npm packages,
and one artifacts file keyed by a hash of everything that went into it, so a second run is instant.
Raises `BuildError`, and nothing else, when a tool is missing or one of the two steps fails.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, TypedDict

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("PAYLOADS_ONCHAIN_CACHE") or HERE.parents[1] / ".cache" / "onchain")

# Scripts off: nothing that is installed needs to run anything, so nothing may.
INSTALL = ("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock")
INSTALL_SECONDS = 600
COMPILE_SECONDS = 300


class BuildError(RuntimeError):
    """The contracts could not be fetched or compiled; the message says what to do about it."""


class Artifact(TypedDict):
    abi: list[dict[str, Any]]
    bytecode: str
    runtime: str


def ensure_artifacts() -> dict[str, Artifact]:
    """Artifacts by name: `Decoder`, `Token`, … for ours, `v0.5.0/Verifier`, … for the published."""
    built = CACHE / "artifacts" / f"{_fingerprint()}.json"
    if not built.exists():
        _require("node")
        _install()
        _compile(built)
    artifacts: dict[str, Artifact] = json.loads(built.read_text())
    return artifacts


def _fingerprint() -> str:
    """The packages are pinned, so our own files decide everything that comes out."""
    digest = hashlib.sha256()
    for source in sorted([HERE / "package.json", HERE / "compile.cjs", *HERE.glob("*.sol")]):
        content = source.read_bytes()
        digest.update(f"{source.name}:{len(content)}:".encode() + content)
    return digest.hexdigest()[:16]


def _install() -> None:
    wanted = (HERE / "package.json").read_bytes()
    # Written last, so an install that was cut short is done again.
    done = CACHE / "installed.json"
    if done.exists() and done.read_bytes() == wanted:
        return
    _require("npm")
    CACHE.mkdir(parents=True, exist_ok=True)
    (CACHE / "package.json").write_bytes(wanted)
    # package.json overrides the contracts' own dependency tree with this empty package: none of
    # it is needed to compile llo-feeds, and part of it is not in any registry.
    (CACHE / "nothing").mkdir(exist_ok=True)
    (CACHE / "nothing" / "package.json").write_text('{"name": "nothing", "version": "0.0.0"}\n')
    _say("installing the published contracts and solc")
    _run(INSTALL, cwd=CACHE, seconds=INSTALL_SECONDS)
    done.write_bytes(wanted)


def _compile(built: Path) -> None:
    _say("compiling (about 13 s)")
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        _run(
            ("node", str(HERE / "compile.cjs"), str(HERE), str(CACHE), scratch),
            cwd=HERE,
            seconds=COMPILE_SECONDS,
        )
        built.parent.mkdir(parents=True, exist_ok=True)
        # Renamed into place: two test runs at once never see half a file.
        os.replace(Path(scratch) / "artifacts.json", built)


def _require(tool: str) -> None:
    if shutil.which(tool) is None:
        raise BuildError(f"{tool} is not on the PATH: the on-chain lane needs Node.js 18+ and npm")


def _run(command: tuple[str, ...], *, cwd: Path, seconds: int) -> None:
    try:
        made = subprocess.run(
            command, cwd=cwd, timeout=seconds, capture_output=True, text=True, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{command[0]} was still running after {seconds} s") from error
    if made.returncode:
        raise BuildError(
            f"{' '.join(command[:2])} exited {made.returncode}:\n{made.stdout}{made.stderr}"
        )


def _say(what: str) -> None:
    print(f"onchain: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    for name, artifact in sorted(ensure_artifacts().items()):
        print(f"{name:34} {len(artifact['runtime']) // 2:6} bytes")
