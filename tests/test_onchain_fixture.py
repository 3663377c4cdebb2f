"""The fixture `onchain` without an EVM: it says what is missing, and does nothing twice.

With one it is tried in `tests/onchain/test_fixture.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from payloads.errors import not_installed
from payloads.testing.onchain import building, contract
from tests.test_pytest_plugin import HERE

pytest_plugins = ["pytester"]
ASKS = "def test_one(onchain): pass\ndef test_two(onchain_artifacts): pass\n"
# Imported before any run in this process, which forgets what it imports: a module that is imported
# again has other classes.
assert contract
PACKAGES = ("pyrevm", "eth_abi")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    folder = tmp_path / "cache"
    monkeypatch.setenv(building.VARIABLE, str(folder))
    return folder


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The packages of the extra, as if installed: here nothing is called in them."""
    for name in PACKAGES:
        monkeypatch.setitem(sys.modules, name, ModuleType(name))


def program(folder: Path, name: str, script: str) -> None:
    """A program of that name, for the PATH."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.mark.parametrize("missing", PACKAGES)
def test_a_missing_package_is_said(
    missing: str, packages: None, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    pytester.makepyfile(ASKS)
    run = pytester.runpytest_inprocess(*HERE, "-rs")
    run.assert_outcomes(skipped=2)
    said = str(not_installed(missing.replace("_", "-"), "onchain"))
    assert f"onchain: {said}" in run.stdout.str()


def test_a_package_that_is_broken_is_an_error(
    packages: None, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    (pytester.path / "pyrevm.py").write_text("raise ImportError('no such symbol')")
    monkeypatch.syspath_prepend(str(pytester.path))
    monkeypatch.delitem(sys.modules, "pyrevm")
    pytester.makepyfile(ASKS)
    run = pytester.runpytest_inprocess(*HERE)
    run.assert_outcomes(errors=2)
    run.stdout.fnmatch_lines(
        ["onchain: pyrevm is installed, but cannot be imported: no such symbol"]
    )


@pytest.mark.parametrize("missing", ["node", "npm"])
def test_a_missing_program_is_said(
    missing: str,
    packages: None,
    pytester: pytest.Pytester,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    if missing != "node":
        program(tmp_path / "bin", "node", "exit 1")
    pytester.makepyfile(ASKS)
    run = pytester.runpytest_inprocess(*HERE, "-rs")
    run.assert_outcomes(skipped=2)
    run.stdout.fnmatch_lines(
        [f"*onchain: {missing} is not on the PATH*Node.js 18 or newer with npm*install these"]
    )


def test_a_fetch_that_fails_says_so_once_and_shows_no_password(
    packages: None, pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, log = tmp_path / "bin", tmp_path / "log"
    program(folder, "node", "exit 0")
    said = "npm error request to https://me:secret@registry.invalid/solc failed"
    program(folder, "npm", f"echo npm >> {log}; echo '{said}' >&2; exit 7")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    pytester.makepyfile(ASKS)
    run = pytester.runpytest_inprocess(*HERE)
    run.assert_outcomes(errors=2)
    run.stdout.fnmatch_lines(
        [
            "onchain: the published contracts could not be fetched (is there a network?): *",
            "npm error request to https://…@registry.invalid/solc failed",
        ]
    )
    run.stdout.no_fnmatch_line("*secret*")
    assert log.read_text() == "npm\n", "the second test does not wait for it again"


def test_processes_at_once_fetch_and_compile_once(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, log = tmp_path / "bin", tmp_path / "log"
    program(folder, "npm", f"echo npm >> {log}; sleep 0.2")
    made = json.dumps({"Token": {"abi": [], "bytecode": "00", "runtime": "00"}})
    program(folder, "node", f"echo node >> {log}; sleep 0.2; echo '{made}' > $4/artifacts.json")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    script = "from payloads.testing.onchain import building; print(*building.artifacts())"
    started = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [process.communicate(timeout=60)[0] for process in started] == ["Token\n"] * 3
    assert log.read_text() == "npm\nnode\n"
    # And a later process starts neither.
    monkeypatch.setenv("PATH", str(tmp_path))
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert run.stdout == "Token\n"
    assert {path.name for path in cache.iterdir()} > {"artifacts", "installed.json", "lock"}


def test_the_cache_is_the_users(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert building.cache_folder() == cache
    monkeypatch.delenv(building.VARIABLE)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert building.cache_folder() == tmp_path / "xdg" / "payloads" / "onchain"
    for nothing in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", nothing)
        assert building.cache_folder() == tmp_path / ".cache" / "payloads" / "onchain"


def test_a_cache_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(building.VARIABLE, str(tmp_path / "file" / "cache"))
    program(tmp_path / "bin", "node", "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(building.BuildError, match="PAYLOADS_ONCHAIN_CACHE names another"):
        building.artifacts()


def test_the_sources_are_in_the_package_and_are_ours() -> None:
    names = {path.name for path in building.CONTRACTS.iterdir()}
    assert names == {
        *("compile.cjs", "package.json", "published.json", "Token.sol"),
        *("StorkCore.sol", "StorkModel.sol", "StorkManyModel.sol"),
    }
    published = json.loads((building.CONTRACTS / "published.json").read_text())
    for key, source in published.items():
        assert source.endswith((f"/llo-feeds/{key}.sol", f"/access/{key}.sol"))
