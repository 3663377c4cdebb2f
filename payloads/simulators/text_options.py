"""The options of a simulator that can be set from text, as `payloads simulate --set NAME=VALUE`.

A simulator's class lists its own in `text_options`. An option that is not listed there has an
option of its own on the command line, or is an object that only a program can make.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from payloads.abi.fields import Record
from payloads.errors import Misuse

SECOND = 10**9
_LONGEST = 10**9


class TextOption(Record, frozen=True):
    """An option. `read` raises ValueError or KeyError for a text that is not as `expected`."""

    read: Callable[[str], Any]
    expected: str
    meaning: str


def _flag(text: str) -> bool:
    return {"yes": True, "no": False}[text.lower()]


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) or not 0 < float(text) <= _LONGEST:
        raise ValueError(text)
    return float(text)


def whole_number(text: str) -> int:
    """A count of at most nine digits."""
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError(text)
    return int(text)


def _word(text: str) -> str:
    if not re.fullmatch(r"[!-~]+", text):
        raise ValueError(text)
    return text


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(whole_number, _names(text)))


def _clock(text: str) -> Callable[[], int]:
    """A clock that is wrong by this many seconds."""
    if not re.fullmatch(r"[+-]?[0-9]{1,9}", text):
        raise ValueError(text)
    ahead = int(text) * SECOND
    return lambda: time.time_ns() + ahead


yes_or_no = partial(TextOption, _flag, "yes or no")
seconds = partial(TextOption, _seconds, "SECONDS")
count = partial(TextOption, whole_number, "COUNT")
names = partial(TextOption, _names, "NAME,…")
numbers = partial(TextOption, _numbers, "NUMBER,…")
word = partial(TextOption, _word, "TEXT")

# The options that every simulator has.
COMMON: Mapping[str, TextOption] = {
    "clock": TextOption(_clock, "SECONDS", "how far its clock is ahead of this machine's, as -30"),
    "compress": yes_or_no("compresses messages for clients that offer it (no)"),
    "ping_every": seconds("between its pings (20)"),
}
# The options that several simulators have.
KEY, SECRET = word("the key that it takes"), word("the secret that it takes")
LIFETIME = seconds("that a token lasts (3600)")


def read_options(
    venue: str, known: Mapping[str, TextOption], given: Iterable[str]
) -> dict[str, Any]:
    """Options given as NAME=VALUE, as the simulator's constructor takes them."""
    found: dict[str, Any] = {}
    for setting in given:
        name, mark, text = setting.partition("=")
        if not mark:
            raise Misuse("not an option", field="--set", expected="NAME=VALUE", found=setting)
        name = name.strip().replace("-", "_")
        if name not in known:
            expected = ", ".join(sorted(known))
            raise Misuse("no such option", field=f"{venue} {name}", expected=expected)
        try:
            found[name] = known[name].read(text.strip())
        except (ValueError, KeyError):  # Misuse is a ValueError
            expected = f"{known[name].expected}: {known[name].meaning}"
            raise Misuse(
                "cannot be set to that", field=f"{venue} {name}", expected=expected, found=text
            ) from None
    return found
