"""Compressed streams that may be cut off anywhere, known by a file's first bytes.

A capture is written plain, as gzip or as zstd; bzip2 and xz are read as well.

Everything written before a `flush` is readable, whatever happens afterwards. A reader returns all
that can be decompressed, in pieces of bounded size. Then it raises `Torn` for a stream that was cut
off, and `Malformed` for one that is broken inside.

zstd is the standard library's from Python 3.14 on, and backports.zstd before.
"""

from __future__ import annotations

import bz2
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any, Literal, Protocol

from payloads.errors import Malformed, not_installed

Compression = Literal["plain", "gzip", "zstd"]

_MAGIC = 10
_READ = 64 * 1024
_STEP = 1024
# The largest piece of a reader.
_PIECE = 256 * 1024
# gzip cannot do better; zstd can, by forty times. No file of messages comes near it.
MAX_RATIO = 1_032
# So much a file may hold whatever its ratio.
FREE_BYTES = 256 * 2**20
# What zstd may look back, as a power of two: 64 MiB.
_WINDOW = 26
# The memory that reading xz may take; `xz -9` wants 65 MiB.
MAX_XZ_MEMORY = 96 * 2**20


class Torn(Malformed):
    """The file ends too early: its writer did not get to finish."""


class Compressor(Protocol):
    """A stream that a capture is written through."""

    def add(self, data: bytes) -> bytes: ...

    def flush(self) -> bytes: ...

    def finish(self) -> bytes: ...


class _Plain:
    def add(self, data: bytes) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""

    def finish(self) -> bytes:
        return b""


class _Gzip:
    def __init__(self, level: int) -> None:
        self._stream = zlib.compressobj(level, zlib.DEFLATED, 16 + zlib.MAX_WBITS)

    def add(self, data: bytes) -> bytes:
        return self._stream.compress(data)

    def flush(self) -> bytes:
        return self._stream.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._stream.flush(zlib.Z_FINISH)


class _Zstd:
    def __init__(self, level: int) -> None:
        zstd = _zstd()
        self._stream = zstd.ZstdCompressor(level=level)
        self._block = zstd.ZstdCompressor.FLUSH_BLOCK

    def add(self, data: bytes) -> bytes:
        return bytes(self._stream.compress(data))

    def flush(self) -> bytes:
        return bytes(self._stream.flush(self._block))

    def finish(self) -> bytes:
        return bytes(self._stream.flush())


def _zstd() -> Any:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            import backports.zstd as zstd
    except ImportError:
        raise not_installed("zstd", "live") from None
    return zstd


def compression_of(name: str) -> Compression:
    """The compression of a file to be written, by its name."""
    if name.endswith(".gz"):
        return "gzip"
    return "zstd" if name.endswith((".zst", ".zstd")) else "plain"


def compressor(compression: Compression) -> Compressor:
    """A new stream to write through. The levels are fast: a capture must keep up."""
    if compression == "gzip":
        return _Gzip(4)
    return _Zstd(3) if compression == "zstd" else _Plain()


# --- reading --------------------------------------------------------------------------------------


def decompressed(stream: IO[bytes], head: bytes = b"") -> Iterator[bytes]:
    """The content of a file, compressed or not. Raises `Torn` or `Malformed` at its end.

    `head` is the beginning, where that was read before.
    """
    while len(head) < _MAGIC and b"\n" not in head and (more := stream.read(_READ)):
        head += more  # a pipe gives what there is, perhaps a byte
    for magic, (make, name) in _READERS.items():
        if head.startswith(magic):
            return _unpacked(head, stream, make, name)
    return _plain(head, stream)


def is_compressed(head: bytes) -> bool:
    """Whether the first bytes of a file are those of a compressed stream."""
    return head.startswith(tuple(_READERS))


def _plain(head: bytes, stream: IO[bytes]) -> Iterator[bytes]:
    while head:
        yield head
        head = stream.read(_READ)


class _Inflate:
    """One gzip member."""

    broken: type[Exception] = zlib.error

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self._full = False

    def piece(self, data: bytes) -> bytes:
        out = self._stream.decompress(self._stream.unconsumed_tail + data, _PIECE)
        # A full piece may leave the end of a match inside zlib, with no input left to show for it.
        self._full = len(out) == _PIECE
        return out

    @property
    def more(self) -> bool:
        return not self._stream.eof and (self._full or bool(self._stream.unconsumed_tail))

    @property
    def ended(self) -> bool:
        return self._stream.eof

    @property
    def rest(self) -> bytes:
        return self._stream.unused_data


class _Blocks:
    """One zstd frame, or one bzip2 or xz stream. `broken`: what its library raises."""

    def __init__(self, stream: Any, *broken: type[Exception]) -> None:
        self.broken = broken
        self._stream = stream

    def piece(self, data: bytes) -> bytes:
        return bytes(self._stream.decompress(data, _PIECE))

    @property
    def more(self) -> bool:
        return not self._stream.eof and not self._stream.needs_input

    @property
    def ended(self) -> bool:
        return bool(self._stream.eof)

    @property
    def rest(self) -> bytes:
        return bytes(self._stream.unused_data)


def _unzstd() -> _Blocks:
    zstd = _zstd()
    bound = {zstd.DecompressionParameter.window_log_max: _WINDOW}
    return _Blocks(zstd.ZstdDecompressor(options=bound), zstd.ZstdError)


def _bzip2() -> _Blocks:
    return _Blocks(bz2.BZ2Decompressor(), OSError)


def _xz() -> _Blocks:
    return _Blocks(
        lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_XZ_MEMORY), OSError, lzma.LZMAError
    )


# A payload has no more than two bytes in common with these.
_READERS: dict[bytes, tuple[Callable[[], Any], str]] = {
    b"\x1f\x8b\x08": (_Inflate, "gzip"),
    b"\x28\xb5\x2f\xfd": (_unzstd, "zstd"),
    b"BZh": (_bzip2, "bzip2"),
    b"\xfd7zXZ\0": (_xz, "xz"),
}


def _unpacked(head: bytes, stream: IO[bytes], make: Any, name: str) -> Iterator[bytes]:
    """All members or frames of a file: tools that append to such files write several."""
    member, read, written = None, 0, 0
    for data in _steps(head, stream):
        read += len(data)
        while data:
            member = member or make()
            try:
                piece = member.piece(data)
                while piece:
                    written += len(piece)
                    if written > FREE_BYTES and written > MAX_RATIO * read:
                        raise _bomb(name, read, written)
                    yield piece
                    piece = member.piece(b"") if member.more else b""
            except member.broken as error:
                reason = f"the {name} stream is broken, and nothing after it can be read"
                raise Malformed(reason, offset=read, field="file", found=str(error)) from None
            data, member = (member.rest, None) if member.ended else (b"", member)
    if member is not None:
        raise Torn(f"the {name} stream is cut off", offset=read, field="file")


def _bomb(name: str, read: int, written: int) -> Malformed:
    reason = f"the {name} stream expands too much, and is read no further"
    expected, found = f"at most {MAX_RATIO} times its size", f"{written} bytes of {read}"
    return Malformed(reason, offset=read, field="file", expected=expected, found=found)


def _steps(head: bytes, stream: IO[bytes]) -> Iterator[bytes]:
    """Input in small steps, because the whole step in which a stream breaks is lost."""
    for at in range(0, len(head), _STEP):
        yield head[at : at + _STEP]
    while data := stream.read(_STEP):
        yield data
