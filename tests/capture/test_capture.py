"""Captures: what is written is what is read, whatever happens to the writer."""

# ruff: noqa: PT012 (it is the loop that raises, and the server that comes first)

from __future__ import annotations

import gzip
import io
import json
import os
import random
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payloads.capture import compression, reader
from payloads.capture.compression import Torn
from payloads.capture.format import BrokenLine, Header, line_of
from payloads.capture.frames import Frame, Incident
from payloads.capture.parts import part_paths
from payloads.capture.reader import numbered_records, read_frames, read_records
from payloads.capture.redaction import reply_detail, secrets_in
from payloads.capture.writer import CaptureWriter
from payloads.errors import Malformed, Misuse
from payloads.live import connect
from payloads.simulators import EthgasSimulator, QfexSimulator
from payloads.venues.common.redactor import REDACTED, Redactor, Secret
from payloads.venues.common.session import Authenticated, Reply, Request
from tests.live.kit import SECRET, Numbered, count, read_until, run, serving

NAMES = ("c.jsonl", "c.jsonl.gz", "c.jsonl.zst")


def frame(number: int, data: str | bytes = "x", opcode: Any = None) -> Frame:
    opcode = opcode or ("text" if isinstance(data, str) else "binary")
    return Frame("venue", 1, "in", opcode, 1_000_000_000 + number, data)


def content(path: Path) -> bytes:
    """What a capture's file says, without its compression."""
    with path.open("rb") as stream:
        return b"".join(compression.decompressed(stream))


# --- round trips ----------------------------------------------------------------------------------

# What can come over a websocket: text is valid UTF-8, bytes are anything.
_text = st.text(st.characters(exclude_categories=["Cs"]))
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=8,
)
_frames = st.builds(
    Frame,
    venue=_text,
    connection=st.integers(0, 2**31),
    direction=st.sampled_from(["in", "out"]),
    opcode=st.just("text"),
    at=st.integers(0, 2**63 - 1),
    data=_text,
    redacted=st.booleans(),
) | st.builds(
    Frame,
    venue=_text,
    connection=st.integers(0, 2**31),
    direction=st.sampled_from(["in", "out"]),
    opcode=st.sampled_from(["binary", "ping", "pong", "close"]),
    at=st.integers(0, 2**63 - 1),
    data=st.binary() | _text.map(str.encode),
    redacted=st.booleans(),
)
_happenings = st.builds(
    Incident,
    venue=_text,
    connection=st.integers(0, 2**31),
    at=st.integers(0, 2**63 - 1),
    what=_text,
    detail=st.dictionaries(_text, _json, max_size=3),
)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_is_what_is_read(name: str, tmp_path_factory: Any) -> None:
    @given(st.lists(_frames | _happenings), st.sampled_from([0, 1.0]))
    def round_trip(written: list[Any], flush: float) -> None:
        path = tmp_path_factory.mktemp("capture") / name
        with CaptureWriter(path, venue="v", asked={"a": 1}, flush_every=flush) as writer:
            for one in written:
                writer.frame(one) if isinstance(one, Frame) else writer.incident(one)
        header, *read, end = (one for one in read_records(path) if not is_hash(one))
        assert isinstance(header, Header)
        assert (header.venue, header.asked, header.part) == ("v", {"a": 1}, 1)
        assert read == written
        assert isinstance(end, Incident)
        assert end.what == "end"
        assert end.detail.keys() == {"frames", "lines", "hash"}
        assert end.detail["frames"] == sum(isinstance(one, Frame) for one in written)

    round_trip()


def is_hash(record: Any) -> bool:
    return isinstance(record, Incident) and record.what == "hash"


@given(st.binary())
@settings(max_examples=300)
def test_text_that_is_not_utf8_keeps_its_bytes(data: bytes) -> None:
    line = line_of(frame(1, data, "text"))
    (read,) = [one.record for one in numbered_records([line + b"\n"])]
    assert isinstance(read, Frame)
    assert read.raw == data
    assert isinstance(read.data, str) == _is_utf8(data)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


@given(st.binary(max_size=300), st.integers(0, 300))
def test_whatever_stands_in_a_file_is_reported_and_the_rest_is_read(junk: bytes, at: int) -> None:
    good = [line_of(frame(number)) for number in range(3)]
    junk = junk.replace(b"\n", b" ")
    pieces = b"\n".join([good[0], junk, *good[1:], b""])
    read = [one.record for one in numbered_records([pieces[:at], pieces[at:]])]
    assert [one for one in read if isinstance(one, Frame)] == [frame(0), frame(1), frame(2)]
    if junk.strip():
        assert [one.line for one in read if isinstance(one, BrokenLine)] == [2]


# --- files that were cut off, damaged, or are something else --------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_file_cut_anywhere_gives_everything_before(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    with CaptureWriter(path, flush_every=0) as writer:
        for number in range(30):
            writer.frame(frame(number, f"message {number}"))
    whole, flushed = path.read_bytes(), 0
    cut = tmp_path / ("cut-" + name)
    last = -1
    for size in range(len(whole)):
        cut.write_bytes(whole[:size])
        read = list(read_records(cut))
        numbers = [one.at - 10**9 for one in read if isinstance(one, Frame)]
        assert numbers == list(range(len(numbers)))
        assert len(numbers) - 1 >= last, "a longer piece gives less"
        last = len(numbers) - 1
        broken = [one for one in read if isinstance(one, BrokenLine)]
        assert len(broken) <= 1
        assert all(isinstance(one.error, Torn) for one in broken)
        flushed += bool(broken)
    assert last == 29
    assert flushed > 10


def test_a_broken_line_is_reported_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    with CaptureWriter(path) as writer:
        for number in range(5):
            writer.frame(frame(number))
    lines = path.read_bytes().split(b"\n")
    lines[2] = b'{"at":1,"dir":"in","op":"text"}'
    lines[3] = b"not JSON"
    lines[4] = b'{"at":1,"dir":"sideways","op":"text","text":""}'
    lines[5] = b'{"at":1,"dir":"in","op":"binary","base64":"A"}'
    path.write_bytes(b"\n".join(lines))
    read = list(read_records(path))
    assert [one.line for one in read if isinstance(one, BrokenLine)] == [3, 4, 5, 6]
    assert [one.at for one in read_frames(path)] == [10**9]


@pytest.mark.parametrize("name", NAMES[1:])
def test_a_damaged_compressed_file_is_read_up_to_the_damage(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    with CaptureWriter(path, flush_every=0) as writer:
        for number in range(200):
            writer.frame(frame(number, random.Random(number).randbytes(100)))
    raw = bytearray(path.read_bytes())
    for at in range(len(raw) // 2, len(raw) // 2 + 40):
        raw[at] ^= 0xFF
    path.write_bytes(raw)
    read = list(read_records(path))
    # gzip has no check on the way, so what follows the damage may be anything; it is reported.
    until = next(at for at, one in enumerate(read) if isinstance(one, BrokenLine))
    numbers = [one.at - 10**9 for one in read[:until] if isinstance(one, Frame)]
    assert 50 < len(numbers) < 150
    assert numbers == list(range(len(numbers)))
    assert not isinstance(read[-1], Frame)


def test_a_line_longer_than_any_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "MAX_LINE_BYTES", 10_000)
    path = tmp_path / "c.jsonl"
    good = line_of(frame(1))
    path.write_bytes(good + b"\n" + b"x" * 1_000_000 + b"\n" + good + b"\n")
    read = list(read_records(path))
    assert [type(one).__name__ for one in read] == ["Frame", "BrokenLine", "Frame"]


def test_a_capture_of_a_later_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text('{"capture": 2}\n')
    with pytest.raises(Malformed, match="another format"):
        list(read_records(path))


def test_what_a_later_version_adds_is_ignored() -> None:
    line = b'{"at":1,"venue":"v","conn":1,"dir":"in","op":"text","text":"x","later":[1]}\n'
    (placed,) = numbered_records([line])
    read = placed.record
    assert read == Frame("v", 1, "in", "text", 1, "x")


def test_other_peoples_compression_is_read(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    with CaptureWriter(path) as writer:
        for number in range(1000):
            writer.frame(frame(number))
    one, other = tmp_path / "c.jsonl.gz", tmp_path / "two.gz"
    one.write_bytes(gzip.compress(path.read_bytes(), 9))
    assert list(read_records(one)) == list(read_records(path))
    other.write_bytes(one.read_bytes() * 2)
    assert len(list(read_records(other))) == 2 * len(list(read_records(one)))


def test_reading_takes_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl.gz"
    with CaptureWriter(path) as writer:
        for number in range(200):
            writer.frame(frame(number, "x" * 1_000_000))
    code = textwrap.dedent(f"""
        import resource
        from payloads.capture.reader import read_frames
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert sum(len(one.data) for one in read_frames({str(path)!r})) == 200_000_000
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown < 40_000, grown
    """)
    subprocess.run([sys.executable, "-c", code], check=True)


# --- the writer -----------------------------------------------------------------------------------


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text("precious")
    with pytest.raises(Misuse, match="already there"):
        CaptureWriter(path)
    with pytest.raises(Misuse, match="cannot be written"):
        CaptureWriter(tmp_path / "nowhere" / "c.jsonl")
    assert path.read_text() == "precious"


@pytest.mark.skipif(os.name != "posix", reason="modes")
def test_a_capture_is_for_its_owner(tmp_path: Path) -> None:
    with CaptureWriter(tmp_path / "c.jsonl"):
        assert stat.S_IMODE((tmp_path / "c.jsonl").stat().st_mode) == 0o600


@pytest.mark.parametrize("options", [{"flush_every": -1}, {"max_bytes": 0}, {"max_seconds": 0}])
def test_bounds_that_are_none_are_misuse(options: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(Misuse):
        CaptureWriter(tmp_path / "c.jsonl", **options)
    assert not list(tmp_path.iterdir())


def test_a_closed_writer_says_so(tmp_path: Path) -> None:
    writer = CaptureWriter(tmp_path / "c.jsonl")
    writer.close()
    writer.close()
    with pytest.raises(Misuse, match="closed"):
        writer.frame(frame(1))


@pytest.mark.parametrize("name", NAMES)
def test_rotation_by_size_loses_nothing(name: str, tmp_path: Path) -> None:
    path, noise = tmp_path / name, random.Random(1)
    sent = [frame(number, noise.randbytes(200)) for number in range(300)]
    with CaptureWriter(path, flush_every=0, max_bytes=10_000) as writer:
        for one in sent:
            writer.frame(one)
    files = list(part_paths(path))
    assert [str(file) for file in files] == list(writer.summary.files)
    assert len(files) > 5
    assert files[1].name == name.replace("c.", "c.0002.")
    assert [one for file in files for one in read_frames(file)] == sent
    headers = [next(iter(read_records(file))) for file in files]
    assert [header.part for header in headers if isinstance(header, Header)] == list(
        range(1, len(files) + 1)
    )
    assert len({header.id for header in headers if isinstance(header, Header)}) == 1
    *_, end = read_records(files[0])
    assert isinstance(end, Incident)
    assert end.detail["next"] == files[1].name
    assert all(file.stat().st_size < 11_000 for file in files)
    assert writer.summary.frames == 300
    assert writer.summary.file_bytes == sum(file.stat().st_size for file in files)


def test_rotation_by_time(tmp_path: Path) -> None:
    now = 10**18
    writer = CaptureWriter(tmp_path / "c.jsonl", max_seconds=60, clock=lambda: now)
    for second in range(0, 300, 10):
        now = 10**18 + second * 10**9
        writer.frame(Frame("v", 1, "in", "text", now, "x"))
    writer.close()
    assert [len(list(read_frames(file))) for file in part_paths(tmp_path / "c.jsonl")] == [6] * 5


def test_what_was_written_is_in_the_file_within_the_flush_interval(tmp_path: Path) -> None:
    for name in NAMES:
        path = tmp_path / name
        with CaptureWriter(path, flush_every=0.1) as writer:
            writer.frame(frame(1))
            time.sleep(0.4)
            assert len(list(read_frames(path))) == 1, name


def test_many_threads_may_write(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl.gz"
    with CaptureWriter(path, flush_every=0.01) as writer:

        def work(thread: int) -> None:
            for number in range(500):
                writer.frame(frame(number * 10 + thread, f"thread {thread}"))

        threads = [threading.Thread(target=work, args=(thread,)) for thread in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    read = list(read_frames(path))
    assert len(read) == 2000
    assert not [one for one in read_records(path) if isinstance(one, BrokenLine)]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="wants /dev/full")
def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = CaptureWriter(tmp_path / "c.jsonl", flush_every=0.05)
    full = os.open("/dev/full", os.O_WRONLY)
    assert writer._file is not None
    os.dup2(full, writer._file)
    with pytest.raises(OSError, match="No space left"):
        for number in range(100):
            writer.frame(frame(number))
            time.sleep(0.02)
    with pytest.raises(OSError, match="No space left"):
        writer.close()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="wants /dev/full")
@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_written_behind_what_could_not_be(name: str, tmp_path: Path) -> None:
    """The disk has room again, but what would come then could not be read."""
    writer = CaptureWriter(tmp_path / name, flush_every=0)
    writer.frame(frame(1))
    assert writer._file is not None
    room, full = os.dup(writer._file), os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, writer._file)
    with pytest.raises(OSError, match="No space left"):
        writer.frame(frame(2))
    os.dup2(room, writer._file)
    size = (tmp_path / name).stat().st_size
    for _ in range(2):
        with pytest.raises(OSError, match="No space left"):
            writer.frame(frame(3))
    with pytest.raises(OSError, match="No space left"):
        writer.close()
    assert (tmp_path / name).stat().st_size == size
    assert list(read_frames(tmp_path / name)) == [frame(1)]
    os.close(room)
    os.close(full)


def test_rotation_into_what_is_there(tmp_path: Path) -> None:
    second, third = tmp_path / "c.0002.jsonl", tmp_path / "c.0003.jsonl"
    second.write_text("mine")
    with pytest.raises(Misuse, match="is already there"):
        CaptureWriter(tmp_path / "c.jsonl", max_bytes=1)
    assert [*tmp_path.iterdir()] == [second]
    second.rename(third)
    writer = CaptureWriter(tmp_path / "c.jsonl", flush_every=0, max_bytes=1)
    writer.frame(frame(1))
    for _ in range(2):
        with pytest.raises(FileExistsError):
            writer.frame(frame(2))
    writer.close()
    assert third.read_text() == "mine"
    assert [one for file in part_paths(tmp_path / "c.jsonl") for one in read_frames(file)] == [
        frame(1)
    ]


# --- killed ---------------------------------------------------------------------------------------

CHILD = """
    import sys, time
    from payloads.capture.writer import CaptureWriter
    from payloads.capture.frames import Frame

    writer = CaptureWriter(sys.argv[1], flush_every=0.05)
    print("ready", flush=True)
    number = 0
    while True:
        for _ in range(20):
            number += 1
            writer.frame(Frame("v", 1, "in", "text", time.time_ns(), f"message {number} " * 10))
        time.sleep(0.001)
"""


@pytest.mark.skipif(os.name != "posix", reason="kills a process")
@pytest.mark.parametrize("name", NAMES)
def test_a_writer_killed_at_any_moment_loses_no_more_than_its_interval(
    name: str, tmp_path: Path
) -> None:
    """Ten times each; a machine that is busy may be as late again with a flush."""
    deliveries = random.Random(name)
    for attempt in range(10):
        path = tmp_path / f"{attempt}-{name}"
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(CHILD), str(path)], stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.1 + deliveries.random() / 5)
        child.send_signal(signal.SIGKILL)
        killed = time.time_ns()
        child.wait()
        child.stdout.close()
        read = list(read_records(path))
        kept = [one for one in read if isinstance(one, Frame)]
        texts = [f"message {number} " * 10 for number in range(1, len(kept) + 1)]
        assert [one.data for one in kept] == texts, "one is missing or doubled"
        assert (killed - kept[-1].at) / 1e9 < 0.05 + 0.3
        assert [type(one.error) for one in read if isinstance(one, BrokenLine)] in ([], [Torn])


# --- credentials ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_no_credential_is_in_the_file(name: str, tmp_path: Path) -> None:
    secret = 'a "quoted" secret/with=signs'
    path = tmp_path / name
    with CaptureWriter(path, secrets=[Secret(secret)], asked={"mistake": secret}) as writer:
        writer.frame(frame(1, f"echo {secret} and {json.dumps(secret)}"))
        writer.frame(frame(2, b"\xff" + secret.encode() + b"\xfe"))
        writer.frame(frame(3, "nothing here"))
        writer.incident(Incident("v", 1, 1, "refused", {"body": f"bad key: {secret}"}))
        writer.learn("learnt-later-on")
        writer.frame(frame(4, "learnt-later-on"))
    text = content(path)
    for spelling in (secret, json.dumps(secret)[1:-1], "learnt-later-on"):
        assert spelling.encode() not in text
        assert b64encode(spelling.encode())[4:-4] not in text
    first, second, third, fourth = read_frames(path)
    assert first.data == f'echo {REDACTED} and "{REDACTED}"'
    assert second.raw == b"\xff" + REDACTED.encode() + b"\xfe"
    assert [one.redacted for one in (first, second, third, fourth)] == [True, True, False, True]
    assert writer.summary.redacted == 3


@given(
    st.lists(_text | st.binary(max_size=50), max_size=20),
    st.integers(0, 20),
    st.booleans(),
    st.text('abXYZ-ß"0', min_size=8, max_size=12),
)
def test_a_credential_is_found_among_many_frames(
    messages: list[str | bytes], at: int, as_text: bool, secret: str
) -> None:
    """All that waits is looked through at once: with the same result as one by one."""
    held = f"before {secret} behind" if as_text else b"\xff" + secret.encode() + b"\xfe"
    messages.insert(at, held)
    redactor = Redactor(secret)
    assert redactor.may_find(messages)
    others = [one for one in messages if redactor.clean(one) == one and not escaped(one)]
    assert not redactor.may_find(others)


def escaped(message: str | bytes) -> bool:
    raw = message if isinstance(message, bytes) else message.encode("utf-8", "surrogatepass")
    return b"%" in raw or b"\\" in raw


def test_a_frame_that_waits_is_cleaned_of_what_is_learnt_before_it_is_written(
    tmp_path: Path,
) -> None:
    path = tmp_path / "c.jsonl"
    with CaptureWriter(path, flush_every=3600) as writer:
        writer.frame(frame(1, '{"jwt":"issued-a-moment-ago"}'))
        writer.frame(frame(2, b"plain"))
        writer.learn("issued-a-moment-ago")
    assert b"issued" not in content(path)
    assert [one.redacted for one in read_frames(path)] == [True, False]


def test_a_reply_is_kept_to_the_byte_and_cleaned_of_credentials(tmp_path: Path) -> None:
    secret = 'a "quoted" secret'
    exact = '{"reports":[{"price": 1.50, "name":"Zürich\\n"}]}\n'
    bodies = [exact, json.dumps({"echo": secret})]
    path = tmp_path / "c.jsonl"
    with CaptureWriter(path, secrets=[Secret(secret)]) as writer:
        for body in bodies:
            reply = Reply("page", 200, body.encode())
            detail = reply_detail(Request("GET", "https://venue.example"), reply, writer.learn)
            writer.incident(Incident("v", 1, 1, "reply", detail))
    first, second, end = (one for one in read_records(path) if isinstance(one, Incident))
    assert first.reply == Reply("page", 200, exact.encode())
    assert second.reply == Reply("page", 200, json.dumps({"echo": REDACTED}).encode())
    assert (first.redacted, second.redacted, end.reply) == (False, True, None)
    # A line that is written once more is the same.
    lines = path.read_bytes().splitlines()
    assert [line_of(one) for one in read_records(path)] == lines  # type: ignore[arg-type]


def test_replies_of_older_captures_are_read() -> None:
    old = (
        b'{"capture":1}\n'
        b'{"at":1,"venue":"v","conn":1,"what":"reply","detail":{"purpose":"p","status":200,"body":"[]"}}\n'
        b'{"at":1,"venue":"v","conn":1,"what":"reply","detail":{"purpose":"p","status":200,"body":{"a":1}}}\n'
    )
    _, kept, other = read_records(io.BytesIO(old))
    assert isinstance(kept, Incident)
    assert kept.reply == Reply("p", 200, b"[]")
    assert isinstance(other, Incident)
    assert other.reply is None


def test_the_answers_to_a_login_are_not_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"

    async def work() -> None:
        async with EthgasSimulator() as server:
            session = server.session(login=server.login())
            with CaptureWriter(path) as writer:
                async with connect(session, recorder=writer) as connection:
                    async for event in connection.events():
                        if isinstance(event, Authenticated):
                            break
        for token in secrets_in(session):
            assert token.reveal().encode() not in path.read_bytes()

    run(work())
    replies = [
        one for one in read_records(path) if isinstance(one, Incident) and one.what == "reply"
    ]
    assert replies
    for one in replies:
        assert set(one.detail) == {"purpose", "status", "body_bytes"}
        assert one.detail["body_bytes"] > 0


@pytest.mark.parametrize("how", ["key", "token", "source"])
def test_no_credential_of_a_trade_socket_is_in_the_file(how: str, tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"

    async def work() -> None:
        async with QfexSimulator() as server:
            token = server.jwt()
            held: dict[str, Any] = {"token": Secret(token), "source": lambda: token}
            given: dict[str, Any] = {"credentials": held[how]} if how in held else {}
            session = server.trade_session(**given)
            with CaptureWriter(path) as writer:
                async with connect(session, recorder=writer) as connection:
                    async for event in connection.events():
                        if isinstance(event, Authenticated):
                            break
            for secret in (token, server.public_key, server.secret):
                assert secret.encode() not in path.read_bytes()

    run(work())
    assert b"authenticated" in path.read_bytes()


def test_a_capture_over_a_real_connection_holds_no_credential(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"

    async def work() -> None:
        async def handler(socket: Any) -> None:
            await count(socket, 3)
            await socket.send(json.dumps({"echo": SECRET.reveal()}))
            await count(socket, 3)

        async with serving(handler) as url:
            secret_url = f"{url}&key=parameter-that-nobody-may-see"
            with CaptureWriter(path, venue="numbered") as writer:
                async with connect(Numbered(secret_url), recorder=writer) as connection:
                    await read_until(connection, 3)
                    async for delivery in connection:
                        if delivery.frame is not None:
                            break

    run(work())
    raw = path.read_bytes()
    assert SECRET.reveal().encode() not in raw
    assert b"nobody-may-see" not in raw
    read = list(read_records(path))
    words = [one.what for one in read if isinstance(one, Incident)]
    assert words == ["dialling", "opened", "closed", "end"]
    dialling = next(one for one in read if isinstance(one, Incident))
    assert dialling.detail["headers"] == [["X-Token", REDACTED], ["X-Plain", "plain"]]
    assert dialling.detail["url"].endswith(f"?a=1,2&b=%2C&key={REDACTED}")
    sent = [one for one in read if isinstance(one, Frame) and one.direction == "out"]
    assert sent[0].data == json.dumps({"after": 0, "token": REDACTED}, separators=(",", ":"))
    assert sent[0].redacted
    echoed = [one for one in read if isinstance(one, Frame) and "echo" in str(one.data)]
    assert [one.redacted for one in echoed] == [True]
