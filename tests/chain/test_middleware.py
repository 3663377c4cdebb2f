"""The guard as a middleware: of real web3.py, over loopback, on either side of one that signs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from payloads.chain import Policy, PolicyRefusal, States, aio
from payloads.errors import Misuse, PayloadError, Refused
from payloads.verdicts.state import State
from payloads.verdicts.verdict import ContractRefusal
from tests.chain.loopback_node import over_http
from tests.chain.stork_chain import ADDRESS, StorkChain
from tests.chain.test_aio import KINDS, PROXY, connected
from tests.chain.test_guard import FEE, KEEPER, OTHER, STRANGER, call, stork, update

web3 = pytest.importorskip("web3")
from eth_account import Account  # noqa: E402
from web3.middleware import SignAndSendRawMiddlewareBuilder  # noqa: E402

from payloads.chain.guarding.signed_transactions import read_signed  # noqa: E402
from payloads.chain.middleware import GuardMiddlewareBuilder  # noqa: E402

KEY = Account.from_key(b"\x11" * 32)
GAS = {"gas": 100_000, "gasPrice": 10**9, "nonce": 0, "chainId": 1}
SENDER = web3.Web3.to_checksum_address(KEEPER)
GOOD, BAD = (call(raw) | {"from": SENDER} for raw in (update(), update(STRANGER)))
ELSEWHERE = BAD | {"to": web3.Web3.to_checksum_address(OTHER)}


class Node:
    """The made-up chain as a node that takes any transaction and counts them."""

    def __init__(self) -> None:
        found, self.state = stork()
        self.chain: StorkChain = found.chain
        self.taken: list[tuple[str, Any]] = []

    def __call__(self, method: str, params: list[Any]) -> dict[str, Any]:
        if method in ("eth_sendTransaction", "eth_sendRawTransaction"):
            self.taken.append((method, params[0]))
            return {"result": "0x" + f"{len(self.taken):064x}"}
        return self.chain.make_request(method, params)

    @property
    def methods(self) -> list[str]:
        return [method for method, _ in self.taken]


@pytest.fixture
def node() -> Node:
    return Node()


@contextmanager
def guarded(node: Node, *given: Any, layer: int | None = 0) -> Iterator[Any]:
    with over_http(node) as url:
        w3 = web3.Web3(web3.HTTPProvider(url))
        middleware = GuardMiddlewareBuilder.build(*(given or (node.state,)))
        if layer is None:
            w3.middleware_onion.add(middleware, "guard")
        else:
            w3.middleware_onion.inject(middleware, "guard", layer=layer)
        yield w3


def alone(node: Node) -> Any:
    """The middleware without a `Web3`: it can ask no node."""
    build: Any = GuardMiddlewareBuilder.build(node.state)
    return build(None)


def signed(transaction: dict[str, Any], **changes: Any) -> bytes:
    fields = {key: value for key, value in transaction.items() if key != "from"}
    fields["to"] = web3.Web3.to_checksum_address(fields["to"])
    return bytes(KEY.sign_transaction(fields | GAS | changes).raw_transaction)


# --- sync -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", [0, None])
def test_a_refused_transaction_does_not_reach_the_node(node: Node, layer: int | None) -> None:
    with guarded(node, layer=layer) as w3:
        assert len(w3.eth.send_transaction(GOOD | {"gas": 1, "gasPrice": 1})) == 32
        with pytest.raises(ContractRefusal, match="would return false") as caught:
            w3.eth.send_transaction(BAD | {"gas": 1, "gasPrice": 1})
        assert caught.value.verdict is not None
        assert node.methods == ["eth_sendTransaction"]
        with pytest.raises(ContractRefusal, match="would return false"):
            w3.eth.send_raw_transaction(signed(BAD))
        w3.eth.send_raw_transaction(signed(GOOD))
        assert node.methods == ["eth_sendTransaction", "eth_sendRawTransaction"]


def test_other_transactions_and_other_methods_pass_untouched(node: Node) -> None:
    with guarded(node) as w3:
        w3.eth.send_transaction(ELSEWHERE | {"gas": 1, "gasPrice": 1})
        w3.eth.send_raw_transaction(signed(ELSEWHERE))
        w3.eth.send_transaction(
            {"from": ELSEWHERE["from"], "data": "0x60", "gas": 1, "gasPrice": 1}
        )
        assert node.taken[1][1] == "0x" + signed(ELSEWHERE).hex()
        assert w3.eth.block_number == node.chain.head
    assert len(node.taken) == 3
    middleware = alone(node)
    for method, params in (
        ("eth_sendTransaction", [ELSEWHERE]),
        ("eth_sendRawTransaction", [signed(ELSEWHERE)]),
        ("eth_call", [GOOD, "latest"]),
    ):
        assert middleware.request_processor(method, params) == (method, params), "no node is asked"


def test_a_consumer_is_guarded_where_it_gets_a_payload(node: Node) -> None:
    consumer = web3.Web3.to_checksum_address("0x" + "c0" * 20)
    gas = {"gas": 100_000, "gasPrice": 1}
    good, bad = (
        call(raw, to=consumer, value=0) | {"from": SENDER} | gas
        for raw in (update(), update(STRANGER))
    )
    with guarded(node, node.state, Policy(consumers=(consumer,))) as w3:
        w3.eth.send_transaction(good)
        with pytest.raises(ContractRefusal, match="would return false"):
            w3.eth.send_transaction(bad)
        w3.eth.send_transaction(good | {"data": "0x12345678"})
        w3.eth.send_transaction({"from": SENDER, "to": consumer, "value": 1} | gas)
        assert len(node.taken) == 3
    with guarded(node) as w3:
        w3.eth.send_transaction(bad)
        assert len(node.taken) == 4


def test_what_cannot_be_judged_is_not_sent(node: Node) -> None:
    plain = {"gas": 1, "gasPrice": 1}
    with guarded(node) as w3:
        with pytest.raises(Misuse, match="calls no function that verifies"):
            w3.eth.send_transaction(GOOD | plain | {"data": "0x12345678"})
        with pytest.raises(Misuse, match="not a signed transaction"):
            w3.eth.send_raw_transaction(signed(GOOD)[:-1])
        with pytest.raises(Misuse, match="no known kind"):
            w3.eth.send_raw_transaction(b"\x05" + signed(GOOD))
        with pytest.raises(Misuse, match="for another chain"):
            w3.eth.send_raw_transaction(signed(GOOD, chainId=5))
        node.chain.chain_id = 5
        with pytest.raises(Misuse, match="another chain than the node's"):
            w3.eth.send_transaction(GOOD | plain)
    assert node.taken == []


def test_a_name_is_not_passed_by_an_outer_guard(node: Node) -> None:
    middleware = alone(node)
    with pytest.raises(Misuse, match="layer=0"):
        middleware.request_processor("eth_sendTransaction", [GOOD | {"to": "proxy.eth"}])


# --- which state ----------------------------------------------------------------------------------


def test_a_policy_and_every_kind_of_state(node: Node) -> None:
    plain = {"gas": 1, "gasPrice": 1}
    strict = Policy(max_fee=FEE - 1)
    elsewhere = State.from_dict(node.state.to_dict() | {"proxy": OTHER})
    asked: list[int] = []

    def newest() -> State:
        asked.append(1)
        return node.state

    for given in (node.state, States([elsewhere, node.state]), newest):
        with guarded(node, given, strict) as w3, pytest.raises(PolicyRefusal, match="max_fee"):
            w3.eth.send_transaction(GOOD | plain)
        with guarded(node, given) as w3:
            w3.eth.send_transaction(GOOD | plain)
    assert len(asked) == 2
    with guarded(node, States([elsewhere, node.state])) as w3, pytest.raises(PayloadError):
        w3.eth.send_transaction(ELSEWHERE | plain)
    far = State.from_dict(node.state.to_dict() | {"chain_id": 5})
    with guarded(node, States([far])) as w3, pytest.raises(Misuse, match="on this chain"):
        w3.eth.send_transaction(GOOD | plain)


def test_a_state_that_names_no_contract_guards_nothing_and_says_so(node: Node) -> None:
    record = {key: value for key, value in node.state.to_dict().items() if key != "proxy"}
    with pytest.raises(Misuse, match="which contract"):
        GuardMiddlewareBuilder.build(State.from_dict(record))
    with pytest.raises(Misuse, match="not a state"):
        GuardMiddlewareBuilder.build(5)  # type: ignore[arg-type]

    async def later() -> State:
        return node.state

    with guarded(node, later) as w3, pytest.raises(Misuse, match="awaited"):
        w3.eth.send_transaction(GOOD | {"gas": 1, "gasPrice": 1})
    assert node.taken == []


# --- beside a middleware that signs ---------------------------------------------------------------


@pytest.mark.parametrize("layer", [0, None])
def test_on_either_side_of_a_middleware_that_signs(node: Node, layer: int | None) -> None:
    with guarded(node, layer=layer) as w3:
        sign = SignAndSendRawMiddlewareBuilder.build(KEY)
        if layer is None:
            w3.middleware_onion.inject(sign, "sign", layer=0)
        else:
            w3.middleware_onion.add(sign, "sign")
        own = {"from": KEY.address, **GAS}
        w3.eth.send_transaction(GOOD | own)
        with pytest.raises(ContractRefusal, match="would return false"):
            w3.eth.send_transaction(BAD | own)
    ((method, raw),) = node.taken
    assert method == "eth_sendRawTransaction"
    assert read_signed(bytes.fromhex(raw[2:]))["from"] == KEY.address


# --- signed transactions --------------------------------------------------------------------------

TYPED: dict[str, dict[str, Any]] = {
    "legacy": {"gasPrice": 9},
    "1": {"type": 1, "gasPrice": 9, "accessList": []},
    "2": {"type": 2, "maxFeePerGas": 9, "maxPriorityFeePerGas": 1},
    "3": {
        "type": 3, "maxFeePerGas": 9, "maxPriorityFeePerGas": 1, "maxFeePerBlobGas": 9,
        "blobVersionedHashes": [b"\x01" + bytes(31)],
    },
    "4": {
        "type": 4, "maxFeePerGas": 9, "maxPriorityFeePerGas": 1,
        "authorizationList": [
            KEY.sign_authorization({"chainId": 1, "address": "0x" + "11" * 20, "nonce": 0})
        ],
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", TYPED)
def test_every_kind_of_signed_transaction_is_read(kind: str) -> None:
    fields = {"gas": 1, "nonce": 7, "chainId": 3, "value": 5, "to": PROXY, "data": b"\x12\x34"}
    raw = bytes(KEY.sign_transaction(fields | TYPED[kind]).raw_transaction)
    assert read_signed(raw) == {
        "from": KEY.address, "to": ADDRESS, "value": 5, "data": b"\x12\x34", "chainId": 3,
    }  # fmt: skip


def test_a_transaction_with_its_blobs_is_read_without_them() -> None:
    rlp = pytest.importorskip("rlp")
    fields = {"gas": 1, "nonce": 7, "chainId": 3, "value": 5, "to": PROXY, "data": b"\x12\x34"}
    raw = bytes(KEY.sign_transaction(fields | TYPED["3"]).raw_transaction)
    for rest in ([[b"b" * 9], [b"c"], [b"p"]], [b"\x01", [b"b" * 9], [b"c"], [b"p"] * 128]):
        assert read_signed(b"\x03" + rlp.encode([rlp.decode(raw[1:]), *rest])) == read_signed(raw)


def test_a_creation_goes_to_no_contract_and_an_old_signature_names_no_chain() -> None:
    fields = {"gas": 1, "gasPrice": 1, "nonce": 7, "value": 5, "data": b"\x12\x34"}
    found = read_signed(bytes(KEY.sign_transaction(fields).raw_transaction))
    assert found == {"from": KEY.address, "value": 5, "data": b"\x12\x34"}


@pytest.mark.parametrize("raw", ["", "00", "7f", "01", "02c0", "c0", "c101", "ff" * 9, "05c0"])
def test_bytes_that_are_no_transaction_are_misuse(raw: str) -> None:
    with pytest.raises(Misuse):
        read_signed(bytes.fromhex(raw))


# --- async ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("outside", [False, True])
def test_async_over_every_provider(node: Node, kind: str, outside: bool) -> None:
    async def newest() -> State:
        await asyncio.sleep(0)
        return node.state

    async def main() -> None:
        async with connected(kind, node) as w3:
            onion = w3.middleware_onion
            guard = GuardMiddlewareBuilder.build(newest)
            sign = SignAndSendRawMiddlewareBuilder.build(KEY)
            inner, outer = (sign, guard) if outside else (guard, sign)
            onion.inject(inner, "inner", layer=0)
            onion.add(outer, "outer")
            own = {"from": KEY.address, **GAS}
            assert len(await w3.eth.send_transaction(GOOD | own)) == 32
            with pytest.raises(Refused, match="would return false"):
                await w3.eth.send_transaction(BAD | own)
            with pytest.raises(Refused, match="would return false"):
                await w3.eth.send_raw_transaction(signed(BAD))
            await w3.eth.send_raw_transaction(signed(ELSEWHERE))
            answers = await asyncio.gather(*(w3.eth.send_transaction(GOOD | own) for _ in range(3)))
            assert len({bytes(answer) for answer in answers}) == 3
            with pytest.raises(Refused, match="would return false"):
                await aio.send_guarded(w3, BAD, node.state)
            assert await w3.eth.block_number == node.chain.head

    asyncio.run(main())
    assert node.methods == ["eth_sendRawTransaction"] * 5
