"""Stork Fast over HTTP: its endpoints, and the taxonomy that names its assets.

`taxonomy_request` makes the request and `read_taxonomy` reads its answer: `Refused` for a status
that is no success, with the venue's words and what they mean, `Malformed` for a success with
another body. An id means something only together with its taxonomy's id, which stays the same for
as long as a deployment lives: load it, and build no id in.
"""

from __future__ import annotations

from typing import Any

from payloads.abi.fields import Record
from payloads.errors import Malformed, Misuse, Refused, shown
from payloads.venues.common.endpoints import address
from payloads.venues.common.json_text import parse_json
from payloads.venues.common.redactor import Redactor, Secret
from payloads.venues.common.session import Reply, Request
from payloads.venues.stork.auth import SECRET_HEADERS, authorization
from payloads.venues.stork.codes import refusal

MAIN = "wss://fast.jp.stork-oracle.network"
DEV = "wss://fast.dev.stork-oracle.network"
ENDPOINTS = {"mainnet": MAIN, "dev": DEV}
TAXONOMY_PATH = "/v1/taxonomy"


def instance(name: str) -> str:
    """The endpoint of an instance other than the main one."""
    if not name.isascii() or not name.replace("-", "").isalnum():
        raise Misuse("not an instance", field="instance", expected="a host's label")
    return f"wss://{name}.fast.jp.stork-oracle.network"


class Taxonomy(Record, frozen=True):
    """What asset ids mean, as far as the token may see."""

    taxonomy_id: int
    ids: dict[str, int]

    def id_of(self, name: str) -> int:
        if name not in self.ids:
            raise Misuse("no such asset in the taxonomy", field="asset", found=shown(name))
        return self.ids[name]

    def name_of(self, asset_id: int) -> str:
        """The first name of an id; "" if it has none."""
        return next((name for name, known in self.ids.items() if known == asset_id), "")


def taxonomy_request(token: Secret, endpoint: str = MAIN) -> Request:
    """The request for the taxonomy; `read_taxonomy` reads its answer."""
    base = "http" + address(endpoint, ENDPOINTS).removeprefix("ws")
    headers = authorization(token)
    return Request("GET", base + TAXONOMY_PATH, headers, b"", "taxonomy", SECRET_HEADERS)


def read_taxonomy(reply: Reply, redactor: Redactor | None = None) -> Taxonomy:
    """The taxonomy; `Refused` for a status that is no success, `Malformed` for another body."""
    redactor = redactor or Redactor()
    if reply.status != 200:
        rejected, _ = refusal(reply.status, reply.headers, reply.body, redactor)
        found = f"{rejected.code} {rejected.message}".strip()
        raise Refused(rejected.meaning, field=reply.purpose, expected="success", found=found)
    message = parse_json(redactor.clean(reply.body))
    assets = message.get("assets") if isinstance(message, dict) else None
    if not isinstance(assets, list):
        raise Malformed("no taxonomy", field="assets", expected="a list", found=shown(message))
    pairs = (_named_asset(item, f"assets[{index}]") for index, item in enumerate(assets))
    return Taxonomy(_uint16(message.get("taxonomy_id"), "taxonomy_id"), dict(pairs))


def _named_asset(item: Any, path: str) -> tuple[str, int]:
    name = item.get("name") if isinstance(item, dict) else None
    if not isinstance(name, str):
        raise Malformed("no asset", field=path, expected="a name and an id", found=shown(item))
    return name, _uint16(item.get("asset_id"), f"{path}.asset_id")


def _uint16(value: Any, path: str) -> int:
    if type(value) is int and 0 <= value < 2**16:
        return value
    raise Malformed("not an id", field=path, expected="0 to 65535", found=shown(value))
