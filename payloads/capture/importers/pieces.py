"""The content of a file as pieces of bytes: its first bytes, a bound, a stream to read from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from io import BytesIO

from payloads.errors import Malformed

# With the largest message taken out of it, a file of this size stays below 256 MB of memory.
MAX_WHOLE_BYTES = 64 * 2**20
_HEAD = 64 * 1024


def head_of(
    pieces: Iterator[bytes], enough: Callable[[bytes], bool]
) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes, until they are enough (a pipe may bring no more for hours), and the rest."""
    head = b""
    try:
        while len(head) < _HEAD and not (head and enough(head)):
            head += next(pieces)
    except StopIteration:
        return head, iter(())
    except Malformed as error:  # raised in its place, after what could be read
        return head, _raising(error)
    return head, pieces


def _raising(error: Malformed) -> Iterator[bytes]:
    raise error
    yield b""


def whole(pieces: Iterable[bytes], most: int = MAX_WHOLE_BYTES) -> bytes:
    """All of a file, up to a bound; kept once."""
    content = BytesIO()
    for piece in pieces:
        if content.tell() + len(piece) > most:
            limit, reason = f"at most {most} bytes", "too large to be read whole"
            raise Malformed(reason, offset=most, field="file", expected=limit)
        content.write(piece)
    return content.getvalue()


class JoinedPieces:
    """Pieces as a stream that can be read."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._left = BytesIO()
        self._error: Malformed | None = None

    def read(self, size: int) -> bytes:
        found = self._left.read(size)
        if len(found) == size:
            return found
        if self._error is not None:
            raise self._error
        content, missing = BytesIO(), size - len(found)
        content.write(found)
        try:
            for piece in self._pieces:
                taken = content.write(piece[:missing])
                missing -= taken
                if not missing:
                    self._left = BytesIO(piece[taken:])
                    break
        except Malformed as error:  # first what could be read, then this
            self._error = error
        return content.getvalue()
