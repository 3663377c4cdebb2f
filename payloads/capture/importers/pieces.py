"""The content of a file as pieces of bytes: its first bytes, a bound, a stream to read from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import BytesIO

from payloads.errors import Malformed

# A file of a day in a browser is some hundred megabytes.
MAX_WHOLE_BYTES = 2**30
_HEAD = 64 * 1024


def head_of(pieces: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    head = b""
    try:
        while len(head) < _HEAD:
            head += next(pieces)
    except StopIteration:
        return head, iter(())
    except Malformed as error:  # raised in its place, after what could be read
        return head, _raising(error)
    return head, pieces


def _raising(error: Malformed) -> Iterator[bytes]:
    raise error
    yield b""


def bounded(pieces: Iterable[bytes]) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > MAX_WHOLE_BYTES:
            limit = f"at most {MAX_WHOLE_BYTES} bytes"
            raise Malformed("too large to be read whole", field="file", expected=limit)
        yield piece


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
        parts, missing = [found], size - len(found)
        try:
            for piece in self._pieces:
                parts.append(piece[:missing])
                missing -= len(parts[-1])
                if not missing:
                    self._left = BytesIO(piece[len(parts[-1]) :])
                    break
        except Malformed as error:  # first what could be read, then this
            self._error = error
        return b"".join(parts)
