"""The records in ETHGas' messages, without a session: for captures that are read as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from payloads.abi.fields import Record
from payloads.venues.ethgas.updates import read_reply, read_update


def records(content: Any) -> Iterator[Record]:
    """The records of an update or of a reply to a query. Other messages have none."""
    if not isinstance(content, dict):
        return
    found: Any = ()
    if isinstance(content.get("e"), str):
        found = read_update(content).payload
    elif isinstance(content.get("q"), str):
        found = read_reply(content).reply
    for each in found if isinstance(found, tuple) else (found,):
        if isinstance(each, Record):
            yield each
