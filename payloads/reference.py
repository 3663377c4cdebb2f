"""The reference page of all layouts, made from the field tables, and the JSON types of the fields.

python -m payloads.reference docs/schemas.md docs/json.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from payloads.abi.fields import Field
from payloads.chainlink.report import CONTEXT, FULL_REPORT
from payloads.chainlink.schemas import SCHEMAS, Schema
from payloads.stork.update import ASSETS, BODIES, PLAIN, SIGNATURE, VERSIONED

_HEAD = """\
# Layouts

Made from the field tables by `make docs`: do not edit. Offsets are from the start of each table.
Integers are big-endian. A unit of *price* carries as many decimals as its stream defines, which the
payload does not say.
"""


def page() -> str:
    """The whole page, as Markdown."""
    return "\n".join([_HEAD, *_chainlink(), *_stork()])


def _chainlink() -> Iterator[str]:
    yield "## Chainlink Data Streams\n"
    yield "### The signed payload (`fullReport`)\n"
    types = ", ".join(f"{argument.type} {argument.name}" for argument in FULL_REPORT)
    yield f"`abi.encode({types})`, where `context` is\n\n{CONTEXT.markdown()}\n"
    yield "and byte i of `raw_vs` is the recovery id of signature i.\n"
    for schema in SCHEMAS.values():
        yield _schema(schema)


def _schema(schema: Schema) -> str:
    prefix = f"feed IDs that begin 0x{schema.prefix.hex()}, {schema.size} bytes"
    inferred = f"\n*{schema.inferred}.*\n" if schema.inferred else ""
    return f"### {schema.key}: {schema.title}\n\n{prefix}\n{inferred}\n{schema.table.markdown()}\n"


def _stork() -> Iterator[str]:
    yield "## Stork Fast\n"
    yield f"### The signature of a `signed_ecdsa` payload\n\n{SIGNATURE.markdown()}\n"
    yield f"### Body, plain layout\n\n{BODIES[PLAIN].markdown()}\n"
    yield f"then for each asset\n\n{ASSETS[1].markdown()}\n"
    yield f"### Body, versioned layout\n\n{BODIES[VERSIONED].markdown()}\n"
    yield f"then for each asset, as far as the mask has them\n\n{ASSETS[3].markdown()}\n"


# --- the types in JSON ----------------------------------------------------------------------------

_BEGIN, _END = "<!-- from the field tables -->\n", "<!-- until here -->\n"


def json_types() -> str:
    """The keys that are fields of a table, by the type that they have in JSON."""
    types: dict[str, dict[str, list[str]]] = {}
    for layout, row in _rows():
        types.setdefault(row.name, {}).setdefault(_json_type(row), []).append(layout)
    lines = ["| key | JSON |", "|---|---|"]
    for kind in (_HEX, _NUMBER, _DIGITS):
        keys = [f"`{key}`" for key, kinds in types.items() if list(kinds) == [kind]]
        lines.append(f"| {', '.join(keys)} | {kind} |")
    both = {key: kinds for key, kinds in types.items() if len(kinds) > 1}
    for layouts in dict.fromkeys(tuple(kinds[_DIGITS]) for kinds in both.values()):
        keys = [f"`{key}`" for key, kinds in both.items() if tuple(kinds[_DIGITS]) == layouts]
        where = ", ".join(f"`{layout}`" for layout in layouts)
        lines.append(f"| {', '.join(keys)} | {_DIGITS} in {where}, {_NUMBER} in all others |")
    return "\n".join(lines) + "\n"


_HEX, _NUMBER, _DIGITS = "`0x` hex", "number", "string of decimal digits"


def _json_type(row: Field) -> str:
    if row.type.kind == "bytes":
        return _HEX
    return _DIGITS if row.type.wide else _NUMBER


def _rows() -> Iterator[tuple[str, Field]]:
    """The fields of all layouts, with the `schema` or the form that JSON names."""
    tables = [(schema.key, schema.table) for schema in SCHEMAS.values()]
    tables += [("full_report", CONTEXT)]
    tables += [("signed_ecdsa", table) for table in (SIGNATURE, BODIES[PLAIN], ASSETS[3])]
    for layout, table in tables:
        yield from ((layout, row) for row in table.fields)


def with_json_types(text: str) -> str:
    """The page about JSON with the types as they are now."""
    before, rest = text.split(_BEGIN)
    return before + _BEGIN + json_types() + _END + rest.split(_END)[1]


def main(layouts: str, json_page: str) -> None:
    """Write the page of the layouts, and the types in the page about JSON."""
    Path(layouts).write_text(page(), encoding="utf-8")
    text = Path(json_page).read_text(encoding="utf-8")
    Path(json_page).write_text(with_json_types(text), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
