"""Record, from the real contracts, where a length becomes too large for memory.

    python -m tests.onchain.record_limits    # writes fixtures/memory-limit-outcomes.jsonl.gz

solc refuses a length with Panic(0x41) from a limit on, and with an empty revert below it. The limit
tells to the byte how much memory a contract has used by then, also for the payloads of a bulk call
that came before. So each limit is two calls: the last below it and the first at it.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from eth_abi.abi import encode

from payloads import chainlink
from payloads.testing.onchain.encoding import selector
from payloads.testing.onchain.evm import Outcome
from tests.onchain import rules
from tests.onchain.oracle import VERIFY, VERIFY_BULK
from tests.onchain.worlds import RealChainlink
from tests.test_limits import LINK, NATIVE, NETWORK, chainlink_state, full_report

FILE = Path(__file__).parents[2] / "fixtures" / "memory-limit-outcomes.jsonl.gz"
CONTRACTS = ("v0.3.0", "v0.4.0", "v0.5.0", "v0.5.1")
NAMES = {b"": "revert (empty)", rules.PANIC_MEMORY: "Panic(0x41) memory allocation"}
# Where a head has the offsets of its parts.
REPORT, RS, SS = 96, 128, 160

Blob = Callable[[int], bytes]


def record() -> Iterator[dict[str, Any]]:
    """The lines of the file."""
    number = 0
    for contract in CONTRACTS:
        for fees in (False, True):
            world = _world(contract, fees)
            yield world
            for calldata, outcome in _calls(world):
                yield {
                    "kind": "case", "id": f"limit-{number:04}", "world": world["world"],
                    "call": "calldata", "calldata": "0x" + calldata.hex(), "value": "0",
                    "mutations": ["length at the limit of memory"],
                    "outcome": {"status": "revert", "data": "0x" + outcome.data.hex(),
                                "name": NAMES[outcome.data]},
                }  # fmt: skip
                number += 1


def _world(contract: str, fees: bool) -> dict[str, Any]:
    changes: dict[str, Any] = {} if fees else {"fee_manager": None}
    state = chainlink_state(contract, **changes).to_dict()
    empty: dict[str, Any] = {"unset_digests": [], "deactivated_feeds": []}
    name = f"limits-{contract}-{'fee' if fees else 'nofee'}"
    return {"kind": "world", "world": name, **empty, **state}


def _calls(world: dict[str, Any]) -> Iterator[tuple[bytes, Outcome]]:
    built, fees = RealChainlink(world), world["fee_manager"]
    for token in (LINK, NATIVE) if fees else (None,):
        parameter = b"" if token is None else bytes(12) + bytes.fromhex(token[2:])
        for before in _before(world["contract"], bool(fees)):
            for blob, unit in _blobs(bool(fees)):

                def data(length: int, before: Any = before, blob: Any = blob) -> bytes:
                    many = [*before, blob(length)]
                    if len(many) == 1:
                        return selector(VERIFY) + encode(["bytes"] * 2, [*many, parameter])  # noqa: B023
                    return selector(VERIFY_BULK) + encode(["bytes[]", "bytes"], [many, parameter])  # noqa: B023

                limit = _limit(lambda length: built.raw(data(length)), unit)
                for length in (limit - 1, limit):
                    yield data(length), built.raw(data(length))


def _before(contract: str, fees: bool) -> Iterator[list[bytes]]:
    """Payloads that are verified first: reports of all sizes, free ones and such as cost.

    Lengths are rounded up to words, so that a byte is told only by sums that nearly fill a word:
    of the odd bytes that a signature leaves in v0.4.0, and of a byte in each of 33 payloads.
    """
    paid, free = full_report(), full_report(native=0, link=0)
    yield from ([], [paid], [free], [_longer(paid, 1), _longer(free, 33)])
    yield [_longer(paid, 1200), paid]
    if contract == "v0.4.0":
        report = chainlink.decode(free).report_blob
        yield [NETWORK.sign(report, by=range(count)).encode() for count in (7, 6, 8, 8)]
    elif fees:
        yield [free] * 33


def _longer(payload: bytes, spare: int) -> bytes:
    """The same report with bytes behind it, which are signed and never read."""
    report = chainlink.decode(payload).report_blob + b"\xff" * spare
    return NETWORK.sign(report).encode()


def _blobs(fees: bool) -> Iterator[tuple[Blob, int]]:
    for report in (b"", bytes(7), chainlink.decode(full_report()).report_blob):
        payload = NETWORK.sign(report).encode()
        for at, unit in ((REPORT, 1), (RS, 32), (SS, 32)):
            if not (fees and at != REPORT):
                yield _with_length(payload, at), unit


def _with_length(payload: bytes, at: int) -> Blob:
    where = int.from_bytes(payload[at : at + 32], "big")
    return lambda length: payload[:where] + length.to_bytes(32, "big") + payload[where + 32 :]


def _limit(call: Callable[[int], Outcome], unit: int) -> int:
    """The least length that is a Panic, all below it being empty reverts."""
    low, high = (2**64 - 2**17) // unit, 2**64 // unit
    assert call(low) == Outcome(False, b"")
    while high - low > 1:
        middle = (low + high) // 2
        outcome = call(middle)
        assert outcome.data in NAMES, outcome
        low, high = (low, middle) if outcome.data else (middle, high)
    return high


if __name__ == "__main__":
    with gzip.GzipFile(FILE, "wb", mtime=0) as out:
        for line in record():
            out.write(json.dumps(line).encode() + b"\n")
