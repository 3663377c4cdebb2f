"""docs/venues.md shows how to stream from each venue. Every example is run as it stands: mainnet is
a simulator here, and the environment has its credentials."""

from __future__ import annotations

import re
from typing import Any

import pytest
from msgspec.structs import replace

from payloads import simulators, venues
from payloads.venues.common.venue import SessionConfig, variable
from tests.docs_code import ROOT, blocks

VENUE = re.compile(r'session\("([\w-]+)"')
EXAMPLES = [
    code
    for page in ("README.md", "docs/venues.md")
    for code in blocks(ROOT / page, "python")
    if VENUE.search(code) and not code.startswith(">>>")
]
FEED = re.compile(r'"(0x[0-9a-f]{64})"')
# An example would go on for ever.
ENOUGH = 6


class Enough(Exception):
    pass


def venue_of(code: str) -> str:
    (name,) = VENUE.findall(code)
    return str(name)


def test_every_venue_is_shown_with_asyncio_and_without() -> None:
    for name in venues.VENUES:
        shown = [code for code in EXAMPLES if venue_of(code) == name]
        sizes = {"asyncio" in code: len([*filter(None, code.splitlines())]) for code in shown}
        assert sizes.keys() == {True, False}, name
        assert sizes[True] <= 12
        assert sizes[False] <= 9


@pytest.mark.parametrize("code", EXAMPLES, ids=venue_of)
def test_the_example_streams_data(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = venue_of(code)
    options: dict[str, Any] = {"feeds": FEED.findall(code)} if FEED.search(code) else {}
    with simulators.start(name.partition("-")[0], rate=50, **options) as simulator:
        (endpoint,) = (each for each in simulator.endpoints if each.venue == name)
        known = venues.VENUES[name]

        def make(asked: SessionConfig) -> Any:
            assert not asked.endpoint
            return known.make(replace(asked, endpoint=endpoint.base))

        monkeypatch.setitem(venues.VENUES, name, replace(known, make=make))
        for credential, value in simulator.credentials.items():
            if credential in known.credentials:
                monkeypatch.setenv(variable(name, credential), value)
        printed: list[str] = []

        def keep(*values: object) -> None:
            printed.append(" ".join(map(str, values)))
            if len(printed) == ENOUGH:
                raise Enough

        with pytest.raises(Enough):
            exec(compile(code, "docs/venues.md", "exec"), {"print": keep, "__name__": "__main__"})
        assert all(len(line) > 20 for line in printed)
        if name == "chainlink":  # the service is asked for its origins
            assert bool(simulator.counters.requests) == ("ha=True" in code)
