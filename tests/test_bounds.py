"""The page of bounds says what the code does: its values are the constants, its tests are there."""

from __future__ import annotations

import ast
import importlib
import inspect
from functools import reduce
from typing import Any

import pytest

from payloads.errors import Malformed
from payloads.venues.common.json_text import MAX_MESSAGE_BYTES, MAX_MESSAGE_VALUES, parse_json
from tests.docs_code import ROOT

PAGE = ROOT / "docs" / "bounds.md"
UNITS = {
    "": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "s": 1, "MB": 10**6, "ns": 10**-9,
}  # fmt: skip

Row = tuple[str, str, str, str, str]


def rows() -> list[Row]:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:2] == "| "]
    cells = [tuple(cell.strip() for cell in line.strip("| ").split(" | ")) for line in lines]
    return [row for row in cells if row[0] != "bound"]  # type: ignore[misc]


ROWS = rows()


def value_of(name: str) -> Any:
    """A constant of a module, or with `(parameter)` behind it the default of a parameter."""
    path, _, parameter = name.rstrip(")").partition("(")
    parts = path.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            module = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        found: Any = reduce(getattr, parts[cut:], module)
        return inspect.signature(found).parameters[parameter].default if parameter else found
    raise AssertionError(f"no module: {name}")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_the_page_has_the_values_of_the_code(row: Row) -> None:
    assert len(row) == 5
    _, value, name, why, _ = row
    number, _, unit = value.partition(" ")
    found = value_of(name.strip("`"))
    # Times are in nanoseconds where a session has them.
    found = found / 10**9 if unit == "s" and found > 10**6 else found
    assert found == float(number.replace(",", "")) * UNITS[unit]
    assert why


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_the_page_names_tests_that_there_are(row: Row) -> None:
    file, _, test = row[4].strip("`").partition("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    found = {node.name for node in ast.walk(tree)
             if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}  # fmt: skip
    assert test in found


def test_messages_are_bounded_in_bytes_and_values() -> None:
    for most, text in (
        (MAX_MESSAGE_BYTES, '"' + "x" * (MAX_MESSAGE_BYTES - 1) + '"'),
        (MAX_MESSAGE_VALUES, "[" + "1," * MAX_MESSAGE_VALUES + "1]"),
        (MAX_MESSAGE_VALUES, "[" + '{"a":[1]},' * (MAX_MESSAGE_VALUES // 4) + "1]"),
    ):
        for message in (text, text.encode()):
            with pytest.raises(Malformed, match=f"at most {most}"):
                parse_json(message)
    fits = "[" + "1," * (MAX_MESSAGE_VALUES - 2) + "1]"
    assert len(parse_json(fits)) == MAX_MESSAGE_VALUES - 1
