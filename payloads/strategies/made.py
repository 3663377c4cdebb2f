"""States that are made once: examples repeat, and to read a state takes a millisecond."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=4096)
def _made(signs: Any, generation: str, keys: str) -> Any:
    return signs.state(generation, **json.loads(keys))


def made_state(signs: Any, generation: str, keys: dict[str, Any]) -> Any:
    """The state that a test network or signer makes of these keys."""
    return _made(signs, generation, json.dumps(keys))
