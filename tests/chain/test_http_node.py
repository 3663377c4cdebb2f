"""JSON-RPC over real HTTP on loopback: no answer of a node takes more than its bounds."""

from __future__ import annotations

import contextlib
import json
import socketserver
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from payloads.chain import http_node, rpc
from payloads.chain.rpc import MAX_BLOCK, Unavailable, connect
from tests.chain.loopback_node import Reply, send, serving
from tests.memory_limit import needs_measure, run_limited


def refusal(answer: Reply, path: str = "") -> str:
    """What a reader of such a node is told."""
    with serving(answer) as url, pytest.raises(Unavailable) as caught:
        connect(url + path, pause=lambda seconds: None).head()
    assert "SECRET" not in str(caught.value)
    return str(caught.value)


def test_an_answer_is_read() -> None:
    def answer(handler: BaseHTTPRequestHandler, body: Any) -> None:
        assert body["method"] == "eth_blockNumber"
        assert handler.headers["Accept-Encoding"] in (None, "identity")
        send(handler, b'{"jsonrpc":"2.0","id":1,"result":"0x7"}')

    with serving(answer) as url:
        assert connect(url).head() == 7


def test_a_login_in_the_url_is_a_header_and_not_a_host() -> None:
    seen = []

    def answer(handler: BaseHTTPRequestHandler, body: Any) -> None:
        seen.append((handler.headers["Authorization"], handler.headers["Host"]))
        send(handler, b'{"result":"0x7"}')

    with serving(answer) as url:
        host = url.removeprefix("http://")
        assert connect(f"http://me:p%40ss@{host}/").head() == 7
    assert seen == [("Basic bWU6cEBzcw==", host)]


def endless(handler: BaseHTTPRequestHandler, body: Any) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b" " * 2**16)


def bomb(handler: BaseHTTPRequestHandler, body: Any) -> None:
    """A few megabytes that inflate to half a gigabyte."""
    squeeze = zlib.compressobj(1, wbits=31)
    pieces = [squeeze.compress(bytes(2**24)) for _ in range(32)]
    send(handler, b"".join([*pieces, squeeze.flush()]), Content_Encoding="gzip")


def values(handler: BaseHTTPRequestHandler, body: Any) -> None:
    """As many values as fit into an answer: as lists they would take 600 MB."""
    begin = b'{"result":["\xf0\x9f\x98\x80"'
    inner = b",[[[1]]]" * ((http_node.MAX_ANSWER_BYTES - 100) // 8)
    send(handler, begin + inner + b"]}")


def as_large_as_allowed(handler: BaseHTTPRequestHandler, body: Any) -> None:
    """Every bound is kept; one character takes more than two bytes, so that all do in memory."""
    inner = b",[[[1]]]" * (http_node.MAX_ANSWER_VALUES // 4 - 100)
    begin = b'{"result":["\xf0\x9f\x98\x80' + b"x" * (15 * 2**20 - len(inner)) + b'"'
    send(handler, begin + inner + b"]}")


def ask(url: str) -> None:
    try:
        connect(url, pause=lambda seconds: None).head()
    except Unavailable as error:
        print(error)


@needs_measure
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (endless, "an answer of more than"),
        (bomb, "compression"),
        (values, "values"),
        (as_large_as_allowed, "no node should"),
    ],
)
def test_no_answer_takes_more_memory_than_the_bound(answer: Reply, words: str) -> None:
    with serving(answer) as url:
        assert words in run_limited(ask, url)


def test_a_redirect_is_not_followed() -> None:
    reached = []

    def elsewhere(handler: BaseHTTPRequestHandler, body: Any) -> None:
        reached.append(body)
        send(handler, b'{"result":"0x7"}')

    with serving(elsewhere) as other:

        def answer(handler: BaseHTTPRequestHandler, body: Any) -> None:
            send(handler, b"", 307, Location=other)

        assert "307" in refusal(answer)
    assert reached == []


@contextmanager
def dripping(answer: bytes, forever: bytes) -> Iterator[str]:
    """A node that begins its answers so, and goes on with `forever` for as long as it is heard."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(2**16)
            with contextlib.suppress(OSError):
                self.request.sendall(answer)
                while True:
                    self.request.sendall(forever)
                    time.sleep(0.02)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


DRIPS = [
    (b"HTTP/1.1 200 OK\r\n\r\n", b" "),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b" "),
    (b"HTTP/1.1 500 Oh\r\n\r\n", b" "),
    (b"HTTP/1.1 200 OK\r\n", b"X"),
    (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
]


@pytest.mark.parametrize(
    ("answer", "forever"), DRIPS, ids=["body", "promised body", "refusal", "header", "continue"]
)
def test_an_answer_that_never_ends_is_given_up_in_time(
    answer: bytes, forever: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_node, "MAX_SECONDS", 0.2)
    with dripping(answer, forever) as host, pytest.raises(http_node.HttpFailure) as caught:
        http_node.HttpNode(f"http://{host}/SECRET", 10).make_request("eth_chainId", [])
    assert caught.value.why == "no answer in time"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_or_a_handshake_that_never_ends_is_given_up_in_time(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_node, "MAX_SECONDS", 0.2)
    with dripping(b"HTTP/1.1 200 OK\r\n", b"X") as host:
        monkeypatch.setenv(f"{scheme}_proxy", f"http://{host}")
        for node in (f"{scheme}://node.example", f"{scheme}://{host}"):
            began = time.monotonic()
            with pytest.raises(http_node.HttpFailure):
                http_node.HttpNode(node, 10).make_request("eth_chainId", [])
            assert time.monotonic() - began < 5


def test_the_number_of_requests_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "MAX_REQUESTS", 3)

    def answer(handler: BaseHTTPRequestHandler, body: Any) -> None:
        send(handler, b'{"result":"0x7"}')

    with serving(answer) as url:
        node = connect(url)
        assert [node.head() for _ in range(3)] == [7, 7, 7]
        with pytest.raises(Unavailable, match="has been asked 3 times"):
            node.head()


def test_the_words_of_a_refusal_are_bounded() -> None:
    def answer(handler: BaseHTTPRequestHandler, body: Any) -> None:
        handler.send_response(500)
        handler.end_headers()
        while True:
            handler.wfile.write(b"x" * 2**16)

    with serving(answer) as url, pytest.raises(http_node.HttpFailure) as caught:
        http_node.HttpNode(url, 10).make_request("eth_chainId", [])
    assert len(caught.value.words) == http_node.MAX_ERROR_BYTES


@pytest.mark.parametrize("status", [400, 404, 500])
def test_a_refusal_shows_its_words_and_no_key(status: int) -> None:
    def answer(handler: BaseHTTPRequestHandler, body: Any) -> None:
        send(handler, b"no such project: SECRET-KEY", status)

    assert "no such project" in refusal(answer, "/v2/SECRET-KEY")


@pytest.mark.parametrize(
    "result", [hex(MAX_BLOCK + 1), hex(2**80), hex(2**300), "1_0", "-0x5", "0x", "0x_1", "7", True]
)
def test_a_number_that_no_chain_has_is_refused(result: Any) -> None:
    def answer(handler: BaseHTTPRequestHandler, body: Any) -> None:
        send(handler, json.dumps({"result": result}).encode())

    assert "no node should" in refusal(answer)


DEEP = """
import sys
sys.setrecursionlimit(100_000)  # as libraries of this field do
from payloads import State
from payloads.errors import Misuse
from payloads.chain.http_node import HttpFailure, _read

class Answer:
    status, headers = 200, {}
    left = [b'{"result":' + b"[" * 200_000]
    def read1(self, size):
        return self.left.pop() if self.left else b""

try:
    _read(Answer())
except HttpFailure as error:
    print(error.why)
for name in sys.argv[1:]:
    try:
        State.load(name)
    except Misuse as error:
        print(error)
"""


def test_brackets_do_not_crash_the_process(tmp_path: Path) -> None:
    files = [tmp_path / "state.json", tmp_path / "state.toml"]
    files[0].write_bytes(b'{"contract":' + b"[" * 200_000)
    files[1].write_bytes(b"contract = " + b"[" * 200_000)
    command = [sys.executable, "-c", DEEP, *map(str, files)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-500:]
    lines = run.stdout.splitlines()
    assert lines[0] == "an answer that is not JSON-RPC"
    assert all("nested too deeply" in line for line in lines[1:])
    assert len(lines) == 3
