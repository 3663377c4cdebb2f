"""A state read from a chain, over RPC, at one named block.

    state = fetch_state("https://…", "0x478A…", block=250_000_000, subscriber="0x…")
    save_state(state, "state.json")

The proxy says itself what it is, and of which generation (`typeAndVersion`). Configs, discounts and
the past come from events since it was deployed. What holds at the block is compared with getters
and storage; where they disagree (logs are missing), nothing is returned.

Everything is asked at the same block. If that block is replaced meanwhile, it is an error. The
saved state names the node's host, the block and its hash, and nothing else of the URL.

Raises `Unavailable` (a `Misuse`) with what to do about it, and `Misuse` for wrong arguments.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from payloads import published
from payloads.chain.reading import fees_and_access, fetch_stork
from payloads.chain.reading.contract_events import (
    PROXIES,
    PROXY,
    VERIFIER_EVENTS,
    VERIFIERS,
    WITH_VIEWS,
)
from payloads.chain.reading.contract_reader import ContractReader, in_order
from payloads.chain.reading.history import (
    ConfigBuilder,
    ConfigReplay,
    History,
    TimedEvent,
    hex_text,
    replay_destination,
)
from payloads.chain.reading.state_files import write_text
from payloads.chain.rpc import Unavailable, connect
from payloads.chainlink.state import V03, V04, V05, V051
from payloads.crypto import checksum, keccak256
from payloads.errors import Misuse, elide, shown
from payloads.signatures import address_bytes
from payloads.verdicts.state import ZERO, State

# Called with what is being read, blocks read, blocks to read, and events found so far.
Progress = Callable[[str, int, int, int], None]

# Storage of the contracts, from their published sources. Each starts with ConfirmedOwner's two.
PROXY_VERIFIER = 2  # DestinationVerifierProxy
CONFIGS, FEE_MANAGER = 3, 4  # DestinationVerifier
STATES = 2  # both Verifiers
CONFIGS_OF_FEED = 2  # inside a feed's state in Verifier 1.2.0

_UPDATE = "updateConfig(bytes32,address[],address[],uint8)"
_SET = "setConfig(address[],uint8,(address,uint64)[])"
_SET_WITH_TIME = "setConfigWithActivationTime(address[],uint8,(address,uint64)[],uint32)"


def fetch_state(
    rpc: Any,
    proxy: str | bytes,
    *,
    block: int | None = None,
    subscriber: str | bytes | None = None,
    since: int | None = None,
    progress: Progress | None = None,
) -> State:
    """The state of the contract at `proxy` at `block` (the newest if not given), and its past.

    `rpc` is a URL, a `Web3` or a provider. `subscriber` is the address that will call: only its
    discounts are read, and an access controller is asked about it. `since` is a block not after the
    proxy's deployment, for nodes that do not know when that was.
    """
    node = connect(rpc)
    address = address_bytes(proxy, "proxy")
    caller = None if subscriber is None else address_bytes(subscriber, "subscriber")
    head = node.head()
    number = head if block is None else block
    if not 0 <= number <= head:
        raise Misuse("no such block", field="block", expected=f"0 to {head}", found=str(number))
    return read_state(ContractReader(node, number, since, progress), address, caller)


def read_state(reader: ContractReader, address: bytes, subscriber: bytes | None) -> State:
    """The state of the contract at the reader's block."""
    node, number = reader.node, reader.number
    named, chain_id = reader.block(number), node.chain_id()
    if not node.code(address, number):
        raise Misuse(
            f"not a contract at block {number} of chain {chain_id}",
            field="proxy", expected="the address of a verifier proxy", found=checksum(address),
        )  # fmt: skip
    record, notes = _read(reader, address, subscriber)
    if node.block_again(number).hash != named.hash:
        raise Unavailable("the block was replaced while it was read", field="block")
    words = [f"read over RPC from {node.host}", f"block hash {elide(named.hash, 21)}", *notes]
    record |= {
        "now": named.time,
        "network": _network(address),
        "chain_id": chain_id,
        "proxy": "0x" + address.hex(),
        "block_number": number,
        "source": "; ".join(words),
    }
    return State.from_dict(record)


def _network(address: bytes) -> str:
    """The network's name, where the address is documented for one alone; the chain id decides."""
    labels = {known.label for known in published.proxies(address)}
    return labels.pop() if len(labels) == 1 else ""


def _read(
    reader: ContractReader, address: bytes, subscriber: bytes | None
) -> tuple[dict[str, Any], list[str]]:
    version = reader.text(address, "typeAndVersion()")
    if version is not None and version in PROXIES:
        if PROXIES[version] == (V04,):
            return _read_destination(reader, address, subscriber)
        return _read_proxy(reader, address, subscriber, version)
    if version is None and (found := fetch_stork.generation(reader, address)) is not None:
        return fetch_stork.read(reader, address, *found)
    if version in VERIFIERS:
        raise Misuse(
            "a verifier, and not the proxy in front of it",
            field="proxy", expected=" or ".join(PROXIES), found=version,
        )  # fmt: skip
    raise Unavailable(
        "not a contract that this library knows",
        field="proxy",
        expected=f"typeAndVersion of {' or '.join(PROXIES)}, or Stork Fast",
        found="no typeAndVersion" if version is None else shown(version),
    )


def save_state(state: State, path: str | Path) -> None:
    """Write the state as the JSON that `State.load` reads; never half of it."""
    write_text(json.dumps(state.to_dict(), indent=1) + "\n", path)


# --- v0.3.0 and v0.5.0 ----------------------------------------------------------------------------


def _read_proxy(
    reader: ContractReader, proxy: bytes, subscriber: bytes | None, version: str
) -> tuple[dict[str, Any], list[str]]:
    first = reader.first(proxy)
    of_proxy = reader.events([proxy], PROXY, first, "the proxy's events")
    generation, verifiers = _generation(reader, of_proxy)
    of_verifiers = reader.events(
        verifiers, VERIFIER_EVENTS[generation], first, "the verifier's events"
    )
    history = History()
    configs = ConfigReplay(generation, history, partial(_f_of_update, reader))
    configs.read(in_order(of_proxy, of_verifiers))
    _check_configs(reader, generation, proxy, configs)
    if generation == V03:
        _check_feeds(reader, verifiers, configs)
    fees = fees_and_access.fees(reader, proxy, generation, subscriber, of_proxy, history)
    access = fees_and_access.access(reader, proxy, subscriber, of_proxy, history)
    record = {
        "contract": _with_views(reader, version, generation, verifiers),
        "configs": [builder.to_json() for builder in configs.builders],
        "unset_digests": configs.unset_digests.to_json(),
        "deactivated_feeds": configs.deactivated_feeds.to_json(),
        "fee_manager": fees,
        "access_controller": access,
        **fees_and_access.caller(reader, subscriber),
        "history": history.to_json(),
    }
    named = " and ".join(map(checksum, verifiers)) or "none yet"
    return record, [f"verifier {named}", *reader.notes]


def _generation(reader: ContractReader, events: Sequence[TimedEvent]) -> tuple[str, list[bytes]]:
    """The generation of the verifiers that digests are registered for, and those verifiers."""
    initialized = (event for event in events if event.name == "VerifierInitialized")
    known = dict.fromkeys(event.arguments["verifier"] for event in initialized)
    registered: dict[bytes, bytes] = {}
    for event in events:
        if event.name == "VerifierSet":
            registered[event.arguments["digest"]] = event.arguments["verifier"]
        elif event.name == "VerifierUnset":
            registered.pop(event.arguments["digest"], None)
    versions = {each: reader.version(each) or "nothing" for each in known}
    in_use = {versions.get(each, "nothing") for each in registered.values()}
    used = in_use or set(versions.values())
    generations = {VERIFIERS.get(version) for version in used}
    if len(generations) > 1 or None in generations:
        raise Unavailable(
            "the proxy's digests belong to verifiers of no known, or of more than one, generation",
            field="typeAndVersion",
            expected="Verifier 1.2.0 or Verifier 2.0.0 alone",
            found=" and ".join(sorted(map(repr, used))),
        )
    if not generations:
        # Nothing can be verified yet, in either generation alike.
        return V05, []
    generation = next(iter(generations)) or V05
    return generation, [each for each in known if VERIFIERS.get(versions[each]) == generation]


def _with_views(
    reader: ContractReader, of_proxy: str, generation: str, verifiers: Sequence[bytes]
) -> str:
    """The generation by the name that says whether the proxy and its verifiers have the views."""
    versions = {of_proxy, *map(reader.version, verifiers)}
    return V051 if generation == V05 and versions <= WITH_VIEWS else generation


def _f_of_update(reader: ContractReader, event: TimedEvent) -> int:
    """`ConfigUpdated` does not say the new f: storage does, or the transaction that set it."""
    place = (event.address, event.block, event.index)
    return reader.known(("f", *place), int, lambda: _ask_f_of_update(reader, event)) or 0


def _ask_f_of_update(reader: ContractReader, event: TimedEvent) -> int:
    digest, count = event.arguments["digest"], len(event.arguments["signers"])
    for number in (event.block, reader.number):
        try:
            word = reader.node.storage(event.address, mapped(STATES, digest), number)
        except Unavailable:
            continue
        f, stored = word[26], word[25]
        if f and (number == event.block or stored == count):
            return f
    arguments = reader.arguments(event.transaction, event.address, _UPDATE)
    if arguments is None:
        raise Unavailable(
            f"the f that was set in block {event.block} is not known",
            field="ConfigUpdated", expected="an archive node",
        )  # fmt: skip
    return int.from_bytes(arguments[96:128], "big")


def _check_configs(
    reader: ContractReader,
    generation: str,
    proxy: bytes,
    configs: ConfigReplay,
) -> None:
    """Compare what the events say with the contracts: some events may not have arrived."""
    in_force = [builder for builder in configs.builders if builder.removed_at is None]
    for digest in dict.fromkeys(builder.digest or b"" for builder in in_force):
        verifier = configs.verifiers.get(digest, ZERO)
        registered = partial(_is_registered, reader, proxy, digest, verifier)
        if not reader.known(("verifier", proxy, digest, verifier), bool, registered):
            raise _disagreement(f"the verifier of digest 0x{digest.hex()}")
    for builder in in_force:
        claim = (builder.verifier, builder.feed_id, builder.digest, builder.f, builder.active)
        stored = partial(_is_stored, reader, generation, builder)
        if not reader.known(("config", *claim), bool, stored):
            raise _disagreement(f"the config of digest {hex_text(builder.digest or b'')}")


def _is_registered(reader: ContractReader, proxy: bytes, digest: bytes, verifier: bytes) -> bool:
    found = reader.address(proxy, "getVerifier(bytes32)", digest)
    return (found or ZERO) == verifier


def _is_stored(reader: ContractReader, generation: str, builder: ConfigBuilder) -> bool:
    """Whether the verifier's storage has the config as the events say it is."""
    digest, verifier = builder.digest or b"", builder.verifier
    if generation == V03:
        slot = mapped(mapped(STATES, builder.feed_id or b"") + CONFIGS_OF_FEED, digest)
        word = reader.node.storage(verifier, slot, reader.number)
        f, active = word[31], word[30]
    else:
        word = reader.node.storage(verifier, mapped(STATES, digest), reader.number)
        f, active = word[26], word[27]
    return (f, bool(active)) == (builder.f, builder.active)


def _check_feeds(reader: ContractReader, verifiers: Sequence[bytes], configs: ConfigReplay) -> None:
    deactivated = {entry["id"] for entry in configs.deactivated_feeds.to_json()}
    for feed in dict.fromkeys(builder.feed_id or b"" for builder in configs.builders):
        off = hex_text(feed) in deactivated
        right = partial(_is_feed, reader, verifiers, feed, off)
        if not reader.known(("feed", *verifiers, feed, off), bool, right):
            raise _disagreement(f"the feed {hex_text(feed)}")


def _is_feed(reader: ContractReader, verifiers: Sequence[bytes], feed: bytes, off: bool) -> bool:
    """Whether the storage of the verifiers has the feed deactivated, or not."""
    words = [
        reader.node.storage(verifier, mapped(STATES, feed), reader.number) for verifier in verifiers
    ]
    # Three numbers of four bytes stand before the flag.
    return any(word[19] for word in words) == off


def _disagreement(what: str) -> Unavailable:
    return Unavailable(
        f"events and storage disagree about {what}",
        field="eth_getLogs",
        expected="a node that returns all logs, from the proxy's deployment on",
    )


def mapped(slot: int, key: bytes) -> int:
    """Where Solidity keeps `mapping[key]` for a mapping at `slot`."""
    return int.from_bytes(keccak256(key.rjust(32, b"\0") + slot.to_bytes(32, "big")), "big")


# --- v0.4.0 ---------------------------------------------------------------------------------------


def _read_destination(
    reader: ContractReader, proxy: bytes, subscriber: bytes | None
) -> tuple[dict[str, Any], list[str]]:
    verifier = _verifier_behind(reader, proxy)
    first = reader.first(verifier)
    events = reader.events([verifier], VERIFIER_EVENTS[V04], first, "the verifier's events")
    history = History()
    builders, listed = replay_destination(events, partial(_active_at, reader, verifier))
    _read_activation_times(reader, verifier, listed, len(events))
    kept = [each for each in builders if each in listed or _find_activation_time(reader, each)]
    if len(kept) < len(builders):
        missing = len(builders) - len(kept)
        reader.notes.append(f"{missing} removed configs left out: their times are not known")
    fees = fees_and_access.fees(reader, verifier, V04, subscriber, events, history)
    access = fees_and_access.access(reader, verifier, subscriber, events, history)
    record = {
        "contract": V04,
        "configs": [builder.to_json() for builder in kept],
        "fee_manager": fees,
        "access_controller": access,
        **fees_and_access.caller(reader, subscriber),
        "history": history.to_json(),
    }
    return record, [f"verifier {checksum(verifier)}", *reader.notes]


def _verifier_behind(reader: ContractReader, proxy: bytes) -> bytes:
    """The verifier behind a proxy, from storage: there is no getter and no event for it."""
    verifier = reader.node.storage(proxy, PROXY_VERIFIER, reader.number)[12:]
    if not any(verifier):
        raise Unavailable("the proxy has no verifier yet", field="proxy")
    version = reader.version(verifier)
    if VERIFIERS.get(version or "") != V04:
        raise Unavailable(
            "an unknown verifier stands behind the proxy",
            field="typeAndVersion", expected="DestinationVerifier 0.4.0", found=shown(version),
        )  # fmt: skip
    laid_out = partial(_laid_out, reader, verifier, proxy)
    if not reader.known(("laid out", verifier, proxy), bool, laid_out):
        raise Unavailable(
            "the verifier behind the proxy is not laid out as expected", field=checksum(verifier)
        )
    return verifier


def _laid_out(reader: ContractReader, verifier: bytes, proxy: bytes) -> bool:
    serves = reader.address(verifier, "i_verifierProxy()")
    fees = reader.address(verifier, "s_feeManager()") or b""
    stored = reader.node.storage(verifier, FEE_MANAGER, reader.number)[12:]
    return serves == proxy and fees == stored


class _StoredConfig:
    """A config as DestinationVerifier stores it, in one word."""

    def __init__(self, word: bytes) -> None:
        self.don_config_id, self.f, self.active = word[8:], word[7], bool(word[6])
        self.activation_time = int.from_bytes(word[2:6], "big")


def _stored(reader: ContractReader, verifier: bytes, index: int, number: int) -> _StoredConfig:
    start = int.from_bytes(keccak256(CONFIGS.to_bytes(32, "big")), "big")
    return _StoredConfig(reader.node.storage(verifier, start + index, number))


def _active_at(reader: ContractReader, verifier: bytes, index: int, number: int) -> bool | None:
    def ask() -> bool | None:
        try:
            found = _stored(reader, verifier, index, number)
            return found.active if any(found.don_config_id) else None  # nothing is stored there
        except Unavailable:
            return None

    return reader.known(("active", verifier, index, number), bool, ask)


def _read_activation_times(
    reader: ContractReader, verifier: bytes, listed: Sequence[ConfigBuilder], events: int
) -> None:
    """Add the activation times, which no event says, to the configs in the list.

    The list that the events give is compared with the list in storage, after so many `events`.
    """
    right = partial(_is_length, reader, verifier, len(listed))
    if not reader.known(("list", verifier, events, len(listed)), bool, right):
        raise _disagreement("the number of configs")
    for builder in listed:
        question = ("listed", verifier, events, builder.index, builder.don_config_id, builder.f)
        found = reader.known(question, tuple, partial(_ask_listed, reader, builder))
        if found is None:
            raise _disagreement(f"config {builder.index}")
        builder.activation_time = found[0]
        if (active := bool(found[1])) != builder.active:
            # One of several equal configs was switched, and no archive says which.
            builder.active, builder.switched = active, []
            reader.notes.append(f"when config {builder.index} was switched is not known")


def _is_length(reader: ContractReader, verifier: bytes, length: int) -> bool:
    return int.from_bytes(reader.node.storage(verifier, CONFIGS, reader.number), "big") == length


def _ask_listed(reader: ContractReader, builder: ConfigBuilder) -> tuple[int, int] | None:
    """The activation time of a config in the list, and whether it is active."""
    found = _stored(reader, builder.verifier, builder.index, reader.number)
    if (found.don_config_id, found.f) != (builder.don_config_id, builder.f):
        return None
    return found.activation_time, int(found.active)


def _find_activation_time(reader: ContractReader, builder: ConfigBuilder) -> bool:
    """Add the activation time of a removed config, from storage of then or the transaction.

    Returns whether it was found.
    """
    question = ("removed", builder.verifier, builder.index, builder.block, builder.transaction)
    ask = partial(_ask_removed, reader, builder)
    builder.activation_time = reader.known(question, int, ask)
    return builder.activation_time is not None


def _ask_removed(reader: ContractReader, builder: ConfigBuilder) -> int | None:
    try:
        found = _stored(reader, builder.verifier, builder.index, builder.block)
    except Unavailable:
        found = None
    if found is not None and found.don_config_id == builder.don_config_id:
        return found.activation_time
    if reader.arguments(builder.transaction, builder.verifier, _SET) is not None:
        return builder.set_at
    if words := reader.arguments(builder.transaction, builder.verifier, _SET_WITH_TIME):
        return int.from_bytes(words[96:128], "big")
    return None
