"""What ETHGas sends of its channels (`read_update`) and in answer to queries (`read_reply`).

Payloads become the records that `records` has for them; those of channels and queries that
it does not have stay the venue's own objects, whose keys are single letters. `Malformed` is raised,
with the path of the first wrong value, for a payload that is not what it should be.
"""

from __future__ import annotations

from typing import Any, get_origin

from msgspec import field

from payloads.abi.fields import Record
from payloads.errors import elide
from payloads.venues.common.session import Event
from payloads.venues.ethgas.records import CHANNELS, QUERIES, read

_UPDATE_KEYS, _REPLY_KEYS = frozenset("eEsaP"), frozenset("qsP")


class Update(Record, frozen=True):
    """A message of a channel: when it was sent (milliseconds), about what, and its payload."""

    channel: str
    time: int | None
    symbol: str
    action: str
    payload: Any
    rest: dict[str, Any] = field(default_factory=dict)


class Answered(Event, frozen=True):
    """The reply to a query: its payload, the instrument it is about, and what else came with it."""

    query_type: str
    reply: Any
    symbol: str = ""
    rest: dict[str, Any] = field(default_factory=dict)


def short_text(value: Any) -> str:
    """Text of a bounded length; "" for anything else."""
    return elide(value, 300) if isinstance(value, str) else ""


def read_update(content: dict[str, Any]) -> Update:
    """The update of a message that has its channel's name under `e`."""
    name, time = content["e"], content.get("E")
    return Update(
        name,
        time if type(time) is int else None,
        short_text(content.get("s")),
        short_text(content.get("a")),
        _payload(CHANNELS.get(name), content.get("P")),
        _rest(content, _UPDATE_KEYS),
    )


def read_reply(content: dict[str, Any]) -> Answered:
    """The reply of a message that has its query's type under `q`."""
    name = content["q"]
    payload = _payload(QUERIES.get(name), content.get("P"))
    return Answered(name, payload, short_text(content.get("s")), _rest(content, _REPLY_KEYS))


def _payload(kind: Any, payload: Any) -> Any:
    if kind is None:
        return payload
    # Where its pages have a list in the table they may have one object in the example.
    if get_origin(kind) is tuple and isinstance(payload, dict):
        payload = [payload]
    return read(kind, payload, "P")


def _rest(content: dict[str, Any], known: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in content.items() if key not in known}
