"""HAR files: Chrome's `_webSocketMessages`, which mitmproxy and others write as well.

Frames as Firefox's network monitor names them are read, too. Firefox's own export leaves them out;
a `BrokenLine` for each websocket says so.
"""

from __future__ import annotations

import codecs
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, cast

import msgspec

from payloads.capture.format import BrokenLine
from payloads.capture.frames import Direction, Frame
from payloads.capture.importers.messages import (
    Placed,
    instant_of,
    opcode_of,
    placed,
    text_or_bytes,
    venue_of,
)
from payloads.capture.importers.pieces import bounded
from payloads.errors import Malformed, elide
from payloads.inputs import check_nesting

_SENT, _RECEIVED = ("send", "sent", "out"), ("receive", "received", "in")


def har(pieces: Iterable[bytes], venue: str) -> Iterator[Placed]:
    """Every message of the websockets in a HAR, with its place."""
    data = b"".join(bounded(pieces))
    try:
        # A byte order mark is not JSON, but some browsers wrote it.
        text = data.removeprefix(codecs.BOM_UTF8)
        check_nesting(text)
        found = msgspec.json.Decoder(float_hook=Decimal).decode(text)
        entries = found["log"]["entries"]
        if not isinstance(entries, list):
            raise TypeError("entries is no list")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, TypeError) as error:
        why = elide(str(error), 120)
        raise Malformed("not a HAR", field="file", expected="log.entries", found=why) from None
    connection = 0
    for index, entry in enumerate(entries, 1):
        listed, url = _entry_messages(entry), _entry_url(entry)
        if listed is None and url.startswith(("ws://", "wss://")):
            yield f"entry {index}", BrokenLine(index, _left_out(url))
        if not listed:
            continue
        connection += 1
        known = venue or venue_of(url)
        for number, message in enumerate(listed, 1):
            where = f"entry {index}, message {number}"
            yield where, placed(number, _har_frame, message, known, connection)


def _entry_messages(entry: Any) -> list[Any] | None:
    """The messages of an entry; None if it has no list of them."""
    if not isinstance(entry, dict):
        return None
    for name in ("_webSocketMessages", "_webSocketFrames", "webSocketFrames", "_frames"):
        if isinstance(entry.get(name), list):
            return cast(list[Any], entry[name])
    return None


def _entry_url(entry: Any) -> str:
    request = entry.get("request") if isinstance(entry, dict) else None
    return str(request.get("url", "")) if isinstance(request, dict) else ""


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
    if not isinstance(message, dict):
        raise Malformed("not a message", field="message", expected="an object")
    kind = message.get("type")
    direction: Direction = "out" if kind in _SENT else "in"
    if kind == "error":
        raise Malformed("the browser noted an error here", field="type", found=_words(message))
    if kind not in (*_SENT, *_RECEIVED):
        expected = "send or receive"
        raise Malformed("unknown direction", field="type", expected=expected, found=repr(kind))
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
        raw = _base64(data)
    return Frame(venue, connection, direction, opcode, at, text_or_bytes(opcode, raw))


def _words(message: dict[str, Any]) -> str:
    data = message.get("data")
    return elide(data, 80) if isinstance(data, str) else ""


def _byte_string(payload: str) -> bytes:
    """Firefox's interfaces give a frame's bytes as a string with a character for each."""
    try:
        return payload.encode("latin-1")
    except UnicodeEncodeError:  # it was decoded already
        return payload.encode("utf-8", "surrogatepass")


def _base64(data: str) -> bytes:
    try:
        return b64decode(data, validate=True)
    except (Base64Error, ValueError) as error:
        raise Malformed("not base64", field="data", found=str(error)) from None
