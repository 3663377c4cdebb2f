"""Hypothesis strategies for signed payloads, valid and precisely broken (extra `hypothesis`).

    from hypothesis import given
    from payloads.strategies import Submission, submissions

    @given(submissions())
    def test_verdicts(submission: Submission) -> None:
        assert submission.judge().accepted == submission.accepted

A `Submission` is a payload with the call that brings it to a contract, the state of that contract,
the label of what was done to it (`none`, `bit-flip`, `expired`, …), and the verdict that it must
get. Everything is derived from the field tables, so a schema that is added has its strategy at
once. All keys are insecure test keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from payloads._late import late
from payloads.strategies.calldata import ConsumerCall, calldata, consumer_calldata
from payloads.strategies.chainlink.reports import feed_ids, reports
from payloads.strategies.chainlink.signed import full_reports, oracle_networks
from payloads.strategies.states import chain_states
from payloads.strategies.stork.signed import assets, stork_signers, stork_updates
from payloads.strategies.submissions import damages, submissions
from payloads.strategies.systems import labels_of
from payloads.testing.damage import Damage
from payloads.testing.submission import Submission

if TYPE_CHECKING:
    from payloads.strategies.machines.connections import connection_machine
    from payloads.strategies.machines.keeper import keeper_machine
    from payloads.strategies.machines.world import Arrival
    from payloads.strategies.venues.captures import CaptureFile, captures
    from payloads.strategies.venues.frames import frames
    from payloads.strategies.venues.message import VenueFrame
    from payloads.strategies.venues.reply import RestReply
    from payloads.strategies.venues.rest_replies import rest_replies

__all__ = [
    "Arrival", "CaptureFile", "ConsumerCall", "Damage", "RestReply", "Submission", "VenueFrame",
    "assets", "calldata", "captures", "chain_states", "connection_machine", "consumer_calldata",
    "damages", "feed_ids", "frames", "full_reports", "keeper_machine", "labels_of",
    "oracle_networks", "reports", "rest_replies", "stork_signers", "stork_updates", "submissions",
]  # fmt: skip

# Imported when first asked for: machines need the simulators, and frames the venues' records.
_MODULES = {
    **dict.fromkeys(("CaptureFile", "captures"), "venues.captures"),
    "VenueFrame": "venues.message",
    "frames": "venues.frames",
    "RestReply": "venues.reply",
    "rest_replies": "venues.rest_replies",
    "Arrival": "machines.world",
    "connection_machine": "machines.connections",
    "keeper_machine": "machines.keeper",
}

__getattr__, __dir__ = late(__name__, _MODULES)
