"""A transaction that a block has taken: what was sent, what became of it, and the calls inside.

`mined` reads transaction and receipt, `frames` the calls where the node traces, and `replayed` the
revert data where it does not. Raises `Misuse` for a transaction that does not exist, `Unavailable`
for one that no block has yet.
"""

from __future__ import annotations

import re
from binascii import unhexlify
from typing import Any

from payloads.abi.fields import Record
from payloads.chain.rpc import QUANTITY, Block, Log, Node, Reverts, Unavailable
from payloads.errors import Misuse, PayloadError, shown

_HASH = re.compile(r"0x[0-9a-fA-F]{64}")
# No block's gas pays for more calls.
MAX_FRAMES = 100_000


class Mined(Record, frozen=True):
    """A transaction with its receipt. `gas` is its limit."""

    hash: str
    block: Block
    index: int
    sender: bytes
    to: bytes
    data: bytes
    value: int
    gas: int
    succeeded: bool
    gas_used: int
    logs: tuple[Log, ...]


class Frame(Record, frozen=True):
    """A call inside a transaction. `undone`: a call around it reverted."""

    kind: str
    sender: bytes
    to: bytes
    data: bytes
    value: int
    output: bytes
    failed: bool
    undone: bool


def hash_text(value: Any) -> str:
    """A transaction's hash as a node takes it."""
    text = "0x" + value.hex() if isinstance(value, bytes) else value
    if not isinstance(text, str) or not _HASH.fullmatch(text):
        expected = "0x and 64 hex digits"
        raise Misuse("not the hash of a transaction", field="hash", expected=expected,
                     found=shown(value))  # fmt: skip
    return text.lower()


def mined(node: Node, hash_: str) -> Mined:
    """The transaction, once a block has it."""
    sent = node.request("eth_getTransactionByHash", [hash_])
    if sent is None:
        raise Misuse(
            f"chain {node.chain_id()} has no such transaction",
            field="hash", expected="a transaction of this node's chain", found=hash_,
        )  # fmt: skip
    if isinstance(sent, dict) and sent.get("blockNumber") is None:
        raise Unavailable("the transaction is pending: no block has it yet", field="hash")
    receipt = node.request("eth_getTransactionReceipt", [hash_])
    if receipt is None:
        raise Unavailable(f"{node.host} has no receipt of the transaction", field="hash")
    try:
        return _mined(node, hash_, sent, receipt)
    except PayloadError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError):
        problem = Unavailable(
            f"{node.host} gives an answer that no node should",
            field="eth_getTransactionReceipt", found=node.redacted(shown(receipt)),
        )  # fmt: skip
    raise problem


def _mined(node: Node, hash_: str, sent: Any, receipt: Any) -> Mined:
    if sent["to"] is None:
        raise Misuse("the transaction creates a contract", field="hash", expected="a call")
    block = node.block(_integer(receipt["blockNumber"]))
    if receipt["blockHash"] != block.hash:
        raise Unavailable("the transaction's block was replaced while it was read", field="block")
    return Mined(
        hash_,
        block,
        _integer(receipt["transactionIndex"]),
        _bytes(sent["from"]),
        _bytes(sent["to"]),
        _bytes(sent["input"]),
        _integer(sent["value"]),
        _integer(sent["gas"]),
        _succeeded(receipt),
        _integer(receipt["gasUsed"]),
        tuple(_log(raw, block.number, hash_) for raw in receipt["logs"]),
    )


def _succeeded(receipt: dict[str, Any]) -> bool:
    if "status" not in receipt:
        raise Unavailable("a receipt without a status, from before the year 2017", field="hash")
    return _integer(receipt["status"]) == 1


def _log(raw: dict[str, Any], number: int, hash_: str) -> Log:
    topics = tuple(_bytes(topic) for topic in raw["topics"])
    index, address = _integer(raw["logIndex"]), _bytes(raw["address"])
    return Log(number, index, address, topics, _bytes(raw["data"]), hash_)


def _integer(value: Any) -> int:
    if type(value) is int and value >= 0:  # as a middleware of web3.py gives it
        return value
    if not QUANTITY.fullmatch(value):
        raise ValueError(value)
    return int(value, 16)


def _bytes(value: Any) -> bytes:
    return bytes(value) if isinstance(value, bytes) else unhexlify(value.removeprefix("0x"))


# --- the calls inside -----------------------------------------------------------------------------


def frames(node: Node, hash_: str) -> list[Frame] | None:
    """The calls of a transaction in order, the outermost first; None where the node traces none."""
    try:
        found = node.request("debug_traceTransaction", [hash_, {"tracer": "callTracer"}])
        return _frames(found)
    except (Unavailable, AttributeError, KeyError, TypeError, ValueError):
        return None


def _frames(top: dict[str, Any]) -> list[Frame]:
    listed: list[Frame] = []
    waiting = [(top, False)]
    while waiting:
        raw, undone = waiting.pop()
        failed = raw.get("error") is not None
        if raw["type"] not in ("CREATE", "CREATE2", "SELFDESTRUCT"):
            listed.append(
                Frame(
                    raw["type"],
                    _bytes(raw["from"]),
                    _bytes(raw["to"]),
                    _bytes(raw.get("input", "0x")),
                    _integer(raw.get("value") or "0x0"),
                    _bytes(raw.get("output") or "0x"),
                    failed,
                    undone,
                )
            )
        if len(listed) + len(waiting) > MAX_FRAMES:
            raise ValueError("more calls than a block's gas pays for")
        waiting += [(inner, undone or failed) for inner in reversed(raw.get("calls") or ())]
    return listed


def replayed(node: Node, sent: Mined) -> bytes | None:
    """The revert data of the same call on the block before; None if it passes, or is not known."""
    try:
        node.call(sent.to, sent.data, sent.block.number - 1, sent.sender, sent.value)
    except Reverts as reverted:
        return reverted.data
    except Unavailable:
        pass
    return None
