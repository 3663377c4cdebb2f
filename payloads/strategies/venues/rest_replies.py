"""Answers of the venues' REST services, each with what it says."""

from __future__ import annotations

import json
from typing import Any

from hexbytes import HexBytes
from hypothesis import strategies as st
from msgspec import field

from payloads.abi.fields import Record
from payloads.strategies.arguments import check_choice, check_type
from payloads.strategies.chainlink.reports import feed_ids
from payloads.strategies.systems import Network
from payloads.strategies.venues.frames import VenueFrame, frames
from payloads.strategies.venues.written import TEXTS
from payloads.testing.networks import InsecureTestNetwork
from payloads.venues.chainlink.server import body_of
from payloads.venues.common.session import Rejected, Reply
from payloads.venues.stork.server import taxonomy_body

KINDS = ("report", "bulk", "page", "feeds", "taxonomy", "refused")


class RestReply(Record, frozen=True):
    """An answer of a REST service, and what it says.

    `kind` names the reader: `report`, `bulk`, `page` and `feeds` are read by
    `payloads.venues.chainlink.rest.Rest`, `taxonomy` by `payloads.venues.stork.rest`; `refused` by
    either. `payloads` are the signed payloads in it, `feeds` the feeds that were asked for or are
    listed, `missing` those of them without a report, and `assets` the ids by name.
    """

    venue: str
    kind: str
    reply: Reply
    payloads: tuple[HexBytes, ...] = ()
    feeds: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    assets: dict[str, int] = field(default_factory=dict)


def _object(frame: VenueFrame) -> dict[str, Any]:
    """The report's object: in a frame as in a reply."""
    found: dict[str, Any] = json.loads(frame.message)["report"]
    return found


def _body(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def _payloads(several: list[VenueFrame]) -> tuple[HexBytes, ...]:
    return tuple(frame.payload for frame in several if frame.payload is not None)


_FEEDS = feed_ids().map(lambda feed: "0x" + bytes(feed).hex())
_MISSING = st.lists(_FEEDS, max_size=2, unique=True)


def _report(frame: VenueFrame) -> RestReply:
    reply = Reply("latest", 200, _body({"report": _object(frame)}))
    return RestReply("chainlink", "report", reply, _payloads([frame]))


def _bulk(drawn: tuple[list[VenueFrame], list[str]]) -> RestReply:
    several, missing = drawn
    objects = [_object(frame) for frame in several]
    there = list(dict.fromkeys(each["feedID"] for each in objects))
    gone = tuple(feed for feed in missing if feed not in there)
    reply = Reply("bulk", 206 if gone else 200, _body({"reports": objects}))
    return RestReply("chainlink", "bulk", reply, _payloads(several), (*there, *gone), gone)


def _page(several: list[VenueFrame]) -> RestReply:
    reply = Reply("page", 200, _body({"reports": [_object(frame) for frame in several]}))
    return RestReply("chainlink", "page", reply, _payloads(several))


def _listed(feeds: list[str]) -> RestReply:
    reply = Reply("feeds", 200, _body({"feeds": [{"feedID": feed} for feed in feeds]}))
    return RestReply("chainlink", "feeds", reply, feeds=tuple(feeds))


def _taxonomy(drawn: tuple[int, dict[str, int]]) -> RestReply:
    taxonomy, assets = drawn
    reply = Reply("taxonomy", 200, taxonomy_body(taxonomy, assets))
    return RestReply("stork", "taxonomy", reply, assets=assets)


def _refused(drawn: tuple[str, int, str]) -> RestReply:
    venue, status, words = drawn
    return RestReply(venue, "refused", Reply("latest", status, body_of(Rejected("", words, ""))))


_ID = st.integers(0, 2**16 - 1)
_STATUSES = st.sampled_from((400, 401, 403, 404, 429, 500, 502, 503))


def rest_replies(
    *, kind: str | None = None, network: Network | None = None
) -> st.SearchStrategy[RestReply]:
    """Answers of REST services; each says what is in it.

    `kind` is one of `report`, `bulk`, `page`, `feeds` (Chainlink), `taxonomy` (Stork), `refused`.
    The reports are signed by `network`, or by any.
    """
    check_choice("rest_replies", "kind", kind, KINDS)
    check_type("rest_replies", "network", network, InsecureTestNetwork)
    signed = frames(venue="chainlink", network=network)
    several = st.lists(signed, max_size=3)
    by_kind: dict[str, st.SearchStrategy[RestReply]] = {
        "report": signed.map(_report),
        "bulk": st.tuples(several, _MISSING).map(_bulk),
        "page": several.map(_page),
        "feeds": st.lists(_FEEDS, max_size=5, unique=True).map(_listed),
        "taxonomy": st.tuples(_ID, st.dictionaries(TEXTS, _ID, max_size=5)).map(_taxonomy),
        "refused": st.tuples(st.sampled_from(("chainlink", "stork")), _STATUSES, TEXTS).map(
            _refused
        ),
    }
    return by_kind[kind] if kind is not None else st.one_of(list(by_kind.values()))
