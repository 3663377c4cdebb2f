"""Calls of Stork Fast contracts, good or damaged by a label."""

from __future__ import annotations

from functools import cache

import msgspec.structs
from hypothesis import strategies as st

from payloads.stork.state import StorkState
from payloads.stork.update import PLAIN, SignedUpdate
from payloads.strategies.calls import EXTRA, LAG, NOW, damage_named
from payloads.strategies.stork.signed import stork_updates
from payloads.testing.networks import InsecureTestStorkSigner
from payloads.testing.stork.damage import LABELS
from payloads.testing.stork.draft import StorkDraft
from payloads.testing.submission import Submission, finished


@st.composite
def submission(
    draw: st.DrawFn, state: StorkState, signer: InsecureTestStorkSigner, name: str
) -> Submission:
    now = draw(NOW)
    timestamp = (now - draw(LAG)) * 10**9
    update = draw(_updates_of(signer))
    draft = StorkDraft(
        state,
        signer,
        msgspec.structs.replace(update, timestamp_ns=timestamp),
        now=now,
        extra=draw(EXTRA),
        deserializes=draw(st.booleans()),
    )
    damage = draw(damage_named(name))
    return finished(draft, LABELS.known[name], damage)


@cache
def _updates_of(signer: InsecureTestStorkSigner) -> st.SearchStrategy[SignedUpdate]:
    return stork_updates(signer=signer, layout=PLAIN)
