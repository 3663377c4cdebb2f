"""A state that stays new: read once, and then only what came later.

    live = LiveState("https://…", proxy, subscriber=account, file="state.json", on_change=print)
    with live:                                  # reads, and goes on reading in a thread
        send_guarded(w3, transaction, live)

Without `with`, `refresh` makes one step and `run` makes steps until `stop`. A step takes a few
requests, however long the chain is. It gives what `fetch_state` would give at the same block.

The last blocks (`reread`) are read again in every step: a node may not have had all their logs, and
they may be replaced. The hash of the block that was read last is compared, too. Where it is another
one, everything that later blocks than the last common one had said is forgotten.

`file` keeps the state and what the next step needs, so that a restart goes on from it. It is a
state file for every other command. It is replaced whole, never half of it.

`state` never asks the node. It raises `Unavailable` if the state is older than `max_age`, by this
machine's clock and the time of its block: a node that stands still is noticed, and so is a reading
that fails. A step raises what `fetch_state` raises, and leaves the state as it was.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec.structs

from payloads.backing_off import pause_after
from payloads.chain.reading.changes import StateChange, diff_states
from payloads.chain.reading.contract_reader import ContractReader
from payloads.chain.reading.fetch import Progress, read_state
from payloads.chain.reading.history import TimedEvent
from payloads.chain.reading.memory import Mark, Memory
from payloads.chain.reading.state_files import load_state, write_text
from payloads.chain.rpc import Node, Unavailable, connect, is_async, provider_of
from payloads.crypto import checksum
from payloads.errors import Misuse, PayloadError, shown
from payloads.inputs import to_path
from payloads.signatures import address_bytes
from payloads.verdicts.state import MAX_STATE_BYTES, State

LOGGER = logging.getLogger("payloads.chain")

# Seconds between two steps, and the longest pause after steps that failed.
INTERVAL = 12.0
LONGEST_PAUSE = 300.0
MAX_AGE = 600
# More blocks than a chain takes back, but for catastrophes.
REREAD = 128
# A block may be replaced while a step reads it.
_ATTEMPTS = 3


class LiveState:
    """The state of the contract at `proxy`, kept new over `rpc` (a URL, a `Web3` or a provider).

    `subscriber`, `since` and `progress` are those of `fetch_state`. `max_age` is in seconds, and
    None is any age; on a chain with rare blocks it must be longer than between two of them.
    `on_change` is called with each `StateChange`, after the state is replaced, in the thread that
    reads; its exceptions leave `refresh`, and are logged by `run`. `interval` is the pause between
    two steps of `run` and of `with`, in seconds.
    """

    def __init__(
        self,
        rpc: Any,
        proxy: str | bytes,
        *,
        subscriber: str | bytes | None = None,
        since: int | None = None,
        file: str | Path | None = None,
        max_age: float | None = MAX_AGE,
        interval: float = INTERVAL,
        reread: int = REREAD,
        on_change: Callable[[StateChange], Any] | None = None,
        progress: Progress | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.proxy = address_bytes(proxy, "proxy")
        self.subscriber = None if subscriber is None else address_bytes(subscriber, "subscriber")
        self.max_age = None if max_age is None else _seconds(max_age, "max_age")
        self.interval = _seconds(interval, "interval")
        if type(reread) is not int or reread < 0:
            raise Misuse("not a number of blocks", field="reread", found=shown(reread))
        self.node = self._connected(rpc)
        # The error of the last step, while steps fail; None after a step that succeeded.
        self.problem: PayloadError | None = None
        self._reread, self._on_change, self._progress = reread, on_change, progress
        self._clock = clock
        self._stopping = threading.Event()
        # The thread of `with`, and the thread that `run` runs in.
        self._thread: threading.Thread | None = None
        self._runs_in: threading.Thread | None = None
        # One step at a time.
        self._step = threading.RLock()
        self._chain_id: int | None = None
        self._state: State | None = None
        self._untold: deque[StateChange] = deque()
        # The state that the file has.
        self._saved: State | None = None
        self._memory = self._nothing = Memory(since=since, subscriber=_address(self.subscriber))
        self._file = None if file is None else to_path(file)
        if self._file is not None and self._file.suffix == ".toml":
            raise Misuse("the file of a live state is JSON", field="file", found=shown(str(file)))
        if self._file is not None and self._file.exists():
            self._restore(self._file)

    def _connected(self, rpc: Any) -> Node:
        if not isinstance(rpc, str | Node) and is_async(provider_of(rpc)):
            raise Misuse(
                "an async node; a live state has a thread of its own, also beside asyncio",
                field="rpc", expected="a URL, or a Web3", found=type(rpc).__name__,
            )  # fmt: skip
        return connect(rpc, pause=self._pause)

    def __repr__(self) -> str:
        chain = "an unknown chain" if self._chain_id is None else f"chain {self._chain_id}"
        read = "never read" if self._state is None else f"block {self._state.block_number}"
        return f"LiveState({checksum(self.proxy)} on {chain}, {read})"

    @property
    def chain_id(self) -> int:
        """The chain's id: the file's, or the node's, which is asked once."""
        if self._chain_id is None:
            self._chain_id = self.node.chain_id()
        return self._chain_id

    # --- the state --------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The newest state that was read; `Unavailable` if there is none, or if it is too old."""
        state, age = self._state, self.age
        why = None if self.problem is None else str(self.problem)
        if state is None:
            expected = "refresh() first, or `with live:`"
            raise Unavailable("no state was read yet", field="state", expected=expected, found=why)
        if self.max_age is not None and age is not None and age > self.max_age:
            raise Unavailable(
                f"the state is too old: its block {state.block_number} was {age:.0f} s ago",
                field="max_age", expected=f"at most {self.max_age:g} s",
                found=why or "no step since then",
            )  # fmt: skip
        return state

    @property
    def age(self) -> float | None:
        """Seconds from the time of the state's block to now; None if no state was read."""
        if self._state is None or self._state.now is None:
            return None
        return max(0.0, self._clock() - self._state.now)

    # --- one step ---------------------------------------------------------------------------------

    def refresh(self) -> State:
        """Read what is new, and return the state."""
        with self._step:
            state = self._advance()
            self._tell()
            self._save()
            return state

    def _advance(self) -> State:
        """Replace the state by the newest."""
        self.node.renew()
        try:
            state, memory, changes = self._read()
        except PayloadError as error:
            self.problem = error
            raise
        self.problem = None
        self._chain_id = state.chain_id
        self._state, self._memory = state, memory
        self._untold += changes
        return state

    def _tell(self) -> None:
        """Call back for each change, once. After a failure the next step tells the others."""
        while self._untold:
            change = self._untold.popleft()
            if self._on_change is not None:
                self._on_change(change)

    def _read(self) -> tuple[State, Memory, Sequence[StateChange]]:
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._read_once()
            except Unavailable as error:
                if error.field != "block":
                    raise
        return self._read_once()

    def _read_once(self) -> tuple[State, Memory, Sequence[StateChange]]:
        node, before, last = self.node, self._state, self._last()
        self._check_chain(node.chain_id())
        head = node.head()
        if before is not None and last is not None and head <= last.number and self._stands(last):
            return before, self._memory, ()  # nothing new, or the node lags behind
        reader = ContractReader(node, head, self._memory.since, self._watched)
        # The block's hash is asked before anything else, and once more at the end.
        mark = Mark(head, reader.block(head).hash)
        common = self._memory.last_common(node, head)
        memory = reader.memory = self._memory.back_to(common)
        settled = self._settled(reader, memory, head)
        state = read_state(reader, self.proxy, self.subscriber)
        memory = memory.after(settled, mark, reader.rows, reader.answers)
        if before is None:
            return state, memory, ()
        known = before.block_number if common is None else common.number
        events = [event for event in reader.new_events if event.block > (known or 0)]
        undone = last is not None and common != last
        return state, memory, _dated(diff_states(before, state), events, head, undone)

    def _last(self) -> Mark | None:
        """The block that was read last."""
        return self._memory.marks[-1] if self._memory.marks else None

    def _stands(self, mark: Mark) -> bool:
        """Whether the node has this block. Of several behind one address, some may lag."""
        try:
            return self.node.block_again(mark.number).hash == mark.hash
        except Unavailable as error:
            if error.field != "block":
                raise
            return False

    def _settled(self, reader: ContractReader, memory: Memory, head: int) -> Mark | None:
        """The block up to which events need not be read again."""
        number = max(memory.settled, head - self._reread)
        if number < 0:
            return None
        for mark in memory.marks:
            if mark.number == number:
                return mark
        return Mark(number, reader.block(number).hash)

    def _check_chain(self, chain_id: int) -> None:
        if self._chain_id is not None and chain_id != self._chain_id:
            raise Misuse(
                "the node is of another chain than the state",
                field="rpc", expected=f"chain {self._chain_id}", found=f"chain {chain_id}",
            )  # fmt: skip

    # --- the file ---------------------------------------------------------------------------------

    def _restore(self, path: Path) -> None:
        """Go on from the file; `Misuse` for that of another contract or subscriber."""
        state, content = load_state(path), json.loads(path.read_bytes())
        _check_same("proxy", path, checksum(self.proxy), _address(state.proxy))
        if "live" not in content:
            return  # a state without what the next step needs: all is read again
        memory = Memory.from_json(content["live"], str(path))
        _check_same("subscriber", path, _address(self.subscriber), memory.subscriber)
        self._state, self._chain_id = state, state.chain_id
        # With another first block the events of some blocks may be missing.
        if memory.since == self._nothing.since:
            self._memory = memory

    def _save(self) -> None:
        """Write the file after the changes were told: after a crash they are rather told twice."""
        state = self._state
        if self._file is None or state is None or state is self._saved:
            return
        record = state.to_dict()
        text = json.dumps(record | {"live": self._memory.to_json()}) + "\n"
        if len(text) > MAX_STATE_BYTES:
            text = json.dumps(record) + "\n"
        try:
            write_text(text, self._file)
        except OSError as error:
            problem = f"cannot write {self._file}: {error.strerror}"
        else:
            self._saved = state
            return
        raise Misuse(problem, field="file")

    # --- many steps -------------------------------------------------------------------------------

    def run(self) -> None:
        """Make steps until `stop` is called. Failed steps are made again, ever more slowly."""
        failures, self._runs_in = 0, threading.current_thread()
        pause = 0.0 if self._state is None else self.interval
        while not self._stopping.wait(pause):
            try:
                with self._step:
                    self._advance()
                    self._tell_and_save()
            except _Stopped:
                break
            except PayloadError as error:
                failures += 1
                LOGGER.warning("%r: step %d failed: %s", self, failures, error)
                pause = pause_after(failures, max(self.interval, 1.0), LONGEST_PAUSE)
            else:
                failures, pause = 0, self.interval
        self._stopping.clear()

    def _tell_and_save(self) -> None:
        """Whatever goes wrong here is logged: the state is new all the same."""
        for act, name in ((self._tell, "on_change"), (self._save, "the file")):
            try:
                act()
            except Exception:
                LOGGER.exception("%r: %s failed", self, name)

    def stop(self) -> None:
        """End `run`, and wait for the thread of `with`: at most for the request that it makes."""
        self._stopping.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
            self._thread = None

    def __enter__(self) -> Self:
        """Make the first step, and then the others in a thread."""
        if self._thread is not None:
            raise Misuse("it runs already", field="live")
        self._stopping.clear()
        try:
            self.refresh()
        except Unavailable:
            if self._state is None:
                raise
        self._thread = threading.Thread(target=self.run, name=repr(self), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _watched(self, what: str, done: int, total: int, found: int) -> None:
        if self._stopping.is_set() and threading.current_thread() is self._runs_in:
            raise _Stopped
        if self._progress is not None:
            self._progress(what, done, total, found)

    def _pause(self, seconds: float) -> None:
        """The pause of a node that is busy."""
        if threading.current_thread() is not self._runs_in:
            time.sleep(seconds)
        elif self._stopping.wait(seconds):
            raise _Stopped


class _Stopped(Exception):
    """`stop` was called in the middle of a step. Never leaves `run`."""


# --- changes --------------------------------------------------------------------------------------

_FEES = ("NativeSurchargeUpdated", "SubscriberDiscountUpdated", "VerificationFeeUpdate")
_EVENTS = {
    "config": (
        *("ConfigSet", "ConfigUpdated", "ConfigActivated", "ConfigDeactivated", "ConfigRemoved"),
        *("FeedActivated", "FeedDeactivated", "VerifierSet", "VerifierUnset"),
        *("SignerAddressUpdate", "SignerAddressAdded", "SignerAddressRemoved"),
    ),
    "fees": (*_FEES, "FeeManagerSet"),
    "fee_manager": ("FeeManagerSet",),
    "access": (
        *("AddedAccess", "RemovedAccess", "CheckAccessEnabled", "CheckAccessDisabled"),
        "AccessControllerSet",
    ),
}


def _dated(
    changes: Sequence[StateChange], events: Sequence[TimedEvent], head: int, undone: bool
) -> list[StateChange]:
    """The changes with the block of the last event about each, or else the block read at."""
    ordered = sorted(events, key=lambda event: (event.block, event.index))
    return [
        msgspec.structs.replace(change, block=_block(change, ordered, head), undone=undone)
        for change in changes
    ]


def _block(change: StateChange, events: Sequence[TimedEvent], head: int) -> int:
    alike = [event for event in events if event.name in _EVENTS.get(change.kind, ())]
    path = change.path.lower()
    named = [event for event in alike if any(name in path for name in _ids(event))]
    found = named or alike
    return found[-1].block if found else head


def _ids(event: TimedEvent) -> list[str]:
    """The ids and addresses that an event names, as paths have them."""
    values = event.arguments.values()
    return ["0x" + each.hex() for each in values if isinstance(each, bytes) and len(each) > 1]


def _seconds(value: Any, name: str) -> float:
    if type(value) not in (int, float) or not 0 <= value < float("inf"):
        raise Misuse("not a number of seconds", field=name, found=shown(value))
    return float(value)


def _address(value: bytes | None) -> str | None:
    return None if value is None else checksum(bytes(value))


def _check_same(name: str, path: Path, wanted: str | None, found: str | None) -> None:
    if wanted != found:
        expected, found = wanted or "none", found or "none"
        raise Misuse(f"the file of another {name}", field=str(path), expected=expected, found=found)
