"""The lane is opt-in: it needs Node.js 20+ with npm, and a network the first time.

Without `PAYLOADS_INTEROP=1` its tests are not even collected.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.interop.node import Script, packages

HERE = Path(__file__).resolve().parent
ASKED_FOR = os.environ.get("PAYLOADS_INTEROP") == "1"

collect_ignore_glob = [] if ASKED_FOR else ["test_*.py"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "interop: talks to implementations that are not ours; wants Node.js with npm"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.interop)


@pytest.fixture(scope="session")
def installed() -> Path:
    return packages()


@pytest.fixture
def node(installed: Path) -> Iterator[Callable[[str], Script]]:
    """Starts one of the scripts beside this file; whatever was started ends with the test."""
    started: list[Script] = []

    def start(name: str) -> Script:
        started.append(Script(HERE / name, installed))
        return started[-1]

    yield start
    for script in started:
        script.end()
