"""Other decoders over the corpus, each installed where its toolchain is: `python -m
tests.conformance.rivals` runs them all and writes `results.json` and `docs/conformance.md`.

Everything that is installed lands in `.cache/conformance/`; nothing of others is kept here.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.kits import Missing, fingerprint, once, python_of, run, say, tool
from benchmarks.rows import CRATE, ETH_ABI, GO_ETHEREUM, TYPESCRIPT
from payloads.conformance import Answer, corpus, read_answers

ROOT = Path(__file__).resolve().parents[2]
RUNNERS = Path(__file__).resolve().parent / "runners"
CACHE = ROOT / ".cache" / "conformance"
ETHERS = "ethers@6.17.0"
SECONDS = 600
Command = Sequence[str | Path]


def _python(mode: str) -> Command:
    home = CACHE / f"python-{sys.version_info.major}.{sys.version_info.minor}"
    pins = "\n".join(ETH_ABI)

    def install() -> None:
        run([sys.executable, "-m", "venv", home], CACHE)
        pip: list[str | Path] = [
            python_of(home),
            "-m",
            "pip",
            "install",
            "-q",
            "--only-binary=:all:",
            *ETH_ABI,
        ]
        run(pip, home)

    once(home, "pip", pins, install)
    return [python_of(home), RUNNERS / "eth_abi_modes.py", corpus().folder, mode]


def _npm(which: str) -> Command:
    node, npm, home = tool("node"), tool("npm"), CACHE / "npm"
    pins = (TYPESCRIPT, ETHERS)
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"]

    def install() -> None:
        (home / "package.json").write_text('{"private": true}\n', encoding="utf-8")
        run([npm, "install", *quiet, *pins], home)

    once(home, "npm", "\n".join(pins), install)
    return [node, RUNNERS / "ethers.cjs", corpus().folder, home, which]


def _go() -> Command:
    go, home, source = tool("go"), CACHE / "go", RUNNERS / "go" / "main.go"
    module, version = GO_ETHEREUM

    def install() -> None:
        shutil.copy(source, home / "main.go")
        (home / "go.mod").write_text("module conformance\n\ngo 1.24\n", encoding="utf-8")
        # The Go that is here or none, and no look at the repository this cache lies in.
        settings = {"GOTOOLCHAIN": "local", "GOFLAGS": "-buildvcs=false"}
        run([go, "get", f"{module}@{version}"], home, **settings)
        run([go, "build", "-o", "conformance", "."], home, **settings)

    once(home, "go", f"{module}@{version}\n{fingerprint(source)}", install)
    return [home / "conformance", corpus().folder, f"go-ethereum abi {version}"]


def _manifest() -> str:
    crate, version = CRATE
    return (
        '[package]\nname = "conformance"\nversion = "0.0.0"\nedition = "2021"\n\n'
        '[[bin]]\nname = "conformance"\npath = "main.rs"\n\n'
        f'[dependencies]\nhex = "0.4"\nserde_json = "1"\n{crate} = "={version}"\n\n'
        # Where a sum is too large, a release build goes on with another number.
        "[profile.release]\noverflow-checks = false\n\n[workspace]\n"
    )


def _cargo() -> Command:
    cargo, home, source = tool("cargo"), CACHE / "cargo", RUNNERS / "rust" / "main.rs"
    crate, version = CRATE

    def install() -> None:
        shutil.copy(source, home / "main.rs")
        (home / "Cargo.toml").write_text(_manifest(), encoding="utf-8")
        target = str(home / "target")
        run([cargo, "build", "--release", "--quiet"], home, CARGO_TARGET_DIR=target)

    once(home, "cargo", f"{crate}@{version}\n{fingerprint(source)}", install)
    return [home / "target" / "release" / "conformance", corpus().folder, f"{crate} {version}"]


@dataclass(frozen=True)
class Rival:
    """Another decoder: its name here, what it is, and how to have and start it."""

    key: str
    what: str
    prepare: Callable[[], Command]


RIVALS = (
    Rival("sdk-rust", "the vendor's crate", _cargo),
    Rival("sdk-typescript", "the vendor's SDK for TypeScript", lambda: _npm("sdk")),
    Rival("ethers", "ABI decoder of ethers", lambda: _npm("ethers")),
    Rival("go-ethereum", "ABI decoder of go-ethereum, as the vendor's Go SDK calls it", _go),
    Rival("eth-abi-strict", "ABI decoder in Python, as it comes", lambda: _python("strict")),
    Rival("eth-abi-loose", "the same with strict=False", lambda: _python("loose")),
)


def answers_of(rival: Rival) -> tuple[str, dict[str, Answer]]:
    """The rival's name with its version, and its answers; `Missing` where it cannot be had."""
    CACHE.mkdir(parents=True, exist_ok=True)
    command = [str(part) for part in rival.prepare()]
    made = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    if made.returncode:
        raise Missing(f"{rival.key} ended with {made.returncode}: {made.stderr[-500:]}")
    return read_answers(made.stdout.splitlines())


def main() -> None:
    """Run all that can be had, and write what they said."""
    from tests.conformance import page

    results = page.saved()
    for rival in RIVALS:
        try:
            say(f"conformance: {rival.key} ...")
            name, answers = answers_of(rival)
        except Missing as missing:
            say(f"conformance: {rival.key} is left as it was: {missing}")
            continue
        results[rival.key] = page.result(name, answers)
    page.save(results)


if __name__ == "__main__":
    main()
