"""HTTP answers of the five venues, each with what it says."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from payloads.strategies.arguments import check_choice, check_type, wrong
from payloads.strategies.systems import Network
from payloads.strategies.venues.damaged_replies import WANTED, damaged_replies
from payloads.strategies.venues.listed_replies import chainlink_replies, stork_replies
from payloads.strategies.venues.refused_replies import refused_requests, refused_upgrades
from payloads.strategies.venues.reply import RestReply
from payloads.strategies.venues.token_replies import ethgas_replies
from payloads.testing.networks import InsecureTestNetwork

ByKind = dict[str, st.SearchStrategy[RestReply]]
VENUES = tuple(refused_upgrades())
KINDS = (
    "report", "bulk", "page", "feeds", "origins", "taxonomy", "login", "verify", "refresh",
    "refused", "upgrade",
)  # fmt: skip


def by_kind(venue: str, network: Any) -> ByKind:
    """The answers of a venue, by their kind."""
    own: dict[str, ByKind] = {
        "chainlink": chainlink_replies(network),
        "stork": stork_replies(),
        "ethgas": ethgas_replies(),
    }
    refused = {"refused": one} if (one := refused_requests().get(venue)) is not None else {}
    return {**own.get(venue, {}), **refused, "upgrade": refused_upgrades()[venue]}


def rest_replies(
    *,
    venue: str | None = None,
    kind: str | None = None,
    network: Network | None = None,
    damaged: bool = False,
) -> st.SearchStrategy[RestReply]:
    """HTTP answers of a venue, or of any, as our adapters meet them; each says what is in it.

    `kind` is `report`, `bulk`, `page`, `feeds`, `origins` (Chainlink), `taxonomy` (Stork), `login`,
    `verify`, `refresh` (ETHGas), `refused` (a request of these), or `upgrade`: every venue refuses
    a websocket with an HTTP answer. The reports are signed by `network`, or by any. With `damaged`
    nothing can be read from any answer.
    """
    name = "rest_replies"
    check_choice(name, "venue", venue, VENUES)
    check_choice(name, "kind", kind, KINDS)
    check_type(name, "network", network, InsecureTestNetwork)
    check_type(name, "damaged", damaged, bool)
    if damaged and kind is not None and kind not in WANTED:
        raise wrong(name, "kind", kind, "with damaged, one of " + ", ".join(WANTED))
    fitting = [
        strategy
        for each in (VENUES if venue is None else (venue,))
        for known, strategy in by_kind(each, network).items()
        if kind in (None, known) and (known in WANTED or not damaged)
    ]
    if not fitting:
        what = "a damaged answer" if kind is None else f"an answer of the kind {kind}"
        raise wrong(name, "venue", venue, f"a venue that has {what}")
    found = st.one_of(fitting)
    return damaged_replies(found) if damaged else found
