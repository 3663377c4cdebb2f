"""The lane is opt-in: it needs Node.js, a network the first time, and pyrevm.

Without `PAYLOADS_ONCHAIN=1` its tests are not even collected, since they import what may not be
installed.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ASKED_FOR = os.environ.get("PAYLOADS_ONCHAIN") == "1"

collect_ignore_glob = [] if ASKED_FOR else ["test_*.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.onchain)
