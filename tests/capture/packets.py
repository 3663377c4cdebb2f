"""Websockets as packets in a pcapng: TCP over Ethernet and IP, written byte by byte."""

from __future__ import annotations

import struct
import zlib
from ipaddress import ip_address
from itertools import pairwise
from typing import Any

UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
)
SWITCHED = (
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n{more}\r\n"
)
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
MASK = b"\x12\x34\x56\x78"


def websocket(
    opcode: int, data: bytes, *, masked: bool = False, final: bool = True, compressed: bool = False
) -> bytes:
    """A frame of a websocket."""
    first = final << 7 | compressed << 6 | opcode
    size = len(data)
    if size < 126:
        head = struct.pack(">BB", first, masked << 7 | size)
    elif size < 2**16:
        head = struct.pack(">BBH", first, masked << 7 | 126, size)
    else:
        head = struct.pack(">BBQ", first, masked << 7 | 127, size)
    if not masked:
        return head + data
    return head + MASK + bytes(byte ^ MASK[at % 4] for at, byte in enumerate(data))


class Deflate:
    """The compression of the messages of one side, which goes on from message to message."""

    def __init__(self) -> None:
        self._stream = zlib.compressobj(wbits=-15)

    def __call__(self, data: bytes) -> bytes:
        out = self._stream.compress(data) + self._stream.flush(zlib.Z_SYNC_FLUSH)
        return out.removesuffix(b"\x00\x00\xff\xff")


class Packets:
    """A pcapng that is being written. `at` is the time of the next packet, in nanoseconds."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.packets: list[tuple[int, bytes]] = []

    def add(self, packet: bytes) -> None:
        self.packets.append((self.at, packet))
        self.at += 1_000_000

    @property
    def content(self) -> bytes:
        # A section, and an interface of Ethernet with times in nanoseconds.
        section = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)
        interface = struct.pack("<HHI", 1, 0, 0) + struct.pack("<HHB3x", 9, 1, 9) + bytes(4)
        out = _block(0x0A0D0D0A, section) + _block(1, interface)
        for at, packet in self.packets:
            high, low = divmod(at, 2**32)
            head = struct.pack("<IIIII", 0, high, low, len(packet), len(packet))
            out += _block(6, head + packet + bytes(-len(packet) % 4))
        return out


def _block(kind: int, body: bytes) -> bytes:
    size = len(body) + 12
    return struct.pack("<II", kind, size) + body + struct.pack("<I", size)


class Tcp:
    """A TCP connection between two addresses; its packets are added as they are made."""

    def __init__(self, packets: Packets, client: tuple[str, int], server: tuple[str, int]) -> None:
        self._packets = packets
        self._ends = {True: client, False: server}
        self._next = {True: 1_000, False: 5_000_000}
        self._segment(True, b"", 0x02)
        self._next[True] += 1
        self._segment(False, b"", 0x12)
        self._next[False] += 1
        self._segment(True, b"", 0x10)

    def send(self, from_client: bool, data: bytes, *sizes: int) -> None:
        """Send data, in segments of these sizes and the rest."""
        for segment in self.segments(from_client, data, *sizes):
            self._packets.add(segment)

    def segments(self, from_client: bool, data: bytes, *sizes: int) -> list[bytes]:
        """The packets of data, not sent yet: a test may repeat or exchange them."""
        cuts = [sum(sizes[:count]) for count in range(len(sizes) + 1)] + [len(data)]
        out = []
        for begin, end in pairwise(cuts):
            out.append(self._packet(from_client, data[begin:end], 0x18))
            self._next[from_client] += end - begin
        return out

    def _segment(self, from_client: bool, data: bytes, flags: int) -> None:
        self._packets.add(self._packet(from_client, data, flags))

    def _packet(self, from_client: bool, data: bytes, flags: int) -> bytes:
        (source, source_port), (target, target_port) = (
            self._ends[from_client], self._ends[not from_client],
        )  # fmt: skip
        acknowledged = self._next[not from_client] if flags & 0x10 else 0
        tcp = struct.pack(
            ">HHIIBBHHH", source_port, target_port, self._next[from_client], acknowledged,
            5 << 4, flags, 65_000, 0, 0,
        )  # fmt: skip
        return _ethernet(source, target, tcp + data)


def _ethernet(source: str, target: str, segment: bytes) -> bytes:
    ends = ip_address(source).packed + ip_address(target).packed
    if len(ends) == 8:
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0, 64, 6, 0)
        return bytes(12) + b"\x08\x00" + head + ends + segment
    head = struct.pack(">IHBB", 6 << 28, len(segment), 6, 64)
    return bytes(12) + b"\x86\xdd" + head + ends + segment


def opened(
    packets: Packets,
    *,
    server: tuple[str, int] = ("192.0.2.7", 8080),
    client: tuple[str, int] = ("192.0.2.1", 40_000),
    path: str = "/ws",
    host: str = "",
    request: str = "",
    answer: str = "",
) -> Tcp:
    """A TCP connection with the handshake of a websocket on it."""
    tcp = Tcp(packets, client, server)
    host = host or f"{server[0]}:{server[1]}"
    tcp.send(True, UPGRADE.format(path=path, host=host, more=request).encode())
    tcp.send(False, SWITCHED.format(more=answer).encode())
    return tcp


def frames_of(found: Any) -> list[Any]:
    """The frames among placed records."""
    from payloads.capture.frames import Frame

    return [placed.record for placed in found if isinstance(placed.record, Frame)]
