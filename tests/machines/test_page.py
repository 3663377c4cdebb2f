"""docs/fuzzing.md: every block of Python on it runs as it stands."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.docs_code import ROOT, blocks


@pytest.fixture
def without_deadline() -> Iterator[None]:
    """A busy machine is no failure."""
    before = settings.get_current_profile_name()
    settings.register_profile("page", deadline=None, database=None, derandomize=True)
    settings.load_profile("page")
    yield
    settings.load_profile(before)


@pytest.mark.usefixtures("without_deadline")
def test_the_blocks_of_the_page_run() -> None:
    code = "".join(one for one in blocks(ROOT / "docs/fuzzing.md", "python") if ">>>" not in one)
    assert code.count("TestCase") == 2
    exec(compile(code, "docs/fuzzing.md", "exec"), {"__name__": "page"})
