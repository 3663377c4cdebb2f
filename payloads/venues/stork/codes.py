"""What HTTP statuses mean at Stork Fast, and whether to ask again."""

from __future__ import annotations

from payloads.venues.common.http_words import SERVER_ERRORS, Headers, refused
from payloads.venues.common.redactor import Redactor
from payloads.venues.common.session import SECOND, Rejected, Retry

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
