"""The proxy behind a contract of one's own: by what is published, and by the payload's digest."""

from __future__ import annotations

from typing import Any

import pytest

from payloads import published
from payloads.chain.explaining.mined import Mined
from payloads.chain.explaining.which_proxy import proxy_of
from payloads.chain.rpc import Block, connect
from payloads.errors import Misuse

PROXIES = [
    bytes.fromhex(each.unverified_address[2:])
    for each in published.proxies()
    if each.kind == "verifierProxy" and len(each.unverified_address) == 42
]
FIRST, SECOND = list(dict.fromkeys(PROXIES))[:2]
RAW = b"\x00\x06" + bytes(300)


class Provider:
    """A node on which these proxies know every digest; the others revert, or are not there."""

    def __init__(self, *knowing: bytes) -> None:
        self.knowing = knowing

    def make_request(self, method: str, params: list[Any]) -> dict[str, Any]:
        to = bytes.fromhex(params[0]["to"][2:])
        if to in self.knowing:
            return {"result": "0x" + "00" * 12 + "11" * 20}
        if to[0] % 2:
            return {"error": {"code": 3, "message": "execution reverted", "data": "0x"}}
        return {"result": "0x"}


def found(data: bytes, *knowing: bytes, system: str = "chainlink") -> bytes:
    block = Block(7, "0x", 1)
    sent = Mined("0x", block, 0, b"\1" * 20, b"\2" * 20, data, 0, 1, True, 1, ())
    return proxy_of(connect(Provider(*knowing)), sent, [(system, RAW)])


def test_a_published_proxy_in_the_calldata_is_taken() -> None:
    assert found(bytes(16) + FIRST + bytes(32), SECOND) == FIRST


def test_a_published_proxy_that_knows_the_digest_is_taken() -> None:
    assert found(b"", SECOND) == SECOND


def test_none_or_several_are_told() -> None:
    with pytest.raises(Misuse, match="which contract verifies is not known"):
        found(b"")
    with pytest.raises(Misuse, match="which contract verifies is not known"):
        found(b"", FIRST, system="stork")
    with pytest.raises(Misuse, match="several contracts may verify"):
        found(b"", FIRST, SECOND)
    with pytest.raises(Misuse, match="several contracts may verify"):
        found(FIRST + SECOND)
