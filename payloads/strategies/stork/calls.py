"""Calls of Stork Fast contracts, good or damaged by a label."""

from __future__ import annotations

from hypothesis import strategies as st

from payloads.stork.state import StorkState
from payloads.stork.update import PLAIN, VALUE_BIT, SignedUpdate
from payloads.strategies.calls import EXTRA, LAG, NOW, damage_named
from payloads.strategies.stork.signed import assets
from payloads.testing.networks import InsecureTestStorkSigner
from payloads.testing.stork.damage import LABELS
from payloads.testing.stork.draft import StorkDraft
from payloads.testing.submission import Submission, finished

# The other function is called twice as often: its false is missed more easily than a revert.
_DESERIALIZES = st.sampled_from((False, False, True))
# The taxonomy's id and the assets of an update.
_CONTENT = st.tuples(st.integers(0, 2**16 - 1), st.lists(assets(), max_size=8))


def submission(
    draw: st.DrawFn, state: StorkState, signer: InsecureTestStorkSigner, name: str
) -> Submission:
    """A call of a state's contract with the label of this name."""
    now = draw(NOW)
    timestamp = (now - draw(LAG)) * 10**9
    taxonomy, several = draw(_CONTENT)
    update = SignedUpdate(
        bytes(32), bytes(32), 0, PLAIN, VALUE_BIT, taxonomy, timestamp, tuple(several)
    )
    draft = StorkDraft(
        state,
        signer,
        update,
        now=now,
        extra=draw(EXTRA),
        deserializes=draw(_DESERIALIZES),
    )
    damage = draw(damage_named(name))
    return finished(draft, LABELS.known[name], damage)
