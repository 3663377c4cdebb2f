"""eth_abi over the corpus: `python eth_abi_modes.py DIR strict|loose`. Nothing here is of ours."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

FULL = ["bytes32[3]", "bytes", "bytes32[]", "bytes32[]", "bytes32"]
Record = dict[str, Any]


def hexed(raw: bytes) -> str:
    return "0x" + raw.hex()


def envelope(raw: bytes, strict: bool) -> Record:
    context, blob, rs, ss, vs = decode(FULL, raw, strict=strict)
    return {
        "context": list(map(hexed, context)),
        "report_blob": hexed(blob),
        "rs": list(map(hexed, rs)),
        "ss": list(map(hexed, ss)),
        "raw_vs": hexed(vs),
    }


def report(raw: bytes, schemas: Record, strict: bool) -> Record:
    schema = schemas[raw[:2].hex()]
    values = decode([kind for _, kind in schema["fields"]], raw, strict=strict)
    names = [name for name, _ in schema["fields"]]
    plain = [hexed(value) if isinstance(value, bytes) else str(value) for value in values]
    return {"schema": schema["schema"]} | dict(zip(names, plain, strict=True))


# By the selector, in hex.
FUNCTIONS = {
    "f7e83aee": "verify(bytes,bytes)",
    "f873a61c": "verifyBulk(bytes[],bytes)",
    "51b34c90": "verifyView(bytes)",
    "665bc7a3": "verifyBulkView(bytes[])",
    "17e84a8d": "verifySignedECDSAPayload(bytes)",
    "3d5c76ae": "verifyAndDeserializeSignedECDSAPayload(bytes)",
}


def arguments(raw: bytes, function: str, strict: bool) -> Record:
    types = function.partition("(")[2][:-1].split(",")
    first, *rest = decode(types, raw[4:], strict=strict)
    many = types[0] == "bytes[]"
    decoded: Record = {"function": function}
    decoded |= {"payloads": list(map(hexed, first))} if many else {"payload": hexed(first)}
    return decoded | ({"parameter": hexed(rest[0])} if rest else {})


def answer(case: Record, schemas: Record, strict: bool) -> Record:
    if case["form"] not in ("full_report", "envelope", "report", "calldata"):
        return {"skip": "no bytes of an ABI encoding"}
    raw = bytes.fromhex(case["input"][2:])
    if case["form"] == "calldata" and raw[:4].hex() not in FUNCTIONS:
        return {"skip": "it does not look at selectors"}
    if case["form"] == "report" and raw[:2].hex() not in schemas:
        return {"skip": "no types to decode by"}
    try:
        if case["form"] == "report":
            return {"decoded": report(raw, schemas, strict)}
        if case["form"] == "calldata":
            return {"decoded": arguments(raw, FUNCTIONS[raw[:4].hex()], strict)}
        return {"decoded": envelope(raw, strict)}
    except DecodingError as error:
        return {"error": f"{type(error).__name__}: {error}"[:200]}
    except Exception as error:
        return {"crash": f"{type(error).__name__}: {error}"[:200]}


def answers(folder: Path, mode: str) -> Iterator[Record]:
    index = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
    yield {"decoder": f"eth-abi {version('eth-abi')}, {mode}"}
    for name in index["files"]:
        for line in (folder / name).read_text(encoding="utf-8").splitlines():
            case = json.loads(line)
            yield {"id": case["id"]} | answer(case, index["schemas"], mode == "strict")


if __name__ == "__main__":
    for record in answers(Path(sys.argv[1]), sys.argv[2]):
        print(json.dumps(record))
