"""The annotated view: every byte of a payload with its name, its value and its meaning.

What Wireshark does for packets. The view is made of the parts that the decoder recorded while it
read, so it cannot disagree with the decoder; a broken payload is shown up to the first bad byte,
with the reason there. Every byte is in at least one span, also bytes that no contract reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec.structs
from hexbytes import HexBytes

from payloads.abi.fields import WORD, Record, Span, Wide, hexed, is_wide, jsonable
from payloads.abi.solidity import Part
from payloads.errors import PayloadError

Expander = Callable[[bytes, Part], Iterable[Span]]


class View(Record, frozen=True):
    """The annotated view of a payload."""

    form: str
    why: str
    size: int
    spans: tuple[Span, ...]
    error: PayloadError | None = None

    @property
    def raw(self) -> HexBytes:
        """The bytes, which the spans cover."""
        raw = bytearray(self.size)
        for span in self.spans:
            raw[span.offset : span.end] = span.raw
        return hexed(bytes(raw[: self.size]))

    def to_dict(self) -> dict[str, Any]:
        """As `payloads inspect --json` prints it."""
        record: dict[str, Any] = {"form": self.form, "why": self.why, "size": self.size}
        if self.size:
            record["hex"] = jsonable(self.raw)
        record["spans"] = [_span_dict(span) for span in self.spans]
        if self.error is not None:
            record["error"] = self.error.to_dict()
        return record


def _span_dict(span: Span) -> dict[str, Any]:
    record: dict[str, Any] = {"offset": span.offset, "length": len(span.raw)}
    for name in ("path", "type", "raw", "value", "unit", "said", "meaning", "problem"):
        if (value := getattr(span, name)) not in (None, ""):
            record[name] = jsonable(value)
    if type(span.value) is int and _is_wide(span.type):
        record["value"] = jsonable(Wide(span.value))
    return record


def _is_wide(type_name: str) -> bool:
    """Offsets and lengths are words, too: a broken payload has any number there."""
    return type_name in ("offset", "length") or is_wide(type_name)


def lay_out(
    parts: Sequence[Part],
    data: bytes,
    expanders: Mapping[str, Expander],
    error: PayloadError | None = None,
) -> tuple[Span, ...]:
    """Spans for all that was read, in order of position, then for all that was not."""
    spans: list[Span] = []
    for part in sorted(parts, key=lambda part: (part.offset, part.end)):
        if part.length or (part.role == "value" and part.path in expanders):
            expand = expanders.get(part.path, _plain) if part.role == "value" else _plain
            spans.extend(expand(data, part))
    return complete(spans, data, error)


def _plain(data: bytes, part: Part) -> Iterator[Span]:
    raw = hexed(data[part.offset : part.end])
    number = int.from_bytes(raw, "big")
    if part.role == "pointer":
        meaning = f"where {part.path} starts"
        yield Span(part.offset, f"{part.path}.offset", "offset", raw, number, "byte", "", meaning)
    elif part.role == "length":
        of = part.path.removesuffix(".length")
        yield Span(part.offset, part.path, "length", raw, number, "", "", f"how long {of} is")
    elif part.role == "padding":
        said = "not zero: no encoder writes this" if any(raw) else ""
        yield Span(part.offset, part.path, "padding", raw, None, "", said, "not read by contracts")
    else:
        yield Span(part.offset, part.path, part.type, raw, raw)


def complete(
    spans: Iterable[Span], data: bytes, error: PayloadError | None = None
) -> tuple[Span, ...]:
    """The spans in order, with the error at its place and whatever no span covers."""
    known = list(spans)
    if error is not None and not any(span.problem for span in known):
        known.append(_problem(data, error))
    known.sort(key=lambda span: (span.offset, span.end))
    return tuple(_with_gaps(known, data, broken=any(span.problem for span in known)))


def _problem(data: bytes, error: PayloadError) -> Span:
    at = min(error.offset or 0, len(data))
    raw = hexed(data[at : at + WORD])
    return Span(at, error.field or "payload", "", raw, problem=str(error))


def _with_gaps(spans: Sequence[Span], data: bytes, broken: bool) -> Iterator[Span]:
    read_to = 0
    for span in spans:
        if span.offset > read_to:
            yield _unread(data, read_to, span.offset, broken)
        yield span
        read_to = max(read_to, span.end)
    if read_to < len(data):
        yield _unread(data, read_to, len(data), broken)


def _unread(data: bytes, start: int, end: int, broken: bool) -> Span:
    path = "(not reached)" if broken else "(unread)"
    said = "" if broken else "nothing reads or signs these bytes"
    return Span(start, path, "bytes", hexed(data[start:end]), said=said)


def shift(spans: Iterable[Span], base: int, path: str) -> Iterator[Span]:
    """Spans of an inner payload as seen from a wrapper in which it starts at byte `base`."""
    for span in spans:
        inside = f"{path}.{span.path}" if path else span.path
        yield msgspec.structs.replace(span, offset=span.offset + base, path=inside)
