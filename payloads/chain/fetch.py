"""A state read from a chain, over RPC, at one named block.

    state = fetch_state("https://…", "0x478A…", block=250_000_000, subscriber="0x…")
    save_state(state, "state.json")

What the proxy is, and of which generation, it says itself (`typeAndVersion`). Configs, discounts
and the past come from events since it was deployed; what is so at the block also from getters and
storage, and where the two disagree (logs are missing) nothing is returned. A Stork contract has no
events: its state is that of the block alone.

Everything is asked at the same block; if it is replaced meanwhile, that is an error. The saved
state names the node's host, the block and its hash, and nothing else of the URL.

Raises `Unavailable` (a `Misuse`) with what to do about it, and `Misuse` for wrong arguments.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from payloads import published
from payloads.chain import fees_and_access
from payloads.chain.contract_events import (
    PROXIES,
    PROXY,
    STORK_VERSIONS,
    VERIFIER_EVENTS,
    VERIFIERS,
)
from payloads.chain.contract_reader import Reader, merged
from payloads.chain.history import (
    ConfigBuilder,
    History,
    Removals,
    TimedEvent,
    replay_configs,
    replay_destination,
)
from payloads.chain.rpc import Unavailable, connect
from payloads.chainlink.state import V03, V04, V05
from payloads.crypto import checksum, keccak256
from payloads.errors import Misuse, elide
from payloads.signatures import address_bytes
from payloads.stork.state import STORK
from payloads.verdicts.state import State

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
    """What the contract at `proxy` knows at `block` (the newest if not given), and knew before.

    `rpc` is a URL, a `Web3` or a provider. `subscriber` is who will call: only its discounts are
    read, and an access controller is asked about it. `since` is a block not after the proxy's
    deployment, for nodes that cannot be asked when that was.
    """
    node = connect(rpc)
    address = address_bytes(proxy, "proxy")
    who = None if subscriber is None else address_bytes(subscriber, "subscriber")
    head = node.head()
    number = head if block is None else block
    if not 0 <= number <= head:
        raise Misuse("no such block", field="block", expected=f"0 to {head}", found=str(number))
    named = node.block(number)
    if not node.code(address, number):
        raise Misuse(
            f"not a contract at block {number} of chain {node.chain_id()}",
            field="proxy", expected="the address of a verifier proxy", found=checksum(address),
        )  # fmt: skip
    reader = Reader(node, number, since, progress)
    record, notes = _read(reader, address, who)
    if node.block_now(number).hash != named.hash:
        raise Unavailable("the block was replaced while it was read", field="block")
    words = [f"read over RPC from {node.host}", f"block hash {elide(named.hash, 21)}", *notes]
    record |= {
        "now": named.time,
        "network": _network(address),
        "chain_id": node.chain_id(),
        "proxy": "0x" + address.hex(),
        "block_number": number,
        "source": "; ".join(words),
    }
    return State.from_dict(record)


def _network(address: bytes) -> str:
    """The network's name, where the address is documented for one alone; the chain id decides."""
    labels = {known.label for known in published.proxies(address)}
    return labels.pop() if len(labels) == 1 else ""


def _read(reader: Reader, address: bytes, who: bytes | None) -> tuple[dict[str, Any], list[str]]:
    said = reader.text(address, "typeAndVersion()")
    if said in PROXIES:
        read = _read_destination if PROXIES[said] == (V04,) else _read_proxy
        return read(reader, address, who)
    if said is None and (signer := reader.address(address, "storkFastAddress()")) is not None:
        return _read_stork(reader, address, signer)
    if said in VERIFIERS:
        raise Misuse(
            "a verifier, and not the proxy in front of it",
            field="proxy", expected=" or ".join(PROXIES), found=said,
        )  # fmt: skip
    raise Unavailable(
        "not a contract that this library knows",
        field="proxy",
        expected=f"typeAndVersion of {' or '.join(PROXIES)}, or Stork Fast",
        found="no typeAndVersion" if said is None else elide(repr(said)),
    )


def save_state(state: State, path: str | Path) -> None:
    """Write the state as the JSON that `State.load` reads; never half of it."""
    text = json.dumps(state.to_dict(), indent=1) + "\n"
    target = Path(path)
    handle, scratch = tempfile.mkstemp(dir=target.absolute().parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w") as stream:
            stream.write(text)
        os.chmod(scratch, 0o644)
        os.replace(scratch, target)
    except BaseException:
        os.unlink(scratch)
        raise


# --- Stork ----------------------------------------------------------------------------------------


def _read_stork(reader: Reader, address: bytes, signer: bytes) -> tuple[dict[str, Any], list[str]]:
    version = reader.text(address, "version()")
    if version not in STORK_VERSIONS:
        raise Unavailable(
            "an unknown version of Stork Fast",
            field="version", expected=" or ".join(STORK_VERSIONS), found=elide(repr(version)),
        )  # fmt: skip
    fee = reader.word(address, "verificationFeeInWei()")
    if fee is None:
        raise Unavailable("it does not say its fee", field="verificationFeeInWei")
    notes = ["its past is not known: the contract emits no events"]
    return {"contract": STORK, "signer": "0x" + signer.hex(), "verification_fee": fee}, notes


# --- v0.3.0 and v0.5.0 ----------------------------------------------------------------------------


def _read_proxy(
    reader: Reader, proxy: bytes, who: bytes | None
) -> tuple[dict[str, Any], list[str]]:
    first = reader.first(proxy)
    of_proxy = reader.events([proxy], PROXY, first, "the proxy's events")
    generation, verifiers = _generation(reader, of_proxy)
    of_verifiers = reader.events(
        verifiers, VERIFIER_EVENTS[generation], first, "the verifier's events"
    )
    past = History()
    events = merged(of_proxy, of_verifiers)
    ask_f = partial(_f_of_update, reader)
    drafts, unset, feeds, registered = replay_configs(events, generation, past, ask_f)
    _check_configs(reader, generation, proxy, drafts, registered)
    if generation == V03:
        _check_feeds(reader, verifiers, drafts, feeds)
    fees = fees_and_access.fees(reader, proxy, generation, who, of_proxy, past)
    access = fees_and_access.access(reader, proxy, who, of_proxy, past)
    record = {
        "contract": generation,
        "configs": [draft.to_json() for draft in drafts],
        "unset_digests": unset.to_json(),
        "deactivated_feeds": feeds.to_json(),
        "fee_manager": fees,
        "access_controller": access,
        "subscriber": None if who is None else "0x" + who.hex(),
        "history": past.history(),
    }
    named = " and ".join(checksum(one) for one in verifiers) or "none yet"
    return record, [f"verifier {named}", *reader.notes]


def _generation(reader: Reader, events: Sequence[TimedEvent]) -> tuple[str, list[bytes]]:
    """The generation of the verifiers that digests are registered for, and those verifiers."""
    known = {one.arguments["verifier"]: 0 for one in events if one.name == "VerifierInitialized"}
    live: dict[bytes, bytes] = {}
    for event in events:
        if event.name == "VerifierSet":
            live[event.arguments["digest"]] = event.arguments["verifier"]
        elif event.name == "VerifierUnset":
            live.pop(event.arguments["digest"], None)
    versions = {one: reader.text(one, "typeAndVersion()") or "nothing" for one in known}
    used = {versions.get(one, "nothing") for one in live.values()} or set(versions.values())
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
    return generation, [one for one in known if VERIFIERS.get(versions[one]) == generation]


def _f_of_update(reader: Reader, event: TimedEvent) -> int:
    """`ConfigUpdated` does not say the new f: storage does, or the transaction that set it."""
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
    reader: Reader,
    generation: str,
    proxy: bytes,
    drafts: Sequence[ConfigBuilder],
    registered: dict[bytes, bytes],
) -> None:
    """What the events say, the contracts must say too; else some events did not arrive."""
    standing = [draft for draft in drafts if draft.removed_at is None]
    for digest in dict.fromkeys(draft.digest or b"" for draft in standing):
        found = reader.address(proxy, "getVerifier(bytes32)", digest) or bytes(20)
        if found != registered.get(digest, bytes(20)):
            raise _disagreement(f"the verifier of digest 0x{digest.hex()}")
    for draft in standing:
        digest = draft.digest or b""
        if generation == V03:
            slot = mapped(mapped(STATES, draft.feed_id or b"") + CONFIGS_OF_FEED, digest)
            word = reader.node.storage(draft.verifier, slot, reader.number)
            f, active = word[31], word[30]
        else:
            word = reader.node.storage(draft.verifier, mapped(STATES, digest), reader.number)
            f, active = word[26], word[27]
        if (f, bool(active)) != (draft.f, draft.active):
            raise _disagreement(f"the config of digest 0x{digest.hex()}")


def _check_feeds(
    reader: Reader, verifiers: Sequence[bytes], drafts: Sequence[ConfigBuilder], feeds: Removals
) -> None:
    ended = {one["id"] for one in feeds.to_json()}
    for feed in dict.fromkeys(draft.feed_id or b"" for draft in drafts):
        words = [
            reader.node.storage(verifier, mapped(STATES, feed), reader.number)
            for verifier in verifiers
        ]
        # Three numbers of four bytes stand before the flag.
        if any(word[19] for word in words) != ("0x" + feed.hex() in ended):
            raise _disagreement(f"the feed 0x{feed.hex()}")


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
    reader: Reader, proxy: bytes, who: bytes | None
) -> tuple[dict[str, Any], list[str]]:
    verifier = _verifier_behind(reader, proxy)
    first = reader.first(verifier)
    events = reader.events([verifier], VERIFIER_EVENTS[V04], first, "the verifier's events")
    past = History()
    drafts, standing = replay_destination(events, partial(_active_at, reader, verifier))
    _settle_standing(reader, verifier, standing)
    kept = [one for one in drafts if one in standing or _settle_removed(reader, one)]
    if len(kept) < len(drafts):
        missing = len(drafts) - len(kept)
        reader.notes.append(f"{missing} removed configs left out: their times are not known")
    fees = fees_and_access.fees(reader, verifier, V04, who, events, past)
    access = fees_and_access.access(reader, verifier, who, events, past)
    record = {
        "contract": V04,
        "configs": [draft.to_json() for draft in kept],
        "fee_manager": fees,
        "access_controller": access,
        "subscriber": None if who is None else "0x" + who.hex(),
        "history": past.history(),
    }
    return record, [f"verifier {checksum(verifier)}", *reader.notes]


def _verifier_behind(reader: Reader, proxy: bytes) -> bytes:
    """The proxy has no getter and no event for it: its storage says."""
    verifier = reader.node.storage(proxy, PROXY_VERIFIER, reader.number)[12:]
    if not any(verifier):
        raise Unavailable("the proxy has no verifier yet", field="proxy")
    said = reader.text(verifier, "typeAndVersion()")
    if VERIFIERS.get(said or "") != V04:
        raise Unavailable(
            "an unknown verifier stands behind the proxy",
            field="typeAndVersion", expected="DestinationVerifier 0.4.0", found=elide(repr(said)),
        )  # fmt: skip
    serves = reader.address(verifier, "i_verifierProxy()")
    fees = reader.address(verifier, "s_feeManager()") or b""
    stored = reader.node.storage(verifier, FEE_MANAGER, reader.number)[12:]
    if serves != proxy or fees != stored:
        raise Unavailable(
            "the verifier behind the proxy is not laid out as expected", field=checksum(verifier)
        )
    return verifier


class _Stored:
    """A config as DestinationVerifier stores it, in one word."""

    def __init__(self, word: bytes) -> None:
        self.don_config_id, self.f, self.active = word[8:], word[7], bool(word[6])
        self.activation_time = int.from_bytes(word[2:6], "big")


def _stored(reader: Reader, verifier: bytes, index: int, number: int) -> _Stored:
    start = int.from_bytes(keccak256(CONFIGS.to_bytes(32, "big")), "big")
    return _Stored(reader.node.storage(verifier, start + index, number))


def _active_at(reader: Reader, verifier: bytes, index: int, number: int) -> bool | None:
    try:
        return _stored(reader, verifier, index, number).active
    except Unavailable:
        return None


def _settle_standing(reader: Reader, verifier: bytes, standing: Sequence[ConfigBuilder]) -> None:
    """Activation times, which no event says, of the configs in the list; and that they are it."""
    length = reader.node.storage(verifier, CONFIGS, reader.number)
    if int.from_bytes(length, "big") != len(standing):
        raise _disagreement("the number of configs")
    for draft in standing:
        found = _stored(reader, verifier, draft.index, reader.number)
        if (found.don_config_id, found.f) != (draft.don_config_id, draft.f):
            raise _disagreement(f"config {draft.index}")
        draft.activation_time = found.activation_time
        if found.active != draft.active:
            # One of several equal configs was switched, and no archive says which.
            draft.active, draft.switched = found.active, []
            reader.notes.append(f"when config {draft.index} was switched is not known")


def _settle_removed(reader: Reader, draft: ConfigBuilder) -> bool:
    """The activation time of a config that is gone: from storage then, or the transaction."""
    try:
        found = _stored(reader, draft.verifier, draft.index, draft.block)
    except Unavailable:
        found = None
    if found is not None and found.don_config_id == draft.don_config_id:
        draft.activation_time = found.activation_time
    elif reader.arguments(draft.transaction, draft.verifier, _SET) is not None:
        draft.activation_time = draft.set_at
    elif words := reader.arguments(draft.transaction, draft.verifier, _SET_WITH_TIME):
        draft.activation_time = int.from_bytes(words[96:128], "big")
    return draft.activation_time is not None
