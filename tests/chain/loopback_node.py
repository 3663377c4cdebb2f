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

UNKNOWN = {"error": {"code": -32601, "message": "the method does not exist"}}


def answered(answer: Answer, raw: str | bytes) -> bytes:
    """The answer to a request, or to a batch of requests, as it goes over the wire."""
    asked = json.loads(raw)
    found = [_one(answer, each) for each in (asked if isinstance(asked, list) else [asked])]
    return json.dumps(found if isinstance(asked, list) else found[0]).encode()


def _one(answer: Answer, request: dict[str, Any]) -> dict[str, Any]:
    try:
        found = answer(request["method"], request["params"])
    except AttributeError:
        found = UNKNOWN
    return {"jsonrpc": "2.0", "id": request["id"], **found}


@contextmanager
def over_http(answer: Answer) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = answered(answer, self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

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


@asynccontextmanager
async def over_websocket(answer: Answer) -> AsyncIterator[str]:
    async def handle(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(answered(answer, message).decode())

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
                    _, end = decoder.raw_decode(buffered)
                except ValueError:
                    break
                writer.write(answered(answer, buffered[:end]) + b"\n")
                buffered = buffered[end:]
        writer.close()

    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "node.ipc")
        server = await asyncio.start_unix_server(handle, path)
        async with server:
            yield path
