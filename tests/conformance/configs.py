"""Cases of configs: which signers and f the verifiers take, and the names that follow from them."""

from __future__ import annotations

import json
from typing import Any

from eth_abi.abi import encode

from payloads.conformance import INVALID, VALID
from payloads.crypto import keccak256
from tests.conformance.building import FEED, NETWORK, File, error, hexed
from tests.conformance.states import LARGE

_NO_F = error("FaultToleranceMustBePositive()")
_TWICE, _ZERO = error("NonUniqueSignatures()"), error("ZeroAddress()")
_SIGNERS = tuple(f"0x{index + 1:02x}" + "5a" * 19 for index in range(32))
ORIGIN = ("bytes32", "uint256", "address", "uint64", "address[]", "bytes32[]", "uint8", "bytes",
          "uint64", "bytes")  # fmt: skip


def _few(count: int, f: int) -> bytes:
    return error("InsufficientSigners(uint256,uint256)", count, 3 * f + 1)


def _many(count: int) -> bytes:
    return error("ExcessSigners(uint256,uint256)", count, 31)


def don_config_id(signers: list[str], f: int) -> bytes:
    """v0.4.0's name of a config."""
    words = sorted(bytes.fromhex(signer[2:]).rjust(32, b"\0") for signer in signers)
    return keccak256(b"".join(words) + bytes([f]))[:24]


def _add(file: File, flags: str, comment: str, signers: Any, f: int, data: bytes | None) -> None:
    lower = [signer.lower() for signer in signers]
    text = json.dumps({"signers": lower, "f": f})
    keys: dict[str, Any] = {"result": INVALID, "decode_error": hexed(data or b"")}
    if data is None:
        keys = {"result": VALID, "decoded": {"don_config_id": hexed(don_config_id(lower, f))}}
    file.add(flags, comment, form="config", input=text, **keys)


def _sizes(file: File) -> None:
    for count, f, data in (
        (4, 1, None), (31, 1, None), (31, 10, None), (7, 2, None),
        (0, 1, _few(0, 1)), (3, 1, _few(3, 1)), (30, 10, _few(30, 10)), (31, 11, _few(31, 11)),
        (31, 255, _few(31, 255)), (32, 1, _many(32)), (32, 11, _many(32)),
        (4, 0, _NO_F), (0, 0, _NO_F), (32, 0, _NO_F),
    ):  # fmt: skip
        _add(file, "ConfigSize", f"{count} signers, f is {f}", _SIGNERS[:count], f, data)


def _addresses(file: File) -> None:
    zero = "0x" + "00" * 20
    for at in (0, 3):
        signers = [*_SIGNERS[:at], zero, *_SIGNERS[at:3]]
        _add(file, "ConfigSigners", f"signer {at} is zero", signers, 1, _ZERO)
    for first, second in ((0, 1), (0, 3), (2, 3)):
        twice = list(_SIGNERS[:4])
        twice[second] = twice[first]
        _add(file, "ConfigSigners", f"signers {first} and {second} are one", twice, 1, _TWICE)
    for words, several in (
        ("in order", _SIGNERS[:4]),
        ("in another order, with the same name", _SIGNERS[3::-1]),
        ("of the test network", NETWORK.signers),
    ):
        _add(file, "DonConfigId", f"signers {words}", several, 1, None)
    _add(file, "DonConfigId", "signers of the large test network", LARGE.signers, 10, None)


def _digests(file: File) -> None:
    for words, changed in (
        ("a config", {}),
        ("the second config of the feed", {"config_count": "2"}),
        ("on another chain", {"chain_id": "42161"}),
        ("with other settings", {"onchain_config": "0x01ff", "offchain_config": "0x" + "ab" * 33,
                                 "offchain_config_version": "30"}),
    ):  # fmt: skip
        config: dict[str, Any] = {
            "feed_id": hexed(FEED), "chain_id": "1", "verifier": "0x" + "77" * 20,
            "config_count": "1", "signers": list(_SIGNERS[:4]),
            "transmitters": [hexed(bytes([index] * 32)) for index in range(4)], "f": "1",
            "onchain_config": "0x", "offchain_config_version": "1", "offchain_config": "0x",
        } | changed  # fmt: skip
        digest = b"\x00\x06" + keccak256(encode(ORIGIN, origin_values(config)))[2:]
        file.add("DigestOfConfig", words, form="config_with_origin", input=json.dumps(config),
                 result=VALID, decoded={"config_digest": hexed(digest)})  # fmt: skip


def origin_values(config: dict[str, Any]) -> list[Any]:
    """What v0.3.0 hashes, in the order of `ORIGIN`."""
    plain = {"address": str, "address[]": list, "bytes": _bytes, "bytes32": _bytes}
    return [
        list(map(_bytes, value)) if kind == "bytes32[]" else plain.get(kind, int)(value)
        for kind, value in zip(ORIGIN, config.values(), strict=True)
    ]


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def configs() -> File:
    """The cases of configs."""
    file = File("chainlink-config")
    for add in (_sizes, _addresses, _digests):
        add(file)
    return file
