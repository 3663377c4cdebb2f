"""Typed messages: the published vector, and another library that must agree."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payloads.errors import Malformed
from payloads.venues.ethgas.auth import EthgasLogin
from payloads.venues.ethgas.eip712 import (
    domain_separator,
    encode_type,
    hash_struct,
    signature_of,
    typed_data_digest,
)
from tests.venues.ethgas.kit import ADDRESS, MAIL, PRIVATE_KEY, VECTOR, trees


def test_the_spec_s_vector() -> None:
    data = copy.deepcopy(VECTOR)
    for contract in ("0x0", "0x" + "0" * 40):
        data["domain"]["verifyingContract"] = contract
        assert domain_separator(data).hex() == (
            "15a44ac4fb2c1ff699db9858a688f7edd5f11fb7ac48f53306fd90f476774442"
        )
        types = {"data": [("hash", "string"), ("message", "string"), ("domain", "string")]}
        assert encode_type("data", types) == "data(string hash,string message,string domain)"
        assert hash_struct("data", data["message"], types).hex() == (
            "18f0e6310e4cbc4aa031f1566e7ba94a617cc4d22a85827b4b36470db0015898"
        )
        digest = typed_data_digest(data)
        assert digest.hex() == "ce825533b48c12324c788be61e4dba8d795bc846599831947df640cd388ef100"
        assert signature_of(PRIVATE_KEY, digest) == (
            "0x6d6ad6409fd66b55ef267ea33b7caa3ffd759b4b40728ae2624770f6bd2c0d2d"
            "212f3a96869c4781a9cfafed4739f8a4d66c05aa7faa50de3ef39e9daca1ae7e1b"
        )
    assert EthgasLogin(private_key=PRIVATE_KEY).address.lower() == ADDRESS


def test_a_domain_whose_type_is_left_out() -> None:
    data = copy.deepcopy(VECTOR)
    del data["types"]["EIP712Domain"]
    assert typed_data_digest(data) == typed_data_digest(VECTOR)


def reference(data: dict[str, Any]) -> bytes:
    account = pytest.importorskip("eth_account")
    messages = pytest.importorskip("eth_account.messages")
    signable = messages.encode_typed_data(full_message=data)
    signed = account.Account.sign_message(signable, "0x" + PRIVATE_KEY.reveal())
    return bytes(signed.message_hash)


def test_nested_types_hash_as_in_another_library() -> None:
    data = copy.deepcopy(MAIL)
    data["types"]["EIP712Domain"] = [  # type: ignore[index]
        {"name": "name", "type": "string"}, {"name": "version", "type": "string"},
        {"name": "chainId", "type": "uint256"}, {"name": "salt", "type": "bytes32"},
    ]  # fmt: skip
    assert typed_data_digest(data) == typed_data_digest(MAIL) == reference(data)


@given(st.text(max_size=40), st.integers(0, 2**256 - 1), st.binary(max_size=40), st.booleans())
def test_values_hash_as_in_another_library(text: str, number: int, raw: bytes, flag: bool) -> None:
    data = copy.deepcopy(VECTOR)
    data["types"]["data"] = [
        {"name": "a", "type": "string"}, {"name": "b", "type": "uint256"},
        {"name": "c", "type": "bytes"}, {"name": "d", "type": "bool[]"},
    ]  # fmt: skip
    data["message"] = {"a": text, "b": number, "c": "0x" + raw.hex(), "d": [flag, not flag]}
    assert typed_data_digest(data) == reference(data)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("uint8", 256), ("uint8", -1), ("uint7", 1), ("uint264", 1), ("int8", 128), ("uint8", 1.5),
        ("bool", 1), ("address", "0x" + "1" * 41), ("address", 1), ("bytes4", "0x00"),
        ("bytes33", "0x"), ("bytes", "00"), ("bytes", "0x0"), ("string", 1), ("string", "\ud800"),
        ("string[2]", ["a"]), ("string[]", "a"), ("Nobody", {}), ("fixed128x18", 1), ("uint", 1),
        ("uint256[", [1]), ("uint256", "1e5"), ("uint256", None), ("data", 1),
    ],
)  # fmt: skip
def test_values_that_do_not_fit(kind: str, value: Any) -> None:
    data = copy.deepcopy(VECTOR)
    data["types"]["data"] = [{"name": "x", "type": kind}]
    data["message"] = {"x": value}
    with pytest.raises(Malformed):
        typed_data_digest(data)


def test_recursion_ends() -> None:
    data = copy.deepcopy(VECTOR)
    data["types"]["data"] = [{"name": "x", "type": "data[]"}]
    data["message"] = {"x": []}
    assert typed_data_digest(data)
    inner: dict[str, Any] = {"x": []}
    for _ in range(50):
        inner = {"x": [inner]}
    data["message"] = inner
    with pytest.raises(Malformed):
        typed_data_digest(data)


@given(st.sampled_from(["types", "primaryType", "domain", "message"]), trees)
def test_only_malformed_escapes_from_typed_data(key: str, value: Any) -> None:
    data = {**VECTOR, key: value}
    with suppress(Malformed):
        assert len(typed_data_digest(data)) == 32
