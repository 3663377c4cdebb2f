"""Answers of the REST services of Chainlink and Stork."""

from __future__ import annotations

import json
from typing import Any

from hexbytes import HexBytes
from hypothesis import strategies as st

from payloads.strategies.chainlink.reports import feed_ids
from payloads.strategies.venues.frames import frames
from payloads.strategies.venues.message import VenueFrame
from payloads.strategies.venues.reply import JSON, RestReply, body
from payloads.strategies.venues.written import TEXTS
from payloads.venues.chainlink.server import origins_headers
from payloads.venues.common.session import Reply
from payloads.venues.stork.server import taxonomy_body

Replies = st.SearchStrategy[RestReply]


def _object(frame: VenueFrame) -> dict[str, Any]:
    """The report's object: in a frame as in a reply."""
    found: dict[str, Any] = json.loads(frame.message)["report"]
    return found


def _payloads(several: list[VenueFrame]) -> tuple[HexBytes, ...]:
    return tuple(frame.payload for frame in several if frame.payload is not None)


_FEEDS = feed_ids().map(lambda feed: "0x" + bytes(feed).hex())
_MISSING = st.lists(_FEEDS, max_size=2, unique=True)


def _report(frame: VenueFrame) -> RestReply:
    reply = Reply("latest", 200, body({"report": _object(frame)}), JSON)
    return RestReply("chainlink", "report", reply, _payloads([frame]))


def _bulk(several: list[VenueFrame], missing: list[str]) -> RestReply:
    objects = [_object(frame) for frame in several]
    there = list(dict.fromkeys(each["feedID"] for each in objects))
    gone = tuple(feed for feed in missing if feed not in there)
    reply = Reply("bulk", 206 if gone else 200, body({"reports": objects}), JSON)
    return RestReply("chainlink", "bulk", reply, _payloads(several), (*there, *gone), gone)


def _page(several: list[VenueFrame]) -> RestReply:
    reply = Reply("page", 200, body({"reports": [_object(frame) for frame in several]}), JSON)
    return RestReply("chainlink", "page", reply, _payloads(several))


def _listed(feeds: list[str]) -> RestReply:
    reply = Reply("feeds", 200, body({"feeds": [{"feedID": feed} for feed in feeds]}), JSON)
    return RestReply("chainlink", "feeds", reply, feeds=tuple(feeds))


def _origins(origins: list[str], has_braces: bool) -> RestReply:
    reply = Reply("origins", 200, b"", origins_headers(origins, braces=has_braces))
    return RestReply("chainlink", "origins", reply, origins=tuple(origins))


def _taxonomy(taxonomy: int, assets: dict[str, int]) -> RestReply:
    reply = Reply("taxonomy", 200, taxonomy_body(taxonomy, assets), JSON)
    return RestReply("stork", "taxonomy", reply, assets=assets)


_ID = st.integers(0, 2**16 - 1)
_ORIGINS = st.lists(st.text("0123456789abc", min_size=1, max_size=4), max_size=4, unique=True)


def chainlink_replies(network: Any) -> dict[str, Replies]:
    """Reports that the network signs; feeds; and the origins, which stand in a header."""
    signed = frames(venue="chainlink", network=network)
    several = st.lists(signed, max_size=3)
    return {
        "report": signed.map(_report),
        "bulk": st.builds(_bulk, several, _MISSING),
        "page": several.map(_page),
        "feeds": st.lists(_FEEDS, max_size=5, unique=True).map(_listed),
        "origins": st.builds(_origins, _ORIGINS, st.booleans()),
    }


def stork_replies() -> dict[str, Replies]:
    """The taxonomy. The bodies of the other paths are not published."""
    return {"taxonomy": st.builds(_taxonomy, _ID, st.dictionaries(TEXTS, _ID, max_size=5))}
