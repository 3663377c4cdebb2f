"""The family of exceptions, and which of them may leave which function.

Three kinds with a common base:

* `Malformed`: the bytes are not such a payload. Decoders raise this and nothing else for bad input.
* `Refused`: a payload that would not pass (a wrong signer, a failed `verify`).
* `Misuse`: the caller asked for something impossible (a value that does not fit its field, an
  unknown name). Encoders and look-ups raise this.

An error is a record first and a sentence second: `offset`, `field`, `expected` and `found` are
attributes, and `to_dict()` is what `--json` prints. Any other exception leaving a decoder is a bug.

`revert_data` is set where a contract doing the same step would revert: the exact bytes it would
return (empty for a bare revert). It is None where no contract would have been asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_SHOWN = 48
# Containers inside containers, as an error shows them.
_DEEPEST = 64
# Containers in all, each as often as it stands there: a container that is shared is written again.
_MOST_CONTAINERS = 4_000_000


def elide(text: str, limit: int = _SHOWN) -> str:
    """`text` with its middle cut out, so that it fits in a line."""
    if len(text) <= limit:
        return text
    half = (limit - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def printable(text: str) -> str:
    """Text on one line that cannot do anything to a terminal, nor end a comment."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def shown(value: object, limit: int = _SHOWN) -> str:
    """`repr(value)` in a line; also for values without a repr, such as integers of 5,000 digits."""
    if why := _unprintable(value):  # its repr would end the process, or never end
        return f"a {type(value).__name__}, {why}"
    try:
        return elide(repr(value), limit)
    except Exception:
        return f"an unprintable {type(value).__name__}"


def _unprintable(value: object) -> str:
    """The reason for which a container has no repr; "" if a repr can be made.

    A container in several places is looked into once, and counted as often as it stands there.
    """
    level, count = {id(value): (value, 1)}, 0
    for _ in range(_DEEPEST):
        below: dict[int, tuple[object, int]] = {}
        for outer, times in level.values():
            for inner in _containers_in(outer):
                _, before = below.get(id(inner), (inner, 0))
                below[id(inner)] = inner, before + times
        if not below:
            return ""
        level, count = below, count + sum(times for _, times in below.values())
        if count > _MOST_CONTAINERS:
            return f"with more than {_MOST_CONTAINERS} others in it"
    return f"nested more than {_DEEPEST} levels deep"


def _containers_in(value: object) -> Iterator[object]:
    if isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            if isinstance(item, dict | list | tuple):
                yield item


def panic(code: int) -> bytes:
    """The revert data of Solidity's `Panic(uint256)`."""
    return bytes.fromhex("4e487b71") + code.to_bytes(32, "big")


class PayloadError(ValueError):
    """Base of everything this library raises on purpose."""

    kind = "error"

    def __init__(
        self,
        reason: str,
        *,
        offset: int | None = None,
        field: str | None = None,
        expected: str | None = None,
        found: str | None = None,
        revert_data: bytes | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.offset = offset
        self.field = field
        self.expected = expected
        self.found = found
        self.revert_data = revert_data

    def __str__(self) -> str:
        where = [self.field] if self.field else []
        if self.offset is not None:
            where.append(f"at byte {self.offset}")
        what = [self.reason]
        if self.expected is not None:
            what.append(f"expected {self.expected}")
        if self.found is not None:
            what.append(f"found {self.found}")
        return (" ".join(where) + ": " if where else "") + ", ".join(what)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), dict(self.__dict__)))

    def shifted(self, base: int, path: str) -> PayloadError:
        """The same error seen from a wrapper in which this payload starts at byte `base`."""
        return type(self)(
            self.reason,
            offset=None if self.offset is None else self.offset + base,
            field=f"{path}.{self.field}" if self.field else path,
            expected=self.expected,
            found=self.found,
            revert_data=self.revert_data,
        )

    def to_dict(self) -> dict[str, Any]:
        """The error as the command line prints it with `--json`."""
        record: dict[str, Any] = {"kind": self.kind, "reason": self.reason, "message": str(self)}
        for name in ("offset", "field", "expected", "found"):
            if (value := getattr(self, name)) is not None:
                record[name] = value
        if self.revert_data is not None:
            record["revert_data"] = "0x" + self.revert_data.hex()
        return record


def _rebuild(cls: type[PayloadError], state: dict[str, Any]) -> PayloadError:
    return cls(state.pop("reason"), **state)


class Malformed(PayloadError):
    """The input is not a payload of the kind asked for."""

    kind = "malformed"


class Refused(PayloadError):
    """A payload that would not pass."""

    kind = "refused"


class Misuse(PayloadError):
    """The library was called wrongly."""

    kind = "misuse"


def not_installed(package: str, extra: str, field: str | None = None) -> Misuse:
    """The error where an optional package is missing: how to install the extra that brings it."""
    wanted = f"pip install '.[{extra}]' in a clone of payloads"
    return Misuse(f"{package} is not installed", field=field, expected=wanted)
