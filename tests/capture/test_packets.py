"""Packets of made-up websockets, read by a real tshark."""

from __future__ import annotations

import gzip
import json
import random
import shutil
import ssl
from contextlib import suppress
from pathlib import Path
from threading import get_ident
from typing import Any

import pytest
import trustme

from payloads.capture.format import BrokenLine
from payloads.capture.frames import Frame, Incident
from payloads.capture.importers.messages import ReadOptions
from payloads.capture.inputs import open_inputs
from payloads.errors import Misuse
from tests.capture.packets import DEFLATE, Deflate, Packets, Tcp, frames_of, opened, websocket

AT = 1_795_996_486_056_000_203
wants_tshark = pytest.mark.skipif(
    shutil.which("tshark") is None, reason="tshark is not installed (Debian's package tshark)"
)


def records(path: Path, content: bytes, **options: Any) -> list[Any]:
    path.write_bytes(content)
    (each,) = open_inputs([path], ReadOptions(**options))
    assert each.kind == "pcap"
    return [placed.record for placed in each.records()]


@wants_tshark
def test_messages_come_out_of_segments_whatever_their_order(tmp_path: Path) -> None:
    """Two in a segment, one in three, segments again and in the wrong order; and over IPv6."""
    packets = Packets(AT)
    tcp = opened(
        packets, path="/ws?token=hidden-token-1", request="Authorization: Basic c2VjcmV0\r\n"
    )
    other = opened(packets, server=("2001:db8::7", 9000), client=("2001:db8::1", 40_001),
                   host="fast.jp.stork-oracle.network")  # fmt: skip
    tcp.send(True, websocket(1, b'{"type":"subscribe"}', masked=True))
    tcp.send(False, websocket(1, b"one") + websocket(1, b"two"))
    tcp.send(False, websocket(2, bytes(range(256))), 7, 100)
    first, second, third = tcp.segments(False, websocket(1, b"in the wrong order"), 5, 6)
    for packet in (first, third, second, second):
        packets.add(packet)
    other.send(False, websocket(1, b"x" * 70_000), 1_400, 1_400, 40_000)
    tcp.send(False, websocket(1, b"\xff\xfe no text"))
    tcp.send(False, websocket(9, b"p") + websocket(8, b"\x03\xe8bye"))
    tcp.send(True, websocket(10, b"p", masked=True) + websocket(8, b"\x03\xe8", masked=True))
    found = records(tmp_path / "x.pcapng", packets.content)
    frames = [record for record in found if isinstance(record, Frame)]
    # The order is that of each connection: versions of tshark differ between them.
    frames.sort(key=lambda frame: frame.connection)
    assert [(f.connection, f.venue, f.direction, f.opcode, f.data) for f in frames] == [
        (1, "", "out", "text", '{"type":"subscribe"}'),
        (1, "", "in", "text", "one"), (1, "", "in", "text", "two"),
        (1, "", "in", "binary", bytes(range(256))),
        (1, "", "in", "text", "in the wrong order"),
        (1, "", "in", "text", b"\xff\xfe no text"),
        (1, "", "in", "ping", b"p"), (1, "", "in", "close", b"\x03\xe8bye"),
        (1, "", "out", "pong", b"p"), (1, "", "out", "close", b"\x03\xe8"),
        (2, "stork", "in", "text", "x" * 70_000),
    ]  # fmt: skip
    assert all(frame.at % 1_000_000 == AT % 1_000_000 for frame in frames), "to the nanosecond"
    incidents = [record for record in found if isinstance(record, Incident)]
    assert [(one.connection, one.what) for one in incidents] == [
        (1, "dialling"), (1, "opened"), (2, "dialling"), (2, "opened"), (1, "closed"),
    ]  # fmt: skip
    dialled, answered, _, there, closed = incidents
    assert dialled.detail["url"] == "ws://192.0.2.7:8080/ws?token=[redacted]"
    assert ["Authorization", "[redacted]"] in dialled.detail["headers"]
    assert (dialled.redacted, answered.redacted) == (True, False)
    assert (answered.detail["status"], answered.detail["server"]) == (101, "192.0.2.7:8080")
    assert there.detail["server"] == "[2001:db8::7]:9000"
    assert closed.detail == {"code": 1000, "reason": "bye"}
    assert "hidden" not in repr(found)
    assert "c2VjcmV0" not in repr(found)


@wants_tshark
def test_compressed_and_fragmented_messages(tmp_path: Path) -> None:
    packets = Packets(AT)
    tcp = opened(packets, request=DEFLATE, answer=DEFLATE)
    deflate, rest = Deflate(), random.Random(1).randbytes(50)
    messages = [b'{"type":"signed_ecdsa"}' * 3, b'{"type":"signed_ecdsa"}' * 3, b"plain", rest]
    tcp.send(False, websocket(1, deflate(messages[0]), compressed=True))
    tcp.send(False, websocket(1, deflate(messages[1]), compressed=True))
    tcp.send(False, websocket(1, messages[2]))
    tcp.send(False, websocket(2, deflate(messages[3]), compressed=True))
    tcp.send(False, websocket(1, b'{"a":', final=False))
    tcp.send(False, websocket(9, b"") + websocket(0, b"1,", final=False))
    tcp.send(False, websocket(0, b'"b":2}'))
    half = deflate(b"compressed and in two")
    tcp.send(False, websocket(1, half[:9], compressed=True, final=False) + websocket(0, half[9:]))
    found = records(tmp_path / "x.pcapng", packets.content)
    frames = [one for one in found if isinstance(one, Frame) and one.is_message]
    assert [frame.raw for frame in frames] == [
        *messages, b'{"a":1,"b":2}', b"compressed and in two",
    ]  # fmt: skip
    assert not [one for one in found if isinstance(one, BrokenLine)]


@wants_tshark
def test_tls_with_a_key_log(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    authority = trustme.CA()
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("stork.example").configure_cert(server_context)
    client_context = ssl.create_default_context()
    authority.configure_trust(client_context)
    client_context.keylog_filename = str(keys)
    pipes = [ssl.MemoryBIO() for _ in range(4)]
    client = client_context.wrap_bio(pipes[0], pipes[1], server_hostname="stork.example")
    server = server_context.wrap_bio(pipes[2], pipes[3], server_side=True)
    packets = Packets(AT)
    tcp = Tcp(packets, ("192.0.2.1", 40_000), ("192.0.2.7", 443))

    def carried() -> None:
        """Everything that either side wrote goes to the other, as packets."""
        for from_client, wrote, reads in ((True, pipes[1], pipes[2]), (False, pipes[3], pipes[0])):
            if data := wrote.read():
                tcp.send(from_client, data)
                reads.write(data)

    for _ in range(4):
        for side in (client, server):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
            carried()
    from tests.capture.packets import SWITCHED, UPGRADE

    upgrade = UPGRADE.format(path="/ws", host="fast.jp.stork-oracle.network", more="")
    for side, data in (
        (client, upgrade.encode()), (server, SWITCHED.format(more="").encode()),
        (server, websocket(1, b"over TLS")),
    ):  # fmt: skip
        side.write(data)
        carried()
    with_keys = records(tmp_path / "x.pcapng", packets.content, keylog=str(keys))
    (frame,) = (one for one in with_keys if isinstance(one, Frame))
    assert (frame.venue, frame.direction, frame.data) == ("stork", "in", "over TLS")
    assert with_keys[0].detail["url"] == "wss://fast.jp.stork-oracle.network/ws"
    assert records(tmp_path / "x.pcapng", packets.content) == []
    with pytest.raises(Misuse, match="keylog"):
        open_inputs([tmp_path / "x.pcapng"], ReadOptions(keylog=str(tmp_path / "none")))


@wants_tshark
def test_packets_that_are_cut_off_or_compressed(tmp_path: Path) -> None:
    packets = Packets(AT)
    tcp = opened(packets)
    for number in range(5):
        tcp.send(False, websocket(1, b"%d" % number))
    content = packets.content
    whole = records(tmp_path / "x.gz", gzip.compress(content))
    assert [one.data for one in whole if isinstance(one, Frame)] == ["0", "1", "2", "3", "4"]
    *_, last, broken = records(tmp_path / "x.pcapng", content[:-20])
    assert last.data == "3"
    assert isinstance(broken, BrokenLine)
    assert "cut short" in str(broken.error)
    torn = gzip.compress(random.Random(1).randbytes(9) + content, mtime=0)
    *_, broken = records(tmp_path / "y.gz", gzip.compress(content, mtime=0)[:-12])
    assert "cut off" in str(broken.error)
    assert torn


@wants_tshark
def test_a_hosts_venue_may_be_told(tmp_path: Path) -> None:
    packets = Packets(AT)
    for number, port in enumerate((9101, 9105, 9200)):
        tcp = opened(packets, server=("127.0.0.1", port), client=("127.0.0.1", 40_000 + number))
        tcp.send(False, websocket(1, b"{}"))
    hosts = (("127.0.0.1:9105", "qfex"), ("127.0.0.1", "stork"))
    found = records(tmp_path / "x.pcapng", packets.content, hosts=hosts)
    assert [one.venue for one in found if isinstance(one, Frame)] == ["stork", "qfex", "stork"]


@wants_tshark
def test_a_reader_that_leaves_early_leaves_no_process(tmp_path: Path) -> None:
    packets = Packets(AT)
    tcp = opened(packets)
    for _ in range(2_000):
        tcp.send(False, websocket(1, b"x" * 1_000))
    path = tmp_path / "x.pcapng"
    path.write_bytes(packets.content)
    (each,) = open_inputs([path])
    reading = each.records()
    assert isinstance(next(reading).record, Incident)
    reading.close()  # type: ignore[attr-defined]
    assert len(frames_of(each.records())) == 2_000


def test_without_tshark_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    (broken,) = records(tmp_path / "x.pcapng", Packets(AT).content)
    assert "tshark is not installed" in str(broken.error)


def test_what_tshark_prints_may_be_anything(tmp_path: Path) -> None:
    """Another program of that name, and a tshark of another time."""
    from payloads.capture.importers.pcap import _Conversations, _parsed

    layers = {
        "frame": {"frame_frame_time_epoch": "x"}, "websocket": [{"websocket_websocket_opcode": "x"}]
    }  # fmt: skip
    for text in ("[1]", "{}", '{"layers":1}', "", '{"layers":{}}'):
        packet = _parsed(text.encode())
        assert not packet or list(_Conversations(ReadOptions()).packet(packet)) == []
    from payloads.errors import Malformed

    with pytest.raises(Malformed, match="not what tshark prints"):
        list(_Conversations(ReadOptions()).packet(layers))
    with pytest.raises(Malformed, match="not what tshark prints"):
        _parsed(b"{broken")
    with pytest.raises(Malformed, match="larger than any message"):
        _parsed(None)
    odd: dict[str, Any] = json.loads(
        '{"tcp_raw":5,"ip_raw":"zz","http":[{"http_http_request_uri":"/"}]}'
    )
    (incident,) = _Conversations(ReadOptions()).packet(odd)
    assert isinstance(incident, Incident)


@wants_tshark
def test_what_is_done_while_waiting_is_done_in_the_readers_thread(tmp_path: Path) -> None:
    """Another thread feeds tshark; printing in it would mix up the order of results."""
    packets = Packets(AT)
    tcp = opened(packets)
    for _ in range(40):
        tcp.send(False, websocket(1, b"x" * 8_000))
    path = tmp_path / "x.pcapng"
    path.write_bytes(packets.content)
    threads: set[int] = set()
    (each,) = open_inputs([path], waiting=lambda: threads.add(get_ident()))
    assert sum(isinstance(placed.record, Frame) for placed in each.records()) == 40
    assert threads == {get_ident()}
