"""The documentation says what is so: its Python and console examples are run."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs_code import PAGES, ROOT, blocks

FLAGS = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_examples(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    test = doctest.DocTestParser().get_doctest(
        "\n".join(blocks(page, "python")), {}, page.name, None, 0
    )
    failures = doctest.DocTestRunner(optionflags=FLAGS).run(test)
    assert failures.failed == 0


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
def test_console_examples(page: str, command: str, shown: str, bin_folder: Path) -> None:
    folders = [str(bin_folder), str(Path(sys.executable).parent), os.environ["PATH"]]
    path = os.pathsep.join(folders)
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
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
