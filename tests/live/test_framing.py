"""Messages cut straight out of the stream are those that the library finds."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

from hypothesis import example, given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    PerMessageDeflate,
)
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri
from websockets.utils import accept_key

from payloads.live.websocket import WebSocket

# Small, so that some of the messages are too long.
LIMIT = 70_000


class Heard:
    """A listener that only remembers."""

    def __init__(self) -> None:
        self.frames: list[tuple[str, bytes]] = []
        self.opened = 0

    def on_open(self, at: int) -> None:
        self.opened += 1

    def on_frame(self, opcode: str, data: bytes, at: int) -> None:
        assert type(data) is bytes
        self.frames.append((opcode, data))


class Library(WebSocket):
    """Everything goes through the library's parser."""

    def data_received(self, data: bytes) -> None:
        self._at = self._clock()
        self._to_library(data)


class Nowhere(asyncio.Transport):
    """A transport that takes what is written, and counts it."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[int] = []

    def write(self, data: Any) -> None:
        self.writes.append(len(data))

    def can_write_eof(self) -> bool:
        return False

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass

    abort = close


ACCEPTED = (
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: {}\r\n{}\r\n"
)
REFUSED = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\n\r\n{:.0}{:.0}nope"
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate\r\n"


async def _heard(kind: type[WebSocket], answer: str, pieces: list[bytes], cut: int) -> Any:
    """What a listener hears, and the state of the connection afterwards."""
    deflate = ClientPerMessageDeflateFactory()
    uri = parse_uri("ws://127.0.0.1:1/")
    protocol = ClientProtocol(uri, max_size=LIMIT, extensions=[deflate])
    heard, transport = Heard(), Nowhere()
    socket = kind(protocol, protocol.connect(), cast(Any, heard), time.time_ns, 1, LIMIT)
    socket.connection_made(transport)
    accept = answer.format(accept_key(protocol.key), DEFLATE).encode()
    whole = accept + b"".join(pieces)
    # The handshake's end and the first frames come in any pieces, too.
    cuts = [cut, len(accept) - 1 - cut % 4, *range(len(accept) + cut, len(whole), max(1, cut))]
    for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(whole)], strict=True):
        if begin < end:
            socket.data_received(whole[begin:end])
    socket.connection_lost(None)
    if socket._hang_up is not None:
        socket._hang_up.cancel()
    state = (protocol.state, protocol.close_rcvd, protocol.close_sent, type(protocol.parser_exc))
    return heard.frames, heard.opened, state, socket.ending, transport.writes


def both(answer: str, pieces: list[bytes], cut: int) -> tuple[Any, Any]:
    async def run() -> tuple[Any, Any]:
        return (
            await _heard(WebSocket, answer, pieces, cut),
            await _heard(Library, answer, pieces, cut),
        )

    return asyncio.run(run())


Sketch = tuple[int, bool, bytes | int]


def drawn(sketch: Sketch) -> bytes:
    """Any frame, allowed or not, with its size in the shortest form; of a payload, or of a size."""
    first, masked, payload = sketch
    if isinstance(payload, int):
        # This looks like a frame to a parser that looks in the wrong place.
        payload = (b"\x82\x01\x81" * (payload // 3 + 1))[:payload]
    size, mask = len(payload), 0x80 if masked else 0
    if size < 126:
        head = bytes([first, mask | size])
    elif size < 2**16:
        head = bytes([first, mask | 126]) + size.to_bytes(2)
    else:
        head = bytes([first, mask | 127]) + size.to_bytes(8)
    return head + (b"abcd" if masked else b"") + payload


_short = st.binary(max_size=9) | st.just(125)
_long = st.sampled_from([126, 127, 300, 65_535, 65_536, LIMIT])
_plain = st.tuples(st.sampled_from([0x81, 0x82]), st.just(False), _short | _long)
_control = st.tuples(st.sampled_from([0x89, 0x8A]), st.just(False), _short)
_first_part = st.tuples(st.sampled_from([0x01, 0x02]), st.just(False), _short | _long)
_part = st.tuples(st.sampled_from([0x00, 0x80]), st.just(False), _short | _long)
_fair = st.lists(_plain | _plain | _control | _first_part, max_size=6)
# What ends a connection, by right or because it is not allowed: that the two agree on it is half of
# what is tested.
_closing = st.tuples(st.just(0x88), st.just(False), st.just(b"\x03\xe8bye"))
_masked = st.tuples(st.sampled_from([0x81, 0x82, 0x89]), st.just(True), _short | _long)
_oversized = st.tuples(st.sampled_from([0x81, 0x82]), st.just(False), st.just(LIMIT + 1))
_any = st.tuples(st.integers(0, 255), st.booleans(), _short | _long)
_odd = st.lists(_part | _closing | _masked | _oversized | _any, max_size=1)
_sketches = st.builds(
    lambda *parts: [sketch for part in parts for sketch in part], _fair, _odd, _fair
)
_cuts = st.sampled_from([1, 2, 3, 4, 7, 100, 1000, 65_536, 10**7])


@given(_sketches, _cuts, _plain | _control | _part, st.integers(0, 12))
@example([(0x82, False, 200), (0x88, False, b"\x03\xe8bye")] * 2, 1, (0x81, False, 1), 0)
@example([(0x82, False, LIMIT + 1), (0x82, False, 1)], 10**7, (0x81, False, 1), 0)
@example([(0x82, False, 300)] * 2, 2, (0x82, False, 70_000), 9)
@example([(0x82, False, 300)] * 2, 3, (0x82, False, 70_000), 3)
@settings(max_examples=400)
def test_every_stream_is_heard_as_the_library_hears_it(
    sketches: list[Sketch], cut: int, last: Sketch, come: int
) -> None:
    pieces = [drawn(sketch) for sketch in sketches]
    if sum(map(len, pieces)) / cut > 1000:  # heads of frames are cut everywhere in shorter ones
        cut = 997
    ours, theirs = both(ACCEPTED, [*pieces, drawn(last)[:come]], cut)
    assert ours == theirs


@given(st.lists(st.tuples(st.booleans(), st.text(max_size=300)), max_size=12), _cuts)
def test_compressed_messages_are_heard_between_plain_ones(
    messages: list[tuple[bool, str]], cut: int
) -> None:
    squeeze = PerMessageDeflate(False, False, 15, 15)
    pieces = [
        Frame(Opcode.TEXT, text.encode()).serialize(
            mask=False, extensions=[squeeze] if squeezed else []
        )
        for squeezed, text in messages
    ]
    ours, theirs = both(ACCEPTED, pieces, cut)
    assert ours == theirs
    assert ours[0] == [("text", text.encode()) for _, text in messages]


@given(_fair, _cuts)
def test_behind_a_refusal_no_frame_is_heard(sketches: list[Sketch], cut: int) -> None:
    pieces = [drawn(sketch) for sketch in sketches]
    ours, theirs = both(REFUSED, pieces, min(cut, 20))
    assert ours == theirs
    assert ours[0] == []
    assert ours[1] == 0
