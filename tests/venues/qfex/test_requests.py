"""QFEX's requests: their refusals, and their table in the documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import msgspec.structs
import pytest

from payloads.errors import Misuse
from payloads.venues.common.values import OneOf
from payloads.venues.qfex import requests
from payloads.venues.qfex.requests import REQUESTS, AddOrder, encode, request_of
from tests.venues.qfex.kit import ORDER

DOCS = Path(__file__).parents[3] / "docs" / "qfex.md"
BEGIN, END = "<!-- requests -->\n", "<!-- end -->"


def table() -> str:
    """The requests as a table in Markdown."""
    lines = ["| record | message | parameters | reply |", "|---|---|---|---|"]
    for name, kind in REQUESTS.items():
        annotations = {
            field: text
            for base in reversed(kind.__mro__)
            for field, text in vars(base).get("__annotations__", {}).items()
        }
        parameters = [
            f"{'**' * field.required}{field.name}{'**' * field.required} `"
            + str(annotations[field.name]).replace(" | None", "") + "`"
            for field in msgspec.structs.fields(kind)
        ]  # fmt: skip
        cells = f"`{kind.__name__}`", f"`{name}`", ", ".join(parameters) or "–", f"`{kind.answer}`"
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| type | words |", "|---|---|"]
    for alias, kind in vars(requests).items():
        words = [note.words for note in get_args(kind)[1:] if isinstance(note, OneOf)]
        lines += [f"| `{alias}` | {', '.join(each)} |" for each in words]
    return "\n".join(lines) + "\n"


def test_the_documentation_has_the_table() -> None:
    text = DOCS.read_text()
    assert text[text.index(BEGIN) + len(BEGIN) : text.index(END)] == table()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"side": "buy"}, "side"), ({"price": None}, "price"), ({"quantity": 0.1}, "quantity"),
        ({"reduce_only": 1}, "reduce_only"), ({"symbol": None}, "symbol"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_parameter(change: Any, field: str) -> None:
    with pytest.raises(Misuse) as caught:
        encode(AddOrder(**{**ORDER, **change}))
    assert caught.value.field == field


def test_a_market_order_needs_no_price() -> None:
    order = {name: value for name, value in ORDER.items() if name != "price"}
    market = request_of("add_order", order | {"order_type": "MARKET"})
    assert "price" not in market.params
