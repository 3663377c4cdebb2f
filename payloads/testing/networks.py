"""Networks and signers whose keys are no secret, signing real payload formats.

INSECURE BY DESIGN. Every private key here follows from a public seed, so nothing that these sign is
worth anything. They exist for tests, simulators and strategies; they cannot hold a real key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import msgspec

from payloads.abi.fields import hexed
from payloads.chainlink.report import AnyReport, FullReport, UnknownReport
from payloads.chainlink.schemas import Report
from payloads.chainlink.state import GENERATIONS, NO_OP, V03, V04, V05, ChainlinkState
from payloads.crypto import address_of, checksum, keccak256, sign
from payloads.errors import Misuse, shown
from payloads.inputs import checked_text
from payloads.stork.state import STORK, STORK_MULTISIGNER, StorkState
from payloads.stork.update import PLAIN, VALUE_BIT, VERSIONED, Asset, SignedUpdate

# The subscriber and the tokens of states that are made here: no real addresses.
SUBSCRIBER = "0x" + "33" * 20
LINK, NATIVE = "0x" + "11" * 20, "0x" + "22" * 20


def _insecure_key(seed: str, index: int) -> bytes:
    """A private key that everyone knows."""
    seed = checked_text(seed, "seed")
    return keccak256(f"payloads insecure test key {index} of {seed}".encode())


@dataclass(frozen=True)
class InsecureTestNetwork:
    """A network of Chainlink oracles whose keys everyone knows."""

    seed: str = "test"
    size: int = 16
    f: int = 5
    don_id: int = 1
    config_digest: bytes = field(default=b"")

    def __post_init__(self) -> None:
        if not 0 < 3 * self.f < self.size <= 31:
            found = f"f={self.f}, size={self.size}"
            raise Misuse("no such network", expected="0 < 3f < size <= 31", found=found)
        if not self.config_digest:
            seed = checked_text(self.seed, "seed")
            digest = b"\x00\x09" + keccak256(f"insecure test config {seed}".encode())[2:]
            object.__setattr__(self, "config_digest", digest)

    @cached_property
    def keys(self) -> tuple[bytes, ...]:
        return tuple(_insecure_key(self.seed, index) for index in range(self.size))

    @cached_property
    def signers(self) -> tuple[str, ...]:
        """The oracles' addresses, in the network's order."""
        return tuple(checksum(address_of(key)) for key in self.keys)

    def sign(
        self,
        report: Report | bytes,
        *,
        epoch: int = 1,
        round: int = 1,
        by: Iterable[int] | None = None,
        context_padding: bytes = bytes(27),
    ) -> FullReport:
        """A payload signed by f + 1 oracles, or by the oracles with the given indices."""
        read: AnyReport
        if isinstance(report, bytes | bytearray | memoryview):
            blob = bytes(report)
            read = UnknownReport(None, None, (), hexed(blob), "given as bytes")
        elif getattr(report, "schema", None) is None:
            raise Misuse("not a report", field="report", expected="a report, or its bytes",
                         found=type(report).__name__)  # fmt: skip
        else:
            blob, read = report.encode(), report
        payload = FullReport(
            hexed(self.config_digest),
            context_padding,
            epoch,
            round,
            (self.don_id << 32 | 1).to_bytes(32, "big"),
            blob,
            (),
            (),
            bytes(32),
            read,
        )
        return self._with_signatures(payload, self._oracles(by))

    def _oracles(self, by: Iterable[int] | None) -> Sequence[int]:
        if by is None:
            return range(self.f + 1)
        if not isinstance(by, Iterable):
            raise Misuse("not a list of oracles", field="by", expected="indices of oracles",
                         found=shown(by))  # fmt: skip
        oracles = list(by)
        for index in oracles:
            if not isinstance(index, int) or not 0 <= index < self.size:
                raise Misuse("no such oracle", field="by", expected=f"0 to {self.size - 1}",
                             found=shown(index))  # fmt: skip
        return oracles

    def state(
        self,
        generation: str = V05,
        *,
        feeds: Iterable[bytes | str] = (),
        fees: bool | str | dict[str, Any] = False,
        allowed: Iterable[str] | None = None,
        now: int | None = None,
        **keys: Any,
    ) -> ChainlinkState:
        """The state of a verifier that accepts what this network signs.

        `feeds` are the feeds that v0.3.0 has the network's config for. `fees` True is a fee manager
        that charges what the reports say; a dict gives its terms (`native_surcharge`, `discounts`),
        and a text its type. `allowed` are the addresses that an access controller admits. `keys`
        are more keys of a state file (see `payloads.chainlink.state`).
        """
        if generation not in GENERATIONS:
            raise Misuse("no such contract", field="generation", expected=", ".join(GENERATIONS),
                         found=generation)  # fmt: skip
        record: dict[str, Any] = {
            "contract": generation,
            "world": f"test network {self.seed}",
            "source": "payloads.testing: keys that everyone knows",
            "subscriber": SUBSCRIBER,
            "configs": self._configs(generation, feeds),
            "fee_manager": _fee_manager(fees),
        }
        if allowed is not None:
            record["access_controller"] = {"allowed": list(allowed)}
        if now is not None:
            record["now"] = now
        return ChainlinkState.from_dict(record | keys)

    def _configs(self, generation: str, feeds: Iterable[bytes | str]) -> list[dict[str, Any]]:
        config: dict[str, Any] = {"signers": list(self.signers), "f": self.f}
        if generation == V04:
            return [config | {"activation_time": 0}]
        config["config_digest"] = self.config_digest
        if generation != V03:
            return [config]
        if not (named := list(feeds)):
            raise Misuse("v0.3.0 has a config for each feed", field="feeds", expected="feed ids")
        return [config | {"feed_id": feed} for feed in named]

    def _with_signatures(self, payload: FullReport, oracles: Sequence[int]) -> FullReport:
        digest = payload.signing_digest
        signatures = [sign(self.keys[index], digest) for index in oracles]
        signed = msgspec.structs.replace(
            payload,
            rs=tuple(r for r, _, _ in signatures),
            ss=tuple(s for _, s, _ in signatures),
            raw_vs=bytes(v for _, _, v in signatures[:32]).ljust(32, b"\0"),
        )
        return msgspec.structs.replace(signed, raw=signed.encode())


@cache
def network_of(seed: str, size: int, f: int, don_id: int) -> InsecureTestNetwork:
    """The network of these facts; the same object each time, because its keys take a while."""
    return InsecureTestNetwork(seed, size, f, don_id)


def retired_digest(network: InsecureTestNetwork) -> bytes:
    """The digest of a config that a state has besides, and that was deactivated."""
    return network.config_digest[:2] + keccak256(b"retired" + network.config_digest)[2:]


def config_of(network: InsecureTestNetwork) -> dict[str, Any]:
    """The network's config, as a state file has it."""
    return {"signers": list(network.signers), "f": network.f}


def keys_with_past(
    network: InsecureTestNetwork, generation: str, feed: str, deactivated: bool
) -> dict[str, Any]:
    """Keys for the network's config and an older one; and for a feed that was deactivated."""
    mine = config_of(network) | {"config_digest": "0x" + network.config_digest.hex()}
    old = mine | {"config_digest": "0x" + retired_digest(network).hex(), "active": False}
    if generation != V03:
        return {"configs": [old, mine]}
    both = [config | {"feed_id": feed} for config in (old, mine)]
    if not deactivated:
        return {"configs": both}
    gone = feed[:6] + "dd" * 30
    return {"configs": [*both, mine | {"feed_id": gone}], "deactivated_feeds": [gone]}


def _fee_manager(fees: bool | str | dict[str, Any]) -> dict[str, Any] | None:
    tokens = {"link": LINK, "native": NATIVE}
    if isinstance(fees, dict):
        return tokens | fees
    if isinstance(fees, str):
        if fees not in NO_OP:
            raise Misuse("no such fee manager", field="fees", expected=" or ".join(NO_OP),
                         found=fees)  # fmt: skip
        return tokens | {"type": fees}
    return tokens if fees else None


@dataclass(frozen=True)
class InsecureTestStorkSigner:
    """A Stork signer whose key everyone knows."""

    seed: str = "test"

    @cached_property
    def key(self) -> bytes:
        return _insecure_key("stork " + self.seed, 0)

    @cached_property
    def address(self) -> str:
        return checksum(address_of(self.key))

    def sign(
        self,
        assets: Iterable[Asset],
        *,
        timestamp_ns: int,
        taxonomy_id: int = 1,
        mask: int | None = None,
    ) -> SignedUpdate:
        """A signed update in the plain layout or, with a mask, in the versioned layout."""
        for asset in (assets := tuple(assets)):
            if not hasattr(asset, "asset_id"):
                raise Misuse("not an asset", field="assets", expected="Asset",
                             found=type(asset).__name__)  # fmt: skip
        layout = PLAIN if mask is None else VERSIONED
        mask = VALUE_BIT if mask is None else mask
        update = SignedUpdate(
            bytes(32), bytes(32), 0, layout, mask, taxonomy_id, timestamp_ns, assets
        )
        r, s, v = sign(self.key, update.signing_digest)
        return msgspec.structs.replace(update, r=r, s=s, v=v)

    def state(
        self,
        generation: str = STORK,
        *,
        fee: int = 0,
        others: Iterable[str] = (),
        now: int | None = None,
        **keys: Any,
    ) -> StorkState:
        """The state of a contract that accepts what this signer signs.

        `fee` is the wei of a verification, `others` are more signers of a contract that has
        several, and `keys` more keys of a state file.
        """
        record: dict[str, Any] = {
            "contract": generation,
            "world": f"test signer {self.seed}",
            "source": "payloads.testing: keys that everyone knows",
            "verification_fee": fee,
        }
        if generation == STORK_MULTISIGNER:
            record["signers"] = [self.address, *others]
        else:
            record["signer"] = self.address
        if now is not None:
            record["now"] = now
        return StorkState.from_dict(record | keys)


@cache
def stork_signer_of(seed: str) -> InsecureTestStorkSigner:
    """The signer of this seed; the same object each time."""
    return InsecureTestStorkSigner(seed)


# --- any payload ----------------------------------------------------------------------------------


def _chainlink_signed(value: Any, seed: str) -> FullReport:
    blob = getattr(value, "report_blob", None)
    return InsecureTestNetwork(seed).sign(value.encode() if blob is None else blob)


def _stork_signed(value: Any, seed: str) -> SignedUpdate:
    return InsecureTestStorkSigner(seed).sign(
        value.assets,
        timestamp_ns=value.timestamp_ns,
        taxonomy_id=value.taxonomy_id,
        mask=None if value.layout == PLAIN else value.mask,
    )


TEST_SIGNERS: dict[str, Callable[[Any, str], Any]] = {
    "chainlink": _chainlink_signed,
    "stork": _stork_signed,
}


def signed_insecurely(system: str, value: Any, seed: str) -> Any:
    """A payload of the system with that name, signed anew by the test keys of `seed`."""
    if system not in TEST_SIGNERS:
        expected = " or ".join(TEST_SIGNERS)
        raise Misuse("no test keys", field="system", expected=expected, found=system)
    return TEST_SIGNERS[system](value, seed)
