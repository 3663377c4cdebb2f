"""The line protocol every runner speaks, for the runners written in Python.

A runner first prints one line, `{"what": ...}`: the name and version of what it runs. Then, for
each line `run N` on standard input it does its work N times and prints one line,
`{"seconds": ..., "check": {...}}`, where `check` holds the values of the last time by name, as
text, so that the parent can see that everybody did the same work. It ends with its input.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from itertools import repeat
from pathlib import Path
from time import perf_counter
from typing import Any

INPUTS: dict[str, Any] = json.loads(
    (Path(__file__).resolve().parents[1] / "inputs.json").read_text(encoding="utf-8")
)

# What one runner does: the work, its one argument, and how to put the result into words.
Work = tuple[Callable[[Any], Any], Any, Callable[[Any], Mapping[str, str]]]
# How a runner does N pieces of work: the seconds it took, and the last result.
Timer = Callable[[int], tuple[float, Any]]

# How many payloads are judged together.
MANY = 400


def unhex(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def hexed(data: bytes) -> str:
    return "0x" + bytes(data).hex()


def words(items: Iterable[bytes]) -> str:
    return ",".join(map(hexed, items))


def named(distribution: str) -> str:
    """The distribution and its version, or its name alone where it is not installed as one."""
    try:
        return f"{distribution} {version(distribution)}"
    except PackageNotFoundError:
        return distribution


def signatures() -> list[tuple[bytes, bytes, bytes, int]]:
    """(digest, r, s, recovery id) of each signature of the report."""
    digest = unhex(INPUTS["digest"])
    return [(digest, unhex(s["r"]), unhex(s["s"]), int(s["v"])) for s in INPUTS["signatures"]]


def many_reports() -> list[bytes]:
    """`MANY` bare reports: the published one, each with another number as its last word, the ask.

    Only what a contract does not look at differs, so that all are judged alike.
    """
    published = unhex(INPUTS["fields"]["report_blob"])
    return [published[:-4] + number.to_bytes(4, "big") for number in range(MANY)]


def fingerprint_of(reports: Iterable[bytes]) -> str:
    """Stands for many reports, in their order."""
    return sha256(b"".join(reports)).hexdigest()


def timer(call: Callable[[Any], Any], argument: Any) -> Timer:
    def timed(count: int) -> tuple[float, Any]:
        result = None
        start = perf_counter()
        for _ in repeat(None, count):
            result = call(argument)
        return perf_counter() - start, result

    return timed


def serve(what: str, timed: Timer, check: Callable[[Any], Mapping[str, str]]) -> None:
    """Answer `run N` until the input ends."""
    print(json.dumps({"what": what}), flush=True)
    for line in sys.stdin:
        seconds, result = timed(int(line.split()[1]))
        print(json.dumps({"seconds": seconds, "check": dict(check(result))}), flush=True)


def serve_work(what: str, work: Work) -> None:
    call, argument, check = work
    serve(what, timer(call, argument), check)
