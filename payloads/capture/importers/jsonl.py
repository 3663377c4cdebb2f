"""JSON lines of any logger: an object a message, as people write with Node's `ws` and the like.

    {"ts": 1795996532740, "binary": false, "data": "0x4357"}

`data` (or `message`, `text`) is the message; base64 where `binary` is true. The time may be called
`ts`, `time` or `timestamp`, in seconds to nanoseconds, and the direction `direction` or `dir`.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from payloads.capture.format import BrokenLine
from payloads.capture.frames import Direction, Frame
from payloads.capture.importers.messages import Placed, instant_of, placed
from payloads.capture.importers.text import numbered_lines
from payloads.errors import Malformed, shown
from payloads.inputs import MAX_VALUES, check_nesting, check_values

_DATA, _TIME, _DIRECTION = (
    ("data", "message", "text"), ("ts", "time", "timestamp"), ("direction", "dir"),
)  # fmt: skip

_SENT, _RECEIVED = ("out", "sent", "send"), ("in", "received", "receive", "recv")


def is_logged(record: Any) -> bool:
    """Whether a JSON object is a logger's line: a message as text, beside facts about it."""
    return (
        isinstance(record, dict)
        and any(isinstance(record.get(name), str) for name in _DATA)
        and any(name in record for name in ("binary", *_TIME))
        and "type" not in record
    )


def jsonl(pieces: Iterable[bytes], venue: str) -> Iterator[Placed]:
    """The message in each line, with its place."""
    for where, number, line in numbered_lines(pieces):
        if isinstance(line, BrokenLine):
            yield where, line
        elif line.strip():
            yield where, placed(number, _frame, line, venue, 1)


def _frame(line: str, venue: str, connection: int) -> Frame:
    record = _parsed(line)
    text = next((record[name] for name in _DATA if isinstance(record.get(name), str)), None)
    if text is None:
        expected = ", ".join(_DATA)
        raise Malformed("a line without a message", field="line", expected=expected)
    at = instant_of(next((record[name] for name in _TIME if name in record), None))
    said = next((record[name] for name in _DIRECTION if name in record), "in")
    if said not in (*_SENT, *_RECEIVED):
        raise Malformed("unknown direction", field="direction", expected="in or out",
                        found=shown(said))  # fmt: skip
    direction: Direction = "out" if said in _SENT else "in"
    if record.get("binary") is not True:
        return Frame(venue, connection, direction, "text", at, text)
    try:
        return Frame(venue, connection, direction, "binary", at, b64decode(text, validate=True))
    except ValueError as error:
        raise Malformed("not base64", field="data", found=str(error)) from None


def _parsed(line: str) -> dict[str, Any]:
    check_nesting(line)
    check_values(line, MAX_VALUES)
    try:
        record = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Malformed("not JSON", field="line", found=shown(str(error), 120)) from None
    if not isinstance(record, dict):
        raise Malformed("not an object", field="line", expected="a JSON object")
    return record
