"""The JSON-RPC client over a made-up provider, and the registry of published facts: no network."""

from __future__ import annotations

import json
from typing import Any

import pytest

from payloads import published
from payloads.chain.reading.contract_events import PROXY, calldata, topics_of
from payloads.chain.rpc import Node, Reverts, Unavailable, connect, host_of
from payloads.chainlink.verifier import judge
from payloads.errors import Misuse
from payloads.verdicts.state import State

ADDRESS = b"\x11" * 20
TOPIC = "0x" + PROXY[0].topic.hex()


class Scripted:
    """A provider that answers from a list, or by a function of method and parameters."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, list[Any]]] = []

    def make_request(self, method: str, params: list[Any]) -> Any:
        self.asked.append((method, params))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        answer = answer(method, params) if callable(answer) else answer
        if isinstance(answer, Exception):
            raise answer
        return answer


def node(*answers: Any, pauses: list[float] | None = None) -> tuple[Node, Scripted]:
    provider = Scripted(*answers)
    noted = [] if pauses is None else pauses
    return connect(provider, pause=noted.append), provider


def test_busy_nodes_are_asked_again_ever_more_slowly() -> None:
    pauses: list[float] = []
    busy = {"error": {"code": 429, "message": "Too many requests"}}
    asked, provider = node(busy, TimeoutError(), busy, {"result": "0x7"}, pauses=pauses)
    assert asked.head() == 7
    assert pauses == [0.5, 1.0, 2.0]
    assert len(provider.asked) == 4


def test_patience_ends() -> None:
    asked, provider = node(ConnectionError("http://x/SECRET"))
    with pytest.raises(Unavailable, match="no connection") as caught:
        asked.head()
    assert len(provider.asked) == 5
    assert "SECRET" not in repr(caught.value.__context__)


@pytest.mark.parametrize(
    "answer",
    ["text", None, {}, {"result": "many"}, {"result": None}, {"error": "no"}, {"result": {}}],
)
def test_nonsense_is_unavailable(answer: Any) -> None:
    asked, _ = node(answer)
    with pytest.raises(Unavailable):
        asked.head()


@pytest.mark.parametrize(
    ("error", "data"),
    [
        ({"code": 3, "message": "execution reverted", "data": "0x1234"}, b"\x124"),
        ({"code": -32603, "message": "…", "data": {"message": "…", "data": "0x12"}}, b"\x12"),
        ({"code": -32015, "message": "VM execution error.", "data": "Reverted 0x12"}, b"\x12"),
        ({"code": -32000, "message": "execution reverted"}, b""),
    ],
)
def test_revert_data_wherever_a_node_puts_it(error: dict[str, Any], data: bytes) -> None:
    asked, _ = node({"error": error})
    with pytest.raises(Reverts) as caught:
        asked.call(ADDRESS, b"", 1)
    assert caught.value.data == data


@pytest.mark.parametrize(
    "message",
    ["missing trie node 0a (path )", "header not found", "required historical state unavailable"],
)
def test_missing_archive_data_says_so(message: str) -> None:
    asked, _ = node({"error": {"code": -32000, "message": message}})
    with pytest.raises(Unavailable, match=r"does not have the state at block 9.*archive node"):
        asked.call(ADDRESS, b"", 9)


def log(block: int) -> dict[str, Any]:
    return {
        "blockNumber": hex(block), "logIndex": "0x0", "address": "0x" + ADDRESS.hex(),
        "topics": [TOPIC], "data": "0x", "transactionHash": "0x00",
    }  # fmt: skip


@pytest.mark.parametrize("most", [1, 7, 100, 10**9])
def test_ranges_shrink_until_the_node_takes_them(most: int) -> None:
    seen: list[tuple[int, int, int]] = []

    def logs(method: str, params: list[Any]) -> Any:
        first, last = (int(params[0][key], 16) for key in ("fromBlock", "toBlock"))
        if last - first + 1 > most:
            return {"error": {"code": -32602, "message": "some vendor's own words"}}
        return {"result": [log(block) for block in range(first, last + 1) if block % 5 == 0]}

    asked, _ = node(logs)
    found = asked.logs([ADDRESS], topics_of(PROXY), 3, 500, lambda *what: seen.append(what))
    assert [log.block for log in found] == list(range(5, 501, 5))
    assert seen[-1] == (498, 498, 100)


def test_a_refusal_of_a_single_block_is_an_error() -> None:
    asked, _ = node({"error": {"code": -32602, "message": "never"}})
    with pytest.raises(Unavailable, match="never"):
        asked.logs([ADDRESS], [], 0, 9)


@pytest.mark.parametrize(
    "bad", [log(1) | {"address": "0x" + "22" * 20}, log(999), {}, log(1) | {"data": 5}, "log"]
)
def test_logs_that_were_not_asked_for_are_noticed(bad: Any) -> None:
    asked, _ = node({"result": [bad]})
    with pytest.raises(Unavailable, match="no node should"):
        asked.logs([ADDRESS], [], 0, 9)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:pass@node.example/v2/KEY?k=KEY", "https://node.example"),
        ("http://127.0.0.1:8545", "http://127.0.0.1:8545"),
        ("/home/me/geth.ipc", "a local node"),
        ("http://[", "a node"),
    ],
)
def test_only_the_host_of_a_url_is_kept(url: str, shown: str) -> None:
    assert host_of(url) == shown


def test_what_is_no_node_is_misuse() -> None:
    with pytest.raises(Misuse, match="not a node"):
        connect(5)


def test_calldata_of_getters() -> None:
    assert calldata("typeAndVersion()").hex() == "181f5a77"
    assert calldata("f(address)", ADDRESS)[4:] == bytes(12) + ADDRESS


# --- the registry ---------------------------------------------------------------------------------


def test_every_entry_names_its_source() -> None:
    entries: tuple[Any, ...] = (
        *published.proxies(),
        *published.signer_sets(),
        *published.stork_signers(),
    )
    assert len(entries) == 107 + 2 + 3
    assert all(entry.source for entry in entries)
    assert all(any("unverified" in name for name in entry.__struct_fields__) for entry in entries)


def test_proxies_by_address_and_network() -> None:
    (arbitrum,) = published.proxies(network="arbitrum mainnet")
    assert arbitrum.unverified_address == "0x478aa2ac9f6d65f84e09d9185d126c3a17c2a93c"
    assert published.proxies("0x478Aa2aC9F6D65F84e09D9185d126c3a17c2a93C") == (arbitrum,)
    assert len(published.proxies("0x60fAa7faC949aF392DFc858F5d97E3EEfa07E9EB")) > 10
    assert published.proxies(bytes(20)) == ()


def test_a_state_of_the_registry_says_that_nobody_verified_it() -> None:
    complete = next(known for known in published.signer_sets() if known.complete)
    state = published.unverified_state(bytes(complete.config_digest), now=5)
    assert "UNVERIFIED" in judge(b"", state).sentence
    assert "UNVERIFIED" in json.dumps(judge(b"", state).to_dict())
    assert State.from_dict(state.to_dict()) == state
    stork = published.unverified_stork_state("production")
    assert "UNVERIFIED" in stork.described()


def test_incomplete_signer_sets_make_no_state() -> None:
    partial = next(known for known in published.signer_sets() if not known.complete)
    with pytest.raises(Misuse, match="not all of its signers are known"):
        published.unverified_state(bytes(partial.config_digest))
    for bad in ("0x" + "ab" * 32, "nothing"):
        with pytest.raises(Misuse):
            published.unverified_state(bad)
    with pytest.raises(Misuse):
        published.unverified_stork_state("somebody")
