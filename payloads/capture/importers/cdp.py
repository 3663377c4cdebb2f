"""Logs of the Chrome DevTools Protocol: the events of its domain Network about websockets.

    {"method": "Network.webSocketFrameReceived", "params": {"requestId": "7", "timestamp": 93.1,
     "response": {"opcode": 1, "mask": false, "payloadData": "…"}}}

A log is an event a line, or one JSON array of events. A tool may have put something around each
event: the performance log of ChromeDriver has it as a text in `message`. Times in events count from
the start of the browser; the event of a websocket's handshake has the time of the clock beside it.
Where a websocket's handshake is not in the log, its frames have the time that the tool added, or
none.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import chain
from typing import Any

import msgspec

from payloads.capture.format import BrokenLine, CaptureRecord, Placed
from payloads.capture.frames import UNKNOWN_TIME, Direction, Frame
from payloads.capture.importers.handshakes import Handshake, pairs
from payloads.capture.importers.messages import (
    ReadOptions,
    binary_of,
    instant_of,
    opcode_of,
    text_or_bytes,
)
from payloads.capture.importers.pieces import elements, number_of, whole
from payloads.capture.importers.text import numbered_lines, on_line
from payloads.errors import Malformed, PayloadError, elide
from payloads.inputs import MAX_VALUES, check_nesting, check_values
from payloads.venues.common.json_text import MAX_MESSAGE_BYTES

# Websockets whose handshakes are remembered; the one that came first goes.
MAX_WEBSOCKETS = 10_000
_EVENT = re.compile(rb'\\?"method\\?"\s*:\s*\\?"Network\.[A-Za-z]+\\?"')
_NAME = re.compile(r"Network\.webSocket([A-Za-z]+)")
_read = msgspec.json.Decoder(float_hook=number_of).decode


def is_log(head: bytes) -> bool:
    """Whether the beginning of a file has such an event."""
    return head[:1] in (b"{", b"[") and _EVENT.search(head) is not None


def cdp(pieces: Iterable[bytes], options: ReadOptions) -> Iterator[Placed]:
    """Every message of the websockets in a log, with its place."""
    pieces = iter(pieces)
    head = next(pieces, b"")
    all_pieces = chain([head], pieces)
    log = _Log(options)
    if head.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"[":
        yield from _document(whole(all_pieces), log)
        return
    for number, offset, line in numbered_lines(all_pieces):
        if isinstance(line, BrokenLine):
            yield on_line(line, number, offset)
        elif line.strip():
            for record in log.records(line.encode(), number):
                yield on_line(record, number, offset)


def _document(data: bytes, log: _Log) -> Iterator[Placed]:
    text = data.removeprefix(codecs.BOM_UTF8).strip()
    try:
        check_nesting(text)
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError) as error:
        found = elide(str(error), 120)
        raise Malformed("not a list of events", field="file", found=found) from None
    for number, element in enumerate(elements(text), 1):
        for record in log.records(bytes(element), number):
            yield Placed(f"event {number}", record)


class _Websocket:
    def __init__(self, handshake: Handshake) -> None:
        self.handshake = handshake
        # What is added to the browser's own time, where that is known.
        self.offset: int | None = None
        self.dialled = False


class _Log:
    """The websockets of a log, by the numbers that the browser gives them."""

    def __init__(self, options: ReadOptions) -> None:
        self._options = options
        self._websockets: dict[str, _Websocket] = {}
        self._count = 0

    def records(self, raw: bytes, number: int) -> Iterator[CaptureRecord]:
        """The records of an event; none for an event about something else."""
        try:
            yield from self._records(*_event(raw))
        except PayloadError as error:
            yield BrokenLine(number, error)

    def _records(self, name: str, params: dict[str, Any], noted: int) -> Iterator[CaptureRecord]:
        request = params.get("requestId")
        if not name or not isinstance(request, str):
            return
        if name == "Created":
            self._begin(request, params.get("url"))
            return
        websocket = self._websockets.get(request) or self._begin(request, "")
        at = _time(websocket, params, noted)
        if name == "WillSendHandshakeRequest":
            headers = _part(params, "request").get("headers")
            yield websocket.handshake.dialling(at, pairs(headers))
        elif name == "HandshakeResponseReceived":
            answer = _part(params, "response")
            status = answer.get("status")
            headers = pairs(answer.get("headers"))
            status = status if type(status) is int else 0
            yield websocket.handshake.answered(at, status, headers, "")
        elif name == "Closed":
            yield websocket.handshake.closed(at, 1006, "the browser's log does not say why")
            self._websockets.pop(request, None)
        elif name == "FrameError":
            words = params.get("errorMessage")
            found = elide(words, 80) if isinstance(words, str) else ""
            raise Malformed("the browser noted an error here", field="errorMessage", found=found)
        elif name in ("FrameReceived", "FrameSent"):
            direction: Direction = "in" if name == "FrameReceived" else "out"
            yield _frame(websocket.handshake, direction, at, _part(params, "response"))

    def _begin(self, request: str, url: Any) -> _Websocket:
        self._count += 1
        while len(self._websockets) >= MAX_WEBSOCKETS:
            del self._websockets[next(iter(self._websockets))]
        handshake = Handshake(self._options, self._count, url if isinstance(url, str) else "")
        self._websockets[request] = found = _Websocket(handshake)
        return found


def _event(raw: bytes) -> tuple[str, dict[str, Any], int]:
    """The name of an event, its parameters, and the time that a tool noted beside it."""
    if len(raw) > MAX_MESSAGE_BYTES * 2:
        limit = f"at most {MAX_MESSAGE_BYTES * 2} bytes"
        raise Malformed("larger than any message", field="event", expected=limit)
    record, noted = _object(raw), UNKNOWN_TIME
    for _ in range(3):  # what ChromeDriver and other tools put around an event
        if isinstance(record.get("method"), str) and isinstance(record.get("params"), dict):
            match = _NAME.fullmatch(record["method"])
            noted = _noted(record) or noted
            return match[1] if match else "", record["params"], noted
        noted = _noted(record) or noted
        inner = record.get("message")
        if isinstance(inner, str):
            inner = _object(inner.encode())
        if not isinstance(inner, dict):
            break
        record = inner
    return "", {}, noted


def _object(raw: bytes) -> dict[str, Any]:
    check_nesting(raw)
    check_values(raw, MAX_VALUES)
    try:
        record = _read(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Malformed("not JSON", field="event", found=elide(str(error), 120)) from None
    if not isinstance(record, dict):
        raise Malformed("not an event", field="event", expected="a JSON object")
    return record


def _noted(record: dict[str, Any]) -> int:
    return next(
        (at for name in ("ts", "time", "timestamp") if (at := instant_of(record.get(name)))), 0
    )


def _part(params: dict[str, Any], name: str) -> dict[str, Any]:
    found = params.get(name)
    return found if isinstance(found, dict) else {}


def _time(websocket: _Websocket, params: dict[str, Any], noted: int) -> int:
    """When an event was; by the browser's time, where the handshake has the clock's beside it."""
    own = params.get("timestamp")
    if not isinstance(own, int | Decimal) or not 0 <= own < 10**9:
        return noted
    since = int(Decimal(own).scaleb(9))
    if wall := instant_of(params.get("wallTime")):
        websocket.offset = wall - since
    return noted if websocket.offset is None else websocket.offset + since


def _frame(handshake: Handshake, direction: Direction, at: int, content: dict[str, Any]) -> Frame:
    data, opcode = content.get("payloadData"), opcode_of(content.get("opcode"))
    if not isinstance(data, str):
        raise Malformed("a message without its data", field="payloadData", expected="text")
    venue, number = handshake.venue, handshake.connection
    if opcode == "text":
        return Frame(venue, number, direction, opcode, at, data)
    raw = text_or_bytes(opcode, binary_of(data, "payloadData"))
    return Frame(venue, number, direction, opcode, at, raw)
