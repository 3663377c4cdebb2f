"""Takes known credentials out of messages, in every way in which they may be written there.

A credential is found as it is, and under up to `LAYERS` layers of JSON's escapes and percent signs
in any order and any mixture. Few messages have either; the others are only searched for the
credentials themselves. A server must not be able to keep a client busy by what it escapes. So only
one layer is undone in a message over `LARGE` bytes. A message with more than `MOST` escapes and
credentials, over all layers, is redacted whole, because it may hold more than was found.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, overload

from payloads.errors import Misuse

Message = str | bytes
# What stands where a credential stood.
REDACTED = "[redacted]"
LAYERS = 3
LARGE = 2**20
MOST = 2**17

Span = tuple[int, int]


class Secret:
    """A credential: readable by `reveal()` only, and never by printing, logging or pickling."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        if not isinstance(value, str) or not value:
            raise Misuse("a secret is empty", field="secret", expected="text")
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __reduce__(self) -> Any:
        raise TypeError("a secret is not pickled")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))


# --- what is to be found --------------------------------------------------------------------------

# What messages are full of, the most frequent first: hex digits, JSON, words.
_FREQUENT = '0123456789abcdef":,{}x.[]_ tionrslmpuhdgvyTDkwSAPEUICNRMO-'


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


class _Known(NamedTuple):
    """A text to be found, with its rarest character, and both as bytes.

    A message without the rarest character, which is found out quickly, does not have the text.
    """

    rarest: str
    text: str
    rarest_raw: bytes
    raw: bytes

    @classmethod
    def of(cls, text: str) -> _Known:
        rarest = max(text, key=lambda char: _FREQUENT.find(char) % 256)
        return cls(rarest, text, _encode(rarest), _encode(text))

    def __repr__(self) -> str:
        return "_Known(…)"

    def places(self, raw: bytes) -> Iterator[Span]:
        """Where it stands."""
        start = raw.find(self.raw)
        while start >= 0:
            end = start + len(self.raw)
            yield start, end
            start = raw.find(self.raw, end)


class _Signs(NamedTuple):
    """What a message with a credential has in it, as text or as bytes: the credential, or escapes.

    Each credential comes with its rarest character. Of a message with backslashes, only the
    `telling` escapes matter.
    """

    known: list[Any]
    percent: Any
    backslash: Any
    telling: list[Any]

    def __repr__(self) -> str:
        return "_Signs(…)"


# --- how it may be spelled ------------------------------------------------------------------------


class _Escapes:
    """One way to write a character as several."""

    def __init__(self, mark: bytes, pattern: bytes, value: Callable[[bytes], bytes]) -> None:
        self.mark, self._pattern = mark, re.compile(pattern)
        self._value = lru_cache(1024)(value)

    def undone(self, raw: bytes) -> bytes:
        """What is meant."""
        return self._pattern.sub(lambda match: self._value(match[0]), raw)

    def places(self, raw: bytes, spans: Sequence[Span]) -> Iterator[Span]:
        """Where in `raw` stands what has these places in `undone(raw)`."""
        ends, shifts = [0], [0]
        for match in self._pattern.finditer(raw):
            shifts.append(shifts[-1] + len(match[0]) - len(self._value(match[0])))
            ends.append(match.end() - shifts[-1])
        for span in spans:
            start, end = (place + shifts[bisect_right(ends, place) - 1] for place in span)
            yield start, end


_ESCAPES = (
    _Escapes(
        b"\\",
        rb'\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\["\\/bfnrt]',
        lambda escape: _encode(json.loads(b'"' + escape + b'"')),
    ),
    _Escapes(b"%", rb"%[0-9a-fA-F]{2}", lambda escape: bytes.fromhex(escape[1:].decode())),
)
# Characters that JSON also escapes with a letter or as they are.
_SHORT = {char: json.dumps(char)[1:-1] for char in '"\\\b\f\n\r\t'} | {"/": "\\/"}


class _Overdone(Exception):
    """A message has more in it than is read."""


class _Steps:
    """How many escapes and credentials a message may still have, over all layers."""

    def __init__(self, left: int) -> None:
        self._left = left

    def take(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise _Overdone


# --- taking it out --------------------------------------------------------------------------------


# Shorter texts would be found in places where they mean nothing.
_SHORTEST = 8


class Redactor:
    """Credentials by value, and what takes them out of anything a server echoes or a client sends.

    The credentials of the constructor are remembered for good. Of the credentials that are added
    later the newest are remembered, so that old tokens do not slow down every message: `MOST` of
    the kind `Secret`, and as many texts, of which a server can send any number.
    """

    MOST = 32

    def __init__(self, *secrets: Secret | str | None) -> None:
        self._given = dict.fromkeys(filter(None, map(_worth_hiding, secrets)))
        self._secrets: dict[Secret, None] = {}
        self._texts: dict[Secret, None] = {}
        self._known: list[_Known] = []
        self._learn()

    def add(self, secret: Secret | str | None) -> None:
        hidden = _worth_hiding(secret)
        newest = self._secrets if isinstance(secret, Secret) else self._texts
        if hidden is None:
            return
        is_known = hidden in newest
        newest.pop(hidden, None)
        newest[hidden] = None
        if is_known:  # a connection adds what its session holds at every dial, request and incident
            return
        if len(newest) > self.MOST:
            del newest[next(iter(newest))]
        self._learn()

    def _learn(self) -> None:
        values = [secret.reveal() for secret in self._given | self._secrets | self._texts]
        # As forms write it, a space is a plus.
        texts = dict.fromkeys(text for value in values for text in (value, value.replace(" ", "+")))
        before = {known.text: known for known in self._known}
        self._known = [before.get(text) or _Known.of(text) for text in texts]
        # Most backslashes are before quotes, which few credentials have.
        short = {_SHORT[char] for char in set().union(*values) if char in _SHORT}
        telling = ["\\u", *short] if values else []
        self._in_text = _Signs([known[:2] for known in self._known], "%", "\\", telling)
        self._in_bytes = _Signs(
            [known[2:] for known in self._known], b"%", b"\\", [mark.encode() for mark in telling]
        )

    def may_find(self, messages: Sequence[Message]) -> bool:
        """Whether `clean` may change any of them; much faster than one by one."""
        try:
            return self._may_stand_in(b"\n".join(messages))  # type: ignore[arg-type]
        except TypeError:
            text = "\n".join([message for message in messages if isinstance(message, str)])
            raw = b"\n".join([message for message in messages if not isinstance(message, str)])
            return self._may_stand_in(text) or self._may_stand_in(raw)

    def _may_stand_in(self, data: Message) -> bool:
        known, percent, backslash, telling = (
            self._in_text if isinstance(data, str) else self._in_bytes
        )
        for rarest, text in known:
            if rarest in data and text in data:
                return True
        if percent in data:
            return bool(known)
        return backslash in data and any(mark in data for mark in telling)

    @overload
    def clean(self, data: str) -> str: ...

    @overload
    def clean(self, data: bytes) -> bytes: ...

    def clean(self, data: Message) -> Message:
        """`data` with every known credential replaced by `REDACTED`; itself if there is none."""
        if not self._may_stand_in(data):
            return data
        if isinstance(data, bytes):
            return self._cleaned(data)
        raw = _encode(data)
        cleaned = self._cleaned(raw)
        return data if cleaned is raw else cleaned.decode("utf-8", "surrogatepass")

    def _cleaned(self, raw: bytes) -> bytes:
        layers = LAYERS if len(raw) <= LARGE else 1
        try:
            spans = self._places(raw, layers, _Steps(MOST))
        except _Overdone:
            return REDACTED.encode()
        return _without(raw, spans) if spans else raw

    def _places(self, raw: bytes, layers: int, steps: _Steps) -> list[Span]:
        """Where credentials stand, however they are spelled."""
        found = [span for known in self._known for span in known.places(raw)]
        steps.take(len(found))
        for escapes in _ESCAPES if layers else ():
            steps.take(raw.count(escapes.mark))
            if escapes.mark in raw and (undone := escapes.undone(raw)) != raw:
                spans = self._places(undone, layers - 1, steps)
                found += escapes.places(raw, spans) if spans else ()
        return found

    def __repr__(self) -> str:
        return f"Redactor(<{len(self._given | self._secrets | self._texts)} credentials>)"


def _worth_hiding(secret: Secret | str | None) -> Secret | None:
    """A credential that is long enough to be looked for."""
    value = secret.reveal() if isinstance(secret, Secret) else secret
    return Secret(value) if value and len(value) >= _SHORTEST else None


def _without(raw: bytes, spans: Sequence[Span]) -> bytes:
    """`raw` with something else in these places, which may overlap."""
    parts, done = [], 0
    for start, end in sorted(spans):
        if start >= done:
            parts += [raw[done:start], REDACTED.encode()]
        done = max(done, end)
    return b"".join([*parts, raw[done:]])
