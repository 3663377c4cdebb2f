"""Every command over hostile arguments and files, in process and on a terminal.

A command that is added joins by itself: `leaves` goes through the groups, and `shapes` fills in its
arguments and options by their kinds.
"""

from __future__ import annotations

import ast
import contextlib
import itertools
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import click
import pytest
from click.testing import CliRunner
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve

from payloads import forensics
from payloads.cli import terminal
from payloads.cli.main import main
from tests import corpus

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "fixtures" / "examples"
STATE = json.loads((EXAMPLES / "state.json").read_text())

# Clears the screen, sets the title (C1), deletes, turns the direction, forges a line.
EVIL = "\x1b[2J\x9b31m\x9d0;t\x07\x7f\x08\u202e\u2066\u2028\rx\nerror: forged"


def leaves(
    command: click.Command = main, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that does something, with the words that call it."""
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        assert child is not None
        yield from leaves(child, (*path, name))


COMMANDS = dict(leaves())

# --- what is given --------------------------------------------------------------------------------

DEEP = "[" * 100_000
CLOSED = DEEP + "]" * 100_000
ARGUMENTS = [
    "", " ", "-", "--", "\udcff", "a\udcffb", "a\0b", EVIL, "0x", "0x0", "0x\udcff", "{",
    '{"a":"\udcff"}', "[]", "[0,[1]]", "null", DEEP, '{"fullReport":' + DEEP,
    '{"report":{"fullReport":5}}',
    "1e99999999999999999999", "9" * 5000, "-0x5", "1_0", "../..", "/", "x" * 5000, "\u202e",
    '{"system":"chainlink","feed_id":' + CLOSED + "}", '{"system":"stork","layout":[[[[]]]]}',
    corpus.entry("cl-015").text, corpus.entry("cl-003").text,
]  # fmt: skip


def files(folder: Path) -> list[str]:
    """Files of every kind, with what no file should have."""
    evil_state = STATE | {"source": EVIL, "network": EVIL, "world": EVIL}
    har: Any = {"log": {"entries": [
        {"request": {"url": "wss://x/" + EVIL}, "_webSocketMessages": [
            {"type": "error", "data": EVIL}, {"type": EVIL}, {"type": "send", "opcode": EVIL},
            {"type": "send", "opcode": 1, "time": [0, [1]], "data": EVIL}, 5]},
        {"request": {"url": "wss://y/" + EVIL}},
    ]}}  # fmt: skip
    end = {"at": 1, "venue": EVIL, "conn": 1, "what": "end", "detail": {"next": EVIL}}
    contents = {
        "state.json": json.dumps(evil_state), "stranger.json": json.dumps(STATE | {EVIL: 1}),
        "huge.json": json.dumps(STATE | {"proxy": 9 * 10**9}),
        "deep.json": '{"a":' * 1000, "number.json": '{"contract":' + "9" * 5000 + "}",
        "x.har": json.dumps(har), "big.har": '{"log":{"entries":[1e99999999999999999999,{}]}}',
        "x.jsonl": '{"capture":1,"id":"a"}\n' + json.dumps(end) + "\nbad\x1b\n",
        "later.jsonl": '{"capture":99}\n', "x.log": f"Connected (press\n< {EVIL}\n{EVIL}\n",
        "x.flow": "3:0:~}", f"name{EVIL}.txt".replace("\0", ""): "0xzz\n" + EVIL,
        "not\udcffutf8.txt": "0xzz",
    }  # fmt: skip
    written = []
    for name, content in contents.items():
        path = folder / name
        with contextlib.suppress(OSError, UnicodeError):  # where a file system forbids the name
            path.write_bytes(content.encode("utf-8", "surrogatepass"))
            written.append(str(path))
    binary = folder / "bytes.bin"
    binary.write_bytes(bytes(range(256)))
    return [*written, str(binary), str(folder), str(folder / f"none{EVIL}")]


# Each of them makes a whole scan of the files that it is given.
SCANNING = ("scan", "report", "signers", "diff")


def shapes(
    path: tuple[str, ...], command: click.Command, value: str, folder: str = ""
) -> list[list[str]]:
    """The command with this value in place of its arguments, and of each option.

    Beside an option, a command that makes a scan is given the folder of one, if there is any:
    nothing else depends on how its tables came. States are about files.
    """
    # A single payload, and no processes of its own.
    given = dict(BRIEF.get(path[0], {}))
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.required:
            given[parameter.opts[-1]] = usual(parameter)
    arguments = [usual(each) for each in command.params if isinstance(each, click.Argument)]

    def call(arguments: list[str], options: dict[str, str]) -> list[str]:
        flat = [f"{name}={value}" if name[:2] == "--" else f"{name}{value}"
                for name, value in options.items()]  # fmt: skip
        return [*path, *flat, "--", *arguments]

    calls = [call([value] * len(arguments), given)]
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.is_flag:
            about_files = path[0] not in SCANNING[1:] or parameter.name == "state"
            beside = [folder] * len(arguments) if folder and not about_files else arguments
            calls.append(call(beside, given | {parameter.opts[-1]: value}))
    return calls


BRIEF = {"generate": {"--count": "1"}, "scan": {"--jobs": "1"}}


def usual(parameter: click.Parameter) -> str:
    """A harmless value for what a command must be given. Nothing listens on the port."""
    if parameter.name == "state_path":
        return str(EXAMPLES / "state.json")
    known = {"venue": "stork", "rpc": "http://127.0.0.1:1", "output": "", "proxy": "0x" + "11" * 20}
    return known.get(str(parameter.name), str(EXAMPLES / "report.hex"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a scan, with its findings."""
    out = tmp_path_factory.mktemp("scanned")
    forensics.scan(EXAMPLES / "report.hex", out=out, jobs=1)
    forensics.find(out).write(out)
    return str(out)


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """No command may reach the network or run for long."""
    import asyncio

    def run(work: Any, **options: Any) -> None:
        work.close()
        raise SystemExit(0)

    from payloads.capture import inputs
    from payloads.chain import rpc
    from payloads.forensics.scanning import run as scanning

    monkeypatch.setattr(scanning, "_cores", lambda: 1)  # no processes
    monkeypatch.setattr(asyncio, "run", run)
    monkeypatch.setattr(inputs, "MAX_INPUTS", 50)  # a folder of the machine has more
    monkeypatch.setattr(rpc, "ATTEMPTS", 1)


def check(arguments: list[str], **options: Any) -> None:
    result = CliRunner().invoke(main, arguments, **options)
    where = [argument[:60] for argument in arguments]
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise AssertionError(where) from result.exception
    assert result.exit_code in (0, 1, 2), where
    assert "Traceback" not in result.output
    # In a pipe, replay's lines are a capture, which keeps every message as it was.
    shown = result.stderr if arguments[0] == "replay" else result.stdout + result.stderr
    for line in shown.split("\n"):
        assert line.isprintable(), (where, line[:200])
        assert not line.startswith("error: forged"), where


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_no_argument_and_no_file_ends_a_command_with_a_traceback(
    path: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    values = [*ARGUMENTS, *files(tmp_path / "in")]
    if path[0] in ("capture", "generate"):  # they read no payload, and have many options
        values = values[:10]
    if path[0] in SCANNING:
        values = values[:: {"scan": 30, "report": 16}.get(path[0], 8)]
    for value in values:
        for arguments in shapes(path, COMMANDS[path], value, folder):
            check(arguments)


@pytest.mark.parametrize("text", [value for value in ARGUMENTS if "\0" not in value])
def test_what_is_piped_in_is_read_or_told(text: str) -> None:
    for command in ("decode", "inspect", "recover", "encode"):
        check([command], input=text.encode("utf-8", "surrogateescape"))
        check([command, "--json"], input=text.encode("utf-8", "surrogateescape"))


def test_usage_errors_are_printable() -> None:
    for arguments in ([EVIL], [f"--{EVIL}"], ["decode", f"--{EVIL}"], ["decode", "--as", EVIL],
                      ["state", EVIL], ["state", "show", f"--{EVIL}"]):  # fmt: skip
        check(arguments)


# --- one place prints -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", sorted((ROOT / "payloads").rglob("*.py")), ids=lambda path: path.stem
)
def test_only_one_module_prints(path: Path) -> None:
    """`click.echo`, `print`, `click.style` and the streams stand in `cli/terminal.py` alone."""
    if path.name == "terminal.py" and path.parent.name == "cli":
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            assert name not in {
                "print", "click.echo", "click.secho", "click.style", "click.echo_via_pager",
                "sys.stdout.write", "sys.stderr.write", "sys.stdout.buffer.write",
            }, f"{path.name}:{node.lineno}"  # fmt: skip


def test_json_is_escaped_and_stays_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    record = {EVIL: [EVIL, "\U000e0041", "é😀", "\udcff", 'quo"te', "back\\slash"]}
    for indent in (None, 1):
        terminal.json_line(record, indent=indent)
        out = capsys.readouterr().out
        assert all(line.isprintable() for line in out.split("\n"))
        assert json.loads(out) == record
        assert "é😀" in out


def test_only_our_own_colours_come_through(capsys: pytest.CaptureFixture[str]) -> None:
    text = terminal.style(f"a{EVIL}\x1b[31m", fg="red")
    terminal.line(text, colour=True)
    terminal.line(text, colour=False)
    coloured, plain = capsys.readouterr().out.splitlines()
    assert coloured.startswith("\x1b[31ma\\x1b[2J")
    assert coloured.count("\x1b") == 2
    assert plain.isprintable()


# --- on a terminal --------------------------------------------------------------------------------

# No command may reach the network or run for long, as with `quiet`.
ALONE = """
import asyncio
from payloads.chain import rpc
def run(work, **options):
    work.close()
    raise SystemExit(0)
asyncio.run, rpc.ATTEMPTS = run, 1
"""


def on_a_terminal(listed: Path, calls: list[list[str]], before: str = "") -> str:
    """The output of these commands, in a process whose three streams are a terminal."""
    pty = pytest.importorskip("pty")
    controller, end = pty.openpty()
    script = (
        "import json, sys\nfrom payloads.cli.main import main\n"
        "for call in json.load(open(sys.argv[1])):\n"
        "    try: main(call, standalone_mode=True)\n"
        "    except SystemExit: pass\n"
    )
    listed.write_text(json.dumps(calls))
    environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "CI")}
    with subprocess.Popen(
        [sys.executable, "-c", before + script, str(listed)], stdin=end, stdout=end, stderr=end,
        cwd=listed.parent, env=environment | {"PYTHONPATH": str(ROOT)},
    ) as process:  # fmt: skip
        os.close(end)
        read = []
        with contextlib.suppress(OSError):  # the other end is closed
            while piece := os.read(controller, 65536):
                read.append(piece)
        process.wait(60)
    os.close(controller)
    return b"".join(read).decode("utf-8", "surrogateescape")


_OURS = re.compile(r"\x1b\[[0-9;]*m|\r\x1b\[K|\r\n")


def assert_printable(said: str) -> None:
    assert "Traceback" not in said
    for line in _OURS.sub("\n", said).split("\n"):
        assert line.isprintable(), ascii(line)
        assert not line.startswith("error: forged")
    colours = set(re.findall(r"\x1b\[[0-9;]*m", said))
    assert "\x1b[2J" not in said
    assert colours <= {f"\x1b[{code}m" for code in (0, 1, 2, *range(30, 38), 90)}, colours


def test_nothing_reaches_a_terminal_raw(tmp_path: Path) -> None:
    """Every command, over every file; the commands that make a scan, over all files at once."""
    (tmp_path / "in").mkdir()
    (tmp_path / "work").mkdir()
    names = [name for name in files(tmp_path / "in") if "\udcff" not in name]
    together = [names[0], str(tmp_path / "in"), *(name for name in names if "forged" in name)]
    calls = []
    for path, command in COMMANDS.items():
        reads_files = path[0] not in ("capture", "simulate") and path != ("state", "fetch")
        given = together if path[0] in SCANNING else names
        for value in (*given, EVIL) if reads_files else (names[0], "-", EVIL):
            shaped = shapes(path, command, value)
            if reads_files:
                shaped = [shaped[0], *(one for one in shaped if f"--state={value}" in one)]
            calls += shaped
    said = on_a_terminal(tmp_path / "work" / "calls.json", calls, ALONE)
    assert "accepted" in said or "refused" in said
    assert "error: forged" in said
    assert "not written to a terminal" in said, "`capture -o -`"
    assert_printable(said)


class EvilNode(BaseHTTPRequestHandler):
    """A node that answers each request in another way, and in every way badly."""

    answers: ClassVar[Iterator[Any]] = itertools.cycle(
        [
            {"error": {"code": 1, "message": EVIL, "data": EVIL}}, {"error": EVIL},
            {"result": EVIL}, {"result": {"hash": EVIL, "number": EVIL, EVIL: EVIL}}, [EVIL], EVIL,
        ]
    )  # fmt: skip

    def do_POST(self) -> None:
        body = json.dumps(next(self.answers)).encode("utf-8", "surrogatepass")
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200 if b"error" in body else 500)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def test_no_peer_reaches_a_terminal_raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a node, nor a venue with its messages, its reason to close and its refusal."""
    monkeypatch.setenv("PAYLOADS_STORK_TOKEN", "a-token-of-the-test")

    def venue(socket: ServerConnection) -> None:
        socket.send(EVIL)
        for message in (
            {"type": EVIL},
            {"type": "error", "message": EVIL},
            {EVIL: EVIL},
            {"type": "signed_ecdsa", "p": EVIL},
            {"type": "subscribe", "data": EVIL},
        ):
            socket.send(json.dumps(message))  # fmt: skip
        socket.close(4000, "\x1b[2J\u202e\rerror: forged")

    def refusing(socket: ServerConnection, request: Any) -> Any:
        return socket.respond(403, EVIL)

    node = HTTPServer(("127.0.0.1", 0), EvilNode)
    with (
        serve(venue, "127.0.0.1", 0) as talking,
        serve(venue, "127.0.0.1", 0, process_request=refusing) as refused,
    ):
        for server in (node, talking, refused):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        fetch = [
            "state",
            "fetch",
            "0x" + "11" * 20,
            "--rpc",
            f"http://127.0.0.1:{node.server_port}",
        ]
        calls = [fetch] * 6
        for number, server in enumerate((talking, refused)):
            url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
            calls += [
                ["capture", name, what, "--endpoint", url, "-o", f"{number}{name}.jsonl",
                 "--attempts", "1", "--frames", "6", "--for", "2s"]
                for name, what in (("stork", "BTCUSD"), ("qfex", "level2:AAPL-USD"))
            ]  # fmt: skip
        once = "from payloads.chain import rpc\nrpc.ATTEMPTS = 1\n"
        said = on_a_terminal(tmp_path / "calls.json", calls, once)
        for server in (node, talking, refused):
            server.shutdown()
    node.server_close()
    assert "403" in said
    assert said.count("error: forged") >= 3, "escaped"
    assert_printable(said)


def test_no_client_of_a_simulator_reaches_a_terminal_raw(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    def visit() -> None:
        word = EVIL.replace("\n", "").replace("\r", "")
        evil_request = f"GET /{word} HTTP/1.1\r\nHost: {word}\r\nX: {word}\r\n\r\n"
        for request in (evil_request, EVIL + "\r\n\r\n"):
            with dialled(port) as client:
                client.sendall(request.encode("utf-8", "surrogatepass"))
                client.recv(4096)
        headers = {"Authorization": "Basic payloads-insecure-test-token"}
        url = f"ws://127.0.0.1:{port}/ws?channel=real_time&message_type=signed_ecdsa"
        with connect(url, additional_headers=headers) as client:
            client.send(EVIL)
            client.send(json.dumps({"type": EVIL, "data": [EVIL]}))
            client.close(4000, "\x1b[2J\u202e")

    thread = threading.Thread(target=visit, daemon=True)
    thread.start()
    said = on_a_terminal(
        tmp_path / "calls.json", [["simulate", "stork", "--port", str(port), "--for", "2"]]
    )
    thread.join(20)
    assert not thread.is_alive()
    assert "in the end" in said
    assert_printable(said)


def dialled(port: int) -> socket.socket:
    """A connection to a server that may not be there yet."""
    for _ in range(200):
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection(("127.0.0.1", port), 10)
        time.sleep(0.05)
    raise TimeoutError
