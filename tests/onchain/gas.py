"""Measure what verification costs in gas, from cold state, and write it where the library has it.

    python -m tests.onchain.gas            # print the table
    python -m tests.onchain.gas --write    # and put it into payloads/chainlink/gas.py

A whole transaction is measured: the 21,000 it begins with, its calldata, and every account and slot
cold, as in a block of its own. One fee was paid before, as
a first one writes slots that are empty. 31 signers, a version 3 report of a new epoch, paid in
LINK, in the native token as value, or wrapped. A fee manager that is paid in native pays the reward
in LINK if it holds enough (`…_with_link`); if it does not, it notes a deficit. The tokens are our
stand-ins (`Token.sol`).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

from eth_abi.abi import encode

from payloads.crypto import sign
from payloads.testing.onchain.encoding import keccak256, selector
from tests.onchain.cases import DIGESTS, FULL, KEYS, LINK, NATIVE, NOW, SIGNERS, SUBSCRIBER, word
from tests.onchain.oracle import VERIFY
from tests.onchain.worlds import RealChainlink

MODULE: Final = Path(__file__).resolve().parents[2] / "payloads" / "chainlink" / "gas.py"
BEGIN, END = "# measured: begin\n", "# measured: end\n"
GENERATIONS: Final = ("v0.3.0", "v0.4.0", "v0.5.0", "v0.5.1")
WITH_LINK: Final = "_with_link"
WAYS: Final = (
    "free", "no-op", "view", "link", "native", "native_with_link", "wrapped", "wrapped_with_link",
)  # fmt: skip
FEED: Final = b"\0\3" + b"\x5a" * 30
FEE: Final = 10**15


def _world(generation: str, signatures: int, way: str) -> dict[str, Any]:
    # v0.3.0 and v0.5.0 take exactly f + 1 signatures, v0.4.0 any number above f.
    f = min(10, max(1, signatures - 1))
    config: dict[str, Any] = {
        "signers": ["0x" + one.hex() for one in SIGNERS[:31]],
        "f": f,
        "active": True,
    }
    if generation == "v0.4.0":
        config["activation_time"] = NOW - 1000
    else:
        config["config_digest"] = "0x" + DIGESTS[0].hex()
    if generation == "v0.3.0":
        config["feed_id"] = "0x" + FEED.hex()
    fees = {"link": LINK, "native": NATIVE, "native_surcharge": "0", "discounts": []}
    if way == "no-op":
        fees = {"type": "NoOpFeeManager 0.5.1", "link": LINK, "native": NATIVE}
    return {
        "contract": generation,
        "now": NOW,
        "subscriber": SUBSCRIBER,
        "configs": [config],
        "fee_manager": None if way in ("free", "view") else fees,
    }


def _calldata(signatures: int, way: str, epoch: int) -> bytes:
    head = (NOW - 5, NOW - 5, FEE, FEE, NOW + 86_400)
    prices = (3_412_345678901234567890, 3_411_345678901234567890, 3_413_345678901234567890)
    report = FEED + b"".join(map(word, (*head, *prices)))
    context = [DIGESTS[0], word(epoch), bytes(32)]
    digest = keccak256(keccak256(report) + b"".join(context))
    made = [sign(key, digest) for key in KEYS[:signatures]]
    vs = bytes(one[2] for one in made).ljust(32, b"\0")
    raw = encode(FULL, [context, report, [one[0] for one in made], [one[1] for one in made], vs])
    if way == "view":
        return selector("verifyView(bytes)") + encode(["bytes"], [raw])
    token = {"free": b"", "no-op": b"", "link": LINK}.get(way, NATIVE)
    parameter = b"" if not token else bytes(12) + bytes.fromhex(str(token)[2:])
    return selector(VERIFY) + encode(["bytes", "bytes"], [raw, parameter])


def _give_link(built: RealChainlink) -> None:
    """LINK for the fee manager, so that it can pay rewards on."""
    holder = built.verifier if built.generation == "v0.4.0" else built.proxy
    found = built.chain.call(holder, selector("s_feeManager()"), sender=built.subscriber)
    assert found.ok
    built.send(LINK, "mint(address,uint256)", "0x" + found.data[-20:].hex(), 10**30)


def measure(generation: str, signatures: int, way: str) -> int | None:
    """Gas of one accepted `verify`; None where there can be no such call."""
    if generation != "v0.4.0" and not 2 <= signatures <= 11:
        return None
    if (way == "no-op" and generation not in GENERATIONS[2:]) or (
        way == "view" and generation != GENERATIONS[3]
    ):
        return None
    built = RealChainlink(_world(generation, signatures, way))
    if way.endswith(WITH_LINK):
        _give_link(built)
    value = FEE if way.startswith("native") else 0
    first, calldata = (_calldata(signatures, way, epoch) for epoch in (0x0123456701, 0x0123456801))
    built.chain.transact(built.proxy, first, sender=built.subscriber, value=value)
    cold = built.chain.untouched()
    outcome = cold.call(built.proxy, calldata, sender=built.subscriber, value=value)
    assert outcome.ok
    return outcome.gas


def table() -> dict[str, dict[str, dict[int, int]]]:
    """Gas by generation, way of paying and number of signatures."""
    return {
        generation: {
            way: {
                count: gas
                for count in range(2, 32)
                if (gas := measure(generation, count, way)) is not None
            }
            for way in WAYS
            if measure(generation, 2, way) is not None
        }
        for generation in GENERATIONS
    }


def rendered() -> str:
    """The table as Python, a line for each way of paying and ten counts."""
    lines = ["MEASURED: dict[str, dict[str, dict[int, int]]] = {\n"]
    for generation, ways in table().items():
        lines.append(f'    "{generation}": {{\n')
        for way, counts in ways.items():
            lines.append(f'        "{way}": {{\n')
            pairs = [f"{count}: {gas}" for count, gas in counts.items()]
            for at in range(0, len(pairs), 6):
                lines.append(f"            {', '.join(pairs[at : at + 6])},\n")
            lines.append("        },\n")
        lines.append("    },\n")
    return "".join([*lines, "}\n"])


def main() -> None:
    made = rendered()
    print(made, end="")
    if "--write" in sys.argv:
        text = MODULE.read_text()
        before, rest = text.split(BEGIN)
        _, after = rest.split(END)
        MODULE.write_text(before + BEGIN + made + END + after)


if __name__ == "__main__":
    main()
