"""Published facts: proxy addresses by network, and signers that others have named. Not trusted.

Nothing here was read from a chain. Every entry carries its `source`, what may be wrong is called
`unverified_…`, and a state made from it says so in its own `source`, which every verdict names. A
signer set grows stale when its network rotates keys: fetch the state of the chain you send to.

`proxies` looks up addresses, `signer_sets` config digests, `stork_signers` signers;
`unverified_state` makes a state to try things with. Unknown digests and labels are `Misuse`.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from hexbytes import HexBytes

from payloads.abi.fields import Record, hexed
from payloads.chainlink.state import V05, ChainlinkState
from payloads.errors import Misuse
from payloads.signatures import address_bytes
from payloads.stork.state import STORK, StorkState


class KnownProxy(Record, frozen=True):
    """A verifier proxy as documented. The same address may serve several networks.

    `kind` is `verifierProxy`, or what the networks without an EVM have in its place.
    """

    unverified_address: str
    label: str
    network: str
    env: str
    kind: str
    source: str


class KnownSignerSet(Record, frozen=True):
    """The signers of a config digest, as far as they are known: of `size`, these."""

    config_digest: HexBytes
    label: str
    env: str
    f: int
    size: int
    unverified_signers: tuple[HexBytes, ...]
    source: str

    @property
    def complete(self) -> bool:
        """Whether every signer is known."""
        return len(self.unverified_signers) == self.size


class KnownSigner(Record, frozen=True):
    """An address that has signed, or is said to sign, Stork Fast updates."""

    unverified_address: HexBytes
    label: str
    source: str


@cache
def _data() -> dict[str, Any]:
    text = files("payloads").joinpath("data/published.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


@cache
def _proxies() -> tuple[KnownProxy, ...]:
    listed = _data()["proxies"]
    return tuple(
        KnownProxy(
            one["address"], one["label"], one["network"], one["env"], one["kind"], listed["source"]
        )
        for one in listed["entries"]
    )


def proxies(address: str | bytes | None = None, network: str = "") -> tuple[KnownProxy, ...]:
    """The proxies at an address, or of the networks whose label has these words; else all."""
    wanted = None if address is None else "0x" + address_bytes(address).hex()
    return tuple(
        one
        for one in _proxies()
        if wanted in (None, one.unverified_address) and network.lower() in one.label.lower()
    )


@cache
def signer_sets() -> tuple[KnownSignerSet, ...]:
    """All signer sets that are known, at least in part."""
    return tuple(
        KnownSignerSet(
            hexed(_bytes(one["config_digest"])),
            one["label"],
            one["env"],
            one["f"],
            one["size"],
            tuple(hexed(_bytes(signer)) for signer in one["signers"]),
            one["source"],
        )
        for one in _data()["signer_sets"]
    )


@cache
def stork_signers() -> tuple[KnownSigner, ...]:
    """The signers of Stork Fast that are known."""
    return tuple(
        KnownSigner(hexed(_bytes(one["address"])), one["label"], one["source"])
        for one in _data()["stork_signers"]
    )


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def _source(what: str, source: str) -> str:
    return f"UNVERIFIED registry of published facts: {what} ({source})"


def unverified_state(
    config_digest: str | bytes, *, contract: str = V05, now: int | None = None
) -> ChainlinkState:
    """A state of this one signer set, with no fee manager, that says that nobody verified it."""
    raw = config_digest if isinstance(config_digest, bytes) else _digest(config_digest)
    found = next((one for one in signer_sets() if one.config_digest == raw), None)
    if found is None or not found.complete:
        known = ", ".join("0x" + one.config_digest.hex() for one in signer_sets() if one.complete)
        problem = "no such signer set" if found is None else "not all of its signers are known"
        raise Misuse(problem, field="config_digest", expected=known, found="0x" + raw.hex())
    config = {
        "config_digest": "0x" + raw.hex(),
        "signers": ["0x" + signer.hex() for signer in found.unverified_signers],
        "f": found.f,
    }
    record = {"contract": contract, "now": now, "configs": [config], "network": found.label}
    return ChainlinkState.from_dict(record | {"source": _source("signers", found.source)})


def _digest(text: str) -> bytes:
    try:
        return _bytes(text)
    except ValueError:
        raise Misuse("not hex", field="config_digest", expected="32 bytes", found=text) from None


def unverified_stork_state(
    label: str, *, verification_fee: int = 0, now: int | None = None
) -> StorkState:
    """A Stork contract with the signer of this label (`production`, `development`)."""
    found = next((one for one in stork_signers() if one.label == label), None)
    if found is None:
        known = ", ".join(one.label for one in stork_signers())
        raise Misuse("no such signer", field="label", expected=known, found=repr(label))
    record = {
        "contract": STORK,
        "signer": "0x" + found.unverified_address.hex(),
        "verification_fee": verification_fee,
        "now": now,
        "source": _source(f"the {label} signer", found.source),
    }
    return StorkState.from_dict(record)
