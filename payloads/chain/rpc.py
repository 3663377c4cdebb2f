"""A JSON-RPC node: few methods, bounded retries, no secrets in errors.

`connect(where)` takes a URL, a `Web3`, or a provider of web3.py. Everything is then asked through
the provider's `make_request`, so that a node's answers and revert data arrive as it sent them. For
an `AsyncWeb3` there is `payloads.chain.aio`.

`Unavailable` (a `Misuse`: nothing is wrong with any payload) is raised where a node cannot be
reached, no longer knows a block's state, or gives an answer that no node should. A call that
reverts raises `Reverts`, which stays inside this package. An RPC URL may hold a key in its path,
query or user name: none of the three is kept in clear, and they are cut out of a server's words.
"""

from __future__ import annotations

import re
import reprlib
import time
from binascii import unhexlify
from collections.abc import Callable, Iterator, Sequence
from inspect import iscoroutinefunction
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from payloads.abi.fields import Record
from payloads.backing_off import pause_after
from payloads.chain.http_node import SLOW, HttpFailure, HttpNode
from payloads.crypto import checksum
from payloads.errors import Misuse, elide, not_installed

# Called with blocks read, blocks to read, and events found so far.
Progress = Callable[[int, int, int], None]

ATTEMPTS = 5
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0
TIMEOUT_SECONDS = 30
# Nodes that limit the range of eth_getLogs allow 500 to 10,000 blocks: halving finds it from here.
WIDEST_RANGE = 2_000_000
# After so many good answers, a range that was refused once is tried again.
ANSWERS_BEFORE_WIDER = 16

_BUSY = re.compile(r"rate.?limit|too many requests|compute units|capacity|try again|busy", re.I)
_NO_STATE = re.compile(
    r"missing trie node|historical state|state .{0,40}(?:not available|unavailable|pruned)"
    r"|header not found|unknown block|block .{0,20}not found|archive|pruned|distance to target",
    re.I,
)
# No chain has so many blocks, and no reading of one takes so many requests.
MAX_BLOCK = 10**10
MAX_REQUESTS = 1_000_000
# Shows an answer that may be large, with both ends of a text: a key is cut out afterwards.
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 4096
_BUSY_STATUS = (429, 502, 503, 504)


class Unavailable(Misuse):
    """The state of a chain that could not be read."""


class Silent(Unavailable):
    """A node that gives no answer, also when it is asked again."""


class Reverts(Exception):
    """A call that the node ran, and that reverted. Never leaves `payloads.chain`."""

    def __init__(self, data: bytes) -> None:
        super().__init__("0x" + data.hex())
        self.data = data


class _ErrorAnswer(Exception):
    """An error that the node answered."""

    def __init__(self, code: Any, message: str, data: Any) -> None:
        super().__init__(message)
        self.code, self.message, self.data = code, message, data

    @property
    def busy(self) -> bool:
        return self.code in (429, -32029) or bool(_BUSY.search(self.message))


class _NoAnswer(Exception):
    """A request without an answer. `transient`: it may come if asked again."""

    def __init__(self, why: str, transient: bool) -> None:
        super().__init__(why)
        self.why, self.transient = why, transient


class Block(Record, frozen=True):
    """A block's number, hash and time."""

    number: int
    hash: str
    time: int


class Log(Record, frozen=True):
    """An event as a node returns it."""

    block: int
    index: int
    address: bytes
    topics: tuple[bytes, ...]
    data: bytes
    transaction: str


# --- connecting -----------------------------------------------------------------------------------


def connect(
    where: Any, *, pause: Callable[[float], None] = time.sleep, by: str = "fetch_state"
) -> Node:
    """A node by URL (http, https, or the path of an .ipc file), `Web3` or provider.

    `by` is the function that asks: the error for an `AsyncWeb3` names its form for asyncio.
    """
    if isinstance(where, Node):
        return where
    if isinstance(where, str):
        return node_over(provider_by_url(where), where, pause)
    provider = provider_of(where)
    if is_async(provider):
        raise Misuse(
            "an async node, and a function that does not await",
            field="rpc", expected=f"payloads.chain.aio.{by}", found=type(where).__name__,
        )  # fmt: skip
    return node_over(provider, endpoint_of(provider), pause)


def node_over(provider: Any, url: str, pause: Callable[[float], None]) -> Node:
    """A node behind a provider; the URL says its name, and what must not be shown."""
    return Node(provider, host_of(url), _secrets(url), pause)


def provider_of(where: Any) -> Any:
    """The provider of a `Web3` or an `AsyncWeb3`, or the provider that was given."""
    provider = getattr(where, "provider", where)
    if not callable(getattr(provider, "make_request", None)):
        found = type(where).__name__
        raise Misuse("not a node", field="rpc", expected="a URL, a Web3 or a provider", found=found)
    return provider


def is_async(provider: Any) -> bool:
    """Whether the provider's requests are awaited."""
    awaited = iscoroutinefunction(provider.make_request)
    return awaited or getattr(provider, "is_async", False) is True


def endpoint_of(provider: Any) -> str:
    """The URL that a provider asks; "" where it has none."""
    return str(getattr(provider, "endpoint_uri", "") or "")


def provider_by_url(url: str) -> Any:
    """What asks the node at a URL."""
    if _is_http(url):
        return HttpNode(url, TIMEOUT_SECONDS)
    if not url.endswith(".ipc"):
        expected = "an http or https URL, or the path of an .ipc file"
        raise Misuse("no such kind of node", field="rpc", expected=expected, found=host_of(url))
    try:
        from web3 import IPCProvider
    except ImportError:
        problem = not_installed("web3", "rpc", "rpc")
    else:
        return IPCProvider(url)
    raise problem


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def host_of(url: str) -> str:
    """The URL without user name, path and query, any of which may hold a key."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "a node"
    if not host:
        return "a local node" if url.endswith(".ipc") else "a node"
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")


def _secrets(url: str) -> tuple[str, ...]:
    """Pieces of a URL that may be keys, longest first."""
    try:
        parts = urlsplit(url)
        pieces = [parts.username, parts.password, parts.query, *parts.path.split("/")]
    except ValueError:
        return (url,)
    pieces += [value for _, value in parse_qsl(parts.query)]
    found = {piece for piece in pieces if piece and len(piece) > 3}
    return tuple(sorted({url, *found}, key=len, reverse=True)) if url else ()


# --- asking ---------------------------------------------------------------------------------------


class Node:
    """One node. `calls` counts the requests that were sent."""

    def __init__(
        self,
        provider: Any,
        host: str,
        secrets: Sequence[str] = (),
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._provider, self._secrets, self._pause = provider, tuple(secrets), pause
        self.host = host
        self.calls = 0
        self._most = MAX_REQUESTS
        self._blocks: dict[int, Block] = {}
        self._range = WIDEST_RANGE

    def __repr__(self) -> str:
        return f"Node({self.host})"

    def renew(self) -> None:
        """Another reading begins, which may take as many requests again."""
        self._most = self.calls + MAX_REQUESTS

    def redacted(self, text: str) -> str:
        """The words of a server, on one line and without pieces of the URL."""
        for secret in self._secrets:
            text = text.replace(secret, "…")
        # Of millions of words, only the ends are looked at.
        return elide(" ".join(elide(text, 2**14).split()), 200)

    def request(self, method: str, params: Sequence[Any]) -> Any:
        """The result; `Unavailable` for anything else."""
        try:
            return self._request(method, params)
        except _ErrorAnswer as answer:
            problem = self._unavailable(method, answer, params)
        raise problem

    def _request(self, method: str, params: Sequence[Any]) -> Any:
        """The result; `_ErrorAnswer` for an error of the node, `Unavailable` where it is silent."""
        why = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                self._pause(pause_after(attempt, FIRST_PAUSE, LONGEST_PAUSE))
            try:
                return self._once(method, params)
            except _ErrorAnswer as answer:
                if not answer.busy or attempt == ATTEMPTS - 1:
                    raise
            except _NoAnswer as failure:
                why = failure.why
                if not failure.transient:
                    break
        # Outside the handler: its exception's text, and its context's, may hold the URL.
        raise Silent(f"{self.host} cannot be asked", field=method, found=self.redacted(why))

    def _once(self, method: str, params: Sequence[Any]) -> Any:
        self.calls += 1
        if self.calls > self._most:
            raise Unavailable(f"{self.host} has been asked {MAX_REQUESTS} times")
        failure: Exception | None = None
        try:
            response = self._provider.make_request(method, list(params))
        except Exception as error:  # of any library; its kind is all that is kept
            failure = _failure(error)
        if failure is not None:
            raise failure
        if not isinstance(response, dict):
            raise _NoAnswer("an answer that is not JSON-RPC", False)
        if (refusal := response.get("error")) is not None:
            raise _error_answer(refusal)
        if "result" not in response:
            raise _NoAnswer("an answer with neither result nor error", True)
        return response["result"]

    def _unavailable(self, method: str, answer: _ErrorAnswer, params: Sequence[Any]) -> Unavailable:
        words = self.redacted(answer.message)
        if _NO_STATE.search(answer.message):
            block = params[-1] if params and isinstance(params[-1], str) else ""
            at = f" at block {int(block, 16)}" if block.startswith("0x") else ""
            return Unavailable(
                f"{self.host} does not have the state{at}",
                field=method, expected="an archive node, or a newer block", found=words,
            )  # fmt: skip
        return Unavailable(f"{self.host} refuses {method}", found=words)

    # --- methods ----------------------------------------------------------------------------------

    def chain_id(self) -> int:
        return self._integer(self.request("eth_chainId", []), "eth_chainId")

    def head(self) -> int:
        number = self._integer(self.request("eth_blockNumber", []), "eth_blockNumber")
        if number > MAX_BLOCK:
            raise self._bad_answer("eth_blockNumber", number)
        return number

    def block(self, number: int) -> Block:
        """A block by number, asked once."""
        if number not in self._blocks:
            self._blocks[number] = self.block_again(number)
        return self._blocks[number]

    def block_again(self, number: int) -> Block:
        """A block by number, asked again: the chain may have replaced it."""
        found = self.request("eth_getBlockByNumber", [hex(number), False])
        if not isinstance(found, dict):
            raise Unavailable(f"{self.host} has no block {number}", field="block")
        time_ = self._integer(found.get("timestamp"), "timestamp")
        return Block(number, str(found.get("hash")), time_)

    def code(self, address: bytes, number: int) -> bytes:
        return self._bytes(self.request("eth_getCode", [checksum(address), hex(number)]))

    def storage(self, address: bytes, slot: int, number: int) -> bytes:
        """One word of a contract's storage."""
        word = self.request("eth_getStorageAt", [checksum(address), hex(slot), hex(number)])
        return self._bytes(word).rjust(32, b"\0")

    def call(
        self,
        to: bytes,
        data: bytes,
        number: int | str,
        sender: bytes | None = None,
        value: int = 0,
        gas: int | None = None,
    ) -> bytes:
        """The data that a call returns at a block; `Reverts` with its revert data."""
        call = _call(to, data, sender, value)
        if gas is not None:
            call["gas"] = hex(gas)
        block = _block(number)
        problem: Exception
        try:
            return self._bytes(self._request("eth_call", [call, block]))
        except _ErrorAnswer as answer:
            reverted = _revert_data(answer)
            if reverted is None:
                problem = self._unavailable("eth_call", answer, [call, block])
            else:
                problem = Reverts(reverted)
        raise problem

    def gas_needed(self, to: bytes, data: bytes, sender: bytes | None, value: int) -> int:
        """The least gas limit that a transaction succeeds with; `Unavailable` if it reverts."""
        found = self.request("eth_estimateGas", [_call(to, data, sender, value)])
        return self._integer(found, "eth_estimateGas")

    def gas_price(self) -> int:
        return self._integer(self.request("eth_gasPrice", []), "eth_gasPrice")

    def gas_limit(self, number: int) -> int:
        """The gas that a block has room for."""
        found = self.request("eth_getBlockByNumber", [hex(number), False])
        value = found.get("gasLimit") if isinstance(found, dict) else None
        return self._integer(value, "gasLimit")

    def balance(self, address: bytes) -> int:
        """The ether of an address, in wei."""
        found = self.request("eth_getBalance", [checksum(address), "latest"])
        return self._integer(found, "eth_getBalance")

    def transaction(self, hash_: str) -> dict[str, Any] | None:
        found = self.request("eth_getTransactionByHash", [hash_])
        return found if isinstance(found, dict) else None

    def sender(self, number: int, index: int) -> tuple[bytes, int] | None:
        """Who sent the transaction at this place of a block, and its nonce; None for no such."""
        place = [hex(number), hex(index)]
        found = self.request("eth_getTransactionByBlockNumberAndIndex", place)
        if not isinstance(found, dict):
            return None
        return self._bytes(found.get("from")), self._integer(found.get("nonce"), "nonce")

    def nonce(self, address: bytes, number: int | str) -> int:
        """How many transactions an account had sent after a block, or after `pending`."""
        method, block = "eth_getTransactionCount", _block(number)
        return self._integer(self.request(method, [checksum(address), block]), method)

    def logs(
        self,
        addresses: Sequence[bytes],
        topics: Sequence[Any],
        first: int,
        last: int,
        progress: Progress | None = None,
    ) -> list[Log]:
        """All logs from block `first` to `last`, in order, in as few pieces as the node allows."""
        found: list[Log] = []
        at, good = first, 0
        while at <= last:
            upto = min(last, at + self._range - 1)
            logs = self._logs_of_range(addresses, topics, at, upto)
            if logs is None:
                self._range, good = max(1, (upto - at + 1) // 2), 0
                continue
            found += logs
            at, good = upto + 1, good + 1
            if good % ANSWERS_BEFORE_WIDER == 0:
                self._range = min(2 * self._range, WIDEST_RANGE)
            if progress is not None:
                progress(at - first, last - first + 1, len(found))
        return sorted(found, key=lambda log: (log.block, log.index))

    def _logs_of_range(
        self, addresses: Sequence[bytes], topics: Sequence[Any], first: int, last: int
    ) -> list[Log] | None:
        """The logs of a range; None where it is too wide.

        Nodes word that in a hundred ways, and some just time out. So any refusal is taken for that,
        as long as the range can be halved.
        """
        wanted = {
            "address": [checksum(address) for address in addresses],
            "topics": list(topics),
            "fromBlock": hex(first),
            "toBlock": hex(last),
        }
        problem: Exception
        try:
            found = self._request("eth_getLogs", [wanted])
        except _ErrorAnswer as answer:
            problem = self._unavailable("eth_getLogs", answer, [wanted])
        except Unavailable as silent:
            problem = silent
            if silent.found != SLOW:
                raise
        else:
            if not isinstance(found, list):
                raise self._bad_answer("eth_getLogs", found)
            return [log for raw in found for log in self._log(raw, addresses, first, last)]
        if last > first:
            return None
        raise problem

    def _log(self, raw: Any, addresses: Sequence[bytes], first: int, last: int) -> Iterator[Log]:
        try:
            log = Log(
                self._integer(raw["blockNumber"], "blockNumber"),
                self._integer(raw["logIndex"], "logIndex"),
                unhexlify(raw["address"].removeprefix("0x")),
                tuple(self._bytes(topic) for topic in raw["topics"]),
                self._bytes(raw["data"]),
                str(raw.get("transactionHash")),
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            raise self._bad_answer("eth_getLogs", raw) from None
        if log.address not in addresses or not first <= log.block <= last:
            raise self._bad_answer("eth_getLogs", "a log that was not asked for")
        yield log

    # --- answers ----------------------------------------------------------------------------------

    def _integer(self, value: Any, method: str) -> int:
        if type(value) is int and value >= 0:  # as a middleware of web3.py gives it
            return value
        if isinstance(value, str) and QUANTITY.fullmatch(value):
            return int(value, 16)
        raise self._bad_answer(method, value)

    def _bytes(self, value: Any) -> bytes:
        if isinstance(value, bytes):
            return bytes(value)
        try:
            return unhexlify(value.removeprefix("0x"))  # `fromhex` would skip white space
        except (AttributeError, ValueError):
            raise self._bad_answer("hex data", value) from None

    def _bad_answer(self, field: str, value: Any) -> Unavailable:
        found = self.redacted(_SHORT.repr(value))
        return Unavailable(
            f"{self.host} gives an answer that no node should", field=field, found=found
        )


def _block(number: int | str) -> str:
    return number if isinstance(number, str) else hex(number)


def _call(to: bytes, data: bytes, sender: bytes | None, value: int) -> dict[str, str]:
    """A call as JSON-RPC has it."""
    call = {"to": checksum(to), "data": "0x" + data.hex()}
    if sender is not None:
        call["from"] = checksum(sender)
    if value:
        call["value"] = hex(value)
    return call


def _error_answer(error: Any) -> _ErrorAnswer:
    if not isinstance(error, dict):
        return _ErrorAnswer(None, _words(error), None)
    return _ErrorAnswer(error.get("code"), _words(error.get("message")), error.get("data"))


def _words(message: Any) -> str:
    return message if isinstance(message, str) else _SHORT.repr(message)


def _failure(error: Exception) -> Exception:
    """The kind of a failure, in words that cannot hold the URL."""
    if isinstance(error, HttpFailure):
        if error.status:
            return _refused_by_status(error.status, error.words)
        return _NoAnswer(error.why, error.transient)
    # The libraries under web3.py's providers: requests, aiohttp, websockets.
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", getattr(error, "status", None))
    if isinstance(status, int):
        return _refused_by_status(status, str(getattr(response, "text", "")))
    name = type(error).__name__
    if name == "ProviderConnectionError":
        return _NoAnswer("the provider is not connected: use `async with AsyncWeb3(…)`", False)
    if "Timeout" in name or name == "TimeExhausted":
        return _NoAnswer(SLOW, True)
    kinds = " ".join(kind.__name__ for kind in type(error).__mro__)
    if isinstance(error, OSError) or "Connection" in kinds or "ClientPayload" in kinds:
        return _NoAnswer("no connection", True)
    if "JSON" in name or "BadResponse" in name or isinstance(error, ValueError):
        return _NoAnswer("an answer that is not JSON-RPC", False)
    return _NoAnswer(name, False)


def _refused_by_status(status: int, words: str) -> Exception:
    if status in _BUSY_STATUS:
        return _NoAnswer(f"HTTP status {status}", True)
    # Some nodes refuse a range of logs with a status of 400 or 413.
    return _ErrorAnswer(status, f"HTTP status {status}: {words[:300]}", None)


_HEX = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
# No integer of a chain is wider than a word; `int(…, 16)` also takes signs and underscores.
QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}", re.ASCII)


def _revert_data(answer: _ErrorAnswer) -> bytes | None:
    """The data of a revert, in each of the places where nodes put it; None if it is no revert."""
    data = answer.data
    if isinstance(data, dict):
        data = data.get("data", data.get("result"))
    if isinstance(data, str) and (found := _HEX.search(data)) and len(found[0]) % 2 == 0:
        return bytes.fromhex(found[0][2:])
    return b"" if "revert" in answer.message.lower() or answer.code == 3 else None
