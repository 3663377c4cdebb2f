"""The library's decoder against solc's own, in an EVM: the same value or the same revert.

Every lane damages honest blobs, has both decode them, and keeps what they disagree on. A lane is
one function of `Decoder.sol` and what the library has for it. The seeds are fixed, so that a lane
is the same everywhere; `PAYLOADS_FUZZ_SEED` adds cases of its own, for runs that look further.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from random import Random
from typing import Any

import msgspec
import pytest

from payloads import chainlink, stork
from payloads.abi import calldata, solidity
from payloads.abi.calldata import Function
from payloads.abi.fields import WORDS, Table
from payloads.abi.solidity import Argument
from payloads.chainlink.calldata import VERIFY, VERIFY_BULK
from payloads.chainlink.report import FULL_REPORT
from payloads.chainlink.schemas import COMMON_HEAD, Schema, schema_named
from payloads.errors import Malformed
from payloads.stork.calldata import DESERIALIZE
from payloads.stork.calldata import VERIFY as STORK_VERIFY
from payloads.testing.onchain.evm import Outcome
from tests import corpus
from tests.onchain.mutate import calldata_mutations, mutate, mutate_calldata, mutations, splice
from tests.onchain.oracle import SCHEMAS, DecoderOracle

pytestmark = pytest.mark.onchain

SEED = os.environ.get("PAYLOADS_FUZZ_SEED", "0")
# What the issue asks for, over all lanes.
ENOUGH = 50_000
# Of each base, for the fixed seed and for the varying one.
RANDOM = 1_500
VARYING = 500

# What the library says of a blob: the canonical encoding of the decoded values.
Ours = Callable[[bytes], bytes]


@cache
def oracle() -> DecoderOracle:
    return DecoderOracle()


@dataclass(frozen=True)
class Lane:
    """Honest blobs, how to damage them, and the two decoders."""

    name: str
    bases: Callable[[], list[bytes]]
    theirs: Callable[[bytes], Outcome]
    ours: Ours
    every: Callable[[bytes, Random], Iterator[bytes]] = mutations
    random: Callable[[bytes, Random], bytes] = mutate

    def cases(self, seed: str, count: int) -> Iterator[bytes]:
        bases = self.bases()
        rng = Random(f"{self.name} {seed}")
        for base in bases:
            yield base
            yield from (self.random(base, rng) for _ in range(count))
            yield splice(base, rng.choice(bases), rng)

    def systematic(self) -> Iterator[bytes]:
        return self.every(self.bases()[-1], Random(self.name))

    def __str__(self) -> str:
        return self.name


@dataclass
class Tally:
    """What came of a lane."""

    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    @property
    def cases(self) -> int:
        return self.accepted + self.refused.total()

    def share(self, count: int) -> float:
        return count / self.cases


def examine(lane: Lane, cases: Iterator[bytes]) -> Tally:
    """Both decoders on every case."""
    tally = Tally()
    for blob in cases:
        theirs, ours = lane.theirs(blob), _ours(lane.ours, blob)
        if theirs.ok:
            tally.accepted += 1
        else:
            tally.refused[theirs.data.hex()] += 1
        if theirs != ours:
            tally.differences.append(f"{blob.hex()}: solc {theirs}, ours {ours}")
    return tally


def _ours(decode: Ours, blob: bytes) -> Outcome:
    try:
        return Outcome(True, decode(blob))
    except Malformed as refused:
        # None, where no contract would be asked, equals no outcome and so is a difference.
        return Outcome(False, refused.revert_data)  # type: ignore[arg-type]


@cache
def examined(lane: Lane) -> Tally:
    """A whole lane, once for all tests that look at it."""

    def cases() -> Iterator[bytes]:
        yield from lane.systematic()
        yield from lane.cases("fixed", RANDOM)
        yield from lane.cases(f"varying {SEED}", VARYING)

    return examine(lane, cases())


# --- abi.decode into memory -----------------------------------------------------------------------


def _payload(report: bytes, signatures: int) -> bytes:
    words = [bytes([16 + index]) * 32 for index in range(signatures)]
    context = (b"\x11" * 32, b"\x22" * 32, b"\x33" * 32)
    return solidity.encode(FULL_REPORT, (context, report, words, words, b"v" * 32))


def _full_bases() -> list[bytes]:
    published = [one.raw for one in corpus.some_of_each_schema()]
    made = [_payload(b"", 0), _payload(b"r" * 33, 1), _payload(b"s" * 31, 31), _payload(b"r", 2)]
    return [*published, *made]


def _full(blob: bytes) -> bytes:
    """`decode_envelope`, which also has to tell every canonical blob from all the others."""
    if not blob:  # the library refuses nothing at all before it thinks of a decoder
        return solidity.encode(FULL_REPORT, solidity.decode(FULL_REPORT, blob))
    payload = chainlink.decode_envelope(blob)
    assert payload.encode() == blob, blob.hex()
    canonical = msgspec.structs.replace(payload, raw=b"").encode()
    departures = solidity.departures(payload.parts, blob)
    assert (canonical == blob) == (not departures), (blob.hex(), departures)
    return canonical


def _tuple(*types: str) -> Ours:
    arguments = [Argument(f"field{index}", one) for index, one in enumerate(types)]
    return lambda blob: solidity.encode(arguments, solidity.decode(arguments, blob))


def _table(table: Table) -> Ours:
    def read(blob: bytes) -> bytes:
        return b"".join(
            row.type.padding(raw) * (row.type.kind != "bytes") + raw
            for row, value in zip(table.fields, _values(table.read(blob)), strict=True)
            for raw in [row.type.bytes_of(value, row.name)]
        )

    return read


def _values(record: Any) -> tuple[Any, ...]:
    return record if isinstance(record, tuple) else record.values


def _report(schema: Schema) -> Ours:
    def read(blob: bytes) -> Any:
        if not blob:
            return schema.table.read(blob)
        return chainlink.decode_report(blob, schema=schema.key).report.encode()

    return read


def _memory(name: str) -> Callable[[bytes], Outcome]:
    return lambda blob: oracle().decode(name, blob)


def _words_of(table: Table) -> Callable[[], list[bytes]]:
    """Records with each field at its extremes, and at random."""

    def bases() -> list[bytes]:
        rng = Random(table.name)
        low, high = [], []
        for row in table.fields:
            bits = 8 * row.type.size
            edge = 2 ** (bits - 1) if row.type.signed else 0
            low.append((-edge) % 2**256 if row.type.signed else 0)
            high.append(2**bits - 1 - edge)
        middle = [rng.randrange(one + 1) for one in high]
        return [b"".join(word.to_bytes(32, "big") for word in row) for row in (low, high, middle)]

    return bases


def _schema_of(name: str) -> Schema:
    return schema_named("v3-hf" if name == "schemaHighFrequency" else name.removeprefix("schema"))


_TIMES = Table("times", COMMON_HEAD.fields[:3], WORDS)
# An address is a uint160 to the decoder.
_QUOTE = ("uint160",)

MEMORY = [
    Lane("full", _full_bases, _memory("full"), _full),
    Lane("pair", _full_bases, _memory("pair"), _tuple("bytes32[3]", "bytes")),
    Lane("head", _words_of(COMMON_HEAD), _memory("head"), _table(COMMON_HEAD)),
    Lane("times", _words_of(_TIMES), _memory("times"), _table(_TIMES)),
    Lane(
        "times, as a tuple",
        _words_of(_TIMES),
        _memory("times"),
        _tuple("bytes32", "uint32", "uint32"),
    ),
    Lane(
        "quote",
        lambda: [bytes(12) + b"\xee" * 20, bytes(12) + b"\x01" * 20 + bytes(32)],
        _memory("quote"),
        _tuple(*_QUOTE),
    ),
    *(
        Lane(name, _words_of(_schema_of(name).table), _memory(name), _report(_schema_of(name)))
        for name in SCHEMAS
    ),
]

# --- arguments in calldata ------------------------------------------------------------------------

_FORWARD_BULK = Function.of("forwardBulk", *VERIFY_BULK.arguments)
_THREE = [b"abc", b"", b"x" * 70]
_REPORT = _payload(b"r" * 33, 1)


def _call(decode: Callable[[bytes], calldata.Call]) -> Ours:
    def read(calldata: bytes) -> bytes:
        try:
            call = decode(calldata)
        except Malformed as error:
            # Contracts have no fallback, so a call of no function of theirs reverts with nothing.
            if error.field in ("selector", "calldata"):
                raise Malformed(error.reason, revert_data=b"") from None
            raise
        first: Any = call.payloads if call.function.arguments[0].type == "bytes[]" else None
        values = [call.payloads[0] if first is None else first]
        if call.parameter_payload is not None:
            values.append(call.parameter_payload)
        return solidity.encode(call.function.arguments, values)

    return read


def _calldata(function: Function, decode: Callable[[bytes], calldata.Call], *bases: Any) -> Lane:
    return Lane(
        function.name,
        lambda: [function.calldata(*values) for values in bases],
        lambda calldata: oracle().raw(calldata),
        _call(decode),
        calldata_mutations,
        mutate_calldata,
    )


def _forwarded(raw: bytes) -> calldata.Call:
    return calldata.decode_call((_FORWARD_BULK,), raw)


CALLDATA = [
    _calldata(VERIFY, chainlink.decode_call, (_REPORT, b""), (b"", b""), (b"p" * 33, b"q" * 32)),
    _calldata(VERIFY_BULK, chainlink.decode_call, ([_REPORT] * 2, b""), ([], b"q"), (_THREE, b"q")),
    _calldata(_FORWARD_BULK, _forwarded, ([b"1", b"2"], b""), (_THREE, b"q" * 32)),
    _calldata(STORK_VERIFY, stork.decode_call, (b"z" * 93,), (b"",)),
    _calldata(DESERIALIZE, stork.decode_call, (b"z" * 75,), (b"z" * 111,)),
]

LANES = [*MEMORY, *CALLDATA]
every_lane = pytest.mark.parametrize("lane", LANES, ids=str)


@every_lane
def test_no_difference(lane: Lane) -> None:
    tally = examined(lane)
    print(f"{lane}: {tally.cases} cases, {tally.accepted} accepted; PAYLOADS_FUZZ_SEED={SEED}")
    assert not tally.differences, (
        f"PAYLOADS_FUZZ_SEED={SEED}, {len(tally.differences)} of them:\n"
        + ("\n".join(tally.differences[:3]))
    )


@every_lane
def test_a_lane_both_accepts_and_refuses(lane: Lane) -> None:
    tally = examined(lane)
    assert tally.share(tally.accepted) > 0.05
    assert tally.share(tally.refused.total()) > 0.05


def test_enough_was_compared() -> None:
    total = sum(examined(lane).cases for lane in LANES)
    print(f"{total} blobs in {len(LANES)} lanes")
    assert total >= ENOUGH


def test_whole_payloads_are_plentifully_accepted_and_refused_in_every_way() -> None:
    tally = examined(LANES[0])
    assert tally.share(tally.accepted) >= 0.2
    assert tally.share(tally.refused.total()) >= 0.2
    panic = "4e487b71" + "41".zfill(64)
    assert set(tally.refused) == {"", panic}
    assert tally.refused[panic] >= 500


# --- the test of the test: a decoder that is wrong on purpose is found out ------------------------


def _shrink_end(monkeypatch: pytest.MonkeyPatch, by: int) -> None:
    """Offsets may point `by` bytes less far than they should."""
    honest = solidity._Reader.pointer

    def pointer(self: Any, at: int, base: int, path: str) -> int:
        self.end -= by
        try:
            return honest(self, at, base, path)
        finally:
            self.end += by

    monkeypatch.setattr(solidity._Reader, "pointer", pointer)


def _offsets_a_byte_too_short(monkeypatch: pytest.MonkeyPatch) -> None:
    _shrink_end(monkeypatch, 1)


def _offsets_a_byte_too_far(monkeypatch: pytest.MonkeyPatch) -> None:
    _shrink_end(monkeypatch, -1)


def _another_free_memory_pointer(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = solidity._Memory.__init__
    monkeypatch.setattr(
        solidity._Memory, "__init__", lambda self, data, free, trace: honest(self, data, 0, trace)
    )


def _no_allocation_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solidity._Memory, "allocate", lambda *_: None)


def _unsigned_element_offsets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solidity, "_SIGN", 2**256)


def _dirty_words_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Table, "_check_padding", lambda *_: None)


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        (_offsets_a_byte_too_short, "full"),
        (_offsets_a_byte_too_far, "full"),
        (_offsets_a_byte_too_short, "verify"),
        (_another_free_memory_pointer, "full"),
        (_another_free_memory_pointer, "pair"),
        (_no_allocation_limit, "full"),
        (_unsigned_element_offsets, "verifyBulk"),
        (_dirty_words_pass, "head"),
        (_dirty_words_pass, "schema11"),
    ],
)
def test_a_spoilt_decoder_is_found_out(
    spoil: Callable[[pytest.MonkeyPatch], None], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (lane,) = [one for one in LANES if one.name == name]
    spoil(monkeypatch)
    cases = islice(_interleaved(lane), 20_000)
    assert examine(lane, cases).differences, "wrong on purpose, and no case shows it"


def _interleaved(lane: Lane) -> Iterator[bytes]:
    yield from lane.systematic()
    yield from lane.cases("fixed", RANDOM)
