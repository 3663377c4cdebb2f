"""JSON lines of any logger: an object a message, as people write with Node's `ws` and the like.

    {"ts": 1795996532740, "binary": false, "data": "0x4357"}

`data` (or `message`, `text`) is the message; base64 where `binary` is true. The time may be called
`ts`, `time` or `timestamp`: a number of seconds to nanoseconds, or ISO 8601. The direction may be
called `direction` or `dir`. `ReadOptions` names other members, also inside of others: `event.data`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from payloads.capture.format import Placed
from payloads.capture.frames import Direction, Frame
from payloads.capture.importers.messages import ReadOptions, binary_of, instant_of
from payloads.capture.importers.text import each_line
from payloads.errors import Malformed, shown
from payloads.inputs import MAX_VALUES, check_nesting, check_values

_DATA, _TIME, _DIRECTION = (
    ("data", "message", "text"), ("ts", "time", "timestamp"), ("direction", "dir"),
)  # fmt: skip

_SENT, _RECEIVED = ("out", "sent", "send"), ("in", "received", "receive", "recv")
# What loggers write in place of true for a binary message; 2 is the websocket's own opcode.
_BINARY = (True, 1, 2, "binary", "base64", "true")


def is_logged(record: Any) -> bool:
    """Whether a JSON object is a logger's line: a message as text, beside facts about it."""
    return (
        isinstance(record, dict)
        and any(isinstance(record.get(name), str) for name in _DATA)
        and any(name in record for name in ("binary", *_TIME))
        and "type" not in record
    )


def jsonl(pieces: Iterable[bytes], options: ReadOptions) -> Iterator[Placed]:
    """The message in each line, with its place."""
    return each_line(pieces, lambda line: _frame(line, options) if line.strip() else None)


def _frame(line: str, options: ReadOptions) -> Frame:
    record = _parsed(line)
    names = (options.text_field,) if options.text_field else _DATA
    text = next((found for name in names if isinstance(found := _member(record, name), str)), None)
    if text is None:
        expected = ", ".join(names)
        raise Malformed("a line without a message", field="line", expected=expected)
    times = (options.time_field,) if options.time_field else _TIME
    at = instant_of(next(filter(None, (_member(record, name) for name in times)), None))
    direction, venue = _direction(record), options.venue
    if not _is_binary(_member(record, options.binary_field or "binary")):
        return Frame(venue, 1, direction, "text", at, text)
    raw = binary_of(text, options.text_field or "data")
    return Frame(venue, 1, direction, "binary", at, raw)


def _member(record: Any, name: str) -> Any:
    """A member by its name; where there is none of that name, by the names along a path."""
    if not isinstance(record, dict):
        return None
    if name in record:
        return record[name]
    first, dot, rest = name.partition(".")
    return _member(record.get(first), rest) if dot else None


def _is_binary(said: Any) -> bool:
    return isinstance(said, bool | int | str) and said in _BINARY


def _direction(record: dict[str, Any]) -> Direction:
    said = next((record[name] for name in _DIRECTION if name in record), "in")
    if said in _RECEIVED:
        return "in"
    if said in _SENT:
        return "out"
    raise Malformed("unknown direction", field="direction", expected="in or out", found=shown(said))


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
