"""solc's ABI decoder, exactly: what it accepts, what it refuses, and with which revert.

Two decoders exist in a contract and both are here. `decode` is `abi.decode` into memory: lengths
allocate, so an absurd one is `Panic(0x41)` and any other fault a bare revert. `decode_calldata` is
what a function does with its `bytes calldata` and `bytes[] calldata` arguments: nothing allocates,
so every fault is a bare revert, and the elements of a `bytes[]` are found by *signed* offsets.

Both raise `Malformed` with `revert_data` as the contract would return it, and nothing else. Both
record what they read, part by part, when given a list to put it in; `departures` reads from that
record where the bytes differ from what an encoder would have written.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from payloads.abi.fields import WORD, AbiType, Record, hexed
from payloads.errors import Malformed, Misuse, panic

_U64 = 2**64 - 1
_SIGN = 2**255
_MODULUS = 2**256
# Where a contract's free memory starts before anything was allocated.
FREE_MEMORY = 0x80
# Elements of a `bytes[]` may all point at the same bytes, so their sum is not bounded by the input.
# On chain gas bounds it (copying 16 MiB into memory costs over 500 million gas); here this does.
MAX_ELEMENT_BYTES = 16 * 2**20


class Argument(Record, frozen=True):
    """One argument of a tuple or function: its name and its type as Solidity spells it."""

    name: str
    type: str

    @property
    def dynamic(self) -> bool:
        return self.type in ("bytes", "bytes32[]", "bytes[]")

    @property
    def words(self) -> int:
        """How many words it takes in the head."""
        return 3 if self.type == "bytes32[3]" else 1


class Part(Record, frozen=True, gc=False):
    """A range that the decoder read: `role` is value, pointer, length or padding."""

    offset: int
    length: int
    path: str
    role: str
    type: str

    @property
    def end(self) -> int:
        return self.offset + self.length


class Departure(Record, frozen=True, gc=False):
    """One way in which accepted bytes differ from what an honest encoder writes."""

    kind: str
    offset: int
    length: int
    field: str
    detail: str

    def __str__(self) -> str:
        return f"{self.field} at byte {self.offset}: {self.detail}"


def _revert(
    reason: str, offset: int, field: str, expected: str, found: int | str, code: int | None = None
) -> Malformed:
    if isinstance(found, int) and found > _U64:
        found = hex(found)
    data = b"" if code is None else panic(code)
    return Malformed(
        reason, offset=offset, field=field, expected=expected, found=str(found), revert_data=data
    )


class _Reader:
    """A cursor over the bytes that remembers what was read."""

    def __init__(self, data: bytes, trace: list[Part] | None) -> None:
        self.data = data
        self.end = len(data)
        self.trace = trace

    def word(self, at: int) -> int:
        return int.from_bytes(self.data[at : at + WORD], "big")

    def note(self, at: int, length: int, path: str, role: str, type_: str) -> None:
        if self.trace is not None:
            self.trace.append(Part(at, length, path, role, type_))

    def head(self, arguments: Sequence[Argument], base: int) -> Iterator[tuple[Argument, int]]:
        """Each argument with the position of its head; too few bytes for all heads reverts."""
        size = WORD * sum(argument.words for argument in arguments)
        if self.end - base < size:
            raise _revert(
                "shorter than its head", self.end, "head", f"{size} bytes", self.end - base
            )
        at = base
        for argument in arguments:
            yield argument, at
            at += WORD * argument.words

    def pointer(self, at: int, base: int, path: str) -> int:
        """The position an offset word points to, which must leave room for a length word."""
        offset = self.word(at)
        if offset > _U64:
            raise _revert("offset beyond 2^64", at, path, "an offset below 2^64", offset)
        if base + offset + WORD - 1 >= self.end:
            limit = f"an offset below {max(0, self.end - base - WORD + 1)}"
            raise _revert("offset points past the end", at, path, limit, offset)
        self.note(at, WORD, path, "pointer", "offset")
        return base + offset

    def static(self, type_: str, at: int, path: str) -> Any:
        abi = AbiType.parse(type_)
        begin = at if abi.kind == "bytes" else at + WORD - abi.size
        raw = self.data[begin : begin + abi.size]
        padding = self.data[at:begin] + self.data[begin + abi.size : at + WORD]
        if padding != abi.padding(raw):
            raise _revert(
                f"dirty bits beside a {type_}", at, path, "clean padding", "0x" + padding.hex()
            )
        self.note(at, WORD, path, "value", type_)
        return abi.value(raw)

    def content(self, at: int, length: int, path: str, type_: str) -> bytes:
        """The bytes behind a length word, with the padding an encoder would have added."""
        begin = at + WORD
        raw = self.data[begin : begin + length]
        self.note(at, WORD, path + ".length", "length", "length")
        self.note(begin, length, path, "value", type_)
        if short := -length % WORD:
            left = max(0, min(short, self.end - begin - length))
            self.note(begin + length, left, path + ".padding", "padding", f"{short} bytes")
        return raw

    def words(self, at: int, count: int, path: str) -> tuple[bytes, ...]:
        self.note(at, WORD, path + ".length", "length", "length")
        starts = range(at + WORD, at + WORD + WORD * count, WORD)
        if self.trace is not None:
            for index, start in enumerate(starts):
                self.note(start, WORD, f"{path}[{index}]", "value", "bytes32")
        return tuple(self.data[start : start + WORD] for start in starts)


# --- abi.decode into memory -----------------------------------------------------------------------


class _Memory(_Reader):
    """`abi.decode(...)`: `free` is the contract's free memory pointer, which allocations move."""

    def __init__(self, data: bytes, free: int, trace: list[Part] | None) -> None:
        super().__init__(data, trace)
        self.free = free

    def allocate(self, size: int, at: int, path: str, length: int) -> None:
        free = self.free + -(-size // WORD) * WORD
        if length > _U64 or free > _U64:
            raise _revert(
                "length cannot be allocated", at, path + ".length", "less memory", length, 0x41
            )
        self.free = free

    def tail(self, argument: Argument, at: int) -> Any:
        path, length = argument.name, self.word(at)
        unit = 1 if argument.type == "bytes" else WORD
        # Solidity's order: the allocation may panic before the length is held against the end.
        self.allocate(WORD + unit * length, at, path, length)
        if at + WORD + unit * length > self.end:
            room = (self.end - at - WORD) // unit
            raise _revert(
                "length runs past the end", at, path + ".length", f"at most {room}", length
            )
        if argument.type == "bytes":
            return self.content(at, length, path, "bytes")
        return self.words(at, length, path)


def decode(
    arguments: Sequence[Argument],
    data: bytes,
    *,
    free: int = FREE_MEMORY,
    trace: list[Part] | None = None,
) -> list[Any]:
    """`abi.decode(data, (…))` into memory."""
    reader = _Memory(data, free, trace)
    values: list[Any] = []
    for argument, at in reader.head(arguments, 0):
        if argument.dynamic:
            values.append(reader.tail(argument, reader.pointer(at, 0, argument.name)))
        elif argument.type == "bytes32[3]":
            reader.free += 3 * WORD
            reader.note(at, 3 * WORD, argument.name, "value", argument.type)
            values.append(tuple(data[at + WORD * i : at + WORD * (i + 1)] for i in range(3)))
        else:
            values.append(reader.static(argument.type, at, argument.name))
    return values


# --- arguments left in calldata -------------------------------------------------------------------


class _Calldata(_Reader):
    def tail(self, argument: Argument, at: int) -> Any:
        path, length = argument.name, self.word(at)
        unit = 1 if argument.type == "bytes" else WORD
        if length > _U64 or at + WORD + unit * length > self.end:
            room = (self.end - at - WORD) // unit
            raise _revert(
                "length runs past the end", at, path + ".length", f"at most {room}", length
            )
        if argument.type == "bytes":
            return self.content(at, length, path, "bytes")
        self.note(at, WORD, path + ".length", "length", "length")
        elements: list[bytes] = []
        total = 0
        for index in range(length):
            elements.append(self.element(at + WORD, index, f"{path}[{index}]"))
            total += len(elements[-1])
            if total > MAX_ELEMENT_BYTES:
                raise Malformed(
                    "the elements add up to more than any block has gas to copy",
                    offset=at + WORD + WORD * index,
                    field=f"{path}[{index}]",
                    expected=f"at most {MAX_ELEMENT_BYTES} bytes in all",
                    found=f"{total} so far",
                )
        return tuple(elements)

    def element(self, base: int, index: int, path: str) -> bytes:
        """`payloads[index]`: its offset is a signed number, so it may point backwards."""
        at = base + WORD * index
        offset = self.word(at)
        signed = offset - _MODULUS if offset >= _SIGN else offset
        if signed >= self.end - base - WORD + 1:
            limit = f"an offset below {self.end - base - WORD + 1}"
            raise _revert("offset points past the end", at, path, limit, offset)
        self.note(at, WORD, path, "pointer", "offset")
        start = (base + signed) % _MODULUS
        length = self.word(start)  # reads as zero beyond the calldata, as the EVM has it
        begin = (start + WORD) % _MODULUS
        if length > _U64 or (begin < _SIGN and begin > self.end - length):
            raise _revert(
                "length runs past the end", start, path + ".length", "fewer bytes", length
            )
        if begin > self.end:
            return b""
        if start < self.end:
            return self.content(start, length, path, "bytes")
        return b""


def decode_calldata(
    arguments: Sequence[Argument], calldata: bytes, *, trace: list[Part] | None = None
) -> list[Any]:
    """The arguments of an external function, from calldata that starts with its selector."""
    reader = _Calldata(calldata, trace)
    reader.note(0, 4, "selector", "value", "bytes4")
    return [
        reader.tail(argument, reader.pointer(at, 4, argument.name))
        for argument, at in reader.head(arguments, 4)
    ]


class _Patient(_Calldata):
    """Reads on behind elements that cannot be read, and remembers why each could not."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data, None)
        self.faults: dict[int, Malformed] = {}

    def element(self, base: int, index: int, path: str) -> bytes:
        try:
            return super().element(base, index, path)
        except Malformed as error:
            self.faults[index] = error
            return b""


def decode_bulk_calldata(
    arguments: Sequence[Argument], calldata: bytes
) -> tuple[list[bytes | Malformed], list[bytes]]:
    """The arguments of a function of `bytes[]` and other `bytes`: the elements, and the others.

    Instead of a bad element there is its error. A contract looks at an element when it gets there,
    so an earlier element may matter before.
    """
    reader = _Patient(calldata)
    first, *others = (
        reader.tail(argument, reader.pointer(at, 4, argument.name))
        for argument, at in reader.head(arguments, 4)
    )
    return [reader.faults.get(index, raw) for index, raw in enumerate(first)], others


# --- encoding -------------------------------------------------------------------------------------


def _padded(raw: bytes) -> bytes:
    return raw + bytes(-len(raw) % WORD)


def _length(count: int) -> bytes:
    return count.to_bytes(WORD, "big")


def _tail(argument: Argument, value: Any) -> bytes:
    if argument.type == "bytes":
        return _length(len(value)) + _padded(value)
    if argument.type == "bytes32[]":
        return _length(len(value)) + _joined(argument, value)
    items = [Argument(argument.name, "bytes")] * len(value)
    return _length(len(value)) + encode(items, value)


def _joined(argument: Argument, words: Sequence[bytes]) -> bytes:
    if any(len(word) != WORD for word in words):
        raise Misuse("every element must be 32 bytes", field=argument.name, expected="32 bytes")
    return b"".join(words)


def _static(argument: Argument, value: Any) -> bytes:
    if argument.type == "bytes32[3]":
        return _joined(argument, value)
    abi = AbiType.parse(argument.type)
    raw = abi.bytes_of(value, argument.name)
    return raw + abi.padding(raw) if abi.kind == "bytes" else abi.padding(raw) + raw


def encode(arguments: Sequence[Argument], values: Sequence[Any]) -> bytes:
    """`abi.encode(…)`: heads first, tails in order, nothing between and nothing after."""
    heads, tails = [], []
    position = WORD * sum(argument.words for argument in arguments)
    for argument, value in zip(arguments, values, strict=True):
        if not argument.dynamic:
            heads.append(_static(argument, value))
            continue
        heads.append(_length(position))
        tails.append(_tail(argument, value))
        position += len(tails[-1])
    return b"".join(heads + tails)


# --- what an honest encoder would not have written ------------------------------------------------


def departures(parts: Sequence[Part], data: bytes) -> list[Departure]:
    """Every difference between `data` and the encoding of what was read from it, by position."""
    found = list(_paddings(parts, data))
    read_to, last = 0, ""
    for part in sorted(parts, key=lambda part: (part.offset, part.end)):
        if not part.length:
            continue
        if part.offset < read_to:
            size = min(read_to, part.end) - part.offset
            detail = f"{size} bytes already read as {last}"
            found.append(Departure("overlap", part.offset, size, part.path, detail))
        elif part.offset > read_to:
            found.append(_gap(read_to, part.offset, part.path))
        if part.end >= read_to:
            read_to, last = part.end, part.path
    if read_to < len(data):
        size = len(data) - read_to
        detail = f"{size} bytes after the last field that nothing reads or signs"
        found.append(Departure("trailing", read_to, size, "trailing", detail))
    return sorted(found + list(_disorder(parts)), key=lambda departure: departure.offset)


def _gap(start: int, end: int, before: str) -> Departure:
    detail = f"{end - start} bytes that nothing reads"
    return Departure("gap", start, end - start, f"before {before}", detail)


def _paddings(parts: Sequence[Part], data: bytes) -> Iterator[Departure]:
    for part in parts:
        if part.role != "padding":
            continue
        raw = data[part.offset : part.end]
        wanted = int(part.type.split()[0])
        if part.length < wanted:
            detail = f"{part.length} of {wanted} padding bytes present"
            yield Departure("missing-padding", part.offset, part.length, part.path, detail)
        if any(raw):
            detail = f"padding is not zero: 0x{hexed(raw).hex()}"
            yield Departure("dirty-padding", part.offset, part.length, part.path, detail)


def _disorder(parts: Sequence[Part]) -> Iterator[Departure]:
    """Tails in another order than their heads."""
    lengths = [part for part in parts if part.role == "length"]
    for before, after in itertools.pairwise(lengths):
        if after.offset < before.offset:
            detail = f"stands before {before.path.removesuffix('.length')}, which precedes it"
            yield Departure("out-of-order", after.offset, WORD, after.path, detail)
