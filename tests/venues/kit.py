"""What the tests of every venue share: what a session sends, is told, and says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeVar

from hypothesis import strategies as st

from payloads.venues.common.session import SECOND, Event, Session

Kind = TypeVar("Kind", bound=Event)
# The time at which nothing depends on when it is.
NOW = 1_760_000_000 * SECOND


def only(events: Sequence[Event], kind: type[Kind]) -> Kind:
    """The one event there is, and it is of this kind."""
    (event,) = events
    assert isinstance(event, kind), event
    return event


def sent(session: Session) -> list[Any]:
    """What the session sends, parsed; pings and pongs in words as they are."""
    return [m if m in ("ping", "pong") else json.loads(m) for m in session.take()]


def say(session: Session, message: Any, now: int = NOW) -> list[Any]:
    """The events of a message that the venue sends."""
    return session.received(json.dumps(message), now)


def json_trees(words: Sequence[str], keys: Sequence[str]) -> st.SearchStrategy[Any]:
    """JSON of any shape, with the words and keys that a session looks for in it."""
    scalars = st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=6),
        st.sampled_from(words),
    )  # fmt: skip
    return st.recursive(
        scalars,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(keys), inner)
        ),
        max_leaves=14,
    )
