"""Stork Fast over HTTP: where it is, who asks, and the taxonomy that names its assets.

`taxonomy_request` makes the request and `read_taxonomy` reads its answer: `Refused` for a status
that is no success, with the venue's words and what they mean, `Malformed` for a success with
another body. An id means something only together with its taxonomy's id, which stays the same for
as long as a deployment lives: load it, and build no id in.
"""

from __future__ import annotations

from typing import Any

from payloads.abi.fields import Record
from payloads.errors import Malformed, Misuse, Refused, shown
from payloads.venues.common.endpoints import address, header_value
from payloads.venues.common.http_words import (
    SERVER_ERRORS,
    Headers,
    refused,
)
from payloads.venues.common.json_text import parse_json
from payloads.venues.common.redactor import Redactor, Secret
from payloads.venues.common.session import SECOND, Rejected, Reply, Request, Retry

MAIN = "wss://fast.jp.stork-oracle.network"
DEV = "wss://fast.dev.stork-oracle.network"
ENDPOINTS = {"mainnet": MAIN, "dev": DEV}
TAXONOMY_PATH = "/v1/taxonomy"
SECRET_HEADERS = ("Authorization",)

# Not published for the websocket: what HTTP means by these, which is what to expect.
CODES = {
    "400": "the request is malformed: see channel, message_type and addtl_attrs",
    "401": "the token is missing or not valid; it is sent as it is, not as base64",
    "403": "the token is not allowed to do this",
    "404": "nothing is there: not a path of this instance",
    "426": "the server wants an upgrade other than the one offered",
    "429": "too many requests: 5 a second are allowed",
    **SERVER_ERRORS,
}
# Clients in the field wait this long before they dial again, and then longer.
PAUSE = SECOND


def instance(name: str) -> str:
    """The endpoint of an instance other than the main one."""
    if not name.isascii() or not name.replace("-", "").isalnum():
        raise Misuse("not an instance", field="instance", expected="a host's label")
    return f"wss://{name}.fast.jp.stork-oracle.network"


def check_token(token: Secret) -> None:
    """A token is sent behind `Basic` as it is; base64 of it, or a second `Basic`, gets a 401."""
    header_value(token.reveal(), "token")


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
        return next((name for name, one in self.ids.items() if one == asset_id), "")


def authorization(token: Secret) -> tuple[tuple[str, str], ...]:
    return (("Authorization", f"Basic {token.reveal()}"),)


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


# --- refusals -------------------------------------------------------------------------------------


def refusal(
    status: int,
    headers: Headers,
    body: bytes,
    redactor: Redactor,
    *,
    now: int | None = None,
    about: str = "",
) -> tuple[Rejected, Retry]:
    """A status in words, and whether to ask again. Status 0: an answer that never came."""
    meaning = CODES.get(str(status), "")
    return refused(status, headers, body, redactor, meaning, pause=PAUSE, now=now, about=about)
