"""From events in order to a state with its past: no socket here, only what the events mean.

`TimedEvent` is an event with its time. Each replay walks through the events once and leaves records
for `State.from_dict`: configs with their times, and `Earlier` values of whole keys, which is how
`state.at(time)` knows what was so then. Questions that events leave open (v0.5.0's f after an
update, which of two equal configs v0.4.0 switched) are put to functions given by the caller.

Raises `Unavailable` where the events contradict one another, as they do when some are missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from payloads.abi.fields import Record
from payloads.chain.rpc import Unavailable
from payloads.chainlink.state import V03


class TimedEvent(Record, frozen=True):
    """An event: block time and number, its place there, the contract, its name and arguments."""

    time: int
    block: int
    index: int
    address: bytes
    name: str
    arguments: dict[str, Any]
    transaction: str = ""


def text(raw: bytes) -> str:
    return "0x" + raw.hex()


@dataclass
class ConfigBuilder:
    """A config while its story is read."""

    verifier: bytes
    signers: tuple[bytes, ...]
    f: int
    set_at: int
    digest: bytes | None = None
    feed_id: bytes | None = None
    activation_time: int | None = None
    # v0.4.0: its name, where it stands in the list.
    don_config_id: bytes = b""
    index: int = 0
    # Where it was set.
    block: int = 0
    transaction: str = ""
    active: bool = True
    removed_at: int | None = None
    switched: list[tuple[int, bool]] = field(default_factory=list)

    def switch(self, at: int, active: bool) -> None:
        if active != self.active:
            self.switched.append((at, active))
            self.active = active

    def to_json(self) -> dict[str, Any]:
        named = {"feed_id": self.feed_id, "config_digest": self.digest}
        record: dict[str, Any] = {key: text(raw) for key, raw in named.items() if raw is not None}
        record |= {"signers": [text(one) for one in self.signers], "f": self.f}
        times = {"activation_time": self.activation_time, "set_at": self.set_at}
        times["removed_at"] = self.removed_at
        record |= {key: time for key, time in times.items() if time is not None}
        record["active"] = self.active
        if self.switched:
            record["switched"] = [{"at": at, "active": active} for at, active in self.switched]
        return record


class History:
    """Earlier values of whole keys, in the order of time."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    def was(self, until: int, key: str, value: Any) -> None:
        """Before `until`, `key` was `value`. Of two changes in one block the first says it."""
        if any(one["until"] == until and key in one for one in self.entries):
            return
        self.entries.append({"until": until, key: value})

    def history(self) -> list[dict[str, Any]]:
        return sorted(self.entries, key=lambda one: int(one["until"]))


# --- v0.3.0 and v0.5.0 ----------------------------------------------------------------------------


class Removals:
    """Ids that were ended (and perhaps came back), with since when."""

    def __init__(self, key: str, past: History) -> None:
        self.key, self._past = key, past
        self._since: dict[bytes, int] = {}

    def end(self, id_: bytes, at: int) -> None:
        self._since.setdefault(id_, at)

    def restore(self, id_: bytes, at: int) -> None:
        # What was added is dated; only what was taken away again needs a remembered list.
        if id_ in self._since:
            self._past.was(at, self.key, self.to_json())
            del self._since[id_]

    def to_json(self) -> list[Any]:
        return [{"id": text(id_), "at": at} for id_, at in self._since.items()]


# The f that an update set, which its event does not say.
AskF = Callable[[TimedEvent], int]


def replay_configs(
    events: Iterable[TimedEvent], generation: str, past: History, ask_f: AskF
) -> tuple[list[ConfigBuilder], Removals, Removals, dict[bytes, bytes]]:
    """Configs in the order they were set, unset digests, deactivated feeds, verifier by digest."""
    story = _Story(generation, past, ask_f)
    for event in events:
        getattr(story, "on_" + event.name, _ignore)(event)
    return story.drafts, story.unset, story.feeds, story.verifiers


def _ignore(event: TimedEvent) -> None:
    """Not about configs."""


class _Story:
    def __init__(self, generation: str, past: History, ask_f: AskF) -> None:
        self._by_feed = generation == V03
        self._ask_f = ask_f
        self.drafts: list[ConfigBuilder] = []
        self._open: dict[tuple[bytes, bytes, bytes], ConfigBuilder] = {}
        self.verifiers: dict[bytes, bytes] = {}
        self.unset = Removals("unset_digests", past)
        self.feeds = Removals("deactivated_feeds", past)

    def _key(self, event: TimedEvent) -> tuple[bytes, bytes, bytes]:
        values = event.arguments
        return event.address, values["feed_id"] if self._by_feed else b"", values["digest"]

    def _draft(self, event: TimedEvent) -> ConfigBuilder:
        if (draft := self._open.get(self._key(event))) is None:
            raise missing(event, "a config that no event set")
        return draft

    def _set(self, event: TimedEvent, f: int) -> None:
        if (before := self._open.get(self._key(event))) is not None:
            before.removed_at = event.time
        address, feed_id, digest = self._key(event)
        draft = ConfigBuilder(
            address, event.arguments["signers"], f, event.time, digest, feed_id if feed_id else None
        )
        self._open[address, feed_id, digest] = draft
        self.drafts.append(draft)

    def on_ConfigSet(self, event: TimedEvent) -> None:
        self._set(event, event.arguments["f"])

    def on_ConfigUpdated(self, event: TimedEvent) -> None:
        self._draft(event)
        self._set(event, self._ask_f(event))

    def on_ConfigActivated(self, event: TimedEvent) -> None:
        self._draft(event).switch(event.time, True)

    def on_ConfigDeactivated(self, event: TimedEvent) -> None:
        self._draft(event).switch(event.time, False)

    def on_FeedDeactivated(self, event: TimedEvent) -> None:
        self.feeds.end(event.arguments["feed_id"], event.time)

    def on_FeedActivated(self, event: TimedEvent) -> None:
        self.feeds.restore(event.arguments["feed_id"], event.time)

    def on_VerifierSet(self, event: TimedEvent) -> None:
        digest, verifier = event.arguments["digest"], event.arguments["verifier"]
        self.verifiers[digest] = verifier
        self.unset.restore(digest, event.time)
        for (address, _, named), draft in list(self._open.items()):
            if named == digest and address != verifier:
                # Another verifier answers for the digest now.
                draft.removed_at = event.time
                del self._open[address, draft.feed_id or b"", named]

    def on_VerifierUnset(self, event: TimedEvent) -> None:
        self.verifiers.pop(event.arguments["digest"], None)
        self.unset.end(event.arguments["digest"], event.time)


def missing(event: TimedEvent, what: str) -> Unavailable:
    return Unavailable(
        f"events are missing: {event.name} in block {event.block} is about {what}",
        field="eth_getLogs",
        expected="all logs since the contracts were deployed (give an earlier first block?)",
    )


# --- v0.4.0 ---------------------------------------------------------------------------------------

# Whether the config at this place in the list is active at a block; None if nobody knows.
AskActive = Callable[[int, int], bool | None]


def replay_destination(
    events: Iterable[TimedEvent], ask_active: AskActive
) -> tuple[list[ConfigBuilder], list[ConfigBuilder]]:
    """All configs in the order they were set, and those that are still in the list."""
    drafts: list[ConfigBuilder] = []
    stack: list[ConfigBuilder] = []
    for event in events:
        values = event.arguments
        if event.name == "ConfigSet":
            if values["index"] != len(stack):
                raise missing(event, f"config {values['index']} after {len(stack)} others")
            draft = ConfigBuilder(event.address, values["signers"], values["f"], event.time)
            draft.don_config_id, draft.index = values["don_config_id"], len(stack)
            draft.block, draft.transaction = event.block, event.transaction
            drafts.append(draft)
            stack.append(draft)
        elif event.name == "ConfigRemoved":
            if not stack or stack[-1].don_config_id != values["don_config_id"]:
                raise missing(event, "a config that is not the latest")
            stack.pop().removed_at = event.time
        elif event.name == "ConfigActivated":
            _switch_one(stack, event, ask_active)
    return drafts, stack


def _switch_one(stack: list[ConfigBuilder], event: TimedEvent, ask_active: AskActive) -> None:
    """The event names signers and f, which may stand in the list more than once."""
    named = [one for one in stack if one.don_config_id == event.arguments["don_config_id"]]
    if not named:
        raise missing(event, "a config that no event set")
    active = event.arguments["active"]
    if len(named) > 1:
        known = [one for one in named if ask_active(one.index, event.block) == active]
        named = known if known else named[-1:]
    for one in named:
        one.switch(event.time, active)


# --- fees, access, and what is set by address -----------------------------------------------------


def replay_switches(
    events: Iterable[TimedEvent], name: str, present: bytes
) -> list[tuple[int, bytes]]:
    """Which contract was in use from when: the first entry holds from the beginning."""
    found: list[tuple[int, bytes]] = []
    for event in events:
        if event.name == name:
            found = found or [(0, event.arguments["old"])]
            found.append((event.time, event.arguments["new"]))
    found = found or [(0, present)]
    if found[-1][1] != present:
        raise Unavailable(
            f"events are missing: the last {name} is not about the contract in use",
            field="eth_getLogs", expected=text(present), found=text(found[-1][1]),
        )  # fmt: skip
    return found


class FeeHistory:
    """A fee manager's prices while its story is read."""

    def __init__(self, address: bytes, link: bytes, native: bytes, global_: bool) -> None:
        self.address, self.link, self.native = address, link, native
        self._global = global_
        self.surcharge = 0
        # Discount by subscriber, feed (None: all feeds) and token.
        self.discounts: dict[tuple[bytes, bytes | None, bytes], int] = {}

    def on(self, event: TimedEvent) -> None:
        values = event.arguments
        if event.name == "NativeSurchargeUpdated":
            self.surcharge = values["surcharge"]
        elif event.name == "SubscriberDiscountUpdated":
            every = self._global and values["feed_id"] == bytes(32)
            feed = None if every else values["feed_id"]
            self.discounts[values["subscriber"], feed, values["token"]] = values["discount"]

    def to_json(self) -> dict[str, Any]:
        return {
            "address": text(self.address),
            "link": text(self.link),
            "native": text(self.native),
            "native_surcharge": str(self.surcharge),
            "discounts": [
                {
                    "subscriber": text(subscriber),
                    "feed_id": None if feed is None else text(feed),
                    "token": "link" if token == self.link else "native",
                    "discount": str(discount),
                }
                for (subscriber, feed, token), discount in self.discounts.items()
                if discount
            ],
        }


class AccessList:
    """An access controller's list while its story is read. `always`: who needs no entry in it."""

    def __init__(self, address: bytes, always: Iterable[bytes] = ()) -> None:
        self.address = address
        self.always = tuple(always)
        self.enabled = True
        self.listed: dict[bytes, None] = {}

    def on(self, event: TimedEvent) -> None:
        if event.name == "AddedAccess":
            self.listed[event.arguments["user"]] = None
        elif event.name == "RemovedAccess":
            self.listed.pop(event.arguments["user"], None)
        elif event.name in ("CheckAccessEnabled", "CheckAccessDisabled"):
            self.enabled = event.name == "CheckAccessEnabled"

    def to_json(self) -> dict[str, Any]:
        allowed = [text(one) for one in dict.fromkeys((*self.listed, *self.always))]
        return {"address": text(self.address), "allowed": allowed if self.enabled else None}


def replay_book(
    events: Iterable[TimedEvent],
    key: str,
    switches: list[tuple[int, bytes]],
    books: dict[bytes, FeeHistory] | dict[bytes, AccessList],
    past: History,
) -> None:
    """Follow the books through their events, and remember what the one in use said before each."""
    waiting = list(switches)
    _, current = waiting.pop(0)

    def said() -> dict[str, Any] | None:
        return books[current].to_json() if current in books else None

    def switch_until(time: int) -> None:
        nonlocal current
        while waiting and waiting[0][0] <= time:
            before, (at, following) = said(), waiting.pop(0)
            current = following
            if said() != before:
                past.was(at, key, before)

    for event in events:
        if (book := books.get(event.address)) is None:
            continue
        switch_until(event.time)
        before = said()
        book.on(event)
        if said() != before:
            past.was(event.time, key, before)
    switch_until(2**64)
