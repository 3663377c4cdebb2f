"""The page about the tables of a scan, and what all the tables share."""

from __future__ import annotations

import pyarrow as pa

from payloads.forensics import tables
from tests.docs_code import ROOT


def test_the_page_is_current() -> None:
    written = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
    assert written == tables.page(), "run make docs"


def test_every_column_has_a_meaning_and_names_have_one_type() -> None:
    types: dict[str, pa.DataType] = {}
    for name, schema in tables.TABLES.items():
        assert schema.metadata[b"payloads.table"] == name.encode()
        for field in schema:
            assert field.metadata[b"meaning"], f"{name}.{field.name}"
            if field.name not in ("payloads", "frames", "size"):
                assert types.setdefault(field.name, field.type) == field.type, field.name


def test_an_empty_batch_of_each_table() -> None:
    for name, schema in tables.TABLES.items():
        assert tables.empty(name).schema == schema
        assert tables.batch_of(name, {}, 0).num_rows == 0
