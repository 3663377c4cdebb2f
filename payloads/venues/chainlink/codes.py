"""What the service's HTTP statuses mean, and when to try again."""

from __future__ import annotations

from payloads.venues.common.http_words import (
    SERVER_ERRORS,
    Headers,
    clock_words,
    refused,
)
from payloads.venues.common.redactor import Redactor
from payloads.venues.common.session import SECOND, Rejected, Retry

# Seconds by which a request's time may differ from the service's clock, "by default" (the API's
# documentation).
CLOCK_WINDOW = 5
# The shortest wait before another try, as in the vendor's SDKs.
PAUSE = SECOND
# What a status means, by the API's documentation; where that is silent, by the vendor's SDKs.
CODES = {
    "206": "only some of the feeds asked for had a report",
    "400": "a query argument or a header is missing or malformed",
    "401": "the signature is not the one expected, or a feed does not exist or is not permitted",
    "403": "the credentials are not allowed to do this",
    "404": "nothing is there: no such path, or no report at that time",
    "429": "too many requests or connections: 10 requests a second for each REST endpoint, "
    "20 connections at once, for each user",
    **SERVER_ERRORS,
}


def refusal(
    status: int,
    headers: Headers,
    body: bytes,
    *,
    redactor: Redactor,
    signed_at: int | None = None,
    about: str = "",
) -> tuple[Rejected, Retry]:
    """A status in words, and whether to try again. Status 0 stands for no answer.

    `signed_at` is the time of the request: the answer's date shows whether the clocks differ.
    """
    meaning = CODES.get(str(status), "")
    if status in (400, 401, 403):
        meaning += clock_words(headers, signed_at, CLOCK_WINDOW)
    return refused(
        status, headers, body, redactor, meaning, pause=PAUSE, now=signed_at, about=about
    )
