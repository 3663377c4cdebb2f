"""The session that a capture was made with, from its header, whatever stands in that."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payloads import simulators, venues
from payloads.capture import Header, session_of
from payloads.errors import Malformed, Misuse, PayloadError


@pytest.mark.parametrize("name", simulators.names())
def test_each_venue_has_its_session_again(name: str) -> None:
    known = venues.VENUES[name].credentials
    with simulators.start(name) as simulator:
        asked = {"what": [*simulator.subscriptions], "endpoint": simulator.base}
        fits = {key: text for key, text in simulator.credentials.items() if key in known}
        again = session_of(Header(1, venue=name, asked=asked), **fits)
        assert type(again) is type(simulator.session())


@pytest.mark.parametrize(
    ("venue", "asked", "error"),
    [
        ("nasdaq", {}, Misuse),
        ("stork", {"what": "BTCUSD"}, Malformed),
        ("stork", {"what": ["BTCUSD"], "options": {"nothing": "1"}}, Misuse),
        ("stork", {"what": ["BTCUSD"], "options": {"taxonomy": 1}}, Malformed),
        ("chainlink", {"what": ["0x" + "00" * 32], "options": {"ha": "yes"}}, Misuse),
    ],
)
def test_a_header_that_describes_no_session_is_refused(
    venue: str, asked: dict[str, Any], error: type[PayloadError]
) -> None:
    with pytest.raises(error):
        session_of(Header(1, venue=venue, asked=asked), key="key", secret="secret", token="token")


TEXTS = st.text(max_size=12) | st.sampled_from(
    ["²", "9" * 5_000, "B:²", "B:BTC-USD", "level2:*", "0x" + "00" * 32, "yes", "ws://[", "uat"]
)


@given(
    st.sampled_from([*venues.VENUES]),
    st.lists(TEXTS, max_size=3),
    TEXTS,
    st.data(),
)
def test_nothing_else_is_raised(name: str, what: list[str], endpoint: str, data: Any) -> None:
    known = venues.VENUES[name]
    names = st.sampled_from([*known.options]) if known.options else st.nothing()
    options = data.draw(st.dictionaries(names, TEXTS, max_size=2))
    header = Header(1, venue=name, asked={"what": what, "endpoint": endpoint, "options": options})
    with suppress(PayloadError):
        session_of(header, **dict.fromkeys(known.credentials, "0x" + "11" * 32))
