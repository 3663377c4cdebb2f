"""The forms for asyncio: the same answers over every provider, and nothing that stays behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from hexbytes import HexBytes

from payloads import chain
from payloads.chain import Policy, PolicyRefusal, Unavailable, aio
from payloads.errors import Misuse
from payloads.verdicts.verdict import ContractRefusal
from tests.chain.loopback_node import Answer, over_http, over_ipc, over_websocket
from tests.chain.stork_chain import ADDRESS, StorkChain
from tests.chain.test_guard import FEE, STRANGER, call, stork, update

PROXY = "0x" + ADDRESS.hex()
NAMES = (
    *("explain", "fetch_state", "judge_transaction", "preflight", "refuse_transaction"),
    "send_guarded",
)
Request = Callable[[str, list[Any]], Awaitable[Any]]


class AsyncLike:
    """As much of an `AsyncWeb3` as is used, over a made-up chain or any function."""

    def __init__(self, made: StorkChain | None = None, request: Request | None = None) -> None:
        self.eth = SimpleNamespace(send_transaction=self._send)
        self.chain, self._request = made, request
        self.threads: set[int] = set()

    async def make_request(self, method: str, params: list[Any]) -> Any:
        self.threads.add(threading.get_ident())
        await asyncio.sleep(0)
        if self._request is not None:
            return await self._request(method, params)
        return self.chain.make_request(method, params)

    async def _send(self, transaction: Any) -> HexBytes:
        return HexBytes(self.chain.eth_sendTransaction(transaction)["result"])


def no_thread_is_left() -> bool:
    """Whether the threads of the forms for asyncio end: the last step of each takes a moment."""
    begun = [each for each in threading.enumerate() if each.name.startswith("payloads ")]
    for thread in begun:
        thread.join(5)
    return not any(thread.is_alive() for thread in begun)


# --- the same answers -----------------------------------------------------------------------------


def test_the_names_are_those_of_the_package() -> None:
    awaited = {name for name in chain.__all__ if asyncio.iscoroutinefunction(getattr(aio, name, 0))}
    assert awaited == set(NAMES)


def test_each_gives_what_its_twin_gives() -> None:
    w3, state = stork()
    twin = AsyncLike(w3.chain)
    good, bad = call(update()), call(update(STRANGER))

    async def main() -> None:
        assert await aio.fetch_state(twin, PROXY) == state
        old = chain.fetch_state(w3, PROXY, block=3, since=1)
        assert await aio.fetch_state(twin, PROXY, block=3, since=1) == old
        judged = await aio.judge_transaction(twin, bad, state)
        assert judged == chain.judge_transaction(w3, bad, state)
        assert not judged
        assert await aio.refuse_transaction(twin, good, state)
        assert await aio.preflight(twin, bad, state) == chain.preflight(w3, bad, state)
        with pytest.raises(ContractRefusal, match="would return false"):
            await aio.refuse_transaction(twin, bad, state)
        with pytest.raises(PolicyRefusal, match="max_fee"):
            await aio.send_guarded(twin, good, state, Policy(max_fee=FEE - 1))
        assert w3.sent == []
        sent = await aio.send_guarded(twin, good, state)
        assert (sent.verdict.accepted, len(sent.hash), len(w3.sent)) == (True, 32, 1)
        assert twin.threads == {threading.get_ident()}, "requests are made in the event loop"

    asyncio.run(main())
    assert no_thread_is_left()


def test_many_at_once() -> None:
    w3, state = stork()
    twin = AsyncLike(w3.chain)

    async def main() -> list[Any]:
        asked = [aio.judge_transaction(twin, call(update(asset=n)), state) for n in range(40)]
        return await asyncio.gather(*asked)

    assert all(asyncio.run(main()))


def test_progress_is_told_in_the_event_loop() -> None:
    w3, _ = stork()
    told: list[int] = []

    async def main() -> None:
        await aio.fetch_state(
            AsyncLike(w3.chain), PROXY, progress=lambda *what: told.append(threading.get_ident())
        )
        await asyncio.sleep(0)

    asyncio.run(main())
    assert set(told) == {threading.get_ident()}


def test_a_url_is_a_node_here_too() -> None:
    w3, state = stork()
    with over_http(w3.chain.make_request) as url:
        fetched = asyncio.run(aio.fetch_state(url, PROXY))
    assert fetched.to_dict() | {"source": ""} == state.to_dict() | {"source": ""}


# --- the wrong form -------------------------------------------------------------------------------


def test_an_async_node_is_misuse_for_the_sync_form_and_the_other_way_round() -> None:
    w3, state = stork()
    twin = AsyncLike(w3.chain)
    given = {"fetch_state": (PROXY,), "explain": ("0x" + "ab" * 32,)}
    for name in NAMES:
        rest = given.get(name, (call(update()), state))
        with pytest.raises(Misuse, match=rf"payloads\.chain\.aio\.{name}\b"):
            getattr(chain, name)(twin, *rest)
        with pytest.raises(Misuse, match=rf"payloads\.chain\.{name}\b"):
            asyncio.run(getattr(aio, name)(w3, *rest))
    for no_node in (5, None, "ftp://x"):
        with pytest.raises(Misuse):
            asyncio.run(aio.fetch_state(no_node, PROXY))
    assert w3.sent == []


def test_what_only_asks_cannot_send() -> None:
    w3, state = stork()
    for node in ("http://127.0.0.1:1", w3.chain, w3.make_request, None):
        with pytest.raises(Misuse, match="sends no transaction"):
            chain.send_guarded(node, call(update()), state)
        with pytest.raises(Misuse, match="sends no transaction"):
            asyncio.run(aio.send_guarded(node, call(update()), state))


# --- failures -------------------------------------------------------------------------------------


def http_status(status: int) -> Exception:
    """As aiohttp says it, with the URL in it."""
    error = Exception("https://x/SECRET")
    error.status = status  # type: ignore[attr-defined]
    return error


def named(name: str, base: type[Exception] = Exception) -> Exception:
    return type(name, (base,), {})("https://node.example/SECRET")  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("failure", "attempts", "words"),
    [
        (TimeoutError("SECRET"), 5, "no answer in time"),
        (named("TimeExhausted"), 5, "no answer in time"),
        (named("ServerDisconnectedError", named("ClientConnectionError").__class__), 5,
         "no connection"),
        (named("ClientPayloadError"), 5, "no connection"),
        (http_status(503), 5, "HTTP status 503"),
        (http_status(401), 1, "HTTP status 401"),
        (named("ProviderConnectionError"), 1, "not connected"),
        (named("Strange"), 1, "Strange"),
        (ValueError("SECRET"), 1, "not JSON-RPC"),
    ],
)  # fmt: skip
def test_failures_are_told_without_the_url(
    failure: Exception, attempts: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("payloads.chain.rpc.FIRST_PAUSE", 0)
    asked = []

    async def fail(method: str, params: list[Any]) -> Any:
        asked.append(method)
        raise failure

    node = AsyncLike(request=fail)
    node.endpoint_uri = "https://node.example/SECRET"  # type: ignore[attr-defined]
    with pytest.raises(Unavailable, match=words) as caught:
        asyncio.run(aio.fetch_state(node, PROXY))
    assert len(asked) == attempts
    assert "node.example" in str(caught.value)
    assert "SECRET" not in repr((caught.value, caught.value.__context__, caught.value.__cause__))


def test_a_provider_that_cancels_its_own_request_is_unavailable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("payloads.chain.rpc.FIRST_PAUSE", 0)

    async def give_up(method: str, params: list[Any]) -> Any:
        raise asyncio.CancelledError

    with pytest.raises(Unavailable, match="no connection"):
        asyncio.run(aio.fetch_state(AsyncLike(request=give_up), PROXY))


# --- cancelling -----------------------------------------------------------------------------------


async def _cancelled(node: AsyncLike, ready: asyncio.Event) -> None:
    task = asyncio.create_task(aio.fetch_state(node, PROXY))
    await ready.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, "no request is under way any more"
    assert no_thread_is_left()


def test_a_cancelled_task_ends_its_thread_in_the_middle_of_a_request() -> None:
    async def main() -> None:
        ready, ended = asyncio.Event(), []

        async def hang(method: str, params: list[Any]) -> Any:
            ready.set()
            try:
                await asyncio.sleep(3600)
            finally:
                ended.append(method)

        await _cancelled(AsyncLike(request=hang), ready)
        assert len(ended) == 1

    asyncio.run(main())


def test_a_cancelled_task_ends_its_thread_in_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("payloads.chain.rpc.FIRST_PAUSE", 3600)
    monkeypatch.setattr("payloads.chain.rpc.LONGEST_PAUSE", 3600)

    async def main() -> None:
        ready, asked = asyncio.Event(), []

        async def busy(method: str, params: list[Any]) -> Any:
            asked.append(method)
            asyncio.get_running_loop().call_later(0.02, ready.set)
            raise TimeoutError

        await _cancelled(AsyncLike(request=busy), ready)
        assert len(asked) == 1, "no other request is made"

    asyncio.run(main())


def test_a_timeout_of_asyncio_works_as_for_anything_else() -> None:
    async def hang(method: str, params: list[Any]) -> Any:
        await asyncio.sleep(3600)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await aio.fetch_state(AsyncLike(request=hang), PROXY)

    asyncio.run(main())


def test_an_event_loop_that_ends_takes_the_thread_with_it() -> None:
    async def hang(method: str, params: list[Any]) -> Any:
        await asyncio.sleep(3600)

    async def main() -> None:
        task = asyncio.create_task(aio.fetch_state(AsyncLike(request=hang), PROXY))
        await asyncio.sleep(0.01)
        assert not task.done()

    asyncio.run(main())
    assert no_thread_is_left()


def test_a_url_that_is_cancelled_is_not_waited_for() -> None:
    free, asked = threading.Event(), []

    def slow(method: str, params: list[Any]) -> dict[str, Any]:
        asked.append(method)
        free.wait(10)
        return {"result": "0x1"}

    async def main(url: str) -> None:
        task = asyncio.create_task(aio.fetch_state(url, PROXY))
        while not asked:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        free.set()

    with over_http(slow) as url:
        asyncio.run(main(url))
    assert len(asked) == 1, "no other request is made"
    assert no_thread_is_left()


# --- the providers of web3.py ---------------------------------------------------------------------


@asynccontextmanager
async def connected(kind: str, answer: Answer) -> AsyncIterator[Any]:
    web3 = pytest.importorskip("web3")
    if kind == "AsyncHTTPProvider":
        with over_http(answer) as url:
            w3 = web3.AsyncWeb3(web3.AsyncHTTPProvider(url))
            try:
                yield w3
            finally:
                await w3.provider.disconnect()
    elif kind == "WebSocketProvider":
        async with (
            over_websocket(answer) as url,
            web3.AsyncWeb3(web3.WebSocketProvider(url)) as w3,
        ):
            yield w3
    else:
        async with (
            over_ipc(answer) as path,
            web3.AsyncWeb3(web3.AsyncIPCProvider(path)) as w3,
        ):
            yield w3


KINDS = ("AsyncHTTPProvider", "WebSocketProvider", "AsyncIPCProvider")


@pytest.mark.parametrize("kind", KINDS)
def test_over_the_providers_of_web3(kind: str) -> None:
    """Fetching makes calls that revert: each is an error over a connection that stays open."""
    made, state = stork()

    async def main() -> None:
        async with connected(kind, made.chain.make_request) as w3:
            for node in (w3, w3.provider):
                fetched = await aio.fetch_state(node, PROXY)
                assert fetched.to_dict() | {"source": ""} == state.to_dict() | {"source": ""}
            asked = [aio.judge_transaction(w3, call(update()), state) for _ in range(5)]
            assert all(await asyncio.gather(*asked))
            with pytest.raises(ContractRefusal):
                await aio.send_guarded(w3, call(update(STRANGER)), state)
            assert await w3.eth.block_number == made.chain.head, "the connection is as it was"

    asyncio.run(main())


def test_a_websocket_that_was_never_opened_says_so() -> None:
    web3 = pytest.importorskip("web3")
    w3 = web3.AsyncWeb3(web3.WebSocketProvider("ws://127.0.0.1:1/SECRET"))
    with pytest.raises(Unavailable, match="not connected") as caught:
        asyncio.run(aio.fetch_state(w3, PROXY))
    assert "SECRET" not in str(caught.value)
