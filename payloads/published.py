"""Published facts: proxy addresses by network, and signers that others have named. Not trusted.

Nothing here was read from a chain. Every entry carries its `source`, and a fact that may be wrong
is called `unverified_…`. A state made from it says so in its own `source`, which every verdict
names. A signer set grows stale when its network rotates keys: fetch the state of the chain you send
to.

`proxies` looks up addresses, `signer_sets` config digests, `stork_signers` signers;
`unverified_state` makes a state to try things with. Unknown digests and labels are `Misuse`.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

from hexbytes import HexBytes

from payloads.abi.fields import Record
from payloads.chainlink.state import V05, ChainlinkState
from payloads.errors import Malformed, Misuse
from payloads.inputs import to_bytes
from payloads.json_records import EXACT, Reading, hex_bytes
from payloads.signatures import address_bytes
from payloads.stork.state import STORK, StorkState

_Bytes32 = Annotated[HexBytes, hex_bytes(32)]
_Address = Annotated[HexBytes, hex_bytes(20)]


class KnownProxy(Record, frozen=True):
    """A verifier proxy as documented. The same address may serve several networks.

    `kind` is `verifierProxy`, or the name of its like on networks without an EVM.
    """

    unverified_address: Annotated[str, "address"]
    label: str
    network: str
    env: str
    kind: str
    source: str


class KnownSignerSet(Record, frozen=True):
    """The known signers of a config digest; there are `size` of them in all."""

    config_digest: _Bytes32
    label: str
    env: str
    f: int
    size: int
    unverified_signers: Annotated[tuple[_Address, ...], "signers"]
    source: str

    @property
    def complete(self) -> bool:
        """Whether every signer is known."""
        return len(self.unverified_signers) == self.size


class KnownSigner(Record, frozen=True):
    """An address that has signed, or is said to sign, Stork Fast updates."""

    unverified_address: Annotated[_Address, "address"]
    label: str
    source: str


_READING = Reading(base=EXACT)


@cache
def _data() -> dict[str, Any]:
    text = files("payloads").joinpath("data/published.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


@cache
def _proxies() -> tuple[KnownProxy, ...]:
    listed = _data()["proxies"]
    entries = [{**entry, "source": listed["source"]} for entry in listed["entries"]]
    found: tuple[KnownProxy, ...] = _READING.read(tuple[KnownProxy, ...], entries)
    return found


def proxies(address: str | bytes | None = None, network: str = "") -> tuple[KnownProxy, ...]:
    """The proxies at an address, or of the networks whose label has these words; else all."""
    wanted = None if address is None else "0x" + address_bytes(address).hex()
    return tuple(
        proxy
        for proxy in _proxies()
        if wanted in (None, proxy.unverified_address) and network.lower() in proxy.label.lower()
    )


@cache
def signer_sets() -> tuple[KnownSignerSet, ...]:
    """All signer sets that are known, at least in part."""
    listed = _data()["signer_sets"]
    found: tuple[KnownSignerSet, ...] = _READING.read(tuple[KnownSignerSet, ...], listed)
    return found


@cache
def stork_signers() -> tuple[KnownSigner, ...]:
    """The signers of Stork Fast that are known."""
    listed = _data()["stork_signers"]
    found: tuple[KnownSigner, ...] = _READING.read(tuple[KnownSigner, ...], listed)
    return found


def _source(what: str, source: str) -> str:
    return f"UNVERIFIED registry of published facts: {what} ({source})"


def unverified_state(
    config_digest: str | bytes, *, contract: str = V05, now: int | None = None
) -> ChainlinkState:
    """A state of this signer set alone, without a fee manager; it says that it is unverified."""
    raw = _digest(config_digest)
    found = next((known for known in signer_sets() if known.config_digest == raw), None)
    if found is None or not found.complete:
        complete = (known for known in signer_sets() if known.complete)
        expected = ", ".join("0x" + known.config_digest.hex() for known in complete)
        problem = "no such signer set" if found is None else "not all of its signers are known"
        raise Misuse(problem, field="config_digest", expected=expected, found="0x" + raw.hex())
    config = {
        "config_digest": "0x" + raw.hex(),
        "signers": ["0x" + signer.hex() for signer in found.unverified_signers],
        "f": found.f,
    }
    record = {"contract": contract, "now": now, "configs": [config], "network": found.label}
    return ChainlinkState.from_dict(record | {"source": _source("signers", found.source)})


def _digest(config_digest: str | bytes) -> bytes:
    try:
        return to_bytes(config_digest, name="config_digest")
    except Malformed as error:
        raise Misuse(error.reason, field="config_digest", found=error.found) from None


def unverified_stork_state(
    label: str, *, verification_fee: int = 0, now: int | None = None
) -> StorkState:
    """A Stork contract with the signer of this label (`production`, `development`)."""
    found = next((known for known in stork_signers() if known.label == label), None)
    if found is None:
        labels = ", ".join(signer.label for signer in stork_signers())
        raise Misuse("no such signer", field="label", expected=labels, found=repr(label))
    record = {
        "contract": STORK,
        "signer": "0x" + found.unverified_address.hex(),
        "verification_fee": verification_fee,
        "now": now,
        "source": _source(f"the {label} signer", found.source),
    }
    return StorkState.from_dict(record)
