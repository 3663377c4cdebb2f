"""Calls to a running session take effect at once, whichever thread they come from."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.sync.server import ServerConnection as Peer
from websockets.sync.server import serve as serve_from_threads

from payloads.errors import Misuse
from payloads.live import connect, stream
from payloads.live.thread_bridge import LoopCaller
from payloads.venues.chainlink.session import ChainlinkSession
from payloads.venues.common.redactor import Message
from payloads.venues.common.session import Event, Opened, Reply, Request, Session, by_caller
from payloads.venues.ethgas.session import EthgasSession
from payloads.venues.finery.session import FinerySession
from payloads.venues.qfex.market_session import QfexMarketSession
from payloads.venues.qfex.trade_session import QfexTradeSession
from payloads.venues.stork.session import StorkSession
from tests.live.kit import Numbered, serving

VENUES = (ChainlinkSession, EthgasSession, FinerySession, QfexMarketSession, QfexTradeSession,
          StorkSession)  # fmt: skip
# Methods that change nothing.
_LOOKS = {"book"}
# Much longer than anything takes here, and shorter than anything else that would wake a driver.
SOON = 60


class Asking(Numbered):
    """Says what its owner has it say, and nothing by itself."""

    threads: list[int]

    def opened(self, now: int) -> list[Event]:
        self.threads = []
        return [Opened()]

    @by_caller
    def say(self, words: str) -> str:
        self.threads.append(threading.get_ident())
        if not words:
            raise Misuse("nothing to say")
        self._outgoing.append(words)
        return words.upper()

    @by_caller
    def fetch(self, url: str) -> None:
        self._requests.append(Request("GET", url, purpose="fetched"))

    @by_caller
    def wake_at(self, when: int) -> None:
        self.deadline = when

    def tick(self, now: int) -> list[Event]:
        self._outgoing.append("tick")
        self.deadline = None
        return []

    def replied(self, reply: Reply, now: int) -> list[Event]:
        self._outgoing.append(f"{reply.purpose} {reply.status}")
        return []


def run_with_server(work: Callable[[Asking, asyncio.Queue[Message]], Any]) -> None:
    """A server that only listens: nothing that comes from it can move the session on."""

    async def whole() -> None:
        heard: asyncio.Queue[Message] = asyncio.Queue()

        async def handler(socket: ServerConnection) -> None:
            async for message in socket:
                await heard.put(message)

        async with serving(handler) as url, asyncio.timeout(SOON):
            session = Asking(url)
            async with connect(session, ping_interval=None) as connection:
                await anext(connection)
                await work(session, heard)

    asyncio.run(whole())


def test_a_message_leaves_at_once() -> None:
    async def work(session: Asking, heard: asyncio.Queue[Message]) -> None:
        assert session.say("one") == "ONE"
        session.say("two")
        assert [await heard.get(), await heard.get()] == ["one", "two"]

    run_with_server(work)


def test_another_deadline_is_kept() -> None:
    async def work(session: Asking, heard: asyncio.Queue[Message]) -> None:
        session.wake_at(1)
        assert await heard.get() == "tick"

    run_with_server(work)


def test_a_request_is_made_at_once() -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        async def work(session: Asking, heard: asyncio.Queue[Message]) -> None:
            session.fetch(f"http://127.0.0.1:{server.server_port}/")
            assert await heard.get() == "fetched 204"

        run_with_server(work)
        server.shutdown()


def test_another_thread_asks_in_the_loops_own_and_gets_the_answer() -> None:
    async def work(session: Asking, heard: asyncio.Queue[Message]) -> None:
        assert await asyncio.to_thread(session.say, "from afar") == "FROM AFAR"
        assert await heard.get() == "from afar"
        with pytest.raises(Misuse, match="nothing to say"):
            await asyncio.to_thread(session.say, "")
        assert set(session.threads) == {threading.get_ident()}

    run_with_server(work)


def test_the_body_of_a_plain_loop_may_ask() -> None:
    heard = []

    def handler(peer: Peer) -> None:
        heard.append(peer.recv())
        peer.send('{"n": 1}')
        peer.recv()

    with serve_from_threads(handler, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host, port = server.socket.getsockname()[:2]
        session = Asking(f"ws://{host}:{port}/")
        for delivery in stream(session, ping_interval=None):
            if isinstance(delivery.events[0], Opened):
                session.say("from the loop's body")
            elif session.numbers == [1]:
                break
        server.shutdown()
    assert heard == ["from the loop's body"]
    assert threading.get_ident() not in session.threads


def test_a_session_that_is_not_driven_is_just_asked() -> None:
    session = Asking("ws://127.0.0.1:9")
    session.threads = []
    session.say("kept")
    assert session.take() == ["kept"]


def test_a_driver_that_is_done_passes_calls_through() -> None:
    async def ended() -> LoopCaller:
        driver = LoopCaller(lambda: None)
        driver.end()
        return driver

    driver = asyncio.run(ended())
    found: list[int] = []
    asker = threading.Thread(target=lambda: found.append(driver(lambda: 7)))
    asker.start()
    asker.join(SOON)
    assert found == [7]


def test_a_session_has_one_connection_at_a_time() -> None:
    async def work(session: Asking, heard: asyncio.Queue[Message]) -> None:
        with pytest.raises(Misuse, match="another connection"):
            connect(session).start()

    run_with_server(work)


def public_methods() -> Iterator[Any]:
    for venue in VENUES:
        for name, found in inspect.getmembers(venue, inspect.isfunction):
            if not name.startswith("_") and not hasattr(Session, name) and name not in _LOOKS:
                yield pytest.param(found, id=f"{venue.__name__}.{name}")


@pytest.mark.parametrize("method", list(public_methods()))
def test_what_a_venues_owner_calls_goes_by_the_driver(method: Any) -> None:
    assert method.__code__ is Asking.say.__code__
