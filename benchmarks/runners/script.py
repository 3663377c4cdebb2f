"""The straightforward script that commands are measured against: `json`, eth-abi and coincurve.

It reads frames from standard input and prints an object for each. With `signers` it recovers the
signers, too; with `recoveries` it does nothing but recover them by libsecp256k1.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any

from benchmarks.runners.python_rivals import BODY, BODY_NAMES, OUTER

abi: Any = import_module("eth_abi").decode
keccak: Any = import_module("tiny_keccak").keccak256
key_of: Any = import_module("coincurve").PublicKey.from_signature_and_message


def fields(raw: bytes) -> tuple[Any, dict[str, Any]]:
    """The outer tuple, and the object to print."""
    outer = abi(OUTER, raw)
    values = abi(BODY, outer[1])
    record = {
        name: "0x" + value.hex() if isinstance(value, bytes) else str(value)
        for name, value in zip(BODY_NAMES, values, strict=True)
    }
    return outer, record | {"config_digest": "0x" + outer[0][0].hex()}


def signers(outer: Any) -> list[str]:
    context, blob, rs, ss, raw_vs = outer
    digest = keccak(keccak(blob) + b"".join(context))
    found = []
    for r, s, v in zip(rs, ss, raw_vs, strict=False):
        key = key_of(r + s + bytes([v]), digest, hasher=None).format(compressed=False)
        found.append("0x" + keccak(key[1:])[-20:].hex())
    return found


def recoveries(raw: bytes) -> None:
    from payloads.chainlink import decode
    from payloads.crypto import recover

    payload = decode(raw)
    for r, s, v in zip(payload.rs, payload.ss, payload.raw_vs, strict=False):
        recover(payload.signing_digest, r, s, v)


def main(what: str) -> None:
    for line in sys.stdin:
        raw = bytes.fromhex(json.loads(line)["report"]["fullReport"][2:])
        if what == "recoveries":
            recoveries(raw)
            continue
        outer, record = fields(raw)
        if what == "signers":
            record["signers"] = signers(outer)
        print(json.dumps(record))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
