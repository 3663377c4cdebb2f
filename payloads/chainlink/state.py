"""What a Chainlink verifier proxy knows: configs, fees and access.

The keys of a state file are the fields of `ChainlinkState` and of the records in it. Refused, as by
the contracts: an f of zero, too few or too many signers, a signer that is zero or listed twice, a
discount above 100%.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Any, ClassVar

import msgspec
from hexbytes import HexBytes

from payloads.abi.fields import Record, hexed
from payloads.crypto import checksum, keccak256
from payloads.errors import Misuse, shown
from payloads.json_records import Wrong, integer
from payloads.verdicts.state import ZERO, Address, Bytes32, State, Uint256, plain
from payloads.verdicts.words import instant

V03, V04, V05, V051 = "v0.3.0", "v0.4.0", "v0.5.0", "v0.5.1"
GENERATIONS = (V03, V04, V05, V051)

BY_SUBSCRIPTION = "verification is billed by subscription"
# What the fee managers count discounts and surcharges in: this is 100%.
SCALE = 10**18
MAX_SIGNERS = 31

_Share = Annotated[int, integer(0, SCALE)]


def percent(share: int) -> str:
    """A share of `SCALE`, exactly."""
    whole, part = divmod(share * 100, SCALE)
    return f"{whole}.{part:018d}".rstrip("0").rstrip(".") + "%"


# --- configs --------------------------------------------------------------------------------------


class Switch(Record, frozen=True):
    """A config was activated or deactivated at a block time."""

    at: Uint256
    active: bool


class Ended(Record, frozen=True):
    """A digest that the proxy no longer knows, or a deactivated feed; since when, if known.

    In JSON the bare hex string, or `{"id": …, "at": …}`.
    """

    SHORT_FORM: ClassVar[str] = "id"

    id: Bytes32
    at: Uint256 | None = None

    def to_json(self) -> Any:
        return "0x" + self.id.hex() if self.at is None else plain(id=self.id, at=self.at)


class Config(Record, frozen=True, kw_only=True, dict=True, gc=True):
    """A set of signers. `f + 1` of them must sign (v0.4.0: at least that many).

    `config_digest` names it (v0.3.0, v0.5.0), together with `feed_id` in v0.3.0. v0.4.0 has
    `activation_time` instead: the first observation time that it applies to.

    Its history, where known: `set_at`, `removed_at` (replaced or removed; such a config is not in
    force) and `switched`, all in block time.
    """

    signers: tuple[Address, ...]
    f: Annotated[int, integer(0, 255)]
    active: bool = True
    config_digest: Bytes32 | None = None
    feed_id: Bytes32 | None = None
    activation_time: Annotated[int, integer(0, 2**32 - 1)] | None = None
    set_at: Uint256 | None = None
    removed_at: Uint256 | None = None
    switched: tuple[Switch, ...] = ()

    def check(self) -> None:
        """Raise `Wrong` for what every generation's setConfig refuses, and for a false history."""
        count = len(self.signers)
        if self.f == 0:
            raise Wrong("f must be positive", path="f", expected="at least 1", found="0")
        if not 3 * self.f < count <= MAX_SIGNERS:
            expected = f"more than 3 f = {3 * self.f} and at most {MAX_SIGNERS}"
            raise Wrong(
                "wrong number of signers", path="signers", expected=expected, found=str(count)
            )
        for index, signer in enumerate(self.signers):
            where = f"signers[{index}]"
            if signer == ZERO:
                raise Wrong("the zero address cannot be a signer", path=where)
            if signer in self.signers[:index]:
                raise Wrong("signer listed twice", path=where, found="0x" + signer.hex())
        times = [switch.at for switch in self.switched]
        if times != sorted(times):
            raise Wrong("switches must be in order of time", path="switched")
        if self.switched and self.switched[-1].active != self.active:
            raise Wrong("contradicts the last switch", path="active")

    def to_json(self) -> dict[str, Any]:
        switched = [{"at": switch.at, "active": switch.active} for switch in self.switched]
        return plain(
            signers=["0x" + signer.hex() for signer in self.signers],
            f=self.f,
            active=self.active,
            config_digest=self.config_digest,
            feed_id=self.feed_id,
            activation_time=self.activation_time,
            set_at=self.set_at,
            removed_at=self.removed_at,
            switched=switched or None,
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
        past = tuple(switch for switch in self.switched if switch.at <= time)
        active = past[-1].active if past else bool(self.switched) or self.active
        return msgspec.structs.replace(self, active=active, removed_at=None, switched=past)

    def facts(self) -> Iterator[tuple[str, str]]:
        """Names and values for a person."""
        digest = self.config_digest
        name = f"0x{digest.hex()}" if digest is not None else f"DON 0x{self.don_config_id.hex()}"
        kind = "active" if self.active else "inactive"
        if self.removed_at is not None:
            kind = f"removed {instant(self.removed_at)}"
        yield "config", f"{name}  {kind}"
        if self.feed_id is not None:
            yield "  feed", f"0x{self.feed_id.hex()}"
        if self.activation_time is not None:
            yield "  for observations", f"from {instant(self.activation_time)}"
        if self.set_at is not None:
            yield "  set", instant(self.set_at)
        yield "  signers", f"{len(self.signers)}, f = {self.f}"
        for signer in self.signers:
            yield "", checksum(signer)

    def deciding(self) -> tuple[str, dict[str, Any]]:
        """A name for it, and what of it decides verdicts."""
        past = ("set_at", "removed_at", "switched")
        record = {key: value for key, value in self.to_json().items() if key not in past}
        parts = (record.pop("feed_id", ""), record.pop("config_digest", ""))
        record["signers"] = {checksum(signer): True for signer in self.signers}
        name = "/".join(part for part in parts if part)
        return name or f"from {self.activation_time}", record


# --- fees and access ------------------------------------------------------------------------------


class Discount(Record, frozen=True):
    """A share of `SCALE` off the fee, for a feed or (`feed_id` None) for all of them.

    `token` is `link` or `native`. `subscriber` None is the state's own.
    """

    token: str
    discount: _Share
    feed_id: Bytes32 | None = None
    subscriber: Address | None = None

    def check(self) -> None:
        """Raise `Wrong` for a token that is neither."""
        if self.token not in ("link", "native"):
            raise Wrong("no such token", path="token", expected="link or native",
                        found=shown(self.token))  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        record = plain(subscriber=self.subscriber, token=self.token, discount=str(self.discount))
        feed = None if self.feed_id is None else "0x" + self.feed_id.hex()
        return {"feed_id": feed, **record}


# The type of a fee manager that charges, and those of the fee managers that do nothing: there
# verification is billed by subscription. They check nothing either, and give all value back.
CHARGING, NO_OP = "FeeManager", ("NoOpFeeManager 0.5.0", "NoOpFeeManager 0.5.1")


class FeeManager(Record, frozen=True, kw_only=True, dict=True, gc=True):
    """The terms of a fee manager. Without one, verification is free and expiry is not checked.

    `type` is one of `NO_OP`, or `CHARGING` (which is also the meaning of None). It is assumed that
    the subscriber holds and has approved what the fee comes to.
    """

    type: str | None = None
    link: Address | None = None
    native: Address | None = None
    native_surcharge: _Share = 0
    discounts: tuple[Discount, ...] = ()
    address: Address | None = None

    def check(self) -> None:
        """Raise `Wrong` for an unknown type, for a token that is missing or zero, and for terms of
        a fee manager that has none."""
        if self.type not in (None, CHARGING, *NO_OP):
            expected = " or ".join((CHARGING, *NO_OP))
            raise Wrong(
                "no such fee manager", path="type", expected=expected, found=shown(self.type)
            )
        for name in ("link", "native"):
            if getattr(self, name) == ZERO:
                raise Wrong("the zero address is no token", path=name)
            if getattr(self, name) is None and not self.is_no_op:
                raise Wrong("missing", path=name, expected="an address")
        for name in ("native_surcharge", "discounts"):
            if self.is_no_op and getattr(self, name):
                raise Wrong(f"{self.type} has none", path=name)

    @property
    def is_no_op(self) -> bool:
        """Whether it charges nothing, checks nothing and gives all value back."""
        return self.type in NO_OP

    def to_json(self) -> dict[str, Any]:
        record = plain(type=self.type, link=self.link, native=self.native, address=self.address)
        if self.is_no_op:
            return record
        discounts = [discount.to_json() for discount in self.discounts]
        return record | {"native_surcharge": str(self.native_surcharge), "discounts": discounts}

    def token(self, name: str) -> HexBytes:
        """The address of `link` or `native`."""
        if name not in ("link", "native"):
            raise Misuse(
                "no such token", field="token", expected="link or native", found=shown(name)
            )
        token = self.link if name == "link" else self.native
        if token is None or self.is_no_op:
            raise Misuse(f"nothing to pay: {BY_SUBSCRIPTION} ({self.type})", field="fee_manager")
        return token

    def discount(self, feed_id: bytes, token: bytes, subscriber: bytes, own: bool) -> int:
        """The discount for this feed alone; 0 if there is none. `own`: the state's subscriber."""
        return self._discount(feed_id, token, subscriber, own)

    def global_discount(self, token: bytes, subscriber: bytes, own: bool) -> int:
        """The discount for every feed that has none of its own."""
        return self._discount(None, token, subscriber, own)

    def _discount(self, feed_id: bytes | None, token: bytes, subscriber: bytes, own: bool) -> int:
        known = self._discounts
        named = known.get((subscriber, feed_id, token))
        if named is None and own:
            named = known.get((None, feed_id, token))
        return named or 0

    @cached_property
    def _discounts(self) -> dict[tuple[bytes | None, bytes | None, bytes], int]:
        # By address, as the contract has it; of two for the same, the later one holds.
        return {(d.subscriber, d.feed_id, self.token(d.token)): d.discount for d in self.discounts}

    def facts(self) -> Iterator[tuple[str, str]]:
        """Names and values for a person."""
        yield "fee manager", "unnamed" if self.address is None else checksum(self.address)
        if self.is_no_op:
            yield "  type", f"{self.type}: {BY_SUBSCRIPTION}, and expiry is not checked"
            return
        for name, token in (("LINK", self.link), ("wrapped native", self.native)):
            yield f"  {name}", checksum(token or ZERO)
        yield "  native surcharge", percent(self.native_surcharge)
        for discount in self.discounts:
            feed, subscriber = discount.feed_id, discount.subscriber
            what = "all feeds" if feed is None else f"feed 0x{feed.hex()}"
            whose = "" if subscriber is None else f", {checksum(subscriber)}"
            yield "  discount", f"{percent(discount.discount)} in {discount.token}, {what}{whose}"

    def deciding(self) -> dict[str, Any]:
        """What of it decides verdicts, the discounts by name."""
        record = self.to_json()
        if self.is_no_op:
            return record
        return record | {"discounts": dict(map(_named_discount, record["discounts"]))}


def _named_discount(record: dict[str, Any]) -> tuple[str, str]:
    subscriber, feed = record.get("subscriber", "subscriber"), record["feed_id"] or "all feeds"
    return f"{subscriber}/{feed}/{record['token']}", record["discount"]


class AccessController(Record, frozen=True):
    """The addresses that may call; `allowed` None admits all, as where access is switched off.

    `admits_origins`: an account that signs the transaction and calls by itself is admitted, too
    (SimpleReadAccessController). A contract must be listed.
    """

    allowed: tuple[Address, ...] | None = None
    address: Address | None = None
    admits_origins: bool = False

    def to_json(self) -> dict[str, Any]:
        listed = None if self.allowed is None else ["0x" + user.hex() for user in self.allowed]
        known = plain(address=self.address, admits_origins=self.admits_origins or None)
        return {"allowed": listed, **known}

    def admits(self, sender: bytes, origin: bytes | None) -> bool:
        """Whether `sender` may call in a transaction that `origin` signed."""
        if self.allowed is None or sender in self.allowed:
            return True
        return self.admits_origins and sender == origin


# --- the state ------------------------------------------------------------------------------------


class ChainlinkState(State, frozen=True, kw_only=True, dict=True, gc=True):
    """A proxy, its verifier and its fee manager. `subscriber` calls where no sender is given.

    `subscriber_is_contract`: it signs no transaction, so that it is never the origin of its calls.
    """

    CONTRACTS: ClassVar[tuple[str, ...]] = GENERATIONS
    PAST: ClassVar[tuple[str, ...]] = (
        "configs", "unset_digests", "deactivated_feeds", "fee_manager", "access_controller",
    )  # fmt: skip
    DATED: ClassVar[str | None] = "configs"

    subscriber: Address | None = None
    subscriber_is_contract: bool = False
    configs: tuple[Config, ...] = ()
    unset_digests: tuple[Ended, ...] = ()
    deactivated_feeds: tuple[Ended, ...] = ()
    fee_manager: FeeManager | None = None
    access_controller: AccessController | None = None

    def check(self) -> None:
        """Raise `Wrong` for what this generation does not know, and what two configs share."""
        super().check()
        _check_keys(self)
        if self.contract == V04:
            _check_activation_times(self)
        elif len(self.by_key) < len(self.in_force):
            raise Wrong("two configs in force have the same name", path="configs")

    @cached_property
    def charges(self) -> FeeManager | None:
        """The fee manager that charges, and checks expiry; None where there is none or a no-op."""
        fees = self.fee_manager
        return None if fees is None or fees.is_no_op else fees

    def to_dict(self) -> dict[str, Any]:
        """The object that `from_dict` reads."""
        fees, access = self.fee_manager, self.access_controller
        record = super().to_dict() | plain(
            subscriber=self.subscriber,
            subscriber_is_contract=self.subscriber_is_contract or None,
        )
        record["configs"] = [config.to_json() for config in self.configs]
        record |= plain(
            unset_digests=[ended.to_json() for ended in self.unset_digests] or None,
            deactivated_feeds=[ended.to_json() for ended in self.deactivated_feeds] or None,
            access_controller=None if access is None else access.to_json(),
        )
        return record | {"fee_manager": None if fees is None else fees.to_json()}

    def _record_at(self, time: int) -> dict[str, Any]:
        record = super()._record_at(time)
        found = self._read(record | {"history": []})
        configs = [config.at(time) for config in found.configs]
        record["configs"] = [config.to_json() for config in configs if config is not None]
        for key in ("unset_digests", "deactivated_feeds"):
            known = getattr(found, key)
            record[key] = [
                ended.to_json() for ended in known if ended.at is None or ended.at <= time
            ]
        return record

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
        unset = {ended.id for ended in self.unset_digests}
        digests = (config.config_digest for config in self.in_force)
        return frozenset(bytes(each) for each in digests if each is not None and each not in unset)

    @cached_property
    def inactive_feeds(self) -> frozenset[bytes]:
        return frozenset(bytes(ended.id) for ended in self.deactivated_feeds)

    def may_know(self, payload: bytes) -> bool:
        """Whether a config has the payload's digest. v0.4.0 does not look at the digest."""
        digests = {config.config_digest for config in self.configs}
        return self.contract == V04 or payload[:32] in digests

    def config_for_time(self, observations_timestamp: int) -> Config | None:
        """v0.4.0: the newest config whose activation time is not after the observations."""
        for config in reversed(self.in_force):
            if (config.activation_time or 0) <= observations_timestamp:
                return config
        return None

    def facts(self) -> Iterator[tuple[str, str]]:
        """Names and values for a person."""
        if self.subscriber is not None:
            kind = " (a contract)" if self.subscriber_is_contract else ""
            yield "subscriber", checksum(self.subscriber) + kind
        for config in self.configs:
            yield from config.facts()
        for key in ("unset_digests", "deactivated_feeds"):
            for ended in getattr(self, key):
                since = "" if ended.at is None else f"  since {instant(ended.at)}"
                yield key.replace("_", " ")[:-1], f"0x{ended.id.hex()}{since}"
        if self.access_controller is not None:
            listed = self.access_controller.allowed
            users = ["any address"] if listed is None else [checksum(user) for user in listed]
            if listed is not None and self.access_controller.admits_origins:
                users.append("accounts that sign the transaction themselves")
            yield "may call", ", ".join(users) or "no address"
        if self.fee_manager is None:
            yield "fee manager", "none: verification is free, and expiry is not checked"
        else:
            yield from self.fee_manager.facts()

    def deciding(self) -> dict[str, Any]:
        """The part of `to_dict` that decides verdicts, comparable."""
        record = super().deciding()
        record["configs"] = dict(config.deciding() for config in self.in_force)
        for key in ("unset_digests", "deactivated_feeds"):
            record[key] = {"0x" + ended.id.hex(): True for ended in getattr(self, key)}
        if self.fee_manager is not None:
            record["fee_manager"] = self.fee_manager.deciding()
        return record


def _key(config: Config) -> bytes:
    return bytes(config.feed_id or b"") + bytes(config.config_digest or b"")


# The keys that name a config, by generation. A config has all of its generation's, and no other.
_CONFIG_KEYS = {
    V03: ("config_digest", "feed_id"),
    V04: ("activation_time",),
    V05: ("config_digest",),
    V051: ("config_digest",),
}
# The keys of a state that a generation does not know.
_UNKNOWN_KEYS = {
    V03: (),
    V04: ("unset_digests", "deactivated_feeds"),
    V05: ("deactivated_feeds",),
    V051: ("deactivated_feeds",),
}


def _check_keys(state: ChainlinkState) -> None:
    wanted = _CONFIG_KEYS[state.contract]
    for index, config in enumerate(state.configs):
        for key in ("config_digest", "feed_id", "activation_time"):
            present = getattr(config, key) is not None
            if present != (key in wanted):
                what = f"unknown to {state.contract}" if present else f"{state.contract} needs it"
                raise Wrong(what, path=f"configs[{index}].{key}")
    for key in _UNKNOWN_KEYS[state.contract]:
        if getattr(state, key):
            raise Wrong(f"unknown to {state.contract}", path=key)
    if state.fee_manager is not None and state.fee_manager.is_no_op:
        if state.contract in (V03, V04):
            expected = f"{V05} or {V051}"
            raise Wrong("a no-op fee manager serves later contracts", path="contract",
                        expected=expected, found=state.contract)  # fmt: skip
    elif state.contract == V03 and state.fee_manager is not None:
        for index, discount in enumerate(state.fee_manager.discounts):
            if discount.feed_id is None:
                path = f"fee_manager.discounts[{index}].feed_id"
                raise Wrong("v0.3.0 has no global discounts", path=path)


def _check_activation_times(state: ChainlinkState) -> None:
    last = -1
    for index, config in enumerate(state.configs):
        if config.removed_at is not None:
            continue
        time = config.activation_time or 0
        if time <= last:
            raise Wrong(
                "activation times must rise in the order of setting",
                path=f"configs[{index}].activation_time",
                expected=f"above {last}",
                found=str(time),
            )
        last = time
