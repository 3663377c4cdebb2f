"""Answers that nothing can be read from, by what was done to their body.

A refusal is not among them, since its body is words: any bytes will do. Nor are the origins, which
stand in a header: what is no name there is left out.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec.structs
from hypothesis import strategies as st

from payloads.strategies.venues.reply import RestReply, body

# Where the value is without which an answer of the kind says nothing.
WANTED: dict[str, tuple[str, ...]] = {
    "report": ("report",),
    "bulk": ("reports",),
    "page": ("reports",),
    "feeds": ("feeds",),
    "taxonomy": ("assets",),
    "login": ("data", "nonceHash"),
    "verify": ("data", "accessToken"),
    "refresh": ("data", "accessToken"),
}
DAMAGES = ("truncated", "not-json", "not-utf8", "other-type", "missing")
_OTHERS = (None, 0, True, {"": 0})


def _changed(content: Any, path: tuple[str, ...], value: Any, *, drops: bool) -> Any:
    """The content with another value at a path, or (with `drops`) with none."""
    *way, last = path
    place = content
    for key in way:
        place = place.get(key, place)
    if drops:
        place.pop(last)
    else:
        place[last] = value
    return content


def damaged(good: RestReply, damage: str, at: int, other: Any) -> RestReply:
    """An answer with a damaged body."""
    raw = good.reply.body
    if damage == "truncated":
        raw = raw[: at % len(raw)]
    elif damage == "not-json":
        raw = b"<html><body>" + raw + b"</body></html>"
    elif damage == "not-utf8":
        place = 1 + at % (len(raw) - 1)
        raw = raw[:place] + b"\xff" + raw[place:]
    else:
        drops = damage == "missing"
        raw = body(_changed(json.loads(raw), WANTED[good.kind], other, drops=drops))
    reply = msgspec.structs.replace(good.reply, body=raw)
    return RestReply(good.venue, good.kind, reply, feeds=good.feeds, now=good.now, damage=damage)


def damaged_replies(good: st.SearchStrategy[RestReply]) -> st.SearchStrategy[RestReply]:
    """Damaged answers, from a strategy of good answers."""
    others = st.sampled_from(_OTHERS)
    return st.builds(damaged, good, st.sampled_from(DAMAGES), st.integers(0, 2**16), others)
