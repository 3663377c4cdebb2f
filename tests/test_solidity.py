"""solc's decoder rules one by one. The on-chain lane holds the same code against the real one; this
table says what the rules are, and runs everywhere."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from eth_abi.abi import decode as eth_abi_decode
from eth_abi.exceptions import DecodingError
from hexbytes import HexBytes
from hypothesis import given
from hypothesis import strategies as st

from payloads.abi.fields import PACKED, AbiType, Field, Table
from payloads.abi.fields import WORDS as WORDS_PACKING
from payloads.abi.solidity import Argument, Part, decode, decode_calldata, departures, encode
from payloads.chainlink.call import split, split_arguments
from payloads.chainlink.report import FULL_REPORT, split_canonical
from payloads.errors import Malformed, Misuse, panic
from tests.made_up import damaged_words

BYTES = Argument("data", "bytes")
WORDS = Argument("words", "bytes32[]")
MANY = Argument("many", "bytes[]")
CONTEXT = Argument("context", "bytes32[3]")
NUMBER = Argument("number", "uint32")
SIGNED = Argument("signed", "int192")

BARE, PANIC = b"", panic(0x41)
TOP = 2**256
LIMIT = 2**64
# Where free memory stands when the first tail is allocated, with nothing decoded before it.
FREE = 0x80


def w(*numbers: int) -> bytes:
    return b"".join((number % TOP).to_bytes(32, "big") for number in numbers)


def refusal(arguments: list[Argument], data: bytes) -> Malformed:
    with pytest.raises(Malformed) as refused:
        decode(arguments, data)
    return refused.value


# --- what is accepted -----------------------------------------------------------------------------

ACCEPTED = [
    ("as encoded", [BYTES], w(32, 2) + b"ab" + bytes(30), [b"ab"]),
    ("no padding", [BYTES], w(32, 2) + b"ab", [b"ab"]),
    ("dirty padding", [BYTES], w(32, 2) + b"ab" + b"\xff" * 30, [b"ab"]),
    ("trailing bytes", [BYTES], w(32, 0) + b"\xff" * 7, [b""]),
    ("a gap before the tail", [BYTES], w(64, 7, 1) + b"a", [b"a"]),
    ("an unaligned tail", [BYTES], w(33) + b"\x07" + w(1) + b"a", [b"a"]),
    ("a tail that is the head", [BYTES], w(0), [b""]),
    ("a length that is the offset", [BYTES], w(0, 1), [b""]),
    ("two tails that are one", [BYTES, BYTES], w(64, 64, 1) + b"a", [b"a", b"a"]),
    ("tails in another order", [BYTES, BYTES], w(97, 64, 1) + b"b" + w(1) + b"a", [b"a", b"b"]),
    ("words", [WORDS], w(32, 2, 5, 6), [(w(5), w(6))]),
    ("no words", [WORDS], w(32, 0), [()]),
    ("words that are the head", [WORDS], w(0), [()]),
    ("a whole context", [CONTEXT], w(1, 2, 3), [(w(1), w(2), w(3))]),
    ("the largest uint32", [NUMBER], w(2**32 - 1), [2**32 - 1]),
    ("the smallest int192", [SIGNED], w(-(2**191)), [-(2**191)]),
    ("minus one", [SIGNED], w(-1), [-1]),
]


@pytest.mark.parametrize(
    ("arguments", "data", "values"), [row[1:] for row in ACCEPTED], ids=[row[0] for row in ACCEPTED]
)
def test_accepted(arguments: list[Argument], data: bytes, values: list[object]) -> None:
    assert decode(arguments, data) == values


# A tail that is the head itself reads its own offset as its length.
def test_a_tail_may_point_into_the_head() -> None:
    assert decode([NUMBER, BYTES], w(3, 0) + b"") == [3, b"\0\0\0"]


# --- what is refused, where, and with which revert ------------------------------------------------

REFUSED = [
    ("nothing", [BYTES], b"", BARE, "head", 0),
    ("half a head", [BYTES, BYTES], w(64), BARE, "head", 32),
    ("31 bytes", [BYTES], w(0)[:31], BARE, "head", 31),
    ("an offset of 2^64", [BYTES], w(LIMIT, 0), BARE, "data", 0),
    ("an offset of 2^256 - 1", [BYTES], w(-1, 0), BARE, "data", 0),
    ("an offset to the end", [BYTES], w(64, 0), BARE, "data", 0),
    ("an offset 31 bytes before the end", [BYTES], w(33, 0), BARE, "data", 0),
    ("a length a byte too long", [BYTES], w(32, 3) + b"ab", BARE, "data.length", 32),
    ("a length beyond 2^64", [BYTES], w(32, LIMIT), PANIC, "data.length", 32),
    ("a length of 2^256 - 1", [BYTES], w(32, -1), PANIC, "data.length", 32),
    ("words a word too many", [WORDS], w(32, 2, 5), BARE, "words.length", 32),
    ("words a byte too short", [WORDS], w(32, 1, 5)[:-1], BARE, "words.length", 32),
    ("2^59 words", [WORDS], w(32, 2**59), PANIC, "words.length", 32),
    ("2^64 words", [WORDS], w(32, LIMIT), PANIC, "words.length", 32),
    ("a short context", [CONTEXT], w(1, 2, 3)[:-1], BARE, "head", 95),
    ("a dirty uint32", [NUMBER], w(2**32), BARE, "number", 0),
    ("a uint32 dirty at the top", [NUMBER], w(2**255), BARE, "number", 0),
    ("an int192 one too large", [SIGNED], w(2**191), BARE, "signed", 0),
    ("an int192 one too small", [SIGNED], w(-(2**191) - 1), BARE, "signed", 0),
    ("the first bad one decides", [BYTES, NUMBER], w(-1, -1), BARE, "data", 0),
    ("the first bad one decides", [NUMBER, BYTES], w(-1, -1), BARE, "number", 0),
]


@pytest.mark.parametrize(
    ("arguments", "data", "revert", "field", "offset"),
    [row[1:] for row in REFUSED],
    ids=[row[0] for row in REFUSED],
)
def test_refused(
    arguments: list[Argument], data: bytes, revert: bytes, field: str, offset: int
) -> None:
    error = refusal(arguments, data)
    assert (error.revert_data, error.field, error.offset) == (revert, field, offset)


# --- memory: what an allocation may not pass ------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "unit", "longest"),
    [(BYTES, 1, LIMIT - 64 - FREE), (WORDS, 32, LIMIT // 32 - 2 - FREE // 32)],
)
def test_a_length_panics_exactly_where_memory_would_pass_2_to_the_64(
    argument: Argument, unit: int, longest: int
) -> None:
    assert refusal([argument], w(32, longest)).revert_data == BARE
    assert refusal([argument], w(32, longest + 1)).revert_data == PANIC


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 200])
def test_what_was_decoded_before_leaves_less_memory(size: int) -> None:
    first = w(size) + bytes(size)
    up = -(-size // 32) * 32
    longest = LIMIT - 64 - (FREE + 96 + 32 + up)
    for length, revert in ((longest, BARE), (longest + 1, PANIC)):
        data = w(1, 2, 3, 160, 160 + len(first)) + first + w(length)
        assert refusal([CONTEXT, BYTES, BYTES], data).revert_data == revert


def test_memory_that_was_used_before_decoding_counts() -> None:
    data = w(32, LIMIT - 64 - FREE)
    for free, revert in ((0, BARE), (FREE, BARE), (FREE + 31, BARE), (FREE + 32, PANIC)):
        with pytest.raises(Malformed) as refused:
            decode([BYTES], data, free=free)
        assert refused.value.revert_data == revert


# --- calldata: nothing is allocated, so nothing panics --------------------------------------------

SELECTOR = b"\xab\xcd\xef\x01"
CALLS_ACCEPTED = [
    ("as encoded", [BYTES], w(32, 2) + b"ab", [b"ab"]),
    ("a tail that is the head", [BYTES], w(0), [b""]),
    ("no elements", [MANY], w(32, 0), [()]),
    ("one element", [MANY], w(32, 1, 32, 1) + b"a", [(b"a",)]),
    ("elements that are one", [MANY], w(32, 2, 64, 64, 1) + b"a", [(b"a", b"a")]),
    (
        "an element that points back at the array's length",
        [MANY],
        w(32, 1, -32) + b"a",
        [(w(-32)[:1],)],
    ),
    ("an element before the selector", [MANY], w(32, 1, -(2**200)), [(b"",)]),
    ("the lowest of all offsets", [MANY], w(32, 1, 2**255), [(b"",)]),
    ("an element that ends with the calldata", [MANY], w(32, 1, 32, 0), [(b"",)]),
]


@pytest.mark.parametrize(
    ("arguments", "data", "values"),
    [row[1:] for row in CALLS_ACCEPTED],
    ids=[row[0] for row in CALLS_ACCEPTED],
)
def test_calldata_accepted(arguments: list[Argument], data: bytes, values: list[object]) -> None:
    assert decode_calldata(arguments, SELECTOR + data) == values


CALLS_REFUSED = [
    ("no head", [BYTES], b"", "head", 4),
    ("half a head", [BYTES, BYTES], w(64), "head", 36),
    ("an offset beyond 2^64", [BYTES], w(LIMIT, 0), "data", 4),
    ("an offset to the end", [BYTES], w(64, 0), "data", 4),
    ("a length a byte too long", [BYTES], w(32, 3) + b"ab", "data.length", 36),
    ("a length beyond 2^64", [BYTES], w(32, LIMIT), "data.length", 36),
    ("more elements than words", [MANY], w(32, 2, 0), "many.length", 36),
    ("2^64 elements", [MANY], w(32, LIMIT), "many.length", 36),
    ("an element at the end", [MANY], w(32, 1, 32), "many[0]", 68),
    ("an element that runs past the end", [MANY], w(32, 1, 32, 2) + b"a", "many[0].length", 100),
    ("the highest of all offsets", [MANY], w(32, 1, 2**255 - 1), "many[0]", 68),
    ("the second of two", [MANY], w(32, 2, 64, 2**64, 0), "many[1]", 100),
]


@pytest.mark.parametrize(
    ("arguments", "data", "field", "offset"),
    [row[1:] for row in CALLS_REFUSED],
    ids=[row[0] for row in CALLS_REFUSED],
)
def test_calldata_refused(arguments: list[Argument], data: bytes, field: str, offset: int) -> None:
    with pytest.raises(Malformed) as refused:
        decode_calldata(arguments, SELECTOR + data)
    error = refused.value
    assert (error.revert_data, error.field, error.offset) == (BARE, field, offset)


# --- encoding, and what an encoder would not have written -----------------------------------------


@given(
    st.tuples(*[st.binary(min_size=32, max_size=32)] * 3),
    st.binary(max_size=100),
    st.lists(st.binary(min_size=32, max_size=32), max_size=4),
    st.integers(0, 2**32 - 1),
    st.integers(-(2**191), 2**191 - 1),
)
def test_what_is_encoded_decodes_and_departs_from_nothing(
    context: tuple[bytes, ...], data: bytes, words: list[bytes], number: int, signed: int
) -> None:
    arguments = [CONTEXT, BYTES, NUMBER, WORDS, SIGNED]
    values = [context, data, number, tuple(words), signed]
    encoded = encode(arguments, values)
    trace: list[Part] = []
    assert decode(arguments, encoded, trace=trace) == values
    assert departures(trace, encoded) == []
    assert sum(part.length for part in trace) == len(encoded)


@given(st.lists(st.binary(max_size=70), max_size=5), st.binary(max_size=40))
def test_calldata_that_is_encoded_decodes(many: list[bytes], data: bytes) -> None:
    encoded = SELECTOR + encode([MANY, BYTES], [many, data])
    trace: list[Part] = []
    assert decode_calldata([MANY, BYTES], encoded, trace=trace) == [tuple(many), data]
    assert departures(trace, encoded) == []


DEPARTING = [
    ("dirty padding", [BYTES], w(32, 2) + b"ab" + b"\1" + bytes(29), [("dirty-padding", 66)]),
    ("missing padding", [BYTES], w(32, 2) + b"ab", [("missing-padding", 66)]),
    ("trailing bytes", [BYTES], w(32, 0, 0), [("trailing", 64)]),
    ("a gap", [BYTES], w(64, 0, 0), [("gap", 32)]),
    ("an overlap", [BYTES, BYTES], w(64, 64, 0), [("overlap", 64)]),
    (
        "another order",
        [BYTES, BYTES],
        w(96, 64, 0, 0),
        [("out-of-order", 64)],
    ),
    ("a tail in the head", [BYTES], w(0), [("overlap", 0)]),
]


@pytest.mark.parametrize(
    ("arguments", "data", "found"),
    [row[1:] for row in DEPARTING],
    ids=[row[0] for row in DEPARTING],
)
def test_departures_are_named_with_their_place(
    arguments: list[Argument], data: bytes, found: list[tuple[str, int]]
) -> None:
    trace: list[Part] = []
    values = decode(arguments, data, trace=trace)
    assert encode(arguments, values) != data
    assert [(one.kind, one.offset) for one in departures(trace, data)] == found
    assert all(str(one) and one.detail for one in departures(trace, data))


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        (WORDS, [b"\0" * 31]),
        (CONTEXT, [b"\0" * 33] * 3),
        (NUMBER, 2**32),
        (NUMBER, -1),
        (SIGNED, 2**191),
    ],
)
def test_what_does_not_fit_is_misuse(argument: Argument, value: object) -> None:
    with pytest.raises(Misuse):
        encode([argument], [value])


# --- every width ----------------------------------------------------------------------------------

WIDTHS = [f"{kind}{8 * size}" for size in range(1, 33) for kind in ("uint", "int")]
WIDTHS += [f"bytes{size}" for size in range(1, 33)]


def _edges(abi: AbiType) -> set[int]:
    """Words on both sides of what a type holds: as numbers, and shifted to the left."""
    bits = 8 * abi.size
    edges = {0, 1, 2 ** (bits - 1), 2**bits, 2**bits - 1, TOP - 2 ** (bits - 1), TOP - 1}
    near = {(edge + by) % TOP for edge in edges for by in (-1, 0, 1)}
    return near | {(edge << (256 - bits)) % TOP for edge in near}


@pytest.mark.parametrize("name", WIDTHS)
def test_a_word_of_any_width_is_read_as_eth_abi_reads_it(name: str) -> None:
    """By the generated reader, by the slow one, and by `decode`; and written as it was."""
    abi = AbiType.parse(name)
    table = Table("one", [Field("it", abi, hexed=abi.kind == "bytes")], WORDS_PACKING)
    for edge in _edges(abi):
        word = w(edge)
        try:
            (wanted,) = eth_abi_decode([name], word)
        except DecodingError:
            for read in (table.read, table.read_slowly):
                with pytest.raises(Malformed) as caught:
                    read(b"\1" + word, 1)
                assert caught.value.revert_data == b""
            assert refusal([Argument("it", name)], word).revert_data == b""
            continue
        for read in (table.read, table.read_slowly):
            (found,) = read(b"\1" + word, 1)
            assert found == wanted
            assert type(found) is (HexBytes if abi.kind == "bytes" else int)
        assert decode([Argument("it", name)], word) == [wanted]
        assert encode([Argument("it", name)], [wanted]) == word


@pytest.mark.parametrize("name", [name for name in WIDTHS if "uint" in name or "int" in name])
def test_a_packed_number_of_any_width_is_read_by_its_bytes(name: str) -> None:
    abi = AbiType.parse(name)
    table = Table("two", [Field("it", abi), Field("last", abi, none=7)], PACKED)
    for first in (0, 1, 0x7F, 0x80, 0xFF):
        raw = bytes([first]).ljust(abi.size, b"\xfe") + (7).to_bytes(abi.size, "big")
        number = int.from_bytes(raw[: abi.size], "big", signed=abi.signed)
        assert table.read(raw) == table.read_slowly(raw) == (number, None)
        assert table.read_many(raw * 2) == ((number, None),) * 2
    with pytest.raises(Malformed) as caught:
        table.read(raw[:-1])
    assert caught.value.revert_data is None, "no contract reads packed fields"


@pytest.mark.parametrize("words", [1, 2, 5])
def test_the_length_of_an_element_is_a_whole_word_of_the_calldata(words: int) -> None:
    """The offset counts from behind the length of the list; the last words are zeros."""
    for offset in range(32 * words - 34, 32 * words + 34):
        call = bytes(4) + w(32, 1, offset) + bytes(32 * (words - 1))
        whole = offset + 32 <= 32 * words
        if offset < 32:
            continue  # this reads a part of the offset itself
        if whole:
            assert decode_calldata([MANY], call) == [(b"",)]
        else:
            with pytest.raises(Malformed):
                decode_calldata([MANY], call)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 64, 65])
@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 64, 288])
def test_the_short_way_takes_every_payload_that_encoders_write(count: int, size: int) -> None:
    words = tuple(bytes([1 + index]) * 32 for index in range(count))
    others = tuple(bytes([101 + index]) * 32 for index in range(count))
    context = (b"\1" * 32, b"\2" * 32, b"\3" * 32)
    raw = encode(FULL_REPORT, (context, b"\4" * size, words, others, b"\5" * 32))
    found = split_canonical(raw)
    if count > 64:
        assert found is None, "more than any contract takes"
        return
    assert found is not None
    assert found[5:] == (b"\4" * size, words, others, b"\5" * 32)
    assert found[:5] == (b"\1" * 32, b"\2" * 27, 0x02020202, 2, b"\3" * 32)
    for at in (96, 128, 160):
        changed = int.from_bytes(raw[at : at + 32], "big") + 1
        assert split_canonical(raw[:at] + w(changed) + raw[at + 32 :]) is None


def _at_the_end(which: int) -> bytes:
    """A payload whose last word is the length of one of its parts, which is empty."""
    starts = [96 + 128, 96 + 128, 96 + 128]
    starts[which] += 32
    return bytes(96) + w(*starts, 5) + bytes(64)


def _payloads() -> Iterator[bytes]:
    yield bytes(224)  # every part is the first word, which is zero
    yield bytes(223)
    for which in range(3):
        yield _at_the_end(which)
        yield _at_the_end(which)[:-1]
    context = (bytes(32),) * 3
    for parts in itertools.permutations(((b"\1" * 32,), (b"\2" * 32,) * 2, b"\3" * 5)):
        tails, starts, at = [], {}, 224
        for part in parts:
            starts[len(part)] = at
            tail = w(len(part)) + b"".join(part) if isinstance(part, tuple) else w(5) + part
            tails.append(tail)
            at += len(tail)
        head = b"".join(context) + w(starts[5], starts[1], starts[2]) + bytes(32)
        for cut in (0, 1, 32):
            raw = head + b"".join(tails)
            yield raw[: len(raw) - cut]
    yield from (raw for _, raw in damaged_words())


@pytest.mark.parametrize("raw", [*_payloads()])
def test_the_short_way_of_a_verdict_takes_what_solc_takes(raw: bytes) -> None:
    try:
        context, *others = decode(FULL_REPORT, raw)
    except Malformed:
        assert split(raw) is None
    else:
        found = split(raw)
        assert found is not None
        blob, rs, ss, vs = others
        assert (found[0], found[1], tuple(found[2]), tuple(found[3]), found[4]) == (
            b"".join(context), blob, rs, ss, vs,
        )  # fmt: skip


@pytest.mark.parametrize("count", [1, 2])
def test_the_short_way_of_a_call_takes_what_solc_takes(count: int) -> None:
    arguments = [Argument(str(index), "bytes") for index in range(count)]
    size = 32 * count
    whole = w(*[size] * count, 3) + b"abc"
    calls = [bytes(size + more) for more in range(-1, 34)]
    calls += [whole, whole[:-1], whole + b"\0", w(*[size] * count, 0), w(*[size] * count, 0)[:-1]]
    calls += [w(*[0] * (count - 1), size + offset) + bytes(32) for offset in range(-33, 34)]
    for call in (b"\xab\xcd\xef\1" + call for call in calls):
        try:
            wanted = decode_calldata(arguments, call)
        except Malformed:
            assert split_arguments(call, count) is None, call
        else:
            assert split_arguments(call, count) == wanted, call
