"""What Stork Fast checks, for simulators and tests: pure functions of one request or message.

`check_upgrade` and `check_request` return None, or the `Rejected` whose code is the HTTP status to
send. `read_upgrade` reads what an accepted upgrade asks for. `read_command` reads a client's
message: a `Command`, or `Malformed`, for which the service publishes no answer.

What a client may leave out of the query, and what it then gets, is not published. Here the first
example of the documentation, which leaves out everything, gets unsigned messages on `real_time`.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Collection, Mapping, Sequence
from urllib.parse import parse_qsl

from payloads.abi.fields import Record
from payloads.errors import Malformed, shown
from payloads.stork.frames import UNSIGNED
from payloads.venues.common.http_words import Headers, header
from payloads.venues.common.json_text import parse_json
from payloads.venues.common.redactor import Message, Secret
from payloads.venues.common.session import SECOND, Rejected
from payloads.venues.stork.codes import CODES
from payloads.venues.stork.rest import TAXONOMY_PATH
from payloads.venues.stork.session import CHANNELS, MESSAGE_TYPES, WS_PATH

# "5 req/s overall" (the REST page).
_PER_SECOND = 5


class Upgrade(Record, frozen=True):
    """What a websocket was opened for."""

    channel: str = "real_time"
    message_type: str = UNSIGNED
    market_status: bool = False


class Command(Record, frozen=True):
    """`subscribe` or `unsubscribe`, and the asset ids."""

    kind: str
    assets: tuple[int, ...]


def _no(status: int, message: str, about: str) -> Rejected:
    return Rejected(str(status), message, CODES.get(str(status), ""), about)


# --- the upgrade ----------------------------------------------------------------------------------


def read_upgrade(path: str) -> Upgrade:
    """What a path's query asks for; `Malformed` for what the service does not know."""
    try:
        given = dict(parse_qsl(path.partition("?")[2], keep_blank_values=True, max_num_fields=100))
    except ValueError:
        raise Malformed("too many arguments", field="query", expected="at most 100") from None
    default = Upgrade()
    channel = _known(given, "channel", CHANNELS, default.channel)
    message_type = _known(given, "message_type", MESSAGE_TYPES, default.message_type)
    attributes = _known(given, "addtl_attrs", ("ms", ""), "")
    return Upgrade(channel, message_type, attributes == "ms")


def _known(given: Mapping[str, str], key: str, known: Collection[str], default: str) -> str:
    value = given.get(key, default)
    if value not in known:
        expected = ", ".join(filter(None, known))
        raise Malformed("not known", field=key, expected=expected, found=shown(value))
    return value


def _check_token(headers: Headers, tokens: Collection[Secret]) -> Rejected | None:
    given = header(headers, "Authorization")
    if not given:
        return _no(401, "missing header Authorization", "Authorization")
    scheme, _, token = given.partition(" ")
    if scheme != "Basic" or not token:
        return _no(401, "expected Authorization: Basic <token>", "Authorization")
    raw = token.encode("utf-8", "replace")
    # Every token is compared, so that the time taken says nothing about which is near.
    matches = [hmac.compare_digest(token.reveal().encode(), raw) for token in tokens]
    return None if any(matches) else _no(401, "invalid token", "Authorization")


def check_upgrade(
    path: str,
    headers: Headers,
    tokens: Collection[Secret],
    *,
    needs_deflate: bool = False,
) -> Rejected | None:
    """Whether a websocket may be opened.

    `needs_deflate` refuses clients that do not offer permessage-deflate, as one client in the field
    says the gateway does; with which status is not known.
    """
    if path.partition("?")[0] != WS_PATH:
        return _no(404, "no websocket there", path.partition("?")[0])
    if refused := _check_token(headers, tokens):
        return refused
    offered = header(headers, "Sec-WebSocket-Extensions")
    if needs_deflate and "permessage-deflate" not in offered:
        return _no(400, "permessage-deflate must be offered", "Sec-WebSocket-Extensions")
    try:
        read_upgrade(path)
    except Malformed as error:
        return _no(400, str(error), error.field or "")
    return None


# --- messages -------------------------------------------------------------------------------------


def read_command(data: Message, known: Collection[int] | None = None) -> Command:
    """A client's message; `Malformed` for anything but the two commands as the service takes them.

    Names, and a `data` array, are refused in the field. `known` are the ids of the taxonomy.
    """
    message = parse_json(data)
    kind = message.get("type") if isinstance(message, dict) else None
    if kind not in ("subscribe", "unsubscribe"):
        expected = "subscribe or unsubscribe"
        raise Malformed("no such command", field="type", expected=expected, found=shown(kind))
    assets = message.get("assets")
    if not isinstance(assets, list):
        raise Malformed("no assets", field="assets", expected="a list", found=shown(assets))
    for index, asset in enumerate(assets):
        number = type(asset) is int and 0 <= asset < 2**16
        if not number or (known is not None and asset not in known):
            expected = "an asset's id"
            path = f"assets[{index}]"
            raise Malformed("no such asset", field=path, expected=expected, found=shown(asset))
    return Command(kind, tuple(assets))


# --- REST -----------------------------------------------------------------------------------------


def check_request(
    method: str,
    path: str,
    headers: Headers,
    now: int,
    tokens: Collection[Secret],
    *,
    recent: Sequence[int] = (),
) -> Rejected | None:
    """Whether a REST request is answered. `recent`: the times of this token's earlier requests."""
    where = path.partition("?")[0]
    if where != TAXONOMY_PATH:
        return _no(404, "no such path", where)
    if method != "GET":
        return _no(405, "no such method here", method)
    if refused := _check_token(headers, tokens):
        return refused
    if sum(now - SECOND < at <= now for at in recent) >= _PER_SECOND:
        return _no(429, f"more than {_PER_SECOND} requests in a second", where)
    return None


def body_of(rejected: Rejected) -> bytes:
    """The body of a refusal."""
    return json.dumps({"error": rejected.message}).encode()


def taxonomy_body(taxonomy_id: int, ids: Mapping[str, int]) -> bytes:
    """The answer to the taxonomy's request."""
    assets = [{"name": name, "asset_id": asset_id} for name, asset_id in ids.items()]
    return json.dumps({"taxonomy_id": taxonomy_id, "assets": assets}).encode()
