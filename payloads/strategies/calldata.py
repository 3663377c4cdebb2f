"""Calldata of the verifying contracts, and of made-up contracts that hand payloads on."""

from __future__ import annotations

from typing import Any

from hexbytes import HexBytes
from hypothesis import strategies as st

from payloads.abi.fields import Record, hexed
from payloads.abi.solidity import Argument, encode
from payloads.strategies.arguments import check_range
from payloads.strategies.submissions import submissions
from payloads.strategies.systems import Network
from payloads.testing.submission import Submission
from payloads.verdicts.state import State


class ConsumerCall(Record, frozen=True):
    """Calldata of a made-up contract, with the submissions in it and the offset of each payload."""

    data: HexBytes
    submissions: tuple[Submission, ...]
    offsets: tuple[int, ...]


def calldata(
    *, state: State | None = None, network: Network | None = None, generation: str | None = None
) -> st.SearchStrategy[HexBytes]:
    """Calldata of the verifying functions, a third with good payloads."""
    made = submissions(state=state, network=network, generation=generation)
    return made.map(lambda submission: submission.calldata)


_WORDS = st.integers(0, 2**256 - 1)
_NOISE = st.binary(max_size=80)


@st.composite
def _consumer_calldata(
    draw: st.DrawFn, made: st.SearchStrategy[Submission], most: int
) -> ConsumerCall:
    several = draw(st.lists(made, min_size=1, max_size=most))
    raws = [bytes(one.payload) for one in several]
    arguments: list[tuple[str, Any]] = []
    if draw(st.booleans()):
        arguments.append(("bytes[]", raws))
    else:
        arguments += [("bytes", _wrapped(raw, draw(st.integers(0, 2)))) for raw in raws]
    for _ in range(draw(st.integers(0, 3))):
        noise = ("bytes", draw(_NOISE)) if draw(st.booleans()) else ("uint256", draw(_WORDS))
        arguments.insert(draw(st.integers(0, len(arguments))), noise)
    types = [Argument(str(index), kind) for index, (kind, _) in enumerate(arguments)]
    selector = draw(st.binary(min_size=4, max_size=4))
    data = selector + encode(types, [value for _, value in arguments])
    offsets, at = [], 0
    for raw in raws:
        offsets.append(at := data.index(raw, at))
        at += len(raw)
    return ConsumerCall(hexed(data), tuple(several), tuple(offsets))


def _wrapped(raw: bytes, levels: int) -> bytes:
    """The payload inside so many levels of `abi.encode(uint256, bytes)`."""
    for level in range(levels):
        raw = encode((Argument("number", "uint256"), Argument("inner", "bytes")), (level, raw))
    return raw


def consumer_calldata(
    *,
    state: State | None = None,
    network: Network | None = None,
    generation: str | None = None,
    max_payloads: int = 2,
) -> st.SearchStrategy[ConsumerCall]:
    """Calldata of a contract of your own with good payloads in its arguments.

    They stand among other arguments, in a `bytes[]`, or in bytes inside bytes.
    """
    check_range("consumer_calldata", "max_payloads", max_payloads, 1, 16)
    made = submissions(state=state, network=network, generation=generation, only=["none"])
    return _consumer_calldata(made, max_payloads)
