"""Finery's REST methods over the websocket: what is sent, and what a reply says."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from payloads.errors import elide
from payloads.venues.common.pending import RequestFailed, Requests
from payloads.venues.common.redactor import Message
from payloads.venues.common.session import SECOND, Event, Unknown
from payloads.venues.finery.auth import check_method
from payloads.venues.finery.codes import code_of, meaning

# The venue states no time; a request that is not answered by then may still have been carried out.
REPLY_WITHIN = 10 * SECOND
ABOUT = "{name} #{number}"


class Answered(Event, frozen=True):
    """The reply to a request."""

    request_id: int
    method: str
    reply: Any


def request_message(
    number: int, method: str, content: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The message that calls a method. An empty object stands where there is nothing to pass."""
    head = {"event": "request", "reqId": number, "method": check_method(method)}
    return {**head, "content": dict(content or {})}


def read_reply(content: dict[str, Any], raw: Message, requests: Requests) -> Event:
    """The event of a reply to one of the requests; `Malformed` if its code is none."""
    number = content["reqId"]
    if "error" not in content and "reply" not in content:
        return Unknown(content, raw)
    code = code_of(content["error"]) if "error" in content else None
    about, method = requests.about(number), requests.answered(number)
    if code is None:
        return Answered(number, method, content["reply"])
    param = content.get("param", "")
    words = str(param) if isinstance(param, str | int | Decimal) else ""
    return RequestFailed(str(code), elide(words, 300), meaning(code), about, number)
