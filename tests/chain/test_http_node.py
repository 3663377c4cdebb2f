"""JSON-RPC over real HTTP on loopback: no answer of a node takes more than its bounds."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from payloads.chain import http_node
from payloads.chain.rpc import MAX_BLOCK, Unavailable, connect

Answer = Callable[[BaseHTTPRequestHandler, Any], None]


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """A node on loopback that answers every request so."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                answer(self, body)
            except OSError:  # the client has enough
                self.close_connection = True

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def send(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def refusal(answer: Answer, path: str = "") -> str:
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


def test_an_answer_without_end_is_given_up() -> None:
    def answer(handler: BaseHTTPRequestHandler, body: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(b" " * 2**16)

    tracemalloc.start()
    try:
        assert "an answer of more than" in refusal(answer)
        assert tracemalloc.get_traced_memory()[1] < 4 * http_node.MAX_ANSWER_BYTES
    finally:
        tracemalloc.stop()


def test_a_compressed_answer_is_refused() -> None:
    def answer(handler: BaseHTTPRequestHandler, body: Any) -> None:
        send(handler, gzip.compress(bytes(2**20)), Content_Encoding="gzip")

    assert "compression" in refusal(answer)


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


def test_a_byte_at_a_time_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_node, "MAX_SECONDS", 0.3)

    def answer(handler: BaseHTTPRequestHandler, body: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(40):
            handler.wfile.write(b" ")
            time.sleep(0.05)

    assert "no answer in time" in refusal(answer)


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
    _read(Answer(), 1e18)
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
