"""What people have already, read as frames."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payloads import chainlink, stork
from payloads.capture.compression import Torn
from payloads.capture.format import BrokenLine, line_of
from payloads.capture.frames import Frame, Incident
from payloads.capture.importers import mitmproxy
from payloads.capture.importers.any_file import KINDS, import_frames, import_records, sniff
from payloads.capture.importers.messages import venue_of
from payloads.capture.reader import read_records
from payloads.capture.writer import CaptureWriter
from payloads.errors import Malformed, Misuse
from payloads.simulators import ChainlinkSimulator, StorkSimulator
from payloads.simulators.venues.stork import sequence_of

FIXTURES = Path(__file__).parent / "fixtures"


def of(text: str | bytes, **options: Any) -> list[Any]:
    raw = text.encode() if isinstance(text, str) else text
    return [record for _, record in import_records(io.BytesIO(raw), **options)]


def simple(records: list[Any]) -> list[tuple[str, str, Any]]:
    return [(r.direction, r.opcode, r.data) for r in records if isinstance(r, Frame)]


# --- HAR ------------------------------------------------------------------------------------------


def test_har_of_chrome() -> None:
    found = list(import_records(FIXTURES / "chrome.har"))
    assert [where for where, _ in found] == [
        *["entry 2, handshake"] * 2, *(f"entry 2, message {n}" for n in range(1, 6)),
    ]  # fmt: skip
    records = [record for _, record in found]
    assert simple(records) == [
        ("out", "text", '{"type":"subscribe","assets":[1]}'),
        ("in", "text", '{"type":"unsigned","tax":1,"ts":1,"a":[]}'),
        ("in", "binary", b"\x00\xff\x10"),
    ]
    # The time is a decimal in the file, and stays one: no float rounds it.
    assert [r.at for r in records if isinstance(r, Frame)] == [
        1764608698685038900, 1764608698700000000, 1764608699000000000,
    ]  # fmt: skip
    assert {r.venue for r in records if isinstance(r, Frame)} == {"stork"}
    broken = [r for r in records if isinstance(r, BrokenLine)]
    assert [r.line for r in broken] == [4, 5]
    assert "the browser noted an error here, found net::ERR" in str(broken[1].error)


def test_har_of_firefox() -> None:
    records = [record for _, record in import_records(FIXTURES / "firefox.har")]
    assert simple(records) == [
        ("out", "text", '{"type":"subscribe"}'), ("in", "text", '{"type":"bbo"}'),
    ]  # fmt: skip
    assert [r.at for r in records if isinstance(r, Frame)] == [
        1764608698685038000, 1764608698700123000,
    ]  # fmt: skip
    assert {r.venue for r in records if isinstance(r, Frame)} == {"qfex"}


def test_har_of_firefox_has_frames_as_strings_of_bytes() -> None:
    """Its interfaces give a frame's bytes a character each, whatever the frame is."""
    messages = [
        {"type": "received", "timeStamp": 1, "opCode": 2, "payload": "\x00\xff\x10"},
        {"type": "received", "timeStamp": 2, "opCode": 1, "payload": "Ã©"},
        {"type": "received", "timeStamp": 3, "opCode": 1, "payload": "€"},
        {"type": "received", "timeStamp": 4, "opCode": 1, "payload": "\xff"},
    ]
    har = json.dumps({"log": {"entries": [{"_webSocketMessages": messages}]}})
    assert simple(of(har)) == [
        ("in", "binary", b"\x00\xff\x10"), ("in", "text", "é"), ("in", "text", "€"),
        ("in", "text", b"\xff"),
    ]  # fmt: skip


def test_har_without_a_websockets_messages_says_so() -> None:
    """What Firefox exports: the handshake, and nothing of what came over it."""
    url = "wss://fast.jp.stork-oracle.network/ws?token=hidden"
    entries = [
        {"request": {"method": "GET", "url": "https://example.com/"}, "response": {"status": 200}},
        {"request": {"method": "GET", "url": url}, "response": {"status": 101}},
    ]
    har = json.dumps({"log": {"entries": entries}})
    ((where, broken),) = import_records(io.BytesIO(har.encode()))
    assert where == "entry 2"
    assert isinstance(broken, BrokenLine)
    assert "Firefox leaves them out" in str(broken.error)
    assert "wss://fast.jp.stork-oracle.network/ws" in str(broken.error)
    assert "hidden" not in str(broken.error)
    # Chrome says that there were none.
    assert of(har.replace('"response"', '"_webSocketMessages": [], "response"')) == []


@pytest.mark.parametrize("text", ['{"log": {"entries": 1}}', '{"log": {}}', '{"log": {"entries"'])
def test_har_that_is_none(text: str) -> None:
    with pytest.raises(Malformed, match="not a HAR"):
        of(text, kind="har")


# --- mitmproxy ------------------------------------------------------------------------------------


def test_flows_of_mitmproxy() -> None:
    found = list(import_records(FIXTURES / "mitmproxy.flow"))
    start, raw = 1_700_000_000 * 10**9, b"\x00\xff\x10"
    subscribe = '{"type":"subscribe","assets":[1]}'
    opened = [found.pop(0), found.pop(0)]
    assert [(where, record.what) for where, record in opened] == [
        ("flow 2, handshake", "dialling"), ("flow 2, handshake", "opened"),
    ]  # fmt: skip
    found = [one for one in found if isinstance(one[1], Frame)]
    assert found == [
        ("flow 2, message 1", Frame("stork", 1, "out", "text", start + 125_000_000, subscribe)),
        ("flow 2, message 2", Frame("stork", 1, "in", "text", start + 1_500_000_000, '{"n":"é"}')),
        ("flow 2, message 3", Frame("stork", 1, "in", "binary", start + 2_750_000_000, raw)),
        ("flow 3, message 1", Frame("", 2, "in", "text", start + 3_000_000_000, "pong")),
    ]


@pytest.mark.parametrize("name", ["mitmproxy-proxied.flow", "mitmproxy-proxied.har"])
def test_what_went_through_mitmproxy_is_what_was_signed(name: str) -> None:
    """Two captures of simulators through a running mitmproxy: every byte counts in a signature."""
    found = list(import_frames(FIXTURES / name, venue="stork"))
    assert [(one.connection, one.direction, one.opcode) for one in found] == [
        (1, "out", "text"), (1, "in", "text"), (1, "in", "text"), (1, "in", "text"),
        (2, "in", "binary"), (2, "in", "binary"),
    ]  # fmt: skip
    assert [one.at for one in found] == sorted(one.at for one in found)
    updates = [stork.decode(json.loads(one.raw)["p"]) for one in found[1:4]]
    signer = StorkSimulator().signer.address
    assert {one.address for update in updates for one in stork.recover(update)} == {signer}
    reports = [chainlink.decode(json.loads(one.raw)["report"]["fullReport"]) for one in found[4:]]
    recovered = {one.address for report in reports for one in chainlink.recover(report)}
    network = ChainlinkSimulator().network
    assert recovered == set(network.signers[: network.f + 1])


def test_flows_cut_off_anywhere() -> None:
    raw = (FIXTURES / "mitmproxy.flow").read_bytes()
    for size in range(100, len(raw), 61):
        *before, last = of(raw[:size], kind="mitmproxy")
        assert isinstance(last, BrokenLine)
        assert isinstance(last.error, Torn)
        assert sum(isinstance(one, Frame) for one in before) in (0, 3)


def _tnet(value: Any) -> bytes:
    kinds = {bytes: b",", str: b";", int: b"#", float: b"^", list: b"]", dict: b"}"}
    if value is None:
        return b"0:~"
    if isinstance(value, bool):
        return b"4:true!" if value else b"5:false!"
    if isinstance(value, dict):
        body = b"".join(_tnet(key) + _tnet(one) for key, one in value.items())
    elif isinstance(value, list):
        body = b"".join(map(_tnet, value))
    else:
        body = value if isinstance(value, bytes) else str(value).encode()
    return str(len(body)).encode() + b":" + body + kinds[type(value)]


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.lists(st.dictionaries(st.text(), _values, max_size=4), max_size=4))
def test_tnetstrings_of_any_shape(written: list[dict[str, Any]]) -> None:
    raw = b"".join(map(_tnet, written))
    assert list(mitmproxy.flows(io.BytesIO(raw))) == written


@given(st.binary())
def test_flows_of_anything_are_read_or_malformed(raw: bytes) -> None:
    for data in (raw, _tnet({"a": raw})[:-1] + raw, str(len(raw)).encode() + b":" + raw + b"}"):
        with contextlib.suppress(Malformed):
            list(mitmproxy.flows(io.BytesIO(data)))


def test_flows_of_the_versions_before_seven() -> None:
    flow = {"type": "websocket", "messages": [[1, False, b"text", 1700000000.5, False]]}
    assert of(_tnet(flow)) == [Frame("", 1, "in", "text", 1700000000500000000, "text")]


def test_nesting_has_an_end() -> None:
    deep: Any = None
    for _ in range(100):
        deep = [deep]
    with pytest.raises(Malformed, match="nested"):
        list(mitmproxy.flows(io.BytesIO(_tnet({"a": deep}))))


# --- logs -----------------------------------------------------------------------------------------


def test_log_of_wscat_on_a_terminal() -> None:
    records = [record for _, record in import_records(FIXTURES / "wscat-terminal.log")]
    assert simple(records)[:2] == [
        ("out", "text", '{"type":"subscribe","assets":[1]}'),
        ("in", "text", '{"type":"signed_ecdsa","p":"0xaa"}'),
    ]
    assert simple(records)[3:] == [("in", "text", "two\nlines"), ("in", "text", "last")]
    assert not [one for one in records if isinstance(one, BrokenLine)]


def test_a_message_of_very_many_lines_is_one_message() -> None:
    """Each line is looked at once: what a pretty-printed snapshot has, a log has too."""
    whole = "\n".join(["{"] + ['"price": 1,'] * 100_000 + ["}"])
    assert simple(of(f"Connected (press CTRL+C to quit)\n< {whole}\n")) == [("in", "text", whole)]


def test_log_of_wscat_in_a_file() -> None:
    records = [record for _, record in import_records(FIXTURES / "wscat-piped.log")]
    first, _, *rest = simple(records)
    assert first[2] == '{"type":"signed_ecdsa","p":"0xaa"}'
    assert [data for _, _, data in rest] == ["two", "lines", "last"]


def test_log_of_wscat_with_a_command() -> None:
    """With -x it prints messages alone, and its prompt and the terminal's codes all the same."""
    records = of((FIXTURES / "wscat-execute.log").read_bytes())
    assert [r.direction for r in records] == ["in"] * 6
    numbers = [sequence_of(bytes.fromhex(json.loads(one.data)["p"][2:])) for one in records]
    assert numbers == [1, 2, 3, 4, 5, 6]
    # `script` repeats the command, with the token in it.
    assert not [one for one in records if "token" in str(one)]


def test_what_script_adds_is_left_out() -> None:
    for text in ("< one\n> two\n", "one\n> two\n"):
        around = f"Script started on 2026-11-21 [COMMAND=x]\n{text}Script done on 2026-11-21\n"
        assert simple(of(around)) == simple(of(text))


def test_lines_with_times_in_front() -> None:
    text = (
        '[2025-12-01T17:04:58.685038908Z] {"a": 1}\n2025-12-01 18:04:59+01:00 pong\n'
        "1764608700.25 ping\n\nplain\n"
    )
    records = of(text)
    assert [(one.at, one.data) for one in records] == [
        (1764608698685038908, '{"a": 1}'), (1764608699000000000, "pong"),
        (1764608700250000000, "ping"), (0, "plain"),
    ]  # fmt: skip


def test_times_of_no_year_are_taken_off() -> None:
    for kind, message in (("lines", '{"a": 1}'), ("wscat", "< ping"), ("hex", "0xaabb")):
        stamped = of(f"Nov 21 16:00:00 {message}\nFeb  1 23:59:60 {message}\n")
        assert stamped == of(f"{message}\n{message}\n"), kind
    assert simple(of("Nov 21 of 2026")) == [("in", "text", "Nov 21 of 2026")]


def test_log_of_websocat() -> None:
    records = [record for _, record in import_records(FIXTURES / "websocat.log")]
    assert isinstance(records.pop(1), BrokenLine)  # a binary message, which it prints as it is
    assert [data for _, _, data in simple(records)[1:]] == ["two lines", "last"]
    text = '[INFO  websocat::lints] Auto-inserting the line mode\n{"a":1}\n{"b":2}\n'
    assert simple(of(text)) == [("in", "text", '{"a":1}'), ("in", "text", '{"b":2}')]


def test_hex_lines() -> None:
    records = of("0x00ff10\n\nAABB\n1764608700 0xcc\n", venue="stork")
    assert simple(records) == [
        ("in", "binary", b"\x00\xff\x10"), ("in", "binary", b"\xaa\xbb"), ("in", "binary", b"\xcc"),
    ]  # fmt: skip
    assert {one.venue for one in records} == {"stork"}
    good, bad, again = of("aabb\nabc\nccdd\n", kind="hex")
    assert isinstance(bad, BrokenLine)
    assert bad.line == 2
    assert (good.data, again.data) == (b"\xaa\xbb", b"\xcc\xdd")


def test_text_that_is_not_utf8_is_reported() -> None:
    first, second, third = of(b"one\n\xff\xfe\nthree\n")
    assert isinstance(second, BrokenLine)
    assert (first.data, second.line, third.data) == ("one", 2, "three")


# --- which is which -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("chrome.har", "har"),
        ("firefox.har", "har"),
        ("mitmproxy.flow", "mitmproxy"),
        ("wscat-terminal.log", "wscat"),
        ("wscat-piped.log", "lines"),
        ("wscat-execute.log", "lines"),
        ("mitmproxy-proxied.flow", "mitmproxy"),
        ("mitmproxy-proxied.har", "har"),
    ],
)
def test_files_are_recognised(name: str, kind: str) -> None:
    raw = (FIXTURES / name).read_bytes()
    assert sniff(raw) == kind
    plain = [record for _, record in import_records(FIXTURES / name)]
    assert repr(of(gzip.compress(raw))) == repr(plain)


def test_captures_are_recognised(tmp_path: Path) -> None:
    for name in ("c.jsonl", "c.jsonl.gz", "c.jsonl.zst"):
        with CaptureWriter(tmp_path / name) as writer:
            writer.frame(Frame("v", 1, "in", "text", 1, "x"))
        assert list(import_frames(tmp_path / name)) == [Frame("v", 1, "in", "text", 1, "x")]
        assert [r for _, r in import_records(tmp_path / name)] == list(
            read_records(tmp_path / name)
        )
        torn = (tmp_path / name).read_bytes()[:-3]
        assert [type(one) for one in of(torn)][-1] in (BrokenLine, Incident)


@given(st.binary() | st.text().map(str.encode))
def test_anything_is_read_or_malformed(raw: bytes) -> None:
    for kind in (None, *KINDS):
        if kind == "pcap":  # another program reads it
            continue
        try:
            found = of(raw, kind=kind)
        except Malformed:
            continue
        for one in found:
            if isinstance(one, Frame):
                line_of(one)


_names = st.sampled_from(
    ["_webSocketMessages", "type", "time", "data", "opcode", "request", "url", "send", "receive"]
)
_scalars = st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _names


_json = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_names, inner, max_size=4),
    max_leaves=10,
)


@given(_json)
def test_any_json_is_a_har_or_malformed(value: Any) -> None:
    text = json.dumps({"log": {"entries": [value, {"_webSocketMessages": [value]}]}})
    for one in of(text, kind="har"):
        assert isinstance(one, Frame | BrokenLine)


def test_kinds_that_are_none_are_misuse() -> None:
    with pytest.raises(Misuse, match="kind"):
        of("", kind="pdf")


def test_hosts_of_venues() -> None:
    assert venue_of("wss://ws.dataengine.chain.link/api") == "chainlink"
    assert venue_of("trade.finerymarkets.com") == "finery"
    assert venue_of("wss://[nonsense/") == ""
    assert venue_of("wss://notqfex.com/") == venue_of("") == venue_of("ws://127.0.0.1:1/") == ""
