"""An HTTP answer of a venue, with what it says."""

from __future__ import annotations

from typing import Any

import msgspec
from hexbytes import HexBytes
from msgspec import field

from payloads.abi.fields import Record
from payloads.venues.common.session import SECOND, Reply

# The time of every answer that has one in it.
NOW = 1_700_000_000 * SECOND
JSON = (("Content-Type", "application/json"),)


class RestReply(Record, frozen=True):
    """An HTTP answer of a venue, and what it says.

    `kind` names what reads it:

    * `report`, `bulk`, `page`, `feeds`, `origins`: `payloads.venues.chainlink.rest.Rest`;
    * `taxonomy`: `payloads.venues.stork.rest.read_taxonomy`;
    * `login`, `verify`, `refresh`: `payloads.venues.ethgas.auth.EthgasLogin`;
    * `refused`: the reader of the venue's other answers;
    * `upgrade`: `rejected` of the venue's session, since it refuses a websocket.

    `payloads` are the signed payloads in it, `feeds` the feeds that were asked for or are listed,
    `missing` those of them without a report, `origins` and `assets` what is listed, `nonce` what is
    to be signed, and `token` an access token, which is valid at `now` (nanoseconds). `code` is that
    of a refusal. `damage` names what was done to it, after which it says nothing.
    """

    venue: str
    kind: str
    reply: Reply
    payloads: tuple[HexBytes, ...] = ()
    feeds: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    assets: dict[str, int] = field(default_factory=dict)
    nonce: str = ""
    token: str = ""
    now: int = NOW
    code: str = ""
    damage: str = ""


def body(content: Any) -> bytes:
    """The body of an answer in JSON."""
    return msgspec.json.encode(content)
