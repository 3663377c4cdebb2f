"""What more than one test file asks of the library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from payloads import PayloadError
from payloads.abi.annotate import View
from payloads.errors import Malformed


def outcome(act: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """What a call gives: its value, or the error of the library's own that it raised.

    Any other exception goes through, and fails the test that asked.
    """
    try:
        return act(*args, **options)
    except PayloadError as error:
        assert_sound(error)
        return error


def assert_sound(error: PayloadError) -> None:
    """An error is one line, says where, and is a record."""
    line = str(error)
    assert line, repr(error)
    assert len(line.splitlines()) == 1, line
    assert len(line) < 1_000, line
    record = error.to_dict()
    assert record["message"] == line
    assert record["kind"] in ("malformed", "refused", "misuse")
    if isinstance(error, Malformed):
        assert error.offset is not None or error.field, f"says neither offset nor field: {line}"


def assert_covers(view: View, raw: bytes) -> None:
    """Every byte is in at least one span, and every span shows the bytes that are there."""
    read_to = 0
    for span in sorted(view.spans, key=lambda span: span.offset):
        assert 0 <= span.offset <= len(raw)
        assert bytes(span.raw) == raw[span.offset : span.end]
        assert span.offset <= read_to, f"bytes {read_to} to {span.offset} are in no span"
        read_to = max(read_to, span.end)
    assert read_to == view.size == len(raw)


def assert_partitions(view: View, raw: bytes) -> None:
    """Every byte is in exactly one span."""
    assert_covers(view, raw)
    assert sum(len(span.raw) for span in view.spans) == len(raw)
