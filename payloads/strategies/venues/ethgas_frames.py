"""Messages of ETHGas: updates, replies to queries, and what it says about a connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from payloads.strategies.venues.message import VenueFrame, as_tuple, text_of
from payloads.strategies.venues.written import TEXTS, Style, Written, written
from payloads.venues.ethgas.codes import CODES
from payloads.venues.ethgas.protocol import MARKET_TYPES, PRIVATE, PUBLIC
from payloads.venues.ethgas.records import CHANNELS, QUERIES

Frames = st.SearchStrategy[VenueFrame]
_STYLE = Style(lambda price, size: {"p": price, "q": size})
_MILLISECONDS = st.integers(0, 4_102_444_800_000 - 1)
_ACTIONS = st.sampled_from(
    ("update", "Snapshot", "NewEpoch", "MarketExpiry", "BlockBuilderChanged",
     "BundleSubmissionDeadline")
)  # fmt: skip


def _plain(content: Any, is_alone: bool) -> Any:
    """A list of one object, which the venue's examples also have as the object alone."""
    is_one = isinstance(content, list) and len(content) == 1
    return content[0] if is_one and is_alone else content


def _update(channel: str) -> Frames:
    def frame(pair: Written, is_alone: bool, time: int, symbol: str, action: str) -> VenueFrame:
        records, content = pair
        head = {"e": channel, "E": time, "s": symbol, "a": action}
        message = head | {"P": _plain(content, is_alone)}
        return VenueFrame("ethgas", channel, text_of(message), None, as_tuple(records))

    several = written(CHANNELS[channel], _STYLE)
    return st.builds(frame, several, st.booleans(), _MILLISECONDS, TEXTS, _ACTIONS)


def _reply(query: str) -> Frames:
    def frame(pair: Written, is_alone: bool) -> VenueFrame:
        records, content = pair
        message = {"q": query, "P": _plain(content, is_alone)}
        return VenueFrame("ethgas", query, text_of(message), None, as_tuple(records))

    return st.builds(frame, written(QUERIES[query], _STYLE), st.booleans())


# --- about the connection -------------------------------------------------------------------------

_DRAFT = st.booleans()
_REFUSALS = st.sampled_from(sorted(CODES.keys() - {0, 1}))


def _said(kind: str, make: Callable[[int, str, bool], dict[str, Any]]) -> Frames:
    """A message in the official form or in the draft's, with a code and words."""
    drawn = st.tuples(_REFUSALS, TEXTS, _DRAFT)
    return drawn.map(lambda parts: VenueFrame("ethgas", kind, text_of(make(*parts))))


def _login(code: int, words: str, draft: bool) -> dict[str, Any]:
    if draft:
        return {"cmd": "login", "status": "success", "data": {"userId": words}}
    return {"event": "login", "code": 0, "msg": "", "connId": words}


def _login_refused(code: int, words: str, draft: bool) -> dict[str, Any]:
    if draft:
        error = {"code": code, "message": words}
        return {"cmd": "login", "status": "error", "error": error}
    return {"event": "login", "code": code, "msg": words, "connId": ""}


def _error(code: int, words: str, draft: bool) -> dict[str, Any]:
    if draft:
        return {"cmd": "error", "error": {"code": code, "message": words}}
    return {"event": "error", "code": code, "msg": words, "connId": ""}


def _expired(code: int, words: str, draft: bool) -> dict[str, Any]:
    return {"cmd": "token_expired", "data": {"message": words}}


def _channels() -> list[dict[str, Any]]:
    """Every channel as a message names it."""
    return [
        {"channel": name, **({"marketType": market} if market else {})}
        for name, takes in (PUBLIC | PRIVATE).items()
        for market in (MARKET_TYPES if "marketType" in takes else (None,))
    ]


def _answer(verb: str) -> Frames:
    def frame(channel: dict[str, Any], draft: bool) -> VenueFrame:
        official = {"event": verb, "arg": channel, "connId": "25f9ee2c"}
        message = {"cmd": verb, "status": "success", **channel} if draft else official
        return VenueFrame("ethgas", verb, text_of(message))

    return st.builds(frame, st.sampled_from(_channels()), _DRAFT)


def _bare(word: str) -> Frames:
    return st.just(VenueFrame("ethgas", word, word))


def ethgas_frames() -> dict[str, Frames]:
    """Updates by channel, replies by query, and what is said of logins and subscriptions.

    The last are in the official form, or in that of the withdrawn draft, which alone has
    `token_expired`.
    """
    return {
        **{channel: _update(channel) for channel in CHANNELS},
        **{query: _reply(query) for query in QUERIES},
        "login": _said("login", _login),
        "login refused": _said("login refused", _login_refused),
        "error": _said("error", _error),
        "token_expired": _said("token_expired", _expired),
        "subscribe": _answer("subscribe"),
        "unsubscribe": _answer("unsubscribe"),
        "ping": _bare("ping"),
        "pong": _bare("pong"),
    }
