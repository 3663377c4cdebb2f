"""The world of a keeper of Data Streams: a verifier proxy, and networks that follow one another."""

from __future__ import annotations

from typing import Any

import msgspec.structs

from payloads.abi.fields import hexed
from payloads.abi.units import PRICE
from payloads.chainlink.report import FullReport, UnknownReport, decode
from payloads.chainlink.schemas import Report, schema_named
from payloads.chainlink.state import NO_OP, SCALE, V03, V04
from payloads.errors import PayloadError
from payloads.simulators.market import Walk, synthetic_report
from payloads.strategies.chainlink.states import fees_of
from payloads.strategies.machines.world import Facts, Parts, World
from payloads.testing.chainlink.damage import LABELS
from payloads.testing.chainlink.draft import ChainlinkDraft, claimed
from payloads.testing.networks import SUBSCRIBER, InsecureTestNetwork, network_of

# The schemas of the feeds of a world: those that most keepers read.
_SCHEMAS = ("v3", "v8")


class ChainlinkWorld(World):
    """A verifier proxy of any generation. A rotation brings a network with a digest of its own."""

    labels = LABELS
    disguises = ("reordered-signatures", "high-s", "spare-vs", "gap", "trailing-bytes")

    def __init__(self, generation: str, network: InsecureTestNetwork | None, max_fee: int) -> None:
        super().__init__(generation, network or network_of("test", 4, 1, 1), max_fee)
        # The network of each config, when it began to apply, and whether it is active.
        self._configs = [(self.network, 0, True)]

    # --- the contract -----------------------------------------------------------------------------

    def keys(self) -> dict[str, Any]:
        keys: dict[str, Any] = {
            "configs": [one for config in self._configs for one in self._entries(*config)]
        }
        if self.access != "open":
            keys["allowed"] = [SUBSCRIBER] if self.access == "granted" else []
        return keys | {"feeds": [_feed(index) for index in range(len(_SCHEMAS))]} | self._fees()

    def _entries(
        self, network: InsecureTestNetwork, since: int, active: bool
    ) -> list[dict[str, Any]]:
        config = {"signers": list(network.signers), "f": network.f, "active": active}
        if self.generation == V04:
            return [config | {"activation_time": since}]
        config["config_digest"] = "0x" + network.config_digest.hex()
        if self.generation != V03:
            return [config]
        return [config | {"feed_id": _feed(index)} for index in range(len(_SCHEMAS))]

    def _fees(self) -> dict[str, Any]:
        if self.terms == "none" or (self.terms == "no-op" and NO_OP[0] not in self._kinds):
            return {}
        if self.terms == "no-op":
            return {"fees": NO_OP[0]}
        half = {"token": "native", "discount": SCALE // 2}
        feeds = [_feed(index) for index in range(len(_SCHEMAS))]
        return {
            "fees": {
                "native_surcharge": SCALE if self.terms == "surcharge" else 0,
                "discounts": [half | {"feed_id": feed} for feed in feeds]
                if self.terms == "discount" else [],
            }
        }  # fmt: skip

    @property
    def _kinds(self) -> tuple[str, ...]:
        return fees_of(self.generation)

    @property
    def pay(self) -> str | None:
        charges = self._fees().get("fees")
        return "native" if isinstance(charges, dict) else None

    def successor(self) -> InsecureTestNetwork:
        last: InsecureTestNetwork = self.network
        return network_of(self.seed_after(last.seed), last.size, last.f, last.don_id)

    def rotated(self, overlap: bool) -> None:
        # Activation times must rise.
        since = max(self.now, self._configs[-1][1] + 1)
        kept = [(network, then, active and overlap) for network, then, active in self._configs]
        self._configs = [*kept, (self.network, since, True)][-len(self.networks) :]

    # --- the venue --------------------------------------------------------------------------------

    def content(self, feed: int, price: int, fee: int, lifetime: int) -> Report:
        made = synthetic_report(
            schema_named(_SCHEMAS[feed]),
            bytes.fromhex(_feed(feed)[2:]),
            Walk("", price),
            valid_from=self.now,
            observed=self.now,
            expires=self.now + lifetime,
        )
        return msgspec.structs.replace(made, native_fee=fee, link_fee=fee)

    def draft(self, made: Parts) -> ChainlinkDraft:
        state: Any = self.state
        return ChainlinkDraft(
            state, made.network, made.content.encode(), times=claimed(made.content, self.now),
            now=self.now, oracles=list(range(made.network.f + 1)), sequence=made.number,
            pay="native", extra=0, is_view=False,
        )  # fmt: skip

    # --- what a payload says ----------------------------------------------------------------------

    def facts(self, raw: bytes) -> Facts | None:
        try:
            found: FullReport = decode(raw)
        except PayloadError:
            return None
        report: Any = found.report
        if isinstance(report, UnknownReport) or report.feed_id is None:
            return Facts(hexed(found.report_blob), 0, {})
        table = report.schema.table
        prices = {getattr(report, row.name) for row in table.fields if row.unit is PRICE}
        numbers = {bytes(report.feed_id): frozenset(prices)}
        return Facts(
            hexed(found.report_blob), getattr(report, "observations_timestamp", 0), numbers
        )


def _feed(index: int) -> str:
    """The id of a feed of a world."""
    return f"0x{schema_named(_SCHEMAS[index]).prefix.hex()}{index + 1:060x}"
