"""The floor: a loop in C over the very libsecp256k1 that a Python package ships.

`python -m benchmarks.runners.floor LOOP PACKAGE COUNT`: LOOP is `floor/recover_loop.c` compiled as
a shared object, PACKAGE one of `EXTENSIONS`, COUNT `one` or `six`. Both packages' extension modules
export the library's functions, so the loop opens that same file and calls them without Python in
between. It runs inside a Python process only because an extension module needs one to be opened.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Mapping
from importlib import import_module

from benchmarks.runners.loop import Timer, named, serve, signatures
from benchmarks.runners.python_rivals import PUBLIC_KEY, address_of

EXTENSIONS = {"btclib-secp256k1": "_btclib_secp256k1", "coincurve": "coincurve._libsecp256k1"}
FAILURES = {
    -1.0: "the shared object cannot be opened",
    -2.0: "the shared object does not export libsecp256k1's functions",
    -3.0: "a signature recovers nothing",
}


def c_loop(loop: str, library: str, count: int) -> Timer:
    items = signatures()[:count]
    function = ctypes.CDLL(loop).recover_loop
    function.restype = ctypes.c_double
    keys = ctypes.create_string_buffer(PUBLIC_KEY * count)
    digest = items[0][0]
    pairs = b"".join(r + s for _, r, s, _ in items)
    ids = bytes(v for *_, v in items)

    def timed(rounds: int) -> tuple[float, bytes]:
        seconds = function(library.encode(), digest, pairs, ids, count, rounds, keys)
        if seconds < 0:
            raise OSError(FAILURES[seconds])
        return seconds, keys.raw

    return timed


def check(keys: bytes) -> Mapping[str, str]:
    parts = [keys[at : at + PUBLIC_KEY] for at in range(0, len(keys), PUBLIC_KEY)]
    return {str(index): address_of(key) for index, key in enumerate(parts)}


if __name__ == "__main__":
    shared, package, how_many = sys.argv[1:]
    path = import_module(EXTENSIONS[package]).__file__
    if path is None:
        raise OSError(f"{package} has no file of its own")
    serve(named(package), c_loop(shared, path, {"one": 1, "six": 6}[how_many]), check)
