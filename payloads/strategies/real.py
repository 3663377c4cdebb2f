"""A few published payloads of real networks, which come with the package."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files


@cache
def real_payloads(form: str) -> tuple[bytes, ...]:
    """Published payloads of a form, `full_report` or `signed_ecdsa`: one of each schema or more."""
    text = files("payloads").joinpath("data/real_payloads.json").read_text(encoding="ascii")
    entries = json.loads(text)[form]
    return tuple(bytes.fromhex(entry["hex"]) for entry in entries)
