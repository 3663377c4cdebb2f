"""What all sessions share: JSON without floats, and credentials taken out."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payloads.errors import Malformed
from payloads.venues.common.json_text import parse_json

_numbers = (
    st.integers()
    | st.integers(-(10**400), 10**400)
    | st.decimals(allow_nan=False, allow_infinity=False)
)
_values = st.recursive(
    st.none() | st.booleans() | st.text(st.characters()) | _numbers,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def written(value: Any, plain: bool) -> str:
    """JSON text with decimals in full, which Python's own encoder cannot write."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        pairs = (f"{written(key, plain)}: {written(one, plain)}" for key, one in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(written(one, plain) for one in value) + "]"
    return json.dumps(value, ensure_ascii=plain)


def exact(value: Any) -> Any:
    """A value with the types of its numbers beside them: 1 and Decimal(1) are not the same."""
    if isinstance(value, dict):
        return {key: exact(one) for key, one in value.items()}
    if isinstance(value, list):
        return [exact(one) for one in value]
    return type(value), str(value)


@given(_values, st.booleans())
def test_values_come_out_as_they_went_in(value: Any, plain: bool) -> None:
    text = written(value, plain)
    expected = json.loads(text, parse_float=Decimal)
    assert exact(parse_json(text)) == exact(expected)
    try:
        raw = text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which only its escape can carry
        return
    assert exact(parse_json(raw)) == exact(expected)


@given(st.binary(max_size=30) | st.text('0123456789.eE+-[]{}",:\\u truefalsn', max_size=12))
def test_what_is_json_is_the_same_as_ever(data: str | bytes) -> None:
    def refuse(name: str) -> Any:
        raise ValueError(name)

    try:
        text = data.decode() if isinstance(data, bytes) else data
        expected = json.loads(text.strip(), parse_float=Decimal, parse_constant=refuse)
    except ValueError:
        with pytest.raises(Malformed):
            parse_json(data)
    else:
        assert exact(parse_json(data)) == exact(expected)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9" * 4300, int("9" * 4300)),
        ("-" + "9" * 4300, -int("9" * 4300)),
        ("9" * 4301, Decimal("9" * 4301)),
        ("18446744073709551616", 2**64),
        ("-9223372036854775809", -(2**63) - 1),
        ("0.1000000000000000055511151231257827", Decimal("0.1000000000000000055511151231257827")),
        ("1E400", Decimal("1E400")),
        ('"\\ud800"', "\ud800"),
    ],
)
def test_numbers_are_exact_whatever_their_size(text: str, value: Any) -> None:
    found = parse_json(text)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "[" * 100_000, "1e" + "9" * 30, "", "{"])
def test_what_is_no_json_is_malformed(text: str) -> None:
    with pytest.raises(Malformed, match="not JSON"):
        parse_json(text)
