"""Hypothesis strategies that only this library's tests need: JSON, and blind damage."""

from __future__ import annotations

from random import Random

from hypothesis import strategies as st

from tests import corpus
from tests.onchain.mutate import mutate, mutate_calldata, splice

# What a decoder of anything may be given.
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
FRAME_KEYS = st.sampled_from(
    [
        *("report", "reports", "fullReport"),
        *("feedID", "validFromTimestamp", "observationsTimestamp"),
        *("type", "p", "a", "tax", "ts", "id", "v", "ms"),
    ]
)
FRAME_WORDS = st.sampled_from(
    [
        *("signed_ecdsa", "unsigned", "0x", "0x00", "-1", "1" * 60, "٣", "²"),
        *(corpus.entry(name).text for name in ("st-001", "cl-001")),
    ]
)
# JSON with the keys and words that frames have, so that it gets past the front door.
FRAMES = st.recursive(
    FRAME_WORDS | st.none() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FRAME_KEYS, inner, max_size=5),
    max_leaves=15,
).flatmap(
    lambda inner: st.sampled_from(
        [
            *(inner, [inner], {"report": inner}, {"reports": [inner]}, {"fullReport": inner}),
            {"type": "signed_ecdsa", "p": inner},
            {"type": "unsigned", "tax": 1, "ts": 2, "a": inner},
        ]
    )
)


def honest_blobs() -> list[bytes]:
    """A payload of each form that was published."""
    signed = [one.raw for one in corpus.some_of_each_schema()]
    others = [
        one.raw for name in ("reportBlob", "snappy", "signed_ecdsa") for one in corpus.of(name)
    ]
    return [*signed, *others]


@st.composite
def damaged(draw: st.DrawFn, blobs: list[bytes]) -> bytes:
    """One of the blobs with a few faults aimed at what decoders check, or with none."""
    blob = draw(st.sampled_from(blobs))
    rng = Random(draw(st.integers(0, 2**32)))
    how = draw(st.sampled_from(["words", "words", "words", "behind a selector", "splice", "none"]))
    if how == "words":
        return mutate(blob, rng)
    if how == "behind a selector":
        return mutate_calldata(blob, rng)
    return splice(blob, draw(st.sampled_from(blobs)), rng) if how == "splice" else blob
