"""Every rival that is a Python package: `python -m benchmarks.runners.python_rivals CASE`.

`CASES`, at the end, lists them. Each function imports its own rival and nothing else, since only
that one is sure to be installed. Imports go by name (`import_module`) because none of these
packages is a dependency of the project, nor known to its type checker.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from benchmarks.runners.loop import (
    INPUTS,
    Work,
    hexed,
    named,
    serve_work,
    signatures,
    unhex,
    words,
)

OUTER = ("bytes32[3]", "bytes", "bytes32[]", "bytes32[]", "bytes32")
BODY = ("bytes32", "uint32", "uint32", "uint192", "uint192", "uint32", "int192", "int192", "int192")
BODY_NAMES = (
    "feed_id",
    "valid_from_timestamp",
    "observations_timestamp",
    "native_fee",
    "link_fee",
    "expires_at",
    "benchmark_price",
    "bid",
    "ask",
)
PUBLIC_KEY = 64

Cases = dict[str, tuple[str, Callable[[], Work]]]


def outer_fields(outer: Sequence[Any]) -> dict[str, str]:
    context, blob, rs, ss, raw_vs = outer
    sequence = int.from_bytes(context[1][-5:], "big")
    return {
        "config_digest": hexed(context[0]),
        "epoch": str(sequence >> 8),
        "round": str(sequence & 0xFF),
        "extra_hash": hexed(context[2]),
        "report_blob": hexed(blob),
        "rs": words(rs),
        "ss": words(ss),
        "raw_vs": hexed(raw_vs),
    }


def body_fields(body: Sequence[Any]) -> dict[str, str]:
    texts = [value if isinstance(value, str) else str(value) for value in body[1:]]
    feed_id = body[0] if isinstance(body[0], str) else hexed(body[0])
    return dict(zip(BODY_NAMES, [feed_id, *texts], strict=True))


def two_decodes(module: str) -> Work:
    decode = import_module(module).decode

    def both(text: str) -> tuple[Any, Any]:
        outer = decode(OUTER, bytes.fromhex(text[2:]))
        return outer, decode(BODY, outer[1])

    def check(result: tuple[Any, Any]) -> Mapping[str, str]:
        return {**outer_fields(result[0]), **body_fields(result[1])}

    return both, INPUTS["full_report"], check


def py_chainlink_streams() -> Work:
    response = import_module("py_chainlink_streams.report").ReportResponse
    feed_id = INPUTS["fields"]["feed_id"]

    def decode(text: str) -> Any:
        return response(feed_id, text, 0, 0).decode()

    def check(result: Any) -> Mapping[str, str]:
        outer = [result[k] for k in ("reportContext", "reportBlob", "rawRs", "rawSs", "rawVs")]
        return {**outer_fields(outer), **body_fields(tuple(result["data"].values()))}

    return decode, INPUTS["full_report"], check


def address_of(key: bytes) -> str:
    """The signer's address, worked out after the clock has stopped."""
    if len(key) != PUBLIC_KEY:
        raise ValueError(f"a public key of {len(key)} bytes")
    keccak = import_module("Crypto.Hash.keccak")
    return hexed(keccak.new(digest_bits=256, data=key).digest()[12:])


def recovery(one: Callable[[tuple[Any, ...]], Any], address: Callable[[Any], str]) -> list[Work]:
    """The two recovery cases of one library: its first signature, and all of them."""
    every = signatures()

    def six(items: Sequence[tuple[Any, ...]]) -> list[Any]:
        return [one(item) for item in items]

    def check_one(key: Any) -> Mapping[str, str]:
        return {"0": address(key)}

    def check_six(keys: Sequence[Any]) -> Mapping[str, str]:
        return {str(index): address(key) for index, key in enumerate(keys)}

    return [(one, every[0], check_one), (six, every, check_six)]


def coincurve_public() -> list[Work]:
    from_signature = import_module("coincurve").PublicKey.from_signature_and_message

    def one(item: tuple[Any, ...]) -> Any:
        digest, r, s, v = item
        key = from_signature(r + s + bytes((v,)), digest, hasher=None)
        return key.format(compressed=False)[1:]

    return recovery(one, address_of)


def btclib_public() -> list[Work]:
    recover = import_module("btclib_secp256k1.recovery").recover

    def one(item: tuple[Any, ...]) -> Any:
        digest, r, s, v = item
        return recover(digest, r + s, v, False)[1:]

    return recovery(one, address_of)


def eth_keys(backend: str) -> list[Work]:
    datatypes = import_module("eth_keys.datatypes")
    ecc = getattr(import_module("eth_keys.backends"), backend)()

    def one(item: tuple[Any, ...]) -> Any:
        digest, r, s, v = item
        vrs = (v, int.from_bytes(r, "big"), int.from_bytes(s, "big"))
        signature = datatypes.Signature(vrs=vrs, backend=ecc)
        return signature.recover_public_key_from_msg_hash(digest).to_bytes()

    return recovery(one, address_of)


def eth_account() -> list[Work]:
    # Private, but the only door it has to a bare digest: the public ones add the EIP-191 prefix.
    recover = import_module("eth_account").Account._recover_hash

    def one(item: tuple[Any, ...]) -> Any:
        digest, r, s, v = item
        return recover(digest, vrs=(v, int.from_bytes(r, "big"), int.from_bytes(s, "big")))

    return recovery(one, lambda address: str(address).lower())


def keccak(one: Callable[[bytes], bytes]) -> Work:
    return one, unhex(INPUTS["signed"]), lambda digest: {"digest": hexed(digest)}


def tiny_keccak() -> Work:
    return keccak(import_module("tiny_keccak").keccak256)


def safe_pysha3() -> Work:
    keccak_256 = import_module("sha3").keccak_256
    return keccak(lambda data: keccak_256(data).digest())


def pycryptodome() -> Work:
    new = import_module("Crypto.Hash.keccak").new
    return keccak(lambda data: new(digest_bits=256, data=data).digest())


def eth_hash() -> Work:
    return keccak(import_module("eth_hash.auto").keccak)


COINCURVE, NATIVE = "CoinCurveECCBackend", "NativeECCBackend"


def recoveries(case: str, distribution: str, make: Callable[[], list[Work]]) -> Cases:
    return {
        f"{case}:one": (distribution, lambda: make()[0]),
        f"{case}:six": (distribution, lambda: make()[1]),
    }


# By case: the distribution whose version is shown, and what makes the work.
CASES: Cases = {
    "eth-abi": ("eth-abi", lambda: two_decodes("eth_abi")),
    "faster-eth-abi": ("faster-eth-abi", lambda: two_decodes("faster_eth_abi")),
    "py-chainlink-streams": ("py-chainlink-streams", py_chainlink_streams),
    **recoveries("coincurve", "coincurve", coincurve_public),
    **recoveries("btclib", "btclib-secp256k1", btclib_public),
    **recoveries("eth-keys", "eth-keys", lambda: eth_keys(COINCURVE)),
    **recoveries("eth-keys-pure", "eth-keys", lambda: eth_keys(NATIVE)),
    **recoveries("eth-account", "eth-account", eth_account),
    "tiny-keccak": ("tiny-keccak", tiny_keccak),
    "safe-pysha3": ("safe-pysha3", safe_pysha3),
    "pycryptodome": ("pycryptodome", pycryptodome),
    "eth-hash": ("eth-hash", eth_hash),
}

if __name__ == "__main__":
    distribution, make = CASES[sys.argv[1]]
    serve_work(named(distribution), make())
