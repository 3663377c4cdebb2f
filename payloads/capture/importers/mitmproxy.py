"""mitmproxy's flow files: tnetstrings, one flow after the other, and the websockets in them.

The format has eight types, so it is read here: mitmproxy would be a hundred megabytes of packages.
Every length is checked before anything is made from it; a flow larger than `MAX_FLOW_BYTES` is
refused. `flows` raises `Malformed` with the byte offset, and `Torn` for a file that ends within a
flow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation
from typing import IO, Any, cast

from payloads.capture.compression import Torn
from payloads.capture.format import BrokenLine, Placed
from payloads.capture.frames import UNKNOWN_TIME, Direction, Frame, Incident
from payloads.capture.importers.handshakes import Handshake, address, before
from payloads.capture.importers.messages import (
    ReadOptions,
    instant_of,
    made,
    opcode_of,
    text_or_bytes,
)
from payloads.capture.importers.pieces import JoinedPieces
from payloads.errors import Malformed

# A flow holds all messages of a websocket and is read as a whole; as text it may take four times
# its size.
MAX_FLOW_BYTES = 32 * 2**20
# The smallest takes three bytes, and 72 in memory.
MAX_FLOW_VALUES = 1_000_000
_DEEPEST = 32
_LONGEST_PREFIX = 12


def mitmproxy(pieces: Iterable[bytes], options: ReadOptions) -> Iterator[Placed]:
    """Every message of the websockets in a flow file, with its place."""
    stream = cast(IO[bytes], JoinedPieces(pieces))
    connection = number = 0
    try:
        for number, flow in enumerate(flows(stream), 1):
            listed = messages(flow)
            connection += bool(listed)
            handshake = Handshake(options, connection, _url(flow))
            if listed:
                yield from before(f"flow {number}", _opening(handshake, flow))
            for index, message in enumerate(listed, 1):
                where = f"flow {number}, message {index}"
                yield Placed(where, made(index, _mitm_frame, message, handshake.venue, connection))
            if listed:
                yield from before(f"flow {number}", _closing(handshake, flow))
    except Malformed as error:
        if not number and not isinstance(error, Torn):
            raise
        yield Placed(f"flow {number + 1}", BrokenLine(number + 1, error))


def _mitm_frame(message: Any, venue: str, connection: int) -> Frame:
    if not isinstance(message, list) or len(message) < 3:
        raise Malformed("not a message", field="message", expected="type, from_client, content")
    kind, from_client, content, *more = message
    opcode = opcode_of(kind)
    if isinstance(content, str):  # as some versions do
        content = content.encode()
    if not isinstance(content, bytes) or not isinstance(from_client, bool):
        raise Malformed("not a message", field="message", expected="type, from_client, content")
    at = instant_of(more[0]) if more else UNKNOWN_TIME
    direction: Direction = "out" if from_client else "in"
    return Frame(venue, connection, direction, opcode, at, text_or_bytes(opcode, content))


def flows(stream: IO[bytes]) -> Iterator[dict[str, Any]]:
    """The flows of a file."""
    at = 0
    while prefix := _prefix(stream, at):
        size = int(prefix)
        if size > MAX_FLOW_BYTES:
            limit = f"at most {MAX_FLOW_BYTES} bytes"
            raise Malformed("a flow too large", offset=at, field="flow", expected=limit)
        body = stream.read(size + 1)
        begin = at + len(prefix) + 1
        if len(body) < size + 1:
            raise Torn("the last flow is cut off", offset=begin + len(body), field="flow")
        value, _ = _Flow(memoryview(body), begin).value(0, size, 0)
        if not isinstance(value, dict):
            raise Malformed("not a flow", offset=at, field="flow", expected="a dictionary")
        yield value
        at = begin + size + 1


def _prefix(stream: IO[bytes], at: int) -> bytes:
    digits = b""
    while (byte := stream.read(1)) not in (b":", b""):
        digits += byte
        if not byte.isdigit() or len(digits) > _LONGEST_PREFIX:
            found = repr(digits)
            raise Malformed("not a flow file", offset=at, field="length", found=found)
    if digits and not byte:
        raise Torn("the last flow is cut off", offset=at + len(digits), field="flow")
    return digits


class _Flow:
    """The values of a flow, which begins at byte `base` of its file."""

    def __init__(self, data: memoryview, base: int) -> None:
        self._data, self._base, self._values = data, base, 0

    def value(self, begin: int, size: int, depth: int) -> tuple[Any, int]:
        """The value of `size` bytes from `begin`; the byte after them is its type."""
        self._values += 1
        if self._values > MAX_FLOW_VALUES:
            limit, at = f"at most {MAX_FLOW_VALUES}", self._base + begin
            raise Malformed("a flow of too many values", offset=at, field="flow", expected=limit)
        kind, end = self._data[begin + size], begin + size
        if kind in b"]}":
            if depth >= _DEEPEST:
                raise Malformed("nested too deeply", offset=self._base + begin, field="flow")
            items = list(self._items(begin, end, depth + 1))
            return (items if kind == ord("]") else _pairs(items, self._base + begin)), end + 1
        raw = bytes(self._data[begin:end])
        try:
            return _scalar(kind, raw), end + 1
        except (ValueError, InvalidOperation):
            at, found = self._base + begin, repr(raw[:40])
            raise Malformed("not a value", offset=at, field="flow", found=found) from None

    def _items(self, begin: int, end: int, depth: int) -> Iterator[Any]:
        while begin < end:
            head = bytes(self._data[begin : begin + _LONGEST_PREFIX + 1])
            prefix = head.partition(b":")[0]
            start = begin + len(prefix) + 1
            if not prefix.isdigit() or start + int(prefix) >= end:
                raise Malformed("not a length that fits", offset=self._base + begin, field="flow")
            value, begin = self.value(start, int(prefix), depth)
            yield value


def _scalar(kind: int, raw: bytes) -> Any:
    if kind == ord(","):
        return raw
    if kind == ord(";"):
        return raw.decode()
    if kind == ord("#"):
        return int(raw)
    if kind == ord("^"):
        return Decimal(raw.decode())
    if kind == ord("!") and raw in (b"true", b"false"):
        return raw == b"true"
    if kind == ord("~") and not raw:
        return None
    raise ValueError


def _pairs(items: list[Any], at: int) -> dict[Any, Any]:
    keys = [key.decode("utf-8", "replace") if isinstance(key, bytes) else key for key in items[::2]]
    if len(items) % 2 or not all(isinstance(key, str) for key in keys):
        raise Malformed("not a dictionary", offset=at, field="flow")
    return dict(zip(keys, items[1::2], strict=True))


def _opening(handshake: Handshake, flow: dict[str, Any]) -> Iterator[Incident]:
    """The handshake, as far as the flow has it."""
    if not handshake.url:
        return
    request, response = _member(flow, "request"), _member(flow, "response")
    began = instant_of(request.get("timestamp_start"))
    yield handshake.dialling(began, _headers(request))
    status, server = response.get("status_code"), _member(flow, "server_conn")
    lists = (server[name] for name in _ADDRESSES if isinstance(server.get(name), list))
    place: list[Any] = next(lists, [])
    yield handshake.answered(
        instant_of(response.get("timestamp_start")),
        status if type(status) is int else 0,
        _headers(response),
        address(*map(_as_text, place[:2])) if len(place) >= 2 else "",
    )


_ADDRESSES = ("peername", "ip_address", "address")


def _closing(handshake: Handshake, flow: dict[str, Any]) -> Iterator[Incident]:
    websocket = _member(flow, "websocket")
    code, reason = websocket.get("close_code"), _as_text(websocket.get("close_reason"))
    if type(code) is int:
        ended = instant_of(websocket.get("timestamp_end"))
        yield handshake.closed(ended, code, str(reason or ""))


def _url(flow: dict[str, Any]) -> str:
    """The URL of the websocket, as the client asked for it."""
    request = _member(flow, "request")
    scheme, host, port, path = (_as_text(request.get(name)) for name in _URL)
    if not isinstance(host, str) or not host:
        return ""
    scheme = {"http": "ws", "https": "wss"}.get(str(scheme), "ws")
    usual = {"ws": "80", "wss": "443"}[scheme]
    place = address(host, "" if str(port) == usual else port)
    return f"{scheme}://{place}{path if isinstance(path, str) else ''}"


_URL = ("scheme", "host", "port", "path")


def _member(flow: dict[str, Any], name: str) -> dict[str, Any]:
    found = flow.get(name)
    return found if isinstance(found, dict) else {}


def _as_text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _headers(holder: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for each in holder.get("headers") or ():
        if isinstance(each, list) and len(each) == 2:
            name, value = map(_as_text, each)
            if isinstance(name, str) and isinstance(value, str):
                yield name, value


def messages(flow: dict[str, Any]) -> list[Any]:
    """The messages of a websocket's flow; none for any other flow.

    Since version 7 the websocket is part of the HTTP flow; before, it had a flow of its own.
    """
    holder = flow.get("websocket") if flow.get("type") == "http" else flow
    if not isinstance(holder, dict) or not isinstance(holder.get("messages"), list):
        return []
    listed: list[Any] = holder["messages"]
    return listed
