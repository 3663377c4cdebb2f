"""From events in order to a state with its past: only the meaning of events, no requests.

`TimedEvent` is an event with its time. Each replay goes through the events once and leaves records
for `State.from_dict`: configs with their times, and earlier values of whole keys (`History`), from
which `state.at(time)` knows the state of then. Some questions events leave open: the f that a
v0.5.0 update set, and which of two equal configs v0.4.0 switched. They are put to functions that
the caller gives.

Raises `Unavailable` where the events contradict one another, as they do when some are missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
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


def hex_text(raw: bytes) -> str:
    return "0x" + raw.hex()


@dataclass
class ConfigBuilder:
    """A config while the events about it are read."""

    verifier: bytes
    signers: tuple[bytes, ...]
    f: int
    set_at: int
    digest: bytes | None = None
    feed_id: bytes | None = None
    activation_time: int | None = None
    # v0.4.0: its name, and its place in the list.
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
        names = {"feed_id": self.feed_id, "config_digest": self.digest}
        record: dict[str, Any] = {
            key: hex_text(raw) for key, raw in names.items() if raw is not None
        }
        record |= {"signers": [hex_text(signer) for signer in self.signers], "f": self.f}
        times = {"activation_time": self.activation_time, "set_at": self.set_at}
        times["removed_at"] = self.removed_at
        record |= {key: time for key, time in times.items() if time is not None}
        record["active"] = self.active
        if self.switched:
            record["switched"] = [{"at": at, "active": active} for at, active in self.switched]
        return record


class History:
    """Earlier values of whole keys of a state."""

    def __init__(self) -> None:
        self._entries: list[dict[str, Any]] = []

    def add(self, until: int, key: str, value: Any) -> None:
        """Before `until`, `key` was `value`. Of two changes in one block the first counts."""
        if any(entry["until"] == until and key in entry for entry in self._entries):
            return
        self._entries.append({"until": until, key: value})

    def to_json(self) -> list[dict[str, Any]]:
        """The entries in order of time."""
        return sorted(self._entries, key=lambda entry: int(entry["until"]))


# --- v0.3.0 and v0.5.0 ----------------------------------------------------------------------------


class Removals:
    """Ids that were removed, with the time. A removed id may come back."""

    def __init__(self, key: str, history: History) -> None:
        self.key, self._history = key, history
        self._removed_at: dict[bytes, int] = {}

    def remove(self, id_: bytes, at: int) -> None:
        self._removed_at.setdefault(id_, at)

    def restore(self, id_: bytes, at: int) -> None:
        # A removal is dated. Only what was removed and came back needs a remembered list.
        if id_ in self._removed_at:
            self._history.add(at, self.key, self.to_json())
            del self._removed_at[id_]

    def to_json(self) -> list[Any]:
        return [{"id": hex_text(id_), "at": at} for id_, at in self._removed_at.items()]


# The f that an update set, which its event does not say.
AskF = Callable[[TimedEvent], int]


class ConfigReplay:
    """The configs of v0.3.0 and v0.5.0, and what was removed, as the events tell it.

    `builders` are in the order in which the configs were set, `verifiers` are by digest. `ask_f`
    finds the f of an update.
    """

    def __init__(self, generation: str, history: History, ask_f: AskF) -> None:
        self._by_feed = generation == V03
        self._ask_f = ask_f
        self.builders: list[ConfigBuilder] = []
        self._in_force: dict[tuple[bytes, bytes, bytes], ConfigBuilder] = {}
        self.verifiers: dict[bytes, bytes] = {}
        self.unset_digests = Removals("unset_digests", history)
        self.deactivated_feeds = Removals("deactivated_feeds", history)

    def read(self, events: Iterable[TimedEvent]) -> None:
        """Go through events in order. Those that are not about configs are passed over."""
        for event in events:
            handler = getattr(self, "_on_" + event.name, None)
            if handler is not None:
                handler(event)

    def _key(self, event: TimedEvent) -> tuple[bytes, bytes, bytes]:
        values = event.arguments
        return event.address, values["feed_id"] if self._by_feed else b"", values["digest"]

    def _builder(self, event: TimedEvent) -> ConfigBuilder:
        if (builder := self._in_force.get(self._key(event))) is None:
            raise missing_events(event, "a config that no event set")
        return builder

    def _set(self, event: TimedEvent, f: int) -> None:
        if (before := self._in_force.get(self._key(event))) is not None:
            before.removed_at = event.time
        address, feed_id, digest = self._key(event)
        builder = ConfigBuilder(
            address, event.arguments["signers"], f, event.time, digest, feed_id if feed_id else None
        )
        self._in_force[address, feed_id, digest] = builder
        self.builders.append(builder)

    def _on_ConfigSet(self, event: TimedEvent) -> None:
        self._set(event, event.arguments["f"])

    def _on_ConfigUpdated(self, event: TimedEvent) -> None:
        self._builder(event)
        self._set(event, self._ask_f(event))

    def _on_ConfigActivated(self, event: TimedEvent) -> None:
        self._builder(event).switch(event.time, True)

    def _on_ConfigDeactivated(self, event: TimedEvent) -> None:
        self._builder(event).switch(event.time, False)

    def _on_FeedDeactivated(self, event: TimedEvent) -> None:
        self.deactivated_feeds.remove(event.arguments["feed_id"], event.time)

    def _on_FeedActivated(self, event: TimedEvent) -> None:
        self.deactivated_feeds.restore(event.arguments["feed_id"], event.time)

    def _on_VerifierSet(self, event: TimedEvent) -> None:
        digest, verifier = event.arguments["digest"], event.arguments["verifier"]
        self.verifiers[digest] = verifier
        self.unset_digests.restore(digest, event.time)
        for (address, _, known), builder in list(self._in_force.items()):
            if known == digest and address != verifier:
                # Another verifier answers for the digest now.
                builder.removed_at = event.time
                del self._in_force[address, builder.feed_id or b"", known]

    def _on_VerifierUnset(self, event: TimedEvent) -> None:
        self.verifiers.pop(event.arguments["digest"], None)
        self.unset_digests.remove(event.arguments["digest"], event.time)


def missing_events(event: TimedEvent, what: str) -> Unavailable:
    return Unavailable(
        f"events are missing: {event.name} in block {event.block} is about {what}",
        field="eth_getLogs",
        expected="all logs since the contracts were deployed (give an earlier first block?)",
    )


# --- v0.4.0 ---------------------------------------------------------------------------------------

# Whether the config at this place in the list is active at a block; None if that is not known.
AskActive = Callable[[int, int], bool | None]


def replay_destination(
    events: Iterable[TimedEvent], ask_active: AskActive
) -> tuple[list[ConfigBuilder], list[ConfigBuilder]]:
    """All configs in the order they were set, and those that are still in the list."""
    builders: list[ConfigBuilder] = []
    listed: list[ConfigBuilder] = []
    for event in events:
        values = event.arguments
        if event.name == "ConfigSet":
            if values["index"] != len(listed):
                raise missing_events(event, f"config {values['index']} after {len(listed)} others")
            builder = ConfigBuilder(event.address, values["signers"], values["f"], event.time)
            builder.don_config_id, builder.index = values["don_config_id"], len(listed)
            builder.block, builder.transaction = event.block, event.transaction
            builders.append(builder)
            listed.append(builder)
        elif event.name == "ConfigRemoved":
            if not listed or listed[-1].don_config_id != values["don_config_id"]:
                raise missing_events(event, "a config that is not the latest")
            listed.pop().removed_at = event.time
        elif event.name == "ConfigActivated":
            _switch(listed, event, ask_active)
    return builders, listed


def _switch(listed: list[ConfigBuilder], event: TimedEvent, ask_active: AskActive) -> None:
    """The event names signers and f, which may stand in the list more than once."""
    wanted, active = event.arguments["don_config_id"], event.arguments["active"]
    candidates = [builder for builder in listed if builder.don_config_id == wanted]
    if not candidates:
        raise missing_events(event, "a config that no event set")
    if len(candidates) > 1:
        known = [each for each in candidates if ask_active(each.index, event.block) == active]
        candidates = known or candidates[-1:]
    for builder in candidates:
        builder.switch(event.time, active)


# --- fees, access, and what is set by address -----------------------------------------------------

# A contract that is in use from a time on; the first entry holds from the beginning.
Uses = list[tuple[int, bytes]]


def replay_uses(events: Iterable[TimedEvent], name: str, present: bytes) -> Uses:
    """The contracts that were in use, by the events called `name`."""
    uses: Uses = []
    for event in events:
        if event.name == name:
            uses = uses or [(0, event.arguments["old"])]
            uses.append((event.time, event.arguments["new"]))
    uses = uses or [(0, present)]
    if uses[-1][1] != present:
        raise Unavailable(
            f"events are missing: the last {name} is not about the contract in use",
            field="eth_getLogs", expected=hex_text(present), found=hex_text(uses[-1][1]),
        )  # fmt: skip
    return uses


class FeeHistory:
    """The surcharge and the discounts of a fee manager while its events are read."""

    def __init__(self, address: bytes, link: bytes, native: bytes, has_global: bool) -> None:
        self.address, self.link, self.native = address, link, native
        self._has_global = has_global
        self.surcharge = 0
        # Discount by subscriber, feed (None: all feeds) and token.
        self.discounts: dict[tuple[bytes, bytes | None, bytes], int] = {}
        # The block of the event that said so, and its place there.
        self.places: dict[tuple[bytes, bytes | None, bytes], tuple[int, int]] = {}

    def read(self, event: TimedEvent) -> None:
        values = event.arguments
        if event.name == "NativeSurchargeUpdated":
            self.surcharge = values["surcharge"]
        elif event.name == "SubscriberDiscountUpdated":
            all_feeds = self._has_global and values["feed_id"] == bytes(32)
            feed = None if all_feeds else values["feed_id"]
            key = values["subscriber"], feed, values["token"]
            self.discounts[key], self.places[key] = values["discount"], (event.block, event.index)

    def to_json(self) -> dict[str, Any]:
        return {
            "address": hex_text(self.address),
            "link": hex_text(self.link),
            "native": hex_text(self.native),
            "native_surcharge": str(self.surcharge),
            "discounts": [
                {
                    "subscriber": hex_text(subscriber),
                    "feed_id": None if feed is None else hex_text(feed),
                    "token": "link" if token == self.link else "native",
                    "discount": str(discount),
                }
                for (subscriber, feed, token), discount in self.discounts.items()
                if discount
            ],
        }


class NoOpFees:
    """A fee manager that does nothing, and so has no settings that an event could change."""

    def __init__(
        self, address: bytes, type_: str, link: bytes | None, native: bytes | None
    ) -> None:
        self.address, self._type = address, type_
        self._tokens = {"link": link, "native": native}

    def read(self, event: TimedEvent) -> None:
        """Nothing follows from any event."""

    def to_json(self) -> dict[str, Any]:
        tokens = {name: hex_text(token) for name, token in self._tokens.items() if token}
        return {"type": self._type, "address": hex_text(self.address), **tokens}


class AccessList:
    """The list of an access controller while its events are read.

    `admits_origins`: whether it also admits every account that signs its own transaction.
    """

    def __init__(self, address: bytes, admits_origins: bool = False) -> None:
        self.address, self.admits_origins = address, admits_origins
        self.enabled = True
        self.listed: dict[bytes, None] = {}

    def read(self, event: TimedEvent) -> None:
        if event.name == "AddedAccess":
            self.listed[event.arguments["user"]] = None
        elif event.name == "RemovedAccess":
            self.listed.pop(event.arguments["user"], None)
        elif event.name in ("CheckAccessEnabled", "CheckAccessDisabled"):
            self.enabled = event.name == "CheckAccessEnabled"

    def to_json(self) -> dict[str, Any]:
        allowed = [hex_text(user) for user in self.listed]
        record = {"address": hex_text(self.address), "allowed": allowed if self.enabled else None}
        return record | ({"admits_origins": True} if self.admits_origins else {})


def replay_settings(
    events: Iterable[TimedEvent],
    key: str,
    uses: Uses,
    contracts: Mapping[bytes, FeeHistory | NoOpFees] | Mapping[bytes, AccessList],
    history: History,
) -> None:
    """Read the events of fee managers or access controllers into them.

    The settings in use before each change go into `history`, under `key`.
    """
    coming = list(uses)
    _, current = coming.pop(0)

    def settings() -> dict[str, Any] | None:
        return contracts[current].to_json() if current in contracts else None

    def use_until(time: int) -> None:
        nonlocal current
        while coming and coming[0][0] <= time:
            before, (at, following) = settings(), coming.pop(0)
            current = following
            if settings() != before:
                history.add(at, key, before)

    for event in events:
        if (contract := contracts.get(event.address)) is None:
            continue
        use_until(event.time)
        before = settings()
        contract.read(event)
        if settings() != before:
            history.add(event.time, key, before)
    use_until(2**64)
