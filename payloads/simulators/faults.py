"""Faults: what a simulator can do wrong, and when. Plain data, without sockets.

A `Plan` is made of `Rule`s, in Python or from a text such as `drop/50,corrupt%0.5:utf8,stall@20:3`.
A rule is a kind, a time, and perhaps an argument:

    drop@20     the 20th data message (counted over all connections since the plan was set)
    drop@2.5s   two and a half seconds after that, with the first message from then on
    drop/50     every 50th message
    drop%0.5    half a percent of the messages, chosen by the seed
    stall@20:3  with an argument behind the colon

`KINDS` lists the kinds and their arguments. A wrong rule raises `Misuse` when it is made;
`Plan.due` raises nothing.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from payloads.errors import Misuse, elide


def _flip(raw: bytes, dice: random.Random) -> bytes:
    """One of the lower bits of a character is changed: still ASCII, but another text."""
    if not raw:
        return b"?"
    at = dice.randrange(len(raw))
    return raw[:at] + bytes([raw[at] ^ 1 << dice.randrange(5)]) + raw[at + 1 :]


def _truncate(raw: bytes, dice: random.Random) -> bytes:
    return raw[: dice.randrange(len(raw))] if raw else raw


def _not_utf8(raw: bytes, _: random.Random) -> bytes:
    return raw[: len(raw) // 2] + b"\xff\xfe" + raw[len(raw) // 2 :]


def _no_frame(_: bytes, __: random.Random) -> bytes:
    # An opcode that RFC 6455 reserves, with all reserved bits set.
    return b"\xff\x7f" + bytes(16)


# The arguments of "corrupt": a changed bit, a cut-off message, text that is not UTF-8, bytes that
# are not a websocket frame.
CORRUPTIONS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "flip": _flip,
    "truncate": _truncate,
    "utf8": _not_utf8,
    "frame": _no_frame,
}


@dataclass(frozen=True)
class Kind:
    """A kind of fault. `default` is its argument where none is given; None: it takes none."""

    meaning: str
    argument: str = ""
    default: str | None = None
    # Whether it concerns a message, a connection or the venue.
    about: str = "message"


KINDS = {
    "drop": Kind("the message is never sent"),
    "duplicate": Kind("the message is sent twice"),
    "reorder": Kind("the message is sent after the message that follows it"),
    "corrupt": Kind("the message is damaged", " or ".join(CORRUPTIONS), "flip"),
    "stall": Kind("silence, pongs included; messages come late", "seconds", "5", "connection"),
    "cut": Kind("the connection is gone without a close frame", about="connection"),
    "close": Kind("the connection is closed", "close code", "1011", "connection"),
    "refuse": Kind("the next dial is answered with a status", "HTTP status", "503", "venue"),
    "expire": Kind("tokens end, or the credential is withdrawn", about="venue"),
    "restart": Kind("all connections close, and none is taken", "seconds", "1", "venue"),
}
_MOMENT = re.compile(r"@(?P<number>[1-9][0-9]*)|@(?P<seconds>[0-9]+(?:\.[0-9]+)?)s"
                     r"|/(?P<every>[1-9][0-9]*)|%(?P<percent>[0-9]+(?:\.[0-9]+)?)")  # fmt: skip
_RULE = re.compile(r"(?P<kind>[a-z]+)(?P<moment>[@/%][0-9.]+s?)(?::(?P<argument>[a-z0-9.]+))?")


@dataclass(frozen=True)
class Rule:
    """A fault and its time: exactly one of `number`, `seconds`, `every` and `share`."""

    kind: str
    number: int | None = None
    seconds: float | None = None
    every: int | None = None
    share: float | None = None
    argument: str = ""

    def __post_init__(self) -> None:
        if (kind := KINDS.get(self.kind)) is None:
            raise Misuse("no such fault", field="kind", expected=", ".join(KINDS),
                         found=elide(self.kind))  # fmt: skip
        times = (self.number, self.seconds, self.every, self.share)
        if sum(time is not None for time in times) != 1:
            raise Misuse("one time is needed", field=self.kind,
                         expected="one of number, seconds, every, share")  # fmt: skip
        if self.share is not None and not 0 <= self.share <= 1:
            raise Misuse("not a share", field=self.kind, expected="0 to 100 %")
        if any(count is not None and count < 1 for count in (self.number, self.every)):
            raise Misuse("messages are counted from 1", field=self.kind)
        if kind.about == "venue" and self.seconds is None and self.number is None:
            raise Misuse("happens once: a number or a time is needed", field=self.kind)
        self._check_argument(kind)

    def _check_argument(self, kind: Kind) -> None:
        if self.argument and kind.default is None:
            raise Misuse("takes no argument", field=self.kind, found=elide(self.argument))
        if self.kind == "corrupt":
            fits = self.value in CORRUPTIONS
        elif kind.argument == "seconds":
            fits = bool(re.fullmatch(r"[0-9]{1,6}(\.[0-9]+)?", self.value))
        elif kind.argument:
            low, high = (400, 599) if self.kind == "refuse" else (1000, 4999)
            fits = bool(re.fullmatch("[0-9]{3,4}", self.value)) and low <= int(self.value) <= high
        else:
            return
        if not fits:
            raise Misuse("cannot be used", field=f"{self.kind}'s argument", expected=kind.argument,
                         found=elide(self.argument))  # fmt: skip

    @property
    def value(self) -> str:
        """The argument, or its default."""
        return self.argument or KINDS[self.kind].default or ""

    @classmethod
    def parse(cls, text: str) -> Rule:
        """A rule from its text."""
        found = _RULE.fullmatch(text.strip())
        when = _MOMENT.fullmatch(found["moment"]) if found else None
        if found is None or when is None:
            raise Misuse("not a rule", field="misbehave", found=elide(text),
                         expected="such as drop/50, stall@20:3 or corrupt%0.5:utf8")  # fmt: skip
        return cls(
            found["kind"],
            number=int(when["number"]) if when["number"] else None,
            seconds=float(when["seconds"]) if when["seconds"] else None,
            every=int(when["every"]) if when["every"] else None,
            share=float(when["percent"]) / 100 if when["percent"] else None,
            argument=found["argument"] or "",
        )


class Plan:
    """Rules and their progress. The same seed gives the same decisions."""

    def __init__(self, rules: str | Iterable[Rule] = (), seed: int = 0) -> None:
        texts = rules.split(",") if isinstance(rules, str) else None
        self.rules = (
            tuple(rules) if not isinstance(rules, str)
            else tuple(Rule.parse(text) for text in texts or () if text.strip())
        )  # fmt: skip
        self._dice = [random.Random(f"{seed} {index}") for index in range(len(self.rules))]
        self._late = {index for index, rule in enumerate(self.rules) if rule.seconds is not None}
        self._count = 0

    def __repr__(self) -> str:
        return f"Plan(<{len(self.rules)} rules>, {self._count} messages seen)"

    def timers(self) -> list[Rule]:
        """The rules about a connection or the venue that wait for a time and for no message."""
        return [rule for rule in self.rules if rule.seconds is not None and not _per_message(rule)]

    def due(self, elapsed: float) -> list[Rule]:
        """The rules for the next message. `elapsed` is in seconds since the plan was set."""
        self._count += 1
        return [rule for index, rule in enumerate(self.rules) if self._hits(index, rule, elapsed)]

    def _hits(self, index: int, rule: Rule, elapsed: float) -> bool:
        if rule.number is not None:
            return self._count == rule.number
        if rule.every is not None:
            return self._count % rule.every == 0
        if rule.share is not None:
            return self._dice[index].random() < rule.share
        assert rule.seconds is not None
        if index in self._late and _per_message(rule) and elapsed >= rule.seconds:
            self._late.remove(index)
            return True
        return False


def _per_message(rule: Rule) -> bool:
    return KINDS[rule.kind].about == "message"
