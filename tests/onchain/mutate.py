"""Mutations of ABI blobs, aimed at the rules of solc's decoder. Deterministic: seed the rng.

`mutations(base, rng)` walks every word and every cut of `base` systematically, and ends.
`mutate(base, rng)` is one random damaged blob; call it as often as you like.
`mutate_calldata` and `calldata_mutations` do the same behind a 4-byte selector.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Final

WORD: Final = 32
TOP: Final = 2**256

# Where each static type ends, so that one bit above it is dirty.
_WIDTHS: Final = (8, 16, 32, 64, 128, 160, 191, 192, 255)

# solc's allocation limit is 2^64 bytes counted from the free memory pointer, so what matters is how
# far below the limit a length stays: everything up to this many bytes is worth trying.
_REACH: Final = 0x800


def interesting_words(size: int, at: int) -> list[int]:
    """Values worth having in the word at byte `at` of a blob of `size` bytes."""
    values = {0, 1, 2, 31, 32, 33, 63, 64, 96, 128, 160, 192, 224, 255, 256}
    # As an offset: into the head, and around the end. Offsets may count from the blob's start or,
    # in nested calldata, from the array's first element, so both ends are approached both ways.
    for edge in (size, size - at, size - at - WORD):
        for step in (-65, -64, -63, -33, -32, -31, -30, -1, 0, 1, 31, 32, 33):
            values.add(edge + step)
    values.update(range(0, size + 1, WORD))
    values.update((at, at + 1, at - 1, at + WORD))
    # As a count of words that reach just to the end, or one past it.
    room = (size - at - WORD) // WORD
    values.update((room - 1, room, room + 1, room + 2))
    values.update(_limits())
    # Backwards, which only nested calldata offsets may point.
    values.update(TOP - back for back in (1, 31, 32, 33, 64, 96, at, at + WORD, at + 36, size))
    return sorted(value % TOP for value in values)


def _limits() -> Iterator[int]:
    for power in (32, 53, 58, 59, 60, 63, 64, 128, 159, 160, 191, 192, 254, 255):
        yield from (2**power - 1, 2**power, 2**power + 1)
    for below in (0x20, 0x40, 0x60, 0x80, 0xA0, 0xC0, 0xE0, 0x100, 0x120, 0x140, 0x180, 0x200):
        yield from (2**64 - below - 1, 2**64 - below, 2**64 - below + 1)
    yield from (2**59 - below for below in range(2, 65))
    # int192's extremes, properly and improperly sign-extended.
    yield from (TOP - 1, TOP - 2**191, TOP - 2**191 - 1, TOP - 2**192, TOP - 2**31, TOP - 2**63)


def mutations(base: bytes, rng: Random) -> Iterator[bytes]:
    """Every word with every interesting value, every cut, and some of each random kind."""
    for at in range(0, len(base) - WORD + 1, WORD):
        for value in interesting_words(len(base), at):
            yield _with_word(base, at, value)
        word = int.from_bytes(base[at : at + WORD], "big")
        for width in _WIDTHS:
            yield _with_word(base, at, word | (1 << width))
            yield _with_word(base, at, word | (TOP - (1 << width)))
    for length in range(len(base)):
        yield base[:length]
    for extra in range(1, WORD + 1):
        yield base + bytes(extra)
        yield base + b"\xff" * extra
    for _ in range(4 * len(base)):
        yield mutate(base, rng)


def mutate(base: bytes, rng: Random) -> bytes:
    """One blob with one to four faults."""
    blob = base
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        blob = rng.choice(_KINDS)(blob, rng)
    return blob


def calldata_mutations(base: bytes, rng: Random) -> Iterator[bytes]:
    """`mutations` of what follows the selector; then the selector itself, cut and bent."""
    for body in mutations(base[4:], rng):
        yield base[:4] + body
    yield from (base[:length] for length in range(5))
    yield bytes([base[0] ^ 1]) + base[1:]


def mutate_calldata(base: bytes, rng: Random) -> bytes:
    """`mutate` behind the selector."""
    return base[:4] + mutate(base[4:], rng)


def splice(left: bytes, right: bytes, rng: Random) -> bytes:
    """The front of one blob and the back of another, cut at words or anywhere."""
    step = rng.choice((1, WORD))
    front = rng.randrange(0, len(left) + 1, step)
    back = rng.randrange(0, len(right) + 1, step)
    return left[:front] + right[back:]


def _with_word(blob: bytes, at: int, value: int) -> bytes:
    return blob[:at] + value.to_bytes(WORD, "big") + blob[at + WORD :]


def _word_at(blob: bytes, rng: Random) -> int:
    """The place of some word, a head word as often as any other."""
    words = len(blob) // WORD
    return WORD * rng.randrange(rng.choice((min(words, 8), words)))


def _plant(blob: bytes, rng: Random) -> bytes:
    if len(blob) < WORD:
        return _extend(blob, rng)
    at = _word_at(blob, rng)
    return _with_word(blob, at, rng.choice(interesting_words(len(blob), at)))


def _point(blob: bytes, rng: Random) -> bytes:
    """An offset to anywhere at all in the blob, or just past it."""
    if len(blob) < WORD:
        return _extend(blob, rng)
    target = rng.randrange(len(blob) + WORD)
    return _with_word(blob, _word_at(blob, rng), target)


def _overallocate(blob: bytes, rng: Random) -> bytes:
    """A length within `_REACH` of the most that can be allocated, in bytes or in words."""
    if len(blob) < WORD:
        return _extend(blob, rng)
    unit = rng.choice((1, WORD))
    value = (2**64 - rng.randrange(_REACH)) // unit + rng.choice((-1, 0, 0, 1))
    return _with_word(blob, _word_at(blob, rng), value)


def _small_length(blob: bytes, rng: Random) -> bytes:
    if len(blob) < WORD:
        return _extend(blob, rng)
    at = _word_at(blob, rng)
    return _with_word(blob, at, rng.randrange(len(blob) - at + 2))


def _nudge(blob: bytes, rng: Random) -> bytes:
    """A word moved by a little, so that an honest offset or length is off by a little."""
    if len(blob) < WORD:
        return _extend(blob, rng)
    at = _word_at(blob, rng)
    word = int.from_bytes(blob[at : at + WORD], "big")
    step = rng.choice((-64, -33, -32, -31, -2, -1, 1, 2, 31, 32, 33, 64))
    return _with_word(blob, at, (word + step) % TOP)


def _dirty(blob: bytes, rng: Random) -> bytes:
    """High bits over a word, as a dirty static field or a broken sign extension."""
    if len(blob) < WORD:
        return _extend(blob, rng)
    at = _word_at(blob, rng)
    word = int.from_bytes(blob[at : at + WORD], "big")
    width = rng.choice(_WIDTHS)
    mask = rng.choice((1 << width, TOP - (1 << width), rng.getrandbits(256) >> width << width))
    return _with_word(blob, at, rng.choice((word | mask, word ^ mask)))


def _flip(blob: bytes, rng: Random) -> bytes:
    if not blob:
        return _extend(blob, rng)
    at = rng.randrange(len(blob))
    return blob[:at] + bytes([blob[at] ^ 1 << rng.randrange(8)]) + blob[at + 1 :]


def _swap(blob: bytes, rng: Random) -> bytes:
    if len(blob) < WORD:
        return _extend(blob, rng)
    one, other = _word_at(blob, rng), _word_at(blob, rng)
    kept = blob[one : one + WORD]
    blob = blob[:one] + blob[other : other + WORD] + blob[one + WORD :]
    return blob[:other] + kept + blob[other + WORD :]


def _cut(blob: bytes, rng: Random) -> bytes:
    return blob[: rng.randrange(len(blob) + 1)]


def _cut_little(blob: bytes, rng: Random) -> bytes:
    return blob[: max(0, len(blob) - rng.randrange(1, 2 * WORD + 2))]


def _extend(blob: bytes, rng: Random) -> bytes:
    return blob + rng.randbytes(rng.choice((1, 31, 32, 33, 64, rng.randrange(1, 129))))


def _drop(blob: bytes, rng: Random) -> bytes:
    """Take bytes out of the middle, which shifts every tail behind them."""
    at = rng.randrange(len(blob) + 1)
    return blob[:at] + blob[at + rng.choice((1, 31, 32, 33, 64)) :]


def _insert(blob: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(blob) + 1)
    return blob[:at] + rng.randbytes(rng.choice((1, 31, 32, 33, 64))) + blob[at:]


def _own_splice(blob: bytes, rng: Random) -> bytes:
    return splice(blob, blob, rng)


_KINDS: Final[tuple[Callable[[bytes, Random], bytes], ...]] = (
    _plant,
    _plant,
    _plant,
    _point,
    _point,
    _overallocate,
    _small_length,
    _small_length,
    _nudge,
    _nudge,
    _dirty,
    _flip,
    _swap,
    _cut,
    _cut_little,
    _extend,
    _drop,
    _insert,
    _own_splice,
)
