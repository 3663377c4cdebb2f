"""HAR files: Chrome's `_webSocketMessages`, which mitmproxy and others write as well.

Frames as Firefox's network monitor names them are read, too. Firefox's own export leaves them out;
a `BrokenLine` for each websocket says so.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import msgspec

from payloads.capture.format import BrokenLine, Placed
from payloads.capture.frames import Direction, Frame, Incident
from payloads.capture.importers.handshakes import Handshake, before, pairs
from payloads.capture.importers.messages import (
    ReadOptions,
    binary_of,
    instant_of,
    made,
    opcode_of,
    text_or_bytes,
)
from payloads.capture.importers.pieces import elements, number_of, whole
from payloads.errors import Malformed, elide, shown
from payloads.inputs import check_nesting, check_values
from payloads.venues.common.json_text import MAX_MESSAGE_BYTES

_SENT, _RECEIVED = ("send", "sent", "out"), ("receive", "received", "in")
# A request to a websocket has no content; an entry whose request is larger has no URL for us.
_MOST_REQUEST = 2**20
# Chrome writes six.
_MOST_VALUES = 1_000
# A browser writes no entry below a kilobyte.
MAX_ENTRIES = 200_000


class _Log(msgspec.Struct):
    entries: msgspec.Raw


class _Har(msgspec.Struct):
    log: _Log


T = TypeVar("T")
_NONE = msgspec.Raw(b"null")


class _Entry(msgspec.Struct):
    """What is read of an entry; the rest is passed over, and takes no memory."""

    request: msgspec.Raw = _NONE
    response: msgspec.Raw = _NONE
    began: msgspec.Raw = msgspec.field(default=_NONE, name="startedDateTime")
    address: msgspec.Raw = msgspec.field(default=_NONE, name="serverIPAddress")
    chrome: msgspec.Raw = msgspec.field(default=_NONE, name="_webSocketMessages")
    private_frames: msgspec.Raw = msgspec.field(default=_NONE, name="_webSocketFrames")
    frames: msgspec.Raw = msgspec.field(default=_NONE, name="webSocketFrames")
    short: msgspec.Raw = msgspec.field(default=_NONE, name="_frames")


class _Request(msgspec.Struct):
    url: str = ""
    headers: Any = None


class _Response(msgspec.Struct):
    status: Any = 0
    headers: Any = None


_read_har = msgspec.json.Decoder(_Har).decode
_read_entry = msgspec.json.Decoder(_Entry).decode
_read_request = msgspec.json.Decoder(_Request).decode
_read_response = msgspec.json.Decoder(_Response).decode
_read_text = msgspec.json.Decoder(str).decode
_read_message = msgspec.json.Decoder(float_hook=number_of).decode


def har(pieces: Iterable[bytes], options: ReadOptions) -> Iterator[Placed]:
    """Every message of the websockets in a HAR, with its place.

    Only one message at a time is made from the text: a HAR takes its own size, and little more.
    """
    connection = 0
    for index, raw in enumerate(_entries(whole(pieces)), 1):
        if index > MAX_ENTRIES:
            limit = f"at most {MAX_ENTRIES}"
            raise Malformed("a HAR of too many entries", field="log.entries", expected=limit)
        entry, listed = _entry(raw)
        request = _part(_read_request, entry.request) or _Request()
        if listed is None and request.url.startswith(("ws://", "wss://")):
            yield Placed(f"entry {index}", BrokenLine(index, _left_out(request.url)))
        handshake, number = Handshake(options, connection + 1, request.url), 0
        for number, message in enumerate(elements(listed or b"[]"), 1):
            if number == 1:
                yield from before(f"entry {index}", _handshake(handshake, entry, request))
            where = f"entry {index}, message {number}"
            venue = handshake.venue
            yield Placed(where, made(number, _har_frame, message, venue, connection + 1))
        connection += bool(number)


def _handshake(handshake: Handshake, entry: _Entry, request: _Request) -> Iterator[Incident]:
    """The handshake of a websocket, as far as the entry has it."""
    if not handshake.url:
        return
    at = instant_of(_text(entry.began))
    yield handshake.dialling(at, pairs(request.headers))
    response = _part(_read_response, entry.response) or _Response()
    status = response.status if type(response.status) is int else 0
    yield handshake.answered(at, status, pairs(response.headers), _text(entry.address))


def _entries(data: bytes) -> Iterator[Any]:
    """The entries of a HAR, each as text. A text without a list of them is no HAR."""
    # A byte order mark is not JSON, but some browsers wrote it.
    text = data.removeprefix(codecs.BOM_UTF8)
    try:
        check_nesting(text)
        entries = _read_har(text).log.entries
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _no_har(str(error)) from None
    if not _is_list(entries):
        raise _no_har("entries is no list")
    return elements(entries)


def _no_har(why: str) -> Malformed:
    return Malformed("not a HAR", field="file", expected="log.entries", found=elide(why, 120))


def _entry(raw: Any) -> tuple[_Entry, Any]:
    """An entry, and the list of its messages as text; None if it has none."""
    try:
        entry = _read_entry(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Entry(), None
    lists = (entry.chrome, entry.private_frames, entry.frames, entry.short)
    return entry, next(filter(_is_list, lists), None)


def _is_list(raw: Any) -> bool:
    return bytes(memoryview(raw)[:1]) == b"["


def _part(read: Callable[[Any], T], raw: Any) -> T | None:
    """A request or a response, unless it is larger than any of a websocket."""
    if memoryview(raw).nbytes > _MOST_REQUEST:
        return None
    try:
        return read(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _text(raw: Any) -> str:
    return _part(_read_text, raw) or ""


def _left_out(url: str) -> Malformed:
    """The error for a websocket that was opened, but whose messages were not exported."""
    return Malformed(
        "the websocket's messages are not in this file: Firefox leaves them out",
        field="_webSocketMessages",
        expected="an export of Chrome or mitmproxy, or a capture",
        found=elide(url.partition("?")[0], 80),
    )


def _har_frame(message: Any, venue: str, connection: int) -> Frame:
    """Chrome says `type`, `time`, `opcode`, `data`; Firefox's monitor `timeStamp` and `payload`."""
    message = _message(message)
    if not isinstance(message, dict):
        raise Malformed("not a message", field="message", expected="an object")
    kind = message.get("type")
    direction: Direction = "out" if kind in _SENT else "in"
    if kind == "error":
        raise Malformed("the browser noted an error here", field="type", found=_words(message))
    if kind not in (*_SENT, *_RECEIVED):
        expected = "send or receive"
        raise Malformed("unknown direction", field="type", expected=expected, found=shown(kind))
    opcode = opcode_of(message.get("opcode", message.get("opCode", 1)))
    at = instant_of(message.get("time", message.get("timeStamp")))
    data, payload = message.get("data"), message.get("payload")
    if isinstance(payload, str) and data is None:
        raw = _byte_string(payload)
    elif not isinstance(data, str):
        raise Malformed("a message without its data", field="data", expected="text")
    elif opcode == "text":
        return Frame(venue, connection, direction, opcode, at, data)
    else:
        raw = binary_of(data, "data")
    return Frame(venue, connection, direction, opcode, at, text_or_bytes(opcode, raw))


def _message(text: memoryview) -> Any:
    if text.nbytes > MAX_MESSAGE_BYTES:
        limit = f"at most {MAX_MESSAGE_BYTES} bytes"
        raise Malformed("larger than any message", field="message", expected=limit)
    raw = bytes(text)
    check_values(raw, _MOST_VALUES)
    try:
        return _read_message(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        found = elide(str(error), 120)
        raise Malformed("not a message", field="message", found=found) from None


def _words(message: dict[str, Any]) -> str:
    data = message.get("data")
    return elide(data, 80) if isinstance(data, str) else ""


def _byte_string(payload: str) -> bytes:
    """Firefox's interfaces give a frame's bytes as a string with a character for each."""
    try:
        return payload.encode("latin-1")
    except UnicodeEncodeError:  # it was decoded already
        return payload.encode("utf-8", "surrogatepass")
