"""Refusals and close codes in words, and the pauses that servers ask for."""

from __future__ import annotations

import pytest

from payloads.venues.common.http_words import (
    clock_words,
    closing,
    refused,
    status_code,
    status_words,
    worth_retrying,
)
from payloads.venues.common.redactor import Redactor, Secret
from payloads.venues.common.session import SECOND, Rejected, Retry


def test_codes_after_which_nobody_dials_again() -> None:
    redactor = Redactor(Secret("a secret of some length"))
    again = closing(4000, "a secret of some length", 7, redactor)
    assert (again.retry.again, again.retry.at_least) == (True, 7)
    assert "a secret" not in again.reason + again.retry.why
    final = closing(4000, "", 7, redactor, {4000: "go away"})
    assert (final.retry.again, final.retry.why) == (False, "4000: go away")


@pytest.mark.parametrize(
    ("status", "again"),
    [(0, True), (400, False), (401, False), (408, True), (429, True), (503, True)],
)
def test_what_is_worth_another_try(status: int, again: bool) -> None:
    assert worth_retrying(status) == again
    answer = status, [("Retry-After", "3")], b"no"
    event, retry = refused(*answer, Redactor(), "refused", about="upgrade")
    assert (event.code, event.message, event.about) == (status_code(status), "no", "upgrade")
    assert retry.why == f"{event.code}: refused"
    assert (retry.again, retry.at_least) == (again, 3 * SECOND if again else 0)
    _, retry = refused(*answer, Redactor(), again=not again)
    assert (retry.again, retry.at_least) == (not again, 0 if again else 3 * SECOND)
    event, retry = refused(status, [], b"no", Redactor(), "busy", pause=SECOND, about="a login")
    assert event == Rejected(status_code(status), "no", "busy", "a login")
    assert retry == Retry(again, f"{event.code}: busy", SECOND if again else 0)
    event, retry = refused(status, [], b"", Redactor(), "busy", pause=0, code="B7")
    assert (event.code, retry.why) == ("B7", "B7: busy")


def test_a_status_as_a_code() -> None:
    codes = {status: status_code(status) for status in (429, 503, 0, -1)}
    assert codes == {429: "HTTP 429", 503: "HTTP 503", 0: "no answer", -1: "no answer"}


def test_what_statuses_mean_where_a_venue_has_no_words_of_its_own() -> None:
    told = {status: status_words(status) for status in (0, 204, 302, 401, 403, 404, 418, 429, 503)}
    assert len({*told.values()}) == len(told)
    assert told[418] == "the request is refused"
    assert status_words(504) != status_words(599) == status_words(500)


def test_clocks_that_differ() -> None:
    dated = [("Date", "Mon, 09 Aug 2021 06:05:10 GMT")]
    now = 1_628_489_110 * SECOND
    assert clock_words(dated, now) == ""
    assert "5 s ahead of" in clock_words(dated, now - 5 * SECOND)
    assert "5 s behind" in clock_words(dated, now + 5 * SECOND)
    assert clock_words([], now) == clock_words(dated, None) == ""
    assert clock_words(dated, now - 5 * SECOND, allowed=5) == ""
    assert clock_words(dated, now - 6 * SECOND, allowed=5).endswith("and 5 s are allowed")
