"""A state that stays new."""

from __future__ import annotations

from payloads.verdicts.state import State


class LiveState:
    chain_id: int
    proxy: bytes
    state: State
