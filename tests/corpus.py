"""The published payloads of `fixtures/payloads.jsonl`, as the tests ask for them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"


@dataclass(frozen=True)
class Entry:
    """One published payload and what its entry says about it."""

    id: str
    system: str
    payload: str
    kind: str
    raw: bytes
    record: dict[str, Any]

    @property
    def text(self) -> str:
        return str(self.record["hex"])

    @property
    def decoded(self) -> dict[str, Any]:
        decoded: dict[str, Any] = self.record["decoded"]
        return decoded

    @property
    def signers(self) -> list[str]:
        return list(self.record.get("signers", []))

    def __str__(self) -> str:
        return self.id


@cache
def entries() -> tuple[Entry, ...]:
    lines = (FIXTURES / "payloads.jsonl").read_text().splitlines()
    return tuple(_entry(json.loads(line)) for line in lines)


def _entry(record: dict[str, Any]) -> Entry:
    raw = bytes.fromhex(record["hex"].removeprefix("0x"))
    name, system, payload, kind = (record[key] for key in ("id", "system", "payload", "kind"))
    return Entry(name, system, payload, kind, raw, record)


def entry(name: str) -> Entry:
    return next(one for one in entries() if one.id == name)


def of(payload: str, *, valid: bool = True) -> list[Entry]:
    """The entries of one form: `fullReport`, `reportBlob`, `snappy`, `signed_ecdsa`."""
    return [one for one in entries() if one.payload == payload and (one.kind != "invalid") == valid]


def some_of_each_schema() -> list[Entry]:
    """A signed payload of every schema that has been published in this form."""
    first: dict[bytes, Entry] = {}
    for one in of("fullReport"):
        first.setdefault(one.raw[256:258], one)
    return list(first.values())
