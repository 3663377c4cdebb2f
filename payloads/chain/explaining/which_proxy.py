"""The verifier proxy that a contract of your own asks, found by what is published and known.

A receipt names the verifier at most, and never the proxy in front of it. So the published proxies
are looked at: first those whose address stands in the calldata, then those that say that they know
the payload's config digest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from payloads import published
from payloads.chain.explaining.mined import Mined
from payloads.chain.reading.contract_events import calldata
from payloads.chain.rpc import Node, Reverts
from payloads.crypto import checksum
from payloads.errors import Misuse
from payloads.signatures import address_bytes


def proxy_of(node: Node, sent: Mined, payloads: Iterable[tuple[str, bytes]]) -> bytes:
    """The proxy; `Misuse` if none or several come into question. `payloads`: system and bytes."""
    known = dict.fromkeys(
        address_bytes(proxy.unverified_address)
        for proxy in published.proxies()
        if proxy.kind == "verifierProxy" and len(proxy.unverified_address) == 42
    )
    found = [address for address in known if address in sent.data]
    if not found:
        digests = {raw[:32] for system, raw in payloads if system == "chainlink"}
        asking = (one for one in known if any(_knows(node, sent, one, each) for each in digests))
        found = list(_at_most_two(asking))
    if len(found) == 1:
        return found[0]
    raise Misuse(
        "which contract verifies is not known" if not found else "several contracts may verify",
        field="proxy", expected="the address of the verifier proxy, or of the Stork contract",
        found=", ".join(map(checksum, found)) or "a call of a contract in between",
    )  # fmt: skip


def _knows(node: Node, sent: Mined, proxy: bytes, digest: bytes) -> bool:
    """Whether the proxy has a verifier for this digest."""
    try:
        answer = node.call(proxy, calldata("getVerifier(bytes32)", digest), sent.block.number - 1)
    except Reverts:
        return False
    return len(answer) == 32 and any(answer)


def _at_most_two(found: Iterator[bytes]) -> Iterator[bytes]:
    for address, _ in zip(found, range(2), strict=False):
        yield address
