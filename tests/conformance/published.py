"""The published payloads that come with the package."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files


def published(form: str) -> Iterator[tuple[str, bytes]]:
    """Where each payload of a form was published, and its bytes."""
    text = files("payloads").joinpath("data/real_payloads.json").read_text(encoding="ascii")
    for entry in json.loads(text)[form]:
        yield entry["source"], bytes.fromhex(entry["hex"])
