"""The lane is opt-in: it needs Node.js, a network the first time, and pyrevm."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "onchain: runs published contracts in a real EVM")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("PAYLOADS_ONCHAIN") == "1":
        return
    skip = pytest.mark.skip(reason="set PAYLOADS_ONCHAIN=1 (make test-onchain) to run it")
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(skip)
