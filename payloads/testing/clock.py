"""A clock that a test sets: one time for states, simulators and the guard."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, TypeVar

import msgspec.structs
from hexbytes import HexBytes

from payloads.errors import Misuse
from payloads.verdicts.calls import check_time
from payloads.verdicts.state import State

S = TypeVar("S", bound=State)
_SECOND = 10**9
_BLOCK = 12
# The chain of states and transactions that are tested with these nodes.
CHAIN_ID = 31_337


class SettableClock:
    """A clock that a test sets.

    `now` is the time of the newest block, in UNIX seconds. It stands still until it is set, as a
    chain's does between two blocks. Called, the clock gives nanoseconds, for simulators and
    connections (`clock=`): from `now` on, real time passes there.
    """

    def __init__(self, now: int | None = None) -> None:
        self._states: list[State] = []
        self.set(int(time.time()) if now is None else now)

    def __repr__(self) -> str:
        return f"SettableClock({self.now})"

    def __call__(self) -> int:
        return self.now * _SECOND + time.monotonic_ns() - self._set_at

    @property
    def now(self) -> int:
        return self._now

    @now.setter
    def now(self, now: int) -> None:
        self.set(now)

    def set(self, now: int) -> None:
        """Set the time; it may go back, too."""
        check_time(now, "now")
        if not 0 <= now < 2**63:
            raise Misuse("not a time", field="now", expected="unix seconds", found=str(now))
        self._now, self._set_at = now, time.monotonic_ns()
        for state in self._states:
            msgspec.structs.force_setattr(state, "now", now)

    def advance(self, seconds: int) -> None:
        """Set the time so many seconds later."""
        self.set(self.now + seconds)

    def follow(self, state: S) -> S:
        """A copy of the state whose `now` is this clock's from now on.

        It is the one kind of record that changes: keep no copy of it, and do not use it as a key.
        """
        own = msgspec.structs.replace(state, now=self.now)
        self._states.append(own)
        return own

    @property
    def node(self) -> ClockNode:
        """A node that knows blocks alone, the newest at this clock's time."""
        return ClockNode(self)


class ClockNode:
    """A node that knows blocks alone, for a guard that is given a state.

    `payloads.chain.judge_transaction`, `refuse_transaction` and `send_guarded` take it in the place
    of a `Web3`. The newest block has the clock's time. What was sent is in `sent`.
    """

    def __init__(self, clock: SettableClock, *, number: int = 1000) -> None:
        self.clock, self.number = clock, number
        self.sent: list[dict[str, Any]] = []
        self.eth = SimpleNamespace(send_transaction=self._send)

    def make_request(self, method: str, params: Any) -> dict[str, Any]:
        """The answer of a node, as web3.py's providers give it."""
        if method == "eth_chainId":
            return {"result": hex(CHAIN_ID)}
        if method == "eth_blockNumber":
            return {"result": hex(self.number)}
        if method == "eth_getBlockByNumber":
            return {"result": self._block(params[0])}
        return {"error": {"code": -32601, "message": "the method does not exist"}}

    def _block(self, tag: str) -> dict[str, Any] | None:
        number = self.number if tag == "latest" else int(tag, 16)
        if number > self.number:
            return None
        seconds = max(0, self.clock.now - _BLOCK * (self.number - number))
        return {"number": hex(number), "hash": "0x" + f"{number:064x}", "timestamp": hex(seconds)}

    def _send(self, transaction: dict[str, Any]) -> HexBytes:
        self.sent.append(transaction)
        return HexBytes(len(self.sent).to_bytes(32, "big"))
