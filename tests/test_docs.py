"""The documentation says what is so: its Python and console examples are run."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from payloads.errors import not_installed
from tests.docs_code import PAGES, ROOT, blocks, write, write_snippets

FLAGS = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL | doctest.NORMALIZE_WHITESPACE


# The folder in which the examples of a page are run: the repository, but for this page.
WITH_A_SCAN = "forensics.md"


@pytest.fixture(scope="session")
def home_with_a_scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `scanned`, the folder of a small scan."""
    from tests.forensics.made import made

    return made(tmp_path_factory.mktemp("home") / "scanned").parent


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_examples(
    page: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.chdir(home_of(page.name, request))
    test = doctest.DocTestParser().get_doctest(
        "\n".join(blocks(page, "python")), {}, page.name, None, 0
    )
    failures = doctest.DocTestRunner(optionflags=FLAGS).run(test)
    assert failures.failed == 0


def home_of(page: str, request: pytest.FixtureRequest) -> Path:
    """The folder in which a page's examples are run."""
    home: Path = request.getfixturevalue("home_with_a_scan") if page == WITH_A_SCAN else ROOT
    return home


def commands(page: Path) -> list[tuple[str, str]]:
    """Each command of the page's console blocks, with the output shown below it."""
    found = re.split(r"^\$ ", "\n".join(blocks(page, "console")), flags=re.M)[1:]
    return [(part.partition("\n")[0], part.partition("\n")[2]) for part in found]


COMMANDS = [(page.name, *pair) for page in PAGES for pair in commands(page)]


@pytest.fixture(scope="session")
def bin_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `payloads`, also where this tree was never installed."""
    folder = tmp_path_factory.mktemp("bin")
    script = folder / "payloads"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m payloads "$@"\n')
    script.chmod(0o755)
    return folder


@pytest.mark.parametrize(("page", "command", "shown"), COMMANDS)
def test_console_examples(
    page: str, command: str, shown: str, bin_folder: Path, request: pytest.FixtureRequest
) -> None:
    folders = [str(bin_folder), str(Path(sys.executable).parent), os.environ["PATH"]]
    path = os.pathsep.join(folders)
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        ["bash", "-c", command],
        cwd=home_of(page, request),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    # An ellipsis stands for any text, over any number of lines where it is a line of its own.
    lines = re.escape(shown.strip()).replace(re.escape("…\n"), "(?:[^\n]*\n)*?")
    pattern = lines.replace("…", ".*")
    assert re.fullmatch(pattern, run.stdout.strip(), re.S), run.stdout


def test_every_relative_link_leads_somewhere() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_all_python_in_the_documentation_is_type_checked(tmp_path: Path) -> None:
    """`make lint` runs mypy --strict over these modules."""
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True)
    for name in listed.stdout.split():
        assert ROOT / name in PAGES or not blocks(ROOT / name, "python"), name
    pages, docstrings = write(tmp_path / "pages"), write_snippets(tmp_path / "docstrings")
    assert {"readme_page", "docs_json_page", "docs_venues_page"} <= {path.stem for path in pages}
    assert "payloads___init___0" in {path.stem for path in docstrings}
    for path in (*pages, *docstrings):
        compile(path.read_text(encoding="utf-8"), path.name, "exec")


def test_extras_are_named_as_they_can_be_installed() -> None:
    """The package is on no index: from a clone, everywhere, and in one place in the code."""
    said = re.compile(r"pip install +'?[.\w\[\],]+")
    for page in PAGES:
        for command in said.findall(page.read_text(encoding="utf-8")):
            assert command.split()[-1].startswith((".", "'.")), (page.name, command)
    sources = {path: path.read_text(encoding="utf-8") for path in (ROOT / "payloads").rglob("*.py")}
    naming = {path.name for path, text in sources.items() if "pip install" in text}
    assert naming == {"errors.py", "state.py"}, "`not_installed`, and the help of `state fetch`"
    assert str(not_installed("web3", "rpc")).endswith("pip install '.[rpc]' in a clone of payloads")


def test_every_extra_that_is_named_exists() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    texts += [path.read_text(encoding="utf-8") for path in (ROOT / "payloads").rglob("*.py")]
    named = {name for text in texts for names in re.findall(r"'\.\[([\w,]+)\]'", text)
             for name in names.split(",")}  # fmt: skip
    named |= {name for text in texts for name in re.findall(r"\(?extra `(\w+)`", text)}
    named |= {
        name for text in texts for name in re.findall(r'not_installed\("[^"]+", "(\w+)"', text)
    }
    assert {"live", "rpc"} <= named <= set(extras)
