"""keccak-256 and ecrecover, each in a fast and in a second implementation.

`keccak256(data)` takes any bytes. `recover(digest, r, s, recovery_id)` has the semantics of the
EVM's precompile and answers the 20-byte address, or None where the precompile would return nothing:
r or s zero or not below the curve's order, a recovery id other than 0 or 1, no such point. A high s
is accepted. Neither raises for any bytes of the right length; another length is `Misuse`.

`recover_many` and `recover_packed` answer the same for many signatures at once, by the wheel
payloads-simd where it is installed. The environment variable PAYLOADS_RECOVER, or an argument,
chooses the implementation: simd, libsecp256k1 or reference. `keccak_many` hashes many messages of
one size.

Recovery runs in libsecp256k1 (btclib-secp256k1, else coincurve, else eth-keys' pure Python), and
keccak-256 in tiny-keccak, else pycryptodome. No curve arithmetic is written in Python. The reasons
for these choices, with measurements, are in docs/performance.md; `reference_recover` and
`reference_keccak256` are the second implementations, and tests hold both pairs together.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, lru_cache, partial
from importlib import import_module
from importlib.util import find_spec
from itertools import chain
from struct import iter_unpack
from typing import Any, Literal, NoReturn, overload

from payloads.errors import Misuse, shown

CURVE_ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
_UNCOMPRESSED = 2

# The implementations of `recover_many`. Each gives the same answers.
IMPLEMENTATIONS = ("simd", "libsecp256k1", "reference")


def reference_keccak256(data: bytes) -> bytes:
    """keccak-256 by pycryptodome."""
    from Crypto.Hash import keccak

    return keccak.new(digest_bits=256, data=data).digest()


def _fastest_keccak() -> tuple[str, Callable[[bytes], bytes]]:
    try:
        from tiny_keccak import keccak256
    except ImportError:
        return "pycryptodome", reference_keccak256
    return "tiny-keccak", keccak256


_keccak_name, keccak256 = _fastest_keccak()


# --- the second implementation --------------------------------------------------------------------


def _check_lengths(**values: bytes) -> None:
    for name, value in values.items():
        if len(value) != 32:
            raise Misuse("wrong length", field=name, expected="32 bytes", found=str(len(value)))


def reference_recover(digest: bytes, r: bytes, s: bytes, recovery_id: int) -> bytes | None:
    """The same by eth-keys in pure Python: for tests, and where no compiled library is at hand."""
    _check_lengths(digest=digest, r=r, s=s)
    from eth_keys.backends.native.main import NativeECCBackend
    from eth_keys.datatypes import Signature
    from eth_keys.exceptions import BadSignature
    from eth_utils.exceptions import ValidationError

    numbers = (int.from_bytes(r, "big"), int.from_bytes(s, "big"))
    if recovery_id not in (0, 1) or not all(0 < number < CURVE_ORDER for number in numbers):
        return None
    try:
        key = NativeECCBackend().ecdsa_recover(digest, Signature(vrs=(recovery_id, *numbers)))
    except (BadSignature, ValidationError, ValueError):
        return None
    return keccak256(key.to_bytes())[-20:]


def reference_sign(private_key: bytes, digest: bytes) -> tuple[bytes, bytes, int]:
    """The same signature by eth-keys."""
    _check_lengths(private_key=private_key, digest=digest)
    from eth_keys.backends.native.main import NativeECCBackend
    from eth_keys.datatypes import PrivateKey

    v, r, s = NativeECCBackend().ecdsa_sign(digest, PrivateKey(private_key)).vrs
    return r.to_bytes(32, "big"), s.to_bytes(32, "big"), v


# --- libsecp256k1 ---------------------------------------------------------------------------------

Recover = Callable[[bytes, bytes, bytes, int], "bytes | None"]
Sign = Callable[[bytes, bytes], tuple[bytes, bytes, int]]


def _load() -> tuple[str, Any, Any, Any]:
    """A libsecp256k1: its package's name, cffi handle, functions and context."""
    try:
        import btclib_secp256k1 as library
        from btclib_secp256k1.context import ctx

        return "btclib-secp256k1", library.ffi, library.lib, ctx
    except ImportError:
        coincurve = import_module("coincurve._libsecp256k1")
        context = import_module("coincurve.context").GLOBAL_CONTEXT.ctx
        return "coincurve", coincurve.ffi, coincurve.lib, context


def _recover_with(ffi: Any, lib: Any, context: Any) -> Recover:
    parse = lib.secp256k1_ecdsa_recoverable_signature_parse_compact
    ecdsa_recover = lib.secp256k1_ecdsa_recover
    serialize = lib.secp256k1_ec_pubkey_serialize

    class Scratch(threading.local):
        """C buffers, a set for each thread: cffi releases the GIL, so sharing would mix up keys."""

        def __init__(self) -> None:
            out = ffi.new("unsigned char[65]")
            self.buffers = (
                ffi.new("secp256k1_ecdsa_recoverable_signature *"),
                ffi.new("secp256k1_pubkey *"),
                out,
                ffi.new("size_t *", 65),
                ffi.buffer(out + 1, 64),  # does not own `out`, which therefore stays beside it
            )

    scratch = Scratch()

    def recover(digest: bytes, r: bytes, s: bytes, recovery_id: int) -> bytes | None:
        """The signer's 20-byte address, or None where ecrecover returns nothing."""
        # C reads 32 bytes of each, whatever their length.
        if len(digest) != 32 or len(r) != 32 or len(s) != 32:
            _check_lengths(digest=digest, r=r, s=s)
        # libsecp256k1 also knows ids 2 and 3 (r beyond the order); the precompile does not.
        if recovery_id != 0 and recovery_id != 1:
            return None
        signature, key, out, size, public = scratch.buffers
        if not parse(context, signature, r + s, recovery_id):
            return None
        if not ecdsa_recover(context, key, signature, digest):
            return None
        serialize(context, out, size, key, _UNCOMPRESSED)
        return keccak256(public[:])[-20:]

    return recover


def _sign_with(ffi: Any, lib: Any, context: Any) -> Sign:
    def sign(private_key: bytes, digest: bytes) -> tuple[bytes, bytes, int]:
        """A deterministic (RFC 6979) signature of a digest: r, s and recovery id. For test keys."""
        _check_lengths(private_key=private_key, digest=digest)
        signature = ffi.new("secp256k1_ecdsa_recoverable_signature *")
        nonce = (ffi.NULL, ffi.NULL)
        if not lib.secp256k1_ecdsa_sign_recoverable(
            context, signature, digest, private_key, *nonce
        ):
            raise Misuse("not a usable private key", field="private_key")
        compact, recovery_id = ffi.new("unsigned char[64]"), ffi.new("int *")
        serialize = lib.secp256k1_ecdsa_recoverable_signature_serialize_compact
        serialize(context, compact, recovery_id, signature)
        both = bytes(ffi.buffer(compact, 64))
        return both[:32], both[32:], int(recovery_id[0])

    return sign


@cache
def has_simd() -> bool:
    """Whether payloads-simd is installed."""
    return find_spec("payloads_simd") is not None


def _wanted(implementation: str | None = None) -> str | None:
    """The implementation that the caller or PAYLOADS_RECOVER chose, if it can run here."""
    field = "implementation" if implementation else "PAYLOADS_RECOVER"
    name = implementation or os.environ.get("PAYLOADS_RECOVER") or None
    if name not in (None, *IMPLEMENTATIONS):
        expected = ", ".join(IMPLEMENTATIONS)
        raise Misuse("unknown implementation", field=field, expected=expected, found=shown(name))
    if name == "simd" and not has_simd():
        raise Misuse("payloads-simd is not installed (make native)", field=field)
    return name


def _libsecp256k1() -> tuple[str, Recover, Sign] | None:
    try:
        name, *library = _load()
    except ImportError:
        return None
    return name, _recover_with(*library), _sign_with(*library)


def _refusing(error: Misuse) -> Recover:
    """A `recover` for a PAYLOADS_RECOVER that cannot be followed: importing stays possible."""

    def recover(digest: bytes, r: bytes, s: bytes, recovery_id: int) -> NoReturn:
        raise error

    return recover


def _default_recover() -> tuple[str, Recover]:
    try:
        by_eth_keys = _wanted() == "reference"
    except Misuse as error:
        return "nothing", _refusing(error)
    return _library[:2] if _library and not by_eth_keys else ("eth-keys", reference_recover)


_library = _libsecp256k1()
_curve_name, recover = _default_recover()
sign = _library[2] if _library else reference_sign

# What runs: for `payloads --version` and for reports of trouble.
BACKENDS = {"keccak256": _keccak_name, "recover": _curve_name}


# --- many at once ---------------------------------------------------------------------------------


@overload
def recover_many(
    digests: Sequence[bytes],
    rs: Sequence[bytes],
    ss: Sequence[bytes],
    vs: Sequence[int],
    *,
    implementation: str | None = None,
    workers: int | None = None,
    leave_flagged: Literal[False] = False,
) -> list[bytes | None]: ...


@overload
def recover_many(
    digests: Sequence[bytes],
    rs: Sequence[bytes],
    ss: Sequence[bytes],
    vs: Sequence[int],
    *,
    implementation: str | None = None,
    workers: int | None = None,
    leave_flagged: bool,
) -> list[bytes | Literal[False] | None]: ...


def recover_many(
    digests: Sequence[bytes],
    rs: Sequence[bytes],
    ss: Sequence[bytes],
    vs: Sequence[int],
    *,
    implementation: str | None = None,
    workers: int | None = None,
    leave_flagged: bool = False,
) -> Sequence[bytes | Literal[False] | None]:
    """The signer's address for each signature, or None where ecrecover returns nothing.

    `vs` are recovery ids: 0 and 1 recover, any other number does not. `workers`: threads of
    payloads-simd, as many as cores if not given; the other implementations use one.

    Some signatures, all made on purpose, payloads-simd leaves to libsecp256k1: each costs what
    eight others do. With `leave_flagged` they are False instead, for a caller that may not need
    them.
    """
    threads = Workers(workers, implementation=implementation)
    return threads.recover_many(digests, rs, ss, vs, leave_flagged=leave_flagged)()


def recover_packed(
    digests: Bytes,
    rs: Bytes,
    ss: Bytes,
    vs: Bytes,
    *,
    implementation: str | None = None,
    workers: int | None = None,
) -> tuple[bytes, bytes]:
    """The same for buffers: n words of 32 bytes each in the first three, n bytes in `vs`.

    Returned are n addresses of 20 bytes, and n bytes that are 1 where there is an address and 0
    where ecrecover returns nothing (the address is zeros then).
    """
    return Workers(workers, implementation=implementation).recover_packed(digests, rs, ss, vs)()


class Workers:
    """Threads that recover signatures while their caller goes on.

        workers = Workers()
        found = workers.recover_many(digests, rs, ss, vs)
        …                                  # meanwhile, threads of payloads-simd work
        signers = found()                  # the caller works, too, until all are there

    `count` includes the caller, and is the number of cores if not given. Threads begin when there
    is enough to do, and end with this object. They never wait for the interpreter's lock, as
    Python's own threads do. Without payloads-simd there are none: all is done when the result is
    asked for.
    """

    def __init__(self, count: int | None = None, *, implementation: str | None = None) -> None:
        self._one = _one_by_one(implementation)
        self._threads: Any = None if self._one else _simd().Workers(count or 0)

    def recover_many(
        self,
        digests: Sequence[bytes],
        rs: Sequence[bytes],
        ss: Sequence[bytes],
        vs: Sequence[int],
        *,
        leave_flagged: bool = False,
    ) -> Callable[[], list[bytes | Literal[False] | None]]:
        """Begin what `crypto.recover_many` does. The result waits for the list and returns it."""
        _check_counts(len(digests), rs=len(rs), ss=len(ss), vs=len(vs))
        one = self._one
        if one:
            return lambda: list(map(one, digests, rs, ss, vs))
        try:
            begun = self._threads.recover_many(digests, rs, ss, vs, leave_flagged=leave_flagged)
        except ValueError:
            for digest, r, s in zip(digests, rs, ss, strict=True):
                _check_lengths(digest=digest, r=r, s=s)
            raise
        found: Callable[[], list[bytes | Literal[False] | None]] = begun.get
        return found

    def recover_packed(
        self, digests: Bytes, rs: Bytes, ss: Bytes, vs: Bytes
    ) -> Callable[[], tuple[bytes, bytes]]:
        """Begin what `crypto.recover_packed` does. The result waits for both and returns them."""
        count = memoryview(vs).nbytes
        for name, buffer in {"digests": digests, "rs": rs, "ss": ss}.items():
            if (size := memoryview(buffer).nbytes) != 32 * count:
                raise Misuse("wrong length", field=name, expected=str(32 * count), found=str(size))
        if self._one:
            return partial(_packed, self._one, *map(_words, (digests, rs, ss)), bytes(vs))
        found: Callable[[], tuple[bytes, bytes]]
        found = self._threads.recover_packed(digests, rs, ss, vs).get
        return found


def _packed(one: Recover, *columns: Iterable[Any]) -> tuple[bytes, bytes]:
    signers = list(map(one, *columns))
    return b"".join([signer or _NO_SIGNER for signer in signers]), bytes(map(bool, signers))


Bytes = bytes | bytearray | memoryview
_NO_SIGNER = bytes(20)
# Messages that are hashed before their memory is used again.
_AT_ONCE = 1024


def keccak_many(data: Bytes, size: int) -> bytes:
    """keccak-256 of each `size` bytes of a buffer, one digest of 32 bytes after the other.

    payloads-simd hashes eight at once, whatever was chosen for recovering.
    """
    raw = bytes(data)
    if size < 1 or len(raw) % size:
        found = f"{len(raw)} bytes"
        raise Misuse("wrong length", field="data", expected=f"a multiple of {size}", found=found)
    if has_simd():
        digests: bytes = _simd().keccak_many(raw, size)
        return digests
    step = size * _AT_ONCE
    parts = (raw[at : at + step] for at in range(0, len(raw), step))
    return b"".join([b"".join(map(keccak256, _pieces(part, size))) for part in parts])


def recovers_in_batches() -> bool:
    """Whether `recover_many` is faster than `recover` for each: not so in a loop over a library."""
    return _one_by_one(None) is None


def recover_many_by(implementation: str | None = None) -> str:
    """What `recover_many` runs: for `payloads --version`, benchmarks and tests."""
    one = _one_by_one(implementation)
    if one:
        return "eth-keys" if one is reference_recover or not _library else _library[0]
    module = _simd()
    return f"payloads-simd {module.__version__}: {module.instructions()}"


def _one_by_one(implementation: str | None) -> Recover | None:
    """The function to call for each signature, or None: payloads-simd takes all of them."""
    name = _wanted(implementation)
    if name == "reference":
        return reference_recover
    if name == "libsecp256k1":
        if not _library:
            raise Misuse("neither btclib-secp256k1 nor coincurve can be used", field=name)
        return _library[1]
    return None if name == "simd" or has_simd() else recover


@cache
def _simd() -> Any:
    return import_module("payloads_simd")


def _check_counts(expected: int, **counts: int) -> None:
    for name, count in counts.items():
        if count != expected:
            raise Misuse("wrong number", field=name, expected=str(expected), found=str(count))


def _words(buffer: Bytes) -> Iterable[bytes]:
    return _pieces(bytes(buffer), 32)


def _pieces(raw: bytes, size: int) -> Iterator[bytes]:
    """So many bytes at a time, without a step of Python's for each."""
    return chain.from_iterable(iter_unpack(f"{size}s", raw))


# --- addresses ------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def checksum(address: bytes) -> str:
    """The EIP-55 spelling of a 20-byte address."""
    digits = address.hex()
    cases = keccak256(digits.encode()).hex()
    letters = zip(digits, cases, strict=False)
    return "0x" + "".join(d.upper() if case >= "8" else d for d, case in letters)


def address_of(private_key: bytes) -> bytes:
    """The 20-byte address of a private key."""
    digest = keccak256(b"any digest will do")
    address = recover(digest, *sign(private_key, digest))
    if address is None:
        raise Misuse("not a usable private key", field="private_key")
    return address
