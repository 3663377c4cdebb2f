"""Endpoints, by name or by URL."""

from __future__ import annotations

import pytest

from payloads.errors import Misuse
from payloads.venues.common.endpoints import address

NAMED = {"mainnet": "wss://one.example", "test": "wss://two.example"}


def test_an_endpoint_is_a_name_or_a_url() -> None:
    assert address("test", NAMED) == "wss://two.example"
    assert address("ws://127.0.0.1:9/", NAMED) == "ws://127.0.0.1:9"
    with pytest.raises(Misuse, match="mainnet, test, or a URL of wss or ws"):
        address("nowhere", NAMED)
    for url in (
        "https://one.example",
        "wss://one.example/path",
        "wss://one.example?",
        "wss://one.example#",
        "wss://one.example\\path",
        "wss://user@one.example",
        "wss://user:hunter2secret@one.example",
        "wss://:hunter2secret@one.example",
        "wss://@one.example",
    ):
        with pytest.raises(Misuse, match="not an endpoint") as caught:
            address(url, NAMED)
        assert "hunter2" not in str(caught.value)
