"""A made-up chain as a node on loopback: over HTTP, over a websocket, and over a local socket."""

from __future__ import annotations

import asyncio
import json
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

# What a node is asked: method and parameters. The answer has a `result` or an `error`.
Answer = Callable[[str, list[Any]], dict[str, Any]]

# How a request over HTTP is answered: the handler, and the body as JSON.
Reply = Callable[[BaseHTTPRequestHandler, Any], None]

UNKNOWN = {"error": {"code": -32601, "message": "the method does not exist"}}


def answered(answer: Answer, asked: Any) -> bytes:
    """The answer to a request, or to a batch of requests, as it goes over the wire."""
    found = [_one(answer, each) for each in (asked if isinstance(asked, list) else [asked])]
    return json.dumps(found if isinstance(asked, list) else found[0]).encode()


def _one(answer: Answer, request: dict[str, Any]) -> dict[str, Any]:
    try:
        found = answer(request["method"], request["params"])
    except AttributeError:
        found = UNKNOWN
    return {"jsonrpc": "2.0", "id": request["id"], **found}


@contextmanager
def serving(answer: Reply) -> Iterator[str]:
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
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
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


@contextmanager
def over_http(answer: Answer) -> Iterator[str]:
    def reply(handler: BaseHTTPRequestHandler, body: Any) -> None:
        send(handler, answered(answer, body), Content_Type="application/json")

    with serving(reply) as url:
        yield url


@asynccontextmanager
async def over_websocket(answer: Answer) -> AsyncIterator[str]:
    async def handle(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(answered(answer, json.loads(message)).decode())

    async with serve(handle, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def over_ipc(answer: Answer) -> AsyncIterator[str]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        buffered, decoder = "", json.JSONDecoder()
        while piece := await reader.read(2**16):
            buffered += piece.decode()
            while buffered := buffered.lstrip():
                try:
                    asked, end = decoder.raw_decode(buffered)
                except ValueError:
                    break
                writer.write(answered(answer, asked) + b"\n")
                buffered = buffered[end:]
        writer.close()

    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "node.ipc")
        server = await asyncio.start_unix_server(handle, path)
        async with server:
            yield path
