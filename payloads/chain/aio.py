"""The functions of `payloads.chain` for asyncio: the same names, and each is awaited.

    state = await aio.fetch_state(w3, proxy, subscriber=account)
    sent = await aio.send_guarded(w3, transaction, state)

`w3` is an `AsyncWeb3` or an async provider of web3.py, also over a websocket or a local socket; or
a URL. There is one implementation, that of `payloads.chain`: it runs in a thread, and each of its
requests is made in the event loop, which the provider belongs to.

When the task is cancelled, the request under way is cancelled, and the thread ends before the task
does. Only a URL is asked from the thread itself: that thread ends with its request. The thread is
not one of the event loop's own, because a provider may need those (to look up a name), and waiting
for it would then take forever.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any, TypeVar

from payloads.abi.fields import hexed
from payloads.chain.explaining import explain as explaining
from payloads.chain.explaining.explained import Explained
from payloads.chain.guarding import guard, preflights
from payloads.chain.guarding.guard import CAREFUL, Sent
from payloads.chain.guarding.policy import Policy
from payloads.chain.guarding.preflights import Preflight
from payloads.chain.guarding.transaction_fields import Transaction
from payloads.chain.reading import fetch
from payloads.chain.reading.states import Source
from payloads.chain.rpc import (
    Node,
    endpoint_of,
    is_async,
    node_over,
    provider_by_url,
    provider_of,
)
from payloads.errors import Misuse
from payloads.verdicts.state import State
from payloads.verdicts.verdict import Verdict

T = TypeVar("T")
Ask = Callable[[str, Any], Coroutine[Any, Any, Any]]


async def fetch_state(
    rpc: Any,
    proxy: str | bytes,
    *,
    block: int | None = None,
    subscriber: str | bytes | None = None,
    since: int | None = None,
    progress: fetch.Progress | None = None,
) -> State:
    """As `payloads.chain.fetch_state`; `progress` is called in the event loop."""
    told = None if progress is None else _in_loop(progress)

    def read(node: Node) -> State:
        return fetch.fetch_state(
            node, proxy, block=block, subscriber=subscriber, since=since, progress=told
        )

    return await _in_thread(read, rpc, "fetch_state")


async def judge_transaction(
    w3: Any, transaction: Transaction, state: Source, policy: Policy = CAREFUL
) -> Verdict:
    """As `payloads.chain.judge_transaction`."""
    return await _of_transaction(guard.judge_transaction, w3, transaction, state, policy)


async def refuse_transaction(
    w3: Any, transaction: Transaction, state: Source, policy: Policy = CAREFUL
) -> Verdict:
    """As `payloads.chain.refuse_transaction`."""
    return await _of_transaction(guard.refuse_transaction, w3, transaction, state, policy)


async def send_guarded(
    w3: Any, transaction: Transaction, state: Source, policy: Policy = CAREFUL
) -> Sent:
    """`await w3.eth.send_transaction(transaction)`, unless it would be refused."""
    guard.check_sends(w3, "an AsyncWeb3")
    refuse = guard.refuse_transaction
    verdict = await _of_transaction(refuse, w3, transaction, state, policy, "send_guarded")
    return Sent(hexed(bytes(await w3.eth.send_transaction(dict(transaction)))), verdict)


async def preflight(
    w3: Any, transaction: Transaction, state: Source, policy: Policy = CAREFUL
) -> Preflight:
    """As `payloads.chain.preflight`."""
    return await _of_transaction(preflights.preflight, w3, transaction, state, policy)


async def explain(
    w3: Any,
    hash_: str | bytes,
    *,
    proxy: str | bytes | None = None,
    state: State | None = None,
    progress: fetch.Progress | None = None,
) -> Explained:
    """As `payloads.chain.explain`; `progress` is called in the event loop."""
    told = None if progress is None else _in_loop(progress)

    def explained(node: Node) -> Explained:
        return explaining.explain(node, hash_, proxy=proxy, state=state, progress=told)

    return await _in_thread(explained, w3, "explain")


async def _of_transaction(
    ask: Callable[[Node, Transaction, Source, Policy], T],
    w3: Any,
    transaction: Transaction,
    state: Source,
    policy: Policy,
    name: str = "",
) -> T:
    """What `ask` says of a transaction; `name` is the function that was called, if another."""
    return await _in_thread(
        lambda node: ask(node, transaction, state, policy), w3, name or ask.__name__
    )


# --- the thread -----------------------------------------------------------------------------------


class _Abandoned(BaseException):
    """Ends the thread of a cancelled task. No handler of `Exception` holds it up."""


async def _in_thread(call: Callable[[Node], T], where: Any, name: str) -> T:
    """What `call` returns or raises for a node whose requests are made in this event loop."""
    bridge, url = _bridge(where, name)
    node = node_over(bridge, url, bridge.pause)
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    outcome: concurrent.futures.Future[T] = concurrent.futures.Future()
    context = copy_context()

    def work() -> None:
        try:
            outcome.set_result(context.run(call, node))
        except _Abandoned:
            pass
        except BaseException as error:
            outcome.set_exception(error)
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=work, name=f"payloads {name}", daemon=True).start()
    try:
        await ended.wait()
    except asyncio.CancelledError:
        bridge.abandon()
        if bridge.ends_at_once:
            await ended.wait()
        raise
    return outcome.result()


class _Bridge:
    """A provider for the thread, whose requests are made in the event loop."""

    ends_at_once = True

    def __init__(self, ask: Callable[[str, Any], Any]) -> None:
        self._ask, self._loop = ask, asyncio.get_running_loop()
        self._lock, self._over = threading.Lock(), threading.Event()
        self._asked: concurrent.futures.Future[Any] | None = None

    def make_request(self, method: str, params: list[Any]) -> Any:
        """The answer, or what the provider raises. Called in the thread."""
        with self._lock:  # a request that is begun is one that `abandon` sees
            if self._over.is_set() or self._loop.is_closed():
                raise _Abandoned
            request = self._ask(method, params)
            self._asked = asked = asyncio.run_coroutine_threadsafe(request, self._loop)
        with contextlib.suppress(concurrent.futures.CancelledError):
            return asked.result()
        if self._over.is_set():
            raise _Abandoned
        raise ConnectionError("the provider gave the request up")

    def pause(self, seconds: float) -> None:
        """Wait before another try. Called in the thread."""
        if self._over.wait(seconds):
            raise _Abandoned

    def abandon(self) -> None:
        """End the thread. Called in the event loop."""
        with self._lock:
            self._over.set()
            if self._asked is not None:
                self._asked.cancel()


class _UrlBridge(_Bridge):
    """A provider that is asked in the thread itself: only its next request can be prevented."""

    ends_at_once = False

    def make_request(self, method: str, params: list[Any]) -> Any:
        if self._over.is_set():
            raise _Abandoned
        return self._ask(method, params)


def _bridge(where: Any, name: str) -> tuple[_Bridge, str]:
    """The bridge to a node, and the node's URL; `name` is the function that asks."""
    if isinstance(where, str):
        return _UrlBridge(provider_by_url(where).make_request), where
    provider = provider_of(where)
    if not is_async(provider):
        raise Misuse(
            "a node that is not async, and a function that awaits",
            field="rpc", expected=f"payloads.chain.{name}", found=type(where).__name__,
        )  # fmt: skip
    stays_open = getattr(provider, "has_persistent_connection", False) is True
    ask = _over_socket(provider) if stays_open else provider.make_request
    return _Bridge(ask), endpoint_of(provider)


def _over_socket(provider: Any) -> Ask:
    """Requests over a connection that stays open (a websocket, a local socket).

    The provider's own `make_request` is not enough: web3.py finds no request for an error that
    answers it, and then stops to listen to the connection. Requests of a manager are remembered.
    """
    from web3 import AsyncWeb3
    from web3.exceptions import Web3RPCError

    manager = AsyncWeb3(provider, middleware=[]).manager

    async def ask(method: Any, params: Any) -> Any:
        try:
            return {"result": await manager.socket_request(method, params)}
        except Web3RPCError as error:
            return error.rpc_response

    return ask


def _in_loop(progress: fetch.Progress) -> fetch.Progress:
    loop = asyncio.get_running_loop()

    def told(what: str, blocks: int, of: int, found: int) -> None:
        loop.call_soon_threadsafe(progress, what, blocks, of, found)

    return told
