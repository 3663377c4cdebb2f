"""What `payloads simulate --set NAME=VALUE` takes: the simulators' options, read from text.

What is not here has an option of its own, or is an object that only a program can make.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from payloads.abi.fields import Record
from payloads.errors import Misuse

SECOND = 10**9
_LONGEST = 10**9


class Option(Record, frozen=True):
    """How an option's text is read (ValueError: not so), what is expected, and what it does."""

    read: Callable[[str], Any]
    expected: str
    words: str


def _flag(text: str) -> bool:
    return {"yes": True, "no": False}[text.lower()]


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) or not 0 < float(text) <= _LONGEST:
        raise ValueError(text)
    return float(text)


def _count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError(text)
    return int(text)


def _text(text: str) -> str:
    if not re.fullmatch(r"[!-~]+", text):
        raise ValueError(text)
    return text


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(_count, _names(text)))


def _clock(text: str) -> Callable[[], int]:
    """A clock that is wrong by so many seconds."""
    if not re.fullmatch(r"[+-]?[0-9]{1,9}", text):
        raise ValueError(text)
    ahead = int(text) * SECOND
    return lambda: time.time_ns() + ahead


def _network(text: str) -> Any:
    """A network of so many oracles, as many of which may be wrong as can be."""
    from payloads.testing import InsecureTestNetwork

    size = _count(text)
    return InsecureTestNetwork(f"simulator of {size}", size, (size - 1) // 3)


_yes_or_no = partial(Option, _flag, "yes or no")
_time = partial(Option, _seconds, "SECONDS")
_many = partial(Option, _names, "NAME,…")
_word = partial(Option, _text, "TEXT")

_COMMON = {
    "clock": Option(_clock, "SECONDS", "how far its clock is ahead of this machine's, as -30"),
    "compress": _yes_or_no("compresses messages for clients that offer it (no)"),
    "ping_every": _time("between its pings (20)"),
}
_KEY, _SECRET = _word("the key that it takes"), _word("the secret that it takes")
_LIFETIME = _time("that a token lasts (3600)")

OPTIONS: dict[str, dict[str, Option]] = {
    "chainlink": {
        "bad": _many("of --bad-share: wrong_signer, expired, truncated, flipped (all)"),
        "binary": _yes_or_no("binary messages; no: text (yes)"),
        "history": Option(_count, "COUNT", "reports of each feed that REST still has (10000)"),
        "key": _KEY,
        "network": Option(_network, "COUNT", "oracles, 4 to 31; a third of them signs (16)"),
        "origins": _many("what HEAD / answers; nothing: no high availability (001,002)"),
        "rising": _yes_or_no("each report a second later than the one before (no)"),
        "secret": _SECRET,
    },
    "stork": {
        "bad": _many("of --bad-share: wrong_signer, truncated, flipped (all)"),
        "needs_deflate": _yes_or_no("refuses clients that offer no compression (no)"),
        "token": _word("the token that it takes"),
    },
    "finery": {
        "clients": Option(_numbers, "NUMBER,…", "clients of the account's, for F and MD (5)"),
        "idle": _time("without a message after which it hangs up (80)"),
        "increasing": _yes_or_no("nonces have to increase; no: only to be new (yes)"),
        "key": _KEY,
        "secret": _SECRET,
        "status_frames": _yes_or_no("tells whether it is connected to the exchange (yes)"),
        "unanswered": _many("methods that it does not answer"),
    },
    "ethgas": {
        "dialect": _word("official or draft (official)"),
        "flat": _yes_or_no("tokens as text instead of as objects (no)"),
        "lifetime": _LIFETIME,
        "unanswered": _many("types of queries that it does not answer"),
    },
    "qfex": {
        "account_id": _word("the subaccount that there is"),
        "auth_within": _time("in which a client has to authenticate (60)"),
        "client_id": _word("the one of logins by OAuth"),
        "lifetime": _LIFETIME,
        "public_key": _word("the public key that it takes"),
        "secret": _SECRET,
    },
}
for _own in OPTIONS.values():
    _own.update(_COMMON)


def options(venue: str, given: Iterable[str]) -> dict[str, Any]:
    """What was given as NAME=VALUE, as the simulator of that venue takes it."""
    known, found = OPTIONS[venue], dict[str, Any]()
    for one in given:
        name, mark, text = one.partition("=")
        if not mark:
            raise Misuse("not an option", field="--set", expected="NAME=VALUE", found=one)
        name = name.strip().replace("-", "_")
        if name not in known:
            expected = ", ".join(sorted(known))
            raise Misuse("no such option", field=f"{venue} {name}", expected=expected)
        try:
            found[name] = known[name].read(text.strip())
        except (ValueError, KeyError):  # Misuse is one
            expected = f"{known[name].expected}: {known[name].words}"
            raise Misuse(
                "cannot be set to that", field=f"{venue} {name}", expected=expected, found=text
            ) from None
    return found


def described() -> str:
    """All of them, for the help."""
    own: Mapping[str, Mapping[str, Option]] = {
        venue: {name: one for name, one in some.items() if name not in _COMMON}
        for venue, some in OPTIONS.items()
    }
    groups = ["\n".join(_lines(title, some)) for title, some in (*own.items(), ("all", _COMMON))]
    return "Options of --set:\n\n" + "\n\n".join("\b\n" + group for group in groups)


def _lines(title: str, some: Mapping[str, Option]) -> Iterator[str]:
    yield f"  {title}:"
    for name, one in some.items():
        what = "yes|no" if one.read is _flag else one.expected
        yield f"    {name + '=' + what:24} {one.words}"
