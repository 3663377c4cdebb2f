"""Refusals over HTTP: of requests, and of websockets, in each venue's own words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from payloads.strategies.venues.reply import JSON, RestReply, body
from payloads.strategies.venues.written import TEXTS
from payloads.venues.chainlink import server as chainlink
from payloads.venues.common.session import Rejected, Reply
from payloads.venues.ethgas.codes import CODES as ETHGAS
from payloads.venues.finery.codes import CODES as FINERY
from payloads.venues.finery.server import refusal
from payloads.venues.qfex.codes import ERRORS as QFEX
from payloads.venues.stork import server as stork

Replies = st.SearchStrategy[RestReply]
Headers = tuple[tuple[str, str], ...]
# A body, and the venue's own code in it, "" for none.
Said = tuple[bytes, str]

_STATUSES = st.sampled_from((400, 401, 403, 404, 429, 500, 502, 503))
# How long to wait, and the date by which a client can tell that its clock is wrong.
_HEADERS: st.SearchStrategy[Headers] = st.sampled_from((
    JSON,
    (*JSON, ("Retry-After", "3")),
    (*JSON, ("Date", "Tue, 14 Nov 2023 22:13:20 GMT")),
    (("Content-Type", "text/plain"),),
))  # fmt: skip


def _in_words(make: Callable[[Rejected], bytes]) -> st.SearchStrategy[Said]:
    return TEXTS.map(lambda words: (make(Rejected("", words, "")), ""))


def _finery(code: int, form: str) -> Said:
    """The code of a refused upgrade. Its form is not published: clients find it in any of these."""
    found = {
        "object": refusal(code)[1],
        "code": body({"code": code}),
        "list": body([code]),
        "bare": str(code).encode(),
        "words": f"error {code}: {FINERY[code]}".encode(),
    }
    return found[form], str(code)


def _ethgas(code: int, words: str, form: str) -> Said:
    found = {
        "official": {"success": False, "errorCode": code, "message": words},
        "error": {"error": words},
    }
    return body(found[form]), ""


def _qfex(code: str, words: str) -> Said:
    return body({"error": code, "message": words}), ""


_NONE = st.just((b"", ""))
_OF_FINERY = st.sampled_from(("object", "code", "list", "bare", "words"))
_OF_ETHGAS = st.builds(
    _ethgas, st.sampled_from(sorted(ETHGAS)), TEXTS, st.sampled_from(("official", "error"))
)
_OF_QFEX = st.builds(_qfex, st.sampled_from(sorted(QFEX)), TEXTS) | _NONE
# The bodies of each venue's refusals.
_BODIES: dict[str, st.SearchStrategy[Said]] = {
    "chainlink": _in_words(chainlink.body_of) | _NONE,
    "stork": _in_words(stork.body_of) | _NONE,
    "finery": st.builds(_finery, st.sampled_from(sorted(FINERY)), _OF_FINERY),
    "ethgas": _OF_ETHGAS | _NONE,
    "qfex": _OF_QFEX,
    "qfex-trade": _OF_QFEX,
}


def _reply(
    venue: str, kind: str, purpose: str, said: Said, status: int, headers: Headers
) -> RestReply:
    raw, code = said
    reply = Reply(purpose, status, raw, headers)
    return RestReply(venue, kind, reply, code=code or f"HTTP {status}")


def _of(venue: str, kind: str, purpose: str) -> Replies:
    names: list[st.SearchStrategy[Any]] = [*map(st.just, (venue, kind, purpose))]
    return st.builds(_reply, *names, _BODIES[venue], _STATUSES, _HEADERS)


def refused_requests() -> dict[str, Replies]:
    """By venue: refused requests, where there is a REST service that we ask."""
    purposes = {"chainlink": "latest", "stork": "taxonomy", "ethgas": "ethgas login"}
    return {venue: _of(venue, "refused", purpose) for venue, purpose in purposes.items()}


def refused_upgrades() -> dict[str, Replies]:
    """By venue: answers to a dial that is refused."""
    return {venue: _of(venue, "upgrade", "upgrade") for venue in _BODIES}
