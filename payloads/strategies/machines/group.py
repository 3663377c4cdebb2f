"""The state machine of several connections with one subscription, each of which fails by itself.

The client is this library's `GroupConnection` with the venue's group of sessions, or a subclass's.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from payloads import simulators
from payloads.capture.frames import Delivery, Retrying, Unreachable
from payloads.errors import elide
from payloads.live.group import GroupConnection
from payloads.simulators.in_memory import Socket
from payloads.strategies.machines.connection import CODES, PATIENCE, ConnectionMachine, raw_of
from payloads.venues.chainlink.backfill import Backfilled
from payloads.venues.common.redactor import Message
from payloads.venues.common.session import Closed, Data, Opened, Rejected

# Which member of a group: by its place among those that are connected.
_WHICH = st.integers(0, 7)
_STOPPED = "stopped with a reason"


def venues_with_groups() -> list[str]:
    """The venues whose sessions come in groups."""
    return [name for name in simulators.names() if _has_groups(name)]


def _has_groups(venue: str) -> bool:
    return hasattr(simulators.class_of(venue), "high_availability")


class GroupMachine(ConnectionMachine):
    """A `ConnectionMachine` whose session is a group.

    What a group promises beside: over all its connections a payload is `Data` once, what reached
    one of them is not lost, and after a time without any connection it asks for what was missed.
    A member is connected, will dial again, or has stopped with a reason.
    """

    def make_session(self, simulator: Any) -> Any:
        """The group of sessions that is driven."""
        return simulator.high_availability()

    def make_connection(self, session: Any, **options: Any) -> Any:
        """The connection that drives all of them; the options are those of `GroupConnection`."""
        return GroupConnection(session, **options)

    def __init__(self) -> None:
        super().__init__()
        # The last word of each websocket, by its number.
        self._words: dict[int, str] = {}
        # Payloads that were delivered; what is owed once nothing is wrong any more, and whether a
        # gap was given up, which the client says.
        self._delivered: set[bytes] = set()
        self._doubled: list[bytes] = []
        self._owed: dict[bytes, None] = {}
        self._gave_up = False

    # --- what happens to one member ---------------------------------------------------------------

    @rule(which=_WHICH)
    def cut_member(self, which: int) -> None:
        """One connection is gone without a close frame."""
        self._on_one(which, lambda socket: socket.end(1006, ""))

    @rule(which=_WHICH, code=st.sampled_from(CODES))
    def close_member(self, which: int, code: int) -> None:
        """The venue closes one connection."""
        self._on_one(which, lambda socket: socket.bring_end(code, "as it is"))

    @rule(which=_WHICH, seconds=st.sampled_from((0.5, 1, 15, 45, 600)))
    def slow_member(self, which: int, seconds: float) -> None:
        """What is sent to one connection comes late, pongs included."""
        self._on_one(which, lambda socket: socket.stall(seconds))

    @rule(which=_WHICH)
    def send_to_member(self, which: int) -> None:
        """The next messages of every stream reach one connection only."""
        self._do(lambda: self._send_apart(which, lambda peer, message: None))

    @rule(which=_WHICH, how=st.sampled_from(("truncate", "utf8")), seed=st.integers(0, 2**16))
    def damage_others(self, which: int, how: str, seed: int) -> None:
        """The next messages, damaged on every connection but one."""
        dice = random.Random(seed)
        self._do(lambda: self._send_apart(
            which, lambda peer, message: peer.send_corrupt(message, how, dice)
        ))  # fmt: skip

    @rule(which=_WHICH)
    def refuse_member(self, which: int) -> None:
        """One connection is gone, and the next dial is refused."""

        def act(socket: Socket) -> None:
            self.simulator.refuse(503, times=1)
            socket.end(1006, "")

        self._on_one(which, act)

    def _on_one(self, which: int, act: Callable[[Socket], None]) -> None:
        """Do something to one open socket."""

        def work() -> None:
            if sockets := self.world.open:
                act(sockets[which % len(sockets)])

        self._do(work)

    def _send_apart(self, which: int, other: Callable[[Any, Message], None]) -> None:
        """Send to one connection, and do something else with the others."""
        made, sockets = self.world.make(), self.world.open
        if not sockets:
            return
        chosen = sockets[which % len(sockets)].peer
        for peer, one in made:
            if peer is chosen:
                self._send_one(peer, one.message)
            else:
                other(peer, one.message)

    # --- what is owed -----------------------------------------------------------------------------

    def _send(self, times: int) -> None:
        """All connections get these messages, so they are owed, even if all of them are gone."""
        before, ever_open = len(self.world.made), "opened" in self._words.values()
        super()._send(times)
        if ever_open or self.world.open:
            self._owed |= dict.fromkeys(map(raw_of, self.world.made[before:]))

    def _take(self, delivery: Delivery) -> None:
        for event in delivery.events:
            if isinstance(event, Data) and event.payload is not None:
                payload = event.payload.hex().encode()
                if payload in self._delivered:
                    self._doubled.append(payload)
                self._delivered.add(payload)
            self._gave_up |= isinstance(event, Backfilled) and not event.complete
            self._note(delivery.connection, event)
        super()._take(delivery)

    def _note(self, number: int, event: Any) -> None:
        """Keep the last word about a websocket."""
        if isinstance(event, Opened):
            self._words[number] = "opened"
        elif isinstance(event, Retrying):
            self._words[number] = "retrying"
        elif isinstance(event, Closed):
            self._words[number] = "closed" if event.retry.again else _STOPPED
        elif isinstance(event, Unreachable):
            self._words[number] = "unreachable"
        elif isinstance(event, Rejected) and self._words.get(number, "") != "opened":
            # Of an upgrade; a `Retrying` follows unless the venue refused for good.
            self._words[number] = _STOPPED

    # --- the checks -------------------------------------------------------------------------------

    def _check_events(self) -> None:
        super()._check_events()
        if self._doubled:
            self._fails("events", f"Data twice over the group for {elide(str(self._doubled[0]))}")

    def _check_alive(self) -> None:
        if self.is_over:
            if self.ended is None:
                self._fails("alive", "it has stopped, and no error says why")
            return
        sockets, members = len(self.world.open), max(1, len(self.connection.connections))
        if sockets > members:
            self._fails("alive", f"{sockets} sockets are open at once, of {members} sessions")
        if not self.reading.is_set():
            return
        for number, word in self._words.items():
            if word in ("closed", "unreachable"):
                self._fails("alive", f"websocket {number} is gone, and its last word is {word!r}")
        opened = sum(word == "opened" for word in self._words.values())
        if opened != sockets:
            self._fails("alive", f"{sockets} sockets are open, and it says so of {opened}")

    def _refused(self) -> bool:
        return any(each.session.refused for each in self.connection.connections)

    def _check_recovered(self) -> None:
        super()._check_recovered()
        stopped = sum(word == _STOPPED for word in self._words.values())
        sockets, members = len(self.world.open), len(self.connection.connections)
        if sockets + stopped < members:
            words = f"{sockets} of {members} members are connected after {PATIENCE} s"
            self._fails("alive", f"{words}, and {stopped} have stopped")
        self._check_owed()

    def _check_owed(self) -> None:
        """What all connections were to get has come, streamed or in answer to a request."""
        owed, self._owed = self._owed, {}
        if self._gave_up:
            return
        for raw in owed:
            if raw not in self._known and not self._was_asked_for(raw):
                self._fails("frames", f"lost over the group: {elide(str(raw))}")
