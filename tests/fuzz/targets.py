"""The entries that hostile bytes reach, each as a function of bytes.

A target lets out the documented exceptions by returning, and everything else by raising. It stops
the fuzzer at any other exception, and at an input that takes too long or too much memory.
"""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec

import payloads
from payloads import State, chainlink, stork
from payloads.errors import PayloadError
from tests.chain.stork_chain import ADDRESS

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "fixtures" / "examples"
SECOND = 10**9
NOW = 1_760_000_000 * SECOND

Target = Callable[[bytes], None]


def _text(data: bytes) -> str:
    """Any text, lone surrogates among it."""
    return data.decode("utf-8", "surrogateescape")


def decode(data: bytes) -> None:
    """`payloads.decode` and the payload's own methods, from bytes and from text."""
    for value in (data, _text(data)):
        with suppress(PayloadError):
            found = payloads.decode(value)
            for leaf in found.leaves():
                assert leaf.notes is not None
                if leaf.value is not None:
                    assert repr(leaf.value)


def inspect(data: bytes) -> None:
    """`payloads.inspect`: every byte of what is shown is shown."""
    with suppress(PayloadError):
        view = payloads.inspect(data)
        assert sum(len(span.raw) for span in view.spans) >= view.size


def encode(data: bytes) -> None:
    """From JSON objects to payloads, and back to their bytes."""
    try:
        record = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return
    for from_dict in (chainlink.from_dict, stork.from_dict):
        with suppress(PayloadError):
            payload: Any = from_dict(record)
            raw = payload.encode()
            assert payloads.decode(raw).raw == raw


STATES = [State.load(EXAMPLES / name) for name in ("state.json", "stork-state.json")]


def judge(data: bytes) -> None:
    """Verdicts with their explanations, of payloads and of whole calldata."""
    for state in STATES:
        for system in (chainlink, stork):
            with suppress(PayloadError):
                verdict: Any = system.judge_calldata(data, state)
                assert verdict.explanation
        with suppress(PayloadError):
            verdict = payloads.judge(data, state)
            assert verdict.explanation
            json.dumps(verdict.to_dict())


def state(data: bytes) -> None:
    """State files, JSON and TOML: read or refused; what is read is the same again."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("state.json", "state.toml"):
            path = Path(folder) / name
            path.write_bytes(data)
            with suppress(PayloadError):
                found = State.load(path)
                assert State.from_dict(found.to_dict()) == found
                assert repr(found)
                assert payloads.judge(bytes(75), found).explanation


def importers(data: bytes) -> None:
    """Files of every kind, told and guessed, plain and compressed."""
    from payloads.capture import import_records
    from payloads.capture.importers import any_file, pcap
    from payloads.capture.importers.messages import ReadOptions

    kinds = (None, *(kind for kind in any_file.KINDS if kind != "pcap"))
    kind = kinds[data[0] % len(kinds)] if data else None
    for content in (data[1:], gzip.compress(data[1:])):
        if any_file.sniff(data[1:]) == "pcap":  # another program reads it
            continue
        with suppress(PayloadError):
            for _, record in import_records(BytesIO(content), kind=kind):
                assert repr(record)
    # What that program prints of it may be anything.
    with suppress(PayloadError):
        layers = pcap._parsed(data[1:])
        for record in pcap._Conversations(ReadOptions()).packet(layers or {}):
            assert repr(record)


# --- sessions -------------------------------------------------------------------------------------


def _sessions() -> Iterator[Any]:
    from payloads.venues import Session, session

    feed = "0x00030ab7d02fbba9c6304f98824524407b1f494741174320cfd17a2c22eec1de"
    made: list[Any] = [
        lambda: session("chainlink", [feed], key="k" * 36, secret="s" * 36),
        lambda: session("stork", ["1", "BTCUSD"], token="t" * 36),
        lambda: session("finery", ["B:BTC-USD", "P"], key="k" * 36, secret="s" * 36),
        lambda: session("ethgas", ["orderBookUpdate:inclusionPreconf"]),
        lambda: session("ethgas", ["orderBookUpdate:inclusionPreconf"], dialect="draft"),
        lambda: session("qfex", ["level2:AAPL-USD", "candle:AAPL-USD/1MIN"]),
        lambda: session("qfex-trade", ["positions"], public_key="k" * 36, secret="s" * 36),
    ]
    for make in made:
        found = make()
        assert isinstance(found, Session)
        yield make


def _driven(session: Any, data: bytes) -> None:
    """A session through connections whose every message, reply and refusal is the fuzzer's."""
    now = NOW
    session.dial(now)
    session.opened(now)
    for piece in data.split(b"\xff"):
        now += (len(piece) % 7) * SECOND
        what = piece[:1]
        for event in _step(session, what, piece[1:], now):
            assert repr(event)
        session.take()
        for request in session.take_requests():
            from payloads.venues.common.session import Reply

            session.replied(Reply(request.purpose, piece[0] % 2 * 200 if piece else 0, piece), now)
        assert session.deadline is None or session.deadline >= 0


def _step(session: Any, what: bytes, rest: bytes, now: int) -> Any:
    if what == b"\x01":
        return session.received(rest, now)
    if what == b"\x02":
        events = session.closed(int.from_bytes(rest[:2], "big"), _text(rest[2:]), now)
        session.dial(now)
        return [*events, *session.opened(now)]
    if what == b"\x03":
        return [session.rejected(int.from_bytes(rest[:1], "big") + 400, (), rest)[0]]
    if what == b"\x04":
        return session.tick(max(now, session.deadline or now))
    return session.received(rest.decode("utf-8", "replace"), now)


def sessions(data: bytes) -> None:
    """Every session of every venue: none raises for what a server sends."""
    makers = list(_MAKERS or _sessions())
    _MAKERS[:] = makers
    if data:
        _driven(makers[data[0] % len(makers)](), data[1:])


_MAKERS: list[Any] = []


def servers(data: bytes) -> None:
    """The servers' half, as simulators use it: none raises for what a client sends."""
    from payloads.venues.chainlink.server import read_query
    from payloads.venues.common.redactor import Secret
    from payloads.venues.ethgas.protocol import DIALECTS
    from payloads.venues.ethgas.server import SocketDesk
    from payloads.venues.finery.server import Connection
    from payloads.venues.qfex.server import AuthDesk
    from payloads.venues.stork.server import read_command, read_upgrade

    text = data.decode("utf-8", "replace")
    for dialect in DIALECTS.values():
        SocketDesk(Secret("k" * 32), "1", dialect).received(text, NOW)
    for read in (read_query, read_upgrade, read_command):
        with suppress(PayloadError):
            read(text)
    try:
        message = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        message = text
    Connection(["BTC-USD"], ["USD"]).check(message)
    AuthDesk({"k": Secret("s" * 32)}).check(message, NOW)


def command_line(data: bytes) -> None:
    """The commands that read payloads, in process: no traceback, whatever is piped in."""
    from click.testing import CliRunner

    from payloads.cli.main import main

    commands = (
        ["decode", "--json", "-"], ["decode", "-"], ["inspect", "-"], ["recover", "-"],
        ["encode", "-"], ["verify", "--state", str(EXAMPLES / "state.json"), "-"],
        ["quote", "--state", str(EXAMPLES / "state.json"), "-"],
    )  # fmt: skip
    command = commands[data[0] % len(commands)] if data else commands[0]
    result = CliRunner().invoke(main, command, input=data[1:])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code in (0, 1, 2)


class _Answers:
    """A provider that answers with the fuzzer's JSON, a line each."""

    def __init__(self, data: bytes) -> None:
        self._lines = data.split(b"\n")

    def make_request(self, method: str, params: list[Any]) -> Any:
        line = self._lines.pop(0) if self._lines else b"{}"
        try:
            return msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise ValueError("not JSON") from error


def node(data: bytes) -> None:
    """A state read from a node that answers anything at all."""
    from payloads.chain import connect, fetch_state

    with suppress(PayloadError):
        found = connect(_Answers(data), pause=lambda seconds: None)
        state = fetch_state(found, ADDRESS)
        assert State.from_dict(state.to_dict()) == state
        assert repr(state)


class _Overheard:
    """A node whose answers are kept, a line each."""

    def __init__(self, chain: Any) -> None:
        self._chain, self.lines = chain, list[bytes]()

    def make_request(self, method: str, params: list[Any]) -> Any:
        unknown: Any = {"error": {"code": -32601, "message": "the method does not exist"}}
        known = hasattr(self._chain, method)
        answer = self._chain.make_request(method, params) if known else unknown
        self.lines.append(msgspec.json.encode(answer))
        return answer


def _dialogues() -> Iterator[bytes]:
    """The answers of nodes that tell the truth: one of each contract."""
    from payloads.chain import connect, fetch_state
    from tests.chain.test_fetch_stork import several, single
    from tests.chain.test_live_state import streams_chain

    for chain in (single(), several(), streams_chain()):
        heard = _Overheard(chain)
        fetch_state(connect(heard, pause=lambda seconds: None), ADDRESS)
        yield b"\n".join(heard.lines)


TARGETS: dict[str, Target] = {
    "decode": decode, "inspect": inspect, "encode": encode, "judge": judge, "state": state,
    "importers": importers, "sessions": sessions, "servers": servers,
    "command_line": command_line, "node": node,
}  # fmt: skip


# --- seeds ----------------------------------------------------------------------------------------


def seeds(name: str) -> Iterator[bytes]:
    """Inputs to begin with: what is published, and what once broke the target."""
    yield from _found(name)
    examples = [path.read_bytes() for path in sorted(EXAMPLES.glob("*"))]
    published = [
        bytes.fromhex(json.loads(line)["hex"].removeprefix("0x"))
        for line in (ROOT / "fixtures" / "payloads.jsonl").read_text().splitlines()[:40]
    ]
    if name in ("decode", "inspect", "judge"):
        yield from published
        yield from (chainlink.encode_calldata([raw]) for raw in published[:3])
    if name == "encode":
        for raw in published:
            with suppress(PayloadError):
                found: Any = payloads.decode(raw).value
                module = chainlink if hasattr(found, "report") else stork
                yield json.dumps(module.to_dict(found)).encode()
    if name in ("decode", "state", "command_line"):
        yield from examples
    if name == "command_line":
        for raw in published[:5]:
            yield from (bytes([kind]) + raw.hex().encode() for kind in range(7))
    if name == "importers":
        folder = ROOT / "tests" / "capture" / "fixtures"
        for path in sorted(folder.iterdir()):
            if path.is_file() and path.suffix != ".md":
                yield b"\0" + path.read_bytes()
    if name in ("sessions", "servers"):
        yield from (bytes([kind]) + b"\0" + text for kind in range(7) for text in MESSAGES)
    if name == "node":
        yield b'{"result":"0x1"}\n{"result":"0x6080"}\n{"error":{"code":3,"data":"0x"}}'
        yield from _dialogues()


MESSAGES = [
    b'{"type":"subscription_response","success":true}',
    b'{"type":"error","message":"no"}',
    b'["X",0,"S",[0]]',
    b'["B",0,"S",[[[100,5]],[[101,6]]]]',
    b'{"success":true,"data":{"connection":"x"}}',
    b'{"type":"level2","symbol":"AAPL-USD","bids":[["1","2"]],"asks":[],"sequence":1}',
    b'{"auth":{"status":"ok"}}',
]


def _found(name: str) -> Iterator[bytes]:
    for path in sorted((Path(__file__).parent / "found" / name).glob("*.bin")):
        yield path.read_bytes()
