"""What a chain knows when it is asked to verify: plain, typed data, from a dict or a file.

`State.from_dict` reads the `world` objects of the recorded vectors as they are, and the same with
more keys (docs of each class below); `to_dict` gives back what was read. `State.load` reads a JSON
or TOML file. `state.at(time)` is the state as it was then, as far as the file knows its past.

Everything that is wrong with a description is `Misuse` naming the key, and nothing else escapes
(but `OSError`, where a file cannot be read). What the contracts themselves would have refused to
store (f of zero, a duplicate or zero signer, a discount above 100%) is refused here too.

A state is never trusted silently: it carries where it came from (`source`) and when (`fetched_at`,
`block_number`), and every verdict names it.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
from hexbytes import HexBytes

from payloads.abi.fields import Record, hexed
from payloads.crypto import keccak256
from payloads.errors import Misuse, elide
from payloads.signatures import address_bytes

V03, V04, V05, STORK = "v0.3.0", "v0.4.0", "v0.5.0", "stork-fast-1.0.0"
GENERATIONS = (V03, V04, V05)

# What the fee managers count discounts and surcharges in: this is 100%.
SCALE = 10**18
MAX_SIGNERS = 31
ZERO = bytes(20)
_U64, _U256 = 2**64 - 1, 2**256 - 1


# --- reading --------------------------------------------------------------------------------------


class _Keys:
    """An object being read: each key once, and none left over that nobody knows."""

    def __init__(self, record: Any, path: str = "") -> None:
        if not isinstance(record, dict):
            raise Misuse("not an object", field=path.rstrip("."), found=_brief(record))
        self.record, self.path = dict(record), path

    def take(self, key: str, default: Any = ...) -> Any:
        value = self.record.pop(key, default)
        if value is ...:
            raise Misuse("missing", field=self.path + key)
        return default if value is None and default is not ... else value

    def done(self) -> None:
        for key in self.record:
            raise Misuse("unknown key", field=self.path + str(key))

    def text(self, key: str, default: Any = ...) -> Any:
        value = self.take(key, default)
        return self.check(key, value, default, isinstance(value, str), "text")

    def flag(self, key: str, default: Any = ...) -> Any:
        value = self.take(key, default)
        return self.check(key, value, default, isinstance(value, bool), "true or false")

    def integer(self, key: str, high: int = _U256, default: Any = ...) -> Any:
        value = self.take(key, default)
        if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 80:
            value = int(value)
        fits = type(value) is int and 0 <= value <= high
        return self.check(key, value, default, fits, f"an integer from 0 to {elide(str(high))}")

    def bytes(self, key: str, size: int, default: Any = ...) -> Any:
        value = self.take(key, default)
        return value if value is default else _fixed(value, size, self.path + key)

    def list(self, key: str, read: Callable[[Any, str], Any], default: Any = ...) -> Any:
        values = self.take(key, default)
        self.check(key, values, default, isinstance(values, list | tuple), "a list")
        path = self.path + key
        return tuple(read(value, f"{path}[{index}]") for index, value in enumerate(values))

    def check(self, key: str, value: Any, default: Any, fits: bool, expected: str) -> Any:
        if fits or value is default:
            return value
        raise Misuse(
            "cannot be used", field=self.path + key, expected=expected, found=_brief(value)
        )


def _brief(value: Any) -> str:
    return elide(repr(value))


def _fixed(value: Any, size: int, path: str) -> HexBytes:
    if size == 20 and isinstance(value, str):
        return hexed(address_bytes(value, path))
    try:
        raw = bytes.fromhex(value.removeprefix("0x")) if isinstance(value, str) else bytes(value)
    except (ValueError, TypeError):
        raw = b""
    if isinstance(value, int) or len(raw) != size:
        raise Misuse("not hex of the right size", field=path, expected=f"{size} bytes",
                     found=_brief(value))  # fmt: skip
    return hexed(raw)


def _address(value: Any, path: str) -> HexBytes:
    return _fixed(value, 20, path)


def _plain(**values: Any) -> dict[str, Any]:
    """The JSON object of these values; what is absent stays away."""
    record: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, bytes):
            record[key] = "0x" + value.hex()
        elif value is not None and value != ():
            record[key] = value
    return record


# --- Chainlink's parts ----------------------------------------------------------------------------


class Switch(Record, frozen=True):
    """A config was activated or deactivated at a block time."""

    at: int
    active: bool


class Ended(Record, frozen=True):
    """A digest that the proxy no longer knows, or a deactivated feed; since when, if known.

    In JSON the bare hex string, or `{"id": …, "at": …}`.
    """

    id: HexBytes
    at: int | None = None

    @classmethod
    def read(cls, value: Any, path: str) -> Ended:
        if not isinstance(value, dict):
            return cls(_fixed(value, 32, path))
        keys = _Keys(value, path + ".")
        found = cls(keys.bytes("id", 32), keys.integer("at", default=None))
        keys.done()
        return found

    def to_json(self) -> Any:
        return "0x" + self.id.hex() if self.at is None else _plain(id=self.id, at=self.at)


class Config(Record, frozen=True, kw_only=True, dict=True, gc=True):
    """A set of signers. `f + 1` of them must sign (v0.4.0: at least that many).

    `config_digest` names it (v0.3.0, v0.5.0), together with `feed_id` in v0.3.0. v0.4.0 has
    `activation_time` instead: the first observation time that it applies to.

    Its history, where known: `set_at`, `removed_at` (replaced or removed; such a config is not in
    force) and `switched`, all in block time.
    """

    signers: tuple[HexBytes, ...]
    f: int
    active: bool = True
    config_digest: HexBytes | None = None
    feed_id: HexBytes | None = None
    activation_time: int | None = None
    set_at: int | None = None
    removed_at: int | None = None
    switched: tuple[Switch, ...] = ()

    @classmethod
    def read(cls, value: Any, path: str) -> Config:
        keys = _Keys(value, path + ".")
        found = cls(
            signers=keys.list("signers", _address),
            f=keys.integer("f", 255),
            active=keys.flag("active", True),
            config_digest=keys.bytes("config_digest", 32, None),
            feed_id=keys.bytes("feed_id", 32, None),
            activation_time=keys.integer("activation_time", 2**32 - 1, None),
            set_at=keys.integer("set_at", default=None),
            removed_at=keys.integer("removed_at", default=None),
            switched=keys.list("switched", _switch, ()),
        )
        keys.done()
        _check_config(found, path)
        return found

    def to_json(self) -> dict[str, Any]:
        return _plain(
            signers=["0x" + signer.hex() for signer in self.signers],
            f=self.f,
            active=self.active,
            config_digest=self.config_digest,
            feed_id=self.feed_id,
            activation_time=self.activation_time,
            set_at=self.set_at,
            removed_at=self.removed_at,
            switched=[{"at": one.at, "active": one.active} for one in self.switched] or None,
        )

    @cached_property
    def members(self) -> dict[bytes, int]:
        """The index of each signer."""
        return {bytes(signer): index for index, signer in enumerate(self.signers)}

    @cached_property
    def don_config_id(self) -> HexBytes:
        """v0.4.0's name of it: 24 bytes that follow from the signers and f."""
        words = b"".join(bytes(12) + signer for signer in sorted(self.signers))
        return hexed(keccak256(words + bytes([self.f]))[:24])

    def at(self, time: int) -> Config | None:
        """The config as it was then; None if it was not there."""
        if self.set_at is not None and time < self.set_at:
            return None
        if self.removed_at is not None and time >= self.removed_at:
            return None
        past = tuple(one for one in self.switched if one.at <= time)
        active = past[-1].active if past else bool(self.switched) or self.active
        return msgspec.structs.replace(self, active=active, removed_at=None, switched=past)


def _switch(value: Any, path: str) -> Switch:
    keys = _Keys(value, path + ".")
    found = Switch(keys.integer("at"), keys.flag("active"))
    keys.done()
    return found


def _check_config(config: Config, path: str) -> None:
    """What every generation's setConfig insists on."""
    count = len(config.signers)
    if config.f == 0:
        raise Misuse("f must be positive", field=f"{path}.f", expected="at least 1", found="0")
    if not 3 * config.f < count <= MAX_SIGNERS:
        expected = f"more than 3 f = {3 * config.f} and at most {MAX_SIGNERS}"
        raise Misuse(
            "wrong number of signers", field=f"{path}.signers", expected=expected, found=str(count)
        )
    for index, signer in enumerate(config.signers):
        where = f"{path}.signers[{index}]"
        if signer == ZERO:
            raise Misuse("the zero address cannot be a signer", field=where)
        if signer in config.signers[:index]:
            raise Misuse("signer listed twice", field=where, found="0x" + signer.hex())
    times = [one.at for one in config.switched]
    if times != sorted(times):
        raise Misuse("switches must be in order of time", field=f"{path}.switched")
    if config.switched and config.switched[-1].active != config.active:
        raise Misuse("contradicts the last switch", field=f"{path}.active")


class Discount(Record, frozen=True):
    """A share of `SCALE` off the fee, for a feed or (`feed_id` None) for all of them.

    `token` is `link` or `native`. `subscriber` None is the state's own.
    """

    token: str
    discount: int
    feed_id: HexBytes | None = None
    subscriber: HexBytes | None = None

    @classmethod
    def read(cls, value: Any, path: str) -> Discount:
        keys = _Keys(value, path + ".")
        found = cls(
            keys.text("token"),
            keys.integer("discount", SCALE),
            keys.bytes("feed_id", 32, None),
            keys.bytes("subscriber", 20, None),
        )
        keys.done()
        if found.token not in ("link", "native"):
            raise Misuse("no such token", field=f"{path}.token", expected="link or native",
                         found=_brief(found.token))  # fmt: skip
        return found

    def to_json(self) -> dict[str, Any]:
        record = _plain(subscriber=self.subscriber, token=self.token, discount=str(self.discount))
        feed = None if self.feed_id is None else "0x" + self.feed_id.hex()
        return {"feed_id": feed, **record}


class FeeManager(Record, frozen=True, kw_only=True, dict=True, gc=True):
    """What a fee manager charges with. Without one, verification is free and unchecked for expiry.

    It is assumed that the subscriber holds and has approved what the fee comes to.
    """

    link: HexBytes
    native: HexBytes
    native_surcharge: int = 0
    discounts: tuple[Discount, ...] = ()
    address: HexBytes | None = None

    @classmethod
    def read(cls, value: Any, path: str) -> FeeManager:
        keys = _Keys(value, path + ".")
        found = cls(
            link=keys.bytes("link", 20),
            native=keys.bytes("native", 20),
            native_surcharge=keys.integer("native_surcharge", SCALE, 0),
            discounts=keys.list("discounts", Discount.read, ()),
            address=keys.bytes("address", 20, None),
        )
        keys.done()
        for name in ("link", "native"):
            if getattr(found, name) == ZERO:
                raise Misuse("the zero address is no token", field=f"{path}.{name}")
        return found

    def to_json(self) -> dict[str, Any]:
        record = _plain(link=self.link, native=self.native, address=self.address)
        discounts = [one.to_json() for one in self.discounts]
        return record | {"native_surcharge": str(self.native_surcharge), "discounts": discounts}

    def token(self, name: str) -> HexBytes:
        """The address of `link` or `native`."""
        return self.link if name == "link" else self.native

    def discount(self, feed_id: bytes, token: bytes, subscriber: bytes, own: bool) -> int:
        """The discount for this feed alone; 0 if there is none. `own`: the state's subscriber."""
        return self._found(feed_id, token, subscriber, own)

    def global_discount(self, token: bytes, subscriber: bytes, own: bool) -> int:
        """The discount for every feed that has none of its own."""
        return self._found(None, token, subscriber, own)

    def _found(self, feed_id: bytes | None, token: bytes, subscriber: bytes, own: bool) -> int:
        known = self._discounts
        named = known.get((subscriber, feed_id, token))
        if named is None and own:
            named = known.get((None, feed_id, token))
        return named or 0

    @cached_property
    def _discounts(self) -> dict[tuple[bytes | None, bytes | None, bytes], int]:
        # By address, as the contract has it; of two for the same, the one set last stands.
        return {(d.subscriber, d.feed_id, self.token(d.token)): d.discount for d in self.discounts}


class AccessController(Record, frozen=True):
    """Who may call: an allow-list, or (`allowed` None) anybody, as where access is switched off."""

    allowed: tuple[HexBytes, ...] | None = None
    address: HexBytes | None = None

    @classmethod
    def read(cls, value: Any, path: str) -> AccessController:
        keys = _Keys(value, path + ".")
        listed = keys.record.get("allowed") is not None
        allowed = keys.list("allowed", _address) if listed else keys.take("allowed", None)
        found = cls(allowed, keys.bytes("address", 20, None))
        keys.done()
        return found

    def to_json(self) -> dict[str, Any]:
        listed = None if self.allowed is None else ["0x" + one.hex() for one in self.allowed]
        return {"allowed": listed, **_plain(address=self.address)}

    def admits(self, sender: bytes) -> bool:
        return self.allowed is None or sender in self.allowed


# --- the state ------------------------------------------------------------------------------------

# Keys that say what the chain knew, which is what can have been different before.
PAST = (
    "configs", "unset_digests", "deactivated_feeds", "fee_manager", "access_controller",
    "signer", "verification_fee",
)  # fmt: skip


class Earlier(Record, frozen=True):
    """Before block time `until`, these keys had these values: how a state remembers its past."""

    until: int
    before: dict[str, Any]

    @classmethod
    def read(cls, value: Any, path: str) -> Earlier:
        keys = _Keys(value, path + ".")
        until = keys.integer("until")
        for key in keys.record:
            if key not in PAST:
                raise Misuse("nothing that has a past", field=f"{path}.{key}",
                             expected=", ".join(PAST))  # fmt: skip
        return cls(until, keys.record)

    def to_json(self) -> dict[str, Any]:
        return {"until": self.until, **self.before}


class State(Record, frozen=True, kw_only=True, dict=True, gc=True):
    """What both systems' states share.

    `now` is the block time to judge at, `source` says where the data came from in words, and
    `fetched_at` when (unix seconds), at block `block_number` of the chain. `history` lists earlier
    values of whole keys, for `at`.
    """

    contract: str
    now: int | None = None
    name: str = ""
    network: str = ""
    chain_id: int | None = None
    proxy: HexBytes | None = None
    block_number: int | None = None
    fetched_at: int | None = None
    source: str = ""
    history: tuple[Earlier, ...] = ()

    @staticmethod
    def from_dict(record: dict[str, Any]) -> ChainlinkState | StorkState:
        """A state of the system that `contract` names."""
        keys = _Keys(record)
        contract = keys.text("contract")
        if contract in GENERATIONS:
            state: ChainlinkState | StorkState = _read_chainlink(contract, keys)
        elif contract == STORK:
            state = _read_stork(keys)
        else:
            known = ", ".join((*GENERATIONS, STORK))
            raise Misuse("no such contract", field="contract", expected=known,
                         found=_brief(contract))  # fmt: skip
        keys.done()
        for earlier in state.history:  # a past that cannot be read is found now, not when needed
            state.at(earlier.until - 1)
        return state

    @staticmethod
    def load(path: str | Path) -> ChainlinkState | StorkState:
        """The state in a JSON file, or a TOML one if its name ends so."""
        text = Path(path).read_bytes()
        try:
            if str(path).endswith(".toml"):
                record = tomllib.loads(text.decode())
            else:
                record = json.loads(text)
        except ValueError as error:
            raise Misuse(f"not a state file: {error}", field=str(path)) from None
        return State.from_dict(record)

    def to_dict(self) -> dict[str, Any]:
        """The object that `from_dict` reads."""
        return {"kind": "world"} | _plain(
            world=self.name or None,
            contract=self.contract,
            now=self.now,
            network=self.network or None,
            chain_id=self.chain_id,
            proxy=self.proxy,
            block_number=self.block_number,
            fetched_at=self.fetched_at,
            source=self.source or None,
            history=[one.to_json() for one in self.history] or None,
        )

    def _at(self, time: int) -> dict[str, Any]:
        record = self.to_dict()
        for earlier in sorted(self.history, key=lambda one: one.until, reverse=True):
            if time < earlier.until:
                record |= earlier.before
        kept = [one.to_json() for one in self.history if one.until <= time]
        record |= {"now": time, "history": kept}
        return record

    def age(self, now: int | None = None) -> int | None:
        """Seconds from when this state held to `now`; None where that is not known."""
        then = self.now if self.fetched_at is None else self.fetched_at
        now = self.now if now is None else now
        return None if then is None or now is None else now - then

    def described(self) -> str:
        """This state in a few words, for people and logs."""
        words = [self.name or self.network, self.contract]
        words += ["proxy 0x" + self.proxy.hex()] if self.proxy else []
        words += [f"block {self.block_number}"] if self.block_number is not None else []
        return ", ".join(word for word in [*words, self.source] if word)


class ChainlinkState(State, frozen=True, kw_only=True, dict=True, gc=True):
    """A proxy, its verifier and its fee manager. `subscriber` is who calls, if nobody else does."""

    subscriber: HexBytes | None = None
    configs: tuple[Config, ...] = ()
    unset_digests: tuple[Ended, ...] = ()
    deactivated_feeds: tuple[Ended, ...] = ()
    fee_manager: FeeManager | None = None
    access_controller: AccessController | None = None

    def to_dict(self) -> dict[str, Any]:
        """The object that `from_dict` reads."""
        fees, access = self.fee_manager, self.access_controller
        record = super().to_dict() | _plain(subscriber=self.subscriber)
        record["configs"] = [config.to_json() for config in self.configs]
        record |= _plain(
            unset_digests=[one.to_json() for one in self.unset_digests] or None,
            deactivated_feeds=[one.to_json() for one in self.deactivated_feeds] or None,
            access_controller=None if access is None else access.to_json(),
        )
        return record | {"fee_manager": None if fees is None else fees.to_json()}

    def at(self, time: int) -> ChainlinkState:
        """The state at that block time, as far as this one knows its past."""
        record = self._at(time)
        found = State.from_dict(record | {"history": []})
        assert isinstance(found, ChainlinkState)
        configs = [config.at(time) for config in found.configs]
        record["configs"] = [config.to_json() for config in configs if config is not None]
        for key in ("unset_digests", "deactivated_feeds"):
            ended = getattr(found, key)
            record[key] = [one.to_json() for one in ended if one.at is None or one.at <= time]
        return _read_chainlink(self.contract, _Keys(record))

    @cached_property
    def in_force(self) -> tuple[Config, ...]:
        """The configs that were not removed, in the order they were set."""
        return tuple(config for config in self.configs if config.removed_at is None)

    @cached_property
    def by_key(self) -> dict[bytes, Config]:
        """v0.3.0: by feed id and digest, one behind the other; v0.5.0: by digest."""
        return {_key(config): config for config in self.in_force}

    @cached_property
    def registered(self) -> frozenset[bytes]:
        """The digests that the proxy has a verifier for (not in v0.4.0)."""
        unset = {one.id for one in self.unset_digests}
        digests = (config.config_digest for config in self.in_force)
        return frozenset(bytes(one) for one in digests if one is not None and one not in unset)

    @cached_property
    def inactive_feeds(self) -> frozenset[bytes]:
        return frozenset(bytes(one.id) for one in self.deactivated_feeds)

    def config_for_time(self, observations_timestamp: int) -> Config | None:
        """v0.4.0: the newest config whose activation time is not after the observations."""
        for config in reversed(self.in_force):
            if (config.activation_time or 0) <= observations_timestamp:
                return config
        return None


class StorkState(State, frozen=True, kw_only=True, dict=True, gc=True):
    """A Stork Fast contract. A `signer` of zero is a contract that was never initialised."""

    signer: HexBytes
    verification_fee: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The object that `from_dict` reads."""
        fee = {"verification_fee": str(self.verification_fee)}
        return super().to_dict() | _plain(signer=self.signer) | fee

    def at(self, time: int) -> StorkState:
        """The state at that block time, as far as this one knows its past."""
        return _read_stork(_Keys(self._at(time) | {"contract": None}))


def _key(config: Config) -> bytes:
    return bytes(config.feed_id or b"") + bytes(config.config_digest or b"")


def _shared(keys: _Keys) -> dict[str, Any]:
    kind = keys.take("kind", "world")
    if kind != "world":
        raise Misuse("not a state", field="kind", expected="world", found=_brief(kind))
    keys.take("contract", None)
    return {
        "now": keys.integer("now", _U64, None),
        "name": keys.text("world", ""),
        "network": keys.text("network", ""),
        "chain_id": keys.integer("chain_id", default=None),
        "proxy": keys.bytes("proxy", 20, None),
        "block_number": keys.integer("block_number", default=None),
        "fetched_at": keys.integer("fetched_at", _U64, None),
        "source": keys.text("source", ""),
        "history": keys.list("history", Earlier.read, ()),
    }


def _read_stork(keys: _Keys) -> StorkState:
    return StorkState(
        contract=STORK,
        signer=keys.bytes("signer", 20),
        verification_fee=keys.integer("verification_fee", default=0),
        **_shared(keys),
    )


def _read_chainlink(contract: str, keys: _Keys) -> ChainlinkState:
    fees, access = keys.take("fee_manager", None), keys.take("access_controller", None)
    state = ChainlinkState(
        contract=contract,
        subscriber=keys.bytes("subscriber", 20, None),
        configs=keys.list("configs", Config.read, ()),
        unset_digests=keys.list("unset_digests", Ended.read, ()),
        deactivated_feeds=keys.list("deactivated_feeds", Ended.read, ()),
        fee_manager=None if fees is None else FeeManager.read(fees, "fee_manager"),
        access_controller=None
        if access is None
        else AccessController.read(access, "access_controller"),
        **_shared(keys),
    )
    _check_generation(state)
    return state


# Which keys a config must have, and which it cannot have.
_CONFIG_KEYS = {
    V03: ("config_digest", "feed_id"),
    V04: ("activation_time",),
    V05: ("config_digest",),
}


def _check_generation(state: ChainlinkState) -> None:
    """What only some generations know, and what no two configs can share."""
    wanted = _CONFIG_KEYS[state.contract]
    for index, config in enumerate(state.configs):
        for key in ("config_digest", "feed_id", "activation_time"):
            present = getattr(config, key) is not None
            if present != (key in wanted):
                what = f"unknown to {state.contract}" if present else f"{state.contract} needs it"
                raise Misuse(what, field=f"configs[{index}].{key}")
    for first, second, index in _pairs(state):
        if state.contract == V04:
            assert first.activation_time is not None
            assert second.activation_time is not None
            if second.activation_time <= first.activation_time:
                raise Misuse(
                    "activation times must rise in the order of setting",
                    field=f"configs[{index}].activation_time",
                    expected=f"above {first.activation_time}",
                    found=str(second.activation_time),
                )
    if state.contract != V04 and len(state.by_key) < len(state.in_force):
        raise Misuse("two configs in force have the same name", field="configs")
    for key in () if state.contract == V03 else ("deactivated_feeds",):
        if getattr(state, key):
            raise Misuse(f"unknown to {state.contract}", field=key)
    if state.contract == V04 and state.unset_digests:
        raise Misuse("unknown to v0.4.0", field="unset_digests")
    if state.contract == V03 and state.fee_manager is not None:
        for index, discount in enumerate(state.fee_manager.discounts):
            if discount.feed_id is None:
                raise Misuse("v0.3.0 has no global discounts",
                             field=f"fee_manager.discounts[{index}].feed_id")  # fmt: skip


def _pairs(state: ChainlinkState) -> Iterator[tuple[Config, Config, int]]:
    """Each config in force with the one set before it, and its index."""
    before = None
    for index, config in enumerate(state.configs):
        if config.removed_at is not None:
            continue
        if before is not None:
            yield before, config, index
        before = config
