"""Packets of a network capture, read by tshark: websockets over TCP, and over TLS with a key log.

tshark puts TCP streams together, undoes TLS (`keylog`, or secrets that a pcapng holds itself) and
the compression of websockets, and prints the frames as JSON with their bytes in hex. What it prints
is read a line at a time. Its own memory grows with the number of packets.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import zlib
from binascii import unhexlify
from collections.abc import Iterable, Iterator
from contextlib import suppress
from ipaddress import ip_address
from tempfile import TemporaryFile
from typing import IO, Any

import msgspec

from payloads.capture.format import BrokenLine, CaptureRecord, Placed
from payloads.capture.frames import Frame, Incident, Opcode
from payloads.capture.importers.handshakes import Handshake, address
from payloads.capture.importers.messages import (
    ReadOptions,
    instant_of,
    opcode_of,
    text_or_bytes,
)
from payloads.capture.importers.pieces import must_wait
from payloads.capture.reader import split_lines
from payloads.errors import Malformed, PayloadError, elide, shown
from payloads.venues.common.json_text import MAX_MESSAGE_BYTES

# A packet as tshark prints it has its bytes in hex up to three times, and as text.
MAX_PACKET_BYTES = 8 * MAX_MESSAGE_BYTES
# Connections whose state is kept; the one that was opened first goes.
MAX_CONNECTIONS = 10_000
_READ = 64 * 1024
# Nothing that tshark says of an error is longer.
_MOST_WORDS = 4_096
_PATIENCE = 1.0
_CONTINUATION, _CLOSE = 0, 8
# The bit of the header by which a message is compressed.
_COMPRESSED = 4
_WANTED = "frame websocket http"
_FILTER = "websocket || http.upgrade || http.response.code == 101"


def pcap(pieces: Iterable[bytes], options: ReadOptions) -> Iterator[Placed]:
    """Every message of the websockets in a file of packets, with its packet."""
    if (program := shutil.which("tshark")) is None:
        raise Malformed(
            "packets, which are not read: tshark is not installed", field="file",
            expected="tshark (of Wireshark) on the path, or a HAR or a flow file of mitmproxy",
        )  # fmt: skip
    with TemporaryFile() as words:
        process = subprocess.Popen(
            [program, *_arguments(options)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=words,
        )  # fmt: skip
        feeder = _Feeder(pieces, process)
        try:
            yield from _packets(process, options)
            process.wait()
            feeder.join()
            if feeder.error is not None:
                yield Placed("the end", BrokenLine(0, feeder.error))
            elif process.returncode:
                raise _refused(words)
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
            feeder.join(_PATIENCE)  # it may be waiting for a pipe that never ends


def _arguments(options: ReadOptions) -> list[str]:
    wanted = ["tcp.reassemble_out_of_order:TRUE"]
    wanted += [f"tls.keylog_file:{options.keylog}"] if options.keylog else []
    preferences = [part for each in wanted for part in ("-o", each)]
    # No names are looked up, and packets are printed as they are read.
    return ["-n", "-l", "-r", "-", *preferences, "-Y", _FILTER, "-T", "ek", "-x", "-J", _WANTED]


def _refused(words: IO[bytes]) -> Malformed:
    """The error for a file that tshark does not read, in its own words."""
    words.seek(0, os.SEEK_END)
    words.seek(max(0, words.tell() - _MOST_WORDS))
    said = words.read().decode("utf-8", "replace").strip().split("\n")
    own = [line.removeprefix("tshark: ") for line in said if line.startswith("tshark: ")]
    reason = "packets, which are not read to their end"
    return Malformed(reason, field="file", found=f"tshark: {elide(' '.join(own or said), 300)}")


class _Feeder:
    """A thread that hands the content on to tshark. `error` is what was wrong with the content."""

    def __init__(self, pieces: Iterable[bytes], process: subprocess.Popen[bytes]) -> None:
        self.error: Malformed | None = None
        self._pieces, self._process = pieces, process
        self._thread = threading.Thread(target=self._feed, name="tshark feeder", daemon=True)
        self._thread.start()

    def join(self, seconds: float | None = None) -> None:
        self._thread.join(seconds)

    def _feed(self) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        try:
            for piece in self._pieces:
                stdin.write(piece)
        except Malformed as error:
            self.error = error
        except (OSError, ValueError):  # tshark has ended
            pass
        finally:
            with suppress(OSError):
                stdin.close()


def _packets(process: subprocess.Popen[bytes], options: ReadOptions) -> Iterator[Placed]:
    conversations = _Conversations(options)
    output: Any = process.stdout  # which is buffered

    def printed_next() -> bytes:
        if options.waiting is not None and must_wait(output):
            options.waiting()
        found: bytes = output.read1(_READ)
        return found

    printed = iter(printed_next, b"")
    number = 0
    for _, line, _ in split_lines(printed, MAX_PACKET_BYTES):
        try:
            packet = _parsed(line)
            if packet is None:
                continue
            number = _number(packet)
            found = list(conversations.packet(packet))
        except PayloadError as error:
            found = [BrokenLine(number, error)]
        for index, record in enumerate(found, 1):
            place = f", message {index}" if len(found) > 1 else ""
            yield Placed(f"packet {number}{place}", record)


def _parsed(line: bytes | None) -> dict[str, Any] | None:
    """The layers of a packet; None for a line that has none."""
    if line is None:
        limit = f"at most {MAX_PACKET_BYTES} bytes of JSON"
        raise Malformed("larger than any message", field="packet", expected=limit, found="more")
    if not line.strip():
        return None
    try:
        # Text that is no UTF-8 is printed as it is; its bytes are there in hex, too.
        record = msgspec.json.decode(line.decode("utf-8", "replace"), strict=False)
    except (msgspec.DecodeError, RecursionError) as error:
        found = elide(str(error), 120)
        raise Malformed("not what tshark prints", field="packet", found=found) from None
    layers = record.get("layers") if isinstance(record, dict) else None
    return layers if isinstance(layers, dict) else None


def _number(packet: dict[str, Any]) -> int:
    text = _first(packet.get("frame"), "frame_frame_number")
    return int(text) if isinstance(text, str) and _is_number(text) else 0


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 18


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _first(layer: Any, name: str) -> Any:
    """A value of a layer, the first where there are several."""
    found = _listed(layer.get(name)) if isinstance(layer, dict) else []
    return found[0] if found else None


def _bytes(layer: Any, name: str) -> bytes | None:
    text = _first(layer, f"{name}_raw")
    try:
        return unhexlify(text) if isinstance(text, str) else None
    except ValueError:
        return None


class _Direction:
    """What one side of a websocket has sent so far of a message, and of its compression."""

    def __init__(self) -> None:
        self.inflate: Any = None
        self.opcode: Opcode | None = None
        self.compressed = False
        self.parts: list[bytes] = []
        self.size = 0

    def take(self, opcode: int, final: bool, compressed: bool, data: bytes) -> Any:
        """The opcode and the bytes of the message that ends here; None if it goes on."""
        if opcode >= _CLOSE:
            return opcode_of(opcode), data
        if opcode != _CONTINUATION:
            self.opcode, self.compressed, self.parts, self.size = (
                opcode_of(opcode), compressed, [], 0,
            )  # fmt: skip
        self.size += len(data)
        if self.opcode is None:
            raise Malformed("the beginning of this message is not here", field="message")
        if self.size > MAX_MESSAGE_BYTES:
            self.opcode, self.parts = None, []
            limit = f"at most {MAX_MESSAGE_BYTES} bytes"
            raise Malformed("larger than any message", field="message", expected=limit)
        self.parts.append(data)
        if not final:
            return None
        found, whole = self.opcode, b"".join(self.parts)
        self.opcode, self.parts = None, []
        return found, self._inflated(whole) if self.compressed else whole

    def _inflated(self, data: bytes) -> bytes:
        if self.inflate is None:
            self.inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            found: bytes = self.inflate.decompress(data + b"\x00\x00\xff\xff", MAX_MESSAGE_BYTES)
        except zlib.error as error:
            self.inflate = None
            raise Malformed("compressed otherwise", field="message", found=str(error)) from None
        return found


class _Conversation:
    """A websocket: who is its client, and what both sides have said."""

    def __init__(self, client: str, handshake: Handshake) -> None:
        self.client, self.handshake = client, handshake
        self.sides: dict[str, _Direction] = {"in": _Direction(), "out": _Direction()}
        self.closed = False


class _Conversations:
    """The websockets of a file of packets, by the addresses of both sides."""

    def __init__(self, options: ReadOptions) -> None:
        self._options = options
        self._open: dict[frozenset[str], _Conversation] = {}
        self._count = 0

    def packet(self, packet: dict[str, Any]) -> Iterator[CaptureRecord]:
        """The records of a packet: of handshakes first, then of messages."""
        source, target = _ends(packet)
        at = instant_of(_first(packet.get("frame"), "frame_frame_time_epoch"))
        key = frozenset((source, target))
        for layer in _listed(packet.get("http")):
            yield from self._http(layer, key, source, target, at, "tls" in packet)
        for layer in _listed(packet.get("websocket")):
            if (conversation := self._open.get(key)) is None:
                conversation = self._begin(key, source, f"ws://{target}")
            yield from _message(conversation, layer, source, at)

    def _http(
        self, layer: Any, key: frozenset[str], source: str, target: str, at: int, tls: bool
    ) -> Iterator[Incident]:
        status = _first(layer, "http_http_response_code")
        if status is not None:
            conversation = self._open.get(key)
            if conversation is not None and _is_number(str(status)):
                headers = _headers(layer, "http_http_response_line")
                handshake = conversation.handshake
                yield handshake.answered(at, int(status), headers, source)
            return
        uri = _first(layer, "http_http_request_uri")
        if not isinstance(uri, str):
            return
        headers = _headers(layer, "http_http_request_line")
        host = next((value for name, value in headers if name.lower() == "host"), target)
        url = f"{'wss' if tls else 'ws'}://{host}{uri}"
        yield self._begin(key, source, url).handshake.dialling(at, headers)

    def _begin(self, key: frozenset[str], client: str, url: str) -> _Conversation:
        self._count += 1
        while len(self._open) >= MAX_CONNECTIONS:
            del self._open[next(iter(self._open))]
        self._open.pop(key, None)
        found = _Conversation(client, Handshake(self._options, self._count, url))
        self._open[key] = found
        return found


def _message(
    conversation: _Conversation, layer: Any, source: str, at: int
) -> Iterator[CaptureRecord]:
    direction = "out" if source == conversation.client else "in"
    opcode = _decimal(layer, "websocket_websocket_opcode")
    flags = _decimal(layer, "websocket_websocket_rsv")
    final = _first(layer, "websocket_websocket_fin") in (True, "1", "true", "True")
    data = _bytes(layer, "websocket_websocket_payload") or b""
    text = _bytes(layer, "websocket_websocket_payload_text")
    compressed = bool(flags & _COMPRESSED)
    if compressed and text is not None and text != data:
        data, compressed = text, False
    taken = conversation.sides[direction].take(opcode, final, compressed, data)
    if taken is None:
        return
    kind, raw = taken
    handshake = conversation.handshake
    number, venue = handshake.connection, handshake.venue
    yield Frame(venue, number, direction, kind, at, text_or_bytes(kind, raw))  # type: ignore[arg-type]
    if kind == "close" and not conversation.closed:
        conversation.closed = True
        code = int.from_bytes(raw[:2], "big") if len(raw) >= 2 else 1005
        yield handshake.closed(at, code, raw[2:].decode("utf-8", "replace"))


def _decimal(layer: Any, name: str) -> int:
    text = str(_first(layer, name) or "0")
    try:
        return int(text, 16 if text.startswith("0x") else 10)
    except ValueError:
        raise Malformed("not what tshark prints", field=name, found=shown(text)) from None


def _headers(layer: Any, name: str) -> list[tuple[str, str]]:
    lines = layer.get(name) if isinstance(layer, dict) else None
    found = []
    for line in _listed(lines):
        header, colon, value = str(line).rstrip("\r\n").partition(":")
        if colon:
            found.append((header, value.strip()))
    return found


def _ends(packet: dict[str, Any]) -> tuple[str, str]:
    """Source and target of a packet, with their ports."""
    header, ports = _bytes(packet, "ipv6"), _bytes(packet, "tcp") or b""
    if header is not None:
        addresses = header[8:24], header[24:40]
    else:
        header = _bytes(packet, "ip") or b""
        addresses = header[12:16], header[16:20]
    numbers = (int.from_bytes(ports[at : at + 2], "big") for at in (0, 2))
    source, target = (
        address(str(ip_address(each)) if len(each) in (4, 16) else "", port)
        for each, port in zip(addresses, numbers, strict=True)
    )
    return source, target
